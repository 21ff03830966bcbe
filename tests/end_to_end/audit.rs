//! The audit: what is written down of who did what, and how it is found again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use rustix::process::Signal;
use serde_json::Value;

use crate::common::not_run::not_run;
use crate::common::web::RawWeb;
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, half_an_upload, text};

const AUDIT: &str = "audit/audit.jsonl";

fn start(world: &World) -> Daemon {
    world.daemon().args(["--audit", AUDIT]).start()
}

/// The lines of this audit that are whole.
fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"))).collect()
}

fn told(world: &World) -> Vec<Value> {
    lines(&world.place().join(AUDIT))
}

/// The audit, as soon as a line says this of this key.
fn once(world: &World, key: &str, value: &str) -> Vec<Value> {
    eventually(value, || told(world).iter().any(|line| line[key] == value));
    told(world)
}

fn word(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap_or("-").to_owned()
}

fn in_words(lines: &[Value], keys: &[&str]) -> Vec<String> {
    lines.iter().map(|line| keys.iter().map(|key| word(line, key)).collect::<Vec<_>>().join(" ")).collect()
}

/// Asks over both protocols what nobody has chosen, and says what has to stand in the audit.
struct Asking {
    world: World,
    sealift: RawClient,
    web: RawWeb,
    state: u64,
    expected: Vec<String>,
}

impl Asking {
    fn below(&mut self, n: u64) -> u64 {
        // Knuth's constants: the same questions in every run.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % n
    }

    fn name(&mut self) -> String {
        let folder = ["", "", "d/", "e/"][self.below(4) as usize];
        format!("{folder}{}", ["a", "b", "c", "n%FF", "%C2%9B2J"][self.below(5) as usize])
    }

    fn is_there(&self, name: &str) -> bool {
        let bytes = sealift::proto::percent::decode(name.as_bytes()).unwrap().into_owned();
        let name = std::ffi::OsString::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&bytes));
        self.world.home("alice").join(name).exists()
    }

    fn expect(&mut self, protocol: &str, verb: &str, path: &str, to: &str, outcome: &str) {
        self.expected.push(format!("{protocol} {verb} {path} {to} {outcome}"));
    }

    fn by_sealift(&mut self) {
        let (name, other) = (self.name(), self.name());
        let stored = if self.is_there(&name) { "replaced" } else { "created" };
        let (verb, to, good, answer) = match self.below(11) {
            0..2 => ("UPLOAD", "-", stored, self.sealift.upload(&name, name.as_bytes())),
            2 => (
                "DOWNLOAD",
                "-",
                "done",
                self.sealift.data(format!("DOWNLOAD {name}")).map_or_else(|no| no, |got| got.1),
            ),
            3 => ("DELETE", "-", "done", self.sealift.ask(format!("DELETE {name}"))),
            4 => ("MKDIR", "-", "created", self.sealift.ask(format!("MKDIR {name}"))),
            5 => ("RENAME", other.as_str(), "created", self.sealift.ask(format!("RENAME {name} {other}"))),
            8 => {
                let good =
                    if name == other { "same" } else { if self.is_there(&other) { "replaced" } else { "created" } };
                ("RENAME", other.as_str(), good, self.sealift.ask(format!("RENAME {name} {other} replace=yes")))
            }
            9 => ("DELETE", "-", "done", self.sealift.ask(format!("DELETE {name} recursive=yes"))),
            6 => ("HASH", "-", "done", self.sealift.ask(format!("HASH {name}"))),
            7 => ("LIST", "-", "done", self.sealift.data(format!("LIST {name}")).map_or_else(|no| no, |got| got.1)),
            _ => {
                assert_eq!(self.sealift.ask("PING").0, 200);
                return;
            }
        };
        let outcome = if answer.0 < 300 { good.to_owned() } else { answer.1 };
        self.expect("sealift/1", verb, &name, to, &outcome);
    }

    fn by_http(&mut self) {
        let name = self.name();
        let was_there = self.is_there(&name);
        // What is no file is looked at as a folder then: two operations.
        let is_folder = was_there && self.sealift.data(format!("LIST {name}")).is_ok();
        if was_there {
            let outcome = if is_folder { "done" } else { "not-directory" };
            self.expect("sealift/1", "LIST", &name, "-", outcome);
        }
        let (method, headers, body) = match self.below(7) {
            // Those that end before they are operations.
            4 => {
                assert_eq!(
                    self.web.ask(format!("GET /~alice/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).unwrap().status,
                    401
                );
                return self.expect("http", "GET", "-", "-", "login-required");
            }
            5 => {
                let got =
                    self.web.ask("PUT /~alice/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n").unwrap();
                assert_eq!(got.status, 400);
                return self.expect("http", "PUT", "-", "-", "bad-path");
            }
            6 if is_folder => return,
            6 => {
                let login = base64::engine::general_purpose::STANDARD.encode(format!("alice:{PASSWORD}"));
                let head =
                    format!("DELETE /~alice/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n");
                let got = self.web.ask(format!("{head}If-Match: \"another\"\r\nContent-Length: 0\r\n\r\n")).unwrap();
                assert_eq!(got.status, 412, "{got:?}");
                // What is there is looked at first.
                self.expect("http", "If-Match", &name, "-", if was_there { "done" } else { "not-found" });
                return self.expect("http", "DELETE", "-", "-", "changed");
            }
            0 => ("PUT", String::new(), "from the web"),
            1 if !is_folder => ("GET", String::new(), ""),
            1 => return,
            2 => ("DELETE", String::new(), ""),
            _ => ("MKCOL", String::new(), ""),
        };
        let login = base64::engine::general_purpose::STANDARD.encode(format!("alice:{PASSWORD}"));
        let asked = format!(
            "{method} /~alice/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let got = self.web.ask(asked).unwrap();
        let outcome = match (method, got.status) {
            ("PUT", 200..300) if was_there => "replaced",
            ("PUT" | "MKCOL", 200..300) => "created",
            (_, 200..300) => "done",
            _ => return self.expected.push(format!("http {method} {name} - failed")),
        };
        self.expect("http", method, &name, "-", outcome);
    }
}

#[test]
fn every_operation_of_a_random_session_stands_there_once_with_its_outcome() {
    let world = World::of(&["alice"]);
    let daemon = start(&world);
    let (sealift, web) = (enter(&daemon, "alice"), RawWeb::connect(&daemon, &["http/1.1"]));
    let mut asking = Asking { world, sealift, web, state: 14, expected: Vec::new() };
    for folder in ["d", "e"] {
        fs::create_dir(asking.world.home("alice").join(folder)).unwrap();
    }
    for _ in 0..600 {
        if asking.below(2) == 0 { asking.by_sealift() } else { asking.by_http() }
    }
    let Asking { world, sealift, web, expected, .. } = asking;
    drop((sealift, web));
    assert_eq!(daemon.stop().code, Some(0));
    let all = told(&world);
    assert!(all.iter().all(|line| line["event"] != "lost"));
    let path = |line: &Value, key: &str| match line[format!("{key}_encoded")].as_str() {
        Some(encoded) => encoded.to_owned(),
        None => line[key]
            .as_str()
            .map_or("-".to_owned(), |path| sealift::proto::percent::encode(path.as_bytes()).into_owned()),
    };
    let operations: Vec<_> = all.iter().filter(|line| line["verb"].is_string()).collect();
    let mut at = operations.iter().peekable();
    for expected in &expected {
        let line = at.next().unwrap_or_else(|| panic!("nothing is told of {expected}"));
        let said =
            format!("{} {} {} {}", word(line, "protocol"), word(line, "verb"), path(line, "path"), path(line, "to"));
        match expected.strip_suffix(" failed") {
            None => assert_eq!(format!("{said} {}", word(line, "outcome")), *expected),
            Some(asked) => {
                assert_eq!(said, asked);
                assert!(!["done", "created", "replaced"].contains(&line["outcome"].as_str().unwrap()), "{line}");
            }
        }
        if line["event"] == "request" {
            assert!(line["url"].is_string() && line["peer"].is_string(), "{line}");
            continue;
        }
        assert!(line["user"] == "alice" && line["session"].is_string() && line["peer"].is_string(), "{line}");
    }
    assert_eq!(at.next(), None, "nothing else is told of");
    // The receipt of an upload is what stands there.
    let upload = operations.iter().find(|line| line["verb"] == "UPLOAD" && line["outcome"] == "created").unwrap();
    assert!(upload["hash"].as_str().unwrap().len() == 64 && upload["bytes"] == upload["size"], "{upload}");
    let count = |event: &str| all.iter().filter(|line| line["event"] == event).count();
    assert_eq!((count("start"), count("stop"), count("login"), count("logout")), (1, 1, 2, 2));
}

#[test]
fn logins_refusals_and_acts_of_administrators_stand_there_with_who_and_by_what() {
    let world = World::with(&[("alice", "\"read\"", "alice"), ("root", "\"full\"\nadmin = true", "root")]);
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("no", b"x").1, "denied");
    let mut eve = RawClient::connect(&daemon);
    assert_eq!(eve.try_login("mallory", "guess").1, "login-failed");
    drop(eve);
    let mut root = enter(&daemon, "root");
    assert_eq!(root.ask("KICK alice").0, 200);
    let told = once(&world, "event", "logout");
    let words = in_words(&told, &["event", "user", "with", "verb", "about", "outcome"]);
    for expected in [
        "start - - - - -",
        "login alice password - - -",
        "transfer alice - UPLOAD - denied",
        "refused mallory password - - login-failed",
        "login root password - - -",
        "admin root - KICK alice done",
        "logout alice - - - kicked",
    ] {
        assert_eq!(words.iter().filter(|words| *words == expected).count(), 1, "{expected}: {words:#?}");
    }
    let file = world.place().join(AUDIT);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(file).unwrap().contains("guess"), "no password");
}

#[test]
fn a_transfer_that_is_cut_off_or_out_of_grace_stands_there_with_its_bytes() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--audit", AUDIT, "--grace", "100ms"]).start();
    fs::write(world.home("alice").join("large"), vec![7; 64 << 20]).unwrap();
    let mut reader = enter(&daemon, "alice");
    reader.line("DOWNLOAD large");
    assert_eq!(reader.reply().0, 150);
    drop(reader);
    once(&world, "verb", "DOWNLOAD");
    drop(half_an_upload(enter(&daemon, "alice"), "half", &[1; 300_000], &world.home("alice")));
    once(&world, "verb", "UPLOAD");
    let held = half_an_upload(enter(&daemon, "alice"), "held", &[1; 400_000], &world.home("alice"));
    daemon.stop();
    drop(held);
    let told = told(&world);
    let cut: Vec<_> = told.iter().filter(|line| line["event"] == "transfer").collect();
    let of = |path: &str| cut.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("{path}: {cut:?}"));
    assert_eq!(cut.len(), 3, "{cut:?}");
    assert_eq!((&of("large")["outcome"], of("large")["bytes"].as_u64().unwrap() < 64 << 20), (&"aborted".into(), true));
    assert_eq!((&of("half")["outcome"], &of("half")["bytes"]), (&"aborted".into(), &300_000.into()));
    assert_eq!((&of("held")["outcome"], &of("held")["bytes"]), (&"stopping".into(), &400_000.into()));
}

#[test]
fn sighup_opens_the_file_anew_and_nothing_is_lost_or_told_twice() {
    let world = World::of(&["alice"]);
    let daemon = start(&world);
    let (now, moved) = (world.place().join(AUDIT), world.place().join("audit/audit.1"));
    let mut alice = enter(&daemon, "alice");
    for round in 0..3 {
        for n in 0..20 {
            assert_eq!(alice.upload(&format!("f{round}-{n}"), b"x").1, "done");
        }
        if round == 0 {
            fs::rename(&now, &moved).unwrap();
            daemon.signal(Signal::HUP);
            eventually("it is made anew", || now.exists());
        }
    }
    drop(alice);
    daemon.stop();
    let mut all = lines(&moved);
    all.extend(lines(&now));
    let stored: Vec<_> = all.iter().filter(|line| line["verb"] == "UPLOAD").map(|line| word(line, "path")).collect();
    let expected: Vec<_> = (0..3).flat_map(|round| (0..20).map(move |n| format!("f{round}-{n}"))).collect();
    assert_eq!(stored, expected);
}

#[test]
fn an_audit_on_a_full_disk_stops_nobody_and_says_what_it_has_lost() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.place().join("audit")).unwrap();
    let mount = "mount -t tmpfs -o size=48k none audit";
    let flags = ["-m", "-rm"].into_iter().find(|flags| {
        let tried =
            std::process::Command::new("unshare").args([flags, "sh", "-c", mount]).current_dir(world.place()).output();
        tried.is_ok_and(|output| output.status.success())
    });
    let Some(flags) = flags else { return not_run("neither root nor a user namespace may mount here") };
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let daemon = world.daemon().through(["unshare", flags, "sh", "-c", &script]).args(["--audit", AUDIT]).start();
    let seen = Path::new("/proc")
        .join(daemon.pid().to_string())
        .join("root")
        .join(world.place().join(AUDIT).strip_prefix("/").unwrap());
    let mut alice = enter(&daemon, "alice");
    // Each takes more than 256 bytes: the disk is full long before the last.
    for n in 0..200 {
        assert_eq!(alice.upload(&format!("f{n}"), b"x").1, "done");
    }
    eventually("it is said", || daemon.log().contains("the audit cannot be written"));
    assert!(!fs::read(&seen).unwrap().ends_with(b"\n"), "it is full in the middle of a line");
    let full = fs::read(&seen).unwrap();
    let keep = seen.with_file_name("audit.1");
    fs::rename(&seen, &keep).unwrap();
    // There is room again, and the rest of the line belongs to the beginning that is there: no line is lost but those that
    // found no room in memory, and here all did.
    fs::File::options().write(true).open(&keep).unwrap().set_len(0).unwrap();
    daemon.signal(Signal::HUP);
    eventually("it goes on", || seen.exists() && lines(&seen).iter().any(|line| line["path"] == "f199"));
    let after = lines(&seen);
    assert_eq!((word(&after[0], "event"), after[0]["lines"].as_u64()), ("lost".to_owned(), Some(1)));
    let torn = full.iter().filter(|byte| **byte == b'\n').count();
    let uploads = |lines: &[Value]| lines.iter().filter(|line| line["verb"] == "UPLOAD").count();
    let before: Vec<Value> =
        full.split(|byte| *byte == b'\n').take(torn).map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert_eq!(uploads(&before) + 1 + uploads(&after), 200);
}

#[test]
fn sealiftd_audit_says_who_deleted_it() {
    let world = World::of(&["alice", "bob"]);
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    for line in ["MKDIR docs", "MKDIR docs/x", "MKDIR other"] {
        assert_eq!(alice.ask(line).0, 250);
    }
    assert_eq!(alice.upload("docs/x/report", b"words").1, "done");
    assert_eq!(alice.ask("DELETE docs recursive=yes").0, 250);
    assert_eq!(enter(&daemon, "bob").ask("MKDIR docs").0, 250);
    drop(alice);
    once(&world, "verb", "DELETE");
    let found = |args: &[&str]| {
        let output = daemon.command(&[&["audit", "--file", AUDIT], args].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let shown = found(&["--path", "docs/x/report", "--since", "7d", "--user", "alice"]);
    let verbs: Vec<_> = shown.lines().map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(verbs, ["UPLOAD", "DELETE"], "{shown}");
    assert!(shown.contains("alice") && shown.contains("from 127.0.0.1:"), "{shown}");
    let json: Value = serde_json::from_str(found(&["--json", "--user", "bob", "--event", "change"]).trim()).unwrap();
    assert_eq!((&json["path"], &json["home"]), (&"docs".into(), &"bob".into()));
    assert_eq!(found(&["--until", "1h", "--event", "change"]), "");
    assert_eq!(found(&["--failed"]), "");
}

#[test]
fn an_audit_where_the_server_must_not_write_is_refused() {
    let world = World::of(&["alice"]);
    for (file, why) in [
        ("audit.jsonl", "holds what --users names"),
        ("certs/audit.jsonl", "holds what --certs names"),
        ("server_data/alice/audit.jsonl", "inside the data folder"),
        ("server_state/audit.jsonl", "holds what --state names"),
    ] {
        let mut command = crate::common::sealiftd(world.place());
        let output = command.args(["--listen", "127.0.0.1:0", "--audit", file]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{file}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(why), "{file}: {}", text(&output.stderr));
        assert!(!world.place().join(file).exists(), "{file}");
    }
    fs::create_dir(world.place().join("audit")).unwrap();
    std::os::unix::fs::symlink("/dev/null", world.place().join(AUDIT)).unwrap();
    let mut command = crate::common::sealiftd(world.place());
    let output = command.args(["--listen", "127.0.0.1:0", "--audit", AUDIT]).output().unwrap();
    assert_ne!(output.status.code(), Some(0), "a link");
}

#[test]
fn an_audit_beside_the_settings_is_refused() {
    // A server that was taken over could write there what the next start goes by.
    let world = World::of(&["alice"]);
    let elsewhere = tempfile::TempDir::new().unwrap();
    fs::rename(world.place().join("users.toml"), elsewhere.path().join("users.toml")).unwrap();
    fs::create_dir(world.place().join("set")).unwrap();
    fs::write(world.place().join("set/s.toml"), "").unwrap();
    for (config, file) in [(None, "audit.jsonl"), (Some("set/s.toml"), "set/audit.jsonl")] {
        let mut command = crate::common::sealiftd(world.place());
        command.args(["--listen", "127.0.0.1:0", "--certs"]).arg(elsewhere.path().join("certs"));
        command.arg("--users").arg(elsewhere.path().join("users.toml"));
        command.arg("--state").arg(elsewhere.path().join("state")).arg("--data").arg(elsewhere.path().join("data"));
        command.args(config.iter().flat_map(|config| ["--config", config])).args(["--audit", file]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{file}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("that the settings are read from"), "{file}: {}", text(&output.stderr));
        assert!(!world.place().join(file).exists(), "{file}");
    }
}

#[test]
fn a_link_that_is_made_and_removed_stands_there_with_its_path_and_name_and_never_its_secret() {
    let world = World::of(&["alice"]);
    let daemon = start(&world);
    fs::write(world.home("alice").join("report"), "x").unwrap();
    let mut alice = enter(&daemon, "alice");
    let made = alice.ask("LINK report name=mine");
    assert_eq!((made.0, alice.ask("LINK missing name=other").0), (200, 550), "{made:?}");
    let secrets = "s".repeat(43);
    assert_eq!((alice.ask(format!("UNLINK {secrets}")).0, alice.ask("UNLINK mine").0), (550, 200));
    drop(alice);
    assert_eq!(daemon.stop().code, Some(0));
    let told = in_words(&told(&world), &["verb", "path", "about", "outcome"]);
    let of_links: Vec<_> = told.iter().filter(|line| line.contains("LINK")).map(String::as_str).collect();
    let expected =
        ["LINK report mine done", "LINK missing other not-found", "UNLINK - - not-found", "UNLINK report mine done"];
    assert_eq!(of_links, expected);
    let text = fs::read_to_string(world.place().join(AUDIT)).unwrap();
    assert!(!text.contains(&secrets) && !text.contains("secret"), "{text}");
}

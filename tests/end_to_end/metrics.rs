//! Figures for programs that watch: what stands there is what was done, and Prometheus' own parser reads it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use base64::Engine as _;
use rustix::process::Signal;

use crate::common::not_run::not_run;
use crate::common::watch::{SOCKET, ask, figures, knock};
use crate::common::web::RawWeb;
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, sealiftd, text};

fn start(world: &World) -> Daemon {
    world.daemon().args(["--metrics", SOCKET]).start()
}

/// Asks over HTTP as alice.
fn by_http(web: &mut RawWeb, method: &str, name: &str, body: &str) -> u16 {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("alice:{PASSWORD}"));
    let length = body.len();
    let head = format!("{method} /~alice/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n");
    web.ask(format!("{head}Content-Length: {length}\r\n\r\n{body}")).unwrap().status
}

#[test]
fn known_work_stands_there_in_exact_figures() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("root", "\"full\"\nadmin = true", "root")]);
    let daemon = start(&world);
    let before = figures(world.place());
    assert_eq!(before.get("sealift_operations_total{}"), None, "nothing was asked for yet");
    let (mut alice, _root) = (enter(&daemon, "alice"), enter(&daemon, "root"));
    for n in 0..7 {
        assert_eq!(alice.upload(&format!("f{n}"), &vec![n; 1000]).1, "done");
    }
    for _ in 0..3 {
        assert_eq!(alice.data("DOWNLOAD f1").unwrap().1.1, "done");
    }
    assert_eq!(alice.ask("DELETE missing").1, "not-found");
    assert_eq!(alice.ask("DELETE missing").1, "not-found");
    assert_eq!(alice.ask("DELETE f6").1, "done");
    let mut anybody = RawClient::connect(&daemon);
    assert_eq!(anybody.try_login("mallory", "guess").1, "login-failed");
    anybody.login("anonymous", "");
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    assert_eq!(by_http(&mut web, "PUT", "g", "12345"), 201);
    assert_eq!(by_http(&mut web, "GET", "g", ""), 200);
    assert_eq!(by_http(&mut web, "GET", "none", ""), 404);

    let now = figures(world.place());
    let at = |name: &str| *now.get(name).unwrap_or_else(|| panic!("no {name} in {now:#?}"));
    for (name, value) in [
        ("sealift_operations_total{action=upload,outcome=done,protocol=sealift/1}", 7.0),
        ("sealift_operations_total{action=download,outcome=done,protocol=sealift/1}", 3.0),
        ("sealift_operations_total{action=delete,outcome=done,protocol=sealift/1}", 1.0),
        ("sealift_operations_total{action=delete,outcome=failed,protocol=sealift/1}", 2.0),
        ("sealift_operations_total{action=upload,outcome=done,protocol=http}", 1.0),
        ("sealift_operations_total{action=download,outcome=done,protocol=http}", 1.0),
        ("sealift_moved_bytes_total{action=upload,protocol=sealift/1}", 7000.0),
        ("sealift_moved_bytes_total{action=download,protocol=sealift/1}", 3000.0),
        ("sealift_moved_bytes_total{action=upload,protocol=http}", 5.0),
        ("sealift_moved_bytes_total{action=download,protocol=http}", 5.0),
        ("sealift_operation_duration_seconds_count{action=upload,protocol=sealift/1}", 7.0),
        ("sealift_operation_duration_seconds_bucket{action=upload,le=+Inf,protocol=sealift/1}", 7.0),
        ("sealift_logins_total{outcome=done,with=password}", 3.0),
        ("sealift_logins_total{outcome=refused,with=password}", 1.0),
        ("sealift_logins_total{outcome=done,with=nothing}", 1.0),
        ("sealift_penalties_total{offence=login-failed}", 0.0),
        ("sealift_connections{}", 4.0),
        ("sealift_connections_accepted_total{}", 4.0),
        ("sealift_connections_not_logged_in{}", 0.0),
        ("sealift_sessions{class=administrator}", 1.0),
        ("sealift_sessions{class=named}", 2.0),
        ("sealift_sessions{class=anonymous}", 1.0),
        ("sealift_password_checks_waiting{}", 0.0),
        ("sealift_users_file_outdated{}", 0.0),
        ("sealift_rot_found_total{}", 0.0),
        ("sealift_panics_total{}", 0.0),
    ] {
        assert_eq!(at(name), value, "{name}");
    }
    assert!(!now.contains_key("sealift_storage_answers{}"), "files are on this machine");
    assert!(at("sealift_operation_errors_total{error=not-found}") >= 3.0);
    // Made for ten years or so, and shown to browsers as well.
    assert!(at("sealift_certificate_expiry_timestamp_seconds{certificate=pinned}") > 1.8e9);
    let disk = rustix::fs::statvfs(world.place()).unwrap();
    assert_eq!(at("sealift_disk_bytes{room=total}"), (disk.f_blocks * disk.f_frsize) as f64);
    assert!(at("sealift_disk_bytes{room=available}") <= at("sealift_disk_bytes{room=total}"));
    assert!(at("sealift_buffers_bytes{budget=total}") > 0.0 && at("sealift_connections_max{}") > 4.0);
    drop((alice, web, anybody));
    eventually("who has left is not there", || {
        let now = figures(world.place());
        (now["sealift_connections{}"], now["sealift_sessions{class=named}"]) == (1.0, 0.0)
    });
}

#[test]
fn rot_penalties_and_refusals_are_counted() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--metrics", SOCKET, "--penalise-loopback", "--max-per-source", "3"]).start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("large", &vec![1; 2 << 20]).1, "done");
    let file = fs::File::options().write(true).open(world.home("alice").join("large")).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"rot", 77).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(alice.ask("HASH large").1, "rotten");
    let _kept = [RawClient::connect(&daemon), RawClient::connect(&daemon)];
    assert!(RawClient::try_silent(daemon.port()).is_err(), "a fourth one");
    let now = figures(world.place());
    assert_eq!(now["sealift_rot_found_total{}"], 1.0);
    assert_eq!(now["sealift_connections_refused_total{reason=per-source}"], 1.0);
    let mut guessing = _kept;
    for client in &mut guessing {
        for _ in 0..3 {
            assert_eq!(client.try_login("mallory", "guess").1, "login-failed");
        }
    }
    let now = figures(world.place());
    assert_eq!(now["sealift_penalties_total{offence=login-failed}"], 6.0);
    assert_eq!(now["sealift_penalised_sources{}"], 1.0);
}

#[test]
fn labels_are_few_words_and_never_what_somebody_typed() {
    let world = World::of(&["alice"]);
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    let odd = "odd%22%7D%0Aname";
    for line in [format!("STAT {odd}"), "NONSENSE".into(), "STAT xyzzy".into(), "MKDIR plugh".into()] {
        assert_ne!(alice.ask(line).0, 0);
    }
    assert_eq!(RawClient::connect(&daemon).try_login("zork", "guess").1, "login-failed");
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let strange = b"XYZZY /~alice/frotz HTTP/1.1\r\nHost: plugh\r\nUser-Agent: zork\r\n\r\n";
    assert!(web.ask(strange).unwrap().status >= 400);
    let page = ask(world.place(), "GET", "/metrics").text();
    for word in ["alice", "plugh", "xyzzy", "XYZZY", "zork", "frotz", "odd", "127.0.0.1"] {
        assert!(!page.contains(word), "{word} in {page}");
    }
    let keys: std::collections::BTreeSet<String> = figures(world.place())
        .keys()
        .flat_map(|name| {
            name.split_once('{').unwrap().1.trim_end_matches('}').split(',').map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|label| Some(label.split_once('=')?.0.to_owned()))
        .collect();
    let known = [
        "action",
        "budget",
        "certificate",
        "class",
        "error",
        "le",
        "offence",
        "outcome",
        "protocol",
        "reason",
        "room",
        "version",
        "with",
    ];
    assert_eq!(keys, known.map(str::to_owned).into());
}

#[test]
fn health_is_proven_by_the_server_and_told_on_the_same_socket() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--metrics", SOCKET, "--grace", "60s"]).start();
    let got = ask(world.place(), "GET", "/healthz");
    let json: serde_json::Value = serde_json::from_str(&got.text()).unwrap();
    assert_eq!((got.status, &json["status"], &json["pid"]), (200, &"ok".into(), &daemon.pid().into()));
    let head = ask(world.place(), "HEAD", "/healthz");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(ask(world.place(), "GET", "/other").status, 404);
    assert_eq!(ask(world.place(), "POST", "/metrics").status, 405);
    let mode = fs::metadata(world.place().join("metrics")).unwrap();
    assert_eq!((mode.permissions().mode() & 0o777, mode.uid()), (0o660, rustix::process::geteuid().as_raw()));
    // A transfer in its grace: the server is stopping, and says so.
    let held = crate::common::half_an_upload(enter(&daemon, "alice"), "held", &[1; 1000], &world.home("alice"));
    daemon.signal(Signal::TERM);
    eventually("it is stopping", || ask(world.place(), "GET", "/healthz").status == 503);
    assert!(ask(world.place(), "GET", "/healthz").text().contains("\"stopping\""));
    assert_eq!(figures(world.place())["sealift_connections{}"], 1.0, "figures go on to the end");
    drop(held);
}

#[test]
fn an_address_of_this_machine_serves_as_well_and_a_taken_one_is_named() {
    let world = World::of(&[]);
    let daemon = world.daemon().args(["--metrics", "127.0.0.1:0"]).start();
    eventually("it says where", || daemon.log().contains("figures are told"));
    let log = daemon.log();
    let told = log.lines().find(|line| line.contains("figures are told")).unwrap();
    let address =
        told.split_whitespace().find_map(|word| word.strip_prefix("address=\"")).unwrap().trim_end_matches('"');
    let output = Command::new("curl").args(["-sf", &format!("http://{address}/metrics")]).output().unwrap();
    assert!(text(&output.stdout).ends_with("# EOF\n"), "{output:?}");
    drop(TcpStream::connect(address).unwrap());
    let other = World::of(&[]);
    let mut second = sealiftd(other.place());
    let output = second.args(["--listen", "127.0.0.1:0", "--metrics", address]).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(text(&output.stderr).contains(&format!("cannot tell figures on {address}")), "{output:?}");
}

#[test]
fn where_others_could_ask_is_refused_with_a_sentence_that_helps() {
    let world = World::of(&[]);
    for wrong in ["0.0.0.0:9456", "[::]:9456", "192.0.2.1:9456", "localhost:9456", "9456", "unix:"] {
        let output = sealiftd(world.place()).args(["--metrics", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}: {output:?}");
        assert!(text(&output.stderr).contains("127.0.0.1:9456"), "{wrong}: {}", text(&output.stderr));
    }
    let output = sealiftd(world.place()).args(["--metrics", "unix:server_data/alice/m"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("inside the data folder"), "{output:?}");
    fs::write(world.place().join("sealiftd.toml"), "metrics = \"unix:metrics\"\n").unwrap();
    let shown = text(&sealiftd(world.place()).args(["config", "show"]).output().unwrap().stdout);
    assert!(
        shown.lines().any(|line| line.starts_with("metrics = \"unix:metrics\"") && line.ends_with("# sealiftd.toml:1")),
        "{shown}"
    );
    let _daemon = world.start();
    assert_eq!(ask(world.place(), "GET", "/healthz").status, 200, "the file counts");
}

#[test]
fn a_restart_takes_the_socket_of_a_server_that_was_killed() {
    let world = World::of(&[]);
    start(&world).kill();
    assert!(world.place().join("metrics").exists());
    let daemon = start(&world);
    drop(knock(world.place()));
    assert_eq!(ask(world.place(), "GET", "/healthz").status, 200);
    drop(daemon);
}

#[test]
fn the_dashboard_and_the_rules_ask_for_figures_that_there_are() {
    let packaging = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/monitoring");
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--metrics", SOCKET, "--audit", "audit/audit.jsonl"]).start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("f", b"x").1, "done");
    let there = figures(world.place());
    let there: BTreeMap<&str, ()> = there.keys().map(|name| (name.split('{').next().unwrap(), ())).collect();
    for file in ["alerts.yml", "dashboard.json"] {
        let text = fs::read_to_string(format!("{packaging}/{file}")).unwrap();
        let asked =
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("sealift_"));
        let asked: Vec<_> = asked.collect();
        assert!(asked.len() > 8, "{asked:?}");
        for name in asked {
            // What has not happened yet has no sample.
            let is_later = ["sealift_operation_errors_total"].contains(&name);
            // Of files elsewhere, where there are none here: `s3.rs` has them.
            let of_storage = ["sealift_storage_answers", "sealift_storage_requests_total"];
            let is_later = is_later || (cfg!(feature = "s3") && of_storage.contains(&name));
            assert!(
                is_later || there.contains_key(name),
                "{file} asks for {name}, of which there is nothing: {there:?}"
            );
        }
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(format!("{packaging}/dashboard.json")).unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 8);
    match Command::new("promtool").args(["check", "rules", &format!("{packaging}/alerts.yml")]).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => not_run("there is no promtool"),
    }
}

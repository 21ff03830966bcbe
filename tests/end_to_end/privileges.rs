//! A server that is started as root and gives that up (`--user`). Only root can try it: elsewhere these tests say so
//! and pass.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::User;
use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{Daemon, RawClient, eventually, put_program, sealiftd, text};

/// The account to become, if this test can.
pub(super) fn nobody() -> Option<User> {
    if !geteuid().is_root() {
        not_run("only root can become somebody else");
        return None;
    }
    // On every machine.
    Some(User::from_name("nobody").unwrap().unwrap())
}

/// A folder that belongs to this account.
pub(super) fn place_of(user: &User) -> TempDir {
    let place = TempDir::new().unwrap();
    chown(place.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    place
}

/// Fails unless every thread of this process has the account's ids, no capability, and no way to new ones.
fn assert_only(user: &User, pid: u32) -> usize {
    let threads: Vec<_> = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap().path()).collect();
    for thread in &threads {
        let Ok(status) = fs::read_to_string(thread.join("status")) else { continue }; // It has ended meanwhile.
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(field("Uid:"), vec![user.uid.to_string(); 4], "{status}");
        assert_eq!(field("Gid:"), vec![user.gid.to_string(); 4], "{status}");
        assert_eq!(field("Groups:"), vec![user.gid.to_string()], "{status}");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(set), ["0000000000000000"], "{set} {status}");
        }
        assert_eq!(field("NoNewPrivs:"), ["1"], "{status}");
    }
    threads.len()
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The exit code and what was said by `sealiftd --user nobody` with these arguments, which must not start.
fn refused(place: &Path, args: &[&str]) -> (i32, String) {
    let mut command = sealiftd(place);
    command.args(["--listen", "127.0.0.1:0", "--log-level", "off", "--user", "nobody"]).args(args);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn nothing_is_made_wider_than_for_account_and_group_whatever_the_umask() {
    let place = TempDir::new().unwrap();
    let script = "umask 0 && exec \"$0\" \"$@\"";
    let daemon = Daemon::builder().within(place.path()).through(["sh", "-c", script]).start();
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    // Without a name until it is whole, with one, and over another one.
    for line in ["small size=3", "a/b/large", "a/small size=3"] {
        assert_eq!(alice.ask("MKDIR a/b parents=yes").0, 250);
        for _ in 0..2 {
            assert_eq!(alice.upload(line, b"abc").0, 226);
        }
    }
    let mut left = vec![place.path().to_owned()];
    let mut seen = 0;
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (meta, name) = (entry.metadata().unwrap(), entry.file_name());
            // To be read by anybody: the certificate and the port are told to whoever connects. The log is the shell's.
            let widest = match name.to_str().unwrap() {
                "cert.pem" | "port" => 0o644,
                "log" => continue,
                _ if meta.is_dir() => 0o750,
                _ => 0o640,
            };
            assert_eq!(meta.mode() & 0o777 & !widest, 0, "{:?} is {:o}", entry.path(), meta.mode());
            seen += 1;
            if meta.is_dir() {
                left.push(entry.path());
            }
        }
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn no_thread_keeps_anything_of_root_and_everything_works() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    let mut daemon = Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    assert_only(&nobody, daemon.pid());
    // As root, while it runs: the users file stays the server's to read.
    daemon.add_user("alice", "correct-horse", "full");
    daemon.signal(Signal::HUP);
    let data = vec![7; 3_000_000];
    let mut clients: Vec<RawClient> = (0..4).map(|_| RawClient::logged_in(&daemon, "alice", "correct-horse")).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.start_upload(&format!("file{n}"), &data);
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply().0, 226);
        assert_eq!(client.download(&format!("file{n}")).unwrap(), data);
        assert_eq!(client.ask(format!("RENAME file{n} moved{n}")).0, 250);
    }
    // Links inside of a home are resolved with the help of /proc, which shows an account little of what is not dumpable.
    symlink("moved0", daemon.data().join("alice/link")).unwrap();
    fs::create_dir(daemon.data().join("alice/folder")).unwrap();
    symlink("folder", daemon.data().join("alice/way")).unwrap();
    assert_eq!(clients[0].download("link").unwrap(), data);
    assert_eq!(clients[0].list("way").unwrap(), [""; 0]);
    assert_eq!(fs::metadata(daemon.data().join("alice/moved0")).unwrap().uid(), nobody.uid.as_raw());
    let threads = assert_only(&nobody, daemon.pid());
    assert!(threads > 3, "{threads}");
    // Not dumpable: what the process is in /proc is root's, not the account's.
    let environment = fs::metadata(format!("/proc/{}/environ", daemon.pid())).unwrap();
    assert_eq!(environment.uid(), 0, "another process of the account could look into it");
    drop(clients);
    daemon.signal(Signal::TERM);
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!place.path().join("port").exists());
    assert!(!ended.log.contains("running as root"), "{}", ended.log);
}

/// A file can be put where its own account may not write it. What is in shared folders counts all the same.
#[test]
fn what_the_account_may_not_write_counts_for_who_put_it_into_a_shared_folder() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    let daemon = Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    let users = place.path().join("users.toml");
    let shared = fs::read_to_string(&users).unwrap() + "[folders.team]\naccess = { \"*\" = \"full\" }\n";
    fs::write(&users, shared).unwrap();
    daemon.add_user_with("alice", "correct-horse", &["--access", "full", "--quota", "1MiB"]);
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    let put = |alice: &mut RawClient, path: &str, mode: &str| {
        alice.upload(&format!("{path} size=204800 mode={mode} perms=yes"), &[7; 204_800]).1
    };
    eventually("it is shared", || put(&mut alice, "team/a", "444") == "done");
    assert_eq!(put(&mut alice, "team/b", "000"), "done");
    for (name, mode) in [("c", "444"), ("d", "000")] {
        assert_eq!(put(&mut alice, name, mode), "done");
        assert_eq!(alice.ask(format!("RENAME {name} team/{name}")).1, "done");
        let meta = fs::metadata(daemon.data().join("team").join(name)).unwrap();
        // Its owner may always read it.
        let kept = u32::from_str_radix(mode, 8).unwrap() | 0o400;
        assert_eq!(meta.permissions().mode() & 0o7777, kept);
    }
    let used = |client: &mut RawClient| client.ask("STATUS").2["used"].parse::<u64>().unwrap();
    assert_eq!(used(&mut alice), 4 * 204_800);
    drop(alice);
    daemon.stop();
    let daemon = Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(used(&mut alice), 4 * 204_800);
    assert_eq!(put(&mut alice, "more", "644"), "done");
    assert_eq!(put(&mut alice, "team/more", "644"), "quota");
    for name in ["a", "b"] {
        assert_eq!(alice.ask(format!("DELETE team/{name}")).1, "done");
    }
    assert_eq!(used(&mut alice), 3 * 204_800);
}

#[test]
fn a_client_keeps_its_memory_from_its_own_account_and_works_nevertheless() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    // Where the account can run it, whatever folder it was built in.
    let program = place.path().join("sealift");
    put_program(Path::new(env!("CARGO_BIN_EXE_sealift")), &program);
    let daemon = Daemon::start();
    daemon.add_user("alice", "right", "full");
    let mut client = Command::new(program)
        .args(["-q", "--pin", daemon.pin(), "shell", &format!("alice@{}/", daemon.address())])
        .env("SEALIFT_CONFIG_DIR", place.path())
        .env("SEALIFT_PASSWORD", "right")
        .current_dir(place.path())
        .uid(nobody.uid.as_raw())
        .gid(nobody.gid.as_raw())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    fs::write(place.path().join("file"), "content").unwrap();
    stdin.write_all(b"put file sent\nget sent came\npwd\n").unwrap();
    let mut said = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "/\n");
    assert_eq!(fs::read(place.path().join("came")).unwrap(), b"content");
    assert_eq!(fs::metadata(place.path().join("came")).unwrap().uid(), nobody.uid.as_raw());
    let environment = fs::metadata(format!("/proc/{}/environ", client.id())).unwrap();
    assert_eq!(environment.uid(), 0, "another process of the account could look into it");
    drop(stdin);
    assert!(client.wait().unwrap().success());
}

#[test]
fn what_the_first_start_makes_belongs_to_the_account_and_a_second_start_uses_it() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    let first = Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    for made in ["certs", "certs/key.pem", "certs/cert.pem", "users.toml", "server_data", "server_data/public", "port"]
    {
        let meta = fs::metadata(place.path().join(made)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (nobody.uid.as_raw(), nobody.gid.as_raw()), "{made}");
    }
    let pin = first.pin().to_owned();
    first.stop();
    let by_number = nobody.uid.to_string();
    let second = Daemon::builder().within(place.path()).env("SEALIFT_USER", by_number).start();
    assert_eq!(second.pin(), pin);
    assert_only(&nobody, second.pid());
}

#[test]
fn a_port_of_root_is_listened_on_before_root_is_given_up() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    // Whoever takes it between this look and the server's makes the test fail; few programs listen down there.
    let port = (600..1024).rev().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    let listen = format!("127.0.0.1:{port}");
    let daemon = Daemon::builder().within(place.path()).args(["--user", "nobody", "--listen", &listen]).start();
    assert_eq!(daemon.port(), port);
    assert_only(&nobody, daemon.pid());
    RawClient::connect(&daemon);
}

#[test]
fn a_place_of_root_is_named_with_the_command_that_helps() {
    let Some(nobody) = nobody() else { return };
    let place = TempDir::new().unwrap();
    chmod(place.path(), 0o755);
    let real = place.path().canonicalize().unwrap();
    let (code, said) = refused(place.path(), &[]);
    assert_eq!(code, 5, "{said}");
    let wanted =
        format!("nobody cannot use server_data (--data): {} cannot be changed (permission denied)", real.display());
    assert!(said.contains(&wanted), "{said}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");

    // A place that was made by a server of root's, so that there are several things to give away.
    Daemon::builder().within(place.path()).start().stop();
    let (code, said) = refused(place.path(), &[]);
    assert_eq!(code, 5, "{said}");
    let command = said.lines().find_map(|line| line.strip_prefix("  hint: Run: ")).unwrap();
    for part in ["chown -R nobody: ", "server_data", "users.toml", "certs"] {
        assert!(command.contains(part), "{command}");
    }
    // It helps, as often as it is asked.
    let mut tries = 0;
    let mut command = command.to_owned();
    loop {
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
        let mut check = sealiftd(place.path());
        let output =
            check.args(["--listen", "127.0.0.1:0", "--user", "nobody", "--port-file", "none/port"]).output().unwrap();
        let said = text(&output.stderr);
        match said.lines().find_map(|line| line.strip_prefix("  hint: Run: ")) {
            Some(next) => command = next.to_owned(),
            None => break,
        }
        tries += 1;
        assert!(tries < 4, "{said}");
    }
    chown(place.path(), Some(nobody.uid.as_raw()), None).unwrap();
    Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
}

#[test]
fn a_folder_on_the_way_that_the_account_cannot_enter_is_named_and_not_given_away() {
    let Some(nobody) = nobody() else { return };
    let closed = TempDir::new().unwrap();
    chmod(closed.path(), 0o700);
    let inside = closed.path().join("inside");
    fs::create_dir(&inside).unwrap();
    chown(&inside, Some(nobody.uid.as_raw()), None).unwrap();
    let data = inside.join("data");
    let (code, said) = refused(&inside, &["--data", data.to_str().unwrap()]);
    assert_eq!(code, 5, "{said}");
    let named = format!("{} cannot be entered", closed.path().display());
    assert!(said.contains(&named) && !said.contains("chown") && said.contains("install -d -o nobody"), "{said}");
}

#[test]
fn a_working_directory_that_is_closed_is_named_with_the_command_that_helps() {
    let Some(nobody) = nobody() else { return };
    let place = TempDir::new().unwrap();
    chmod(place.path(), 0o700);
    let (code, said) = refused(place.path(), &[]);
    let path = place.path().canonicalize().unwrap();
    assert_eq!(code, 5, "{said}");
    assert!(said.contains(&format!("{} cannot be entered", path.display())), "{said}");
    assert!(said.contains(&format!("  hint: Run: chown nobody: {}\n", path.display())), "{said}");
    chown(place.path(), Some(nobody.uid.as_raw()), None).unwrap();
    Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    // A folder of the system is nobody's to give away.
    let (code, said) = refused(place.path(), &["--data", "/data-of-sealift"]);
    assert!(code == 5 && said.contains("/ cannot be changed") && !said.contains("chown"), "{said}");
}

#[test]
fn an_account_that_there_is_not_is_a_usage_error() {
    let place = TempDir::new().unwrap();
    for name in ["no-such-account", "4294967294"] {
        for command in [&["--user", name][..], &["check", "--user", name]] {
            let output = sealiftd(place.path()).args(command).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
            assert!(text(&output.stderr).contains("no account"), "{}", text(&output.stderr));
        }
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn without_root_only_the_own_account_can_be_asked_for() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    // Where the tests are built may be closed to others.
    let program = place.path().join("sealiftd");
    put_program(Path::new(env!("CARGO_BIN_EXE_sealiftd")), &program);
    let run = |user: &str, data: &str| {
        let mut command = Command::new(&program);
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw()).current_dir(place.path()).env_clear();
        command.args(["--listen", "127.0.0.1:0", "--user", user, "--data", data]).output().unwrap()
    };
    let output = run("root", "data");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("only root can become somebody else"), "{}", text(&output.stderr));
    // Its own is no change; it ends for another reason, past all that.
    fs::write(place.path().join("file"), "").unwrap();
    let said = text(&run("nobody", "file/data").stderr);
    assert!(said.contains("not a folder") && !said.contains("only root"), "{said}");
}

#[test]
fn a_server_that_stays_root_says_so() {
    if nobody().is_none() {
        return;
    }
    let log = Daemon::start().stop().log;
    assert!(log.contains("WARN") && log.contains("running as root: with --user NAME"), "{log}");
}

#[test]
fn check_looks_with_the_account_s_eyes() {
    let Some(nobody) = nobody() else { return };
    let place = TempDir::new().unwrap();
    Daemon::builder().within(place.path()).start().stop();
    let said = |args: &[&str]| {
        let mut command = sealiftd(place.path());
        command.args(["check", "--max-connections", "20", "--listen", "127.0.0.1:0"]).args(args);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout))
    };
    let (code, as_root) = said(&[]);
    assert!(code == 0 && as_root.contains("note: this looks as root"), "{as_root}");
    let (code, as_nobody) = said(&["--user", "nobody"]);
    assert_eq!(code, 1, "{as_nobody}");
    assert!(as_nobody.contains("error: ") && as_nobody.contains("give it to the account"), "{as_nobody}");
    let status = Command::new("chown").args(["-R", &nobody.name]).arg(place.path()).status().unwrap();
    assert!(status.success());
    let (code, as_nobody) = said(&["--user", "nobody"]);
    assert_eq!(code, 0, "{as_nobody}");
}

/// As `sealiftd` typed as root does, or a backup that was unpacked.
#[test]
fn check_finds_what_another_account_has_made_where_the_server_keeps_something() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    let daemon = Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    daemon.add_user("alice", "correct-horse", "full");
    RawClient::logged_in(&daemon, "alice", "correct-horse").upload("f", b"f");
    daemon.stop();
    let users = place.path().join("users.toml");
    chown(&users, Some(nobody.uid.as_raw()), None).unwrap();
    let said = || {
        let mut command = sealiftd(place.path());
        command.args(["check", "--strict", "--max-connections", "20", "--listen", "127.0.0.1:0", "--user", "nobody"]);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout))
    };
    let (code, all) = said();
    assert_eq!(code, 0, "{all}");
    for (made, mode, found) in [
        ("server_state/users", 0o700, "error: "),
        ("server_state/links", 0o700, "error: "),
        ("server_state/invitations", 0o755, "warning: "),
        ("server_data/.sealift", 0o700, "error: "),
        ("server_data/.sealift", 0o755, "error: "),
        ("server_data/alice/.sealift", 0o755, "warning: alice could not write: "),
        ("server_data/public", 0o700, "warning: anonymous could not read: "),
    ] {
        let path = place.path().join(made);
        fs::create_dir_all(&path).unwrap();
        let status = Command::new("chown").args(["-R", "root"]).arg(&path).status().unwrap();
        assert!(status.success());
        chmod(&path, mode);
        let (code, all) = said();
        let line = all.lines().find(|line| line.starts_with(found) && line.contains(made));
        let line = line.unwrap_or_else(|| panic!("{made}: {all}"));
        assert_eq!(code, 1, "{all}");
        let command = line.split_once("run: ").map(|(_, command)| command.to_owned());
        let command = command.unwrap_or_else(|| format!("chown -R nobody {made} && chmod 700 {made}"));
        let status = Command::new("sh").args(["-c", &command]).current_dir(place.path()).status().unwrap();
        let (code, all) = said();
        assert!(status.success() && code == 0, "{command}: {all}");
    }
}

#[test]
fn check_asks_of_the_folder_of_an_audit_what_the_server_needs_of_it() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    Daemon::builder().within(place.path()).args(["--user", "nobody"]).start().stop();
    let audit = place.path().join("audit");
    fs::create_dir(&audit).unwrap();
    chown(&audit, Some(nobody.uid.as_raw()), None).unwrap();
    let code = |mode: u32| {
        chmod(&audit, mode);
        let mut command = sealiftd(place.path());
        command.args(["check", "--max-connections", "20", "--listen", "127.0.0.1:0", "--user", "nobody"]);
        let output = command.args(["--audit", "audit/a.jsonl"]).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout))
    };
    for (mode, expected) in [(0o300, 0), (0o500, 1), (0o600, 1)] {
        let (code, said) = code(mode);
        assert_eq!(code, expected, "{mode:o}: {said}");
    }
    chmod(&audit, 0o300);
    Daemon::builder().within(place.path()).args(["--user", "nobody", "--audit", "audit/a.jsonl"]).start().stop();
    assert!(audit.join("a.jsonl").is_file());
}

/// What the operating system refuses to the server's account is no right that the user lacks.
#[test]
fn what_its_account_may_not_do_on_the_disk_is_the_servers_fault_and_is_logged() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    let daemon = Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    daemon.add_user("alice", "correct-horse", "full");
    daemon.signal(Signal::HUP);
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    let home = daemon.data().join("alice");
    // Root's own, in the middle of the home.
    fs::write(home.join("secret"), "secret").unwrap();
    chmod(&home.join("secret"), 0o600);
    fs::create_dir(home.join("roots")).unwrap();
    chmod(&home.join("roots"), 0o755);
    fs::write(home.join("roots/f"), "f").unwrap();
    for line in ["DOWNLOAD secret", "HASH secret", "DELETE roots/f", "MKDIR roots/d", "RENAME roots/f f"] {
        assert_eq!((alice.ask(line).0, alice.ask(line).1.as_str()), (451, "io-error"), "{line}");
    }
    let refused = alice.upload("roots/new", b"x");
    assert_eq!((refused.0, refused.1.as_str()), (451, "io-error"));
    // The first of them is warned of; what repeats within a minute is only counted.
    eventually("a warning that names the file", || {
        daemon.log().lines().any(|line| line.contains(" WARN ") && line.contains("secret: permission denied"))
    });
    assert!(!daemon.log().contains("outcome=\"denied\""), "{}", daemon.log());
}

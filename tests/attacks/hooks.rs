//! Attacks by way of what the server runs or keeps for itself: programs that users or others of the machine could replace, shared folders
//! that hold the server's own files, and the process that runs programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{Daemon, World, end_of, enter, eventually, put_script, sealiftd, text};

/// A program that does nothing, and the folders to it.
fn program(path: &Path) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    put_script("#!/bin/sh\ncat > /dev/null\n", path);
    path.to_owned()
}

/// A start with these options ends with this in its error, and `check` finds the same.
#[track_caller]
fn refused(place: &Path, options: &[&str], why: &str) {
    for command in ["serve", "check"] {
        let mut started = sealiftd(place);
        started.arg(command).args(["--listen", "127.0.0.1:0"]).args(options);
        let output = end_of(started, "");
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.code() != Some(0) && said.contains(why), "{command} {options:?}, not {why}: {said}");
    }
}

#[test]
fn hook_that_users_could_replace() {
    let world = World::of(&["alice"]);
    let outside = TempDir::new().unwrap();
    let at = |path: &str| outside.path().join(path);
    let place = world.place();
    let users = fs::read_to_string(place.join("users.toml")).unwrap();
    fs::create_dir_all(at("shared")).unwrap();
    let shares =
        format!("{users}[folders.shared]\npath = \"{}\"\naccess = {{ alice = \"full\" }}\n", at("shared").display());
    let with = |hook: &Path| ["--on-upload".to_owned(), hook.to_str().unwrap().to_owned()];
    let refuses = |hook: &Path, more: &[&str], why: &str| {
        let hook = with(hook);
        refused(place, &[&[hook[0].as_str(), hook[1].as_str()], more].concat(), why);
    };
    // In a home, beside the homes, in the server's own state, and in the folder of the audit.
    refuses(&program(&world.home("alice").join("hook")), &[], "is inside the data folder");
    refuses(&program(&place.join("server_data/hook")), &[], "is inside the data folder");
    refuses(&program(&place.join("server_state/hook")), &[], "lies in the server's own state");
    refuses(
        &program(&at("audit/hook")),
        &["--audit", at("audit/log").to_str().unwrap()],
        "lies in the folder of the audit",
    );
    // By a link, from either side.
    let good = program(&at("lib/hook"));
    symlink(&good, world.home("alice").join("link")).unwrap();
    symlink(world.home("alice").join("hook"), at("to-home")).unwrap();
    symlink(world.home("alice").join("link"), at("by-home")).unwrap();
    for link in [world.home("alice").join("link"), at("to-home"), at("by-home")] {
        refuses(&link, &[], "is inside the data folder");
    }
    // Below a root, and in a shared folder elsewhere.
    let inside = program(&at("shared/hook"));
    refuses(&inside, &["--roots", at("shared").to_str().unwrap()], "a program of on_upload are one in the other");
    world.set_users(&shares);
    refuses(&inside, &[], "a program of on_upload are one in the other");
    // Where others of the machine can write.
    fs::set_permissions(at("lib"), Permissions::from_mode(0o777)).unwrap();
    refuses(&good, &[], "can be changed by others");
    fs::set_permissions(at("lib"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&good, Permissions::from_mode(0o775)).unwrap();
    refuses(&good, &[], "can be changed by others");
    fs::set_permissions(&good, Permissions::from_mode(0o755)).unwrap();
    if geteuid().is_root() {
        for what in ["lib/hook", "lib"] {
            chown(at(what), Some(65534), None).unwrap();
            refuses(&good, &[], "belongs to another user");
            chown(at(what), Some(0), None).unwrap();
        }
    } else {
        not_run("only root can give a file to somebody else");
    }
    // What is left is good: it starts.
    let hook = with(&good);
    drop(world.daemon().args(hook.iter().map(String::as_str)).start());
}

#[test]
fn settings_that_would_run_what_users_can_replace() {
    let world = World::of(&["alice"]);
    let outside = TempDir::new().unwrap();
    let bad = program(&world.home("alice").join("hook"));
    let file = outside.path().join("settings.toml");
    let settings = |hook: &Path, grace: &str| {
        fs::write(&file, format!("on_upload = [\"{}\"]\ngrace = \"{grace}\"\n", hook.display())).unwrap();
    };
    settings(&program(&outside.path().join("lib/hook")), "7s");
    let daemon = world.daemon().args(["--config", file.to_str().unwrap()]).start();
    settings(&bad, "8s");
    daemon.signal(Signal::HUP);
    eventually("it is refused", || daemon.log().contains("the settings cannot be used; what counted before stays"));
    let log = daemon.log();
    assert!(log.contains("is inside the data folder") && !log.contains("count from now on"), "{log}");
}

#[test]
fn folders_that_hold_what_is_the_servers_own() {
    let world = World::of(&["alice"]);
    let outside = TempDir::new().unwrap();
    let at = |path: &str| outside.path().join(path);
    fs::create_dir_all(at("srv")).unwrap();
    fs::create_dir_all(at("web")).unwrap();
    fs::create_dir_all(at("certs")).unwrap();
    let place = world.place();
    let users = fs::read_to_string(place.join("users.toml")).unwrap();
    let hook = program(&at("srv/lib/hook"));
    fs::write(at("srv/settings.toml"), "").unwrap();
    // Files of the server that are links into the folder, or whose way goes through it.
    let mut new = sealiftd(place);
    new.args(["cert", "new", "--certs", at("certs").to_str().unwrap()]);
    assert!(end_of(new, "").status.success());
    fs::rename(at("certs/key.pem"), at("srv/key.pem")).unwrap();
    symlink(at("srv/key.pem"), at("certs/key.pem")).unwrap();
    symlink(at("web"), at("srv/way")).unwrap();
    let path = |path: &str| at(path).to_str().unwrap().to_owned();
    let own: [(&str, String, &str); 9] = [
        ("--users", path("srv/users.toml"), "the users file"),
        ("--state", path("srv/state"), "the server's own state"),
        ("--certs", path("srv/certs"), "the key and certificate"),
        ("--certs", path("certs"), "the key and certificate"),
        ("--web-cert", path("srv/way"), "the key for browsers"),
        ("--config", path("srv/settings.toml"), "the settings file"),
        ("--audit", path("srv/audit/log"), "the audit"),
        ("--metrics", format!("unix:{}", path("srv/metrics")), "the socket of the figures"),
        ("--on-upload", hook.to_str().unwrap().to_owned(), "a program of on_upload"),
    ];
    fs::write(at("srv/users.toml"), &users).unwrap();
    fs::set_permissions(at("srv/users.toml"), Permissions::from_mode(0o600)).unwrap();
    let share = format!("[folders.shared]\npath = \"{}\"\naccess = {{ alice = \"full\" }}\n", at("srv").display());
    for (option, value, what) in &own {
        let why = format!("{what} are one in the other");
        refused(place, &[option, value, "--roots", at("srv").to_str().unwrap()], &why);
        world.set_users(&format!("{users}{share}"));
        if *option != "--users" {
            refused(place, &[option, value], &why);
        }
        world.set_users(&users);
        // And none of them where homes are.
        let value = value.replace(at("srv").to_str().unwrap(), world.home("alice").to_str().unwrap());
        if value.contains("alice") && !matches!(*option, "--config" | "--web-cert" | "--on-upload") {
            refused(place, &[option, &value], "is inside the data folder");
        }
    }
}

/// A folder that a users file names later, though nothing confines the process.
#[test]
fn folders_shared_later_that_hold_what_is_the_servers_own() {
    let world = World::of(&["alice"]);
    let outside = TempDir::new().unwrap();
    let root = outside.path().canonicalize().unwrap();
    let at = |path: &str| root.join(path);
    let place = world.place();
    let users = fs::read_to_string(place.join("users.toml")).unwrap();
    // A hook by a link, on whose way there is another one, and the server's own program.
    let (hook, link) = (program(&at("lib/hook")), at("links/hook"));
    for folder in ["links", "way", "bin", "good"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    symlink(at("way/lib"), at("links/lib")).unwrap();
    symlink(at("lib"), at("way/lib")).unwrap();
    symlink("lib/hook", &link).unwrap();
    let built = env!("CARGO_BIN_EXE_sealiftd");
    fs::hard_link(built, at("bin/sealiftd")).or_else(|_| fs::copy(built, at("bin/sealiftd")).map(drop)).unwrap();
    let daemon = world.daemon().program(at("bin/sealiftd")).args(["--no-sandbox", "--on-upload"]);
    let daemon = daemon.arg(link.to_str().unwrap()).start();
    let share = |folder: &Path, access: &str| {
        let folder = folder.display();
        world.set_users(&format!("{users}[folders.own]\npath = \"{folder}\"\naccess = {{ alice = \"{access}\" }}\n"));
    };
    for (folder, what) in [
        (place.join("server_state"), "the server's own state"),
        (place.join("certs"), "the key and certificate"),
        (place.join("server_data/alice"), "the data folder"),
        (place.to_owned(), "the key and certificate"),
        (hook.parent().unwrap().to_owned(), "a program of on_upload"),
        (at("links"), "a program of on_upload"),
        (at("way"), "a program of on_upload"),
        (at("bin"), "the server's program"),
    ] {
        share(&folder, "full");
        let said = format!("[folders.own]: {} and {what} are one in the other", folder.display());
        eventually(&said, || daemon.log().contains(&said));
    }
    // Who only reads may read the program, as everybody on the machine may.
    share(&at("bin"), "read");
    let mut alice = enter(&daemon, "alice");
    eventually("it is shared", || alice.ask("STAT own/sealiftd").0 == 213);
}

/// A port file replaces what has its name, and is removed at the end.
#[test]
fn port_file_over_the_servers_own() {
    let world = World::of(&["alice"]);
    let place = world.place();
    world.daemon().start().stop();
    fs::write(place.join("sealiftd.toml"), "").unwrap();
    fs::write(place.join("notes"), "mine\n").unwrap();
    symlink(place, place.join("here")).unwrap();
    symlink("notes", place.join("link")).unwrap();
    let program = program(&place.join("lib/hook"));
    let program = program.to_str().unwrap();
    let read = |name: &str| fs::read(place.join(name)).unwrap();
    let kept = ["users.toml", "certs/key.pem", "certs/cert.pem", "sealiftd.toml", "notes", "lib/hook"];
    let before = kept.map(read);
    for name in kept.into_iter().chain(["here/users.toml", "lib/../certs/key.pem", "certs", "link", "/dev/null"]) {
        refused(place, &["--port-file", name, "--on-upload", program], " is there");
        assert_eq!(kept.map(read), before, "{name}");
    }
    // Nothing is there yet, and will be.
    for name in ["certs/key.next.pem", "web.key", "here/web.key", "server_state/logins"] {
        refused(place, &["--port-file", name, "--web-cert", "web.pem,web.key"], "--port-file");
    }
    let empty = TempDir::new().unwrap();
    for name in ["users.toml", "certs/key.pem", "sealiftd.toml", "server_state", "certs"] {
        refused(empty.path(), &["--port-file", name], "--port-file");
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "{name}");
    }
    // In the settings as well.
    fs::write(place.join("sealiftd.toml"), "port_file = \"users.toml\"\n").unwrap();
    refused(place, &[], "the users file is there");
    assert_eq!(read("users.toml"), before[0]);
}

/// What the kernel tells of the process: whose child it is, and of which group.
fn parent_and_group(pid: u32) -> Option<(u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(1).map(str::parse);
    Some((fields.next()?.ok()?, fields.next()?.ok()?))
}

fn children_of(parent: u32) -> Vec<u32> {
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    names.filter(|pid| parent_and_group(*pid).is_some_and(|(its, _)| its == parent)).collect()
}

#[test]
fn the_process_that_runs_hooks_has_no_more_than_it_takes() {
    // It reads no settings: not even those that lie where it is started.
    let planted = TempDir::new().unwrap();
    fs::write(planted.path().join("sealiftd.toml"), "nonsense = 1\n").unwrap();
    let mut command = sealiftd(planted.path());
    command.args(["run-hooks", "--hook-timeout=1s", "--", "/bin/true"]);
    let output = end_of(command, "");
    assert!(output.status.success(), "{}", text(&output.stderr));

    let outside = TempDir::new().unwrap();
    let hook = program(&outside.path().join("hook"));
    let daemon = Daemon::builder().args(["--on-upload", hook.to_str().unwrap()]).env("CANARY", "7f3a9c51").start();
    let runners = children_of(daemon.pid());
    let [runner] = runners.as_slice() else { panic!("{runners:?}") };
    assert_eq!(parent_and_group(*runner).unwrap().1, *runner, "a group of its own");
    if !geteuid().is_root() {
        return not_run("only root looks into a process that is not dumpable");
    }
    let of_it = |name: &str| PathBuf::from(format!("/proc/{runner}/{name}"));
    assert_eq!(fs::read_link(of_it("cwd")).unwrap(), Path::new("/"));
    let environment = text(&fs::read(of_it("environ")).unwrap());
    assert!(
        environment.split('\0').filter(|entry| !entry.is_empty()).all(|entry| entry.starts_with("PATH=")),
        "{environment}"
    );
    let open: Vec<PathBuf> =
        fs::read_dir(of_it("fd")).unwrap().map(|entry| fs::read_link(entry.unwrap().path()).unwrap()).collect();
    let is_servers = |open: &&PathBuf| {
        let open = open.to_string_lossy();
        open.starts_with("socket:") || (open.starts_with(daemon.place().to_str().unwrap()) && !open.ends_with("/log"))
    };
    assert_eq!(open.iter().find(is_servers), None, "{open:?}");
}

//! Disks that are full, and folders that a unit of systemd closes: what keeps a server from starting is named, with what mends it.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};

use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{Daemon, PASSWORD, Typed, World, sealiftd, section, text};

/// A place in which a server was started once.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    Daemon::builder().within(place.path()).start().stop();
    place
}

/// `sealiftd` with these arguments, in a namespace of mounts where this command of a shell was run. None, with the reason said, where
/// nothing can be mounted.
fn mounted(place: &TempDir, mount: &str, args: &[&str]) -> Option<Output> {
    let run = |flags: &str, script: &str| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", script, env!("CARGO_BIN_EXE_sealiftd")]).args(args);
        command.current_dir(place.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(Stdio::null()).output()
    };
    let works = |flags: &&str| run(flags, mount).is_ok_and(|output| output.status.success());
    let Some(flags) = ["-m", "-rm"].into_iter().find(works) else {
        assert!(!geteuid().is_root(), "root cannot do this here: {mount}");
        not_run(&format!("neither root nor a user namespace may do this here: {mount}"));
        return None;
    };
    Some(run(flags, &format!("{mount} && exec \"$0\" \"$@\"")).unwrap())
}

/// The line of `sealiftd check` that has this.
fn found(output: &Output, what: &str) -> String {
    let said = text(&output.stdout);
    said.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("`{what}` is not in:\n{said}")).to_owned()
}

#[test]
fn a_full_disk_is_named() {
    let place = place();
    for (options, folder, fill, what) in [
        ("size=64k", "server_data", "cat /dev/zero > server_data/full 2> /dev/null", "is full"),
        ("size=64k", "server_state", "cat /dev/zero > server_state/full 2> /dev/null", "is full"),
        ("size=64k,nr_inodes=3", "server_data", "touch server_data/a server_data/b", "room for no more files"),
        ("size=64k", "server_data", ":", "is nearly full"),
    ] {
        let mount = format!("mount -t tmpfs -o mode=700,{options} none {folder}; {fill}; true");
        let Some(output) = mounted(&place, &mount, &["check", "--strict"]) else { return };
        let line = found(&output, what);
        assert!(line.contains(&format!("the disk of {folder}")) && line.contains("make room there"), "{line}");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!text(&output.stdout).contains("error: "), "a server starts there: {output:?}");
    }
}

#[test]
fn a_folder_that_the_unit_leaves_read_only_is_named_with_the_setting_that_opens_it() {
    let place = place();
    // What can only be read is served so.
    for (folder, severity) in [("server_data", "warning"), ("server_state", "error")] {
        let mount = format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}");
        let Some(output) = mounted(&place, &mount, &["check", "--strict"]) else { return };
        let line = found(&output, &format!("{severity}: {folder}: "));
        assert!(output.status.code() == Some(1) && line.contains("ReadWritePaths="), "{line}");
    }
    // A first start makes a key.
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("certs")).unwrap();
    let mount = "mount --bind certs certs && mount -o remount,bind,ro certs";
    let Some(output) = mounted(&place, mount, &["check"]) else { return };
    let line = found(&output, "no key can be made");
    assert!(output.status.code() == Some(1) && line.contains("ReadWritePaths="), "{line}");
    let output = mounted(&place, mount, &["--listen", "127.0.0.1:0"]).unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("the disk is read-only"), "{said}");
    assert!(said.contains("ReadWritePaths="), "{said}");
}

#[test]
fn a_unit_without_the_sockets_of_its_manager_is_told_which_setting_lacks_them() {
    let place = place();
    let manager = place.path().join("notify");
    let _manager = UnixDatagram::bind(&manager).unwrap();
    let trace = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket", "-e"];
    let mut command = Command::new("strace");
    command.args(trace).arg("inject=socket:error=EAFNOSUPPORT:when=1").arg(env!("CARGO_BIN_EXE_sealiftd"));
    command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &manager).current_dir(place.path());
    let Ok(output) = command.stdin(Stdio::null()).output() else { return not_run("there is no strace here") };
    let said = text(&output.stderr);
    if said.contains("strace: ") {
        return not_run(&said);
    }
    assert!(said.contains("NOTIFY_SOCKET") && said.contains("RestrictAddressFamilies="), "{said}");
    assert!(fs::metadata(place.path().join("port")).is_err());
}

#[test]
fn a_server_that_cannot_be_followed_does_not_outlive_the_start_that_failed() {
    let place = place();
    let said = fs::File::create(place.path().join("said")).unwrap();
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pidfd_open", "-e"]);
    command.arg("inject=pidfd_open:error=EPERM").arg(env!("CARGO_BIN_EXE_sealiftd")).args([
        "--supervise",
        "--listen",
        "127.0.0.1:0",
    ]);
    command.current_dir(place.path()).stdin(Stdio::null()).stderr(said);
    let Ok(status) = command.status() else { return not_run("there is no strace here") };
    let said = fs::read_to_string(place.path().join("said")).unwrap();
    if said.contains("strace: ") {
        return not_run(&said);
    }
    assert!(!status.success() && said.contains("starting a server"), "{said}");
    // Nobody holds the lock of what is there.
    Daemon::builder().within(place.path()).start().stop();
}

#[test]
fn a_file_in_the_place_of_a_folder_for_others_keeps_nobody_else_out() {
    let world = World::of(&["alice", "bob"]);
    let folders = "[anonymous]\nenabled = true\nhome = \"alice/public\"\n[folders.team]\npath = \"alice/team\"\naccess = { bob = \"full\" }\n";
    world.set_users(&[folders, &section("alice", "\"full\"", "alice"), &section("bob", "\"full\"", "bob")].concat());
    let daemon = world.start();
    let mut alice = Typed::login(&daemon, "alice", PASSWORD);
    for name in ["public", "team"] {
        assert!(alice.ask(&format!("DELETE {name} recursive=yes")).starts_with("250 "));
        fs::write(world.home("alice").join(name), "mine\n").unwrap();
    }
    daemon.stop();
    let daemon = world.start();
    assert!(Typed::login(&daemon, "alice", PASSWORD).ask("STAT public").starts_with("213 stat type=file "));
    let mut bob = Typed::login(&daemon, "bob", PASSWORD);
    let answer = bob.ask("STAT team/x");
    assert!(answer.starts_with("451 unavailable "), "{answer}");
    for home in ["alice/public", "alice/team"] {
        daemon.log_with(&[&format!("cannot be swept home=\"{home}\"")]);
    }
}

#[test]
fn a_command_whose_output_cannot_be_written_does_not_end_well_and_one_that_nobody_reads_does() {
    let world = World::of(&["alice"]);
    for args in [
        &["user", "list"][..],
        &["user", "show", "alice"],
        &["config", "show"],
        &["check"],
        &["explain", "alice", "LIST"],
        &["--version"],
        &["--help"],
        &["help", "user"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = sealiftd(world.place()).args(args).stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert!(
            output.status.code() == Some(9) && said.contains("standard output"),
            "{args:?} {:?} {said}",
            output.status
        );
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = sealiftd(world.place()).args(args).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{args:?} {output:?}");
    }
}

#[test]
fn what_is_of_another_kind_than_it_is_to_be_is_named_and_waited_for_by_nobody() {
    let place = place();
    let (aside, pipe) = (place.path().join("aside"), place.path().join("pipe"));
    mknodat(CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
    for (name, kind) in [
        ("server_state", "folder"),
        ("server_state/users", "folder"),
        ("server_state/links", "folder"),
        ("server_state/invitations", "folder"),
        ("server_state/.sealift", "folder"),
        ("server_state/.sealift/server.lock", "file"),
        ("server_data/.sealift", "folder"),
        ("server_data/.sealift/server.lock", "file"),
    ] {
        let path = place.path().join(name);
        fs::rename(&path, &aside).unwrap();
        fs::hard_link(&pipe, &path).unwrap();
        let output = sealiftd(place.path()).arg("check").output().unwrap();
        found(&output, &format!("error: {name} is no {kind}: the start makes one; run: mv "));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(sealiftd(place.path()).arg("check").output().unwrap().status.code(), Some(0));
}

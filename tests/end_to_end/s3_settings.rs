//! What is said of settings that a server with its files in a bucket cannot go by, and by the commands that look at disks.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::bad_engine::{Act, BadEngine};
use crate::common::moto::{BUCKET, Moto};
use crate::common::{PASSWORD, World, end_of, enter, eventually, sealiftd, text};

fn run(place: &Path, args: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let mut command = sealiftd(place);
    // A server that starts after all ends at an address that this machine has not.
    command.env("SEALIFT_LISTEN", "192.0.2.1:9").args(args).envs(environment.iter().copied());
    let output = end_of(command, "");
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

/// Otherwise somebody's files lie on a disk while she thinks that they are in the bucket.
#[test]
fn what_is_said_of_a_storage_that_is_not_named_is_refused() {
    let place = TempDir::new().unwrap();
    let options: [(&str, &str, &str); 4] = [
        ("endpoint", "--store-endpoint=http://127.0.0.1:9", "\"http://127.0.0.1:9\""),
        ("keys", "--store-keys=keys", "\"keys\""),
        ("ca", "--store-ca=ca.pem", "\"ca.pem\""),
        ("alone", "--store-alone", "true"),
    ];
    for (name, flag, value) in options {
        for command in [&[][..], &["serve"], &["check"]] {
            let (code, said) = run(place.path(), &[command, &[flag]].concat(), &[]);
            let told = format!("--store-{name} is about a storage, and no --store names one");
            assert!(code == 2 && said.contains(&told) && said.contains("s3://BUCKET"), "{flag} {command:?}: {said}");
            fs::write(place.path().join("sealiftd.toml"), format!("# ours\nstore_{name} = {value}\n")).unwrap();
            let (code, said) = run(place.path(), command, &[]);
            let told = format!("sealiftd.toml:2: store_{name}: is about a storage, and no store names one");
            assert!(code == 2 && said.contains(&told), "{name} {command:?}: {said}");
            fs::remove_file(place.path().join("sealiftd.toml")).unwrap();
        }
        let variable = format!("SEALIFT_STORE_{}", name.to_uppercase());
        let (code, said) = run(place.path(), &["check"], &[(&variable, value.trim_matches('"'))]);
        assert!(code == 2 && said.contains(&format!("{variable} is about a storage")), "{said}");
    }
    // Nothing was made, nothing served.
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    // Users are administered also where the environment has more than that needs.
    let (code, said) = run(place.path(), &["config", "show"], &[("SEALIFT_STORE_KEYS", "keys")]);
    assert!(code == 0 && said.contains("store_keys"), "{said}");
    // What says that it is off says nothing of a storage.
    fs::write(place.path().join("sealiftd.toml"), "store_alone = false\n").unwrap();
    assert_eq!(run(place.path(), &["check"], &[("SEALIFT_LISTEN", "127.0.0.1:0")]).0, 0);
}

#[test]
fn what_reads_disks_says_that_the_files_are_in_a_bucket() {
    let world = World::of(&["alice"]);
    let place = world.place();
    let by_environment = ("SEALIFT_STORE", "s3://files/team");
    fs::write(place.join("sealiftd.toml"), "store = \"s3://files/team\"\n").unwrap();
    for (args, environment) in [
        (&["scrub"][..], &[][..]),
        (&["scrub", "--json", "alice"], &[]),
        (&["--config", "none.toml", "scrub"], &[by_environment]),
    ] {
        fs::write(place.join("none.toml"), "").unwrap();
        let (code, said) = run(place, args, environment);
        let told = "the files are in s3://files/team, and scrub reads those of a disk alone";
        assert!(code == 2 && said.contains(told) && said.contains("sealift verify"), "{args:?}: {said}");
        assert!(!said.contains(" as stored, "), "{said}");
    }
    // Who named no folder on this disk is not told of one.
    let (code, said) = run(place, &["user", "remove", "alice"], &[]);
    assert!(code == 0 && !said.contains("server_data") && said.contains("s3://files/team/h/alice"), "{said}");
    let mut add = sealiftd(place);
    add.args(["user", "add", "bob", "--password-stdin"]);
    let said = end_of(add, "correct-horse\n");
    let said = text(&said.stdout) + &text(&said.stderr);
    assert!(!said.contains("server_data") && said.contains("s3://files/team/h/bob"), "{said}");
}

#[test]
fn who_gets_what_a_bucket_does_not_keep_is_named_in_the_log_and_by_check() {
    let Some(moto) = Moto::shared() else { return };
    let world = World::of(&["alice", "bob"]);
    let keys = world.place().join("keys");
    fs::write(&keys, "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=secret\n").unwrap();
    fs::set_permissions(keys, Permissions::from_mode(0o600)).unwrap();
    let store = format!("s3://{BUCKET}/unkept");
    let options = ["--store", &store, "--store-endpoint", &moto.endpoint, "--store-keys", "keys"];
    let daemon = world.daemon().args(options).start();
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    for (more, who, what) in [
        ("trash = \"30d\"\n", "bob", "has a trash, which an S3 storage does not keep"),
        (
            "[folders.team]\ntrash = \"30d\"\naccess = { alice = \"full\" }\n",
            "the shared folder team",
            "has a trash, which an S3 storage does not keep",
        ),
    ] {
        world.set_users(&format!("{users}{more}"));
        let told = format!("{who} {what}");
        eventually(&told, || daemon.log().lines().any(|line| line.contains("WARN") && line.contains(&told)));
        let (code, said) = run(world.place(), &[&["check"], &options[..]].concat(), &[]);
        assert!(code == 1 && said.contains(&format!("error: {told}")), "{said}");
    }
    // Said once, and of nobody else.
    assert_eq!(daemon.log().matches("bob has a trash").count(), 1, "{}", daemon.log());
    assert!(!daemon.log().contains("alice has"), "{}", daemon.log());
    world.set_users(&users);
    assert_eq!(enter(&daemon, "bob").ask("MKDIR d").1, "done");
    world.set_users(&format!("{users}trash = \"1d\"\n"));
    eventually("it is said again", || daemon.log().matches("bob has a trash").count() == 2);
}

/// Where there is a quota a bucket keeps nothing of an upload that is cut off, and the client says no more than that.
#[test]
fn an_interrupted_put_says_what_a_bucket_keeps_of_it() {
    let engine = BadEngine::start();
    // The server looks for uploads that nobody completed.
    engine.does(|asked| match asked.method == "GET" && asked.query.contains("uploads") {
        true => Act::Say(200, "", "<ListMultipartUploadsResult/>".to_owned()),
        false => Act::Do,
    });
    let world = World::of(&["alice"]);
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    world.set_users(&format!("{users}quota = \"1 GiB\"\n"));
    let keys = world.place().join("keys");
    fs::write(&keys, "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=secret\n").unwrap();
    fs::set_permissions(keys, Permissions::from_mode(0o600)).unwrap();
    let options =
        ["--store", "s3://bucket", "--store-endpoint", &engine.endpoint, "--store-keys", "keys", "--store-alone"];
    let daemon = world.daemon().args(options).start();
    let local = TempDir::new().unwrap();
    fs::write(local.path().join("large"), vec![7; 200 << 20]).unwrap();
    let mut put = Command::new(env!("CARGO_BIN_EXE_sealift"));
    put.args(["--pin", daemon.pin(), "put", "--limit-rate", "20M", "large"])
        .arg(format!("alice@{}/", daemon.address()));
    put.current_dir(local.path()).env("SEALIFT_CONFIG_DIR", local.path()).env("SEALIFT_PASSWORD", PASSWORD);
    let child = put.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("a part is on its way", || engine.asked().contains(&("POST".to_owned(), "h/alice/large".to_owned())));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("interrupted; nothing is kept: this server begins uploads anew where there is a quota"),
        "{said}"
    );
    assert!(said.contains("The same command begins anew.") && !said.contains(" -c"), "{said}");
}

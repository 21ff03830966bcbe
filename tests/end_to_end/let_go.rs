//! A shared folder that is shared no more, and what is mounted there.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::process::Command;

use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{enter, eventually, sealiftd, section, text};
use crate::folders::{users, word, world};

/// A file system that is mounted somewhere, until this is dropped.
struct Mounted(TempDir);

impl Mounted {
    /// Nothing if this account may not mount anything.
    fn here() -> Option<Mounted> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Mounted(dir))
    }

    fn can_be_let_go(&self) -> bool {
        Command::new("umount").arg(self.0.path()).output().unwrap().status.success()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _is_gone_already = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// Sessions that idle do not keep what is mounted there, nor does what is counted in somebody's quota.
#[test]
fn a_folder_that_is_shared_no_more_is_let_go_of_once_the_last_transfer_in_it_is_through() {
    let Some(mounted) = Mounted::here() else { return not_run("only root mounts file systems") };
    let world = world("");
    let shared =
        format!("[folders.isos]\npath = \"{}\"\naccess = {{ \"*\" = \"full\" }}\n", mounted.0.path().display());
    let quota = |users: String| users.replacen("[users.bob]\n", "[users.bob]\nquota = \"64 MiB\"\n", 1);
    world.set_users(&quota(users(&shared)));
    let daemon = world.start();
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|user| enter(&daemon, user));
    assert_eq!(alice.upload("isos/large", &vec![b'x'; 32 << 20]).1, "done");
    assert_eq!(bob.upload("isos/of-bob", b"counts").1, "done");
    assert_eq!(carol.ask("DOWNLOAD isos/large").0, 150);
    world.set_users(&quota(users("")));
    eventually("the folder is gone", || word(&mut bob, "STAT isos") == "not-found");
    assert!(carol.frames().is_none(), "the right to it is gone");
    eventually("it can be unmounted", || mounted.can_be_let_go());
    // Alice, who has not asked for anything since, and whoever comes, go on.
    assert_eq!(word(&mut alice, "STAT isos"), "not-found");
    assert_eq!(bob.upload("own", b"counts at home").1, "done");
}

#[test]
fn check_says_what_a_home_in_a_shared_folder_counts_for() {
    let world = world("");
    for (quota, said) in [
        ("", "by way of the folder counts in their quota, and in that of the home"),
        ("quota = \"1 GiB\"\n", "counts in the folder's quota, and in that of the home"),
    ] {
        let around = format!("[folders.around]\npath = \"team\"\naccess = {{ alice = \"full\" }}\n{quota}");
        world.set_users(&(users(&around) + &section("dora", "\"full\"", "team/dora")));
        let output = sealiftd(world.place()).arg("check").output().unwrap();
        let found = text(&output.stdout);
        let line = found.lines().find(|line| line.contains("the home of dora lies in the shared folder around"));
        assert!(line.is_some_and(|line| line.starts_with("warning: ") && line.contains(said)), "{found}");
    }
}

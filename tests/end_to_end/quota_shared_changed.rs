//! A quota that is changed while uploads into shared folders are under way.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use sealift::files::Hash;
use sealift::proto::frame::END;

use super::quota_shared::{KIB, MIB, users, word, world};
use crate::common::{RawClient, enter, frames_of, half_an_upload};

/// Another quota is no end of a session, and counts for what it is in the middle of.
#[test]
fn another_quota_counts_for_uploads_under_way_into_shared_folders() {
    let half = vec![7; 300 * KIB];
    let world = world("");
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let begun =
        |name: &str| half_an_upload(enter(&daemon, "alice"), &format!("team/{name}"), &half, &world.home("team"));
    let end = |mut sends: RawClient| {
        sends.send([&frames_of(&half)[..], &END, Hash::of(&half.repeat(2)).as_bytes()].concat());
        let said = sends.reply().1;
        assert_eq!(word(&mut sends, "PING"), "pong", "the session goes on");
        said
    };
    let mut kept = |how: &str| {
        world.set_users(&users(how, "alice = \"full\", bob = \"full\""));
        assert_eq!(word(&mut alice, "PING"), "pong");
    };
    let free = begun("free");
    kept("quota = \"500 KiB\"\n");
    assert_eq!(end(free), "quota", "it began when there was no bound");
    let raised = begun("raised");
    kept(MIB);
    assert_eq!(end(raised), "done");
    kept("quota = \"10 MiB\"\n");
    let lowered = begun("lowered");
    kept("quota = \"9 MiB\"\n");
    kept("");
    kept(MIB);
    assert_eq!(end(lowered), "quota");
    let there = ["free", "raised", "lowered"].map(|name| world.home("team").join(name).exists());
    assert_eq!(there, [false, true, false]);
}

//! `sealiftd` as its administrator meets it: first start, options, signals, errors.

mod common;

use common::{Daemon, Typed};

#[test]
fn a_user_added_to_a_running_server_can_log_in_at_once() {
    let daemon = Daemon::start();
    let mut stranger = Typed::connect(&daemon);
    assert!(stranger.ask("USER alice").starts_with("331 "));
    assert!(stranger.ask("PASS correct-horse").starts_with("530 login-failed "));
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = Typed::login(&daemon, "alice", "correct-horse");
    assert!(alice.ask("MKDIR papers").starts_with("250 done "));
    assert!(daemon.data().join("alice/papers").is_dir());
    assert_eq!(daemon.stop().code, Some(0));
}

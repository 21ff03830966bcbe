//! A state folder that does not answer any more, as over a network that is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use super::occupancy::Bindfs;
use crate::common::World;

#[test]
fn hanging_state() {
    let world = World::of(&["alice"]);
    let (real, state) = (world.place().join("real"), world.place().join("server_state"));
    fs::create_dir(&real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o700)).unwrap();
    let Some(mount) = Bindfs::over(&real, &state, &[]) else { return };
    let mut daemon = world.daemon().args(["--supervise", "--grace", "1s"]).start();
    mount.signal(Signal::STOP);
    daemon.log_with(&["the folder of the server's own state does not answer"]);
    // Whoever wants something of the supervisor is heard all the same.
    daemon.signal(Signal::TERM);
    daemon.log_with(&["stopping; once more ends at once"]);
    mount.signal(Signal::CONT);
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

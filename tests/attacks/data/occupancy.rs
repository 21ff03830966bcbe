//! A second server for what a first one serves: over another mount, inside of it, around it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{Dice, until};
use crate::common::not_run::not_run;
use crate::common::{HANG, World, enter, half_an_upload, sealiftd, text};

/// A folder seen through bindfs (FUSE): nameless files it has none, and locks it shows to nobody who did not come through
/// this very mount.
pub struct Bindfs {
    at: PathBuf,
    program: Child,
}

impl Bindfs {
    /// Mounts `folder` at `at`, made if missing; with options of bindfs. None, with the reason said, if this is not root,
    /// who alone may do so everywhere.
    pub fn over(folder: &Path, at: &Path, options: &[&str]) -> Option<Bindfs> {
        if !geteuid().is_root() {
            not_run("only root may mount bindfs");
            return None;
        }
        fs::create_dir_all(at).unwrap();
        let before = fs::metadata(at).unwrap().dev();
        let mut command = Command::new("bindfs");
        command.arg("-f").args(options).arg(folder).arg(at).stdin(Stdio::null()).stdout(Stdio::null());
        let mut mount = Bindfs { at: at.to_owned(), program: command.spawn().expect("bindfs is not installed") };
        until("bindfs is mounted", || {
            let ended = mount.program.try_wait().unwrap();
            assert!(ended.is_none(), "bindfs cannot be mounted here: is there a /dev/fuse? {ended:?}");
            fs::metadata(at).is_ok_and(|meta| meta.dev() != before)
        });
        Some(mount)
    }

    /// Stops it, so that whoever asks for anything there waits, or has it go on.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program), signal).unwrap();
    }
}

impl Drop for Bindfs {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        // Lazily: a server that a failed test leaves may still look into it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        let _ = self.program.wait();
    }
}

/// What was said by a server for this folder, with a state folder of its own, which must not start.
fn refused(world: &World, data: &Path) -> String {
    let mut command = sealiftd(world.place());
    command.args(["--listen", "127.0.0.1:0", "--log-level", "off", "--state", "state_of_another"]);
    command.args(["--data", data.to_str().unwrap()]);
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + HANG;
    while server.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            let _ = server.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = server.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}: {output:?}", data.display());
    text(&output.stderr)
}

#[test]
fn lock_on_other_mount() {
    for options in [&[][..], &["--enable-lock-forwarding", "--multithreaded"]] {
        let world = World::of(&["alice"]);
        let (real, data) = (world.place().join("real"), world.place().join("server_data"));
        fs::rename(&data, &real).unwrap();
        let other = world.place().join("other");
        let Some(mount) = Bindfs::over(&real, &data, options) else { return };
        let second = Bindfs::over(&real, &other, options).unwrap();
        let large = Dice::new().bytes(sealift::limits::HASH_BLOCK + 70_000);
        let daemon = world.start();
        let home = world.home("alice");
        let uploading = half_an_upload(enter(&daemon, "alice"), "large", &large, &home);
        for place in [&other, &real, &data, &other.join("alice")] {
            let said = refused(&world, place);
            assert!(said.contains("another sealiftd serves"), "{options:?}: {said}");
        }
        // The live upload was neither swept nor saved.
        let mut uploading = uploading;
        uploading.send([&[0; 4][..], sealift::files::Hash::of(&large).as_bytes()].concat());
        assert_eq!(uploading.reply().1, "done");
        assert_eq!(uploading.download("large").unwrap(), large);
        // One that is gone holds nothing, however it went.
        daemon.kill();
        drop(uploading);
        let daemon = world.daemon().args(["--data", other.to_str().unwrap()]).start();
        assert_eq!(enter(&daemon, "alice").download("large").unwrap(), large);
        daemon.stop();
        world.start().stop();
        drop((mount, second));
    }
}

/// As over a file system that shows locks to nobody of another machine: neither the lock nor the process is seen.
#[test]
fn lock_and_process_out_of_sight() {
    let world = World::of(&["alice"]);
    let (real, data) = (world.place().join("real"), world.place().join("server_data"));
    fs::rename(&data, &real).unwrap();
    let other = world.place().join("other");
    let Some(mount) = Bindfs::over(&real, &data, &[]) else { return };
    let second = Bindfs::over(&real, &other, &[]).unwrap();
    let large = Dice::new().bytes(sealift::limits::HASH_BLOCK + 70_000);
    let namespace = ["unshare", "--pid", "--fork", "--kill-child"];
    let daemon = world.daemon().through(namespace).start();
    let home = world.home("alice");
    let mut uploading = half_an_upload(enter(&daemon, "alice"), "large", &large, &home);
    let said = refused(&world, &other);
    assert!(said.contains("another sealiftd serves this folder, on another machine or in a container"), "{said}");
    // The live upload was neither swept nor saved.
    uploading.send([&[0; 4][..], sealift::files::Hash::of(&large).as_bytes()].concat());
    assert_eq!(uploading.reply().1, "done");
    assert_eq!(uploading.download("large").unwrap(), large);
    // One that is gone holds nothing.
    daemon.kill();
    drop(uploading);
    let daemon = world.daemon().args(["--data", other.to_str().unwrap()]).start();
    assert_eq!(enter(&daemon, "alice").download("large").unwrap(), large);
    daemon.stop();
    drop((mount, second));
}

#[test]
fn a_server_inside_or_around_another_one_is_refused() {
    let world = World::of(&["alice"]);
    let inner = World::of(&["carol"]);
    let (home, deep) = (world.home("alice"), world.home("alice").join("a/b"));
    fs::create_dir_all(&deep).unwrap();
    let link = world.place().join("link");
    std::os::unix::fs::symlink(&deep, &link).unwrap();
    let daemon = world.start();
    for place in [&home, &deep, &link, &deep.join("new")] {
        let said = refused(&world, place);
        assert!(said.contains("lies inside") && said.contains("server_data"), "{said}");
    }
    assert!(!deep.join("new").exists());
    daemon.stop();

    // The other way round.
    let inside = inner.daemon().args(["--data", home.to_str().unwrap()]).start();
    let said = refused(&world, &world.place().join("server_data"));
    assert!(said.contains("alice: another sealiftd serves this folder"), "{said}");
    inside.stop();
    // However deep.
    let inside = inner.daemon().args(["--data", deep.to_str().unwrap()]).start();
    let said = refused(&world, &world.place().join("server_data"));
    assert!(said.contains("another sealiftd serves") && said.contains("alice/a/b inside of it"), "{said}");
    inside.stop();
    enter(&world.start(), "alice");
}

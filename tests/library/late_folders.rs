//! Folders that come while a tree is on its way, or with its files: nothing was there when it was listed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_std::task::block_on;
use sealift::Kind;
use sealift::client::{Destination, MirrorOptions, MirrorRun, Observer, Silent};
use sealift::files::Condition;

use crate::common::running::{Running, p};

/// Somebody who makes a folder, with something of his own in it, as soon as it is known what is to be moved.
struct Somebody {
    folder: PathBuf,
    has_come: AtomicBool,
}

impl Somebody {
    fn at(folder: &Path) -> Arc<Somebody> {
        Arc::new(Somebody { folder: folder.to_owned(), has_come: AtomicBool::new(false) })
    }
}

impl Observer for Somebody {
    fn expected(&self, files: u64, _bytes: u64) {
        if files > 0 && !self.has_come.swap(true, Ordering::Relaxed) {
            fs::create_dir_all(&self.folder).unwrap();
            fs::write(self.folder.join("own"), "own").unwrap();
        }
    }
}

fn tree(at: &Path) {
    for folder in ["late/deep", "bare"] {
        fs::create_dir_all(at.join(folder)).unwrap();
    }
    for file in ["first", "late/file", "late/deep/er"] {
        fs::write(at.join(file), file).unwrap();
    }
    for folder in ["late/deep", "late", "bare", ""] {
        fs::File::open(at.join(folder)).unwrap().set_modified(time()).unwrap();
    }
}

fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890)
}

/// The tree is there, and what somebody put into it is too.
fn has_both(at: &Path) {
    for file in ["first", "late/file", "late/deep/er"] {
        assert_eq!(fs::read_to_string(at.join(file)).unwrap(), file);
    }
    assert_eq!(fs::read_to_string(at.join("late/own")).unwrap(), "own");
    assert!(at.join("bare").is_dir());
}

fn modified(at: &Path) -> SystemTime {
    fs::metadata(at).unwrap().modified().unwrap()
}

#[test]
fn a_tree_is_fetched_into_a_folder_that_came_meanwhile_and_its_folders_get_their_times() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        tree(&server.home("alice").join("tree"));
        let here = tempfile::tempdir().unwrap();
        let into = Destination::open(here.path()).unwrap();
        let somebody = Somebody::at(&here.path().join("got/late"));
        let got = client.get_tree(&p("tree"), &into, &p("got"), Condition::Any, somebody).await.unwrap();
        assert_eq!((got.files, got.failed.len()), (3, 0));
        has_both(&here.path().join("got"));
        for folder in ["got", "got/late", "got/late/deep", "got/bare"] {
            assert_eq!(modified(&here.path().join(folder)), time(), "{folder}");
        }
        client.logout().await.unwrap();
    });
}

#[test]
fn a_folder_whose_place_is_taken_when_its_first_file_comes_fails_alone() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        tree(&server.home("alice").join("tree"));
        let here = tempfile::tempdir().unwrap();
        fs::create_dir(here.path().join("got")).unwrap();
        fs::write(here.path().join("got/late"), "a file").unwrap();
        let into = Destination::open(here.path()).unwrap();
        let got = client.get_tree(&p("tree"), &into, &p("got"), Condition::Any, Arc::new(Silent)).await.unwrap();
        // The two files, and the two folders that they go into.
        assert_eq!((got.files, got.failed.len()), (1, 4), "{:?}", got.failed);
        assert!(got.failed.iter().all(|(_, error)| matches!(error.kind(), Kind::NotDirectory | Kind::Exists)));
        assert_eq!(fs::read_to_string(here.path().join("got/late")).unwrap(), "a file");
        assert!(here.path().join("got/bare").is_dir() && here.path().join("got/first").is_file());
        client.logout().await.unwrap();
    });
}

#[test]
fn a_mirror_keeps_what_is_in_a_folder_that_came_meanwhile() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let home = server.home("alice");
        let here = tempfile::tempdir().unwrap();
        let options = MirrorOptions::default().delete(true);
        tree(&home.join("tree"));
        fs::create_dir(here.path().join("copy")).unwrap();
        let somebody = Somebody::at(&here.path().join("copy/late"));
        let run = MirrorRun::default();
        let copy = here.path().join("copy");
        let pulled = client.mirror_pull(&p("tree"), &copy, &options, &run, somebody).await.unwrap();
        assert_eq!((pulled.transfer.files, pulled.transfer.failed.len(), pulled.deleted), (3, 0, 0));
        has_both(&copy);
        // The same to the server; what is not in the source then goes with the next one, which lists it.
        fs::remove_file(copy.join("late/own")).unwrap();
        fs::create_dir(home.join("there")).unwrap();
        let somebody = Somebody::at(&home.join("there/late"));
        let run = MirrorRun::default();
        let pushed = client.mirror_push(&copy, &p("there"), &options, &run, somebody).await.unwrap();
        assert_eq!((pushed.transfer.files, pushed.transfer.failed.len(), pushed.deleted), (3, 0, 0));
        has_both(&home.join("there"));
        let run = MirrorRun::default();
        let again = client.mirror_push(&copy, &p("there"), &options, &run, Arc::new(Silent)).await.unwrap();
        assert_eq!((again.transfer.files, again.deleted), (0, 1));
        client.logout().await.unwrap();
    });
}

//! Somebody who may write in a tree puts a link in the place of one of its folders while another one sends the tree, who may read more.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_std::task::block_on;
use sealift::client::{LocalBase, MirrorOptions, MirrorRun, Observer, Summary, Transfer, TransferOptions, Upload};
use sealift::files::Condition;
use tempfile::TempDir;

use crate::common::running::{Running, p};

const FILES: usize = 20;

/// A tree with a folder, and what the one who sends it may read elsewhere, under the same names.
struct Tree {
    dir: TempDir,
    /// The folder was swapped for a link to what is elsewhere.
    swapped: AtomicBool,
}

impl Tree {
    fn new() -> Arc<Tree> {
        let dir = tempfile::tempdir().unwrap();
        for (folder, content) in [("tree/d", "ours"), ("elsewhere", "secret")] {
            fs::create_dir_all(dir.path().join(folder).join("inner")).unwrap();
            for number in 0..FILES {
                fs::write(dir.path().join(folder).join(format!("{number}")), content).unwrap();
                fs::write(dir.path().join(folder).join(format!("inner/{number}")), content).unwrap();
            }
        }
        Arc::new(Tree { dir, swapped: AtomicBool::new(false) })
    }

    fn top(&self) -> PathBuf {
        self.dir.path().join("tree")
    }
}

/// Swaps the folder as soon as the first file in it is on its way.
impl Observer for Tree {
    fn started(&self, path: &Path, _size: Option<u64>) {
        let folder = self.top().join("d");
        if path.starts_with(&folder) && !self.swapped.swap(true, Ordering::SeqCst) {
            fs::rename(&folder, self.top().join("was")).unwrap();
            symlink(self.dir.path().join("elsewhere"), &folder).unwrap();
        }
    }
}

fn nothing_came_from_elsewhere(server: &Running, tree: &Tree, sent: &Summary) {
    assert!(tree.swapped.load(Ordering::SeqCst));
    let home = server.home("alice").join("to");
    let mut came = 0;
    for folder in ["d", "d/inner"] {
        let Ok(entries) = fs::read_dir(home.join(folder)) else { continue };
        for entry in entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
            assert_eq!(fs::read_to_string(entry.path()).unwrap(), "ours", "{}", entry.path().display());
            came += 1;
        }
    }
    assert_eq!(came, sent.files);
    assert!(came > 0 && !sent.failed.is_empty(), "{sent:?}");
}

#[test]
fn folder_swapped_for_a_link() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let tree = Tree::new();
        let sent = client.put_tree(&tree.top(), &p("to"), Condition::Any, tree.clone()).await.unwrap();
        nothing_came_from_elsewhere(&server, &tree, &sent);
    });
}

/// As a list of names is sent: first files, then folders.
#[test]
fn folder_of_listed_files_swapped_for_a_link() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let tree = Tree::new();
        let base = LocalBase::open(tree.top()).unwrap();
        let file = |number| {
            let name = format!("d/{number}");
            Upload::file(tree.top().join(&name), p(&format!("to/{name}")))
        };
        let options = TransferOptions::new().parents(true);
        let observer: Arc<dyn Observer> = tree.clone();
        let mut files = Transfer::upload((0..FILES).map(file).collect(), options).below(&base);
        files.attempt(&mut client, &observer).await.unwrap();
        let mut sent = files.summary();
        let inner = tree.top().join("d/inner");
        let mut folder = Transfer::put_tree(&inner, &p("to/d/inner"), Condition::Any, options).below(&base);
        folder.attempt(&mut client, &observer).await.unwrap_err();
        sent.add(folder.summary());
        nothing_came_from_elsewhere(&server, &tree, &sent);
        let inside = |name: &str| base.open_waiting(&tree.top().join(name)).is_ok();
        assert!(inside("was/1") && !inside("d/1"), "what takes time to open is opened in the same way");
    });
}

#[test]
fn folder_of_a_mirror_swapped_for_a_link() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let tree = Tree::new();
        let (options, run) = (MirrorOptions::default(), MirrorRun::default());
        let done = client.mirror_push(&tree.top(), &p("to"), &options, &run, tree.clone()).await.unwrap();
        nothing_came_from_elsewhere(&server, &tree, &done.transfer);
    });
}

//! Random operations on a store and on a model of it: the same answers, the same tree, on the disk too. What proptest
//! finds it cuts down, and tries again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sealift::files::{Durability, EntryKind, Store};
use sealift::store::memory::MemoryStore;
use sealift::store::{LocalOptions, Staging};
use sealift::testing::conformance::{Op, When, does_what_the_model_does};

use crate::common::home::{Home, p, read};

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..4).prop_map(|names| names.join("/"))
}

fn op() -> impl Strategy<Value = Op> {
    let when =
        prop_oneof![3 => Just(When::Any), 1 => Just(When::Absent), 1 => Just(When::Same), 1 => Just(When::Other)];
    let put = (path(), proptest::collection::vec(any::<u8>(), 0..50), when);
    prop_oneof![
        3 => proptest::collection::vec(put, 1..12).prop_map(Op::Put),
        1 => path().prop_map(Op::Drop),
        2 => (path(), any::<bool>()).prop_map(|(path, recursive)| Op::Remove(path, recursive)),
        2 => (path(), path(), any::<bool>()).prop_map(|(from, to, replace)| Op::Rename(from, to, replace)),
        4 => (path(), any::<bool>()).prop_map(|(path, parents)| Op::MakeDir(path, parents)),
        1 => Just(Op::Forget),
    ]
}

/// Path to content; a folder has none. The root is not in it.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn on_disk(root: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name == ".sealift" {
            continue;
        }
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            on_disk(&entry.path(), &path, tree);
            tree.insert(path, None);
        } else {
            tree.insert(path, Some(fs::read(entry.path()).unwrap()));
        }
    }
}

fn listed(store: &dyn Store) -> Tree {
    let mut tree = Tree::new();
    let mut listing = store.list(&p(""), true).unwrap();
    while let Some(entry) = listing.next() {
        let entry = entry.unwrap();
        let path = String::from_utf8(entry.path).unwrap();
        let content = (entry.kind == EntryKind::File).then(|| read(store, &path).unwrap());
        tree.insert(path, content);
    }
    tree
}

/// The store answers as the model does, and the disk has what the store shows.
fn run(options: LocalOptions, ops: Vec<Op>) {
    let home = Home::with(options);
    does_what_the_model_does(&home.store, &ops).unwrap();
    let mut disk = Tree::new();
    on_disk(home.dir.path(), "", &mut disk);
    assert_eq!(disk, listed(&home.store));
}

/// What has failed once is in `tests/proptest-regressions/` and tried first.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn hidden_staging_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        run(LocalOptions::new(Durability::None, Staging::Hidden), ops);
    }

    #[test]
    fn memory_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        does_what_the_model_does(&MemoryStore::default(), &ops).unwrap();
    }

    #[test]
    fn staging_beside_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        run(LocalOptions::new(Durability::None, Staging::Beside), ops);
    }
}

proptest! {
    #![proptest_config(config(5))]

    #[test]
    fn syncing_changes_nothing_else(ops in proptest::collection::vec(op(), 1..20)) {
        run(LocalOptions::new(Durability::Full, Staging::Hidden), ops);
    }
}

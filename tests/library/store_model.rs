//! Random operations on a store and on a model of it in memory: the same answers, the same tree on the disk.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sealift::Kind;
use sealift::files::{Condition, Durability, EntryKind, Hash, Store, Upload};
use sealift::store::{LocalOptions, Staging};

use crate::common::home::{Home, p, read};

/// Path to content; a folder has none. The root is not in it.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<(String, Vec<u8>, When)>),
    Drop(String),
    Remove(String, bool),
    Rename(String, String, bool),
    MakeDir(String, bool),
    Forget,
}

#[derive(Clone, Copy, Debug)]
enum When {
    Any,
    Absent,
    Same,
    Other,
}

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

/// Whether a file or folder may be put at this path.
fn parent(tree: &Tree, path: &str) -> Result<(), Kind> {
    for (at, _) in path.match_indices('/') {
        match tree.get(&path[..at]) {
            None => return Err(Kind::NotFound),
            Some(Some(_)) => return Err(Kind::NotDirectory),
            Some(None) => {}
        }
    }
    Ok(())
}

fn below(tree: &Tree, path: &str) -> Vec<String> {
    tree.keys().filter(|key| key.starts_with(&format!("{path}/"))).cloned().collect()
}

fn put(tree: &mut Tree, path: &str, bytes: &[u8], when: When) -> Result<(), Kind> {
    let there = tree.get(path).cloned();
    match (when, &there) {
        (When::Absent, Some(_)) => return Err(Kind::Exists),
        (When::Same, Some(Some(_))) | (When::Any | When::Absent, None) => {}
        (When::Same | When::Other, _) => return Err(Kind::Changed),
        (_, Some(None)) => return Err(Kind::IsDirectory),
        (When::Any, Some(Some(_))) => {}
    }
    tree.insert(path.to_owned(), Some(bytes.to_vec()));
    Ok(())
}

fn remove(tree: &mut Tree, path: &str, recursive: bool) -> Result<(), Kind> {
    parent(tree, path)?;
    let inside = below(tree, path);
    if !tree.contains_key(path) {
        return Err(Kind::NotFound);
    } else if !inside.is_empty() && !recursive {
        return Err(Kind::NotEmpty);
    }
    tree.retain(|key, _| key != path && !inside.contains(key));
    Ok(())
}

fn rename(tree: &mut Tree, from: &str, to: &str, replace: bool) -> Result<(), Kind> {
    parent(tree, from)?;
    parent(tree, to)?;
    let Some(node) = tree.get(from).cloned() else { return Err(Kind::NotFound) };
    if from == to && replace && node.is_some() {
        return Ok(());
    }
    match tree.get(to) {
        _ if to.starts_with(&format!("{from}/")) => return Err(Kind::BadPath),
        Some(Some(_)) if replace && node.is_some() => {}
        Some(None) if replace && node.is_some() => return Err(Kind::IsDirectory),
        Some(_) => return Err(Kind::Exists),
        None => {}
    }
    for key in below(tree, from).into_iter().chain([from.to_owned()]) {
        let node = tree.remove(&key).unwrap();
        tree.insert(format!("{to}{}", &key[from.len()..]), node);
    }
    Ok(())
}

fn make_dir(tree: &mut Tree, path: &str, parents: bool) -> Result<(), Kind> {
    if !parents {
        parent(tree, path)?;
        if tree.contains_key(path) {
            return Err(Kind::Exists);
        }
        tree.insert(path.to_owned(), None);
        return Ok(());
    }
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let all: Vec<&str> = ends.map(|end| &path[..end]).collect();
    if all.iter().any(|path| matches!(tree.get(*path), Some(Some(_)))) {
        return Err(Kind::NotDirectory);
    }
    for path in all {
        tree.entry(path.to_owned()).or_insert(None);
    }
    Ok(())
}

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
        assert_eq!(content.as_ref().map(|bytes| bytes.len() as u64), content.as_ref().map(|_| entry.size));
        assert!(content.is_some() || entry.kind == EntryKind::Directory);
        let slash = path.rfind('/').unwrap_or(0);
        assert!(slash == 0 || tree.contains_key(&path[..slash]), "a folder comes before what is in it");
        tree.insert(path, content);
    }
    tree
}

fn run(options: LocalOptions, ops: Vec<Op>) {
    let home = Home::with(options);
    let store = &home.store;
    let mut tree = Tree::new();
    for op in ops {
        match op {
            Op::Put(puts) => {
                let mut uploads: Vec<Box<dyn Upload>> = Vec::new();
                let mut expected = Vec::new();
                let before = tree.clone();
                for (path, bytes, when) in puts {
                    let condition = match when {
                        When::Any => Condition::Any,
                        When::Absent => Condition::Absent,
                        // What it is when it is this one's turn.
                        When::Same => Condition::Hash(match tree.get(&path) {
                            Some(Some(bytes)) => Hash::of(bytes),
                            _ => Hash::of(b"?"),
                        }),
                        When::Other => Condition::Hash(Hash::of(b"another one")),
                    };
                    let spec = sealift::files::UploadSpec { condition, ..Default::default() };
                    let early = parent(&before, &path).and_then(|()| match when {
                        When::Absent if before.contains_key(&path) => Err(Kind::Exists),
                        _ => Ok(()),
                    });
                    match store.begin(&p(&path), spec) {
                        Err(err) => assert_eq!(Err(err.kind()), early),
                        Ok(mut upload) => {
                            assert_eq!(early, Ok(()));
                            upload.append(&bytes).unwrap();
                            uploads.push(upload);
                            expected.push(put(&mut tree, &path, &bytes, when));
                        }
                    }
                }
                let results = store
                    .commit(uploads.into_iter().map(Upload::prepare).collect())
                    .into_iter()
                    .map(|result| result.map(drop).map_err(|err| err.kind()));
                assert_eq!(results.collect::<Vec<_>>(), expected);
            }
            Op::Drop(path) => {
                if let Ok(mut upload) = store.begin(&p(&path), Default::default()) {
                    upload.append(b"dropped").unwrap();
                }
            }
            Op::Remove(path, recursive) => {
                let result = store.remove(&p(&path), recursive).map_err(|err| err.kind());
                assert_eq!(result, remove(&mut tree, &path, recursive), "remove {path} {recursive}");
            }
            Op::Rename(from, to, replace) => {
                let result = store.rename(&p(&from), &p(&to), replace).map_err(|err| err.kind());
                assert_eq!(result, rename(&mut tree, &from, &to, replace), "rename {from} {to} {replace}");
            }
            Op::MakeDir(path, parents) => {
                let result = store.make_dir(&p(&path), parents).map_err(|err| err.kind());
                assert_eq!(result, make_dir(&mut tree, &path, parents), "make_dir {path} {parents}");
            }
            Op::Forget => store.forget_handles(),
        }
    }
    let mut disk = Tree::new();
    on_disk(home.dir.path(), "", &mut disk);
    assert_eq!(disk, tree);
    assert_eq!(listed(store), tree);
}

/// What has failed once is in `tests/proptest-regressions/` and tried first.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn hidden_staging_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        run(LocalOptions { durability: Durability::None, staging: Staging::Hidden }, ops);
    }

    #[test]
    fn staging_beside_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        run(LocalOptions { durability: Durability::None, staging: Staging::Beside }, ops);
    }
}

proptest! {
    #![proptest_config(config(5))]

    #[test]
    fn syncing_changes_nothing_else(ops in proptest::collection::vec(op(), 1..20)) {
        run(LocalOptions { durability: Durability::Full, staging: Staging::Hidden }, ops);
    }
}

//! Operations on a store and on a model of it: the same answers, the same tree.

use std::collections::BTreeMap;

use super::{Checked, Failure, Home, ensure, p, read, same};
use crate::error::Kind;
use crate::files::{Condition, EntryKind, Hash, Store, Upload, UploadSpec};
use crate::random;

/// Path to content; a folder has none. The root is not in it.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// Something that is done to a store.
#[derive(Clone, Debug)]
pub enum Op {
    /// Uploads, committed together.
    Put(Vec<(String, Vec<u8>, When)>),
    /// An upload that is given up.
    Drop(String),
    /// Removes what has this path, with all in it or not.
    Remove(String, bool),
    /// Renames, over a file or not.
    Rename(String, String, bool),
    /// Makes a folder, with those above it or not.
    MakeDir(String, bool),
    /// [`Store::forget_handles`].
    Forget,
}

/// What an upload asks of its target.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Nothing.
    Any,
    /// That nothing is there.
    Absent,
    /// That the file is there which the model has.
    Same,
    /// That another one is.
    Other,
}

/// Whether a file or folder may be put at this path.
fn parent(tree: &Tree, path: &str) -> Result<(), Kind> {
    for (at, _) in path.match_indices('/') {
        match tree.get(path.get(..at).unwrap_or_default()) {
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
    match (when, tree.get(path)) {
        (When::Absent, Some(_)) => return Err(Kind::Exists),
        (When::Same, Some(Some(_))) | (When::Any | When::Absent, None) | (When::Any, Some(Some(_))) => {}
        (When::Same | When::Other, _) => return Err(Kind::Changed),
        (When::Any, Some(None)) => return Err(Kind::IsDirectory),
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
        if let Some(node) = tree.remove(&key) {
            tree.insert(format!("{to}{}", key.get(from.len()..).unwrap_or_default()), node);
        }
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
    let all: Vec<&str> = ends.filter_map(|end| path.get(..end)).collect();
    if all.iter().any(|path| matches!(tree.get(*path), Some(Some(_)))) {
        return Err(Kind::NotDirectory);
    }
    for path in all {
        tree.entry(path.to_owned()).or_insert(None);
    }
    Ok(())
}

fn listed(store: &dyn Store) -> Checked<Tree> {
    let mut tree = Tree::new();
    let mut listing = store.list(&p("")?, true)?;
    while let Some(entry) = listing.next() {
        let entry = entry.map_err(|unread| unread.error)?;
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let is_file = entry.kind == EntryKind::File;
        ensure(is_file || entry.kind == EntryKind::Directory, "there are files and folders alone")?;
        let content = if is_file { Some(read(store, &path)?) } else { None };
        ensure(content.as_ref().is_none_or(|bytes| bytes.len() as u64 == entry.size), "a listing has the size")?;
        let parent = path.rfind('/').and_then(|slash| path.get(..slash));
        ensure(parent.is_none_or(|parent| tree.contains_key(parent)), "a folder comes before what is in it")?;
        tree.insert(path, content);
    }
    Ok(tree)
}

/// Puts these files in one commit; the model's answers stand beside the store's.
fn put_all(store: &dyn Store, tree: &mut Tree, puts: &[(String, Vec<u8>, When)]) -> Checked {
    let (mut uploads, mut expected, before) = (Vec::new(), Vec::new(), tree.clone());
    for (path, bytes, when) in puts {
        let condition = match when {
            When::Any => Condition::Any,
            When::Absent => Condition::Absent,
            // What it is when it is this one's turn.
            When::Same => Condition::Hash(match tree.get(path) {
                Some(Some(bytes)) => Hash::of(bytes),
                _ => Hash::of(b"?"),
            }),
            When::Other => Condition::Hash(Hash::of(b"another one")),
        };
        let early = parent(&before, path).and_then(|()| match when {
            When::Absent if before.contains_key(path) => Err(Kind::Exists),
            _ => Ok(()),
        });
        let begun = store.begin(&p(path)?, UploadSpec { condition, ..UploadSpec::default() });
        same(begun.as_ref().map(drop).map_err(|error| error.kind()), early, format!("beginning {path}"))?;
        if let Ok(mut upload) = begun {
            upload.append(bytes)?;
            uploads.push(upload);
            expected.push(put(tree, path, bytes, *when));
        }
    }
    let results = store.commit(uploads.into_iter().map(Upload::prepare).collect()).into_iter();
    same(results.map(|result| result.map(drop).map_err(|err| err.kind())).collect(), expected, "the commit")
}

/// Does these to an empty store, and compares each answer and the tree at the end with a model's.
pub fn does_what_the_model_does(store: &dyn Store, ops: &[Op]) -> Checked {
    let mut tree = Tree::new();
    for op in ops {
        let kind = |result: crate::error::Result<()>| result.map_err(|error| error.kind());
        match op {
            Op::Put(puts) => put_all(store, &mut tree, puts)?,
            Op::Drop(path) => {
                if let Ok(mut upload) = store.begin(&p(path)?, UploadSpec::default()) {
                    upload.append(b"dropped")?;
                }
            }
            Op::Remove(path, recursive) => {
                let result = kind(store.remove(&p(path)?, *recursive).map(drop));
                same(result, remove(&mut tree, path, *recursive), format!("{op:?}"))?;
            }
            Op::Rename(from, to, replace) => {
                let result = kind(store.rename(&p(from)?, &p(to)?, *replace).map(drop));
                same(result, rename(&mut tree, from, to, *replace), format!("{op:?}"))?;
            }
            Op::MakeDir(path, parents) => {
                let result = kind(store.make_dir(&p(path)?, *parents));
                same(result, make_dir(&mut tree, path, *parents), format!("{op:?}"))?;
            }
            Op::Forget => store.forget_handles(),
        }
    }
    same(listed(store)?, tree, "the tree in the end")
}

/// Courses of [`Op`]s by chance: each run has others. One that fails is cut down to what it takes and told.
pub fn a_random_course_is_that_of_a_model(fresh: &dyn Fn() -> Home) -> Checked {
    random_courses_are_those_of_a_model(fresh, 20)
}

/// So many courses of [`Op`]s by chance, for where each operation takes long.
pub fn random_courses_are_those_of_a_model(fresh: &dyn Fn() -> Home, courses: u64) -> Checked {
    let start = random::number().map_err(|error| Failure(error.to_string()))?;
    for seed in (0..courses).map(|n| start.wrapping_add(n)) {
        let mut ops = Chance(seed).ops();
        let fails = |ops: &[Op]| -> Checked<Option<Failure>> {
            let home = fresh();
            let store = home.open()?;
            Ok(does_what_the_model_does(&*store, ops).err())
        };
        let Some(mut why) = fails(&ops)? else { continue };
        let mut at = 0;
        while at < ops.len() {
            let mut fewer = ops.clone();
            fewer.remove(at);
            match fails(&fewer)? {
                Some(failure) => (ops, why) = (fewer, failure),
                None => at += 1,
            }
        }
        return Err(Failure(format!("{why}, after {ops:?}")));
    }
    Ok(())
}

/// Numbers by chance: SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or(0)
    }

    fn of<T: Copy, const N: usize>(&mut self, choices: [T; N], otherwise: T) -> T {
        choices.get(self.below(N)).copied().unwrap_or(otherwise)
    }

    fn path(&mut self) -> String {
        let names: Vec<&str> = (0..=self.below(3)).map(|_| self.of(["a", "b", "c"], "a")).collect();
        names.join("/")
    }

    fn put(&mut self) -> (String, Vec<u8>, When) {
        let when = self.of([When::Any, When::Any, When::Any, When::Absent, When::Same, When::Other], When::Any);
        let bytes = (0..self.below(50)).map(|_| u8::try_from(self.below(256)).unwrap_or(0)).collect();
        (self.path(), bytes, when)
    }

    fn op(&mut self) -> Op {
        let yes = self.below(2) == 0;
        match self.below(13) {
            0..3 => Op::Put((0..=self.below(11)).map(|_| self.put()).collect()),
            3 => Op::Drop(self.path()),
            4..6 => Op::Remove(self.path(), yes),
            6..8 => Op::Rename(self.path(), self.path(), yes),
            8..12 => Op::MakeDir(self.path(), yes),
            _ => Op::Forget,
        }
    }

    fn ops(&mut self) -> Vec<Op> {
        (0..=self.below(60)).map(|_| self.op()).collect()
    }
}

//! What is in memory: all homes in one tree of paths, each step under one lock.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::account::Account;
use super::kept::{Kept, Key};
use super::upload::MemoryUpload;
use crate::error::{Error, Kind, Result};
use crate::files::aside::aside_path;
use crate::files::{
    Committed, Condition, EntryKind, FileIdentity, FileMode, Hash, Meta, Mtime, Overwrite, Record, RelPath, Removed,
    Seen, SeenAt, SourceMode, Stored, Umask, UploadSpec, numbered,
};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// What a store has prepared.
pub(super) enum Change {
    File(Box<MemoryUpload>),
    /// There already; so many were made for it.
    Folder {
        made: u64,
    },
}

/// The tree that stores share.
#[derive(Clone, Default)]
pub(super) struct Trees(Arc<Mutex<Tree>>);

impl Trees {
    pub(super) fn lock(&self) -> MutexGuard<'_, Tree> {
        // Each step checks first and changes last: a panic elsewhere cannot have left it half-changed.
        self.0.lock()
    }
}

/// One file. Its bytes never change.
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) record: Mutex<Record>,
    hash: Hash,
    mtime: Mtime,
    mode: FileMode,
}

impl File {
    /// Its bytes are what it is.
    pub(super) fn identity(&self) -> FileIdentity {
        FileIdentity::of(self.hash.as_bytes())
    }

    pub(super) fn meta(&self) -> Meta {
        Meta { kind: EntryKind::File, size: self.bytes.len() as u64, mtime: self.mtime, mode: self.mode }
    }
}

#[derive(Clone)]
pub(super) enum Node {
    File(Arc<File>),
    Folder(Mtime),
}

impl Node {
    fn meta(&self) -> Meta {
        let mode = FileMode::of(limits::SERVED_FOLDER_MODE);
        match self {
            Node::File(file) => file.meta(),
            Node::Folder(mtime) => Meta { kind: EntryKind::Directory, size: 0, mtime: *mtime, mode },
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        if let Node::File(file) = self { file.bytes.len() as u64 } else { 0 }
    }
}

#[derive(Default)]
pub(super) struct Tree {
    /// By their paths from the beginning, which itself is not in it. All of a folder stands together, behind it.
    pub(super) nodes: BTreeMap<Vec<u8>, Node>,
    pub(super) partials: HashMap<Key, Kept>,
    /// By the paths of the homes.
    pub(super) accounts: HashMap<Vec<u8>, Account>,
}

/// A path of a home from the beginning of the tree.
pub(super) fn full(home: &RelPath, path: &RelPath) -> Vec<u8> {
    match (home.as_bytes(), path.as_bytes()) {
        (b"", path) => path.to_vec(),
        (home, b"") => home.to_vec(),
        (home, path) => [home, b"/", path].concat(),
    }
}

/// Where what is in a folder begins, and where it ends.
pub(super) fn inside(folder: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    match folder {
        b"" => (Bound::Unbounded, Bound::Unbounded),
        folder => (Bound::Excluded([folder, b"/"].concat()), Bound::Excluded([folder, b"0"].concat())),
    }
}

/// Whether a path is that of a folder or of something in it.
pub(super) fn is_within(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn now() -> Mtime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Mtime { secs: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), nanos: now.subsec_nanos() }
}

fn failed(path: &RelPath, err: Errno) -> Error {
    Error::file(path, err.into())
}

/// This path leads through that file, whose name is in full.
fn not_below(home: &RelPath, path: &RelPath, file: &[u8]) -> Error {
    let inside = file.get(home.as_bytes().len()..).unwrap_or_default();
    let file = RelPath::parse(inside.strip_prefix(b"/").unwrap_or(inside)).unwrap_or_else(|_| path.clone());
    Error::new(Kind::NotDirectory, path.said_with(&file, "is no folder"))
}

impl Tree {
    /// Refuses what is the home itself, or not in a folder.
    fn check_parent(&self, home: &RelPath, path: &RelPath) -> Result<()> {
        if path.is_root() {
            return Err(Error::new(Kind::IsDirectory, "this is your own folder, not a file or folder in it"));
        }
        self.check_home(home)?;
        let full = full(home, path);
        let ends = full.iter().enumerate().skip(home.as_bytes().len() + 1).filter(|(_, byte)| **byte == b'/');
        for (end, _) in ends {
            let above = full.get(..end).unwrap_or_default();
            match self.nodes.get(above) {
                None => return Err(failed(path, Errno::NOENT)),
                Some(Node::File(_)) => return Err(not_below(home, path, above)),
                Some(Node::Folder(_)) => {}
            }
        }
        Ok(())
    }

    pub(super) fn check_home(&self, home: &RelPath) -> Result<()> {
        if home.is_root() || matches!(self.nodes.get(home.as_bytes()), Some(Node::Folder(_))) {
            return Ok(());
        }
        Err(Error::new(Kind::NotFound, "your home folder was moved or removed; a new login makes another one"))
    }

    fn node(&self, home: &RelPath, path: &RelPath) -> Result<Node> {
        if path.is_root() {
            self.check_home(home)?;
            return Ok(self.nodes.get(home.as_bytes()).cloned().unwrap_or(Node::Folder(now())));
        }
        self.check_parent(home, path)?;
        self.nodes.get(&full(home, path)).cloned().ok_or_else(|| failed(path, Errno::NOENT))
    }

    pub(super) fn stat(&self, home: &RelPath, path: &RelPath) -> Result<Meta> {
        self.node(home, path).map(|node| node.meta())
    }

    /// [`crate::files::Store::seen`].
    pub(super) fn seen(&self, home: &RelPath, path: &RelPath) -> Result<Seen> {
        match self.node(home, path) {
            Ok(Node::File(file)) => Ok(Seen::known(&file.meta(), Some(file.hash))),
            Ok(Node::Folder(_)) => Ok(Seen::FOLDER),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::NotDirectory) => Ok(Seen::NOTHING),
            Err(error) => Err(error),
        }
    }

    /// Fails if something else is there by now.
    pub(super) fn check_seen(&self, home: &RelPath, path: &RelPath, expected: &Seen) -> Result<()> {
        let changed = || Error::new(Kind::Changed, path.said("somebody changed it just now"));
        (self.seen(home, path)? == *expected).then_some(()).ok_or_else(changed)
    }

    /// Fails if something else is there by now, at either path of a change.
    pub(super) fn check_both(&self, home: &RelPath, (from, to): (&RelPath, &RelPath), expected: &SeenAt) -> Result<()> {
        let check = |path, seen: &Option<Seen>| seen.as_ref().map_or(Ok(()), |seen| self.check_seen(home, path, seen));
        check(from, &expected.path)?;
        check(to, &expected.other)
    }

    pub(super) fn file(&self, home: &RelPath, path: &RelPath) -> Result<Arc<File>> {
        match self.node(home, path)? {
            Node::File(file) => Ok(file),
            Node::Folder(_) => Err(failed(path, Errno::ISDIR)),
        }
    }

    /// The entry behind this one, or the first, in a folder or also below it; with its path relative to the folder.
    pub(super) fn next(&self, folder: &[u8], last: Option<&[u8]>, recursive: bool) -> Option<(Vec<u8>, Meta)> {
        let (first, end) = inside(folder);
        let skip = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let mut from = match last {
            None => first,
            Some(last) if folder.is_empty() => Bound::Excluded(last.to_vec()),
            Some(last) => Bound::Excluded([folder, b"/", last].concat()),
        };
        loop {
            let (path, node) = self.nodes.range((from, end.clone())).next()?;
            let relative = path.get(skip..).unwrap_or_default();
            match relative.iter().position(|byte| *byte == b'/') {
                Some(slash) if !recursive => {
                    // Behind all that is in that folder.
                    let folder = path.get(..skip + slash).unwrap_or_default();
                    from = Bound::Included([folder, b"0"].concat());
                }
                _ => return Some((relative.to_vec(), node.meta())),
            }
        }
    }

    /// Refuses what [`Tree::put`] would surely refuse, before the bytes are sent in vain.
    pub(super) fn check_target(&self, home: &RelPath, path: &RelPath, spec: &UploadSpec) -> Result<()> {
        self.check_parent(home, path)?;
        match (spec.condition, self.nodes.get(&full(home, path))) {
            _ if spec.overwrite == Overwrite::Numbered => Ok(()),
            (Condition::Absent, Some(_)) => Err(failed(path, Errno::EXIST)),
            (Condition::Hash(hash), Some(Node::File(file)))
                if hash != file.hash && file.meta().size >= limits::RECORD_MIN =>
            {
                Err(changed(path))
            }
            (Condition::Any, Some(Node::Folder(_))) if spec.overwrite == Overwrite::Refused => {
                Err(failed(path, Errno::ISDIR))
            }
            (Condition::Any, Some(Node::File(file)))
                if spec.overwrite == Overwrite::Refused && spec.size.is_some_and(|size| size != file.meta().size) =>
            {
                Err(denied(path))
            }
            _ => Ok(()),
        }
    }

    /// Puts these bytes in their place if the condition holds.
    pub(super) fn put(
        &mut self,
        home: &RelPath,
        path: &RelPath,
        spec: &UploadSpec,
        bytes: Vec<u8>,
        hash: Hash,
    ) -> Result<Committed> {
        self.check_parent(home, path)?;
        let mut number = 1;
        let mut called = path.clone();
        while spec.overwrite == Overwrite::Numbered && self.nodes.contains_key(&full(home, &called)) {
            number += 1;
            called = numbered(path, number)?;
        }
        let (path, full) = (&called, full(home, &called));
        let old = self.nodes.get(&full).cloned();
        let is_expected = |expected: Hash| matches!(&old, Some(Node::File(file)) if file.hash == expected);
        match (spec.condition, &old) {
            (Condition::Absent, Some(_)) => return Err(failed(path, Errno::EXIST)),
            (Condition::Hash(expected), _) if !is_expected(expected) => return Err(changed(path)),
            (_, Some(Node::Folder(_))) => return Err(failed(path, Errno::ISDIR)),
            _ => {}
        }
        let size = bytes.len() as u64;
        if let (Overwrite::Refused, Some(Node::File(there))) = (spec.overwrite, &old) {
            let mtime = there.mtime;
            let same = there.hash == hash && there.meta().size == size;
            return if same { Ok(Committed { size, hash, mtime, stored: Stored::Same }) } else { Err(denied(path)) };
        }
        let mode = match &old {
            Some(Node::File(old)) => spec.mode.map_or(old.mode, |source| source.over(old.mode)),
            _ => new_mode(spec.mode, spec.umask),
        };
        let mtime = spec.mtime.unwrap_or_else(now);
        let before = old.as_ref().map_or(0, Node::bytes);
        let stored = match old {
            Some(_) => Stored::Replaced,
            None if number > 1 => Stored::Numbered(number),
            None => Stored::Created,
        };
        let record = Mutex::new(Record::Sound(hash));
        self.nodes.insert(full.clone(), Node::File(Arc::new(File { bytes, record, hash, mtime, mode })));
        self.change(&full, before, size);
        Ok(Committed { size, hash, mtime, stored })
    }

    /// Says how many folders were made.
    pub(super) fn make_dir(&mut self, home: &RelPath, path: &RelPath, parents: bool) -> Result<u64> {
        if path.is_root() {
            return if parents { Ok(0) } else { Err(failed(path, Errno::EXIST)) };
        }
        let full = full(home, path);
        if !parents {
            self.check_parent(home, path)?;
            if self.nodes.contains_key(&full) {
                return Err(failed(path, Errno::EXIST));
            }
            self.nodes.insert(full, Node::Folder(now()));
            return Ok(1);
        }
        self.check_home(home)?;
        let slashes = full.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let all: Vec<&[u8]> = slashes.chain([full.len()]).filter_map(|end| full.get(..end)).collect();
        if let Some(file) = all.iter().find(|folder| matches!(self.nodes.get(**folder), Some(Node::File(_)))) {
            return Err(not_below(home, path, file));
        }
        let before = self.nodes.len();
        for folder in all {
            self.nodes.entry(folder.to_vec()).or_insert_with(|| Node::Folder(now()));
        }
        Ok((self.nodes.len() - before) as u64)
    }

    pub(super) fn remove(&mut self, home: &RelPath, path: &RelPath, recursive: bool) -> Result<Removed> {
        self.check_parent(home, path)?;
        let full = full(home, path);
        let Some(node) = self.nodes.get(&full) else { return Err(failed(path, Errno::NOENT)) };
        let bytes = node.bytes();
        let inner: Vec<Vec<u8>> = self.below(&full).map(|(path, _)| path.clone()).collect();
        if !inner.is_empty() && !recursive {
            return Err(failed(path, Errno::NOTEMPTY));
        }
        let gone = [&full].into_iter().chain(&inner);
        let folders = gone.filter(|path| matches!(self.nodes.get(*path), Some(Node::Folder(_)))).count();
        let removed = Removed::new((1 + inner.len() - folders) as u64, folders as u64);
        self.nodes.remove(&full);
        match inner.is_empty() {
            true => self.change(&full, bytes, 0),
            false => {
                for path in &inner {
                    self.nodes.remove(path);
                }
                self.count_again();
            }
        }
        Ok(removed)
    }

    pub(super) fn rename(&mut self, home: &RelPath, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored> {
        self.check_parent(home, from)?;
        self.check_parent(home, to)?;
        let (old, new) = (full(home, from), full(home, to));
        let Some(node) = self.nodes.get(&old) else { return Err(failed(from, Errno::NOENT)) };
        let is_folder = matches!(node, Node::Folder(_));
        if is_folder && from != to && is_within(&new, &old) {
            return Err(Error::new(Kind::BadPath, from.said("a folder cannot be moved into itself")));
        }
        self.check_below(home, &old, to)?;
        let stored = match self.nodes.get(&new) {
            None => Stored::Created,
            Some(_) if !replace || is_folder => return Err(failed(to, Errno::EXIST)),
            Some(Node::Folder(_)) => return Err(failed(to, Errno::ISDIR)),
            Some(Node::File(_)) if old == new => Stored::Same,
            Some(Node::File(_)) => Stored::Replaced,
        };
        let moved = self.take(&old, &new);
        self.nodes.extend(moved);
        self.count_again();
        Ok(stored)
    }

    /// [`crate::files::Store::supersede`].
    pub(super) fn supersede(
        &mut self,
        home: &RelPath,
        from: &RelPath,
        to: &RelPath,
    ) -> Result<(Stored, Option<RelPath>)> {
        if from.strip_prefix(to).is_some() || to.strip_prefix(from).is_some() {
            return Err(Error::new(Kind::BadPath, from.said("nothing takes the place of what it is in")));
        }
        self.check_parent(home, from)?;
        self.check_parent(home, to)?;
        let (what, there) = (full(home, from), full(home, to));
        if !self.nodes.contains_key(&what) {
            return Err(failed(from, Errno::NOENT));
        }
        if !self.nodes.contains_key(&there) {
            return self.rename(home, from, to, false).map(|stored| (stored, None));
        }
        self.check_below(home, &what, to)?;
        let old = aside_path(to)?;
        for (from, to) in [(&there, &full(home, &old)), (&what, &there)] {
            let moved = self.take(from, to);
            self.nodes.extend(moved);
        }
        self.count_again();
        Ok((Stored::Replaced, Some(old)))
    }

    /// Refuses to move this to where something in it would be deeper or longer than a path can be.
    fn check_below(&self, home: &RelPath, from: &[u8], to: &RelPath) -> Result<()> {
        let new = full(home, to);
        let start = if home.is_root() { 0 } else { home.as_bytes().len() + 1 };
        for (path, _) in self.below(from) {
            let path = [&*new, path.get(from.len()..).unwrap_or_default()].concat();
            RelPath::parse(path.get(start..).unwrap_or_default())
                .map_err(|err| Error::new(err.kind(), to.said(format_args!("of something in it: {}", err.text()))))?;
        }
        Ok(())
    }

    /// Takes this out with all below it, under the names that it would have there.
    fn take(&mut self, from: &[u8], to: &[u8]) -> Vec<(Vec<u8>, Node)> {
        let mut names: Vec<Vec<u8>> = self.below(from).map(|(path, _)| path.clone()).collect();
        names.push(from.to_vec());
        let renamed = |path: &[u8]| [to, path.get(from.len()..).unwrap_or_default()].concat();
        names.iter().filter_map(|path| self.nodes.remove(path).map(|node| (renamed(path), node))).collect()
    }

    pub(super) fn set_mode(&mut self, home: &RelPath, path: &RelPath, source: SourceMode) -> Result<FileMode> {
        let file = self.file(home, path)?;
        let mode = source.over(file.mode);
        let record = Mutex::new(*file.record.lock());
        let changed = File { bytes: file.bytes.clone(), record, hash: file.hash, mtime: file.mtime, mode };
        self.nodes.insert(full(home, path), Node::File(Arc::new(changed)));
        Ok(mode)
    }

    pub(super) fn set_mtime(&mut self, home: &RelPath, path: &RelPath, mtime: Mtime) -> Result<()> {
        let file = self.file(home, path)?;
        let record = Mutex::new(*file.record.lock());
        let changed = File { bytes: file.bytes.clone(), record, hash: file.hash, mtime, mode: file.mode };
        self.nodes.insert(full(home, path), Node::File(Arc::new(changed)));
        Ok(())
    }

    /// Of folders only times are kept.
    pub(super) fn date_folder(&mut self, home: &RelPath, path: &RelPath, mtime: Mtime) -> Result<()> {
        if path.is_root() {
            return Ok(());
        }
        self.check_parent(home, path)?;
        match self.nodes.get_mut(&full(home, path)) {
            Some(Node::Folder(time)) => *time = mtime,
            Some(Node::File(_)) => return Err(failed(path, Errno::NOTDIR)),
            None => return Err(failed(path, Errno::NOENT)),
        }
        Ok(())
    }

    fn below(&self, folder: &[u8]) -> impl Iterator<Item = (&Vec<u8>, &Node)> {
        self.nodes.range(inside(folder))
    }
}

/// The mode of a new file: for the server's account and group, and open to no more than where it comes from.
fn new_mode(source: Option<SourceMode>, umask: Option<Umask>) -> FileMode {
    let most = limits::SERVED_FILE_MODE;
    match (source, umask) {
        (Some(source), _) if source.perms => source.over(source.mode),
        (source, Some(umask)) => umask.file(source.map(|source| source.mode)),
        (None, None) => FileMode::of(most),
        (Some(source), None) => FileMode::of(source.mode.bits() & (most | (most & 0o444) >> 2) | 0o600),
    }
}

fn changed(path: &RelPath) -> Error {
    Error::new(Kind::Changed, path.said("not the file that was to be replaced"))
}

fn denied(path: &RelPath) -> Error {
    Error::new(Kind::Denied, path.said("is there already, and the right `overwrite` to replace it is missing"))
}

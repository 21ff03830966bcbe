//! The root, and the one way from a path to a directory handle.
//!
//! A path is walked name by name, each opened from its parent's handle with O_NOFOLLOW, so nothing but a real
//! directory below the root is ever entered, on every Unix. Only where that meets a link is cap-std asked where the
//! link leads inside the root; the answer is a path without links, parsed and walked like any other. So a link leads
//! neither out nor to the reserved name, and whatever is swapped meanwhile can only make the walk fail.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use super::account::{Account, Promise, Sum};
use super::owned::Share;
use super::root::{PlaceInTree, Root, Since};
use super::tree::{Alone, Change, Steady, Tree};
use super::upload::LocalUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath, Upload as _};
use crate::limits;
use crate::sync::Mutex;

/// How a directory is opened: to be read and synced too.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

pub(super) struct Jail {
    root: Arc<Root>,
    /// The directories used last, oldest first: resolving one for each of thousands of files in a folder would cost as
    /// much as the rest, and so would beginning at the root for each folder of a tree.
    kept: Mutex<Vec<Kept>>,
}

/// Whether this says that the folder a path is in is not there.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), Kind::NotFound | Kind::NotDirectory)
}

/// A directory and the path that led to it at that time, on real directories alone but for its end.
struct Kept {
    path: Vec<u8>,
    dir: Arc<Dir>,
    /// The path leads through a link.
    linked: bool,
    /// When it was walked to.
    since: Since,
}

impl Jail {
    pub(super) fn new(root: Arc<Root>) -> Self {
        Jail { root, kept: Mutex::default() }
    }

    /// Another one over the same root, with nothing open.
    pub(super) fn anew(&self) -> Jail {
        Jail::new(Arc::clone(&self.root))
    }

    pub(super) fn place(&self) -> &PlaceInTree {
        self.root.place()
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.place().tree
    }

    /// [`Tree::steady_to_add`], at this path.
    pub(super) fn steady(&self, path: &RelPath) -> Result<Steady<'_>> {
        let steady = self.tree().steady_to_add().map_err(|err| Error::file(path, err))?;
        self.tell(path, Change::Comes);
        Ok(steady)
    }

    /// [`Tree::alone`], for a change at this path.
    pub(super) fn alone(&self, path: &RelPath) -> Result<Alone<'_>> {
        let alone = self.tree().alone().map_err(|err| Error::file(path, err))?;
        self.tell(path, Change::Moves);
        Ok(alone)
    }

    /// To be said by whoever changes something at this path too.
    pub(super) fn tell(&self, path: &RelPath, change: Change) {
        if self.tree().is_watched() {
            self.tree().tell(&self.full(path), change, None);
        }
    }

    /// A path from the beginning of the tree.
    pub(super) fn full(&self, path: &RelPath) -> Vec<u8> {
        match (&*self.place().folder, path.as_bytes()) {
            (b"", path) => path.to_vec(),
            (folder, b"") => folder.to_vec(),
            (folder, path) => [folder, b"/", path].concat(),
        }
    }

    /// To be said while the name is held: what it stands for was so much before, and is so much now.
    pub(super) fn resized(&self, path: &RelPath, before: Sum, after: Sum) {
        if before != after && self.tree().counts() {
            self.tree().accounts_over(&self.full(path)).iter().for_each(|account| account.change(before, after));
        }
    }

    /// To be said while the name is held, of an upload that is in its place now, and needs no promise any more: so much was there before.
    /// What it replaced is taken off of whose it was by whoever replaced it.
    pub(super) fn settled(&self, upload: &mut LocalUpload, before: Sum) {
        self.tree().arrived();
        let (after, promise) = (Sum::file(upload.len()), upload.promise.take());
        self.settled_at(&upload.path, upload.temp.owner.as_ref(), (before, after), promise);
    }

    /// To be said while the name is held: what is at this path is this owner's, and was so much before, and is so much now.
    pub(super) fn settled_at(
        &self,
        path: &RelPath,
        owner: Option<&Hash>,
        (before, after): (Sum, Sum),
        promise: Option<Promise>,
    ) {
        if before != after && self.tree().counts() {
            for account in self.tree().accounts_over(&self.full(path)) {
                if !promise.as_ref().is_some_and(|promise| promise.is_of(&account)) {
                    account.change(before, after);
                }
            }
        }
        self.owned(path, owner, (before, after), promise);
    }

    /// To be said while the name is held: so much of this owner has come here, where only so much of it has been promised room
    /// as was not counted already.
    pub(super) fn owned(
        &self,
        path: &RelPath,
        owner: Option<&Hash>,
        (before, after): (Sum, Sum),
        promise: Option<Promise>,
    ) {
        let mut shares = match owner {
            Some(_) => self.shares_over(path),
            None => Vec::new(),
        };
        if let Some(promise) = promise {
            match promise.share() {
                None => promise.settle(before, after),
                Some(share) => {
                    let is_here = shares.iter().any(|other| Arc::ptr_eq(other, &share));
                    shares.retain(|other| !Arc::ptr_eq(other, &share));
                    promise.settle_owned(if is_here { after } else { Sum::NONE });
                }
            }
        }
        if let Some(owner) = owner {
            shares.iter().for_each(|share| share.add(owner, after));
        }
    }

    /// The folders that count what is at this path for each of those who share them.
    pub(super) fn shares_over(&self, path: &RelPath) -> Vec<Arc<Share>> {
        if self.tree().is_shared() { self.tree().shares_over(&self.full(path)) } else { Vec::new() }
    }

    /// Whether interrupted uploads may be kept in the root: nobody counts what is in it, or the root's own account does, of which no other
    /// server has one too. Where a folder around the root is counted nothing is kept: who counts that could not take away what is kept here
    /// when there is no more room. To be asked while the tree is steady.
    pub(super) fn keeps_partials(&self) -> bool {
        !self.tree().counts()
            || self.tree().accounts_over(&self.place().folder).iter().all(|account| self.counts_partials(account))
    }

    /// The accounts in which what is kept of interrupted uploads in the root counts.
    pub(super) fn accounts_of_partials(&self) -> Vec<Arc<Account>> {
        if !self.tree().counts() {
            return Vec::new();
        }
        let mut accounts = self.tree().accounts_over(&self.place().folder);
        accounts.retain(|account| self.counts_partials(account));
        accounts
    }

    fn counts_partials(&self, account: &Account) -> bool {
        account.folder() == &*self.place().folder && !self.tree().is_across()
    }

    /// To be said of a folder that has this name no more.
    pub(super) fn left(&self, path: &RelPath) {
        self.tree().moved();
        if self.tree().counts() {
            self.tree().accounts_below(&self.full(path)).iter().for_each(|account| account.forget());
        }
        if self.tree().is_shared() {
            self.tree().shares_below(&self.full(path)).iter().for_each(|share| share.forget());
        }
    }

    /// The directory that is the root now.
    pub(super) fn root(&self) -> io::Result<Arc<Dir>> {
        self.root.dir()
    }

    /// Closes the handles kept for the next calls.
    pub(super) fn forget(&self) {
        *self.kept.lock() = Vec::new();
    }

    /// The directory a path is in and its last name, to change something there. A link on the way is refused: who may
    /// write at one place is not to be led to another.
    pub(super) fn parent<'p>(&self, path: &'p RelPath) -> Result<(Arc<Dir>, &'p [u8])> {
        let (parent, name) = split(path)?;
        Ok((self.cached(parent, Links::Refused).map_err(|err| self.explain(path, err))?, name))
    }

    /// The directory a path is in and its last name, to read there: through links that stay inside.
    pub(super) fn parent_to_read<'p>(&self, path: &'p RelPath) -> Result<(Arc<Dir>, &'p [u8])> {
        let (parent, name) = split(path)?;
        Ok((self.cached(parent, Links::Followed).map_err(|err| self.explain(path, err))?, name))
    }

    /// The directory at this path, opened afresh: the position of reading belongs to whoever asked.
    pub(super) fn directory(&self, path: &RelPath) -> Result<Dir> {
        self.resolve(path.as_bytes()).map_err(|err| self.explain(path, err))
    }

    /// The directory at this path, and where it is. No link is on the way there: none leads it elsewhere, whenever it is put there.
    pub(super) fn inside(&self, path: &RelPath) -> Result<(Dir, PlaceInTree)> {
        let found = || {
            let dir =
                self.walk(path.as_bytes()).map_err(|err| match is_link(&err) && self.meets_link(path.as_bytes()) {
                    true => not_a_folder(THROUGH_A_LINK),
                    false => err,
                })?;
            let start = match &self.place().start {
                Some(start) => Arc::clone(start),
                None => self.root()?,
            };
            let tree = Arc::clone(&self.place().tree);
            Ok((dir, PlaceInTree { tree, start: Some(start), folder: self.full(path), elsewhere: None }))
        };
        found().map_err(|err| self.explain(path, err))
    }

    /// The directory and name of the file a link leads to, both without any link in them, and what it is. Fails if it
    /// leads out, nowhere, in a circle or to a reserved name.
    pub(super) fn follow(&self, link: &[u8]) -> io::Result<(Dir, Vec<u8>, Stat)> {
        let real = self.real(link)?;
        let (parent, name) = split(&real).map_err(|_| Errno::ISDIR)?;
        let dir = self.walk(parent)?;
        let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((dir, name.to_vec(), stat))
    }

    /// The directory at this path, for work that does not depend on a position of reading. What stores of the same tree
    /// have moved is noticed at once, what other programs have after [`limits::HANDLE_MAX_AGE`] at the latest.
    pub(super) fn shared(&self, path: &RelPath) -> Result<Arc<Dir>> {
        self.cached(path.as_bytes(), Links::Refused).map_err(|err| self.explain(path, err))
    }

    fn cached(&self, path: &[u8], links: Links) -> io::Result<Arc<Dir>> {
        let now = Since::now(self.tree());
        if path.is_empty() {
            return Ok(self.root.dir_at(now)?.0);
        }
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.since.holds(now));
        if let Some(at) = kept.iter().position(|kept| kept.path == path) {
            // The one used last is the last one to go.
            let found = kept.remove(at);
            let (dir, linked) = (Arc::clone(&found.dir), found.linked);
            kept.push(found);
            return if linked { links.followed(dir) } else { Ok(dir) };
        }
        let dir = match self.walk_kept(path, now, &mut kept) {
            Err(err) if is_link(&err) => {
                // Wherever it leads, and be it nowhere.
                if links == Links::Refused && self.meets_link(path) {
                    return Err(not_a_folder(THROUGH_A_LINK));
                }
                let dir = links.followed(Arc::new(self.resolve(path)?))?;
                kept.push(Kept { path: path.to_vec(), dir: Arc::clone(&dir), linked: true, since: now });
                dir
            }
            walked => walked?,
        };
        let surplus = kept.len().saturating_sub(limits::HANDLES_KEPT);
        kept.drain(..surplus);
        Ok(dir)
    }

    /// Walks on from the nearest directory above that is kept, and keeps what it passes.
    fn walk_kept(&self, path: &[u8], now: Since, kept: &mut Vec<Kept>) -> io::Result<Arc<Dir>> {
        let above =
            kept.iter().filter(|kept| !kept.linked && is_above(&kept.path, path)).max_by_key(|kept| kept.path.len());
        // What is opened below an old handle may be as old as that.
        let (mut dir, mut done, since) = match above {
            Some(above) => (Arc::clone(&above.dir), above.path.len() + 1, above.since),
            None => {
                let (root, since) = self.root.dir_at(now)?;
                (root, 0, since)
            }
        };
        for name in path.get(done..).unwrap_or_default().split(|b| *b == b'/') {
            dir = Arc::new(open_directory(&dir, name)?);
            done += name.len();
            let path = path.get(..done).unwrap_or_default().to_vec();
            kept.push(Kept { path, dir: Arc::clone(&dir), linked: false, since });
            done += 1;
        }
        Ok(dir)
    }

    fn resolve(&self, path: &[u8]) -> io::Result<Dir> {
        match self.walk(path) {
            Err(err) if is_link(&err) => match self.real(path)? {
                real if real.as_bytes() == path => Err(Errno::NOTDIR.into()),
                real => self.walk(real.as_bytes()),
            },
            walked => walked,
        }
    }

    fn walk(&self, path: &[u8]) -> io::Result<Dir> {
        let mut names = path.split(|b| *b == b'/');
        // An empty path is the root: `.` opens it afresh.
        let first = names.next().filter(|name| !name.is_empty()).unwrap_or(b".");
        let mut dir = open_directory(self.root()?, first)?;
        for name in names {
            dir = open_directory(&dir, name)?;
        }
        Ok(dir)
    }

    /// Whether the first thing on this path that is no directory is a link.
    fn meets_link(&self, path: &[u8]) -> bool {
        let Ok(mut dir) = self.root() else { return false };
        for name in path.split(|b| *b == b'/') {
            let Ok(inner) = open_directory(&dir, name) else {
                let there = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
                return there.is_ok_and(|there| FileType::from_raw_mode(there.st_mode) == FileType::Symlink);
            };
            dir = Arc::new(inner);
        }
        false
    }

    /// The path without links of what is there.
    pub(super) fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        match path.is_root() {
            true => Ok(RelPath::root()),
            false => self.real(path.as_bytes()).map_err(|err| self.explain(path, err)),
        }
    }

    fn real(&self, path: &[u8]) -> io::Result<RelPath> {
        let real = self.root()?.canonicalize(OsStr::from_bytes(path)).map_err(|err| match err.kind() {
            // cap-std's own word for what leads out; what the operating system refuses has a number.
            io::ErrorKind::PermissionDenied if err.raw_os_error().is_none() => not_a_folder(OUT_OF_HOME),
            _ if matches!(Errno::from_io_error(&err), Some(Errno::XDEV | Errno::LOOP)) => not_a_folder(OUT_OF_HOME),
            _ => err,
        })?;
        if real.as_os_str() == "." {
            return Ok(RelPath::root());
        }
        // Reserved, too deep, or with a control character in it: no path of ours.
        RelPath::parse(real.as_os_str().as_bytes()).map_err(|_| Errno::NOENT.into())
    }

    /// The error of a path whose parent failed, saying which part is missing.
    fn explain(&self, path: &RelPath, err: io::Error) -> Error {
        if err.kind() == io::ErrorKind::NotADirectory && err.raw_os_error().is_none() {
            return Error::new(Kind::NotDirectory, path.said(err));
        }
        if err.kind() == io::ErrorKind::NotFound && err.raw_os_error().is_none() {
            return Error::new(Kind::NotFound, err.to_string());
        }
        let err = Error::file(path, err);
        match err.kind() {
            Kind::NotDirectory => {
                let text = match self.file_above(path) {
                    Some(file) => path.said_with(&file, "is no folder"),
                    None => path.said("not a folder"),
                };
                Error::new(Kind::NotDirectory, text).with_source(err)
            }
            _ => err,
        }
    }

    /// The part of this path, short of its end, that is something else than a folder.
    fn file_above(&self, path: &RelPath) -> Option<RelPath> {
        let root = self.root().ok()?;
        let above = std::iter::successors(path.parent(), RelPath::parent).filter(|above| !above.is_root());
        above.filter(|above| root.metadata(above.as_path()).is_ok_and(|found| !found.is_dir())).last()
    }
}

/// What is done where a path leads through a link to a folder inside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

impl Links {
    fn followed(self, dir: Arc<Dir>) -> io::Result<Arc<Dir>> {
        match self {
            Links::Followed => Ok(dir),
            Links::Refused => Err(not_a_folder(THROUGH_A_LINK)),
        }
    }
}

const THROUGH_A_LINK: &str = "leads through a link, and links are followed for reading only";

const OUT_OF_HOME: &str = "a link that leads out of your folder, or in a circle, is not followed";

fn not_a_folder(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::NotADirectory, why)
}

/// What O_DIRECTORY | O_NOFOLLOW says of a link.
fn is_link(err: &io::Error) -> bool {
    matches!(Errno::from_io_error(err), Some(Errno::NOTDIR | Errno::LOOP))
}

/// Whether a path is in the directory at another.
fn is_above(above: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Opens the directory of this single name; a link is an error.
pub(super) fn open_directory(parent: impl AsFd, name: &[u8]) -> Result<Dir, Errno> {
    let fd = openat(parent, name, DIRECTORY, Mode::empty())?;
    Ok(Dir::from_std_file(fd.into()))
}

/// An open directory as a stream of its entries.
pub(super) fn entries(dir: Dir) -> Result<rustix::fs::Dir, Errno> {
    rustix::fs::Dir::new(OwnedFd::from(dir.into_std_file()))
}

/// A path's parent and last name; the root has neither.
pub(super) fn split(path: &RelPath) -> Result<(&[u8], &[u8])> {
    let bytes = path.as_bytes();
    if bytes.is_empty() {
        return Err(Error::new(Kind::IsDirectory, "this is your own folder, not a file or folder in it"));
    }
    Ok(match bytes.iter().rposition(|b| *b == b'/') {
        None => (b"", bytes),
        Some(slash) => {
            let (parent, rest) = bytes.split_at(slash);
            (parent, rest.split_first().map_or(rest, |(_, name)| name))
        }
    })
}

//! Where files are kept: what every kind of storage does. A [`Store`] is one jailed root; every path in it is a
//! [`RelPath`]. Blocking code.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Committed, Done, Entry, EntryKind, FileMode, Hash, HomeTerms, Keep, Mtime, NewMode, Prepared, Promises, RelPath,
    Removal, Removed, Seen, SeenAt, Source, SourceMode, Stored, TrashId, TrashList, Umask, Upload, UploadSpec,
};
use crate::error::{Error, Kind, Result};

/// What is known of a file or directory without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file; whatever the file system says for the rest.
    pub size: u64,
    /// Last modification.
    pub mtime: Mtime,
    /// Who may read, write and run it.
    pub mode: FileMode,
}

/// The beginning of a file whose upload was interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    /// Bytes that are there: whole blocks of [`crate::limits::HASH_BLOCK`], at least one.
    pub len: u64,
    /// The BLAKE3 of those bytes.
    pub hash: Hash,
}

/// How far looking for a partial came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// So many of its bytes are to be hashed yet.
    NotYet {
        /// More than none.
        left: u64,
    },
    /// This is what there is.
    Done(Option<Partial>),
}

/// What clients keep with a file: values by their names, none of which has a NUL in it.
pub type Properties = BTreeMap<String, String>;

/// What a bounded store holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Bytes of its files.
    pub used: u64,
    /// The most.
    pub limit: u64,
}

/// What is kept in a bounded store and goes when something needs its room: parts of [`Usage::used`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptUsage {
    /// Bytes in the trash.
    pub trash: u64,
    /// Bytes of interrupted uploads.
    pub interrupted: u64,
}

/// What a bounded store holds, as far as that is known without counting it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsageNow {
    /// So much; none: it is not bounded.
    Known(Option<Usage>),
    /// It has to be counted, which takes as long as there are files.
    Uncounted,
}

/// What an acknowledged change outlives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// A power cut: files, renames and new directories are synced before they are reported.
    #[default]
    Full,
    /// The end of the process only.
    None,
}

/// A jailed tree of files. All errors name the path, as a value ([`RelPath::said`]), so that a store which shows below a name can put
/// that before it; they are of the kinds in [`crate::error`].
pub trait Store: Send + Sync {
    /// What it can be relied on for now, where kinds of storage differ.
    fn promises(&self) -> Promises;

    /// What is at this path. A link counts as the file it leads to if that is inside, else as [`EntryKind::Link`]:
    /// the same as [`Store::list`] shows.
    fn stat(&self, path: &RelPath) -> Result<Meta>;

    /// The path without links of what is at this one, where a store has links that lead to something inside.
    ///
    /// # Errors
    /// That nothing is there, or a link leads out.
    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        Ok(path.clone())
    }

    /// Opens a regular file, or a link that leads to one inside.
    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>>;

    /// Keeps it by these terms from now on, what is under way included. Says whether it can; where it cannot it has to be opened anew.
    fn keep_by(&self, terms: HomeTerms) -> bool {
        let _as_it_was_opened = terms;
        false
    }

    /// What is put here from now on counts by these terms of the home of whoever puts it there, what is under way included, where it counts
    /// in a home elsewhere.
    fn count_by(&self, terms: HomeTerms) {
        let _counts_in_no_other = terms;
    }

    /// Whether [`Store::begin`] may take long: what is there must be counted first.
    fn begins_by_counting(&self) -> bool {
        false
    }

    /// Starts an upload, hidden until it is committed.
    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>>;

    /// What is left of an interrupted upload to this path. Mostly known at once; after a crash the bytes are read and
    /// hashed, which may take long.
    fn partial(&self, path: &RelPath) -> Result<Option<Partial>>;

    /// One bounded step of [`Store::partial`], to be taken until it says what there is: what was done before is remembered.
    fn look_for_partial(&self, path: &RelPath) -> Result<Looked> {
        self.partial(path).map(Looked::Done)
    }

    /// Goes on with an interrupted upload after its first `from` bytes, a multiple of [`crate::limits::HASH_BLOCK`]
    /// and not more than [`Partial::len`]; the rest is cut off. `proven` is the BLAKE3 of those bytes at the sender:
    /// [`crate::Kind::Changed`] if they are not the same here, or somebody else has taken the partial. The upload's
    /// length and hash cover every byte of the file. No two uploads ever go on with the same partial.
    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>>;

    /// Puts these uploads in their places, in order, makes these new folders durable, and reports each one, in their order;
    /// all share their syncs. Whoever calls has already compared [`Upload::hash`] with what the sender said. A failed upload
    /// leaves the old file as it was, unless the very last step failed: then it is not certain what a power cut would
    /// leave. Several threads may commit at the same time; what is in one call is done in order.
    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>>;

    /// [`Store::commit`] of one upload alone.
    fn commit_one(&self, upload: Box<dyn Upload>) -> Result<Committed> {
        match self.commit(vec![upload.prepare()]).pop() {
            Some(Ok(Done::File(committed))) => Ok(committed),
            Some(Err(error)) => Err(error),
            Some(Ok(Done::Folder { .. } | Done::Restored | Done::Mode(_))) | None => {
                Err(Error::new(Kind::Internal, "the store has not said what became of the file"))
            }
        }
    }

    /// Reads a folder, with everything below it if `recursive`. No link is followed.
    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>>;

    /// Removes a file, a link (never what it leads to), or an empty folder; with `recursive` a folder with all in it. Says how much
    /// that was.
    fn remove(&self, path: &RelPath, recursive: bool) -> Result<Removed>;

    /// What is at this path, or is not: for a change that is to be made only if that is still so. No link is followed on the way.
    fn seen(&self, path: &RelPath) -> Result<Seen> {
        match self.stat(path) {
            Ok(meta) => Ok(Seen::known(&meta, None)),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::NotDirectory) => Ok(Seen::NOTHING),
            Err(error) => Err(error),
        }
    }

    /// [`Store::remove`] of what was seen, if it is still there, which is decided in the same step where the storage
    /// can.
    ///
    /// # Errors
    /// [`Kind::Changed`] if something else is there, or nothing.
    fn remove_seen(&self, path: &RelPath, recursive: bool, seen: &Seen) -> Result<Removed> {
        still_seen(self, path, seen)?;
        self.remove(path, recursive)
    }

    /// [`Store::remove`], or [`Store::remove_seen`] if it was seen, where what goes may be kept ([`Store::trash`]): under this path then,
    /// or not at all.
    ///
    /// # Errors
    /// As [`Store::remove_seen`].
    fn remove_keeping(&self, path: &RelPath, recursive: bool, keep: Keep<'_>, seen: Option<&Seen>) -> Result<Removed> {
        let _nothing_is_kept = keep;
        match seen {
            None => self.remove(path, recursive),
            Some(seen) => self.remove_seen(path, recursive, seen),
        }
    }

    /// [`Store::remove_keeping`], no more of it at once than one bounded step.
    ///
    /// # Errors
    /// As [`Store::remove_keeping`].
    fn begin_removal(&self, path: &RelPath, recursive: bool, keep: Keep<'_>, seen: Option<&Seen>) -> Result<Removal> {
        self.remove_keeping(path, recursive, keep, seen).map(Removal::Done)
    }

    /// Gives a file the mode that it would have if one of this mode had replaced it, and says which that is. No link is
    /// followed; a folder is [`crate::Kind::IsDirectory`].
    fn set_mode(&self, path: &RelPath, source: SourceMode) -> Result<FileMode>;

    /// [`Store::set_mode`] that shares the syncs of others, if the store has that: the file has its mode at once, and keeps it when it was committed.
    ///
    /// # Errors
    /// As [`Store::set_mode`].
    fn begin_mode(&self, path: &RelPath, source: SourceMode) -> Result<NewMode> {
        self.set_mode(path, source).map(NewMode::Kept)
    }

    /// Lets a file count as last modified at this time; what is recorded of its bytes stays. No link is followed; a folder is
    /// [`crate::Kind::IsDirectory`].
    fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()>;

    /// Lets a folder count as last modified at this time, and gives it this mode if there is one; says which mode it has then. The top
    /// of the store keeps its mode, and where modes or times of folders are not kept nothing happens. No link is followed; a file is
    /// [`crate::Kind::NotDirectory`]. A time that was set may not outlive a power cut.
    ///
    /// # Errors
    /// Those of the storage.
    fn set_folder(&self, path: &RelPath, mtime: Mtime, mode: Option<FileMode>) -> Result<FileMode> {
        let _not_kept = (mtime, mode);
        let there = self.stat(path)?;
        match there.kind {
            EntryKind::Directory => Ok(there.mode),
            _ => Err(Error::new(Kind::NotDirectory, path.said("not a folder"))),
        }
    }

    /// What clients keep with a file or folder, by its names: values that nothing here reads. It goes where the file is renamed
    /// to, stays when an upload takes its place, and is gone with it, or when a copy or another name takes its place.
    fn properties(&self, path: &RelPath) -> Result<Properties> {
        let _nothing_is_kept = path;
        Ok(Properties::new())
    }

    /// Keeps these values, and no longer those of names without one; durably where the store is durable. Of changes at once none
    /// is lost.
    ///
    /// # Errors
    /// [`crate::Kind::NoSpace`] if there are more than the storage keeps.
    fn change_properties(&self, path: &RelPath, changes: &[(String, Option<String>)]) -> Result<()> {
        match changes.iter().all(|(_, value)| value.is_none()) {
            true => Ok(()),
            false => Err(Error::new(Kind::NoSpace, path.said("no properties are kept here"))),
        }
    }

    /// Bytes that the storage under it has left for whoever comes first, if that is known.
    fn free(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// [`Store::free`] of the folder that this path is in, where one store is put together of several.
    fn free_at(&self, path: &RelPath) -> Result<Option<u64>> {
        let _all_is_one = path;
        self.free()
    }

    /// The bytes that a bounded store has, and its bound.
    fn usage(&self) -> Result<Option<Usage>> {
        Ok(None)
    }

    /// [`Store::usage`] of the folder that this path is in, where one store is put together of several.
    fn usage_at(&self, path: &RelPath) -> Result<Option<Usage>> {
        let _all_is_one = path;
        self.usage()
    }

    /// What of [`Store::usage_at`] is kept and would go for what comes. None where nothing is bounded, or it is too much to be looked
    /// through at once.
    fn kept_usage_at(&self, path: &RelPath) -> Result<Option<KeptUsage>> {
        let _nothing_is_kept = path;
        Ok(None)
    }

    /// [`Store::usage_at`] for whoever does not wait for a count.
    fn usage_now_at(&self, path: &RelPath) -> Result<UsageNow> {
        self.usage_at(path).map(UsageNow::Known)
    }

    /// Renames a file, link or folder. `replace` lets a file take the place of a file; a folder never replaces
    /// and is never replaced. Says whether something was; [`Stored::Same`] for the name that it has.
    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored>;

    /// [`Store::rename`] of what was seen, to where that was seen, as [`Store::remove_seen`].
    ///
    /// # Errors
    /// [`Kind::Changed`] if something else is there, or nothing.
    fn rename_seen(&self, from: &RelPath, to: &RelPath, replace: bool, seen: &SeenAt) -> Result<Stored> {
        both_still_seen(self, from, to, seen)?;
        self.rename(from, to, replace)
    }

    /// [`Store::rename`] of something in another store, into this one, and only of what was seen if that is said: in one step, if
    /// both keep their files in one place.
    ///
    /// # Errors
    /// [`Kind::OtherFolder`] where that is not so; [`Kind::CrossDevice`] between two file systems; [`Kind::Changed`] if something
    /// else is there than was seen. What they say of a path in the other store they say so ([`crate::error::Message::of_other_store`]).
    fn rename_from(
        &self,
        other: &dyn Store,
        from: &RelPath,
        to: &RelPath,
        replace: bool,
        seen: &SeenAt,
    ) -> Result<Stored> {
        let _two_kinds = (other, replace, seen);
        Err(Error::new(Kind::OtherFolder, from.said_from_other(to, "is in another shared folder")))
    }

    /// The store itself, for another one of its kind ([`Store::rename_from`]).
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Puts something in the place of a folder, or a folder in that of anything. At no moment is nothing there, where the storage can do that. Neither may be in the other. Says what the old one is
    /// called then, if there was one: beside its place, and whole.
    fn supersede(&self, from: &RelPath, to: &RelPath) -> Result<(Stored, Option<RelPath>)> {
        let _nothing_is_done = from;
        Err(Error::new(Kind::Denied, to.said("folders are not replaced in this storage")))
    }

    /// [`Store::supersede`] by what was seen, of what was seen, as [`Store::remove_seen`].
    ///
    /// # Errors
    /// [`Kind::Changed`] if something else is there, or nothing.
    fn supersede_seen(&self, from: &RelPath, to: &RelPath, seen: &SeenAt) -> Result<(Stored, Option<RelPath>)> {
        both_still_seen(self, from, to, seen)?;
        self.supersede(from, to)
    }

    /// What was deleted or replaced at this path or below it and is kept, the youngest first: at most so many things, of those whose
    /// paths are shown.
    fn trash(&self, path: &RelPath, most: usize, shown: &dyn Fn(&RelPath) -> bool) -> Result<TrashList> {
        let _nothing_is_kept = (path, most, shown);
        Ok(TrashList::default())
    }

    /// Gives something that was deleted or replaced, and was called `path`, the name `to`, if nothing has it. It is a thing that is kept,
    /// or what is in a folder that is. It is there at once, and durable only when it was committed.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is not kept, or any more; [`Kind::Exists`].
    fn begin_restore(&self, path: &RelPath, id: TrashId, to: &RelPath) -> Result<Prepared> {
        let _nothing_is_kept = (id, to);
        Err(Error::new(Kind::NotFound, path.said("nothing of that is in the trash")))
    }

    /// Whether that is kept which [`Store::begin_restore`] would bring back.
    fn is_kept(&self, path: &RelPath, id: TrashId) -> bool {
        let _nothing_is_kept = (path, id);
        false
    }

    /// Removes for good what was deleted or replaced at this path: the thing of this id, or all of that path and below it that
    /// `shown` says yes to; of the whole store also what nobody knows the path of. How many things went.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the one of this id is not kept.
    fn purge(&self, path: &RelPath, id: Option<TrashId>, shown: &dyn Fn(&RelPath) -> bool) -> Result<u64> {
        let _nothing_is_kept = shown;
        match id {
            None => Ok(0),
            Some(_) => Err(Error::new(Kind::NotFound, path.said("nothing of that is in the trash"))),
        }
    }

    /// Notes that what gets this name stands beside its place until it is whole, for as long as what is returned is kept: if the process
    /// dies before, the next sweep removes what has the name then. Nothing where that is not noted, and it stays.
    ///
    /// # Errors
    /// Those of the storage.
    fn note_stand_in(&self, path: &RelPath) -> Result<Option<Box<dyn StandInNote>>> {
        let _it_stays = path;
        Ok(None)
    }

    /// Makes a folder that is there at once and durable only when it was committed. With `parents` also the ones above,
    /// and one that exists is fine. What is made has the modes of `umask`, or those of the storage's own rule.
    fn begin_dir(&self, path: &RelPath, parents: bool, umask: Option<Umask>) -> Result<Prepared>;

    /// [`Store::begin_dir`] with its commit.
    fn make_dir(&self, path: &RelPath, parents: bool) -> Result<()> {
        let folder = self.begin_dir(path, parents, None)?;
        self.commit(vec![folder]).into_iter().try_for_each(|done| done.map(drop))
    }

    /// A store over this folder alone, to be read: no path and no link in it leads out of the folder, wherever in this store that
    /// would be, and none is on the way to the folder.
    ///
    /// # Errors
    /// [`crate::Kind::Denied`] where that cannot be had; [`crate::Kind::NotFound`] and [`crate::Kind::NotDirectory`].
    fn below(&self, path: &RelPath) -> Result<Arc<dyn Store>> {
        Err(Error::new(Kind::Denied, path.said("this storage has no links to a part of it")))
    }

    /// Drops what is kept open between calls to make a run of them fast. To be called whenever the caller has nothing
    /// more to do at once, so that what others do to the tree is seen; without it that takes up to
    /// [`crate::limits::HANDLE_MAX_AGE`].
    fn forget_handles(&self);
}

/// Fails if something else is there by now than was seen.
fn still_seen<S: Store + ?Sized>(store: &S, path: &RelPath, seen: &Seen) -> Result<()> {
    let changed = || Error::new(Kind::Changed, path.said("somebody changed it just now"));
    (store.seen(path)? == *seen).then_some(()).ok_or_else(changed)
}

fn both_still_seen<S: Store + ?Sized>(store: &S, from: &RelPath, to: &RelPath, seen: &SeenAt) -> Result<()> {
    let ends = [(from, &seen.path), (to, &seen.other)];
    ends.into_iter().try_for_each(|(path, seen)| seen.as_ref().map_or(Ok(()), |seen| still_seen(store, path, seen)))
}

/// A note of what stands beside its place, which is gone when this is dropped. That may wait for a disk.
pub trait StandInNote: Send {
    /// What it names could not be removed: the note stays, for the next sweep.
    fn leave(self: Box<Self>);
}

/// Entries, one by one, in the order of the disk; a folder comes before what is in it.
pub trait Listing: Send {
    /// The next entry. A link is a link here, wherever it leads. What cannot be read (a folder that may not be, is gone meanwhile, or is too deep) does not end the listing.
    fn next(&mut self) -> Option<Result<Entry, Unread>>;

    /// Nothing is wanted of what is in this folder, which was the last entry given. Where that saves nothing it is given all the same.
    fn skip(&mut self, folder: &[u8]) {
        let _it_is_given = folder;
    }
}

/// Something in a listed folder that could not be read.
#[derive(Debug)]
pub struct Unread {
    /// Bytes relative to the listed folder; none for that folder itself, where reading it broke off.
    pub path: Vec<u8>,
    /// Why.
    pub error: Error,
}

//! Notes of what says already that it is of somebody who is about to move it elsewhere, in the own folder of the store that it comes
//! from. Of a process that was killed before it was moved, or says again what it said, the next sweep finds here whose it was.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, fdatasync, statat};
use rustix::io::Errno;

use super::jail::{is_gone, open_directory};
use super::measure;
use super::owned;
use super::source::LocalSource;
use super::staging::Stage;
use super::stand_in::{self, Note};
use crate::error::{Error, Result};
use crate::files::{Hash, RelPath};
use crate::limits;

/// How the name of such a note begins.
pub(super) const NOTE: &str = "taking.";

/// Behind each field of a note: no path has it.
const END: u8 = 0;

/// What says that it was nobody's.
const NOBODYS: &[u8] = b"-";

/// One that is being written, gone when it is dropped.
pub(super) struct TakingNote {
    note: Note,
    file: File,
    is_durable: bool,
}

impl TakingNote {
    /// Of what has this path, and is to be this one's; what keeps these numbers was theirs. To be made before anything keeps them.
    pub(super) fn begin<'a>(
        stage: &Stage,
        path: &RelPath,
        by: &Hash,
        before: impl Iterator<Item = (u64, Option<&'a Hash>)>,
    ) -> io::Result<TakingNote> {
        let mut text = [path.as_bytes(), &[END], by.to_string().as_bytes(), &[END]].concat();
        before.for_each(|(number, was)| text.extend(was_of(number, was)));
        let (note, file) = Note::begin(stage, NOTE, &text, stage.is_durable())?;
        Ok(TakingNote { note, file, is_durable: stage.is_durable() })
    }

    /// What keeps this number was this one's. To be said before anything keeps it.
    pub(super) fn add(&mut self, number: u64, was: Option<&Hash>) -> io::Result<()> {
        self.file.write_all(&was_of(number, was))?;
        if self.is_durable {
            fdatasync(&self.file)?;
        }
        Ok(())
    }

    /// Not all of it says again what it said: the rest is for the next sweep.
    pub(super) fn keep(self) {
        self.note.keep();
    }
}

/// That what keeps this number was this one's.
fn was_of(number: u64, was: Option<&Hash>) -> Vec<u8> {
    let was = was.map(Hash::to_string);
    let was = was.as_ref().map_or(NOBODYS, |was| was.as_bytes());
    [number.to_string().as_bytes(), &[END], was, &[END]].concat()
}

/// What a note says.
#[derive(Debug, PartialEq, Eq)]
struct Noted {
    path: RelPath,
    by: Hash,
    /// Whose it was, by the numbers that it keeps.
    before: Vec<(u64, Option<Hash>)>,
}

impl Noted {
    /// What was not written to its end is left out: nothing says so yet.
    fn parse(text: &[u8]) -> Option<Noted> {
        let whole = text.get(..=text.iter().rposition(|byte| *byte == END)?)?;
        let mut fields = whole.split_last()?.1.split(|byte| *byte == END);
        let words = |field| std::str::from_utf8(field).ok();
        let (path, by) = (RelPath::parse(fields.next()?).ok()?, words(fields.next()?)?.parse().ok()?);
        let mut before = Vec::new();
        while let (Some(number), Some(was)) = (fields.next(), fields.next()) {
            let was = if was == NOBODYS { None } else { Some(words(was)?.parse().ok()?) };
            before.push((words(number)?.parse().ok()?, was));
        }
        Some(Noted { path, by, before })
    }

    /// Has a file say again what it said.
    fn undo_one(&self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
        let file = match LocalSource::open_bare(dir, name) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ACCESS | Errno::PERM) => return Ok(()),
            file => file?,
        };
        let Some((owner, Some(number))) = owned::read_both(&file)? else { return Ok(()) };
        match self.before.iter().find(|(kept, _)| owner == self.by && *kept == number) {
            Some((_, Some(was))) => owned::mark(&file, was),
            Some((_, None)) => owned::unmark(&file),
            None => Ok(()),
        }
    }

    fn undo(&self, (dir, name): (&Dir, &[u8])) -> Result<(), Errno> {
        match FileType::from_raw_mode(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
            FileType::RegularFile => self.undo_one(dir.as_fd(), name),
            FileType::Directory => {
                let folder = open_directory(dir, name)?;
                measure::each(&folder, &mut || {}, &mut |level, name| self.undo_one(level.fd()?, name))
            }
            _ => Ok(()),
        }
    }
}

/// Has what this note of a process that is gone names say again whose it is. What has been moved is not there any more. For nobody who
/// holds a lock of the tree.
///
/// # Errors
/// That it cannot be done now: the note is for the next sweep.
pub(super) fn settle(stage: &Stage, dir: &Dir, name: &str) -> Result<()> {
    let text = stand_in::read(dir, name, limits::TAKING_NOTE).map_err(|err| Error::file(name, err))?;
    let Some(noted) = Noted::parse(&text) else { return Ok(()) };
    let (jail, path) = (stage.jail(), &noted.path);
    let full = jail.full(path);
    let _nobody_moves_it = jail.tree().moving(full.clone());
    let (dir, name) = match jail.parent(path) {
        Err(error) if is_gone(&error) => return Ok(()),
        parent => parent?,
    };
    let undone = noted.undo((&dir, name));
    // What was found meanwhile was found among half of it.
    jail.shares_over(path).iter().chain(&jail.tree().shares_below(&full)).for_each(|share| share.forget());
    match undone {
        Err(Errno::NOENT) => Ok(()),
        undone => undone.map_err(|err| Error::file(path, err.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_of_each_number_whose_it_was_as_far_as_it_was_written() {
        let (by, was) = (Hash::of(b"bob"), Hash::of(b"alice"));
        let path = RelPath::parse(b"d/tree").unwrap();
        let text = format!("d/tree\0{by}\0{}\0{was}\0{}\0-\0", u64::MAX, 7);
        let before = vec![(u64::MAX, Some(was)), (7, None)];
        assert_eq!(Noted::parse(text.as_bytes()), Some(Noted { path: path.clone(), by, before: before.clone() }));
        for cut in 1..text.len() {
            let noted = Noted::parse(text.as_bytes().get(..text.len() - cut).unwrap());
            let Some(noted) = noted else { continue };
            assert!(noted.path == path && noted.by == by && before.starts_with(&noted.before), "{noted:?}");
        }
    }
}

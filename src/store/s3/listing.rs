//! What is in a folder of a bucket, page by page. A folder is what a key has a slash behind, whether it has a marker or not.
//!
//! What other programs have put there may have names that no path has (`a//b`, `..`): those are told as what cannot be read. Where one
//! name is both a file and a folder, it is the file, as everywhere here.

use std::collections::VecDeque;
use std::sync::Arc;

use super::engine::Why;
use super::names::{Spot, path_of};
use super::object::endless;
use super::shared::{Shared, of_a_folder};
use super::xml::Listed;
use crate::error::{Error, Kind, Message};
use crate::files::{Entry, EntryKind, Listing, Meta, RelPath, Unread};
use crate::limits;

/// A listing on its way.
pub(super) struct S3Listing {
    shared: Arc<Shared>,
    /// From the beginning of all homes.
    folder: Spot,
    /// As its user knows it.
    path: RelPath,
    prefix: String,
    recursive: bool,
    ready: VecDeque<Result<Entry, Unread>>,
    /// How the next page is asked for.
    next: Next,
    walk: Walk,
    empty: usize,
}

enum Next {
    First,
    Page(String),
    Nothing,
}

/// Where in the order of keys it is.
#[derive(Default)]
struct Walk {
    /// The folder that was told last, with those around it: the keys of a folder stand together.
    around: Vec<String>,
    /// Files that what comes may begin with: each begins with the one before it.
    files: Vec<String>,
    /// The key before this one: each page goes on behind the last.
    last: Option<String>,
}

/// What a key tells.
enum Told {
    Folder(String),
    File(String, Listed),
    Odd(String),
}

impl Walk {
    /// What this key tells of, relative to the listed folder; a folder's ends with a slash. None of it is told twice.
    fn step(&mut self, relative: &str, listed: Option<&Listed>) -> Vec<Told> {
        while self.files.last().is_some_and(|file| !relative.starts_with(file.as_str())) {
            self.files.pop();
        }
        // In what is a file there is nothing.
        let is_in_file = |file: &String| relative.as_bytes().get(file.len()) == Some(&b'/');
        if self.files.iter().any(is_in_file) {
            return vec![];
        }
        let mut told = Vec::new();
        let (above, name) = relative.rsplit_once('/').map_or((None, relative), |(above, name)| (Some(above), name));
        let names: Vec<&str> = above.into_iter().flat_map(|above| above.split('/')).collect();
        let is_marker = usize::from(name.is_empty());
        if !names.iter().chain([&name]).rev().skip(is_marker).all(|name| is_name(name)) {
            return vec![Told::Odd(relative.to_owned())];
        }
        let same = self.around.iter().zip(&names).take_while(|(one, other)| one == *other).count();
        self.around.truncate(same);
        for name in names.get(same..).unwrap_or_default() {
            self.around.push((*name).to_owned());
            told.push(Told::Folder(self.around.join("/")));
        }
        if let Some(listed) = listed.filter(|_| !name.is_empty()) {
            self.files.push(relative.to_owned());
            told.push(Told::File(relative.to_owned(), listed.clone()));
        }
        told
    }
}

/// Whether it can be part of a path.
fn is_name(name: &str) -> bool {
    path_of(name).is_some_and(|bytes| RelPath::parse(&bytes).is_ok_and(|path| path.components().count() == 1))
}

/// This path in the folder that is listed.
fn said_in(folder: &RelPath, relative: &[u8]) -> Message {
    match folder.is_root() {
        true => Message::path(relative),
        false => Message::path(&[folder.as_bytes(), b"/", relative].concat()),
    }
}

impl S3Listing {
    pub(super) fn new(
        shared: &Arc<Shared>,
        (folder, path): (Spot, &RelPath),
        recursive: bool,
    ) -> crate::error::Result<S3Listing> {
        let prefix = shared.keys.folder(&folder)?;
        let (ready, next, walk) = (VecDeque::new(), Next::First, Walk::default());
        let path = path.clone();
        Ok(S3Listing { shared: shared.clone(), folder, path, prefix, recursive, ready, next, walk, empty: 0 })
    }

    /// Reads the next page, if there is one. Nothing more is asked for after an error.
    fn read(&mut self) -> Result<bool, Error> {
        let after = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::First => None,
            Next::Page(token) => Some(token),
            Next::Nothing => return Ok(false),
        };
        let engine = &self.shared.engine;
        let page = engine.page(&self.prefix, self.recursive, limits::ENGINE_PAGE, after.as_deref());
        let mut page = page.map_err(|why: Why| why.at(&self.path))?;
        self.empty = if page.objects.is_empty() && page.folders.is_empty() { self.empty + 1 } else { 0 };
        if self.empty > limits::ENGINE_EMPTY_PAGES {
            return Err(endless());
        }
        let mut keys: Vec<(String, Option<Listed>)> =
            page.objects.drain(..).map(|object| (object.key.clone(), Some(object))).collect();
        keys.extend(page.folders.drain(..).map(|folder| (folder, None)));
        keys.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut told = Vec::new();
        for (key, object) in keys {
            // A storage that gives the same again and again is found out, and not followed.
            if self.walk.last.as_ref().is_some_and(|last| key <= *last) {
                return Err(endless());
            }
            let Some(relative) = key.strip_prefix(&self.prefix) else { return Err(endless()) };
            told.extend(self.walk.step(relative, object.as_ref()));
            self.walk.last = Some(key);
        }
        if let Some(token) = page.next {
            self.next = Next::Page(token);
        }
        self.tell(told);
        Ok(true)
    }

    fn tell(&mut self, told: Vec<Told>) {
        let place = |relative: &str| {
            let path = path_of(relative).filter(|bytes| RelPath::parse(bytes).is_ok())?;
            Some(self.folder.at(&path))
        };
        let files: Vec<(Spot, Listed)> = told
            .iter()
            .filter_map(|told| match told {
                Told::File(relative, listed) => Some((place(relative)?, listed.clone())),
                Told::Folder(_) | Told::Odd(_) => None,
            })
            .collect();
        let mut known = self.shared.known(&files).into_iter();
        for one in told {
            let odd = |relative: String| Unread {
                error: Error::new(
                    Kind::BadPath,
                    said_in(&self.path, relative.as_bytes()).words(": is no name that can be served"),
                ),
                path: relative.into_bytes(),
            };
            let entry = |meta: Meta, path: Vec<u8>| Entry {
                kind: meta.kind,
                size: if meta.kind == EntryKind::File { meta.size } else { 0 },
                mtime: meta.mtime,
                // That of a folder is none that anybody gave it.
                mode: (meta.kind == EntryKind::File).then_some(meta.mode),
                rotten: false,
                mark: None,
                identity: None,
                path,
            };
            match one {
                Told::Odd(relative) => self.ready.push_back(Err(odd(relative))),
                Told::Folder(relative) => match path_of(&relative) {
                    Some(path) => self.ready.push_back(Ok(entry(of_a_folder(), path))),
                    None => self.ready.push_back(Err(odd(relative))),
                },
                Told::File(relative, _) if place(&relative).is_none() => self.ready.push_back(Err(odd(relative))),
                Told::File(relative, _) => match (known.next(), path_of(&relative)) {
                    (Some(Ok(Some(object))), Some(path)) => {
                        let identity = Some(object.identity());
                        self.ready.push_back(Ok(Entry { identity, ..entry(object.meta(), path) }));
                    }
                    (Some(Err(why)), Some(path)) => {
                        let error = why.at(said_in(&self.path, &path));
                        if error.kind() == Kind::Unavailable {
                            // It can be read another time, and so may the others: the listing breaks off, and is asked for again.
                            let error = error.about(&self.path);
                            self.ready.push_back(Err(Unread { path: Vec::new(), error }));
                            self.next = Next::Nothing;
                            return;
                        }
                        self.ready.push_back(Err(Unread { path, error }));
                    }
                    // It is gone by now.
                    _ => {}
                },
            }
        }
    }
}

impl Listing for S3Listing {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(entry);
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(Unread { path: Vec::new(), error })),
            }
        }
    }
}

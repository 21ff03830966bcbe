//! A folder of a home with what shows in it, as one listing.

use std::collections::VecDeque;

use crate::files::{Entry, Listing, Unread};

/// What is in a folder of the home, and what shows in it in place of what has the same name there.
pub(super) struct JoinedListing {
    /// The names that are hidden in the home.
    pub(super) names: Vec<Vec<u8>>,
    /// What comes first.
    pub(super) first: VecDeque<Result<Entry, Unread>>,
    pub(super) listing: Option<Box<dyn Listing>>,
    /// What is in what shows, under its name.
    pub(super) later: VecDeque<(Vec<u8>, Box<dyn Listing>)>,
}

/// Whether this is under one of the names that are hidden.
fn is_hidden(names: &[Vec<u8>], path: &[u8]) -> bool {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    names.iter().any(|name| name == first)
}

impl Listing for JoinedListing {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        if let Some(entry) = self.first.pop_front() {
            return Some(entry);
        }
        while let Some(listing) = &mut self.listing {
            match listing.next() {
                None => self.listing = None,
                Some(found) => {
                    let path = match &found {
                        Ok(entry) => &entry.path,
                        Err(unread) => &unread.path,
                    };
                    if !is_hidden(&self.names, path) {
                        return Some(found);
                    }
                    listing.skip(path);
                }
            }
        }
        while let Some((name, listing)) = self.later.front_mut() {
            let inside = |path: &[u8]| match path {
                [] => name.clone(),
                path => [name.as_slice(), b"/", path].concat(),
            };
            match listing.next() {
                None => drop(self.later.pop_front()),
                Some(Ok(entry)) => return Some(Ok(Entry { path: inside(&entry.path), ..entry })),
                Some(Err(unread)) => return Some(Err(Unread { path: inside(&unread.path), ..unread })),
            }
        }
        None
    }

    fn skip(&mut self, folder: &[u8]) {
        let mut parts = folder.splitn(2, |byte| *byte == b'/');
        let (Some(first), inside) = (parts.next(), parts.next()) else { return };
        match inside {
            // What shows there, with all in it.
            None => self.later.retain(|(name, _)| name != first),
            Some(inside) => {
                if let Some((_, listing)) = self.later.front_mut().filter(|(name, _)| name == first) {
                    listing.skip(inside);
                }
            }
        }
        if let Some(listing) = &mut self.listing {
            listing.skip(folder);
        }
    }
}

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

impl JoinedListing {
    /// Whether this is under a name that is hidden.
    fn is_hidden(&self, path: &[u8]) -> bool {
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        self.names.iter().any(|name| name == first)
    }
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
                    if !self.is_hidden(path) {
                        return Some(found);
                    }
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
}

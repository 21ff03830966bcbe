//! Paths as keys of objects, and back.
//!
//! A file is the object of its own name, so that other tools can read the bucket. A key is UTF-8 and of 1,024 bytes at most: bytes
//! that are not, `%` and control characters are written as `%` and two digits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::files::{Hash, RelPath};
use crate::limits;

const OF_A_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const OF_A_PATH: &AsciiSet = &OF_A_QUERY.remove(b'/');

/// Text as it stands in a request; of a path the slashes stay.
pub(super) fn encode(text: &str, is_path: bool) -> String {
    utf8_percent_encode(text, if is_path { OF_A_PATH } else { OF_A_QUERY }).to_string()
}

fn digits(bytes: &[u8], key: &mut String) {
    bytes.iter().for_each(|byte| key.push_str(&format!("%{byte:02X}")));
}

/// A path as part of a key.
fn escaped(path: &[u8]) -> String {
    let mut key = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter == '%' || letter.is_control() {
                true => digits(letter.encode_utf8(&mut [0; 4]).as_bytes(), &mut key),
                false => key.push(letter),
            }
        }
        digits(chunk.invalid(), &mut key);
    }
    key
}

/// The path of such a part of a key; none if no path is written so.
pub(super) fn path_of(part: &str) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = percent_decode_str(part).collect();
    (escaped(&bytes) == part).then_some(bytes)
}

/// A file or folder by its path from the beginning of all homes: as long and as deep as its home's name makes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot(Vec<u8>);

impl Spot {
    /// A home.
    pub(super) fn of_home(home: &RelPath) -> Spot {
        Spot(home.as_bytes().to_vec())
    }

    /// What has this path in it.
    pub(super) fn at(&self, path: &[u8]) -> Spot {
        match (self.0.as_slice(), path) {
            (home, b"") => Spot(home.to_vec()),
            (b"", path) => Spot(path.to_vec()),
            (home, path) => Spot([home, b"/", path].concat()),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it is written in what is kept of it.
    pub(super) fn written(&self) -> String {
        escaped(&self.0)
    }

    /// What is written so.
    pub(super) fn of_written(text: &str) -> Option<Spot> {
        path_of(text).map(Spot)
    }

    /// Whether it is in that folder, or the folder itself.
    pub(super) fn is_within(&self, folder: &Spot) -> bool {
        let rest = self.0.strip_prefix(folder.0.as_slice());
        rest.is_some_and(|rest| rest.is_empty() || folder.0.is_empty() || rest.starts_with(b"/"))
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::for_people(&self.0))
    }
}

/// Where the objects of a vault are.
#[derive(Debug, Clone)]
pub(super) struct Keyspace {
    /// Empty, or with a slash at its end.
    prefix: String,
    /// Bytes of the longest key that the storage takes.
    longest: Arc<AtomicUsize>,
}

impl Keyspace {
    /// All with this prefix, and as long as keys can be until it is known what the storage takes.
    pub(super) fn of(prefix: String) -> Keyspace {
        Keyspace { prefix, longest: Arc::new(AtomicUsize::new(limits::ENGINE_KEY_MAX)) }
    }

    /// The storage takes none that is longer.
    pub(super) fn bound(&self, longest: usize) {
        self.longest.store(longest, Ordering::Relaxed);
    }

    /// Bytes of the longest key of what is about to be there.
    pub(super) fn longest(&self) -> usize {
        self.longest.load(Ordering::Relaxed)
    }

    /// Where all homes are.
    pub(super) fn homes(&self) -> String {
        format!("{}h/", self.prefix)
    }

    /// The key of a file at this path from the beginning of all homes.
    ///
    /// # Errors
    /// [`Kind::PathTooLong`].
    pub(super) fn file(&self, path: &Spot) -> Result<String> {
        self.within(path, limits::ENGINE_KEY_MAX)
    }

    /// Whether the storage takes the name of what is about to be there. What is there already has a name that it took.
    ///
    /// # Errors
    /// [`Kind::PathTooLong`].
    pub(super) fn fits(&self, path: &Spot) -> Result<()> {
        self.within(path, self.longest()).map(drop)
    }

    fn within(&self, path: &Spot, most: usize) -> Result<String> {
        let key = format!("{}h/{}", self.prefix, escaped(path.as_bytes()));
        // As a folder it has a slash more.
        if key.len() >= most {
            // Whoever sees it may not know what is above the folder that they were given.
            let text = format!("the path is longer than a name in this storage can be ({most} bytes with the home's)");
            return Err(Error::new(Kind::PathTooLong, text));
        }
        Ok(key)
    }

    /// What the keys of all that is in a folder begin with, and the key of the folder's own marker.
    ///
    /// # Errors
    /// [`Kind::PathTooLong`].
    pub(super) fn folder(&self, path: &Spot) -> Result<String> {
        if path.0.is_empty() { Ok(self.homes()) } else { self.file(path).map(|key| key + "/") }
    }

    /// The path, from the beginning of all homes, of the file with this key; none if it is not one of them.
    pub(super) fn path_of_key(&self, key: &str) -> Option<Spot> {
        path_of(key.strip_prefix(&self.homes())?).map(Spot)
    }

    /// The key of what is recorded of a file.
    pub(super) fn record(&self, path: &Spot) -> String {
        let hash = Hash::of(path.as_bytes());
        format!("{}x/{}", self.prefix, super::sign::digits(hash.as_bytes().get(..16).unwrap_or_default()))
    }

    /// What the keys of all that is written of uploads to this path begin with.
    pub(super) fn partials_of(&self, path: &Spot) -> String {
        let hash = Hash::of(path.as_bytes());
        format!("{}x/partial-{}-", self.prefix, super::sign::digits(hash.as_bytes().get(..16).unwrap_or_default()))
    }

    /// The key of what is written of an upload to this path that is on its way, by this sender: what is left of one is nobody
    /// else's.
    pub(super) fn partial(&self, path: &Spot, sender: &str) -> String {
        let hash = Hash::of(sender.as_bytes());
        let sender = super::sign::digits(hash.as_bytes().get(..8).unwrap_or_default());
        format!("{}of-{sender}", self.partials_of(path))
    }

    /// What the keys begin with of what servers say of who has the upload of this id.
    pub(super) fn holders(&self, path: &Spot, id: &str) -> String {
        let hash = Hash::of(id.as_bytes());
        let id = super::sign::digits(hash.as_bytes().get(..16).unwrap_or_default());
        format!("{}by-{id}-", self.partials_of(path))
    }

    /// What the keys of both begin with, of all uploads.
    pub(super) fn partials(&self) -> String {
        format!("{}x/partial-", self.prefix)
    }

    /// The key of what is written of a RENAME of this path, while it is made.
    pub(super) fn journal(&self, path: &Spot) -> String {
        let hash = Hash::of(path.as_bytes());
        format!("{}{}", self.journals(), super::sign::digits(hash.as_bytes().get(..16).unwrap_or_default()))
    }

    /// What the keys of all those begin with.
    pub(super) fn journals(&self) -> String {
        format!("{}x/moving-", self.prefix)
    }

    /// The key of an object that is never there.
    pub(super) fn nothing(&self) -> String {
        format!("{}x/nothing", self.prefix)
    }

    /// The key of an object that the storage is tried with.
    pub(super) fn trial(&self, number: u64) -> String {
        format!("{}x/trial-{number:016x}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_has_its_own_name_but_for_what_a_key_cannot_hold() {
        let keys = Keyspace::of("p/".to_owned());
        let file = |path: &[u8]| keys.file(&Spot(path.to_vec()));
        assert_eq!(file("alice/Ü b+c.txt".as_bytes()).unwrap(), "p/h/alice/Ü b+c.txt");
        assert_eq!(file(b"alice/100%\xff").unwrap(), "p/h/alice/100%25%FF");
        for foreign in ["a%zz", "a%", "%41", "%ff"] {
            assert_eq!(path_of(foreign), None, "{foreign}");
        }
        let long = ["d".repeat(250), "e".repeat(250), "f".repeat(250), "g".repeat(250)].join("/");
        assert!(file(long.as_bytes()).is_ok());
        assert_eq!(
            file([long.as_bytes(), b"/0123456789abcdefghi"].concat().as_slice()).unwrap_err().kind(),
            Kind::PathTooLong
        );
    }

    proptest! {
        #[test]
        fn a_path_comes_back_and_no_two_have_one_key(path in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(path_of(&escaped(&path)), Some(path));
        }
    }
}

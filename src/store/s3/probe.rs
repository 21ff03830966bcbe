//! What a storage can be relied on for: it is tried, since some take a condition and do not heed it, which is worse than none.

use super::engine::{Call, Engine, Why};
use super::object::odd;
use super::upload::Multipart;
use crate::error::Result;
use crate::limits;

/// What a storage heeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heeds {
    /// `If-None-Match: *` of a PUT.
    pub put_absent: bool,
    /// `If-Match` of a PUT.
    pub put_match: bool,
    /// `If-None-Match: *` when an upload in parts is completed.
    pub complete_absent: bool,
    /// `If-Match` there.
    pub complete_match: bool,
    /// `If-Match` of a DELETE.
    pub delete_match: bool,
}

impl Heeds {
    /// Nothing has been tried, or nothing is heeded.
    pub const NOTHING: Heeds = Heeds {
        put_absent: false,
        put_match: false,
        complete_absent: false,
        complete_match: false,
        delete_match: false,
    };

    /// Each by its name.
    pub fn each(&self) -> [(&'static str, bool); 5] {
        [
            ("PUT if absent", self.put_absent),
            ("PUT if unchanged", self.put_match),
            ("large upload if absent", self.complete_absent),
            ("large upload if unchanged", self.complete_match),
            ("DELETE if unchanged", self.delete_match),
        ]
    }

    /// Whether all are heeded.
    pub fn all(&self) -> bool {
        self.each().iter().all(|(_, heeded)| *heeded)
    }
}

/// Another ETag than any object has here.
const NEVER: &str = "\"00000000000000000000000000000000\"";

impl Engine {
    /// Tries it with an object of this key, which is gone afterwards.
    pub(super) fn try_conditions(&self, key: &str) -> Result<Heeds> {
        let tried = self.try_with(key);
        let removed = self.delete(key, None);
        let heeds = tried.map_err(|why| why.at("trying the storage"))?;
        removed.map_err(|why| why.at("trying the storage"))?;
        Ok(heeds)
    }

    /// How many bytes a name may have. Some storages take shorter ones than others, and say of a longer one no more than that something has
    /// failed, which would be waited for each time: Garage over LMDB stores nothing from 480 bytes on, and what has 472 it never removes.
    /// So names are tried in coarse steps. They begin like this one, and what the storage removes is gone afterwards.
    pub(super) fn try_names(&self, key: &str) -> Result<usize> {
        let tried = self.longest_name(key);
        let removed = self.delete(key, None);
        let longest = tried.map_err(|why| why.at("trying the storage"))?;
        removed.map_err(|why| why.at("trying the storage"))?;
        Ok(longest)
    }

    fn longest_name(&self, key: &str) -> Result<usize, Why> {
        const STEP: usize = limits::ENGINE_NAME_STEP;
        const STEPS: usize = limits::ENGINE_KEY_MAX / STEP;
        if self.takes_name(key, STEPS * STEP) {
            return Ok(STEPS * STEP);
        }
        // This one is taken, but for its slash and what makes it longer.
        let (mut taken, mut refused) = (key.len() / STEP + 1, STEPS + 1);
        while taken + 1 < refused {
            let between = taken.midpoint(refused);
            match self.takes_at_last(key, between * STEP)? {
                true => taken = between,
                false => refused = between,
            }
        }
        Ok(taken * STEP)
    }

    /// Whether a name of this length is not refused each time while another one is taken: a storage may fail for any other reason.
    fn takes_at_last(&self, key: &str, length: usize) -> Result<bool, Why> {
        for _ in 0..limits::ENGINE_NAME_TRIES {
            if self.takes_name(key, length) {
                return Ok(true);
            }
            self.ask_all(&Call::of("PUT", key))?;
        }
        Ok(false)
    }

    /// Whether a name of this length is taken, and given back, at once.
    fn takes_name(&self, key: &str, length: usize) -> bool {
        let mut name = format!("{key}-");
        // As of files in folders: what keeps objects as files takes no name of more than 255 bytes between two slashes.
        while name.len() < length {
            let is_slash = name.len() % limits::ENGINE_NAME_TRIED == 0 && name.len() + 1 < length;
            name.push(if is_slash { '/' } else { 'n' });
        }
        let is_stored = self.once(&Call::of("PUT", &name)).is_ok();
        // It may be there, whatever was said.
        let is_removed = self.once(&Call::of("DELETE", &name)).is_ok();
        is_stored && is_removed
    }

    fn try_with(&self, key: &str) -> Result<Heeds, Why> {
        let put = |bytes: &'static str| Call::of("PUT", key).sending(bytes);
        self.ask_all(&put("first"))?;
        let found = self.beginning(key, 64)?;
        if found.bytes != b"first" || found.object.size != 5 {
            return Err(odd("it does not give back what was stored a moment ago").into());
        }
        let put_absent = refuses(self.ask_all(&put("second").with("if-none-match", "*")))?;
        let put_match = refuses(self.ask_all(&put("third").with("if-match", NEVER)))?;
        let complete = |condition: (&'static str, &str)| {
            let mut upload = Multipart::create(self, key, vec![])?;
            let done = upload
                .send(self, 1, super::upload::whole("fourth"))
                .and_then(|()| upload.complete(self, vec![(condition.0, condition.1.to_owned())]).map(drop));
            let refused = refuses(done);
            if !matches!(refused, Ok(false)) {
                let _goes_when_it_is_old = upload.abort(self);
            }
            refused
        };
        let complete_absent = complete(("if-none-match", "*"))?;
        let complete_match = complete(("if-match", NEVER))?;
        // One that refuses whatever is said would leave what is to be removed.
        let is_refused = refuses(self.delete(key, Some(NEVER)))?;
        let delete_match = is_refused && !refuses(self.delete(key, Some(&self.head(key)?.etag)))?;
        Ok(Heeds { put_absent, put_match, complete_absent, complete_match, delete_match })
    }
}

/// Whether it was refused for its condition. That a storage says it cannot do such a thing counts as not heeding it.
fn refuses<T>(done: Result<T, Why>) -> Result<bool, Why> {
    match done {
        Ok(_) => Ok(false),
        Err(Why::Condition) => Ok(true),
        Err(Why::Failed(error)) if error.kind() == crate::error::Kind::Unsupported => Ok(false),
        Err(why) => Err(why),
    }
}

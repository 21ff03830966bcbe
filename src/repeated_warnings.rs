//! Warnings that come again and again as long as their cause lasts: the first is said at once, those of the minute after
//! it together, with their number. There is one log for the whole process, and so one count.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::LazyLock;

use async_std::task::{sleep, spawn};
use tracing::warn;

use crate::error::{Error, Kind};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

static REPEATED: LazyLock<Repeated> = LazyLock::new(Repeated::default);

/// Whether the caller should warn now that this did not work because of this error. If others like it were warned of
/// within the last [`limits::REPEATED_EVERY`], it is counted, and their number is said when that is over.
pub fn is_first(what: &'static str, error: &Error) -> bool {
    let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let cause = Cause { what, kind: error.kind(), code: io.and_then(io::Error::raw_os_error) };
    let first = REPEATED.begins(cause, error);
    if first {
        spawn(async move {
            loop {
                sleep(limits::REPEATED_EVERY).await;
                let Some(More { times, last }) = REPEATED.end_of_minute(cause) else { return };
                warn!(times, error = last, "{what}");
            }
        });
    }
    first
}

/// What is known of the warnings of the last minute.
#[derive(Debug, Default)]
struct Repeated {
    since: Mutex<HashMap<Cause, More>>,
}

/// What makes two warnings the same: what did not work, and why; not of which file or by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Cause {
    what: &'static str,
    kind: Kind,
    code: Option<i32>,
}

/// The warnings after the first.
#[derive(Debug, Default)]
struct More {
    times: u64,
    last: String,
}

impl Repeated {
    fn begins(&self, cause: Cause, error: &impl fmt::Display) -> bool {
        let mut since = self.lock();
        match since.get_mut(&cause) {
            Some(more) => {
                *more = More { times: more.times + 1, last: error.to_string() };
                false
            }
            None => {
                since.insert(cause, More::default());
                true
            }
        }
    }

    /// The warnings since the last ones were said. None if there were none: then the next is a first one again.
    fn end_of_minute(&self, cause: Cause) -> Option<More> {
        let mut since = self.lock();
        let more = since.get_mut(&cause).map(std::mem::take).filter(|more| more.times > 0);
        if more.is_none() {
            since.remove(&cause);
        }
        more
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Cause, More>> {
        self.since.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_at_once_and_the_rest_of_a_minute_together() {
        let repeated = Repeated::default();
        let cause = Cause { what: "cannot", kind: Kind::Io, code: Some(24) };
        let other = Cause { code: Some(5), ..cause };
        assert!(repeated.begins(cause, &"a"));
        assert!(!repeated.begins(cause, &"b") && !repeated.begins(cause, &"c"));
        assert!(repeated.begins(other, &"d"));
        let more = repeated.end_of_minute(cause).unwrap();
        assert_eq!((more.times, more.last.as_str()), (2, "c"));
        assert!(!repeated.begins(cause, &"e"));
        assert_eq!(repeated.end_of_minute(cause).unwrap().times, 1);
        assert!(repeated.end_of_minute(cause).is_none());
        assert!(repeated.begins(cause, &"f"));
    }
}

//! Whether what a client has is still what is here: `If-Match` and the like, as RFC 9110, section 13, has them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

use crate::files::{FileIdentity, Hash, Mtime};
use crate::limits;
use crate::server::desk::jobs::download::Download;

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// As the header has it.
    pub etag: String,
    /// When it was modified; whole seconds, none before 1970 and after 9999.
    pub modified: Option<SystemTime>,
}

/// What a GET or HEAD comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// To the file.
    Go,
    /// To 304: the client has it.
    NotModified,
    /// To 412: it is not what the client said it must be.
    Failed,
}

impl Validators {
    /// Those of a file, by the recorded hash of its bytes if there is one.
    pub fn of(file: &Download) -> Validators {
        let (meta, recorded) = (file.meta(), file.recorded());
        let identity = if recorded.is_none() { file.identity() } else { None };
        Validators::of_state((meta.size, meta.mtime), identity, recorded.as_ref())
    }

    /// Those of a file of so many bytes that was modified then, and is told from those that had its name before it by its identity.
    pub fn of_state(
        (size, mtime): (u64, Mtime),
        identity: Option<FileIdentity>,
        recorded: Option<&Hash>,
    ) -> Validators {
        let etag = match (recorded, identity) {
            (Some(hash), _) => format!("\"{hash}\""),
            // Two changes of one file within a tick of a file system's clock look alike: a weak one. Size and time alone say too little,
            // since whoever replaces a file says what time the new one has.
            (None, Some(identity)) => format!("W/\"{size:x}-{:x}.{:x}-{identity}\"", mtime.secs, mtime.nanos),
            (None, None) => format!("W/\"{size:x}-{:x}.{:x}\"", mtime.secs, mtime.nanos),
        };
        let secs = u64::try_from(mtime.secs).ok().filter(|secs| *secs < limits::HTTP_DATE_END);
        Validators { etag, modified: secs.and_then(|secs| UNIX_EPOCH.checked_add(Duration::from_secs(secs))) }
    }

    /// Decides on the conditions of a request.
    pub fn decide(&self, headers: &HeaderMap) -> Decision {
        if headers.contains_key(IF_MATCH) {
            if !values(headers, &IF_MATCH).any(|list| lists(list, |tag| tag == "*" || self.is_strongly(tag))) {
                return Decision::Failed;
            }
        } else if let (Some(since), Some(modified)) = (date(headers, &IF_UNMODIFIED_SINCE), self.modified)
            && modified > since
        {
            return Decision::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            let weak = |tag: &str| tag.trim_start_matches("W/") == self.etag.trim_start_matches("W/");
            if values(headers, &IF_NONE_MATCH).any(|list| lists(list, |tag| tag == "*" || weak(tag))) {
                return Decision::NotModified;
            }
        } else if let (Some(since), Some(modified)) = (date(headers, &IF_MODIFIED_SINCE), self.modified)
            && modified <= since
        {
            return Decision::NotModified;
        }
        Decision::Go
    }

    /// Whether a range may be sent: the client names no state of the file that its part is of, or names this one for
    /// certain. A date never does (RFC 9110, section 8.8.2.2): whoever replaces a file says what time the new one has.
    pub fn allow_range(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(IF_RANGE) else { return true };
        condition.to_str().is_ok_and(|tag| self.is_strongly(tag.trim()))
    }

    fn is_strongly(&self, tag: &str) -> bool {
        !tag.starts_with("W/") && tag == self.etag
    }
}

/// What a request that changes a file says must be there.
#[derive(Debug)]
pub enum Expected<'h> {
    /// Nothing.
    Absent,
    /// A file with this hash.
    This(Hash),
    /// What only a look at what is there can tell.
    Conditions(HeaderConditions<'h>),
}

/// A file that is there.
#[derive(Debug, Clone, Copy)]
pub struct There {
    /// The BLAKE3 of its bytes.
    pub hash: Hash,
    /// How many those are.
    pub size: u64,
    /// When it was last modified.
    pub mtime: Mtime,
    /// What tells it from those that had its name before it, if that is known.
    pub identity: Option<FileIdentity>,
}

/// What must hold of what is there.
#[derive(Debug)]
pub struct HeaderConditions<'h>(&'h HeaderMap);

impl Expected<'_> {
    /// What the headers say. Where they say nothing, anything holds.
    pub fn of(headers: &HeaderMap) -> Expected<'_> {
        let only = |name: &HeaderName| {
            let mut all = headers.get_all(name).iter();
            all.next().filter(|_| all.next().is_none()).and_then(|value| value.to_str().ok())
        };
        let others = |names: &[HeaderName]| names.iter().any(|name| headers.contains_key(name));
        if only(&IF_NONE_MATCH) == Some("*") && !others(&[IF_MATCH, IF_UNMODIFIED_SINCE]) {
            return Expected::Absent;
        }
        let tag = only(&IF_MATCH).and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
        match tag.and_then(|tag| tag.parse().ok()) {
            Some(hash) if !others(&[IF_NONE_MATCH]) => Expected::This(hash),
            _ => Expected::Conditions(HeaderConditions(headers)),
        }
    }
}

impl HeaderConditions<'_> {
    /// Whether it holds of this file, or of nothing. The weak tag that is told of a
    /// file without a record holds too: davfs2 knows no other, sends it back without its `W/`, and gives up what it was to write
    /// if it does not hold.
    pub fn holds(&self, there: Option<&There>) -> bool {
        let HeaderConditions(headers) = self;
        let weak = |there: &There| Validators::of_state((there.size, there.mtime), there.identity, None).etag;
        let tags = there.map(|there| (format!("\"{}\"", there.hash), weak(there)));
        let bare = |tag: &str| tag.trim_start_matches("W/").to_owned();
        let is = |given: &str| {
            tags.as_ref().is_some_and(|(tag, weak)| given == "*" || given == tag || bare(given) == bare(weak))
        };
        if headers.contains_key(IF_MATCH) {
            if !values(headers, &IF_MATCH).any(|list| lists(list, is)) {
                return false;
            }
        } else if let (Some(since), Some(there)) = (date(headers, &IF_UNMODIFIED_SINCE), there) {
            // Dates are in whole seconds.
            let whole = Mtime { nanos: 0, ..there.mtime }.to_system_time();
            if whole.is_none_or(|modified| modified > since) {
                return false;
            }
        }
        let weakly = |given: &str| is(given) || is(given.trim_start_matches("W/"));
        !values(headers, &IF_NONE_MATCH).any(|list| lists(list, weakly))
    }
}

/// Whether what the headers ask for holds of a folder: it is there, and has no tag.
pub fn hold_of_folder(headers: &HeaderMap) -> bool {
    let anything = |name: &HeaderName| values(headers, name).any(|list| lists(list, |tag| tag == "*"));
    (!headers.contains_key(IF_MATCH) || anything(&IF_MATCH)) && !anything(&IF_NONE_MATCH)
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// Whether a list of entity tags has one of this kind. A tag may have commas in it.
fn lists(list: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let mut rest = list.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let opened = rest.find('"').map(|at| at + 1);
        let end = match (rest.starts_with('*'), opened) {
            (true, _) => 1,
            (false, Some(from)) => match rest.get(from..).and_then(|rest| rest.find('"')) {
                Some(at) => from + at + 1,
                None => return false,
            },
            (false, None) => return false,
        };
        let (tag, after) = rest.split_at(end);
        if is_it(tag) {
            return true;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    false
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    headers.get(name).and_then(parse_date)
}

fn parse_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn at(secs: u64) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs))
    }

    #[test]
    fn conditions_decide_in_their_order() {
        let strong = Validators { etag: "\"abc\"".into(), modified: Some(UNIX_EPOCH + Duration::from_secs(1000)) };
        let weak = Validators { etag: "W/\"abc\"".into(), ..strong.clone() };
        let decide = |of: &Validators, pairs: &[(HeaderName, &str)]| of.decide(&headers(pairs));
        use Decision as D;
        assert_eq!(decide(&strong, &[]), D::Go);
        assert_eq!(decide(&strong, &[(IF_MATCH, "\"x\", \"abc\"")]), D::Go);
        assert_eq!(decide(&strong, &[(IF_MATCH, "*")]), D::Go);
        assert_eq!(decide(&strong, &[(IF_MATCH, "\"x\"")]), D::Failed);
        assert_eq!(decide(&weak, &[(IF_MATCH, "W/\"abc\"")]), D::Failed, "weak ones never match strongly");
        assert_eq!(decide(&strong, &[(IF_NONE_MATCH, "\"a,b\", W/\"abc\"")]), D::NotModified);
        assert_eq!(decide(&weak, &[(IF_NONE_MATCH, "\"abc\"")]), D::NotModified);
        assert_eq!(decide(&strong, &[(IF_NONE_MATCH, "\"b")]), D::Go, "no end");
        assert_eq!(decide(&strong, &[(IF_MODIFIED_SINCE, &at(1000))]), D::NotModified);
        assert_eq!(decide(&strong, &[(IF_MODIFIED_SINCE, &at(999))]), D::Go);
        assert_eq!(decide(&strong, &[(IF_MODIFIED_SINCE, "rubbish")]), D::Go);
        assert_eq!(decide(&strong, &[(IF_UNMODIFIED_SINCE, &at(999))]), D::Failed);
        assert_eq!(decide(&strong, &[(IF_UNMODIFIED_SINCE, &at(1000))]), D::Go);
        let both = [(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, &*at(1000))];
        assert_eq!(decide(&strong, &both), D::Go, "the tag counts and the date does not");
    }

    #[test]
    fn a_time_that_no_header_can_say_is_left_out() {
        let modified = |secs| Validators::of_state((0, Mtime { secs, nanos: 0 }), None, None).modified;
        assert!(modified(-1).is_none() && modified(i64::MAX).is_none());
        let last = modified(i64::try_from(limits::HTTP_DATE_END).unwrap() - 1).unwrap();
        assert_eq!(httpdate::fmt_http_date(last), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_change_depends_on_nothing_on_a_hash_or_on_what_is_found() {
        let hash = Hash::of(b"x");
        let tag = format!("\"{hash}\"");
        let file = There { hash, size: 3, mtime: Mtime { secs: 1000, nanos: 5 }, identity: None };
        let holds = |pairs: &[(HeaderName, &str)], there: bool| match Expected::of(&headers(pairs)) {
            Expected::Conditions(state) => Some(state.holds(there.then_some(&file))),
            Expected::Absent | Expected::This(_) => None,
        };
        assert!(matches!(Expected::of(&headers(&[(IF_NONE_MATCH, "*")])), Expected::Absent));
        assert!(matches!(Expected::of(&headers(&[(IF_MATCH, &tag)])), Expected::This(found) if found == hash));
        assert_eq!((holds(&[(IF_MATCH, "*")], true), holds(&[(IF_MATCH, "*")], false)), (Some(true), Some(false)));
        let several = format!("\"other\", {tag}");
        assert_eq!(holds(&[(IF_MATCH, &several)], true), Some(true));
        assert_eq!(holds(&[(IF_MATCH, "\"other\"")], true), Some(false));
        assert_eq!(holds(&[(IF_MATCH, &format!("W/{tag}"))], true), Some(false), "weak ones never match strongly");
        assert_eq!(
            holds(&[(IF_MATCH, "W/\"3-3e8.5\"")], true),
            Some(true),
            "but for the one that is told without a record"
        );
        assert_eq!(holds(&[(IF_MATCH, "\"3-3e8.5\"")], true), Some(true), "as davfs2 sends it");
        assert_eq!(holds(&[(IF_MATCH, "W/\"4-3e8.5\"")], true), Some(false));
        assert_eq!(holds(&[(IF_NONE_MATCH, "W/\"3-3e8.5\"")], true), Some(false));
        assert_eq!(holds(&[(IF_NONE_MATCH, &format!("W/{tag}"))], true), Some(false));
        assert_eq!(holds(&[(IF_NONE_MATCH, "\"other\"")], true), Some(true));
        assert_eq!(holds(&[(IF_NONE_MATCH, "\"other\"")], false), Some(true));
        assert_eq!(holds(&[(IF_MATCH, &tag), (IF_NONE_MATCH, "*")], true), Some(false));
        assert_eq!(holds(&[(IF_UNMODIFIED_SINCE, &at(1000))], true), Some(true));
        assert_eq!(holds(&[(IF_UNMODIFIED_SINCE, &at(999))], true), Some(false));
        assert_eq!(holds(&[(IF_UNMODIFIED_SINCE, &at(999))], false), Some(true));
    }

    #[test]
    fn a_weak_tag_tells_files_of_one_size_and_time_apart() {
        let [old, new] = [b"old", b"new"].map(|number| Some(FileIdentity::of(number)));
        let state = (3, Mtime { secs: 1000, nanos: 5 });
        let [was, is] = [old, new].map(|identity| Validators::of_state(state, identity, None).etag);
        assert!(was.starts_with("W/\"3-3e8.5-") && was != is, "{was} {is}");
        assert_eq!(Validators::of_state(state, old, None).etag, was);
        let there = There { hash: Hash::of(b"new"), size: state.0, mtime: state.1, identity: new };
        let holds = |tag: &str| HeaderConditions(&headers(&[(IF_MATCH, tag)])).holds(Some(&there));
        assert!(holds(&is) && holds(is.trim_start_matches("W/")), "as davfs2 sends it");
        assert!(!holds(&was) && !holds(was.trim_start_matches("W/")) && !holds("W/\"3-3e8.5\""));
    }

    #[test]
    fn a_range_goes_with_a_strong_tag_and_with_no_date() {
        let modified = UNIX_EPOCH + Duration::from_secs(1000);
        let strong = Validators { etag: "\"abc\"".into(), modified: Some(modified) };
        let weak = Validators { etag: "W/\"abc\"".into(), ..strong.clone() };
        let allows = |of: &Validators, value: &str| of.allow_range(&headers(&[(IF_RANGE, value)]));
        assert!(strong.allow_range(&HeaderMap::new()));
        assert!(allows(&strong, "\"abc\"") && !allows(&strong, "\"x\""));
        assert!(!allows(&weak, "W/\"abc\"") && !allows(&weak, "\"abc\""));
        assert!(!allows(&strong, &at(1000)) && !allows(&strong, &at(1001)) && !allows(&weak, &at(1000)));
    }
}

//! Which bytes of a file a request asks for: `Range`, as RFC 9110, section 14, has it.

use hyper::HeaderMap;
use hyper::header::RANGE;

use crate::limits;
use crate::server::desk::downloads;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it; also where the header makes no sense, or asks for too much: it may be ignored.
    Whole,
    /// These ranges, each as its first byte and its length, none of them empty: one or more.
    Parts(Vec<(u64, u64)>),
    /// Nothing that is there: 416.
    Nothing,
}

impl Wanted {
    /// As what it counts where a link allows so many downloads, of a file of this size; none: nothing is sent.
    pub fn counts_as(&self, size: u64) -> Option<downloads::Asked> {
        match self {
            Wanted::Whole => Some(downloads::Asked::WHOLE),
            Wanted::Parts(parts) => Some(match parts[..] {
                [(first, length)] => downloads::Asked::range(first, length, size),
                _ => downloads::Asked::several(parts.iter().map(|(_, length)| length).sum()),
            }),
            Wanted::Nothing => None,
        }
    }

    /// What these headers ask for of a file of this size. Whoever asks for more than [`limits::WEB_RANGES_MAX`] ranges, or for
    /// more bytes than the file has, gets the file.
    pub fn of(headers: &HeaderMap, size: u64) -> Wanted {
        let mut all = headers.get_all(RANGE).iter();
        let (Some(range), None) = (all.next(), all.next()) else { return Wanted::Whole };
        let specs = range.to_str().ok().and_then(|text| text.trim().strip_prefix("bytes="));
        let Some(specs) = specs else { return Wanted::Whole };
        let mut parts = Vec::new();
        for (n, spec) in specs.split(',').map(str::trim).filter(|spec| !spec.is_empty()).enumerate() {
            if n >= limits::WEB_RANGES_MAX {
                return Wanted::Whole;
            }
            match part(spec, size) {
                None => return Wanted::Whole,
                Some((_, 0)) => {}
                Some(part) => parts.push(part),
            }
        }
        let bytes = parts.iter().fold(0u64, |sum, (_, length)| sum.saturating_add(*length));
        match parts.len() {
            0 => Wanted::Nothing,
            1 => Wanted::Parts(parts),
            _ if bytes > size => Wanted::Whole,
            _ => Wanted::Parts(parts),
        }
    }
}

/// One range; of length 0 if none of its bytes is there. None if it makes no sense.
fn part(spec: &str, size: u64) -> Option<(u64, u64)> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit are past the end of any file.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let length = number(last)?.min(size);
        return Some((size - length, length));
    }
    let first = number(first)?;
    let end = match last {
        "" => size,
        last => {
            let last = number(last)?;
            if last < first {
                return None;
            }
            last.saturating_add(1).min(size)
        }
    };
    Some((first, end.saturating_sub(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(range: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        Wanted::of(&headers, 100)
    }

    #[test]
    fn ranges_are_cut_at_the_end_of_the_file() {
        assert_eq!(Wanted::of(&HeaderMap::new(), 100), Wanted::Whole);
        assert_eq!(wanted("bytes=0-9"), Wanted::Parts(vec![(0, 10)]));
        assert_eq!(wanted("bytes=90-"), Wanted::Parts(vec![(90, 10)]));
        assert_eq!(wanted("bytes=-10"), Wanted::Parts(vec![(90, 10)]));
        assert_eq!(wanted("bytes=-1000"), Wanted::Parts(vec![(0, 100)]));
        assert_eq!(wanted("bytes=99-1000"), Wanted::Parts(vec![(99, 1)]));
        assert_eq!(wanted("bytes=0-0, 5-5,-1"), Wanted::Parts(vec![(0, 1), (5, 1), (99, 1)]));
        assert_eq!(wanted("bytes=0-99999999999999999999"), Wanted::Parts(vec![(0, 100)]));
    }

    #[test]
    fn what_is_not_there_is_not_satisfiable_and_nonsense_is_ignored() {
        for none in ["bytes=100-", "bytes=200-300", "bytes=-0", "bytes=99999999999999999999-", "bytes=,"] {
            assert_eq!(wanted(none), Wanted::Nothing, "{none}");
        }
        for nonsense in ["bytes=9-0", "bytes=a-b", "bytes=", "lines=0-1", "bytes=+1-2", "bytes=1", "0-1", "bytes=--1"] {
            let expected = if nonsense == "bytes=" { Wanted::Nothing } else { Wanted::Whole };
            assert_eq!(wanted(nonsense), expected, "{nonsense}");
        }
    }

    #[test]
    fn too_many_ranges_and_more_than_there_is_get_the_file_once() {
        let many = ["0-0"; limits::WEB_RANGES_MAX + 1].join(",");
        assert_eq!(wanted(&format!("bytes={many}")), Wanted::Whole);
        assert_eq!(wanted("bytes=0-,0-"), Wanted::Whole);
    }
}

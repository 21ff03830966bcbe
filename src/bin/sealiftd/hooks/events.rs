//! Events as the server tells them: one line of JSON each, handed on whole or not at all.

use std::io::{self, BufRead};

use sealift::escape::for_people;
use sealift::limits;
use sealift::proto::percent::decode;
use serde_json::Value;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// An event, with the end of its line.
    Event(Vec<u8>),
    /// One that is longer than hooks are told, and was left out.
    TooLong,
    /// The server has ended.
    Nothing,
}

/// The next one. What breaks off in the middle of a line is none.
///
/// # Errors
/// Those of reading.
pub fn next(from: &mut impl BufRead) -> io::Result<Told> {
    let (mut line, mut is_too_long) = (Vec::new(), false);
    loop {
        let room = limits::HOOK_EVENT_MAX.saturating_sub(line.len());
        let read = io::Read::take(&mut *from, room.try_into().unwrap_or(u64::MAX)).read_until(b'\n', &mut line)?;
        match (line.last() == Some(&b'\n'), read) {
            (true, _) if is_too_long => return Ok(Told::TooLong),
            (true, _) => return Ok(Told::Event(line)),
            (false, 0) => return Ok(Told::Nothing),
            (false, _) if line.len() >= limits::HOOK_EVENT_MAX => {
                is_too_long = true;
                line.clear();
            }
            (false, _) => {}
        }
    }
}

/// The file it is about, as the log names it.
pub fn path_of(event: &[u8]) -> String {
    let event: Value = serde_json::from_slice(event).unwrap_or_default();
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    // With the bytes that are no UTF-8, if it has such.
    let exact = text("file_encoded").and_then(|encoded| decode(encoded.as_bytes()).ok());
    for_people(&exact.unwrap_or(text("file").unwrap_or_default().as_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut from: &[u8]) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            match next(&mut from).unwrap() {
                Told::Nothing => return told,
                some => told.push(some),
            }
        }
    }

    #[test]
    fn an_event_is_handed_on_whole_or_not_at_all() {
        let of = |length: usize| [&vec![b'x'; length - 1][..], b"\n"].concat();
        let (longest, longer) = (of(limits::HOOK_EVENT_MAX), of(limits::HOOK_EVENT_MAX + 1));
        let (long, longest_of_all) = (of(100_000), of(3 * limits::HOOK_EVENT_MAX + 7));
        let sent = [&b"{}\n"[..], &long, &longest, &longer, b"{1}\n", &longest_of_all, b"{2}\n{\"cut"].concat();
        let event = |bytes: &[u8]| Told::Event(bytes.to_vec());
        let wanted = [
            event(b"{}\n"),
            event(&long),
            event(&longest),
            Told::TooLong,
            event(b"{1}\n"),
            Told::TooLong,
            event(b"{2}\n"),
        ];
        assert!(all(&sent) == wanted);
    }

    #[test]
    fn the_log_names_the_file_and_no_control_character() {
        assert_eq!(path_of(br#"{"path":"x","file":"/data/alice/a\u001bb"}"#), "/data/alice/a\\x1bb");
        let encoded = br#"{"file":"/data/alice/\ufffd","file_encoded":"/data/alice/%FF"}"#;
        assert_eq!(path_of(encoded), "/data/alice/\\xff");
        assert_eq!(path_of(b"nonsense"), "");
    }
}

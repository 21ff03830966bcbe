//! Replies: `ddd word key=value... :text`, written straight into the outgoing buffer and read without copying.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::path::Path;

use super::percent::{decode, encode, list_item};
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::RelPath;

/// Writes one reply line at the end of a buffer. The only writer of replies: values are percent-encoded and text is
/// escaped here, so no file name can forge a line.
///
/// The line is complete when [`ReplyWriter::text`] or [`ReplyWriter::end`] has been called.
#[must_use = "a reply line needs its ending"]
pub struct ReplyWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> ReplyWriter<'a> {
    /// Begins a reply; `word` is one of the protocol's words.
    pub fn new(out: &'a mut Vec<u8>, digits: u16, word: &'static str) -> Self {
        out.extend_from_slice(format!("{digits:03} {word}").as_bytes());
        ReplyWriter { out }
    }

    /// Begins the reply that an error becomes. Kinds without digits of their own are faults of this program here.
    pub fn error(out: &'a mut Vec<u8>, kind: Kind) -> Self {
        match kind.row().digits {
            Some(digits) => Self::new(out, digits, kind.word()),
            None => Self::error(out, Kind::Internal),
        }
    }

    /// Adds a value that needs no encoding: numbers, hashes, times, words of ours.
    pub fn field(self, key: &'static str, value: impl Display) -> Self {
        struct Plain<'b>(&'b mut Vec<u8>);
        impl fmt::Write for Plain<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                // Encoding again what is already plain changes nothing and keeps the promise for the rest.
                self.0.extend(encode(text.as_bytes()).bytes());
                Ok(())
            }
        }
        self.out.push(b' ');
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
        let _ = write!(Plain(self.out), "{value}");
        self
    }

    /// Adds a value of letters, digits, hyphens and commas as it is, without the copies that encoding makes: for secrets
    /// and lists of words.
    pub fn verbatim(self, key: &'static str, value: &[u8]) -> Self {
        debug_assert!(value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-,".contains(byte)));
        self.out.push(b' ');
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
        self.out.extend_from_slice(value);
        self
    }

    /// Adds a value of any bytes.
    pub fn bytes(self, key: &'static str, value: &[u8]) -> Self {
        self.out.extend_from_slice(format!(" {key}=").as_bytes());
        self.out.extend(encode(value).bytes());
        self
    }

    /// Adds values of any bytes, separated by commas.
    pub fn list(self, key: &'static str, values: &[Vec<u8>]) -> Self {
        self.out.extend_from_slice(format!(" {key}=").as_bytes());
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.out.extend(list_item(value).bytes());
        }
        self
    }

    /// Adds fields that were rendered before, each with its leading space.
    pub fn rendered(self, fields: &str) -> Self {
        self.out.extend_from_slice(fields.as_bytes());
        self
    }

    /// Ends the line with words for a person.
    pub fn text(self, text: &str) {
        self.out.extend_from_slice(b" :");
        self.out.extend_from_slice(for_people(text.as_bytes()).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Ends the line without words.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// A reply as read from a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The three digits.
    pub digits: u16,
    /// The stable word.
    pub word: &'a str,
    fields: &'a str,
    /// The words for a person; from the other side, so escape them before showing.
    pub text: &'a str,
    /// What the command named that it answers, if its reader knows: an error happened to that.
    asked: Option<&'a RelPath>,
}

impl<'a> Reply<'a> {
    /// Reads a line, its ending already cut off.
    ///
    /// # Errors
    /// [`Kind::Protocol`] for anything that is not a reply.
    pub fn parse(line: &'a [u8]) -> Result<Reply<'a>> {
        Self::try_parse(line).ok_or_else(|| {
            let shown = line.get(..line.len().min(80)).unwrap_or_default();
            Error::new(Kind::Protocol, format!("the server's answer is not a reply: {}", for_people(shown)))
        })
    }

    fn try_parse(line: &'a [u8]) -> Option<Reply<'a>> {
        let line = std::str::from_utf8(line).ok()?;
        if line.bytes().any(|b| b.is_ascii_control()) {
            return None;
        }
        let (head, text) = line.split_once(" :").unwrap_or((line, ""));
        let (digits, rest) = head.split_once(' ')?;
        let (word, fields) = rest.split_once(' ').unwrap_or((rest, ""));
        // Words and keys are plain ASCII, so that they may be shown; values are encoded.
        let is_plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
        let is_field = |field: &str| field.split_once('=').is_some_and(|(key, _)| is_plain(key));
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) || !is_plain(word) || word.contains('=') {
            return None;
        }
        if !fields.is_empty() && !fields.split(' ').all(is_field) {
            return None;
        }
        let digits = digits.parse().ok().filter(|d| (100..600).contains(d))?;
        Some(Reply { digits, word, fields, text, asked: None })
    }

    /// This reply as the answer to a command that named this.
    #[must_use]
    pub fn to_command_about(self, asked: Option<&'a RelPath>) -> Self {
        Reply { asked, ..self }
    }

    /// More replies or data follow.
    pub fn is_preliminary(&self) -> bool {
        self.digits < 200
    }

    /// Done as asked.
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.digits)
    }

    /// Refused or failed.
    pub fn is_error(&self) -> bool {
        self.digits >= 400
    }

    /// The fields, still encoded.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields.split(' ').filter_map(|field| field.split_once('='))
    }

    /// A field's value, still encoded: right for numbers, hashes and words.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.fields().find(|(seen, _)| *seen == key).map(|(_, value)| value)
    }

    /// A field's value as bytes.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if it is missing or wrongly encoded.
    pub fn bytes(&self, key: &str) -> Result<Vec<u8>> {
        let value = self.get(key).ok_or_else(|| self.lacks(key))?;
        decode(value.as_bytes()).map(|bytes| bytes.into_owned()).map_err(|_| self.lacks(key))
    }

    /// A field's values, separated by commas; none if there is no such field. One empty value reads as it was written,
    /// no value does not: such a field is left away.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if one is wrongly encoded.
    pub fn list(&self, key: &str) -> Result<Vec<Vec<u8>>> {
        let value = |item: &str| decode(item.as_bytes()).map(Cow::into_owned).map_err(|_| self.lacks(key));
        self.get(key).map_or(Ok(Vec::new()), |values| values.split(',').map(value).collect())
    }

    /// A field's value as whatever it must be.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if it is missing or something else.
    pub fn parsed<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        self.get(key).and_then(|value| value.parse().ok()).ok_or_else(|| self.lacks(key))
    }

    fn lacks(&self, key: &str) -> Error {
        Error::new(
            Kind::Protocol,
            format!("the server's `{}` reply has no usable {key}=", for_people(self.word.as_bytes())),
        )
    }

    /// The error this reply stands for; a word from a newer server counts as its digits' class. What is missing is
    /// missing at one server of perhaps several behind an address: its process is named.
    pub fn to_error(&self) -> Error {
        let kind = Kind::from_word(self.word).filter(|kind| kind.row().digits.is_some()).unwrap_or(Kind::Protocol);
        let mut text = for_people(self.text.as_bytes());
        if kind == Kind::NotFound
            && let Some(pid) = self.get("pid")
        {
            text += &format!("{SERVER}{})", for_people(pid.as_bytes()));
        }
        let error = Error::new(kind, text).of_server();
        let error = if self.digits == 421 && self.get("begun") == Some("no") { error.unbegun() } else { error };
        match self.asked {
            // What ends the connection happened to nothing that was asked for.
            Some(path) if self.digits != 421 => error.at(if path.is_root() { Path::new(".") } else { path.as_path() }),
            _ => error,
        }
    }
}

/// How the end of an error's text begins that says which process did not find something.
const SERVER: &str = " (server's pid ";

/// The end of an error's text that says which process did not find something, to be put behind other words for the same; empty
/// if there is none.
pub fn server_of(text: &str) -> &str {
    text.rfind(SERVER).and_then(|at| text.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_reads_as_written() {
        for values in [vec![b"a,b".to_vec(), b"x y/z".to_vec()], vec![Vec::new()], vec![vec![b'%', 0xff], Vec::new()]] {
            let mut out = Vec::new();
            ReplyWriter::new(&mut out, 226, "done").list("unread", &values).end();
            let reply = Reply::parse(out.strip_suffix(b"\r\n").unwrap()).unwrap();
            assert_eq!((reply.list("unread").unwrap(), reply.list("other").unwrap()), (values, vec![]));
        }
    }

    #[test]
    fn a_reply_reads_as_written() {
        let mut out = Vec::new();
        ReplyWriter::new(&mut out, 226, "done").field("size", 12).bytes("path", b"a b=c:d").text("It is : done.");
        assert_eq!(out, b"226 done size=12 path=a%20b%3Dc%3Ad :It is : done.\r\n");
        let reply = Reply::parse(out.strip_suffix(b"\r\n").unwrap()).unwrap();
        assert_eq!((reply.digits, reply.word, reply.text), (226, "done", "It is : done."));
        assert_eq!(reply.parsed::<u64>("size").unwrap(), 12);
        assert_eq!(reply.bytes("path").unwrap(), b"a b=c:d");
        assert_eq!(reply.bytes("nothing").unwrap_err().kind(), Kind::Protocol);
    }

    #[test]
    fn a_hostile_name_cannot_forge_a_reply() {
        let mut out = Vec::new();
        ReplyWriter::error(&mut out, Kind::NotFound).text("x\r\n226 ok: no such file");
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        assert!(out.starts_with(b"550 not-found :x\\x0d\\x0a226 ok"));
    }

    #[test]
    fn what_is_not_a_reply_is_a_protocol_error() {
        for bad in [
            "226 done a\u{9b}31m=1",
            "226 d\u{9b} a=1",
            "226 done =1",
            "",
            "226",
            "22 x",
            "2x6 done",
            "999 x",
            "226 done what",
            "226 a=b",
            "HTTP/1.1 200 OK",
            "226 d\x1b",
        ] {
            assert!(Reply::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_error_word_is_still_an_error() {
        let reply = Reply::parse(b"599 brand-new :x").unwrap();
        assert!(reply.is_error());
        assert_eq!(reply.to_error().kind(), Kind::Protocol);
        assert_eq!(Reply::parse(b"550 pin-mismatch :x").unwrap().to_error().kind(), Kind::Protocol);
    }

    proptest! {
        #[test]
        fn any_value_and_any_text_survive_as_one_line(value in proptest::collection::vec(any::<u8>(), 0..60), text in ".{0,60}") {
            let mut out = Vec::new();
            ReplyWriter::new(&mut out, 213, "stat").bytes("path", &value).text(&text);
            let reply = Reply::parse(out.strip_suffix(b"\r\n").unwrap()).unwrap();
            prop_assert_eq!(reply.bytes("path").unwrap(), value);
            prop_assert_eq!(reply.text, for_people(text.as_bytes()));
        }

        #[test]
        fn any_bytes_parse_or_are_refused_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(reply) = Reply::parse(&line) {
                let _ = (reply.fields().count(), reply.bytes("path"), reply.to_error());
            }
        }
    }
}

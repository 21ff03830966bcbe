//! `multipart/form-data` (RFC 7578), as a form of a page and `curl -F` send files: pure, and bounded. What comes is pushed, and what it is
//! is asked for. The crates that there are gather the head of a part without a bound.

use bytes::{Buf as _, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use memchr::memmem::{self, Finder};

use crate::error::{Error, Kind, Result};
use crate::limits;

/// Whether this is such a form.
pub fn is_one(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    is_form_data(kind.split(';').next().unwrap_or_default())
}

fn is_form_data(kind: &str) -> bool {
    kind.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// A form on its way in.
pub struct Form {
    /// What stands between two parts, with the end of the line before it.
    delimiter: Finder<'static>,
    /// What came and was not given out.
    waiting: BytesMut,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the first part.
    Preamble,
    /// Right behind a delimiter.
    Delimited,
    /// In the head of a part.
    Head,
    /// Among the bytes of one.
    Body,
    /// Behind the last.
    Over,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A part: what its file is called where it comes from; none if it is no file.
    Part(Option<Vec<u8>>),
    /// Bytes of it.
    Bytes(Bytes),
    /// Its end.
    End,
    /// The end of all.
    Over,
    /// That is not known before more is pushed.
    More,
}

fn bad(why: &str) -> Error {
    Error::new(Kind::BadCommand, format!("the form {why}"))
}

impl Form {
    /// That of a body with these headers.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is no such form.
    pub fn of(headers: &HeaderMap) -> Result<Form> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = boundary(kind).ok_or_else(|| bad("has no boundary"))?;
        Ok(Form {
            delimiter: Finder::new(&format!("\r\n--{boundary}")).into_owned(),
            // The first one has no line before it: one is put there.
            waiting: BytesMut::from("\r\n"),
            stage: Stage::Preamble,
        })
    }

    /// These bytes came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.stage != Stage::Over {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// What comes next; of bytes that are followed by more only when there are `least` of them.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is no such form.
    pub fn next(&mut self, least: usize) -> Result<Next> {
        match self.stage {
            Stage::Over => Ok(Next::Over),
            Stage::Preamble => {
                match self.delimiter.find(&self.waiting) {
                    Some(at) => self.delimited(at),
                    None => self.waiting.advance(self.sure()),
                }
                if self.stage == Stage::Preamble { Ok(Next::More) } else { self.next(least) }
            }
            Stage::Delimited => match self.waiting.get(..2) {
                None => Ok(Next::More),
                Some(b"--") => {
                    self.stage = Stage::Over;
                    self.waiting.clear();
                    Ok(Next::Over)
                }
                Some(b"\r\n") => {
                    // Left where it is: the head may be empty, and ends with two ends of lines then too.
                    self.stage = Stage::Head;
                    self.next(least)
                }
                Some(_) => Err(bad("has something behind a boundary")),
            },
            Stage::Head => {
                let end = memmem::find(&self.waiting, b"\r\n\r\n");
                if end.unwrap_or(self.waiting.len()) > limits::WEB_PART_HEAD {
                    return Err(bad("has a part with too long a head"));
                }
                let Some(end) = end else { return Ok(Next::More) };
                let head = self.waiting.split_to(end);
                self.waiting.advance(b"\r\n\r\n".len());
                self.stage = Stage::Body;
                if let Some(why) = meant_otherwise(&head) {
                    return Err(bad(why));
                }
                match filename(&head) {
                    // Left out, it would be taken for one that came.
                    None if is_of_a_file(&head) => Err(bad("has a file whose name is not written as browsers do")),
                    name => Ok(Next::Part(name)),
                }
            }
            Stage::Body => match self.delimiter.find(&self.waiting) {
                Some(0) => {
                    self.delimited(0);
                    Ok(Next::End)
                }
                Some(at) => Ok(Next::Bytes(self.waiting.split_to(at).freeze())),
                None => match self.sure() {
                    sure if sure >= least.max(1) => Ok(Next::Bytes(self.waiting.split_to(sure).freeze())),
                    _ => Ok(Next::More),
                },
            },
        }
    }

    fn delimited(&mut self, at: usize) {
        self.waiting.advance(at + self.delimiter.needle().len());
        self.stage = Stage::Delimited;
    }

    /// Bytes of which none can be the beginning of a delimiter.
    fn sure(&self) -> usize {
        self.waiting.len().saturating_sub(self.delimiter.needle().len() - 1)
    }
}

/// That of a `Content-Type`: 1 to 70 plain characters (RFC 2046, section 5.1.1).
fn boundary(kind: &str) -> Option<&str> {
    let mut parts = kind.split(';').map(str::trim);
    if !is_form_data(parts.next()?) {
        return None;
    }
    let value = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    ((1..=70).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some(value)
}

/// Why the bytes of a part with this head are not what is meant, or not told for certain what they are called: nobody takes a coding off
/// here, and RFC 7578 has none any more (section 4.7).
fn meant_otherwise(head: &[u8]) -> Option<&'static str> {
    let mut is_named = false;
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?.trim_ascii());
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        if is(b"content-transfer-encoding")
            && ![&b"7bit"[..], b"8bit", b"binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain))
        {
            return Some("has a part with a Content-Transfer-Encoding: send it as it is");
        }
        if is(b"content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
            return Some("has a part with a Content-Encoding: send it as it is");
        }
        if is(b"content-disposition") && std::mem::replace(&mut is_named, true) {
            return Some("has a part with several Content-Dispositions");
        }
    }
    None
}

/// The `filename` of a part's `Content-Disposition`. Some give a whole path: only its last name is meant.
fn filename(head: &[u8]) -> Option<Vec<u8>> {
    const FIELD: &[u8] = b"content-disposition:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.get(..FIELD.len()).is_some_and(|name| name.eq_ignore_ascii_case(FIELD)))?;
    let at = memmem::find(line, b"; filename=\"")?;
    let name = unquoted(line.get(at + b"; filename=\"".len()..)?)?;
    name.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().map(<[u8]>::to_vec)
}

/// Whether the part says that it is a file, however it writes that.
fn is_of_a_file(head: &[u8]) -> bool {
    let mut is_quoted = false;
    let bare = head.iter().filter(|byte| {
        is_quoted ^= **byte == b'"';
        !is_quoted
    });
    let bare: Vec<u8> = bare.map(u8::to_ascii_lowercase).collect();
    memmem::find(&bare, b"filename").is_some()
}

/// What stands before the closing quote. What no name can hold raw browsers write as `%22`, `%0D` and `%0A`, and nothing else;
/// older versions of curl write a backslash before a quote.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return None,
            [b'"', ..] => return Some(name),
            [b'\\', b'"', rest @ ..] => {
                name.push(b'"');
                rest
            }
            [b'%', b'2', b'2', rest @ ..] => {
                name.push(b'"');
                rest
            }
            [b'%', b'0', b'D' | b'd', rest @ ..] => {
                name.push(b'\r');
                rest
            }
            [b'%', b'0', b'A' | b'a', rest @ ..] => {
                name.push(b'\n');
                rest
            }
            [byte, rest @ ..] => {
                name.push(*byte);
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        [(CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect()
    }

    /// What files are called, and their bytes.
    type Parts = Vec<(Option<String>, Vec<u8>)>;

    /// The parts of a form that comes in pieces of this size.
    fn parts(text: &[u8], piece: usize, least: usize) -> Result<Parts, Kind> {
        let mut form = Form::of(&headers("multipart/form-data; boundary=B")).unwrap();
        let (mut pieces, mut parts) = (text.chunks(piece), Vec::new());
        loop {
            match form.next(least).map_err(|error| error.kind())? {
                Next::Part(name) => parts.push((name.map(|name| String::from_utf8(name).unwrap()), Vec::new())),
                Next::Bytes(bytes) => parts.last_mut().unwrap().1.extend_from_slice(&bytes),
                Next::End => {}
                Next::Over => return Ok(parts),
                Next::More => form.push(pieces.next().ok_or(Kind::Aborted)?),
            }
        }
    }

    #[test]
    fn parts_are_the_same_however_their_bytes_come() {
        let text = b"ignored\r\n--B\r\nContent-Disposition: form-data; name=\"a\"; filename=\"one.txt\"\r\n\r\none\r\n--\r\n-B\r\n\
            --B\r\ncontent-disposition: form-data; name=\"note\"\r\nX: y\r\n\r\nhello\r\n--B\r\n\
            Content-Disposition: form-data; name=\"a\"; filename=\"empty\"\r\n\r\n\r\n--B\r\n\r\nbare\r\n--B--\r\nignored";
        let expected = vec![
            (Some("one.txt".to_owned()), b"one\r\n--\r\n-B".to_vec()),
            (None, b"hello".to_vec()),
            (Some("empty".to_owned()), Vec::new()),
            (None, b"bare".to_vec()),
        ];
        for piece in 1..text.len() {
            for least in [0, 1, 7, 1000] {
                assert_eq!(parts(text, piece, least).unwrap(), expected, "{piece} {least}");
            }
        }
        let end = text.len() - b"--\r\nignored".len();
        for cut in 0..end {
            assert_eq!(parts(&text[..cut], 5, 1), Err(Kind::Aborted), "{cut}");
        }
    }

    #[test]
    fn a_head_is_bounded_and_nothing_stands_behind_a_boundary() {
        let long = format!("--B\r\nX: {}\r\n\r\nx\r\n--B--", "x".repeat(limits::WEB_PART_HEAD));
        assert_eq!(parts(long.as_bytes(), 1000, 1), Err(Kind::BadCommand));
        assert_eq!(parts(b"--Bx\r\n\r\nx\r\n--B--", 100, 1), Err(Kind::BadCommand));
    }

    #[test]
    fn what_is_coded_or_named_twice_is_refused_and_what_is_as_it_is_comes() {
        let with = |more: &str| {
            let text = format!(
                "--B\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n{more}\r\n\r\neA==\r\n--B--"
            );
            parts(text.as_bytes(), 7, 1)
        };
        let as_it_is = Ok(vec![(Some("a".to_owned()), b"eA==".to_vec())]);
        for plain in [
            "X: base64",
            "Content-Transfer-Encoding: binary",
            "content-transfer-encoding:8BIT ",
            "Content-Encoding: identity",
        ] {
            assert_eq!(with(plain), as_it_is, "{plain}");
        }
        for coded in [
            "Content-Transfer-Encoding: base64",
            "CONTENT-TRANSFER-ENCODING:quoted-printable",
            "Content-Transfer-Encoding: x-uuencode",
            "Content-Transfer-Encoding: ",
            "Content-Transfer-Encoding:\r\n base64",
            "Content-Transfer-Encoding : base64",
            "Content-Transfer-Encoding: binary\r\nContent-Transfer-Encoding: base64",
            "Content-Encoding: gzip",
            "Content-Disposition: form-data; name=\"a\"; filename=\"b\"",
        ] {
            assert_eq!(with(coded), Err(Kind::BadCommand), "{coded}");
        }
    }

    #[test]
    fn a_boundary_is_short_and_plain() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=x; Boundary=\"a'b\""), Some("a'b"));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        let bare = ["multipart/form-data", "text/plain; boundary=a", "multipart/form-data; boundary="];
        for wrong in [&bare[..], &["multipart/form-data; boundary=a b", &long]].concat() {
            assert_eq!(boundary(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_name_of_a_file_is_its_last_one() {
        let name = |value: &str| {
            let head =
                format!("\r\nContent-Type: x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{value}\"");
            filename(head.as_bytes()).map(|name| String::from_utf8(name).unwrap())
        };
        for (sent, meant) in [
            ("a b.txt", "a b.txt"),
            ("C:\\x\\ü.txt", "ü.txt"),
            ("../../etc/passwd", "passwd"),
            ("say %22hi%22", "say \"hi\""),
            ("say \\\"hi\\\"", "say \"hi\""),
            ("100%25", "100%25"),
            ("a%0d%0Ab", "a\r\nb"),
            ("", ""),
        ] {
            assert_eq!(name(sent).as_deref(), Some(meant));
        }
        let plain = b"\r\nContent-Disposition: form-data; name=\"filename=\"";
        assert!(filename(plain).is_none() && !is_of_a_file(plain));
        for odd in
            ["; filename=a.txt", "; FileName=\"a\"", ";filename=\"a\"", ";  filename=\"a\"", "; filename*=UTF-8''a"]
        {
            let head = format!("\r\nContent-Disposition: form-data; name=\"f\"{odd}");
            assert!(filename(head.as_bytes()).is_none() && is_of_a_file(head.as_bytes()), "{odd}");
        }
        assert_eq!(filename(b"\r\nContent-Disposition: form-data; name=\"f\"; filename=\"not closed"), None);
    }
}

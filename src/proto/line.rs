//! Lines: bytes in any portions to one line at a time. What was buffered of a line is wiped behind it: it may be a password's.

use memchr::memchr;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{Error, Kind, Result};

/// Puts lines together from portions of any size. A line ends with CRLF or LF; the ending is cut off.
///
/// It buffers only the unfinished beginning of a line, never more than the limit it was made with.
#[derive(Debug)]
pub struct LineDecoder {
    partial: Zeroizing<Vec<u8>>,
    /// The line handed out last lies in `partial`, which the next call clears.
    spent: bool,
    limit: usize,
}

impl LineDecoder {
    /// A decoder for lines of at most `limit` bytes, ending included.
    pub fn new(limit: usize) -> Self {
        LineDecoder { partial: Zeroizing::default(), spent: false, limit }
    }

    /// Takes the next whole line off `input`. `None` means that `input` is used up and the line is unfinished.
    ///
    /// # Errors
    /// [`Kind::TooLong`] once the line cannot fit any more; the stream has no known position after that.
    pub fn next<'s, 'a: 's>(&'s mut self, input: &mut &'a [u8]) -> Result<Option<&'s [u8]>> {
        if self.spent {
            self.partial.zeroize();
            self.spent = false;
        }
        let end = memchr(b'\n', input.get(..self.limit).unwrap_or(input));
        let taken = end.map_or(input.len(), |at| at + 1);
        if self.partial.len() + taken > self.limit {
            let text = format!("a line is longer than {} bytes", self.limit);
            return Err(Error::new(Kind::TooLong, text));
        }
        let (head, rest) = input.split_at(taken);
        *input = rest;
        if end.is_none() {
            self.keep(head);
            return Ok(None);
        }
        if self.partial.is_empty() {
            return Ok(Some(without_ending(head)));
        }
        self.keep(head);
        self.spent = true;
        Ok(Some(without_ending(&self.partial)))
    }

    /// A vector that grows by itself would leave copies behind.
    fn keep(&mut self, head: &[u8]) {
        let needed = self.partial.len() + head.len();
        if needed > self.partial.capacity() {
            let mut larger = Vec::with_capacity(needed.next_power_of_two().min(self.limit.max(needed)));
            larger.extend_from_slice(&self.partial);
            self.partial = Zeroizing::new(larger);
        }
        self.partial.extend_from_slice(head);
    }

    /// Whether a line has begun and not ended.
    pub fn is_mid_line(&self) -> bool {
        !self.spent && !self.partial.is_empty()
    }

    /// Gives the buffer's memory back while nothing is being decoded.
    pub fn shrink(&mut self) {
        if !self.is_mid_line() {
            self.partial = Zeroizing::default();
            self.spent = false;
        }
    }
}

fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crlf_and_bare_lf_both_end_a_line() {
        let mut decoder = LineDecoder::new(100);
        let mut input = &b"one\r\ntwo\n\r\nrest"[..];
        for expected in ["one", "two", ""] {
            assert_eq!(decoder.next(&mut input).unwrap(), Some(expected.as_bytes()));
        }
        assert_eq!(decoder.next(&mut input).unwrap(), None);
        assert!(decoder.is_mid_line());
    }

    #[test]
    fn a_line_over_the_limit_is_refused_without_being_buffered() {
        let mut decoder = LineDecoder::new(8);
        assert_eq!(decoder.next(&mut &b"123456\r\n"[..]).unwrap(), Some(&b"123456"[..]));
        assert_eq!(decoder.next(&mut &b"1234567\r\n"[..]).unwrap_err().kind(), Kind::TooLong);
        let mut decoder = LineDecoder::new(8);
        let endless = vec![b'a'; 1 << 20];
        assert_eq!(decoder.next(&mut &endless[..]).unwrap_err().kind(), Kind::TooLong);
        assert!(decoder.partial.capacity() < 64);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            lines in proptest::collection::vec("[a-z ]{0,20}", 1..20),
            sizes in proptest::collection::vec(1usize..30, 1..50),
        ) {
            let stream = lines.iter().map(|l| format!("{l}\r\n")).collect::<String>().into_bytes();
            let mut decoder = LineDecoder::new(64);
            let mut got = Vec::new();
            let mut sizes = sizes.into_iter().cycle();
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (mut now, later) = rest.split_at(sizes.next().unwrap().min(rest.len()));
                rest = later;
                while let Some(line) = decoder.next(&mut now).unwrap() {
                    got.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            prop_assert_eq!(got, lines);
        }
    }
}

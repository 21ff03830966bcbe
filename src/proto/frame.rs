//! Data frames: a length, that many bytes; length 0 ends the data, [`ABORT`] gives it up, [`PAUSE`] lets the receiver wait.

use crate::error::{Error, Kind, Result};
use crate::limits;

/// Bytes of a frame's header.
pub const HEADER: usize = 4;
/// The header that ends the data.
pub const END: [u8; HEADER] = 0u32.to_be_bytes();
/// The header that gives the data up: what came before it is worth nothing.
pub const ABORT: [u8; HEADER] = u32::MAX.to_be_bytes();
/// The header that says that there is nothing to send for now, and that more will come. Of uploads in one piece.
pub const PAUSE: [u8; HEADER] = 0x8000_0000u32.to_be_bytes();
/// Bytes of the BLAKE3 that follows an upload's end frame.
pub const TRAILER: usize = 32;

/// The header of a frame of `len` bytes, 1 to [`limits::FRAME_MAX`].
pub fn header(len: usize) -> [u8; HEADER] {
    debug_assert!((1..=limits::FRAME_MAX).contains(&len));
    // A length past u32 cannot occur under FRAME_MAX; saturating would read as an abort, which is safe.
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

/// What a decoder found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Some bytes of the file, not necessarily a whole frame.
    Data(&'a [u8]),
    /// The end, with the trailer if one was expected.
    End(Option<[u8; TRAILER]>),
    /// The sender has nothing to send for now.
    Pause,
    /// The sender gave up.
    Abort,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Header { bytes: [u8; HEADER], have: usize },
    Body { left: usize },
    Trailer { bytes: [u8; TRAILER], have: usize },
}

const START: State = State::Header { bytes: [0; HEADER], have: 0 };

/// Takes frames apart, from portions of any size, without buffering any data.
#[derive(Debug)]
pub struct FrameDecoder {
    state: State,
    with_trailer: bool,
}

impl FrameDecoder {
    /// For data whose end frame is followed by a reply line: downloads and listings.
    pub fn without_trailer() -> Self {
        FrameDecoder { state: START, with_trailer: false }
    }

    /// For uploads: the end frame is followed by the BLAKE3 of the whole file.
    pub fn with_trailer() -> Self {
        FrameDecoder { state: START, with_trailer: true }
    }

    /// Takes the next piece off `input`; `None` means that `input` is used up. After [`Piece::End`] and
    /// [`Piece::Abort`] the decoder is at its start again.
    ///
    /// # Errors
    /// [`Kind::TooLong`] for a frame over [`limits::FRAME_MAX`], as soon as its header is there.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>> {
        loop {
            match &mut self.state {
                State::Header { bytes, have } => {
                    if !fill(bytes, have, input) {
                        return Ok(None);
                    }
                    let bytes = *bytes;
                    self.state = START;
                    match bytes {
                        ABORT => return Ok(Some(Piece::Abort)),
                        PAUSE if self.with_trailer => return Ok(Some(Piece::Pause)),
                        END if self.with_trailer => self.state = State::Trailer { bytes: [0; TRAILER], have: 0 },
                        END => return Ok(Some(Piece::End(None))),
                        _ => {
                            let left = u32::from_be_bytes(bytes) as usize;
                            if left > limits::FRAME_MAX {
                                let text = format!("a frame of {left} bytes is over {}", limits::FRAME_MAX);
                                return Err(Error::new(Kind::TooLong, text));
                            }
                            self.state = State::Body { left };
                        }
                    }
                }
                State::Body { left } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let (data, rest) = input.split_at((*left).min(input.len()));
                    *input = rest;
                    *left -= data.len();
                    if *left == 0 {
                        self.state = START;
                    }
                    return Ok(Some(Piece::Data(data)));
                }
                State::Trailer { bytes, have } => {
                    if !fill(bytes, have, input) {
                        return Ok(None);
                    }
                    let trailer = *bytes;
                    self.state = START;
                    return Ok(Some(Piece::End(Some(trailer))));
                }
            }
        }
    }
}

/// Moves bytes from `input` into `bytes` until it is full; says whether it is.
fn fill<const N: usize>(bytes: &mut [u8; N], have: &mut usize, input: &mut &[u8]) -> bool {
    let (head, rest) = input.split_at((N - *have).min(input.len()));
    if let Some(free) = bytes.get_mut(*have..*have + head.len()) {
        free.copy_from_slice(head);
    }
    *have += head.len();
    *input = rest;
    *have == N
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_all(
        stream: &[u8],
        sizes: &[usize],
        decoder: &mut FrameDecoder,
    ) -> (Vec<u8>, Option<Piece<'static>>, usize) {
        let mut data = Vec::new();
        let mut sizes = sizes.iter().cycle();
        let mut at = 0;
        while at < stream.len() {
            let to = (at + sizes.next().unwrap()).min(stream.len());
            let mut now = &stream[at..to];
            while let Some(piece) = decoder.next(&mut now).unwrap() {
                match piece {
                    Piece::Data(bytes) => data.extend_from_slice(bytes),
                    Piece::Pause => {}
                    Piece::End(trailer) => return (data, Some(Piece::End(trailer)), to - now.len()),
                    Piece::Abort => return (data, Some(Piece::Abort), to - now.len()),
                }
            }
            at = to;
        }
        (data, None, at)
    }

    #[test]
    fn a_huge_length_is_refused_at_its_header() {
        for len in [limits::FRAME_MAX as u32 + 1, u32::MAX - 1] {
            let header = len.to_be_bytes();
            let err = FrameDecoder::with_trailer().next(&mut &header[..]).unwrap_err();
            assert_eq!(err.kind(), Kind::TooLong);
        }
        let largest = (limits::FRAME_MAX as u32).to_be_bytes();
        assert_eq!(FrameDecoder::with_trailer().next(&mut &largest[..]).unwrap(), None);
    }

    #[test]
    fn an_abort_ends_the_data_and_the_decoder_starts_again() {
        let mut stream = Vec::new();
        stream.extend_from_slice(&header(2));
        stream.extend_from_slice(b"ab");
        stream.extend_from_slice(&ABORT);
        stream.extend_from_slice(&END);
        let mut input = &stream[..];
        let mut decoder = FrameDecoder::without_trailer();
        assert_eq!(decoder.next(&mut input).unwrap(), Some(Piece::Data(b"ab")));
        assert_eq!(decoder.next(&mut input).unwrap(), Some(Piece::Abort));
        assert_eq!(decoder.next(&mut input).unwrap(), Some(Piece::End(None)));
        assert_eq!(decoder.next(&mut input).unwrap(), None);
    }

    #[test]
    fn a_pause_stands_between_two_frames_of_an_upload_and_nowhere_else() {
        let stream = [&header(1)[..], b"a", &PAUSE, &PAUSE, &header(1), b"b"].concat();
        let (mut input, mut decoder) = (&stream[..], FrameDecoder::with_trailer());
        for piece in [Piece::Data(b"a"), Piece::Pause, Piece::Pause, Piece::Data(b"b")] {
            assert_eq!(decoder.next(&mut input).unwrap(), Some(piece));
        }
        assert_eq!(FrameDecoder::without_trailer().next(&mut &PAUSE[..]).unwrap_err().kind(), Kind::TooLong);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_data_and_stops_at_the_end(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..10),
            sizes in proptest::collection::vec(1usize..40, 1..20),
            trailer in any::<Option<[u8; TRAILER]>>(),
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                stream.extend_from_slice(&header(frame.len()));
                stream.extend_from_slice(frame);
            }
            stream.extend_from_slice(&END);
            stream.extend_from_slice(trailer.as_ref().map_or(&[], |t| &t[..]));
            let whole = stream.len();
            stream.extend_from_slice(b"LIST\r\n");
            let mut decoder = if trailer.is_some() { FrameDecoder::with_trailer() } else { FrameDecoder::without_trailer() };
            let (data, end, used) = decode_all(&stream, &sizes, &mut decoder);
            prop_assert_eq!(data, frames.concat());
            prop_assert_eq!(end, Some(Piece::End(trailer)));
            prop_assert_eq!(used, whole);
        }
    }
}

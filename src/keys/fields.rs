//! The strings of SSH's wire format (RFC 4251, section 5): a length of four bytes, big-endian, and so many bytes.

/// Appends one string.
pub(crate) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // What is put here is shorter than a line of the protocol.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Takes bytes one field after another.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Those in these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields(bytes)
    }

    /// So many bytes as they are.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of four bytes.
    pub(crate) fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A string.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.bytes(length)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// That nothing is left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A signature as keys make it: its kind and its bytes.
pub(crate) fn signature_of(kind: &str, made: &[u8]) -> Vec<u8> {
    let mut signature = Vec::new();
    put(&mut signature, kind.as_bytes());
    put(&mut signature, made);
    signature
}

/// The two numbers of a signature on P-256, which come side by side, as strings of their own (RFC 5656, section 3.1.2).
pub(crate) fn two_numbers(both: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for number in both.chunks(both.len().div_ceil(2).max(1)) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = number.get(zeros..).unwrap_or_default();
        // A number that begins with a set bit would be a negative one.
        let sign: &[u8] = if digits.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
        put(&mut out, &[sign, digits].concat());
    }
    out
}

/// Bytes of a number below the order of P-256.
const SCALAR: usize = 32;

/// A positive number on P-256 at its full width. SSH writes numbers without the zeros that they begin with (RFC 4251, section 5).
pub(crate) fn scalar(number: &[u8]) -> Option<[u8; SCALAR]> {
    // A first bit that is set would make it negative: such numbers have a zero before them.
    let digits = match number {
        [0, digits @ ..] => digits,
        [first, ..] if first & 0x80 == 0 => number,
        _ => return None,
    };
    let mut wide = [0; SCALAR];
    let at = SCALAR.checked_sub(digits.len())?;
    wide.get_mut(at..)?.copy_from_slice(digits);
    Some(wide)
}

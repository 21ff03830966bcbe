//! Lock tokens as WebDAV writes them: a UUID as a URI (RFC 4918, section 6.5; RFC 9562).

use crate::server::desk::locks::LockToken;

const SCHEME: &str = "urn:uuid:";

/// The token of this URI; none if it is none of ours.
pub fn parse(uri: &str) -> Option<LockToken> {
    let digits = uri.strip_prefix(SCHEME)?;
    let is_in_place = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    if digits.len() != 36 || !digits.bytes().enumerate().all(is_in_place) {
        return None;
    }
    u128::from_str_radix(&digits.replace('-', ""), 16).ok().map(LockToken::from_bits)
}

/// Its URI.
pub fn uri(token: LockToken) -> String {
    let digits = format!("{:032x}", token.bits());
    let mut uri = String::from(SCHEME);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            uri.push('-');
        }
        uri.push(digit);
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_uuid_and_no_other_uri_is_one() {
        let token = LockToken::from_bits(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
        assert_eq!(uri(token), "urn:uuid:01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(parse(&uri(token)), Some(token));
        for bad in [
            "",
            "urn:uuid:",
            "01234567-89ab-4def-8123-456789abcdef",
            "urn:uuid:0123456789ab4def8123456789abcdef",
            "urn:uuid:01234567-89ab-4def-8123-456789abcdeg",
            "urn:uuid:01234567-89ab-4def-8123-456789abcdef0",
            "urn:uuid:+1234567-89ab-4def-8123-456789abcdef",
            "opaquelocktoken:01234567-89ab-4def-8123-456789abcdef",
            "DAV:no-lock",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

//! Codings of a request's body. Files are stored as they come: of a body in a coding that is not taken off here the file would have other
//! bytes than its sender's.

use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderName, TRANSFER_ENCODING};
use hyper::{StatusCode, header::HeaderValue};

/// Why a body is not taken, by its headers; none if it is. RFC 9110, section 8.4, and RFC 9112, section 6.1: a server answers 415 to a
/// content coding that it does not take, and 501 to such a transfer coding.
pub fn refused(headers: &HeaderMap) -> Option<(StatusCode, String)> {
    let shown = |coding: &[u8]| coding.escape_ascii().to_string();
    if let Some(coding) = all(headers, &CONTENT_ENCODING).find(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        let why = format!("files are stored as they come, and Content-Encoding {} is not taken", shown(coding));
        return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let mut transfer = all(headers, &TRANSFER_ENCODING);
    match (transfer.next(), transfer.next()) {
        (None, _) => None,
        (Some(only), None) if only.eq_ignore_ascii_case(b"chunked") => None,
        (Some(first), _) => {
            let why = format!("no Transfer-Encoding but chunked is taken, alone: {} is not", shown(first));
            Some((StatusCode::NOT_IMPLEMENTED, why))
        }
    }
}

/// The codings of all lines of a header, in their order.
fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let codings = |line: &'a HeaderValue| line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    headers.get_all(name).iter().flat_map(codings).filter(|coding| !coding.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lines: &[(HeaderName, &'static str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        refused(&headers).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_body_is_taken_as_it_is_and_in_chunks_and_in_no_other_coding() {
        let (content, transfer) = (CONTENT_ENCODING, TRANSFER_ENCODING);
        assert_eq!(status(&[]), None);
        for taken in ["identity", "Identity", "", "identity, identity"] {
            assert_eq!(status(&[(content.clone(), taken)]), None, "{taken}");
        }
        assert_eq!(status(&[(transfer.clone(), "Chunked")]), None);
        assert_eq!(status(&[(content.clone(), "gzip")]), Some(415));
        assert_eq!(status(&[(content.clone(), "identity"), (content, "gzip")]), Some(415));
        for refused in ["gzip, chunked", "x,chunked", "chunked, chunked", "gzip"] {
            assert_eq!(status(&[(transfer.clone(), refused)]), Some(501), "{refused}");
        }
        assert_eq!(status(&[(transfer.clone(), "deflate"), (transfer, "chunked")]), Some(501));
    }
}

//! What answers of WebDAV look like.

use hyper::StatusCode;
use hyper::header::{CONTENT_LOCATION, CONTENT_TYPE, HeaderValue};

use crate::server::http::answer::{Answer, Body, answer, set, text};

const XML: &str = "application/xml; charset=utf-8";

/// How a list of answers begins.
pub const BEGIN: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n";

/// How it ends.
pub const END: &str = "</D:multistatus>\n";

/// What a request may have asked for in vain, in the words of RFC 4918, section 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// All of a tree is more than one answer tells of.
    FiniteDepth,
    /// What is to be given up is no lock of what the URL names.
    NoSuchLock,
}

/// A document of ours.
pub fn xml(status: StatusCode, inner: String) -> Answer {
    text(status, XML, format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{inner}"))
}

/// A list of answers.
pub fn multistatus(body: Body) -> Answer {
    let mut answer = answer(StatusCode::MULTI_STATUS);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(XML));
    *answer.body_mut() = body;
    answer
}

/// Says where what is told of really is: a folder's URL ends with a slash.
pub fn located(answer: &mut Answer, href: &str) {
    set(answer, CONTENT_LOCATION, href);
}

/// Why not, in a program's words.
pub fn refused(condition: Condition) -> Answer {
    let (status, name) = match condition {
        Condition::FiniteDepth => (StatusCode::FORBIDDEN, "propfind-finite-depth"),
        Condition::NoSuchLock => (StatusCode::CONFLICT, "lock-token-matches-request-uri"),
    };
    xml(status, format!("<D:error xmlns:D=\"DAV:\"><D:{name}/></D:error>\n"))
}

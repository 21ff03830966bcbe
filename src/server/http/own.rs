//! What is the server's own and nobody's file: the style, the icon, the way to log in.

use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::answer::{Answer, answer, redirect, set, text};
use super::conditions::{Decision, Validators};
use super::target::encode;
use super::visitors::{Claimed, Visitors};
use crate::error::{Error, Kind, Result};
use crate::files::Hash;

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");

/// Answers a request for this below the server's own folder.
///
/// # Errors
/// [`Kind::NotFound`] where nothing is; [`Kind::LoginRequired`] and those of a login.
pub async fn serve(visitors: &Visitors, path: &str, headers: &HeaderMap) -> Result<Answer> {
    match path {
        "style.css" => Ok(fixed(STYLE, "text/css; charset=utf-8", headers)),
        "icon.svg" => Ok(fixed(ICON, "image/svg+xml", headers)),
        "login" => log_in(visitors, headers).await,
        _ => Err(Error::new(Kind::NotFound, "no such page")),
    }
}

fn fixed(content: &'static str, kind: &'static str, headers: &HeaderMap) -> Answer {
    let validators = Validators { etag: format!("\"{}\"", Hash::of(content.as_bytes())), modified: None };
    let mut answer = match validators.decide(headers) {
        Decision::Go => text(StatusCode::OK, kind, content.to_owned()),
        Decision::NotModified => answer(StatusCode::NOT_MODIFIED),
        Decision::Failed => answer(StatusCode::PRECONDITION_FAILED),
    };
    set(&mut answer, ETAG, validators.etag);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// Asks a browser for a name and a password, and leads to that user's home.
async fn log_in(visitors: &Visitors, headers: &HeaderMap) -> Result<Answer> {
    match Claimed::of(headers)? {
        Claimed::Nobody => Err(Error::new(Kind::LoginRequired, "log in first")),
        claimed => {
            let guest = visitors.guest(claimed).await?;
            let home =
                if guest.is_anonymous() { String::new() } else { format!("~{}/", encode(guest.name().as_bytes())) };
            Ok(redirect(StatusCode::SEE_OTHER, &format!("/{home}")))
        }
    }
}

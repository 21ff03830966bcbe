//! What is the server's own and nobody's file: the style, the icon, the way to log in.

use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode};

use super::answer::{Answer, Ids, answer, set, text};
use super::coming::Coming;
use super::conditions::{Decision, Validators};
use super::login;
use super::my_links;
use super::visitors::Visitors;
use crate::error::{Error, Kind, Result};
use crate::files::Hash;

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");
const PAGE_SCRIPT: &str = include_str!("script/page.js");
const DROP_SCRIPT: &str = include_str!("script/drop.js");
const PANEL_SCRIPT: &str = include_str!("script/panel.js");
const UPLOAD_SCRIPT: &str = include_str!("script/upload.js");

/// Answers a request for this below the server's own folder.
///
/// # Errors
/// [`Kind::NotFound`] where nothing is; [`Kind::LoginRequired`] and those of a login.
pub async fn serve(
    visitors: &Visitors,
    path: &str,
    request: &Request<()>,
    (for_browser, ids): (bool, Ids),
) -> Result<Answer> {
    let headers = request.headers();
    match path {
        "style.css" => Ok(fixed(STYLE, "text/css; charset=utf-8", headers)),
        "page.js" => Ok(fixed(PAGE_SCRIPT, "text/javascript; charset=utf-8", headers)),
        "upload.js" => Ok(fixed(UPLOAD_SCRIPT, "text/javascript; charset=utf-8", headers)),
        "drop.js" => Ok(fixed(DROP_SCRIPT, "text/javascript; charset=utf-8", headers)),
        "panel.js" => Ok(fixed(PANEL_SCRIPT, "text/javascript; charset=utf-8", headers)),
        "icon.svg" => Ok(fixed(ICON, "image/svg+xml", headers)),
        my_links::PATH => my_links::list(visitors, request, for_browser, ids).await,
        "login" => login::form(visitors, request, for_browser, ids).await,
        _ => Err(no_such_page()),
    }
}

/// Answers what a page's form sends.
///
/// # Errors
/// [`Kind::NotFound`] where nothing is, and those of the page.
pub async fn post(
    visitors: &Visitors,
    path: &str,
    request: &Request<()>,
    body: &mut Coming,
    (for_browser, ids): (bool, Ids),
) -> Result<Answer> {
    match path {
        my_links::PATH => my_links::make(visitors, request, body, (for_browser, ids)).await,
        my_links::REMOVE => my_links::remove(visitors, request, body, (for_browser, ids)).await,
        "login" => login::log_in(visitors, request, body, ids).await,
        "logout" => login::log_out(visitors, request),
        _ => Err(no_such_page()),
    }
}

fn no_such_page() -> Error {
    Error::new(Kind::NotFound, "no such page")
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

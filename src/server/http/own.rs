//! What is the server's own and nobody's file: the style, the icon, the way to log in.

use std::sync::{Arc, OnceLock};

use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode};

use super::account;
use super::answer::{Answer, Ids, answer, set, text};
use super::conditions::{Decision, Validators};
use super::join;
use super::login;
use super::my_links;
use super::own_request::OwnRequest;
use super::request_body::RequestBody;
use super::trash;
use super::visitors::Visitors;
use crate::error::{Error, Kind, Result};
use crate::files::Hash;

static STYLE: Fixed = Fixed::new(include_str!("style.css"), "text/css; charset=utf-8");
static ICON: Fixed = Fixed::new(include_str!("icon.svg"), "image/svg+xml");
static PAGE_SCRIPT: Fixed = Fixed::new(include_str!("script/page.js"), "text/javascript; charset=utf-8");
static DRAG_SCRIPT: Fixed = Fixed::new(include_str!("script/drag.js"), "text/javascript; charset=utf-8");
static DROP_SCRIPT: Fixed = Fixed::new(include_str!("script/drop.js"), "text/javascript; charset=utf-8");
static ITEM_SCRIPT: Fixed = Fixed::new(include_str!("script/item.js"), "text/javascript; charset=utf-8");
static PANEL_SCRIPT: Fixed = Fixed::new(include_str!("script/panel.js"), "text/javascript; charset=utf-8");
static BULK_SCRIPT: Fixed = Fixed::new(include_str!("script/bulk.js"), "text/javascript; charset=utf-8");
static CHOSEN_SCRIPT: Fixed = Fixed::new(include_str!("script/chosen.js"), "text/javascript; charset=utf-8");
static DIALOGS_SCRIPT: Fixed = Fixed::new(include_str!("script/dialogs.js"), "text/javascript; charset=utf-8");
static FOLDERS_SCRIPT: Fixed = Fixed::new(include_str!("script/folders.js"), "text/javascript; charset=utf-8");
static SHARE_SCRIPT: Fixed = Fixed::new(include_str!("script/share.js"), "text/javascript; charset=utf-8");
static JOIN_SCRIPT: Fixed = Fixed::new(include_str!("script/join.js"), "text/javascript; charset=utf-8");
static TIMES_SCRIPT: Fixed = Fixed::new(include_str!("script/times.js"), "text/javascript; charset=utf-8");
static BLAKE3_SCRIPT: Fixed = Fixed::new(include_str!("script/blake3.js"), "text/javascript; charset=utf-8");
static UPLOAD_SCRIPT: Fixed = Fixed::new(include_str!("script/upload.js"), "text/javascript; charset=utf-8");

/// What is the same as long as the server runs.
struct Fixed {
    content: &'static str,
    kind: &'static str,
    /// Its `ETag`, once somebody has asked for it.
    etag: OnceLock<String>,
}

/// Answers a request for this below the server's own folder.
///
/// # Errors
/// [`Kind::NotFound`] where nothing is; [`Kind::LoginRequired`] and those of a login.
pub async fn serve(
    visitors: &Arc<Visitors>,
    path: &str,
    request: &Request<()>,
    (for_browser, ids): (bool, Ids),
) -> Result<Answer> {
    let headers = request.headers();
    match path {
        "style.css" => Ok(STYLE.answer(headers)),
        "page.js" => Ok(PAGE_SCRIPT.answer(headers)),
        "bulk.js" => Ok(BULK_SCRIPT.answer(headers)),
        "chosen.js" => Ok(CHOSEN_SCRIPT.answer(headers)),
        "dialogs.js" => Ok(DIALOGS_SCRIPT.answer(headers)),
        "folders.js" => Ok(FOLDERS_SCRIPT.answer(headers)),
        "share.js" => Ok(SHARE_SCRIPT.answer(headers)),
        "join.js" => Ok(JOIN_SCRIPT.answer(headers)),
        "times.js" => Ok(TIMES_SCRIPT.answer(headers)),
        "blake3.js" => Ok(BLAKE3_SCRIPT.answer(headers)),
        "item.js" => Ok(ITEM_SCRIPT.answer(headers)),
        "upload.js" => Ok(UPLOAD_SCRIPT.answer(headers)),
        "drag.js" => Ok(DRAG_SCRIPT.answer(headers)),
        "drop.js" => Ok(DROP_SCRIPT.answer(headers)),
        "panel.js" => Ok(PANEL_SCRIPT.answer(headers)),
        "icon.svg" => Ok(ICON.answer(headers)),
        my_links::PATH | trash::PATH | account::PATH => {
            let own = OwnRequest::of(visitors, request, (for_browser, ids)).await?;
            match path {
                my_links::PATH => my_links::list(&own).await,
                trash::PATH => trash::list(&own).await,
                _ => account::show(&own).await,
            }
        }
        "login" => login::form(visitors, request, for_browser, ids).await,
        path => match join::invited(path) {
            Some(user) => Ok(join::form(visitors, user, for_browser, ids)),
            None => Err(no_such_page()),
        },
    }
}

/// Answers what a page's form sends.
///
/// # Errors
/// [`Kind::NotFound`] where nothing is, and those of the page.
pub async fn post(
    visitors: &Arc<Visitors>,
    path: &str,
    request: &Request<()>,
    body: &mut RequestBody,
    (for_browser, ids): (bool, Ids),
) -> Result<Answer> {
    let told = (for_browser, ids);
    match path {
        join::PATH => return join::join(visitors, request, body, ids).await,
        "login" => return login::log_in(visitors, request, body, ids).await,
        "logout" => return login::log_out(visitors, request).await,
        // Whatever a server lets be written, one can log out.
        account::LOG_OUT => return Ok(account::log_out(&OwnRequest::changing(visitors, request, told).await?).await),
        _ => {}
    }
    let form = OwnForm::at(path).ok_or_else(no_such_page)?;
    let (own, fields) = match OwnRequest::with_form(visitors, request, body, told).await? {
        Ok(sent) => sent,
        Err(read_only) => return Ok(read_only),
    };
    match form {
        OwnForm::MakeLink => my_links::make(&own, &fields).await,
        OwnForm::RemoveLink => my_links::remove(&own, &fields).await,
        OwnForm::Restore => trash::restore(&own, &fields).await,
        OwnForm::EmptyTrash => trash::empty(&own, &fields).await,
        OwnForm::ChangePassword => account::change_password(&own, &fields).await,
        OwnForm::RemoveKey => account::remove_key(&own, &fields).await,
    }
}

/// The forms of pages that are somebody's own.
enum OwnForm {
    MakeLink,
    RemoveLink,
    Restore,
    EmptyTrash,
    ChangePassword,
    RemoveKey,
}

impl OwnForm {
    /// The one that is sent here.
    fn at(path: &str) -> Option<OwnForm> {
        match path {
            my_links::PATH => Some(OwnForm::MakeLink),
            my_links::REMOVE => Some(OwnForm::RemoveLink),
            trash::RESTORE => Some(OwnForm::Restore),
            trash::EMPTY => Some(OwnForm::EmptyTrash),
            account::PASSWORD => Some(OwnForm::ChangePassword),
            account::REMOVE_KEY => Some(OwnForm::RemoveKey),
            _ => None,
        }
    }
}

fn no_such_page() -> Error {
    Error::new(Kind::NotFound, "no such page")
}

impl Fixed {
    const fn new(content: &'static str, kind: &'static str) -> Fixed {
        Fixed { content, kind, etag: OnceLock::new() }
    }

    fn answer(&self, headers: &HeaderMap) -> Answer {
        let etag = self.etag.get_or_init(|| format!("\"{}\"", Hash::of(self.content.as_bytes())));
        let validators = Validators { etag: etag.clone(), modified: None };
        let mut answer = match validators.decide(headers) {
            Decision::Go => text(StatusCode::OK, self.kind, self.content),
            Decision::NotModified => answer(StatusCode::NOT_MODIFIED),
            Decision::Failed => answer(StatusCode::PRECONDITION_FAILED),
        };
        set(&mut answer, ETAG, validators.etag);
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer
    }
}

//! Logging in by a form, and out again. The form works without script and reaches the same door as every other password.

use std::time::Instant;

use hyper::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};

use super::answer::{Answer, BASIC, Ids, redirect, set, status, text};
use super::form::Fields;
use super::page;
use super::request_body::RequestBody;
use super::same_site;
use super::target::{Place, Target, Whose, encode};
use super::viewer;
use super::visitors::{Claimed, Visitors};
use super::web_session::WebSession;
use crate::auth::Principal;
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;
use crate::limits;
use crate::secret::Secret;
use crate::server::desk::Desk;
use crate::server::desk::session_request::SessionRequest;

/// A name that browsers take from this very host alone, over TLS alone, and for all of its paths.
const NAME: &str = "__Host-sealift";

/// What a browser wants to use an answer as.
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Told by browsers, and by nothing else.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How a browser wants it: to go there, or within a page.
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The cookie of a login, if the request has one. Of several none counts: one of them is not ours.
pub fn cookie(headers: &HeaderMap) -> Option<Secret> {
    cookie_of(headers, NAME)
}

/// The cookie of this name, if the request has one and no second.
pub fn cookie_of(headers: &HeaderMap, wanted: &str) -> Option<Secret> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours = values.flat_map(|value| value.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then_some(value)
    });
    match (ours.next(), ours.next()) {
        (Some(value), None) => Some(Secret::new(value)),
        _ => None,
    }
}

/// Whether a browser asks, which has a page to log in by: it is not to ask for a password in a window of its own.
pub fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(SITE)
}

/// Whether a browser is going to run what it asks for, or to lay a page out by it.
pub fn is_script(headers: &HeaderMap) -> bool {
    let dest = headers.get(DEST).map(HeaderValue::as_bytes).unwrap_or_default();
    !matches!(dest, b"" | b"document" | b"empty" | b"image" | b"audio" | b"video" | b"track" | b"embed" | b"object")
}

/// Whether a person has followed a link of another site. Browsers do not send the cookie of a login then, so nobody is logged in
/// whoever is.
pub fn is_from_elsewhere(request: &Request<()>) -> bool {
    let is = |name, value: &[u8]| request.headers().get(name).is_some_and(|told| told.as_bytes() == value);
    let goes_here = is(MODE, b"navigate") && is(DEST, b"document");
    request.method() == Method::GET && goes_here && (is(SITE, b"cross-site") || is(SITE, b"same-site"))
}

/// Has the browser come again, of our own accord: then it sends the cookie, if it has one. It comes by the login, which leads on
/// whoever is logged in and never sends anybody here, so that there is no circle. Only to look at the place, since another
/// site has chosen it: what was asked for beside it is gone.
pub fn arrived(uri: &Uri, ids: Ids) -> Answer {
    let to = format!("{}?to={}", viewer::LOGIN, encode(to_place(uri).as_bytes()));
    page_of(StatusCode::UNAUTHORIZED, &page::arrived(&to, ids))
}

/// Shows the form, or leads to where somebody who is logged in wanted to go, or to their home.
///
/// # Errors
/// [`Kind::LoginRequired`] for what is no browser and has no password; those of a login.
pub async fn form(visitors: &Visitors, request: &Request<()>, for_browser: bool, ids: Ids) -> Result<Answer> {
    match visitors.claimed(request.headers())? {
        Claimed::Nobody if for_browser => {
            let page = page::login(&after(request.uri()), "", None, (has_public(visitors), ids));
            Ok(page_of(StatusCode::OK, &page))
        }
        Claimed::Nobody => Err(Error::new(Kind::LoginRequired, "log in first")),
        claimed => {
            let web_session = visitors.web_session(claimed).await?;
            let to = Some(after(request.uri())).filter(|to| !to.is_empty());
            Ok(redirect(
                StatusCode::SEE_OTHER,
                &to.unwrap_or_else(|| home(web_session.is_anonymous(), web_session.name())),
            ))
        }
    }
}

/// Says to a person that this takes a login, with the form.
pub fn asked(visitors: &Visitors, uri: &Uri, error: &Error, ids: Ids) -> Answer {
    let to = to_place(uri);
    let (kind, why) = error.told_by_server();
    let why = (kind != Kind::LoginRequired).then_some(why);
    let page = page::login(&to, "", why.as_deref(), (has_public(visitors), ids));
    let mut answer = page_of(StatusCode::UNAUTHORIZED, &page);
    answer.headers_mut().insert(WWW_AUTHENTICATE, BASIC);
    answer
}

/// What the form sends.
///
/// # Errors
/// [`Kind::Denied`] for what another site sent, [`Kind::BadCommand`] for what is no form, and those of a login but a wrong
/// password, which is a page of its own.
pub async fn log_in(visitors: &Visitors, request: &Request<()>, body: &mut RequestBody, ids: Ids) -> Result<Answer> {
    let headers = request.headers();
    same_site::check(request.uri(), headers)?;
    let fields = Fields::read(headers, body).await?;
    let user = String::from_utf8_lossy(&fields.get("user")).trim().to_owned();
    let to = place_of(&fields.get("to"));
    let password = Secret::new(std::mem::take(&mut *fields.get("password")));
    let web_session = match visitors.web_session(Claimed::User(user.clone(), password)).await {
        Ok(web_session) => web_session,
        Err(error) if matches!(error.kind(), Kind::LoginFailed | Kind::Busy | Kind::TooMany) => {
            let (kind, why) = error.told_by_server();
            let why = if kind == Kind::LoginFailed { "The name or the password is wrong.".into() } else { why };
            // Nobody has a longer name: such a one is not said again.
            let user = Some(user).filter(|user| user.len() <= limits::NAME_MAX).unwrap_or_default();
            let page = page::login(&to.unwrap_or_default(), &user, Some(&why), (has_public(visitors), ids));
            return Ok(page_of(status(kind), &page));
        }
        Err(error) => return Err(error),
    };
    let table = &visitors.shared().signed_in;
    // Whatever the browser had: the new one is chosen here and by nobody else.
    if let Some(old) = cookie(headers) {
        table.remove(&old);
    }
    let mut answer =
        redirect(StatusCode::SEE_OTHER, &to.unwrap_or_else(|| home(web_session.is_anonymous(), web_session.name())));
    if !web_session.is_anonymous() {
        give_cookie(&mut answer, visitors, web_session.principal().clone())?;
    }
    Ok(answer)
}

/// Logs the browser in as whoever has proven to be this.
///
/// # Errors
/// [`Kind::Internal`] without random numbers.
pub fn give_cookie(answer: &mut Answer, visitors: &Visitors, principal: Principal) -> Result<()> {
    let cookie = visitors.shared().signed_in.add(principal, Instant::now())?;
    set_cookie(answer, &String::from_utf8_lossy(cookie.expose()), "");
    Ok(())
}

/// Has the browser forget its login.
pub fn take_cookie(answer: &mut Answer) {
    set_cookie(answer, "", "; Max-Age=0");
}

/// The button that ends a login.
///
/// # Errors
/// [`Kind::Denied`] for what another site sent.
pub async fn log_out(visitors: &Visitors, request: &Request<()>) -> Result<Answer> {
    same_site::check(request.uri(), request.headers())?;
    if let Some(cookie) = cookie(request.headers())
        && let Some(web_session) = visitors.void(&cookie).await
    {
        note_log_out(&web_session).await;
    }
    let mut answer = redirect(StatusCode::SEE_OTHER, "/");
    take_cookie(&mut answer);
    Ok(answer)
}

/// Writes down that a user has logged out.
pub async fn note_log_out(web_session: &WebSession) {
    let note = |desk: &mut Desk| {
        let running = desk.admit(SessionRequest::LogOut, "logout", &mut |_, _| {})?;
        desk.succeeded(&running);
        desk.rest();
        Ok(())
    };
    // Whoever may not go on has no login that could end.
    let _ = web_session.step(note).await;
}

/// Lets no browser ask by itself.
pub fn ask_by_form_alone(answer: &mut Answer) {
    answer.headers_mut().remove(WWW_AUTHENTICATE);
}

fn set_cookie(answer: &mut Answer, value: &str, more: &str) {
    set(answer, SET_COOKIE, format_args!("{NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{more}"));
}

/// Whether there is a folder for everybody.
fn has_public(visitors: &Visitors) -> bool {
    visitors.shared().users.latest().anonymous_home().is_some()
}

fn page_of(status: StatusCode, page: &str) -> Answer {
    text(status, "text/html; charset=utf-8", page.to_owned())
}

fn home(is_anonymous: bool, name: &str) -> String {
    let whose = if is_anonymous { Whose::Everybody } else { Whose::User(name.to_owned()) };
    Place { whose, path: RelPath::root(), is_folder: true }.url(true)
}

/// The place that this is about, spelt anew; empty if it is about none.
fn to_place(uri: &Uri) -> String {
    match Target::parse(uri) {
        Ok(Target::Place(place)) => place.url(place.is_folder),
        _ => String::new(),
    }
}

/// Where to go after the login: `?to=`, if it is a place of this server.
fn after(uri: &Uri) -> String {
    let to = uri.query().unwrap_or_default().split('&').find_map(|part| part.strip_prefix("to="));
    let decoded = percent_encoding::percent_decode_str(to.unwrap_or_default()).collect::<Vec<u8>>();
    place_of(&decoded).unwrap_or_default()
}

/// Spelt anew from what it means: nothing of it can lead to another host.
fn place_of(url: &[u8]) -> Option<String> {
    let uri: Uri = url.try_into().ok()?;
    if uri.authority().is_some() {
        return None;
    }
    match Target::parse(&uri) {
        Ok(Target::Place(place)) => Some(place.url(place.is_folder)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[&str]) -> Option<Vec<u8>> {
        let mut headers = HeaderMap::new();
        for pair in pairs {
            headers.append(COOKIE, pair.parse().unwrap());
        }
        cookie(&headers).map(|cookie| cookie.expose().to_vec())
    }

    #[test]
    fn one_cookie_of_ours_counts_and_two_do_not() {
        assert_eq!(of(&["a=b; __Host-sealift=x; c=d"]), Some(b"x".to_vec()));
        assert_eq!(of(&["a=b", "__Host-sealift=x"]), Some(b"x".to_vec()));
        assert_eq!(of(&["__Host-sealift=x; __Host-sealift=y"]), None);
        assert_eq!(of(&["__Host-sealift=x", "__Host-sealift=x"]), None);
        assert_eq!(of(&["__host-sealift=x; sealift=y; x__Host-sealift=z"]), None);
    }

    #[test]
    fn after_a_login_one_stays_on_this_server() {
        assert_eq!(place_of(b"/~alice/a%20b/?x=1").as_deref(), Some("/~alice/a%20b/"));
        for elsewhere in [
            &b"https://evil.example/"[..],
            b"//evil.example/",
            b"/\\evil.example",
            b"evil.example",
            b"javascript:alert(1)",
            b"/.sealift-web/logout",
            b"/..//evil.example",
            b"",
        ] {
            let to = place_of(elsewhere);
            assert!(to.as_ref().is_none_or(|to| !to.contains("//") && !to.contains('\\')), "{to:?}");
        }
    }
}

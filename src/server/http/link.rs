//! What somebody's link gives, without an account: a file, or a folder with all below it.
//!
//! Nothing that a browser sends for its own user plays a part here: neither the cookie of a login nor a user's password. A link
//! that is not there, is over, withdrawn or used up is one and the same 404. No answer is kept by anybody or found by a search.

use std::sync::Arc;
use std::time::Instant;

use hyper::header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue, SET_COOKIE, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};

use super::Web;
use super::answer::{Answer, Ids, Reader, answer, explained, redirect, refusal, set, text};
use super::by_command::{HandedOn, handed_on};
use super::counted;
use super::dropped::{self, InboxVisit};
use super::file::Asked;
use super::form::Fields;
use super::link_page;
use super::login;
use super::multipart;
use super::place;
use super::query::Query;
use super::refused_requests::{Arrival, Turned};
use super::request_body::RequestBody;
use super::same_site;
use super::target::{LinkRoot, LinkTarget, Place, Whose};
use super::visitors::{Claimed, LinkKey, Visitors};
use super::web_session::{WebSession, begin, unexpected};
use crate::auth::{Link, LinkTo};
use crate::error::{Error, Kind, Result};
use crate::files::{Meta, RelPath};
use crate::machine::source::Origin;
use crate::secret::Secret;
use crate::server::desk::Desk;
use crate::server::desk::downloads::What;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};

/// What stands for the password of a link that was given. It is sent to this link's URLs alone. A person comes by a link from another
/// site, a mail for one, and then it must be sent too; nothing is changed by what it opens.
const COOKIE: &str = "__Secure-sealift-link";

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// How a program says the password of a link.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"A Sealift link\", charset=\"UTF-8\"");

/// Who asks, and how.
pub struct Asker<'a> {
    /// Those of this connection.
    pub visitors: &'a Visitors,
    /// The request.
    pub request: &'a Request<()>,
    /// Whether a page is wanted.
    pub for_browser: bool,
    /// How far the request has come.
    pub arrival: &'a Arrival,
}

impl Asker<'_> {
    /// Who reads the answer: nobody's login plays a part.
    fn reader(&self) -> Reader {
        if self.for_browser { Reader::Person(None) } else { Reader::Program }
    }

    /// Tells that it failed so; of whoever came by the link, if anybody did.
    fn failed(&self, error: &Error, web_session: Option<&WebSession>, ids: Ids) {
        let turned = Turned { visitors: self.visitors, request: self.request, session: ids.session };
        self.arrival.failed(&turned, web_session, error);
    }
}

/// Answers a request for something below a link.
pub async fn serve(asker: Asker<'_>, at: LinkTarget, body: &mut RequestBody, ids: &mut Ids) -> Answer {
    let mut web_session = None;
    let answered = decide(&asker, &at, body, (&mut *ids, &mut web_session)).await;
    let mut answer = answered.unwrap_or_else(|error| {
        asker.failed(&error, web_session.as_deref(), *ids);
        refused(&error, &asker.reader(), *ids)
    });
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow, noarchive"));
    answer
}

/// Why there is no answer. No account is asked for, also where the link ended while the answer was made.
fn refused(error: &Error, reader: &Reader, ids: Ids) -> Answer {
    match error.kind() {
        Kind::LoginFailed | Kind::Revoked | Kind::Kicked => missing(reader, ids),
        _ => refusal(error, reader, ids),
    }
}

/// That there is no such link, in the same words whatever is wrong with it.
fn missing(reader: &Reader, ids: Ids) -> Answer {
    let why = "There is no such link, or it is over or used up.";
    match reader {
        // Who has a link alone has no folder here, and no account.
        Reader::Person(_) => text(StatusCode::NOT_FOUND, "text/html; charset=utf-8", link_page::missing(why, ids)),
        Reader::Program => explained(StatusCode::NOT_FOUND, why, reader, ids),
    }
}

/// What is asked of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By GET or HEAD.
    Read(&'static str),
    /// To open it by its password.
    Unlock,
    /// Something is brought, or asked after.
    Bring,
}

impl Way {
    /// None: nothing that any link is for.
    fn of(request: &Request<()>, at: &LinkTarget) -> Option<Way> {
        Some(match request.method().as_str() {
            "GET" => Way::Read("GET"),
            "HEAD" => Way::Read("HEAD"),
            "POST" if at.path.is_root() && !multipart::is_one(request.headers()) => Way::Unlock,
            "POST" | "PUT" | "PATCH" | "DELETE" => Way::Bring,
            _ => return None,
        })
    }
}

/// `visitor` is whoever came by the link, once that is known.
async fn decide(
    asker: &Asker<'_>,
    at: &LinkTarget,
    body: &mut RequestBody,
    (ids, visitor): (&mut Ids, &mut Option<Arc<WebSession>>),
) -> Result<Answer> {
    let request = asker.request;
    if request.method() == Method::OPTIONS {
        let mut answer = answer(StatusCode::NO_CONTENT);
        answer.headers_mut().insert(ALLOW, METHODS);
        return Ok(answer);
    }
    let may_write = asker.visitors.shared().web == Web::On;
    let way = match Way::of(request, at) {
        Some(Way::Unlock) => return unlock(asker, at, body, *ids).await,
        Some(Way::Bring) if may_write => {
            same_site::check(request.uri(), request.headers())?;
            Way::Bring
        }
        Some(way @ Way::Read(_)) => way,
        Some(Way::Bring) | None => return Ok(not_offered(asker, *ids)),
    };
    let key = key(asker, at)?;
    let is_guess = matches!(key, Some(LinkKey::Password(_)));
    let web_session = match enter(asker, at, key).await {
        Err(error) if error.kind() == Kind::LoginRequired => return Ok(locked(asker, at, None, *ids)),
        // It is asked for a password where there is a link that has one, and nowhere else.
        Err(error) if error.kind() == Kind::LoginFailed && is_guess => return Ok(locked(asker, at, Some(WRONG), *ids)),
        web_session => web_session?,
    };
    ids.session = web_session.ticket().id();
    *visitor = Some(web_session.clone());
    let link = web_session.principal().link().cloned().ok_or_else(unexpected)?;
    if login::is_script(request.headers()) {
        return Err(Error::new(Kind::Denied, "what users store here is no part of any page"));
    }
    if at.path.is_root() && !at.is_folder {
        return Ok(redirect(StatusCode::MOVED_PERMANENTLY, &at.secret.url()));
    }
    match (link.to, way) {
        // What only reads takes no files, and does not ask for them.
        (LinkTo::Inbox(_), _) if !may_write => Ok(not_offered(asker, *ids)),
        (LinkTo::Inbox(bounds), _) => {
            let uploads = &asker.visitors.shared().uploads;
            let refused = |error: &Error| asker.failed(error, Some(&web_session), *ids);
            let (reader, refused) = (asker.reader(), &refused);
            let changing = Arc::new(web_session.changing());
            let inbox = InboxVisit { web_session: &changing, link: &link, bounds, uploads, reader, refused };
            dropped::serve(inbox, request, at, body, *ids).await
        }
        (LinkTo::File | LinkTo::Folder, Way::Read(method)) => {
            read(asker, at, (&web_session, &link), method, *ids).await
        }
        (LinkTo::File | LinkTo::Folder, Way::Bring | Way::Unlock) => Ok(not_offered(asker, *ids)),
    }
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

fn not_offered(asker: &Asker<'_>, ids: Ids) -> Answer {
    let mut answer = explained(StatusCode::METHOD_NOT_ALLOWED, "this link is not for that", &asker.reader(), ids);
    answer.headers_mut().insert(ALLOW, METHODS);
    answer
}

/// The session of whoever has this link.
async fn enter(asker: &Asker<'_>, at: &LinkTarget, key: Option<LinkKey>) -> Result<Arc<WebSession>> {
    let web_session = asker.visitors.by_link(&at.secret.to_secret(), key).await;
    web_session.map_err(|error| match error.kind() {
        // What it leads to is not there any more, or it is used up: no password was wrong.
        Kind::NotFound | Kind::NotDirectory => Error::new(Kind::Revoked, "no such link"),
        _ => error,
    })
}

/// What a request says that opens a link with a password.
fn key(asker: &Asker<'_>, at: &LinkTarget) -> Result<Option<LinkKey>> {
    let headers = asker.request.headers();
    if let Some(cookie) = login::cookie_of(headers, COOKIE) {
        return Ok(Some(LinkKey::Cookie(cookie)));
    }
    // A browser sends by itself what its user has typed elsewhere on this server.
    if login::is_browser(headers) || !asker.visitors.link_is_locked(&at.secret.to_secret()) {
        return Ok(None);
    }
    Ok(match Claimed::of(headers)? {
        Claimed::User(_, password) => Some(LinkKey::Password(password)),
        Claimed::Nobody | Claimed::Cookie(_) => None,
    })
}

const WRONG: &str = "That is not the password of this link.";

/// Asks for the password.
fn locked(asker: &Asker<'_>, at: &LinkTarget, why: Option<&str>, ids: Ids) -> Answer {
    if asker.for_browser {
        let page = link_page::password(&at.secret.url(), why, ids);
        return text(StatusCode::UNAUTHORIZED, "text/html; charset=utf-8", page);
    }
    let why = why.unwrap_or("this link takes a password (curl -fu ':PASSWORD')");
    let mut answer = explained(StatusCode::UNAUTHORIZED, why, &Reader::Program, ids);
    if !login::is_browser(asker.request.headers()) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, BASIC);
    }
    answer
}

/// What the form of a link with a password sends.
async fn unlock(asker: &Asker<'_>, at: &LinkTarget, body: &mut RequestBody, ids: Ids) -> Result<Answer> {
    let headers = asker.request.headers();
    same_site::check(asker.request.uri(), headers)?;
    let fields = Fields::read(headers, body).await?;
    let password = Secret::new(std::mem::take(&mut *fields.get("password")));
    let is_locked = asker.visitors.link_is_locked(&at.secret.to_secret());
    let web_session = match enter(asker, at, Some(LinkKey::Password(password))).await {
        Err(error) if error.kind() == Kind::LoginFailed && is_locked => {
            return Ok(locked(asker, at, Some(WRONG), ids));
        }
        web_session => web_session?,
    };
    let url = at.secret.url();
    let mut answer = redirect(StatusCode::SEE_OTHER, &url);
    // What takes no password is open without a cookie.
    if !web_session.principal().link().is_some_and(|link| link.has_password()) {
        return Ok(answer);
    }
    let cookie = asker.visitors.shared().opened_links.add(web_session.principal().clone(), Instant::now())?;
    let cookie = String::from_utf8_lossy(cookie.expose()).into_owned();
    set(&mut answer, SET_COOKIE, format_args!("{COOKIE}={cookie}; Path={url}; Secure; HttpOnly; SameSite=Lax"));
    Ok(answer)
}

async fn read(
    asker: &Asker<'_>,
    at: &LinkTarget,
    (web_session, link): (&Arc<WebSession>, &Arc<Link>),
    method: &'static str,
    ids: Ids,
) -> Result<Answer> {
    let (query, headers) = (Query::parse(asker.request.uri()), asker.request.headers().clone());
    let name = link.path.file_name().unwrap_or(b"files").to_vec();
    let root = LinkRoot { secret: at.secret.clone(), name: name.clone() };
    let mut place = Place { whose: Whose::Link(root), path: at.path.clone(), is_folder: at.is_folder };
    let is_top_of_file = link.to == LinkTo::File && at.path.is_root();
    // A program gets the file by the link itself; not where that counts, since programs look at what people send each other.
    if is_top_of_file && !query.json && (query.download || !asker.for_browser && link.downloads.is_none()) {
        place = Place { path: RelPath::parse(&name)?, is_folder: false, ..place };
    } else if is_top_of_file && asker.for_browser && !query.json {
        let meta = meta(web_session, RelPath::parse(&name)?, method).await?;
        let HandedOn { commands, .. } =
            handed_on(asker.visitors, (asker.request.uri(), asker.request.headers()), &at.secret, link);
        let page = link_page::file(&name, &meta, (link.downloads, &commands), ids);
        return Ok(text(StatusCode::OK, "text/html; charset=utf-8", page));
    }
    let is_archive = place.is_folder && query.archive.is_some();
    let what =
        What { origin: Origin::from(asker.visitors.peer().ip()), path: place.path.clone(), state: String::new() };
    let asked = Asked { method, place, query, viewer: None, headers };
    let answer = place::serve(web_session, asked, asker.for_browser, ids).await?;
    match (link.downloads, method) {
        (Some(_), "GET") if is_archive => counted::archive(web_session, link, what, answer).await,
        _ => Ok(counted::until_sent(answer)),
    }
}

/// What is known of the file.
async fn meta(web_session: &Arc<WebSession>, path: RelPath, method: &'static str) -> Result<Meta> {
    let found = web_session.step(move |desk: &mut Desk| {
        let found = match begin(desk, Op::Stat(path), method)? {
            Begun::Done(Ok(Outcome::Found { meta, .. })) => Ok(meta),
            _ => Err(unexpected()),
        };
        desk.rest();
        found
    });
    found.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::desk::registry::SessionId;

    #[test]
    fn nobody_is_asked_for_an_account_by_a_link_that_ends_meanwhile() {
        let ids = Ids { pid: 1, session: SessionId::fresh().unwrap() };
        for kind in [Kind::LoginFailed, Kind::Revoked, Kind::Kicked] {
            let answer = refused(&Error::new(kind, "ended"), &Reader::Program, ids);
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{kind:?}");
            assert!(!answer.headers().contains_key(WWW_AUTHENTICATE), "{kind:?}");
        }
    }
}

//! One's own links, from a page: made, listed, withdrawn. What LINK, LINKS and UNLINK are for `sealift/1`, by the same steps at the desk.

use hyper::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use hyper::{StatusCode, Uri};
use serde_json::{Value, json};

use super::answer::{Answer, redirect, set, text};
use super::by_command::{HandedOn, handed_on};
use super::form::Fields;
use super::link_page::{self, Made, Shown};
use super::own_request::OwnRequest;
use super::target::{LinkSecret, Place, Target, Whose};
use super::web_session::WebSession;
use crate::auth::{Link, LinkShown, LinkTo};
use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::limits;
use crate::secret::Secret;
use crate::server::desk::Desk;
use crate::server::desk::linking::{InboxWish, LinkEnd, LinkWish};
use crate::server::desk::session_request::SessionRequest;

/// Where they are, below the server's own folder.
pub const PATH: &str = "links";

/// Where one is withdrawn.
pub const REMOVE: &str = "links/remove";

/// Shows one's links, to a person or a program.
///
/// # Errors
/// Those of a step: the account has changed or is gone.
pub async fn list(own: &OwnRequest<'_>) -> Result<Answer> {
    let web_session = &own.web_session;
    let links = web_session
        .step(|desk: &mut Desk| {
            let running = desk.admit(SessionRequest::Talk, "links", &mut |_, _| {})?;
            let links = desk.users().latest().links_of(desk.principal());
            desk.succeeded(&running);
            desk.rest();
            Ok(links)
        })
        .await?;
    if own.wants_json() {
        let all: Vec<Value> = links.iter().map(|shown| object(shown, &place(web_session, &shown.link))).collect();
        return Ok(text(StatusCode::OK, "application/json", format!("{}\n", json!({ "links": all }))));
    }
    let shown: Vec<Shown> =
        links.iter().map(|shown| Shown { shown, url: place(web_session, &shown.link).url(false) }).collect();
    let page = link_page::mine(&own.viewer(), &shown, (web_session.may_write(), own.ids));
    Ok(text(StatusCode::OK, "text/html; charset=utf-8", page))
}

/// Makes a link, as a form says: `path` (the path of a URL), `kind` (`read`, `drop`), `expires` (seconds from now, `never`), `password`,
/// `downloads`, `size`, `files`, `name`; all but the first may be missing or empty.
///
/// # Errors
/// [`Kind::Denied`] where the gate says so; [`Kind::BadCommand`]; those of the gate, the store and making one.
pub async fn make(own: &OwnRequest<'_>, fields: &Fields) -> Result<Answer> {
    let OwnRequest { visitors, request, web_session, .. } = own;
    let query = query(fields, web_session)?;
    let password = Secret::new(std::mem::take(&mut *fields.get("password")));
    if password.expose().len() > limits::PASSWORD_MAX {
        let text = format!("the password is longer than {} bytes", limits::PASSWORD_MAX);
        return Err(Error::new(Kind::BadCommand, text));
    }
    let is_drop = query.inbox.is_some();
    let asked = query.path.clone();
    // What may not be made costs no hash of a password.
    let (running, mut terms) = web_session
        .step(move |desk: &mut Desk| {
            let running = desk.admit(SessionRequest::MakeLink { inbox: is_drop }, "link", &mut |_, _| {})?;
            let running = desk.about_link_to(&asked, running);
            match desk.link_terms(query, &running) {
                Ok(terms) => Ok((running, terms)),
                Err(error) => {
                    let error = desk.failed(running, error);
                    desk.rest();
                    Err(error)
                }
            }
        })
        .await?;
    if !password.expose().is_empty() {
        match visitors.shared().accounts.hash(visitors.peer().ip(), password).await {
            Ok(hash) => terms.password = Some(hash),
            Err(error) => {
                let note = move |desk: &mut Desk| {
                    let error = desk.failed(running, error);
                    desk.rest();
                    Err(error)
                };
                return web_session.step(note).await;
            }
        }
    }
    let (secret, link) = web_session
        .step(move |desk: &mut Desk| {
            let made = desk.make_link(terms);
            let ended = match made {
                Ok((secret, link)) => {
                    desk.succeeded(&running.about(link.name.as_str()));
                    Ok((secret, link))
                }
                Err(error) => Err(desk.failed(running, error)),
            };
            desk.rest();
            ended
        })
        .await?;
    let secret = LinkSecret::from(&secret);
    let path = format!("{}{}", secret.url(), visitors.shared().keys.now().fragment());
    let HandedOn { url, commands } = handed_on(visitors, (request.uri(), request.headers()), &secret, &link);
    let mut answer = if own.for_browser {
        let made = Made { url: &url, link: &link, commands: &commands };
        text(StatusCode::CREATED, "text/html; charset=utf-8", link_page::made(&own.viewer(), &made, own.ids))
    } else {
        let made = json!({ "url": url, "name": link.name, "kind": link.to.word(), "expires": link.expires, "commands": commands });
        text(StatusCode::CREATED, "application/json", format!("{made}\n"))
    };
    set(&mut answer, LOCATION, path);
    // It is shown once, and kept by nobody.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Withdraws the link of this `name`.
///
/// # Errors
/// [`Kind::NotFound`]; those of the disk.
pub async fn remove(own: &OwnRequest<'_>, fields: &Fields) -> Result<Answer> {
    let name = String::from_utf8_lossy(&fields.get("name")).into_owned();
    own.web_session
        .step(move |desk: &mut Desk| {
            let running = desk.admit(SessionRequest::EndLink, "unlink", &mut |_, _| {})?;
            let ended = match desk.remove_link(&name) {
                Ok((link, over)) => {
                    desk.succeeded(&desk.about_link_to(&link.path, running).about(name));
                    over
                }
                Err(error) => Err(desk.failed(running, error)),
            };
            desk.rest();
            ended
        })
        .await?;
    Ok(match own.for_browser {
        true => redirect(StatusCode::SEE_OTHER, &format!("/{}/{PATH}", super::target::OWN)),
        false => super::answer::answer(StatusCode::NO_CONTENT),
    })
}

/// Where in the maker's home a link leads.
fn place(web_session: &WebSession, link: &Link) -> Place {
    Place {
        whose: Whose::User(web_session.name().to_owned()),
        path: link.path.clone(),
        is_folder: link.to.word() != "file",
    }
}

fn object(LinkShown { link, used, is_void, .. }: &LinkShown, place: &Place) -> Value {
    let bounds = match link.to {
        LinkTo::Inbox(bounds) => Some(bounds),
        LinkTo::File | LinkTo::Folder => None,
    };
    json!({
        "name": link.name,
        "kind": link.to.word(),
        "path": escape::for_people(link.path.as_bytes()),
        "href": place.url(place.is_folder),
        "expires": link.expires,
        "void": is_void,
        "password": link.has_password(),
        "downloads": link.downloads.map(|_| used.downloads),
        "max_downloads": link.downloads,
        "files": bounds.map(|_| used.files),
        "max_files": bounds.map(|bounds| bounds.files),
        "bytes": bounds.map(|_| used.bytes),
        "max_bytes": bounds.map(|bounds| bounds.bytes),
    })
}

/// What a form asks for.
fn query(fields: &Fields, web_session: &WebSession) -> Result<LinkWish> {
    let bad = |why: &str| Error::new(Kind::BadCommand, why);
    let field = |name: &str| -> Result<Option<String>> {
        let value = String::from_utf8(fields.get(name).to_vec()).map_err(|_| bad("a field of the form is no text"))?;
        Ok(Some(value).filter(|value| !value.trim().is_empty()))
    };
    let number = |name: &str| -> Result<Option<u64>> {
        field(name)?.map(|value| value.trim().parse().map_err(|_| bad("a field of the form is no number"))).transpose()
    };
    let uri = field("path")?.and_then(|path| path.parse::<Uri>().ok()).ok_or_else(|| bad("the form names no path"))?;
    let path = match Target::parse(&uri)? {
        Target::Place(place) if place.whose == Whose::User(web_session.name().to_owned()) => place.path,
        _ => return Err(Error::new(Kind::Denied, "a link leads into your own folder")),
    };
    let inbox = match field("kind")?.as_deref() {
        None | Some("read") => None,
        Some("drop") => Some(InboxWish { bytes: number("size")?, files: number("files")? }),
        Some(_) => return Err(bad("kind= is read or drop")),
    };
    let end = match field("expires")?.as_deref() {
        None => LinkEnd::Usual,
        Some("never") => LinkEnd::Never,
        Some(_) => LinkEnd::In(number("expires")?.unwrap_or_default()),
    };
    Ok(LinkWish { path, inbox, name: field("name")?, end, downloads: number("downloads")? })
}

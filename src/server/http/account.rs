//! One's own account, from a page: who one is and what one may, another password, the keys that log in, and an end of all logins by
//! browsers. What STATUS, PASSWD, KEYS and REVOKE are for `sealift/1`, by the same steps, and all of it without a script.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_std::task::spawn;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Value, json};
use tracing::info;

use super::account_page::{self, About, KeyShown, Shown, Tried};
use super::answer::{Answer, redirect, status, text};
use super::form::Fields;
use super::login;
use super::own_request::OwnRequest;
use super::target::OWN;
use super::web_session::WebSession;
use crate::auth::{EnrolledKey, Principal, User};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, UsageNow};
use crate::limits;
use crate::secret::Secret;
use crate::server::desk::Desk;
use crate::server::desk::running::Running;
use crate::server::desk::session_request::SessionRequest;
use crate::server::door::self_service::Change;

/// Where it is, below the server's own folder.
pub const PATH: &str = "account";

/// Where another password is chosen.
pub const PASSWORD: &str = "account/password";

/// Where a key is taken away.
pub const REMOVE_KEY: &str = "account/keys/remove";

/// Where all logins by browsers end.
pub const LOG_OUT: &str = "account/logout";

/// In the query of its own page: what was just done.
const CHANGED: &str = "changed";

/// As [`CHANGED`].
const REMOVED: &str = "removed";

/// Shows one's account, to a person or a program.
///
/// # Errors
/// Those of a step: the account has changed or is gone.
pub async fn show(own: &OwnRequest<'_>) -> Result<Answer> {
    if own.wants_json() {
        let object = object(own.web_session.name(), &look(&own.web_session).await?);
        return Ok(text(StatusCode::OK, "application/json", format!("{object}\n")));
    }
    let told = match own.request.uri().query() {
        Some(CHANGED) => Some("Your password was changed. Whoever was logged in with the old one is logged out."),
        Some(REMOVED) => Some("The key was removed."),
        _ => None,
    };
    page(own, (StatusCode::OK, told, None)).await
}

/// Puts the password `new` in the place of the `present` one. The user's other logins by that end, as those of PASSWD do.
///
/// # Errors
/// [`Kind::Denied`] where the administrator sets the password; for a program also those of
/// [`Visitors::change_own`](super::visitors::Visitors::change_own).
pub async fn change_password(own: &OwnRequest<'_>, fields: &Fields) -> Result<Answer> {
    let OwnRequest { visitors, web_session, .. } = own;
    let renewed = {
        let web_session = web_session.clone();
        move |now: Option<&Principal>| {
            if let Some(now) = now.cloned() {
                web_session.renew(now);
            }
        }
    };
    let new = match chosen(fields) {
        Ok(new) => new,
        Err(error) => return refused(own, Tried::Password, error).await,
    };
    let present = Secret::new(std::mem::take(&mut *fields.get("present")));
    let changing = {
        let (visitors, web_session) = (Arc::clone(visitors), Arc::clone(web_session));
        async move {
            let running = admit(&web_session, SessionRequest::ChangePassword, "passwd").await?;
            let done = visitors.change_own(web_session.name(), present, Change::Password(new), renewed).await;
            if done.is_ok() {
                // Who this was is nobody any more: what is asked next is asked by whoever has the new password.
                visitors.let_go(&web_session);
            }
            end(&web_session, running, done, |desk| {
                let (ticket, user) = (desk.ticket(), desk.principal().name());
                desk.resources().void_tokens_of(user);
                // Whatever else is left out of the log, this is not.
                info!(session = %ticket.id(), peer = %ticket.peer(), user, "password changed by its user");
            })
            .await
        }
    };
    // By itself: what has changed is written down, and what rests on the old one ends, whether or not the client is still there.
    match spawn(changing).await {
        Ok(principal) => {
            let mut answer = done(CHANGED, own.for_browser);
            if let (Some(_), Some(principal)) = (login::cookie(own.request.headers()), principal) {
                login::give_cookie(&mut answer, visitors, principal)?;
            }
            Ok(answer)
        }
        Err(error) => refused(own, Tried::Password, error).await,
    }
}

/// Takes the key of this `fingerprint` away, which the user enrolled, and ends its sessions. `present` is the password.
///
/// # Errors
/// As [`change_password`].
pub async fn remove_key(own: &OwnRequest<'_>, fields: &Fields) -> Result<Answer> {
    let OwnRequest { visitors, web_session, .. } = own;
    let fingerprint = String::from_utf8_lossy(&fields.get("fingerprint")).trim().to_owned();
    let present = Secret::new(std::mem::take(&mut *fields.get("present")));
    let removing = {
        let (visitors, web_session) = (Arc::clone(visitors), Arc::clone(web_session));
        async move {
            let running = admit(&web_session, SessionRequest::ChangeKeys, "revoke").await?;
            let change = Change::Revoke(fingerprint.clone());
            let done = visitors.change_own(web_session.name(), present, change, |_| {}).await;
            end(&web_session, running, done, move |desk| {
                let (ticket, user) = (desk.ticket(), desk.principal().name());
                info!(session = %ticket.id(), peer = %ticket.peer(), user, fingerprint, by = "password", "key revoked by its user");
            })
            .await
        }
    };
    // As with a password.
    match spawn(removing).await {
        Ok(_) => Ok(done(REMOVED, own.for_browser)),
        Err(error) => refused(own, Tried::RemovingKey, error).await,
    }
}

/// Ends all logins of the user by browsers, this one too.
pub async fn log_out(own: &OwnRequest<'_>) -> Answer {
    let (visitors, user) = (own.visitors, own.web_session.name());
    let browsers = visitors.shared().signed_in.remove_user(user);
    info!(peer = %visitors.peer(), user, browsers, "logged out of all browsers by its user");
    login::note_log_out(&own.web_session).await;
    let mut answer = redirect(StatusCode::SEE_OTHER, "/");
    login::take_cookie(&mut answer);
    answer
}

/// The password that a form has twice: of its length, and no more. What else it takes is asked where it is hashed.
///
/// # Errors
/// [`Kind::BadCommand`].
pub fn chosen(fields: &Fields) -> Result<Secret> {
    let bad = |why: String| Err(Error::new(Kind::BadCommand, why));
    let (mut new, again) = (fields.get("new"), fields.get("again"));
    match () {
        () if new.is_empty() => bad("no new password was typed".to_owned()),
        () if new.len() > limits::PASSWORD_MAX => {
            bad(format!("the new password is longer than {} bytes", limits::PASSWORD_MAX))
        }
        () if *new != *again => bad("the two new passwords are not the same".to_owned()),
        () => Ok(Secret::new(std::mem::take(&mut *new))),
    }
}

async fn admit(web_session: &WebSession, request: SessionRequest, name: &'static str) -> Result<Running> {
    web_session.step(move |desk: &mut Desk| desk.admit(request, name, &mut |_, _| {})).await
}

/// Writes down what came of it.
async fn end<T: Send + 'static>(
    web_session: &WebSession,
    running: Running,
    done: Result<T>,
    also: impl FnOnce(&Desk) + Send + 'static,
) -> Result<T> {
    match done {
        Ok(done) => {
            let note = move |desk: &mut Desk, _: &mut _| {
                also(desk);
                desk.succeeded(&running);
                desk.rest();
            };
            // It is done, whatever has become of the session.
            let _ = web_session.give_up(note).await;
            Ok(done)
        }
        Err(error) => {
            let note = move |desk: &mut Desk| {
                let error = desk.failed(running, error);
                desk.rest();
                Err(error)
            };
            web_session.step(note).await
        }
    }
}

fn done(word: &str, for_browser: bool) -> Answer {
    match for_browser {
        true => redirect(StatusCode::SEE_OTHER, &format!("/{OWN}/{PATH}?{word}")),
        false => text(StatusCode::OK, "application/json", format!("{}\n", json!({ word: true }))),
    }
}

/// Why it was not done: for a person on the page itself, where it was tried.
async fn refused(own: &OwnRequest<'_>, tried: Tried, error: Error) -> Result<Answer> {
    if !own.for_browser || !own.web_session.is_welcome() {
        return Err(error);
    }
    let (kind, why) = error.told_by_server();
    let (status, why) = match kind {
        // Who this is, is known: what was typed is not the password of who it is.
        Kind::LoginFailed => (StatusCode::FORBIDDEN, "The present password is wrong.".into()),
        Kind::Usage => (StatusCode::BAD_REQUEST, why),
        kind => (status(kind), why),
    };
    page(own, (status, None, Some((tried, &why)))).await
}

async fn page(
    own: &OwnRequest<'_>,
    (status, told, why): (StatusCode, Option<&str>, Option<(Tried, &str)>),
) -> Result<Answer> {
    let about = look(&own.web_session).await?;
    let may_write = own.web_session.may_write();
    let shown = Shown { viewer: &own.viewer(), about: &about, told, why, may_write };
    let mut answer = text(status, "text/html; charset=utf-8", account_page::account(&shown, own.ids));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// What is to be told of an account, by the rights of now.
async fn look(web_session: &Arc<WebSession>) -> Result<About> {
    let looking = web_session.step(|desk: &mut Desk| {
        let running = desk.admit(SessionRequest::Talk, "account", &mut |_, _| {})?;
        let (users, grants) = (desk.users().latest(), desk.principal().grants().clone());
        let user = users.get(desk.principal().name());
        let keys = user.map(keys_of).unwrap_or_default();
        let groups = users.shares().groups_of(desk.principal().name()).into_iter().map(str::to_owned).collect();
        let usage = desk.usage_now(&RelPath::root());
        let kept = matches!(usage, UsageNow::Known(Some(_))).then(|| desk.kept_at(&RelPath::root())).flatten();
        let counter = (usage == UsageNow::Uncounted).then(|| desk.counter(vec![RelPath::root()]));
        let (terms, least) = (desk.principal().home_terms(), users.password_rule().min());
        desk.succeeded(&running);
        desk.rest();
        Ok((About { grants, terms, groups, keys, usage, kept, least }, counter))
    });
    let (mut about, counter) = looking.await?;
    if let Some(counting) = counter.and_then(|counter| web_session.counting(counter)) {
        let _we_are_at_work = web_session.working();
        about.usage = counting.awhile().await;
    }
    Ok(about)
}

/// The keys that log this user in, those of the administrator first.
fn keys_of(user: &User) -> Vec<KeyShown> {
    let shown = |key: &crate::auth::UserKey, added: Option<SystemTime>| KeyShown {
        name: key.name().to_owned(),
        fingerprint: key.public().fingerprint(),
        access: key.access(),
        expires: key.expires(),
        added,
    };
    let given = user.keys().iter().map(|key| shown(key, None));
    let enrolled = user.enrolled_keys();
    let enrolled = enrolled.iter().map(|EnrolledKey { key, added, .. }| shown(key, Some(*added)));
    given.chain(enrolled).collect()
}

fn object(name: &str, About { grants, terms, groups, keys, usage, kept, .. }: &About) -> Value {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let usage = match usage {
        UsageNow::Known(usage) => *usage,
        UsageNow::Uncounted => None,
    };
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "name": key.name,
                "fingerprint": key.fingerprint.to_string(),
                "by": if key.added.is_some() { "user" } else { "administrator" },
                "added": key.added.map(seconds),
                "expires": key.expires.map(seconds),
            })
        })
        .collect();
    let folders: Vec<Value> = account_page::folders(grants)
        .map(|folder| json!({ "path": folder.at.to_string(), "access": folder.access.names().collect::<Vec<_>>() }))
        .collect();
    json!({
        "user": name,
        "access": grants.access.names().collect::<Vec<_>>(),
        "admin": grants.admin,
        "groups": groups,
        "folders": folders,
        "quota": terms.quota,
        "quota_files": terms.quota_files,
        "used": usage.map(|usage| usage.used),
        "trash": kept.map(|kept| kept.trash),
        "interrupted": kept.map(|kept| kept.interrupted),
        "expires": grants.expires.map(seconds),
        "may_choose_password": grants.self_service.password,
        "keys": keys,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn a_new_password_is_typed_twice_and_has_a_length() {
        let chosen = |form: &str| {
            let fields = Fields::of(Zeroizing::new(form.as_bytes().to_vec()));
            chosen(&fields).map(|new| new.expose().to_vec()).map_err(|error| error.kind())
        };
        assert_eq!(chosen("new=a+b&again=a+b"), Ok(b"a b".to_vec()));
        let long = "x".repeat(limits::PASSWORD_MAX + 1);
        for wrong in ["", "new=&again=", "new=a", "new=a&again=b", &format!("new={long}&again={long}")] {
            assert_eq!(chosen(wrong), Err(Kind::BadCommand), "{wrong}");
        }
    }
}

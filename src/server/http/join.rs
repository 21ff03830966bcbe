//! Joining by an invitation, from a browser: a password is chosen, and whoever did is logged in. What REDEEM is for `sealift/1`, by the
//! same function.
//!
//! The secret stands behind the `#` of the URL. No browser sends that: it is in no log of a proxy, in no referrer, and what looks at
//! links that it finds in messages sees a page that tells it nothing. A script puts it into the form, and takes it out of the address,
//! so that it does not stay in the browser's history; without one a person copies it there. It then comes in the body of a POST.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Request, StatusCode};

use super::Web;
use super::account::chosen;
use super::answer::{Answer, Ids, Reader, not_allowed, redirect, status, text};
use super::form::Fields;
use super::join_page::{self, Invited};
use super::login;
use super::request_body::RequestBody;
use super::same_site;
use super::viewer::home;
use super::visitors::Visitors;
use crate::error::{Kind, Result};
use crate::limits;
use crate::secret::Secret;

/// Where it is, below the server's own folder; behind it and a slash the user's name may stand.
pub const PATH: &str = "join";

/// The name of the user who is invited, if this is where one joins.
pub fn invited(path: &str) -> Option<&str> {
    match path.strip_prefix(PATH)? {
        "" => Some(""),
        rest => rest.strip_prefix('/').filter(|name| !name.contains('/')),
    }
}

/// Shows the form.
pub fn form(visitors: &Visitors, user: &str, for_browser: bool, ids: Ids) -> Answer {
    if visitors.shared().web != Web::On {
        return not_allowed("Joining", visitors.shared().web, &Reader::Person(None), ids);
    }
    if !for_browser {
        let why = "Open this in a browser, or type the line that begins with `sealift join`.\n";
        return text(StatusCode::OK, "text/plain; charset=utf-8", why);
    }
    let invited = Invited { user: known(user), secret: "", why: None, least: least(visitors) };
    page(StatusCode::OK, join_page::join(&invited, ids))
}

/// What the form sends: `user`, `invitation`, `new` and `again`.
///
/// # Errors
/// [`Kind::Denied`] for what another site sent, [`Kind::BadCommand`] for what is no form; those of [`Visitors::join`] that no other
/// password and no other invitation would mend.
pub async fn join(visitors: &Visitors, request: &Request<()>, body: &mut RequestBody, ids: Ids) -> Result<Answer> {
    if visitors.shared().web != Web::On {
        return Ok(not_allowed("Joining", visitors.shared().web, &Reader::Program, ids));
    }
    let headers = request.headers();
    same_site::check(request.uri(), headers)?;
    let fields = Fields::read(headers, body).await?;
    let user = String::from_utf8_lossy(&fields.get("user")).trim().to_owned();
    let secret = Secret::new(invitation(&fields.get("invitation")));
    let joined = match chosen(&fields) {
        Ok(password) => visitors.join(user.clone(), (secret.clone(), password)).await,
        Err(error) => Err(error),
    };
    let principal = match joined {
        Ok(principal) => principal,
        Err(error) => {
            let (kind, why) = error.told_by_server();
            let status = match kind {
                Kind::LoginFailed | Kind::Denied | Kind::Busy | Kind::TooMany | Kind::BadCommand => status(kind),
                // What is wrong with a password where it is hashed.
                Kind::Usage => StatusCode::BAD_REQUEST,
                _ => return Err(error),
            };
            if kind == Kind::LoginFailed {
                return Ok(page(status, join_page::unusable(known(&user), ids)));
            }
            // With another password the same invitation may do.
            let secret = String::from_utf8_lossy(secret.expose());
            let invited = Invited { user: known(&user), secret: &secret, why: Some(&why), least: least(visitors) };
            return Ok(page(status, join_page::join(&invited, ids)));
        }
    };
    // Whatever the browser had: the new one is chosen here and by nobody else.
    if let Some(old) = login::cookie(headers) {
        visitors.shared().signed_in.remove(&old);
    }
    let mut answer = redirect(StatusCode::SEE_OTHER, &home(principal.name()));
    login::give_cookie(&mut answer, visitors, principal)?;
    Ok(answer)
}

/// Nobody has a longer name: such a one is not said.
fn known(user: &str) -> &str {
    if user.len() <= limits::NAME_MAX { user } else { "" }
}

/// The secret, of what a person may have copied for it: with what stands before it in the address, or with blanks around it.
fn invitation(typed: &[u8]) -> Vec<u8> {
    let secret = typed.rsplit(|byte| *byte == b'#').next().unwrap_or_default();
    secret.trim_ascii().to_vec()
}

/// The least number of characters of a password that is chosen now.
fn least(visitors: &Visitors) -> usize {
    visitors.shared().users.latest().password_rule().min()
}

fn page(status: StatusCode, page: String) -> Answer {
    let mut answer = text(status, "text/html; charset=utf-8", page);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_what_stands_behind_the_last_mark() {
        for typed in ["abc", " abc\n", "#abc", "https://h:1/.sealift-web/join/alice#abc"] {
            assert_eq!(invitation(typed.as_bytes()), b"abc", "{typed}");
        }
    }

    #[test]
    fn one_joins_by_a_name_or_without_one() {
        assert_eq!((invited("join"), invited("join/alice")), (Some(""), Some("alice")));
        assert_eq!((invited("joins"), invited("join/a/b"), invited("login")), (None, None, None));
    }
}

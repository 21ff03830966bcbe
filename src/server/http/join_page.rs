//! The page on which somebody joins.

use maud::html;

use super::answer::Ids;
use super::page::{alone, password_fields};
use super::target::{OWN, encode};
use super::viewer::LOGIN;
use crate::escape;

/// Takes the invitation out of the address.
const SCRIPT: &str = "/.sealift-web/join.js";

/// Who is invited, as far as that is known.
pub struct Invited<'a> {
    /// The user's name; empty: it is asked for.
    pub user: &'a str,
    /// The secret of the invitation, if it was sent before.
    pub secret: &'a str,
    /// What was wrong then.
    pub why: Option<&'a str>,
    /// The least number of characters of a password.
    pub least: usize,
}

/// The form.
pub fn join(Invited { user, secret, why, least }: &Invited<'_>, ids: Ids) -> String {
    let what = html! {
        form #join .login .card method="post" action=(format!("/{OWN}/join")) {
            @if let Some(why) = why { p .wrong role="alert" { (escape::for_people(why.as_bytes())) } }
            @if user.is_empty() {
                p { "You have been invited. Choose a password, and your own folder opens." }
            } @else {
                p { "You have been invited as " strong { (escape::for_people(user.as_bytes())) } ". Choose a password, and your own folder opens." }
            }
            label for="user" hidden[!user.is_empty()] { "Name" }
            input #user name="user" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" value=(user) required readonly[!user.is_empty()] hidden[!user.is_empty()];
            label for="invitation" { "Invitation" }
            input #invitation name="invitation" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" value=(secret) required aria-describedby="where";
            p #where .sum { "What stands behind the # in the address that you were sent." }
            (password_fields(*least))
            button .main type="submit" { "Join" }
        }
        p .note { "An invitation works once. If somebody else has used yours, ask for another one, and say so." }
        script src=(SCRIPT) type="module" {}
    };
    alone("Join", &what, ids)
}

/// For whom an invitation has let nobody in: what there is to be done. Why it does not, nobody is told who only guesses.
pub fn unusable(user: &str, ids: Ids) -> String {
    let again = match user {
        "" => format!("/{OWN}/join"),
        user => format!("/{OWN}/join/{}", encode(user.as_bytes())),
    };
    let what = html! {
        p { "It may be used already, expired, or withdrawn: an invitation works once, and for some time only." }
        ul .steps {
            li { "If you have joined already, " a href=(LOGIN) { "log in" } " with the password that you chose then." }
            li {
                "If a part of the address was cut off on its way to you, open all of it, or "
                a href=(again) { "type the invitation" } "."
            }
            li {
                "Ask whoever invited you for another one. If you have never used yours, say so: somebody else may have, and the new one \
                 puts an end to that."
            }
        }
    };
    alone("This invitation cannot be used", &what, ids)
}

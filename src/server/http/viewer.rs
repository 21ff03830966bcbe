//! Who looks at a page, and the ways that stand above every page for them.

use maud::{Markup, html};

use super::offers::may_link_somewhere;
use super::target::encode;
use crate::auth::{Principal, Users};

/// Where one logs in.
pub const LOGIN: &str = "/.sealift-web/login";

/// Where one's links are.
pub const LINKS: &str = "/.sealift-web/links";

/// Where one's account is.
pub const ACCOUNT: &str = "/.sealift-web/account";

/// Where one logs out.
pub const LOGOUT: &str = "/.sealift-web/logout";

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The user's name.
    pub name: String,
    /// Whether they may make links, wherever that is.
    has_links: bool,
    /// Whether there is a folder for everybody.
    has_public: bool,
}

impl Viewer {
    /// Somebody among these users, as they are now.
    pub fn of(principal: &Principal, users: &Users) -> Viewer {
        Viewer {
            name: principal.name().to_owned(),
            has_links: may_link_somewhere(principal.grants()),
            has_public: users.anonymous_home().is_some(),
        }
    }

    /// Whether there is a folder for everybody.
    pub fn has_public(&self) -> bool {
        self.has_public
    }

    /// Whether they may make links, wherever that is.
    pub fn has_links(&self) -> bool {
        self.has_links
    }

    /// Where their home is.
    pub fn home(&self) -> String {
        home(&self.name)
    }
}

/// Where the home of this user is.
pub fn home(user: &str) -> String {
    format!("/~{}/", encode(user.as_bytes()))
}

/// Who one is, and the ways to what is theirs, the same on every page; `here` is the URL of this one.
pub fn who(viewer: Option<&Viewer>, here: &str) -> Markup {
    let way = |url: &str, name: &str| {
        html! { a href=(url) aria-current=[(url == here).then_some("page")] { (name) } }
    };
    html! {
        @match viewer {
            Some(viewer) => {
                (way(&viewer.home(), &format!("~{}", viewer.name)))
                @if viewer.has_links { (way(LINKS, "Links")) }
                @if viewer.has_public { (way("/", "Public")) }
                (way(ACCOUNT, "Account"))
                form method="post" action=(LOGOUT) { button .plain type="submit" { "Log out" } }
            }
            None => a href=(LOGIN) { "Log in" },
        }
    }
}

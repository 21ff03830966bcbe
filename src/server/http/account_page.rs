//! The page of one's own account.

use std::time::{SystemTime, UNIX_EPOCH};

use maud::{Markup, html};

use super::account;
use super::answer::Ids;
use super::offers::Kept;
use super::page::{local_times, of_user, password_fields, when};
use super::target::{OWN, encode};
use super::viewer::{ACCOUNT, LINKS, LOGOUT, Viewer};
use crate::auth::{Access, Grants, RateLimits, SharedFolder};
use crate::escape;
use crate::files::{HomeTerms, KeptUsage, Mtime, Usage, UsageNow};
use crate::readable;

/// What is known of an account.
pub struct About {
    /// What is granted.
    pub grants: Grants,
    /// How the home is kept.
    pub terms: HomeTerms,
    /// The groups that the user is in.
    pub groups: Vec<String>,
    /// What logs the user in beside the password.
    pub keys: Vec<KeyShown>,
    /// What the home holds, if that is bounded.
    pub usage: UsageNow,
    /// What of that is kept and goes when there is need.
    pub kept: Option<KeptUsage>,
    /// The least number of characters of a new password.
    pub least: usize,
}

/// What a form of the page tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// To choose another password.
    Password,
    /// To take a key away.
    RemovingKey,
}

/// A key that logs the user in.
pub struct KeyShown {
    /// What it is called.
    pub name: String,
    /// What tells it from others.
    pub fingerprint: String,
    /// What bounds the rights of its sessions.
    pub access: Option<Access>,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// When its user enrolled it; none: the administrator gave it.
    pub added: Option<SystemTime>,
}

/// What the page is about.
pub struct Shown<'a> {
    /// Whose it is.
    pub viewer: &'a Viewer,
    /// What is known of it.
    pub about: &'a About,
    /// What was just done.
    pub told: Option<&'a str>,
    /// What was not, and why.
    pub why: Option<(Tried, &'a str)>,
    /// Whether this server lets anybody write by HTTP.
    pub may_write: bool,
}

/// The folders that are shared with somebody who may do something there.
pub fn folders(grants: &Grants) -> impl Iterator<Item = &SharedFolder> {
    grants.folders.iter().map(|folder| &**folder).filter(|folder| folder.access != Access::NONE)
}

/// An account.
pub fn account(shown: &Shown<'_>, ids: Ids) -> String {
    let Shown { viewer, about, told, .. } = shown;
    let what = html! {
        @if let Some(told) = told { p .done role="status" { (told) } }
        section .card aria-labelledby="who" {
            h2 #who { (viewer.name) @if about.grants.admin { " " span .tag { "Administrator" } } }
            (room(about))
            (facts(about))
            p .links { a href=(viewer.home()) { "Your folder" } @if viewer.has_links() { " · " a href=(LINKS) { "Your links" } } }
        }
        (password(shown))
        (keys(shown))
        section .card aria-labelledby="logout" {
            h2 #logout { "Log out" }
            p .sum { "A browser stays logged in for some hours after it was last used. Lost one, or forgot to log out somewhere? End all of them." }
            div .buttons .begin {
                form method="post" action=(LOGOUT) { button type="submit" { "Log out here" } }
                form method="post" action=(own(account::LOG_OUT)) { button .grave type="submit" { "Log out of all browsers" } }
            }
        }
        (local_times())
    };
    of_user("Your account", (viewer, ACCOUNT), &what, ids)
}

fn own(path: &str) -> String {
    format!("/{OWN}/{path}")
}

/// How full the home is.
fn room(about: &About) -> Markup {
    html! {
        @match about.usage {
            UsageNow::Known(Some(Usage { used, limit })) => {
                progress .quota aria-label="Room that is used" value=(used.min(limit)) max=(limit.max(1)) {}
                p .sum { (readable::size(used)) " of " (readable::bound(limit)) " used, " (readable::size(limit.saturating_sub(used))) " left" }
                @if let Some(kept) = kept(about.kept) { p { (kept) } }
            }
            UsageNow::Known(None) => {}
            UsageNow::Uncounted => p .sum { "What is used is being counted." }
        }
    }
}

/// What of that goes when there is need of its room, so that nobody removes anything for it.
fn kept(kept: Option<KeptUsage>) -> Option<String> {
    let KeptUsage { trash, interrupted } = kept?;
    let parts = [(trash, "in the trash"), (interrupted, "of interrupted uploads")].into_iter();
    let parts = parts.filter(|(bytes, _)| *bytes > 0).map(|(bytes, what)| format!("{} {what}", readable::size(bytes)));
    let parts = parts.collect::<Vec<_>>().join(" and ");
    (!parts.is_empty()).then(|| format!("Of that {parts}, which goes when there is need of its room."))
}

fn facts(About { grants, terms, groups, usage, .. }: &About) -> Markup {
    let from: Vec<String> = grants.from.iter().map(ToString::to_string).collect();
    html! {
        dl .facts {
            dt { "You may" }
            dd { (rights(grants.access)) @if !grants.rules.is_empty() { ", and in parts of your folder what its rules say" } }
            @if !groups.is_empty() { dt { "Groups" } dd { (groups.join(", ")) } }
            @if folders(grants).next().is_some() {
                dt { "Shared with you" }
                dd {
                    ul {
                        @for folder in folders(grants) {
                            @let path = escape::for_people(folder.at.as_bytes());
                            li { (path) ": " (rights(folder.access)) }
                        }
                    }
                }
            }
            @if let (Some(quota), true) = (terms.quota, *usage == UsageNow::Uncounted) { dt { "Room" } dd { (readable::bound(quota)) } }
            @if let Some(files) = terms.quota_files { dt { "Files" } dd { (files) " at most" } }
            @if terms.trash.is_some() { dt { "Trash" } dd { "What you delete or replace is kept for " (Kept(*terms).told()) } }
            @if let Some(rate) = speed(grants.limit_rate) { dt { "Speed" } dd { (rate) } }
            @if let Some(end) = grants.expires { dt { "Your account ends" } dd { (when(at(end))) } }
            @if !from.is_empty() { dt { "You log in from" } dd { (from.join(", ")) } }
        }
    }
}

fn at(time: SystemTime) -> Mtime {
    let secs = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Mtime { secs: i64::try_from(secs).unwrap_or(i64::MAX), nanos: 0 }
}

fn speed(RateLimits { down, up }: RateLimits) -> Option<String> {
    let rate = |bytes: u64| format!("{}/s", readable::size(bytes));
    match (down.map(rate), up.map(rate)) {
        (None, None) => None,
        (Some(down), Some(up)) if down == up => Some(format!("{down} each way")),
        (Some(down), Some(up)) => Some(format!("{down} down, {up} up")),
        (Some(down), None) => Some(format!("{down} down")),
        (None, Some(up)) => Some(format!("{up} up")),
    }
}

/// Rights in the words of somebody who has none of ours.
fn rights(access: Access) -> String {
    const WORDS: [(Access, &str); 8] = [
        (Access::LIST, "see what is there"),
        (Access::DOWNLOAD, "download"),
        (Access::UPLOAD, "upload new files"),
        (Access::OVERWRITE, "replace files"),
        (Access::DELETE, "delete"),
        (Access::RENAME, "rename and move"),
        (Access::MKDIR, "make folders"),
        (Access::LINK, "make links for others"),
    ];
    match access {
        Access::NONE => "do nothing with files".to_owned(),
        Access::FULL => {
            "do everything: see, download, upload, replace, rename and delete files, make folders and links".to_owned()
        }
        some => {
            let words: Vec<&str> =
                WORDS.iter().filter(|(right, _)| some.contains(*right)).map(|(_, word)| *word).collect();
            words.join(", ")
        }
    }
}

/// Why this was not done, if it was tried.
fn wrong(shown: &Shown<'_>, tried: Tried) -> Markup {
    let why = shown.why.filter(|(what, _)| *what == tried).map(|(_, why)| why);
    // It is what one looks at first, however far down it stands.
    html! { @if let Some(why) = why { p .wrong role="alert" tabindex="-1" autofocus { (escape::for_people(why.as_bytes())) } } }
}

/// The form for another password, or why there is none.
fn password(shown: &Shown<'_>) -> Markup {
    let Shown { viewer, about, may_write, .. } = shown;
    html! {
        section .card aria-labelledby="password" {
            h2 #password { "Password" }
            @if !about.grants.self_service.password {
                (wrong(shown, Tried::Password))
                p .sum { "The administrator of this server sets your password." }
            } @else if !*may_write {
                p .sum { "This page only shows: " code { "sealift passwd" } " changes your password." }
            } @else {
                p .sum { "With a new one you are logged out everywhere else: in other browsers, and in programs that have the old one." }
                form .login method="post" action=(own(account::PASSWORD)) {
                    (wrong(shown, Tried::Password))
                    // For programs that keep passwords.
                    input name="user" type="text" autocomplete="username" value=(viewer.name) readonly hidden;
                    label for="present" { "Present password" }
                    input #present name="present" type="password" autocomplete="current-password" required;
                    (password_fields(about.least))
                    button .main type="submit" { "Change it" }
                }
            }
        }
    }
}

/// The keys that log in, and the way to take one away.
fn keys(shown: &Shown<'_>) -> Markup {
    let Shown { about, may_write, .. } = shown;
    if about.keys.is_empty() {
        return wrong(shown, Tried::RemovingKey);
    }
    let may = about.grants.self_service.keys && *may_write;
    html! {
        section .card aria-labelledby="keys" {
            h2 #keys { "Keys" }
            (wrong(shown, Tried::RemovingKey))
            p .sum { "These log in as you with " code { "sealift" } ", without the password." }
            ul .keys {
                @for KeyShown { name, fingerprint, access, expires, added } in &about.keys {
                    li {
                        strong { (name) } " "
                        span .sum {
                            @match added {
                                Some(added) => { "enrolled by you on " (when(at(*added))) }
                                None => "from the administrator",
                            }
                            @if let Some(access) = access { " · may only " (rights(*access)) }
                            @if let Some(end) = expires { " · until " (when(at(*end))) }
                        }
                        br;
                        code .sum { (fingerprint) }
                        @if added.is_some() && may {
                            details {
                                summary .plain { "Take it away…" }
                                form .login method="post" action=(own(account::REMOVE_KEY)) {
                                    input type="hidden" name="fingerprint" value=(fingerprint);
                                    @let id = format!("for-{}", encode(fingerprint.as_bytes()));
                                    label for=(id) { "Present password" }
                                    input id=(id) name="present" type="password" autocomplete="current-password" required;
                                    button .grave type="submit" aria-label=(format!("Take {name} away")) { "Take it away" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_and_speeds_are_told_in_words() {
        assert_eq!(rights(Access::READ), "see what is there, download");
        assert!(rights(Access::FULL).starts_with("do everything"));
        assert_eq!(rights(Access::NONE), "do nothing with files");
        let speed = |down, up| speed(RateLimits { down, up });
        assert_eq!(speed(None, None), None);
        assert_eq!(speed(Some(1024), Some(1024)).as_deref(), Some("1.0 KiB/s each way"));
        assert_eq!(speed(Some(1024), Some(2048)).as_deref(), Some("1.0 KiB/s down, 2.0 KiB/s up"));
    }
}

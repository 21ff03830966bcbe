//! The pages of links: what somebody was sent, the form for its password, and where files are put in.

use maud::{Markup, html};

use super::answer::Ids;
use super::by_command;
use super::dropped::Brought;
use super::page::{alone, local_times, of_user, uploads, when};
use super::target::encode;
use super::types::Type;
use super::viewer::{LINKS, Viewer};
use crate::auth::{InboxBounds, Link, LinkShown, LinkTo, LinkUse};
use crate::escape;
use crate::files::{Meta, Mtime, RelPath};
use crate::readable;

/// Where one is withdrawn.
const REMOVE: &str = "/.sealift-web/links/remove";

/// What the page of a link does that files are put in by.
const DROP_SCRIPT: &str = "/.sealift-web/drop.js";

/// What a link to a file leads to, before it is fetched: what a person was sent, or what a program shows that looks at it.
pub fn file(name: &[u8], meta: &Meta, (downloads, commands): (Option<u32>, &[String]), ids: Ids) -> String {
    let (title, url) = (escape::for_people(name), format!("./{}", encode(name)));
    let is_harmless = RelPath::parse(name).is_ok_and(|path| Type::of(&path).is_harmless);
    let what = html! {
        p .sum { (readable::size(meta.size)) " · changed " (when(meta.mtime)) }
        p .buttons .begin {
            a .button .main href=(format!("{url}?download")) download { "Download" }
            // Where it counts, one look would be a download.
            @if is_harmless && downloads.is_none() { a .button href=(url) { "Open" } }
        }
        (by_command::shown(commands))
        (local_times())
    };
    alone(&title, &what, ids)
}

/// The form for the password of a link.
pub fn password(url: &str, why: Option<&str>, ids: Ids) -> String {
    let what = html! {
        form .login method="post" action=(url) {
            @if let Some(why) = why { p .wrong role="alert" { (why) } }
            p { "Whoever sent you this link has chosen a password for it." }
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="off" required autofocus;
            button .main type="submit" { "Open" }
        }
    };
    alone("A link with a password", &what, ids)
}

/// That there is no link, in the same words whatever became of it.
pub fn missing(why: &str, ids: Ids) -> String {
    let what = html! {
        p { (why) }
        p .next { "It may be over, withdrawn or used up, or not copied whole: ask whoever gave it to you for another one." }
    };
    alone("404 Not Found", &what, ids)
}

/// What a link shows that files are put in by: where to drop them unless it `is_full`, and nothing of what is there. `came`: so many just
/// did.
pub fn inbox((bounds, is_full): (InboxBounds, bool), came: Option<&Brought>, ids: Ids) -> String {
    let what = html! {
        @if let Some(came) = came {
            p .done role="status" {
                @if came.stored == 0 { "No file was chosen." }
                @else { (files(came.stored)) " stored, whole and safe." @if !is_full { " You can send more." } }
            }
            @if came.failed > 0 {
                div .wrong role="alert" {
                    p { (files(came.failed)) " not stored:" }
                    ul { @for (name, why) in &came.told_of { li { (name) ": " (why) } } }
                }
            }
        }
        p { "Files that you send here go to whoever gave you this link. Neither you nor others who have it see them here." }
        @if is_full {
            p .wrong { "This link is full and takes no more: ask whoever gave it to you for another one." }
        } @else {
            form #drop .card method="post" enctype="multipart/form-data" action="./" {
                label for="files" { "Files" }
                input #files name="files" type="file" multiple required;
                p .buttons { button .main type="submit" { "Send" } }
            }
            p #folders .wrong hidden { "Folders are not taken here: make one file of each first, a zip for one." }
            (uploads())
            p #status .unseen role="status" {}
            p .sum { "Up to " (readable::size(bounds.bytes)) " in " (bounds.files) " files, all together. Names that are taken get a number." }
            script src=(DROP_SCRIPT) type="module" {}
        }
    };
    alone("Send files", &what, ids)
}

/// So many files, in words.
pub fn files(count: u32) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// A link that was made, and how it is handed on.
pub struct Made<'a> {
    /// The URL.
    pub url: &'a str,
    /// The link.
    pub link: &'a Link,
    /// How it is used without a browser.
    pub commands: &'a [String],
}

/// One of somebody's links.
pub struct Shown<'a> {
    /// The link, and what is used up of it.
    pub shown: &'a LinkShown,
    /// Where in the home it leads.
    pub url: String,
}

/// One that was just made, for who has no script.
pub fn made(viewer: &Viewer, Made { url, link, commands }: &Made<'_>, ids: Ids) -> String {
    let what = html! {
        p { "Whoever has this link can " (can(link)) " " (ends(link)) ":" }
        p .card .url { code { (url) } }
        (by_command::shown(commands))
        p { "It is shown this once. " a href=(LINKS) { "Your links" } " has what it is called, and withdraws it." }
        (local_times())
    };
    of_user("A link", (viewer, ""), &what, ids)
}

/// All links of somebody; they are withdrawn there if the web may write.
pub fn mine(viewer: &Viewer, links: &[Shown<'_>], (may_write, ids): (bool, Ids)) -> String {
    let what = html! {
        @if links.is_empty() {
            p { "You have none." @if may_write { " “Share” in the actions of a file or folder makes one." } }
        } @else {
            ul .links {
                @for Shown { shown, url } in links {
                    li .card {
                        div {
                            h2 { (shown.link.name) }
                            p { a href=(url) { "/" (escape::for_people(shown.link.path.as_bytes())) } }
                            p .sum { (about(shown)) }
                        }
                        @if may_write {
                            form method="post" action=(REMOVE) {
                                input type="hidden" name="name" value=(shown.link.name);
                                button .grave type="submit" aria-label=(format!("Withdraw {}", shown.link.name)) { "Withdraw" }
                            }
                        }
                    }
                }
            }
            @if !may_write { p .note { "Here they can be looked at: " code { "sealift link remove" } " withdraws one." } }
            p .note { "The URL of a link is shown when it is made, and is kept by nobody." }
        }
        (local_times())
    };
    of_user("Your links", (viewer, LINKS), &what, ids)
}

fn can(link: &Link) -> &'static str {
    match link.to {
        LinkTo::File | LinkTo::Folder => "read it",
        LinkTo::Inbox(_) => "put files there, and see nothing,",
    }
}

fn ends(link: &Link) -> Markup {
    html! { @match link.expires { Some(end) => { "until " (when(at(end))) } None => "until you withdraw it" } }
}

fn at(seconds: u64) -> Mtime {
    Mtime { secs: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 }
}

/// Why a link gives, or takes, no more before it ends: a look at what is used up of it.
fn used_up(link: &Link, used: &LinkUse) -> Option<&'static str> {
    match link.to {
        LinkTo::Inbox(_) if link.is_full(used) => Some("full: takes no more"),
        _ if link.downloads.is_some_and(|most| used.downloads >= most) => Some("used up: gives nothing more"),
        _ => None,
    }
}

/// What a link is for, and what bounds it.
fn about(LinkShown { link, used, is_void, .. }: &LinkShown) -> Markup {
    html! {
        @match link.to {
            LinkTo::File => "File",
            LinkTo::Folder => "Folder",
            LinkTo::Inbox(bounds) => {
                "For files to be put in: " (used.files) " of " (bounds.files) " came, "
                (readable::size(used.bytes)) " of " (readable::size(bounds.bytes))
            }
        }
        " · "
        @if link.is_over() { "over" }
        @else if let Some(why) = used_up(link, used) { (why) }
        @else if *is_void { "gives nothing now: you may not do there what it gives" }
        @else { (ends(link)) }
        @if link.has_password() { " · password" }
        @if let Some(most) = link.downloads { " · " (used.downloads) " of " (most) " downloads" }
    }
}

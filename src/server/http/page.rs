//! Pages for people: a folder, and why not. They work without script; every text from outside is escaped by maud.

use hyper::StatusCode;
use maud::{DOCTYPE, Markup, Render, html};

use super::answer::Ids;
use super::query::{Query, Sort};
use super::rows::{Scene, minutes};
use super::target::{Place, Whose, encode};
use super::trash;
use super::viewer::{ACCOUNT, LOGIN, Viewer, home, who};
use crate::auth::Access;
use crate::auth::LINK_IS_FULL;
use crate::escape;
use crate::files::{Mtime, RelPath, UsageNow};
use crate::limits;
use crate::readable;

/// Where the style is.
pub const STYLE: &str = "/.sealift-web/style.css";

/// What a folder's page does beyond its links.
const SCRIPT: &str = "/.sealift-web/page.js";

/// What puts times into the zone of whoever looks.
const TIMES: &str = "/.sealift-web/times.js";

/// Where the icon is.
pub const ICON: &str = "/.sealift-web/icon.svg";

fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) }
        link rel="icon" href=(ICON) type="image/svg+xml";
        link rel="stylesheet" href=(STYLE);
    }
}

fn foot(ids: Ids) -> Markup {
    html! {
        footer { "Served by Sealift · pid " (ids.pid) " · session " (ids.session.to_string()) }
    }
}

/// What stands above everything: where this is, and who one is.
fn top(who: &Markup, trail: &Markup) -> Markup {
    html! {
        header {
            nav aria-label="Path" { (trail) }
            div .who { (who) }
        }
    }
}

/// The folders above this one, each a link; the heading says which this is.
fn trail(place: &Place) -> Markup {
    let (top, name) = match &place.whose {
        Whose::User(user) => (home(user), format!("~{user}")),
        Whose::Link(link) => (link.secret.url(), escape::for_people(&link.name)),
        Whose::Everybody => (String::from("/"), String::from("Public")),
    };
    let above = place.path.parent();
    let mut url = top.clone();
    let steps = above.iter().flat_map(RelPath::components).map(|name| {
        url.push_str(&encode(name));
        url.push('/');
        (url.clone(), escape::for_people(name))
    });
    let steps: Vec<(String, String)> = steps.collect();
    html! {
        ol {
            @if above.is_some() { li { a href=(top) { (name) } } }
            @for (url, name) in &steps { li { a href=(url) { (name) } } }
        }
    }
}

/// A heading that sorts by it, or the other way round if it does already.
fn column(query: &Query, sort: Sort, name: &str) -> Markup {
    let is_now = query.sort == sort;
    let turned = if is_now && !query.descending { "&order=desc" } else { "" };
    let search = query.search.as_ref().map(|text| format!("search={}&", encode(text.as_bytes())));
    let direction = is_now.then_some(if query.descending { "descending" } else { "ascending" });
    html! {
        th scope="col" aria-sort=[direction] .{ (sort.word()) } {
            a href=(format!("?{}sort={}{turned}", search.unwrap_or_default(), sort.word())) { (name) }
        }
    }
}

/// What a folder's page calls it.
fn title(place: &Place) -> String {
    match (place.path.file_name(), &place.whose) {
        (Some(name), _) => escape::for_people(name),
        (None, Whose::User(user)) => format!("~{user}"),
        (None, Whose::Link(link)) => escape::for_people(&link.name),
        (None, Whose::Everybody) => String::from("Public"),
    }
}

/// A folder's page up to its first row.
pub fn folder_head(scene: &Scene, out: &mut String) {
    let title = title(&scene.place);
    let who = match scene.place.whose {
        // It is no part of anybody's login.
        Whose::Link(_) => html! {},
        Whose::User(_) | Whose::Everybody => who(scene.user.as_ref(), &scene.place.url(true)),
    };
    let before = html! { (head(&format!("{title} · Sealift"))) };
    let table = html! {
        (top(&who, &trail(&scene.place)))
        main data-may=(rights(scene)) data-trash=(scene.offered.here_is_kept()) data-trash-below=[kept_elsewhere(scene)] {
            h1 { (title) }
            (tools(scene))
            @if let Some(text) = &scene.query.search {
                p .note {
                    "What has “" (escape::for_people(text.as_bytes())) "” in its name, here and in the folders below."
                    @if scene.is_cut {
                        " There may be more: a search looks at " (limits::WEB_SEARCH_LOOKED) " names at most, and shows "
                        (limits::WEB_SEARCH_FOUND) ". " code { "sealift ls -r" } " lists all."
                    }
                }
            }
            @if !scene.is_sorted {
                p .note { "This folder is too large to be sorted. " code { "?json" } " and " code { "sealift ls" } " list all of it too." }
            }
        }
    };
    // The table is open until its last row: what is written here is put together by hand, from parts that maud escaped.
    DOCTYPE.render_to(out);
    out.push_str("<html lang=\"en\"><head>");
    before.render_to(out);
    let script = html! { script src=(SCRIPT) type="module" {} };
    script.render_to(out);
    out.push_str("</head><body>");
    let opened = table.into_string();
    out.push_str(opened.strip_suffix("</main>").unwrap_or(&opened));
    out.push_str("<table aria-label=\"Files and folders\"><thead><tr>");
    for (sort, name) in [(Sort::Name, "Name"), (Sort::Size, "Size"), (Sort::Time, "Changed")] {
        column(&scene.query, sort, name).render_to(out);
    }
    out.push_str("</tr></thead><tbody>");
    if scene.query.search.is_some() {
        html! { tr .up { td .name { a href="./" { "All that is here" } } } }.render_to(out);
    } else if scene.place.path.parent().is_some() {
        html! { tr .up { td .name { a href="../" { "Up" } } } }.render_to(out);
    }
    out.push('\n');
}

/// What whoever looks may do here, in words.
fn rights(scene: &Scene) -> String {
    words(scene, scene.offered.here)
}

/// The folders below where what is deleted or replaced fares otherwise than in this one, by the paths of their URLs, as a script reads them.
fn kept_elsewhere(scene: &Scene) -> Option<String> {
    let url = |path: &RelPath| Place { path: path.clone(), ..scene.place.clone() }.url(true);
    let all: Vec<(String, String)> = scene.offered.kept_elsewhere().map(|(path, kept)| (url(path), kept)).collect();
    (!all.is_empty()).then(|| serde_json::json!(all).to_string())
}

/// Rights as a script reads them.
pub fn words(scene: &Scene, access: Access) -> String {
    let access = if scene.is_writable { access } else { access.intersection(Access::READ) };
    access.names().collect::<Vec<_>>().join(" ")
}

/// What can be done with the folder: all that a script does is hidden until there is one.
fn tools(scene: &Scene) -> Markup {
    let may = |right| scene.offered.here.contains(right);
    let (upload, mkdir) = (scene.is_writable && may(Access::UPLOAD), scene.is_writable && may(Access::MKDIR));
    html! {
        div .tools {
            @if may(Access::LIST) {
                // Without a script it looks in the folders below; with one it chooses among what is shown first.
                form .search role="search" {
                    label {
                        span .unseen { "Search in this folder" }
                        input #search name="search" type="search" placeholder="Search" value=[&scene.query.search] autocomplete="off" autocapitalize="none" spellcheck="false";
                    }
                    input .button type="submit" value="Search" data-plain;
                }
            }
            @if upload {
                span data-script hidden {
                    input #files type="file" multiple hidden;
                    button .main type="button" data-for="files" { "Upload" }
                }
                @if mkdir {
                    span data-script .wide hidden {
                        input #tree type="file" webkitdirectory multiple hidden;
                        button type="button" data-for="tree" { "Upload a folder" }
                    }
                }
            }
            @if mkdir { button #folder type="button" data-script hidden { "New folder" } }
            @if scene.is_writable && may(Access::LINK) { button #share type="button" data-script hidden { "Share" } }
            @if scene.offered.trash && matches!(scene.place.whose, Whose::User(_)) {
                a .button href=(trash::url(&scene.place)) { "Trash" }
            }
            @if may(Access::READ) { a .button href="?zip" download { "Zip" } a .button href="?tar" download { "Tar" } }
        }
        @if upload {
            (uploads())
        }
        p #status .unseen role="status" {}
    }
}

/// Where a page shows how far uploads have come, and which were cut off.
pub fn uploads() -> Markup {
    html! {
        div #cut .card hidden {
            span {}
            button type="button" { "Forget them" }
        }
        section #uploads .card aria-labelledby="uploading" hidden {
            h2 #uploading { "Uploads" }
            progress aria-labelledby="uploading" value="0" max="1" {}
            p .where {}
            ul {}
            div .buttons {
                button .keep type="button" hidden { "Skip all" }
                button .both type="button" hidden { "Keep both for all" }
                button .replace type="button" hidden { "Replace all" }
                button .again type="button" hidden { "Try all again" }
                button .stop type="button" { "Stop" }
                button .clear type="button" { "Close" }
            }
        }
    }
}

/// A folder's page behind its last row. `is_closed`: some of what is in it has no link.
pub fn folder_tail(scene: &Scene, (entries, bytes): (u64, u64), (unread, is_closed): (u64, bool), out: &mut String) {
    let may_upload = scene.is_writable && scene.offered.here.contains(Access::UPLOAD);
    out.push_str("</tbody></table>");
    html! {
        p .sum .empty[entries == 0] {
            @match entries {
                0 if scene.is_cut => "Nothing that was looked at has that in its name.",
                0 if scene.query.search.is_some() => "Nothing here or below has that in its name.",
                0 if may_upload => { "Nothing is here yet." span data-script hidden { " Drop files on this page, or upload them." } }
                0 => "Nothing is here yet.",
                1 => { "1 entry, " (readable::size(bytes)) }
                n => { (n) " entries, " (readable::size(bytes)) }
            }
            @if unread > 0 { " · " (unread) " could not be read" }
            @match scene.offered.usage {
                UsageNow::Known(Some(usage)) => {
                    " · " (readable::size(usage.used)) " of " (readable::bound(usage.limit)) " used"
                }
                UsageNow::Known(None) => {}
                UsageNow::Uncounted => span .counting { " · what is used is being counted" }
            }
            @if entries > 0 { " · " span .zone { "times are UTC" } }
            @if is_closed { " · What has no link you may see here, and not open." }
        }
    }
    .render_to(out);
    out.push_str("</main>");
    foot(scene.ids).render_to(out);
    out.push_str("</body></html>\n");
}

/// A home, or a shared folder, for whoever may bring something there and not see what is there.
pub fn delivery(scene: &Scene) -> String {
    let title = title(&scene.place);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(&format!("{title} · Sealift"))) script src=(SCRIPT) type="module" {} }
            body {
                (top(&who(scene.user.as_ref(), &scene.place.url(true)), &trail(&scene.place)))
                main data-may=(rights(scene)) data-trash=(scene.offered.here_is_kept()) data-trash-below=[kept_elsewhere(scene)] {
                    h1 { (title) }
                    (tools(scene))
                    p .note { "Drop files here, or upload them. You may bring files here, and not see what is here." }
                    noscript { p .note { code { "curl -fT FILE" } " and " code { "sealift put" } " bring files without a script." } }
                }
                (foot(scene.ids))
            }
        }
    };
    page.into_string()
}

/// The form to log in by; it leads there afterwards, or to one's home. `why` says what was wrong with the last try, which was by this
/// `user`. The folder for everybody is a way only where there is one.
pub fn login(to: &str, user: &str, why: Option<&str>, (has_public, ids): (bool, Ids)) -> String {
    let what = html! {
        form .login method="post" action=(LOGIN) {
            @if let Some(why) = why { p .wrong role="alert" { (escape::for_people(why.as_bytes())) } }
            label for="user" { "Name" }
            input #user name="user" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" value=(user) required autofocus[user.is_empty()];
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="current-password" required autofocus[!user.is_empty()];
            @if !to.is_empty() { input type="hidden" name="to" value=(to); }
            button .main type="submit" { "Log in" }
        }
    };
    let trail = html! { ol { @if has_public { li { a href="/" { "Public" } } } @else { li { "Sealift" } } } };
    whole_of("Log in", &html! {}, &trail, &what, ids)
}

/// For a browser that another site has led here: it goes on from here by itself, and says then who is logged in.
pub fn arrived(to: &str, ids: Ids) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head("Sealift")) meta http-equiv="refresh" content=(format!("0; url={to}")); }
            body {
                (top(&html! {}, &html! { ol { li { "Sealift" } } }))
                main { p { a href=(to) { "Go on" } } }
                (foot(ids))
            }
        }
    };
    page.into_string()
}

/// A page that leads nowhere else.
pub fn alone(title: &str, what: &Markup, ids: Ids) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(&format!("{title} · Sealift"))) }
            body {
                (top(&html! {}, &html! { ol { li { "Sealift" } } }))
                main { h1 { (title) } (what) }
                (foot(ids))
            }
        }
    };
    page.into_string()
}

/// A page of the server's own, which is there, for somebody who is logged in.
pub fn of_user(title: &str, (viewer, here): (&Viewer, &str), what: &Markup, ids: Ids) -> String {
    whole(title, Some(viewer), here, what, ids)
}

/// The way to choose a password: twice, so that it is what was meant. It has so many characters at least.
pub fn password_fields(least: usize) -> Markup {
    html! {
        label for="new" { "New password" }
        input #new name="new" type="password" autocomplete="new-password" minlength=(least) maxlength=(limits::PASSWORD_MAX) required aria-describedby="least";
        p #least .sum { "At least " (least) " characters, and not your name." }
        label for="again" { "The same again" }
        input #again name="again" type="password" autocomplete="new-password" maxlength=(limits::PASSWORD_MAX) required;
    }
}

/// A time, for people: in UTC, and with a script in the zone of whoever looks.
pub fn when(mtime: Mtime) -> Markup {
    let time = minutes(mtime);
    html! { time datetime=(format!("{}Z", time.replace(' ', "T"))) { (time) " UTC" } }
}

/// Puts the times of a page into the zone of whoever looks.
pub fn local_times() -> Markup {
    html! { script src=(TIMES) type="module" {} }
}

/// What a person may do about it.
fn next_step(status: StatusCode, why: &str, is_owner: bool) -> Option<&'static str> {
    match status {
        StatusCode::NOT_FOUND => {
            Some("It may have been renamed, moved or deleted since. The folder that it was in may tell.")
        }
        StatusCode::FORBIDDEN => Some("If you need it, ask whoever shares it with you, or whoever runs this server."),
        StatusCode::PAYLOAD_TOO_LARGE => Some("Less at a time may do."),
        // Who has a link alone has nothing there to delete.
        StatusCode::INSUFFICIENT_STORAGE if why.ends_with(LINK_IS_FULL) => {
            Some("Nothing more goes in: ask whoever sent you here for another link.")
        }
        StatusCode::INSUFFICIENT_STORAGE if !is_owner => {
            Some("Something smaller may still go in. Otherwise ask whoever sent you here for more room.")
        }
        StatusCode::INSUFFICIENT_STORAGE => {
            Some("Room comes free when something is deleted, and when the trash is emptied.")
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => Some("That passes: try again in a moment."),
        StatusCode::PRECONDITION_FAILED => Some("Somebody has changed it meanwhile: look at it again."),
        StatusCode::LOCKED => Some("Somebody is working on it: try again when they are done."),
        _ => None,
    }
}

/// Why not.
pub fn error(status: StatusCode, why: &str, viewer: Option<&Viewer>, ids: Ids) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let what = html! {
        p { (escape::for_people(why.as_bytes())) }
        @if let Some(next) = next_step(status, why, viewer.is_some()) { p .next { (next) } }
        @if let (StatusCode::NOT_FOUND, Some(viewer)) = (status, viewer) {
            p .next { "You are logged in as " (viewer.name) ". What is in the folder of another user is not shown to you." }
        }
        p .links {
            @if viewer.is_none_or(Viewer::has_public) { a href="/" { "Public folder" } }
            @match viewer {
                Some(viewer) => {
                    @if viewer.has_public() { " · " } a href=(viewer.home()) { "Your folder" }
                    @if status == StatusCode::INSUFFICIENT_STORAGE { " · " a href=(ACCOUNT) { "Your account" } }
                }
                None if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND) => { " · " a href=(LOGIN) { "Log in" } }
                None => {}
            }
        }
    };
    whole(&format!("{} {title}", status.as_str()), viewer, "", &what, ids)
}

/// A page that is in no folder. Above it are the ways of whoever looks; to the folder for everybody, each of them has one.
fn whole(title: &str, viewer: Option<&Viewer>, here: &str, what: &Markup, ids: Ids) -> String {
    let trail = html! { ol { @if viewer.is_none() { li { a href="/" { "Public" } } } } };
    whole_of(title, &who(viewer, here), &trail, what, ids)
}

fn whole_of(title: &str, who: &Markup, trail: &Markup, what: &Markup, ids: Ids) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(title)) }
            body {
                (top(who, trail))
                main { h1 { (title) } (what) }
                (foot(ids))
            }
        }
    };
    page.into_string()
}

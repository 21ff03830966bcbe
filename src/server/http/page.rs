//! Pages for people: a folder, and why not. They work without script; every text from outside is escaped by maud.

use hyper::StatusCode;
use maud::{DOCTYPE, Markup, Render, html};

use super::answer::Ids;
use super::rows::{Scene, minutes};
use super::target::{Place, Sort, Wish, encode};
use crate::files::{Entry, EntryKind, RelPath};
use crate::proto::escape;
use crate::readable;

/// Where the style is.
pub const STYLE: &str = "/.sealift-web/style.css";

/// Where the icon is.
pub const ICON: &str = "/.sealift-web/icon.svg";

/// Where one logs in.
pub const LOGIN: &str = "/.sealift-web/login";

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
fn top(user: Option<&str>, trail: &Markup) -> Markup {
    html! {
        header {
            nav aria-label="Path" { (trail) }
            div .who {
                @match user {
                    Some(user) => {
                        a href=(home(user)) { (user) }
                        " "
                        a href="/" { "Public" }
                    }
                    None => a href=(LOGIN) { "Log in" },
                }
            }
        }
    }
}

fn home(user: &str) -> String {
    format!("/~{}/", encode(user.as_bytes()))
}

/// The folders above this one, each a link; the heading says which this is.
fn trail(place: &Place) -> Markup {
    let (top, name) = match &place.user {
        Some(user) => (home(user), format!("~{user}")),
        None => (String::from("/"), String::from("Public")),
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
fn column(wish: &Wish, sort: Sort, name: &str) -> Markup {
    let is_now = wish.sort == sort;
    let turned = if is_now && !wish.descending { "&order=desc" } else { "" };
    let direction = is_now.then_some(if wish.descending { "descending" } else { "ascending" });
    html! {
        th scope="col" aria-sort=[direction] .{ (sort.word()) } {
            a href=(format!("?sort={}{turned}", sort.word())) { (name) }
        }
    }
}

/// A folder's page up to its first row.
pub fn folder_head(scene: &Scene, out: &mut String) {
    let title = match (scene.place.path.file_name(), &scene.place.user) {
        (Some(name), _) => escape::for_people(name),
        (None, Some(user)) => format!("~{user}"),
        (None, None) => String::from("Public"),
    };
    let before = html! { (head(&format!("{title} · Sealift"))) };
    let table = html! {
        (top(scene.user.as_deref(), &trail(&scene.place)))
        main {
            h1 { (title) }
            @if !scene.is_sorted {
                p .note { "This folder is too large to be sorted. " code { "?json" } " and " code { "sealift ls" } " list all of it too." }
            }
        }
    };
    // The table is open until its last row: what is written here is put together by hand, from parts that maud escaped.
    DOCTYPE.render_to(out);
    out.push_str("<html lang=\"en\"><head>");
    before.render_to(out);
    out.push_str("</head><body>");
    let opened = table.into_string();
    out.push_str(opened.strip_suffix("</main>").unwrap_or(&opened));
    out.push_str("<table><thead><tr>");
    for (sort, name) in [(Sort::Name, "Name"), (Sort::Size, "Size"), (Sort::Time, "Changed")] {
        column(&scene.wish, sort, name).render_to(out);
    }
    out.push_str("</tr></thead><tbody>");
    if scene.place.path.parent().is_some() {
        html! { tr .up { td .name colspan="3" { a href="../" { "Up" } } } }.render_to(out);
    }
    out.push('\n');
}

/// A folder's next row. `name` is for people, `href` where it is.
pub fn folder_row(entry: &Entry, name: &str, href: &str, out: &mut String) {
    let time = minutes(entry.mtime);
    html! {
        tr .{ (entry.kind.word()) } {
            td .name {
                @match entry.kind {
                    EntryKind::File | EntryKind::Directory => a href=(href) { (name) },
                    EntryKind::Link | EntryKind::Other => span { (name) },
                }
            }
            td .size { @if entry.kind == EntryKind::File { (readable::size(entry.size)) } }
            td .time { time datetime=(format!("{}Z", time.replace(' ', "T"))) { (time) } }
        }
    }
    .render_to(out);
    out.push('\n');
}

/// A folder's page behind its last row.
pub fn folder_tail(scene: &Scene, (entries, bytes): (u64, u64), unread: u64, out: &mut String) {
    out.push_str("</tbody></table>");
    html! {
        p .sum {
            @match entries {
                0 => "Nothing is here.",
                1 => { "1 entry, " (readable::size(bytes)) }
                n => { (n) " entries, " (readable::size(bytes)) }
            }
            @if unread > 0 { " · " (unread) " could not be read" }
            " · times are UTC"
        }
    }
    .render_to(out);
    out.push_str("</main>");
    foot(scene.ids).render_to(out);
    out.push_str("</body></html>\n");
}

/// The root of a server where nobody in particular may read, for somebody who is logged in.
pub fn own_home(user: &str, ids: Ids) -> String {
    let what = html! {
        p { "Nothing is open to everybody here. Your own folder is " a href=(home(user)) { "~" (user) } "." }
    };
    whole("Sealift", Some(user), &what, ids)
}

/// Why not.
pub fn error(status: StatusCode, why: &str, ids: Ids) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let what = html! {
        p { (escape::for_people(why.as_bytes())) }
        p .links {
            a href="/" { "Public folder" }
            @if status == StatusCode::UNAUTHORIZED || status == StatusCode::NOT_FOUND { " · " a href=(LOGIN) { "Log in" } }
        }
    };
    whole(&format!("{} {title}", status.as_str()), None, &what, ids)
}

fn whole(title: &str, user: Option<&str>, what: &Markup, ids: Ids) -> String {
    let trail = html! { ol { li { a href="/" { "Public" } } } };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(title)) }
            body {
                (top(user, &trail))
                main { h1 { (title) } (what) }
                (foot(ids))
            }
        }
    };
    page.into_string()
}

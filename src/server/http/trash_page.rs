//! The page of what was deleted or replaced.

use maud::{Markup, html};

use super::answer::Ids;
use super::page::{local_times, of_user, when};
use super::target::{OWN, Place};
use super::trash;
use super::viewer::Viewer;
use crate::escape;
use crate::files::{EntryKind, RelPath, Trashed};
use crate::readable;

/// What the page is about.
pub struct View<'a> {
    /// Whose it is.
    pub viewer: &'a Viewer,
    /// The folder that the things were in.
    pub folder: &'a Place,
    /// What was just done.
    pub told: Option<&'a str>,
    /// Why it was not.
    pub why: Option<&'a str>,
    /// There is more than is shown.
    pub is_cut: bool,
    /// What is deleted there is kept.
    pub keeps: bool,
}

/// One thing.
pub struct Shown<'a> {
    /// What it is.
    pub entry: &'a Trashed,
    /// The URL that it had.
    pub href: String,
    /// It may be brought back.
    pub may_restore: bool,
    /// It may be removed for good.
    pub may_purge: bool,
}

/// What was deleted or replaced in a folder.
pub fn trash(view: &View<'_>, shown: &[Shown<'_>], ids: Ids) -> String {
    let back = view.folder.url(true);
    let is_all = view.folder.path.is_root();
    let folder = escape::for_people(view.folder.path.as_bytes());
    let what = html! {
        @if let Some(told) = view.told { p .done role="status" { (told) } }
        @if let Some(why) = view.why { p .wrong role="alert" { (escape::for_people(why.as_bytes())) } }
        p .note {
            @if is_all { "What was deleted or replaced in " a href=(back) { "your folder" } ", the latest first." }
            @else {
                "What was deleted or replaced in " a href=(back) { (folder) } ", the latest first. "
                a href=(own(trash::PATH)) { "All of your folder" }
            }
        }
        @if shown.is_empty() && !view.keeps {
            p { "Nothing is kept here: what is deleted or replaced in this folder is gone for good." }
        }
        @else if shown.is_empty() { p { "Nothing is here." } }
        @else {
            @if shown.iter().any(|shown| shown.may_purge) { (empty(view, &back, is_all, &folder)) }
            ul .links .trash { @for shown in shown { (row(shown, &back)) } }
        }
        @if view.is_cut { p .note { "That is not all. “Trash” in a folder shows what was in that one." } }
        (local_times())
    };
    of_user("Trash", (view.viewer, ""), &what, ids)
}

fn own(path: &str) -> String {
    format!("/{OWN}/{path}")
}

/// The question before all of it goes: opened by who means it.
fn empty(view: &View<'_>, back: &str, is_all: bool, folder: &str) -> Markup {
    html! {
        details .sure {
            summary .button { "Empty the trash…" }
            form .card method="post" action=(own(trash::EMPTY)) {
                p {
                    "All that was deleted or replaced in "
                    @if is_all { "your folder" } @else { (folder) }
                    " goes for good"
                    @if view.is_cut { ", also what is not shown" }
                    ". Nobody can bring it back."
                }
                input type="hidden" name="path" value=(back);
                input type="hidden" name="all" value="yes";
                input type="hidden" name="back" value=(back);
                div .buttons .begin { button .grave type="submit" { "Empty it" } }
            }
        }
    }
}

fn row(Shown { entry, href, may_restore, may_purge }: &Shown<'_>, back: &str) -> Markup {
    let Trashed { id, path, kind, size, files, .. } = entry;
    let name = escape::for_people(path.file_name().unwrap_or_default());
    let above = path.parent().filter(|folder| !folder.is_root());
    let above = above.as_ref().map(RelPath::as_bytes).map(escape::for_people);
    let hidden = html! {
        input type="hidden" name="path" value=(href);
        input type="hidden" name="id" value=(id.to_string());
        input type="hidden" name="back" value=(back);
    };
    html! {
        li .card {
            div {
                h2 { (name) }
                p .sum {
                    @match kind {
                        EntryKind::Directory => {
                            "Folder"
                            @if let Some(files) = files { " of " (files) (if *files == 1 { " file, " } else { " files, " }) (readable::size(*size)) }
                        }
                        EntryKind::File => (readable::size(*size)),
                        EntryKind::Link | EntryKind::Other => "Link",
                    }
                    @if let Some(above) = &above { " · in " (above) }
                    " · " (when(id.deleted()))
                }
            }
            @if *may_restore {
                form method="post" action=(own(trash::RESTORE)) {
                    (hidden)
                    button type="submit" aria-label=(format!("Restore {name}")) { "Restore" }
                }
            }
            @if *may_restore || *may_purge {
                details {
                    summary aria-label=(format!("More for {name}")) { "⋯" }
                    @if *may_restore {
                        form method="post" action=(own(trash::RESTORE)) {
                            (hidden)
                            label {
                                "Restore under another name"
                                input name="to" value=(escape::for_people(path.as_bytes())) required autocapitalize="none" spellcheck="false";
                            }
                            button type="submit" { "Restore so" }
                        }
                    }
                    @if *may_restore && *kind == EntryKind::Directory {
                        form method="post" action=(own(trash::RESTORE)) {
                            (hidden)
                            label {
                                "Restore one file or folder of it"
                                input name="part" required autocapitalize="none" spellcheck="false";
                            }
                            button type="submit" { "Restore that" }
                        }
                    }
                    @if *may_purge {
                        form method="post" action=(own(trash::EMPTY)) {
                            (hidden)
                            button .grave type="submit" aria-label=(format!("Delete {name} for good")) { "Delete for good" }
                        }
                    }
                }
            }
        }
    }
}

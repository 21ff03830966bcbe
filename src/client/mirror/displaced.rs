//! What a mirror has moved out of the way: kept in mind over all connections of a run, and recognised by the next run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_std::task::spawn_blocking;

use super::carry_out::{Came, Place, put_back};
use super::plan::{Replacement, Tree};
use super::pull::Here;
use super::push::There;
use super::report::Report;
use crate::client::connection::Client;
use crate::client::destination::Destination;
use crate::client::observer::{Silent, Skip};
use crate::error::{Error, Kind, Result};
use crate::files::aside::{aside_path, name_before};
use crate::files::{Hash, RelPath};
use crate::sync::Mutex;

/// What one run of a mirror has moved aside and has neither put back nor removed yet. Handed to every attempt of the run,
/// it lets each go on where the one before was cut off. Cheap to clone; the clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Displaced(Arc<Mutex<Vec<Moved>>>);

/// Something that was moved aside.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    /// The name it had, and that of what comes in its place.
    pub(super) path: RelPath,
    /// The name it has meanwhile.
    pub(super) aside: RelPath,
    /// All that goes with it, by the names of before: each path before the folder it is in.
    pub(super) gone: Vec<RelPath>,
    /// Folders made in its place, each before what is in it.
    pub(super) made: Vec<RelPath>,
    /// Files that went to its place whole.
    pub(super) came: Vec<(RelPath, Hash)>,
    /// Links that were made there, with their texts.
    pub(super) links: Vec<(RelPath, Vec<u8>)>,
    /// All has come, and it is being removed.
    pub(super) is_going: bool,
}

impl Moved {
    /// For a replacement, with a name beside its own that nothing has.
    pub(super) fn new(replacement: &Replacement) -> Result<Moved> {
        let Replacement { path, gone, make, .. } = replacement;
        let aside = aside_path(path)?;
        let (path, gone, made) = (path.clone(), gone.clone(), make.clone());
        Ok(Moved { path, aside, gone, made, came: Vec::new(), links: Vec::new(), is_going: false })
    }

    /// Where something that was in the way is now.
    pub(super) fn now(&self, path: &RelPath) -> Result<RelPath> {
        let inside = path.strip_prefix(&self.path).unwrap_or_default();
        self.aside.join(inside.as_bytes())
    }
}

impl Displaced {
    /// Whether nothing is moved aside.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// What is moved aside, each by its own name and by the one it has meanwhile, as paths in the mirrored folder `top`.
    /// After a lost line it is not certain of any whether it was moved.
    pub fn names(&self, top: &Path) -> Vec<(PathBuf, PathBuf)> {
        let shown = |path: &RelPath| top.join(path.as_path());
        self.0.lock().iter().map(|moved| (shown(&moved.path), shown(&moved.aside))).collect()
    }

    /// Puts back, over a new connection, what an interrupted run has moved aside in the folder `to` of the server, and
    /// removes what it has sent in its place.
    ///
    /// # Errors
    /// What ends the connection.
    pub async fn put_back_there(&self, client: &mut Client, to: &RelPath) -> Result<()> {
        let (displaced, to) = (self.clone(), to.clone());
        client
            .run(move |session| put_back(&mut There { session, to: &to }, &displaced, &mut Report::new(&Silent)))
            .await
    }

    /// Puts back what an interrupted run has moved aside in the local folder `into`, and removes what came in its place.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn put_back_here(&self, into: &Path) -> Result<()> {
        let (displaced, folder) = (self.clone(), into.to_owned());
        spawn_blocking(move || {
            let into = Destination::open(&folder)?;
            put_back(&mut Here { into: &into, folder: &folder }, &displaced, &mut Report::new(&Silent))
        })
        .await
    }

    pub(super) fn add(&self, moved: &[Moved]) {
        self.0.lock().extend_from_slice(moved);
    }

    /// All of it.
    pub(super) fn all(&self) -> Vec<Moved> {
        self.0.lock().clone()
    }

    /// It is put back, or gone.
    pub(super) fn forget(&self, aside: &RelPath) {
        self.0.lock().retain(|moved| moved.aside != *aside);
    }

    /// This has come to where it belongs.
    pub(super) fn came(&self, came: Came) {
        let mut all = self.0.lock();
        let at = |all: &[Moved], path: &RelPath| all.iter().position(|moved| path.strip_prefix(&moved.path).is_some());
        for (path, hash) in came.files {
            if let Some(moved) = at(&all, &path).and_then(|at| all.get_mut(at)) {
                moved.came.push((path, hash));
            }
        }
        for (path, text) in came.links {
            if let Some(moved) = at(&all, &path).and_then(|at| all.get_mut(at)) {
                moved.links.push((path, text));
            }
        }
    }

    /// From now on all of it is being removed.
    pub(super) fn goes(&self) {
        self.0.lock().iter_mut().for_each(|moved| moved.is_going = true);
    }
}

/// Gives what was moved aside its name again where nothing else has that, whichever run has moved it. What this run has
/// moved and sent something in the place of stays aside and goes at the end; what another run has left so is told and
/// stays. Says whether anything was put back: then the destination is to be looked at again.
///
/// # Errors
/// Those that end the connection.
pub(super) fn recover(
    place: &mut impl Place,
    (source, destination): (&Tree, &Tree),
    displaced: &Displaced,
    dry_run: bool,
    report: &mut Report<'_>,
) -> Result<bool> {
    let ours = displaced.all();
    let is_there = |moved: &Moved| destination.asides.contains(&moved.aside);
    if destination.is_whole {
        ours.iter().filter(|moved| !is_there(moved)).for_each(|moved| displaced.forget(&moved.aside));
    }
    let mut moves = Vec::new();
    for aside in &destination.asides {
        let known = ours.iter().find(|moved| moved.aside == *aside);
        let before = match known {
            Some(moved) => Some(moved.path.clone()),
            None => path_before(aside, source),
        };
        match before.filter(|path| destination.is_free(path)) {
            Some(path) if !dry_run => moves.push((aside.clone(), path)),
            _ if known.is_some() => {}
            _ => report.skipped(&place.shown(aside), Skip::Aside),
        }
    }
    if moves.is_empty() {
        return Ok(false);
    }
    let mut is_any = false;
    for (outcome, (aside, path)) in place.rename(&moves)?.into_iter().zip(&moves) {
        match outcome {
            Ok(()) => {
                is_any = true;
                let is_ours = ours.iter().any(|moved| moved.aside == *aside);
                displaced.forget(aside);
                if !is_ours {
                    report.observer.put_back(&place.shown(path));
                }
            }
            // Two were moved out of the way of one name, or somebody was faster.
            Err(error) if matches!(error.kind(), Kind::Exists | Kind::NotFound) => {
                report.skipped(&place.shown(aside), Skip::Aside);
            }
            Err(error) => {
                let text = format!("{}: not put back: it is kept as {aside}", error.text());
                report.failed_elsewhere(place.shown(path), Error::new(error.kind(), text));
            }
        }
    }
    Ok(is_any)
}

/// What a path was before it was moved aside. What is at the source is what it was moved out of the way of, and so has
/// its name.
fn path_before(aside: &RelPath, source: &Tree) -> Option<RelPath> {
    let folder = aside.parent().unwrap_or_default();
    let siblings = source.items.keys().filter(|path| path.parent().as_ref() == Some(&folder));
    let name = name_before(aside.file_name()?, siblings.filter_map(RelPath::file_name))?;
    folder.join(name).ok()
}

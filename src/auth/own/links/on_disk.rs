//! The links as they stand on the disk, where other servers may write them, too.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::changes::{Changes, News, Turn, still_changing};
use super::super::folder::{LINKS, read_small};
use super::super::link::Kept;
use super::super::link::{Link, LinkUse};
use super::{Links, id_of};
use crate::error::{Error, Kind, Result};
use crate::files::Hash;
use crate::fresh_file::{Fresh, sync_parent};
use crate::limits;
use crate::sync::MutexGuard;

/// Whoever writes to the disk.
pub(in crate::auth::own) struct Writing<'a> {
    /// Given up first.
    across: Option<Turn>,
    #[expect(dead_code, reason = "held")]
    here: MutexGuard<'a, ()>,
}

impl Writing<'_> {
    /// Tells other servers that this file is about to be changed.
    pub(super) fn begin(&mut self, path: &Path) -> Result<()> {
        self.across.as_mut().map_or(Ok(()), |turn| turn.begin(path))
    }

    /// Gives what was begun its place.
    pub(super) fn put_in_place(&self, fresh: Fresh) -> Result<()> {
        match &self.across {
            Some(turn) => turn.put_in_place(fresh),
            None => fresh.put_in_place(),
        }
    }

    /// Whether there are other servers.
    pub(super) fn is_across(&self) -> bool {
        self.across.is_some()
    }

    /// Tells other servers of this file.
    pub(super) fn tell(&mut self, path: &Path) -> Result<()> {
        self.across.as_mut().map_or(Ok(()), |turn| turn.changed(path))
    }
}

impl Links {
    /// Who writes to the disk is alone with it, among all servers, and knows what the others have written.
    pub(in crate::auth::own) fn alone(&self) -> Result<Writing<'_>> {
        let begun = Instant::now();
        let here = match self.changes {
            None => self.writing(),
            Some(_) => self.writing.lock_within(limits::SHARED_STATE_TURN).ok_or_else(still_changing)?,
        };
        self.left.refuse()?;
        let across = self.changes.as_ref().map(|changes| changes.alone(begun)).transpose()?;
        if across.is_some() {
            self.take_written(across.as_ref())?;
        }
        Ok(Writing { across, here })
    }

    /// Waits for whoever writes to the disk, but not for long: whoever comes later sees that they were left.
    pub fn wait_for_writing(&self) {
        drop(self.writing.lock_within(limits::CLOSE_DRAIN));
    }

    /// Those that are over and may go. None does before it is known that this machine's clock is none that shows another year, by what it
    /// showed before and, where other servers have them, too, by theirs: they give nothing as long as it does, and again what they gave
    /// when it is set.
    pub(super) fn over(&self) -> Vec<Arc<Link>> {
        match self.clock.is_believed() && self.changes.as_ref().is_none_or(Changes::goes_by_age) {
            true => self.those(|kept| kept.link.is_over()),
            false => Vec::new(),
        }
    }

    /// Removes the files that were emptied because their links were withdrawn, by a server that was killed before it had removed them, or
    /// could not. Returns what could not be removed.
    pub(super) fn remove_emptied(&self, writing: &mut Writing<'_>) -> Vec<Error> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let failed = |err| Error::file(folder.display(), err);
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(err) => return vec![failed(err)],
        };
        let mut trouble = Vec::new();
        for entry in entries {
            let removed = entry.map_err(failed).and_then(|entry| match is_emptied(&entry) {
                true => remove(&entry.path(), writing),
                false => Ok(()),
            });
            trouble.extend(removed.err());
        }
        trouble
    }

    /// Whether other servers have them, too.
    pub(in crate::auth::own) fn are_of_several(&self) -> bool {
        self.changes.is_some()
    }

    /// Takes over what other servers have made, used up and withdrawn since, or the next one of those that were left; whether that is anything but use. Nothing while somebody
    /// writes, for whom nobody is to wait here.
    ///
    /// # Errors
    /// That it is not known.
    pub fn take_others(&self) -> Result<bool> {
        if let Some(_alone) = self.writing.try_lock() {
            self.take_written(None)?;
        }
        Ok(self.is_changed.swap(false, Ordering::Relaxed))
    }

    /// Takes over what other servers have made, used up and withdrawn since, for whoever has [`Links::writing`].
    pub(super) fn take_written(&self, turn: Option<&Turn>) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut followed = self.followed.lock();
        // Up to there only when all of it is read.
        let mut until = followed.clone();
        let news = match &self.changes {
            Some(changes) => changes.news(LINKS, &mut until, turn)?,
            None => self.left.news(folder, &mut until),
        };
        let (is_changed, is_all) = match news {
            News::Nothing => {
                *followed = until;
                return Ok(());
            }
            News::These(files) => self.read_some(&files, turn),
            News::Anything => {
                let mut all: BTreeSet<PathBuf> = fs::read_dir(folder)
                    .and_then(|there| there.map(|entry| Ok(entry?.path())).collect())
                    .map_err(|err| Error::file(folder.display(), err))?;
                all.extend(self.table().keys().filter_map(|secret| self.file(secret).ok()));
                self.read_some(&all, turn)
            }
        };
        if is_all {
            *followed = until;
        }
        self.is_changed.fetch_or(is_changed, Ordering::Relaxed);
        Ok(())
    }

    /// Whether any of them is new or gone, and whether all could be read. What cannot be read gives nothing to whoever has a turn: he
    /// would write what is old over what another server wrote.
    fn read_some<'a>(&self, files: impl IntoIterator<Item = &'a PathBuf>, turn: Option<&Turn>) -> (bool, bool) {
        let (mut is_changed, mut is_all) = (false, true);
        for file in files {
            match read_one(file) {
                Some(Ok((link, used))) => {
                    let mut table = self.table();
                    match table.get_mut(&link.secret) {
                        Some(kept) => kept.used = used,
                        None => {
                            table.insert(link.secret, Kept::new(Arc::new(link), used));
                            is_changed = true;
                        }
                    }
                }
                Some(Err(error)) => {
                    // Withdrawn: also where only what was in it could be done away with.
                    let is_gone = matches!(error.kind(), Kind::NotFound | Kind::BadConfig);
                    if !is_gone {
                        tracing::debug!(%error, "a link that another server changed cannot be read");
                        is_all = false;
                    }
                    if is_gone || turn.is_some() {
                        let mut table = self.table();
                        let before = table.len();
                        table.retain(|secret, _| self.file(secret).is_ok_and(|own| own != *file));
                        is_changed |= table.len() != before;
                    }
                }
                None => {}
            }
        }
        (is_changed, is_all)
    }
}

/// The links in this folder that can be read.
pub(in crate::auth::own) fn links_in(path: &Path) -> Vec<Arc<Link>> {
    read_all(path).0.into_values().map(|kept| kept.link).collect()
}

/// The links in this folder, and what cannot be read of it.
pub(super) fn read_all(path: &Path) -> (HashMap<Hash, Kept>, Vec<Error>) {
    let (mut table, mut trouble) = (HashMap::new(), Vec::new());
    let entries = fs::read_dir(path).map_err(|err| trouble.push(Error::file(path.display(), err)));
    for entry in entries.into_iter().flatten() {
        let file = entry.map(|entry| path.join(entry.file_name())).map_err(|err| Error::file(path.display(), err));
        match file.map_or_else(|error| Some(Err(error)), |file| read_one(&file)) {
            Some(Ok((link, used))) => {
                table.insert(link.secret, Kept::new(Arc::new(link), used));
            }
            // Withdrawn, and swept soon.
            Some(Err(error)) if error.kind() == Kind::NotFound => {}
            Some(Err(error)) => trouble.push(error),
            None => {}
        }
    }
    (table, trouble)
}

/// Whether there is nothing in this file of a link, which nobody makes.
fn is_emptied(entry: &fs::DirEntry) -> bool {
    let is_empty = entry.metadata().is_ok_and(|there| there.is_file() && there.len() == 0);
    is_empty && matches!(read_one(&entry.path()), Some(Err(error)) if error.kind() == Kind::NotFound)
}

fn remove(path: &Path, writing: &mut Writing<'_>) -> Result<()> {
    writing.begin(path)?;
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(Error::file(path.display(), err)),
        Ok(()) | Err(_) => sync_parent(path)?,
    }
    writing.tell(path)
}

/// The link in this file; none if it is not called as one.
fn read_one(file: &Path) -> Option<Result<(Link, LinkUse)>> {
    let name = file.file_name()?.as_bytes();
    let id = name.strip_suffix(b".toml").filter(|_| !name.starts_with(b"."))?;
    let text = match read_small(file, limits::OWN_RECORD_MAX) {
        Ok(text) => text,
        Err(error) => return Some(Err(error)),
    };
    if text.is_empty() {
        // What a link that is withdrawn leaves for a moment.
        return Some(Err(Error::new(Kind::NotFound, format!("{}: is withdrawn", file.display()))));
    }
    let parsed = Link::parse(&text).filter(|(link, _)| id_of(&link.secret).as_bytes() == id);
    Some(parsed.ok_or_else(|| {
        let text = format!("{}: is no link, not whole, or was changed by hand", file.display());
        Error::new(Kind::BadConfig, text)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::folder::StateFolder;
    use super::super::super::link::{LinkTerms, LinkTo};
    use super::*;
    use crate::auth::hash::tests::cheap_hash;
    use crate::auth::{Principal, Secret, Users};
    use crate::files::RelPath;

    /// The users file, which has alice alone, with these links; and alice.
    fn alice(links: &Arc<Links>) -> (Users, Principal) {
        let text = format!("[users.alice]\npassword = \"{}\"\n", cheap_hash("p"));
        let users = Users::parse(&text, "users.toml").unwrap().with_links(links.clone());
        let maker = users.verify("alice", &Secret::new("p"), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        (users, maker)
    }

    /// To a file.
    fn terms(expires: Option<u64>) -> LinkTerms {
        let path = RelPath::parse(b"f").unwrap();
        LinkTerms { to: LinkTo::File, path, folder: None, name: None, expires, password: None, downloads: None }
    }

    #[test]
    fn a_link_of_another_server_that_cannot_be_read_gives_nothing_and_is_read_later() {
        let dir = tempfile::tempdir().unwrap();
        let node = |name: &str| StateFolder::open_shared(dir.path(), name, || Ok(())).unwrap();
        let (one, other) = (node("one"), node("other"));
        let (users, maker) = alice(&Arc::new(Links::load(&one).0));
        let first = users.make_link(&maker, terms(None)).unwrap().1;
        let links = Links::load(&other).0;
        assert_eq!(links.table().len(), 1);
        // Nobody knows what was changed before, so that all there is is read.
        fs::remove_dir_all(dir.path().join("changes")).unwrap();
        let second = users.make_link(&maker, terms(None)).unwrap().1;
        let (file, aside) = (links.file(&first.secret).unwrap(), dir.path().join("aside"));
        fs::rename(&file, &aside).unwrap();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        drop(links.alone().unwrap());
        let there = |link: &Link| links.table().contains_key(&link.secret);
        assert_eq!((there(&first), there(&second)), (false, true));
        fs::rename(&aside, &file).unwrap();
        assert!(links.take_others().unwrap());
        assert_eq!((there(&first), there(&second)), (true, true));
        assert!(!links.take_others().unwrap());
    }

    /// As over a file system that never answers a call of this very server.
    #[test]
    fn one_who_does_not_come_back_from_the_disk_is_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open_shared(dir.path(), "a", || Ok(())).unwrap();
        let links = Links::load(&folder).0;
        let hangs = links.writing();
        assert_eq!(links.alone().err().unwrap().kind(), Kind::Io);
        drop(hangs);
        drop(links.alone().unwrap());
    }

    #[test]
    fn what_one_that_was_killed_has_emptied_is_no_trouble_and_goes_by_a_sweep() {
        for node in [None, Some("a")] {
            let dir = tempfile::tempdir().unwrap();
            let folder = || match node {
                None => StateFolder::open(dir.path()).unwrap(),
                Some(node) => StateFolder::open_shared(dir.path(), node, || Ok(())).unwrap(),
            };
            let links = Arc::new(Links::load(&folder()).0);
            let (before, maker) = alice(&links);
            let make = || before.make_link(&maker, terms(None)).unwrap().1;
            let (withdrawn, stays) = (links.file(&make().secret).unwrap(), links.file(&make().secret).unwrap());
            // As where it is killed in the middle of withdrawing it.
            links.alone().unwrap().begin(&withdrawn).unwrap();
            fs::write(&withdrawn, "").unwrap();
            let (links, trouble) = Links::load(&folder());
            assert!(trouble.is_empty(), "{trouble:?}");
            let after = before.with_links(Arc::new(links));
            let mut other = folder().followed();
            assert!(after.sweep_links(true).is_empty());
            assert_eq!((withdrawn.exists(), stays.exists()), (false, true));
            if let Some(changes) = folder().changes() {
                assert_eq!(changes.news(LINKS, &mut other, None).unwrap(), News::These(vec![withdrawn]));
            }
        }
    }

    #[test]
    fn links_of_whom_one_of_several_servers_does_not_know_stay() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open_shared(dir.path(), "a", || Ok(())).unwrap();
        let links = Arc::new(Links::load(&folder).0);
        let (users, maker) = alice(&links);
        users.make_link(&maker, terms(None)).unwrap();
        let smaller = Users::parse("", "users.toml").unwrap().with_links(links.clone());
        for _ in 0..3 {
            assert!(smaller.sweep_links(false).is_empty());
        }
        assert_eq!((fs::read_dir(folder.links()).unwrap().count(), links.table().len()), (1, 1));
    }

    #[test]
    fn one_of_several_servers_that_does_not_know_the_time_removes_no_link_that_is_over_by_its_clock() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open_shared(dir.path(), "a", || Ok(())).unwrap();
        let links = Arc::new(Links::load(&folder).0);
        let (users, maker) = alice(&links);
        let make = |expires| users.make_link(&maker, terms(expires)).unwrap();
        let there = || fs::read_dir(folder.links()).unwrap().count();
        make(Some(1));
        make(None);
        assert_eq!(there(), 2, "whoever makes another one removes it");
        assert!(users.sweep_links(false).is_empty());
        assert_eq!((there(), links.table().len()), (2, 2));
        // They take no room meanwhile, as long as they are not too many.
        (2..limits::LINKS_OF_USER).for_each(|_| drop(make(Some(1))));
        make(None);
        // The clocks agree.
        let folder = folder.removing_old_if(|| true);
        let users = users.with_links(Arc::new(Links::load(&folder).0));
        assert!(users.sweep_links(false).is_empty());
        assert_eq!(fs::read_dir(folder.links()).unwrap().count(), 2);
    }

    #[test]
    fn a_server_whose_clock_is_weeks_ahead_of_what_it_showed_removes_no_link_or_invitation_that_is_over_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let shown = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let clock = dir.path().join("clock");
        let folder = StateFolder::open(dir.path()).unwrap();
        let (mut users, maker) = alice(&Arc::new(Links::load(&folder).0));
        users.make_link(&maker, terms(Some(1))).unwrap();
        folder.invite(users.get("alice").unwrap(), 0).unwrap();
        for (days, links, invitations) in [(40, 2, 2), (0, 1, 1)] {
            fs::write(&clock, (shown - days * limits::DAY.as_secs()).to_string()).unwrap();
            let folder = StateFolder::open(dir.path()).unwrap();
            users = users.with_links(Arc::new(Links::load(&folder).0));
            if days > 0 {
                users.make_link(&maker, terms(None)).unwrap();
            }
            assert!(users.sweep_links(false).is_empty());
            assert_eq!(fs::read_dir(folder.links()).unwrap().count(), links, "{days}");
            folder.invite(users.get("alice").unwrap(), 0).unwrap();
            assert_eq!(folder.invitations().unwrap().len(), invitations, "{days}");
        }
    }
}

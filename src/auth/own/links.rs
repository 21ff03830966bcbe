//! All links of a server: in memory to be looked up, and a file for each, written before what it says is given out.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use super::changes::{Changes, Followed};
use super::clock::Clock;
use super::folder::StateFolder;
use super::for_users;
use super::left::Left;
use super::link::{Kept, Link, LinkTo, LinkUse};
use crate::auth::{Grants, Principal, Secret, User, Users};
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath};
use crate::fresh_file::{Fresh, sync_parent};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// Hexadecimal digits of the hash of a link's secret that its file is called by.
const ID: usize = 16;

mod made;
mod on_disk;

pub(in crate::auth::own) use on_disk::links_in;
use on_disk::{Writing, read_all};

/// All links. None where the server keeps nothing of what users do.
#[derive(Debug, Default)]
pub struct Links {
    folder: Option<PathBuf>,
    /// What other servers change there, if there are any, and up to where that is taken over.
    changes: Option<Changes>,
    followed: Mutex<Followed>,
    /// Whether they are the next server's.
    left: Left,
    clock: Clock,
    /// What was taken over is more than what was used up, and nobody was told yet.
    is_changed: AtomicBool,
    table: Mutex<HashMap<Hash, Kept>>,
    /// Held by whoever writes to the disk: what is looked up does not wait for it.
    writing: Mutex<()>,
}

/// A link with what is used up of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkShown {
    /// The link.
    pub link: Arc<Link>,
    /// What is used up of it.
    pub used: LinkUse,
    /// It gives nothing now, though it is not over: its maker may not do any more what it gives, or its path is in another folder.
    pub is_void: bool,
}

/// Somebody who comes by a link, and has not given its password yet if it has one.
#[derive(Debug)]
pub struct AtLink {
    link: Arc<Link>,
    principal: Principal,
}

impl AtLink {
    /// Whether the link takes a password.
    pub fn needs_password(&self) -> bool {
        self.link.has_password()
    }

    /// Who it would be.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Who it is, if this is the link's password. Blocks for an argon2 if it has one.
    ///
    /// # Errors
    /// [`Kind::LoginRequired`] without a password where there is one, [`Kind::LoginFailed`] for a wrong one.
    pub fn open(self, password: Option<&Secret>) -> Result<Principal> {
        let right = match (self.link.has_password(), password) {
            (false, _) => true,
            (true, None) => return Err(Error::new(Kind::LoginRequired, "this link takes a password")),
            (true, Some(password)) if password.expose().len() > limits::PASSWORD_MAX => false,
            (true, Some(password)) => self.link.opens_with(password)?,
        };
        let wrong = || Error::new(Kind::LoginFailed, "that is not the password of this link");
        right.then_some(self.principal).ok_or_else(wrong)
    }
}

/// What is said to whoever comes by a link that is not there, is over, or has another password.
pub(super) fn void() -> Error {
    Error::new(Kind::LoginFailed, "there is no such link, or it is over")
}

impl Links {
    /// Reads all links of this folder. What cannot be read is returned, and gives nothing.
    pub fn load(folder: &StateFolder) -> (Links, Vec<Error>) {
        let path = folder.links();
        let followed = folder.followed();
        let (table, trouble) = read_all(&path);
        let links = Links {
            folder: Some(path),
            changes: folder.changes().cloned(),
            followed: Mutex::new(followed),
            left: folder.is_left.clone(),
            clock: folder.clock().clone(),
            is_changed: AtomicBool::new(false),
            table: Mutex::new(table),
            writing: Mutex::default(),
        };
        (links, trouble)
    }

    pub(super) fn table(&self) -> MutexGuard<'_, HashMap<Hash, Kept>> {
        self.table.lock()
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock()
    }

    /// Lets whoever writes to the disk wait, as a slow one does.
    #[cfg(test)]
    pub fn stall(&self) -> MutexGuard<'_, ()> {
        self.writing()
    }

    fn file(&self, secret: &Hash) -> Result<PathBuf> {
        let none = || Error::new(Kind::Denied, "this server keeps nothing of what users do, and so no links");
        Ok(self.folder.as_ref().ok_or_else(none)?.join(format!("{}.toml", id_of(secret))))
    }

    pub(super) fn write(&self, writing: &mut Writing<'_>, link: &Link, used: LinkUse) -> Result<()> {
        let path = self.file(&link.secret)?;
        let fresh = Fresh::beside(&path, &link.to_text(used)?).map_err(for_users)?;
        writing.begin(&path)?;
        writing.put_in_place(fresh).map_err(for_users)?;
        writing.tell(&path)
    }

    fn remove(&self, writing: &mut Writing<'_>, link: &Link) -> Result<()> {
        // It gives nothing from here on, whatever the disk says.
        if let Some(kept) = self.table().get_mut(&link.secret) {
            kept.is_withdrawn = true;
        }
        let path = self.file(&link.secret)?;
        if writing.is_across() {
            // What is empty is no link. If this one has lost the lock by now it stays as the others have it, and is not removed behind
            // their backs.
            let empty = Fresh::beside(&path, "").map_err(for_users)?;
            writing.begin(&path)?;
            writing.put_in_place(empty).map_err(for_users)?;
        }
        match fs::remove_file(&path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                // What is empty is no link for another start either. Where that fails too, a sweep tries again.
                let emptied =
                    OpenOptions::new().write(true).truncate(true).open(&path).and_then(|file| file.sync_all());
                let _the_sweep_tries_again = emptied;
                let _ = writing.tell(&path);
                return Err(for_users(Error::file(path.display(), err)));
            }
            // Also if it was gone: the one that removed it may not have been synced.
            Ok(()) | Err(_) => sync_parent(&path).map_err(for_users)?,
        }
        writing.tell(&path)?;
        self.table().remove(&link.secret);
        Ok(())
    }

    /// This very link, if it is there still and was not withdrawn.
    pub(super) fn get(&self, link: &Link) -> Option<Arc<Link>> {
        self.table().get(&link.secret).filter(|kept| !kept.is_withdrawn).map(|kept| kept.link.clone())
    }

    /// Whether something is left of what this link gives that nobody has taken.
    pub fn has_room(&self, link: &Link) -> bool {
        self.table().get(&link.secret).is_some_and(|kept| kept.link.has_room(kept.used))
    }

    /// Whether as much has come by this link as it takes.
    pub fn is_full(&self, link: &Link) -> bool {
        self.table().get(&link.secret).is_some_and(|kept| kept.link.is_full(&kept.used))
    }

    fn those(&self, wanted: impl Fn(&Kept) -> bool) -> Vec<Arc<Link>> {
        self.table().values().filter(|kept| wanted(kept)).map(|kept| kept.link.clone()).collect()
    }

    /// Those that belong to this entry of the users file, by their names.
    fn of(&self, user: &User) -> Vec<LinkShown> {
        let is_of = |kept: &&Kept| kept.link.maker == user.name() && kept.link.entry == user.tag();
        let shown = |kept: &Kept| {
            let (link, used) = (kept.link.clone(), kept.used.with(kept.coming));
            LinkShown { link, used, is_void: false }
        };
        let mut all: Vec<LinkShown> = self.table().values().filter(is_of).map(shown).collect();
        all.sort_by(|one, other| one.link.name.cmp(&other.link.name));
        all
    }

    /// Whether one has come to its end since that moment, up to this one.
    pub(in crate::auth) fn expired_between(&self, since: SystemTime, until: SystemTime) -> bool {
        let secs = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (since, until) = (secs(since), secs(until));
        since < until
            && self.table().values().any(|kept| kept.link.expires.is_some_and(|end| since < end && end <= until))
    }

    /// Takes something of what this link gives, for as long as `take` can say what is used up then. It is on the disk when this
    /// returns.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`] if that is not there, or the link is not; those of the disk.
    pub fn take(&self, link: &Link, take: impl FnOnce(LinkUse) -> Option<LinkUse>) -> Result<()> {
        let mut writing = self.alone()?;
        let kept = self.table().get(&link.secret).filter(|kept| !kept.is_withdrawn).cloned().ok_or_else(void)?;
        let used = take(kept.used).ok_or_else(void)?;
        self.write(&mut writing, &kept.link, used)?;
        if let Some(kept) = self.table().get_mut(&link.secret) {
            kept.used = used;
        }
        Ok(())
    }

    /// Takes one download.
    ///
    /// # Errors
    /// As [`Links::take`].
    pub fn take_download(&self, link: &Link) -> Result<()> {
        let most = link.downloads.unwrap_or(u32::MAX);
        self.take(link, |used| {
            (used.downloads < most).then(|| LinkUse { downloads: used.downloads.saturating_add(1), ..used })
        })
    }

    /// Gives one back that was not finished.
    ///
    /// # Errors
    /// As [`Links::take`].
    pub fn give_download_back(&self, link: &Link) -> Result<()> {
        self.take(link, |used| Some(LinkUse { downloads: used.downloads.saturating_sub(1), ..used }))
    }
}

fn id_of(secret: &Hash) -> String {
    secret.to_string().chars().take(ID).collect()
}

impl Users {
    /// The same users with these links.
    pub fn with_links(mut self, links: Arc<Links>) -> Users {
        self.links = links;
        self
    }

    /// All links.
    pub fn links(&self) -> &Arc<Links> {
        &self.links
    }

    /// Whoever has this secret and is at that address; nobody yet, if the link takes a password.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], in the same words and at the same cost, if there is no such link, if it is over or withdrawn, or if its
    /// maker may not do now what it gives. What is used up is asked of [`Links::has_room`]: who took the last of it comes by it yet.
    pub fn at_link(&self, secret: &Secret, from: IpAddr) -> Result<AtLink> {
        // By its hash: neither how it is looked up nor how it is compared tells anything of any secret.
        let hash = Hash::of(secret.expose());
        let kept = self.links.table().get(&hash).cloned().ok_or_else(void)?;
        let principal = self.by_link(&kept.link, from).ok_or_else(void)?;
        Ok(AtLink { link: kept.link, principal })
    }

    /// Who somebody is now who came by this link; none if it gives nothing any more.
    pub(in crate::auth) fn by_link(&self, link: &Link, from: IpAddr) -> Option<Principal> {
        let link = self.links.get(link).filter(|link| !link.is_over())?;
        let user = self.get(&link.maker).filter(|user| user.tag() == link.entry)?;
        let now = SystemTime::now();
        let makers = match &link.by {
            None => Grants::clone(&user.grants),
            Some(by) => user.grants.within(user.given_key(by).filter(|key| key.admits(from, now))?),
        };
        makers.admits(from, now).ok()?;
        let folder = match (&link.folder, makers.folder_at(&link.path)) {
            (None, None) => None,
            (Some(then), Some(now)) if then.is(now) => Some(now.clone()),
            // What its path leads to now is not what it was made for.
            (None, Some(_)) | (Some(_), _) => return None,
        };
        // What else is shared with the maker is not seen from there.
        let makers = Grants { folders: folder.iter().cloned().collect(), ..makers };
        let there = match link.to {
            LinkTo::File => makers.access_at(&link.path),
            LinkTo::Folder | LinkTo::Inbox(_) => makers.access_below(&link.path).all,
        };
        let access = link.access(there)?;
        let grants = makers.of_link(&link, access, folder)?;
        Some(Principal::by_link(link, grants, from))
    }

    /// Where in the folder that this link leads to other folders show to its maker, who does not see what lies there.
    pub fn covered_by_link(&self, link: &Link) -> Vec<RelPath> {
        let folders = self.get(&link.maker).map(|maker| &maker.grants.folders);
        folders.into_iter().flatten().filter_map(|folder| folder.at.strip_prefix(&link.path)).collect()
    }

    /// Whether a file of this path would not be seen by the maker of this link: a folder that is shared with the maker shows there,
    /// or in a folder of that name.
    pub fn covers(&self, link: &Link, path: &RelPath) -> bool {
        let maker = self.get(&link.maker);
        maker.is_some_and(|maker| maker.grants.folders.iter().any(|folder| folder.at.is_within(path)))
    }
}

//! Links: what one may make for others, of what one may do oneself.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::info;

use super::Desk;
use super::gate;
use super::located_path::LocatedPath;
use super::running::Running;
use crate::auth::{Access, InboxBounds, Link, LinkFolder, LinkTerms, LinkTo};
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, RelPath};
use crate::limits;
use crate::machine::turns;
use crate::secret::Secret;

/// A link as its maker asks for it.
#[derive(Debug, Clone)]
pub struct LinkWish {
    /// What it is to lead to.
    pub path: RelPath,
    /// It is to put files in, and else to read.
    pub inbox: Option<InboxWish>,
    /// What it is to be called.
    pub name: Option<String>,
    /// When it is to end.
    pub end: LinkEnd,
    /// How often it may be downloaded.
    pub downloads: Option<u64>,
}

/// What is to bound a link that files are put in by; where nothing is said it is as usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct InboxWish {
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// Files.
    pub files: Option<u64>,
}

/// When a link is to end.
#[derive(Debug, Clone, Copy)]
pub enum LinkEnd {
    /// As the server thinks fit.
    Usual,
    /// Never by itself.
    Never,
    /// In so many seconds.
    In(u64),
    /// At this second since 1970.
    At(u64),
}

impl InboxWish {
    fn bounds(self) -> Result<InboxBounds> {
        let bytes = self.bytes.unwrap_or(limits::LINK_INBOX_BYTES);
        let files = self.files.map_or(Ok(limits::LINK_INBOX_FILES), |files| number(files, "files="))?;
        match (1..=limits::LINK_INBOX_BYTES_MAX).contains(&bytes) && files <= limits::LINK_INBOX_FILES_MAX {
            true => Ok(InboxBounds { bytes, files }),
            false => {
                let (bytes, files) = (limits::LINK_INBOX_BYTES_MAX, limits::LINK_INBOX_FILES_MAX);
                Err(Error::new(Kind::BadCommand, format!("a link takes up to {bytes} bytes in {files} files")))
            }
        }
    }
}

impl LinkEnd {
    /// In seconds since 1970.
    fn at(self) -> Result<Option<u64>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match self {
            LinkEnd::Usual => Ok(Some(now + limits::LINK_LIFETIME.as_secs())),
            LinkEnd::Never => Ok(None),
            LinkEnd::In(seconds) => LinkEnd::At(now.saturating_add(seconds)).at(),
            LinkEnd::At(end) if end <= now => Err(Error::new(Kind::BadCommand, "expires= is in the past")),
            LinkEnd::At(end) => Ok(Some(end.min(now + limits::LINK_LIFETIME_MAX.as_secs()))),
        }
    }
}

/// A number from one up to what can be counted.
fn number(n: u64, what: &str) -> Result<u32> {
    let bad = || Error::new(Kind::BadCommand, format!("{what} takes a number from 1 to {}", u32::MAX));
    u32::try_from(n).ok().filter(|n| *n > 0).ok_or_else(bad)
}

impl Desk {
    /// It is about a link to this path.
    pub fn about_link_to(&self, path: &RelPath, running: Running) -> Running {
        running.at(LocatedPath::new(path.clone(), self.principal().grants()))
    }

    /// What a link would be that is asked for so, but for its password.
    ///
    /// # Errors
    /// [`Kind::Denied`] where the user may not do what the link would give; [`Kind::BadCommand`] for what no link is;
    /// [`Kind::NotFound`]; [`Kind::NotDirectory`]; [`Kind::NotRegular`].
    pub fn link_terms(&self, wish: LinkWish, running: &Running) -> Result<LinkTerms> {
        let LinkWish { path, inbox, name, end, downloads } = wish;
        let (to, path) = self.link_to(&path, inbox.map(InboxWish::bounds).transpose()?, running)?;
        let downloads = match (downloads, to) {
            (Some(_), LinkTo::Inbox(_)) => {
                return Err(Error::new(Kind::BadCommand, "a link that receives files gives none"));
            }
            (Some(n), _) => Some(number(n, "downloads=")?),
            (None, _) => None,
        };
        let folder = self.principal().grants().folder_at(&path).map(|folder| LinkFolder::of(folder));
        Ok(LinkTerms { to, path, folder, name, expires: end.at()?, password: None, downloads })
    }

    /// What a link to this path would lead to: to put files in, if it is bounded, and else to read; and the path without links of
    /// what is there, since rules are about that, and another link on the disk must not lead it elsewhere later.
    ///
    /// # Errors
    /// [`Kind::Denied`] where the user may not do what the link would give; [`Kind::NotFound`]; [`Kind::NotDirectory`] for what
    /// files cannot be put in; [`Kind::NotRegular`].
    fn link_to(&self, path: &RelPath, inbox: Option<InboxBounds>, running: &Running) -> Result<(LinkTo, RelPath)> {
        let (is_inbox, name) = (inbox.is_some(), running.name());
        let all_of = |path| gate::check(self.principal(), gate::need_of_link_to_folder(path, is_inbox), name);
        // Whether it is a file or a folder is nobody's to know who may do neither.
        let may_begin = |at: &RelPath| gate::check(self.principal(), gate::need_of_link(at, is_inbox), name);
        may_begin(path)?;
        // Where nothing is, or a link leads out, this says so.
        let rights = if inbox.is_some() { Access::UPLOAD } else { Access::DOWNLOAD };
        let kind = self.meta(path, Access::LINK.union(rights), running.name())?.kind;
        let real = turns::block_in_place(|| self.store.real_path(path));
        if let Ok(real) = &real
            && kind != EntryKind::Link
        {
            // A link on the disk leads to what a shared folder hides, and not into that.
            let grants = self.principal().grants();
            if grants.folder_at(real).map(|folder| &folder.at) != grants.folder_at(path).map(|folder| &folder.at) {
                return Err(Error::new(Kind::Denied, format!("{path}: a shared folder hides what this leads to")));
            }
            may_begin(real)?;
        }
        match (inbox, kind) {
            (Some(bounds), EntryKind::Directory) => {
                let real = real?;
                all_of(path)?;
                all_of(&real)?;
                Ok((LinkTo::Inbox(bounds), real))
            }
            (Some(_), _) => {
                Err(Error::new(Kind::NotDirectory, format!("{path}: not a folder that files could be put in")))
            }
            (None, EntryKind::File) => Ok((LinkTo::File, real?)),
            (None, EntryKind::Directory) => {
                let real = real?;
                all_of(path)?;
                all_of(&real)?;
                Ok((LinkTo::Folder, real))
            }
            (None, EntryKind::Link | EntryKind::Other) => {
                Err(Error::new(Kind::NotRegular, format!("{path}: neither a file nor a folder")))
            }
        }
    }

    /// Makes a link, which is on the disk then: its secret, which is nowhere else.
    ///
    /// # Errors
    /// As [`Users::make_link`](crate::auth::Users::make_link).
    pub fn make_link(&self, terms: LinkTerms) -> Result<(Secret, Arc<Link>)> {
        let (secret, link) = turns::block_in_place(|| self.users().latest().make_link(self.principal(), terms))?;
        let (ticket, user) = (self.ticket(), self.principal().name());
        // Whatever else is left out of the log, this is not.
        info!(
            session = %ticket.id(), peer = %ticket.peer(), user, link = link.name, path = %link.path,
            kind = link.to.word(), "link made"
        );
        Ok((secret, link))
    }

    /// Withdraws a link, and waits for what takes its place just now that came by it: nothing comes by it once this returns, also where
    /// the disk failed. What came of the waiting is beside the link.
    ///
    /// # Errors
    /// As [`Users::remove_link`](crate::auth::Users::remove_link); beside the link, [`Kind::Busy`] if what came by it takes longer than
    /// [`limits::CLAIMS_WAIT`].
    pub fn remove_link(&self, name: &str) -> Result<(Arc<Link>, Result<()>)> {
        let links = self.users().latest().links_of(self.principal());
        let found = links.into_iter().find(|shown| shown.link.name == name).map(|shown| shown.link);
        let removed = turns::block_in_place(|| self.users().remove_link(self.principal(), name));
        if removed.is_ok() {
            let (ticket, user) = (self.ticket(), self.principal().name());
            info!(session = %ticket.id(), peer = %ticket.peer(), user, link = name, "link removed");
        }
        let link = removed.as_ref().ok().or(found.as_ref());
        let over = link.map_or(Ok(()), |link| self.wait_for_link(link));
        removed.map(|link| (link, over))
    }

    fn wait_for_link(&self, link: &Link) -> Result<()> {
        let (by_links, tag) = (self.ticket().registry().by_links(), link.tag());
        match turns::block_in_place(|| by_links.wait(|came_by| *came_by == tag, limits::CLAIMS_WAIT)) {
            Some(_) => Ok(()),
            None => {
                let text = "the link is removed and takes nothing more, but what came by it before is being stored yet";
                Err(Error::new(Kind::Busy, text))
            }
        }
    }
}

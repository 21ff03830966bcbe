//! What is on its way by links that files are put in by. It takes its room in memory before anything is stored, and on the disk before a
//! file takes its place: so never more comes than may, and what a server that was killed was at takes no room of the next one.

use super::link::{InboxBounds, Kept, Link, LinkTo, LinkUse};
use super::links::{LinkShown, Links, void};
use crate::auth::Users;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// So many files with so many bytes.
const fn files(files: u32, bytes: u64) -> LinkUse {
    LinkUse { downloads: 0, files, bytes }
}

/// What whoever sends is told of a link that has all that it takes, as its page tells it: nothing smaller goes in either.
pub const LINK_IS_FULL: &str = "this link takes no more: it is full";

/// What does not go in beside what has come by this link, or is on its way.
fn no_room(kept: &Kept) -> Error {
    let text = if kept.link.is_full(&kept.used) { LINK_IS_FULL } else { "this link takes not so much more" };
    Error::new(Kind::Quota, text)
}

impl Links {
    /// Takes room for so many files and bytes that are on their way, if these bounds have it beside all that came or is.
    ///
    /// # Errors
    /// [`Kind::Quota`]; [`Kind::LoginFailed`] if the link is over.
    pub fn expect(&self, link: &Link, bounds: InboxBounds, (more, bytes): (u32, u64)) -> Result<()> {
        let mut table = self.table();
        let kept = table.get_mut(&link.secret).filter(|kept| !kept.is_withdrawn).ok_or_else(void)?;
        let coming = kept.coming.with(files(more, bytes));
        let all = kept.used.with(coming);
        if all.files > bounds.files || all.bytes > bounds.bytes {
            return Err(no_room(kept));
        }
        kept.coming = coming;
        Ok(())
    }

    /// Whether this link is there yet, and was not withdrawn.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`] if it is over.
    pub fn expect_link(&self, link: &Link) -> Result<()> {
        self.get(link).map(drop).ok_or_else(void)
    }

    /// So many of those do not come.
    pub fn expect_no_more(&self, link: &Link, (less, bytes): (u32, u64)) {
        if let Some(kept) = self.table().get_mut(&link.secret) {
            kept.coming = kept.coming.without(files(less, bytes));
        }
    }

    /// So many of those are about to take their places: on the disk they count as there when this returns.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`] if the link is over; [`Kind::Quota`] if as many have come meanwhile at other servers of the folder, which
    /// do not know of each other what is on its way; those of the disk.
    pub fn count_as_come(&self, link: &Link, (come, bytes): (u32, u64)) -> Result<()> {
        let come = files(come, bytes);
        let mut writing = self.alone()?;
        let kept = self.table().get(&link.secret).filter(|kept| !kept.is_withdrawn).cloned().ok_or_else(void)?;
        let used = kept.used.with(come);
        if let LinkTo::Inbox(bounds) = kept.link.to
            && (used.files > bounds.files || used.bytes > bounds.bytes)
        {
            return Err(no_room(&kept));
        }
        self.write(&mut writing, &kept.link, used)?;
        // In one step: nothing counts as both.
        if let Some(kept) = self.table().get_mut(&link.secret) {
            (kept.used, kept.coming) = (used, kept.coming.without(come));
        }
        Ok(())
    }

    /// So many that counted as there did not get to their places. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// As [`Links::count_as_come`].
    pub fn count_as_lost(&self, link: &Link, (lost, bytes): (u32, u64)) -> Result<()> {
        self.take(link, |used| Some(used.without(files(lost, bytes))))
    }
}

impl Users {
    /// Whether whoever has these links may have one more. Those that are over, and stay because nobody knows the time, take room of their own.
    pub(super) fn has_room_for_link(&self, there: &[LinkShown]) -> bool {
        let over = there.iter().filter(|shown| shown.link.is_over()).count();
        there.len() - over.min(limits::LINKS_OF_USER) < limits::LINKS_OF_USER && self.count_links() < limits::LINKS_MAX
    }

    /// How many links there are for the bound of all. Where other servers have them, too, those of users whom this one does not know stay, as
    /// those do that are over by a clock that may be wrong, and as many of them as there may be take the room of nobody else.
    fn count_links(&self) -> usize {
        let links = self.links();
        let table = links.table();
        if !links.are_of_several() {
            return table.len();
        }
        let is_of_nobody = |kept: &Kept| self.get(&kept.link.maker).is_none_or(|user| user.tag() != kept.link.entry);
        let is_gone = |kept: &&Kept| kept.link.is_over() || is_of_nobody(kept);
        table.len() - table.values().filter(is_gone).count().min(limits::LINKS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::own::folder::StateFolder;
    use crate::auth::own::link::LinkTerms;
    use crate::auth::{Secret, Users};
    use crate::files::RelPath;

    #[test]
    fn what_is_on_its_way_takes_room_and_only_what_came_is_on_the_disk() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(&place.path().join("state")).unwrap();
        let hash = crate::auth::hash::tests::cheap_hash("p");
        let load = || Arc::new(Links::load(&folder).0);
        let users = || Users::parse(&format!("[users.alice]\npassword = \"{hash}\"\n"), "users.toml").unwrap();
        let (bounds, links) = (InboxBounds { bytes: 10, files: 3 }, load());
        let users = users().with_links(links.clone());
        let maker = users.verify("alice", &Secret::new("p"), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let (to, path) = (LinkTo::Inbox(bounds), RelPath::parse(b"in").unwrap());
        let terms = LinkTerms { to, path, folder: None, name: None, expires: None, password: None, downloads: None };
        let link = users.make_link(&maker, terms).unwrap().1;
        let shown = || users.links_of(&maker)[0].used;
        let on_disk = || load().table()[&link.secret].used;
        links.expect(&link, bounds, (1, 6)).unwrap();
        links.expect(&link, bounds, (1, 4)).unwrap();
        for more in [(1, 1), (2, 0)] {
            assert_eq!(links.expect(&link, bounds, more).unwrap_err().kind(), Kind::Quota);
        }
        assert_eq!((shown(), on_disk()), (files(2, 10), files(0, 0)));
        links.count_as_come(&link, (1, 6)).unwrap();
        assert_eq!((shown(), on_disk()), (files(2, 10), files(1, 6)));
        links.expect_no_more(&link, (1, 4));
        assert_eq!((shown(), on_disk()), (files(1, 6), files(1, 6)));
        assert_ne!(links.expect(&link, bounds, (1, 5)).unwrap_err().text(), LINK_IS_FULL, "something smaller goes in");
        links.count_as_come(&link, (2, 0)).unwrap();
        assert_eq!(links.expect(&link, bounds, (1, 0)).unwrap_err().text(), LINK_IS_FULL);
        links.count_as_lost(&link, (2, 0)).unwrap();
        links.count_as_lost(&link, (1, 6)).unwrap();
        assert_eq!((shown(), on_disk()), (files(0, 0), files(0, 0)));
        users.remove_link(&maker, &link.name).unwrap();
        assert_eq!(links.expect(&link, bounds, (1, 1)).unwrap_err().kind(), Kind::LoginFailed);
        assert_eq!(links.count_as_come(&link, (1, 1)).unwrap_err().kind(), Kind::LoginFailed);
    }
}

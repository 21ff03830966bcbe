//! Making and withdrawing links, and removing those that give nothing any more.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::super::link::{Kept, Link, LinkTerms, LinkUse, is_link_name, now};
use super::super::proof_basis::ProofBasis;
use super::LinkShown;
use super::on_disk::Writing;
use crate::auth::credential::Credential;
use crate::auth::hash::StoredHash;
use crate::auth::{Principal, Secret, User, Users};
use crate::error::{Error, Kind, Result};
use crate::files::Hash;
use crate::limits;
use crate::random;

impl Users {
    /// Makes a link. It is on the disk then, and in force.
    ///
    /// # Errors
    /// [`Kind::Denied`] for nobody in particular, where nothing is kept of users, and for a user whose entry nothing tells from a
    /// later one's; [`Kind::Exists`] for a name that another link of the user has; [`Kind::BadCommand`] for what is no name;
    /// [`Kind::TooMany`]; [`Kind::Revoked`]; those of the disk.
    pub fn make_link(&self, principal: &Principal, terms: LinkTerms) -> Result<(Secret, Arc<Link>)> {
        let user = self.user_who_makes(principal)?;
        let by = ProofBasis::of(principal, user)?.by;
        let password = terms.password.as_deref().map(StoredHash::parse).transpose();
        let password = password.map_err(|why| Error::new(Kind::Internal, format!("the password {why}")))?;
        let mut bytes = Zeroizing::new([0; 32]);
        random::fill(&mut *bytes)?;
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(*bytes));
        let mut writing = self.links.alone()?;
        self.forget_over(&mut writing)?;
        let there = self.links.of(user);
        if !self.has_room_for_link(&there) {
            return Err(Error::new(Kind::TooMany, "there are as many links as allowed: remove one first"));
        }
        let link = Link {
            secret: Hash::of(secret.expose()),
            maker: user.name().to_owned(),
            entry: user.tag(),
            by,
            password,
            name: name_for(&terms, &there)?,
            to: terms.to,
            path: terms.path,
            folder: terms.folder,
            added: now(),
            expires: terms.expires,
            downloads: terms.downloads,
        };
        self.links.write(&mut writing, &link, LinkUse::default())?;
        let (hash, link) = (link.secret, Arc::new(link));
        self.links.table().insert(hash, Kept::new(link.clone(), LinkUse::default()));
        Ok((secret, link))
    }

    /// The links of this user.
    pub fn links_of(&self, principal: &Principal) -> Vec<LinkShown> {
        let mut links = self.user_who_makes(principal).map(|user| self.links.of(user)).unwrap_or_default();
        for LinkShown { link, is_void, .. } in &mut links {
            *is_void = !link.is_over() && self.by_link(link, principal.from()).is_none();
        }
        links
    }

    /// Withdraws the link of this name: it gives nothing any more, and whoever came by it has to be ended. Where the disk fails it
    /// stays among those of the user, and can be withdrawn again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the user has none of that name; those of the disk.
    pub fn remove_link(&self, principal: &Principal, name: &str) -> Result<Arc<Link>> {
        let named = |shown: &LinkShown| shown.link.name == name;
        let missing = || Error::new(Kind::NotFound, "you have no link of that name");
        let mut writing = self.links.alone()?;
        let found = self.links_of(principal).into_iter().find(named).ok_or_else(missing)?;
        self.links.remove(&mut writing, &found.link)?;
        Ok(found.link)
    }

    /// Who makes and withdraws links, which nobody in particular does, nor who came by one.
    fn user_who_makes(&self, principal: &Principal) -> Result<&User> {
        let is_user = matches!(principal.credential(), Credential::Password(_) | Credential::Key(_));
        let denied = |text: &str| Error::new(Kind::Denied, text);
        let user = self.get(principal.name()).filter(|_| is_user);
        let user = user.ok_or_else(|| denied("only a named user has links"))?;
        if self.renew(principal).is_none() {
            return Err(Error::new(Kind::Revoked, "your account has changed since you logged in"));
        }
        match user.can_choose() {
            true => Ok(user),
            false => Err(denied(
                "your entry in the users file has neither a password nor an id: nothing tells you from a later user of your \
                 name; the server's administrator adds one (sealiftd check says how)",
            )),
        }
    }

    /// Those that are over make room.
    fn forget_over(&self, writing: &mut Writing<'_>) -> Result<()> {
        self.links.over().iter().try_for_each(|link| self.links.remove(writing, link))
    }

    /// Removes what gives nothing any more: links that are over, those that were withdrawn when the disk failed, and those of entries
    /// that are gone from the users file, if they were by the last sweep already: a file that lost its users by mistake is put back
    /// before that. `keeps_orphans`: nobody is taken for gone; nor is anybody where other servers have the links, too, whose users file may
    /// have who made them. Returns what could not be removed.
    pub fn sweep_links(&self, keeps_orphans: bool) -> Vec<Error> {
        let mut writing = match self.links.alone() {
            Ok(writing) => writing,
            Err(error) => return vec![error],
        };
        let is_gone = |link: &Link| self.get(&link.maker).is_none_or(|user| user.tag() != link.entry);
        let mut void = self.links.those(|kept| kept.is_withdrawn);
        void.extend(self.links.over().into_iter().filter(|link| self.links.get(link).is_some()));
        if !keeps_orphans && self.links.changes.is_none() {
            void.extend(self.links.those(|kept| kept.is_orphan && is_gone(&kept.link)));
            self.links.table().values_mut().for_each(|kept| kept.is_orphan = is_gone(&kept.link));
        }
        let mut stay: Vec<Error> = void.iter().filter_map(|link| self.links.remove(&mut writing, link).err()).collect();
        stay.extend(self.links.remove_emptied(&mut writing));
        stay
    }
}

/// What it is called: as its maker says, or as what it leads to.
fn name_for(terms: &LinkTerms, there: &[LinkShown]) -> Result<String> {
    let is_taken = |name: &str| there.iter().any(|shown| shown.link.name == name);
    if let Some(name) = &terms.name {
        return match () {
            () if !is_link_name(name) => {
                let text = format!(
                    "a link's name has 1 to {} bytes, no slash, no control characters, and no space at its ends",
                    limits::LINK_NAME_MAX
                );
                Err(Error::new(Kind::BadCommand, text))
            }
            () if is_taken(name) => Err(Error::new(Kind::Exists, "you have a link of that name already")),
            () => Ok(name.clone()),
        };
    }
    let target = String::from_utf8_lossy(terms.path.file_name().unwrap_or(b"home")).into_owned();
    let plain: String = target.trim().chars().map(|c| if c.is_control() || c == '/' { '_' } else { c }).collect();
    // Room for a number behind it.
    let mut short = plain;
    while short.len() > limits::LINK_NAME_MAX - 4 {
        short.pop();
    }
    let short = if short.trim().is_empty() { "link" } else { short.trim() };
    let numbered = (2..=there.len() + 1).map(|n| format!("{short}-{n}"));
    let free = std::iter::once(short.to_owned()).chain(numbered).find(|name| !is_taken(name));
    free.ok_or_else(|| Error::new(Kind::TooMany, "you have too many links of that name: choose another with --name"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;

    use super::super::super::folder::StateFolder;
    use super::super::super::link::LinkTo;
    use super::super::Links;
    use super::*;
    use crate::auth::hash::tests::cheap_hash;
    use crate::files::RelPath;

    fn users(names: &[&str]) -> Users {
        let section = |name: &&str| format!("[users.{name}]\npassword = \"{}\"\nid = \"{name}\"\n", cheap_hash("p"));
        Users::parse(&names.iter().map(section).collect::<String>(), "users.toml").unwrap()
    }

    fn make(users: &Users, name: &str, expires: Option<u64>) -> Arc<Link> {
        let maker = users.verify(name, &Secret::new("p"), Ipv4Addr::LOCALHOST.into()).unwrap();
        let path = RelPath::parse(b"f").unwrap();
        let terms =
            LinkTerms { to: LinkTo::File, path, folder: None, name: None, expires, password: None, downloads: None };
        users.make_link(&maker, terms).unwrap().1
    }

    fn count(folder: &StateFolder) -> usize {
        fs::read_dir(folder.links()).unwrap().count()
    }

    #[test]
    fn links_of_those_who_are_gone_go_when_two_sweeps_have_not_found_them() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(&place.path().join("state")).unwrap();
        let links = Arc::new(Links::load(&folder).0);
        let both = users(&["alice", "bob"]).with_links(links.clone());
        make(&both, "alice", None);
        make(&both, "bob", None);
        let without = Users::parse("", "users.toml").unwrap().with_links(links.clone());
        assert!(without.sweep_links(true).is_empty() && without.sweep_links(true).is_empty());
        assert_eq!(count(&folder), 2, "nobody was to be taken for gone");
        assert!(without.sweep_links(false).is_empty());
        assert_eq!(count(&folder), 2, "they may come back");
        assert!(both.sweep_links(false).is_empty());
        assert!(without.sweep_links(false).is_empty());
        assert_eq!(count(&folder), 2, "they did");
        assert!(without.sweep_links(false).is_empty());
        assert_eq!((count(&folder), links.table().len()), (0, 0));
    }

    #[test]
    fn what_is_over_or_was_withdrawn_when_the_disk_failed_goes_by_a_sweep_and_no_start_reads_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(&place.path().join("state")).unwrap();
        let links = Arc::new(Links::load(&folder).0);
        let users = users(&["alice"]).with_links(links.clone());
        let maker = users.verify("alice", &Secret::new("p"), Ipv4Addr::LOCALHOST.into()).unwrap();
        make(&users, "alice", Some(1));
        assert!(users.sweep_links(false).is_empty());
        assert_eq!(count(&folder), 0);
        let link = make(&users, "alice", None);
        // There is a folder in the place of its file.
        let file = links.file(&link.secret).unwrap();
        let aside = place.path().join("aside");
        fs::rename(&file, &aside).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(users.remove_link(&maker, &link.name).is_err());
        assert_eq!(users.sweep_links(false).len(), 1, "it is tried again");
        fs::remove_dir(&file).unwrap();
        fs::rename(&aside, &file).unwrap();
        assert!(users.sweep_links(false).is_empty());
        assert_eq!(count(&folder), 0);
        assert!(Links::load(&folder).0.table().is_empty());
    }
}

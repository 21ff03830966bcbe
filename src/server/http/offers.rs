//! What a page offers at each place: what the gate lets pass there, and nothing that it would only refuse.

use super::rows::Form;
use crate::auth::{Access, Grants, Principal};
use crate::files::{Entry, EntryKind, HomeTerms, RelPath, UsageNow};
use crate::server::desk::Desk;
use crate::server::desk::gate::{self, Decision, Demand, Extent, Need};
use crate::server::desk::op::Op;

/// What a folder's page offers to somebody.
pub struct Offered {
    /// In the folder.
    pub here: Access,
    /// What is granted, where that is not the same for all that is in it.
    pub rules: Option<Grants>,
    /// What was deleted or replaced there is kept, and may be looked at.
    pub trash: bool,
    /// What becomes of what is deleted or replaced in the folder.
    pub kept: Kept,
    /// What becomes of what is deleted or replaced in folders that are shared with whoever looks somewhere below it, by their paths.
    pub kept_below: Vec<(RelPath, Kept)>,
    /// What the home or shared folder that this is in holds, for its users, where that is bounded.
    pub usage: UsageNow,
}

impl Offered {
    /// By the rights of now. What is used is `told` on a page alone.
    pub fn now(desk: &Desk, folder: &RelPath, told: Form) -> Offered {
        let (principal, grants) = (desk.principal(), desk.principal().grants());
        let trash = keeps(principal, folder)
            && principal.is_user()
            && passes(grants, gate::need(&Op::ListTrash(folder.clone())));
        // Of what somebody may not touch nothing is told, not even its name.
        let below = grants.folders.iter().filter(|shared| shared.at != *folder && shared.at.is_within(folder));
        let below = below.filter(|shared| grants.access_at(&shared.at) != Access::NONE);
        // Nothing of it is for who came by a link, or is nobody in particular: they delete nothing, and see no trash.
        let below = below.filter(|_| principal.is_user());
        let here = grants.folder_at(folder).map_or(principal.home_terms(), |shared| shared.terms);
        Offered {
            here: in_folder(grants, folder),
            rules: (!grants.is_uniform()).then(|| grants.clone()),
            trash,
            kept: Kept(if principal.is_user() { here } else { HomeTerms::none() }),
            kept_below: below.map(|shared| (shared.at.clone(), Kept(shared.terms))).collect(),
            usage: match principal.is_user() && told == Form::Page {
                true => desk.usage_now(folder),
                false => UsageNow::Known(None),
            },
        }
    }

    /// For how long what goes in the folder is in the trash; empty: it is gone for good.
    pub fn here_is_kept(&self) -> String {
        self.kept.told()
    }

    /// Whether something is to be seen in a folder of the one that this is about: what is in it, or the page for bringing files to it.
    pub fn opens(&self, folder: Option<&RelPath>, is_writable: bool) -> bool {
        let Some(grants) = &self.rules else { return self.here.contains(Access::LIST) };
        folder.is_some_and(|folder| {
            grants.access_at(folder).contains(Access::LIST) || (is_writable && delivers(grants, folder))
        })
    }

    /// Whether this entry of the folder is one that is shared with whoever looks.
    pub fn is_shared(&self, folder: &RelPath, entry: &Entry) -> bool {
        let grants = self.rules.as_ref().filter(|grants| !grants.folders.is_empty());
        let path = grants.and_then(|_| folder.join(&entry.path).ok());
        grants.zip(path).is_some_and(|(grants, path)| grants.folders.iter().any(|shared| shared.at == path))
    }

    /// The folders below where that is not as in the folder itself, and how it is there.
    pub fn kept_elsewhere(&self) -> impl Iterator<Item = (&RelPath, String)> {
        let unlike = self.kept_below.iter().any(|(_, kept)| *kept != self.kept);
        self.kept_below.iter().filter(move |_| unlike).map(|(path, kept)| (path, kept.told()))
    }
}

/// What becomes of what is deleted or replaced where things are kept so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept(pub HomeTerms);

impl Kept {
    /// For how long it is in the trash, in words; empty: it is gone for good.
    pub fn told(self) -> String {
        let Some(age) = self.0.trash else { return String::new() };
        let time = match (age.as_secs() / 3600, age.as_secs().is_multiple_of(3600)) {
            (24, true) => String::from("a day"),
            (hours, true) if hours.is_multiple_of(24) => format!("{} days", hours / 24),
            (1, true) => String::from("an hour"),
            (hours, true) => format!("{hours} hours"),
            _ => humantime::format_duration(age).to_string(),
        };
        let is_bounded = self.0.quota.is_some() || self.0.quota_files.is_some();
        if is_bounded { format!("{time} or until its room is needed") } else { time }
    }
}

/// Whether anything is kept that is deleted or replaced in this folder or below it.
pub fn keeps(principal: &Principal, folder: &RelPath) -> bool {
    let grants = principal.grants();
    match grants.folder_at(folder) {
        Some(shared) => shared.terms.trash.is_some(),
        None => {
            let below = grants.folders.iter().filter(|shared| shared.at.is_within(folder));
            principal.home_terms().trash.is_some() || below.into_iter().any(|shared| shared.terms.trash.is_some())
        }
    }
}

/// Whether somebody to whom this is granted may make a link to anything.
pub fn may_link_somewhere(grants: &Grants) -> bool {
    grants.access_anywhere().contains(Access::LINK)
}

/// What may be done in a folder: looking at it, fetching all of it, and making something new in it.
fn in_folder(grants: &Grants, folder: &RelPath) -> Access {
    if grants.is_uniform() {
        return grants.access;
    }
    let here = grants.access_at(folder);
    // What is new is asked for by its name, which nobody has chosen yet.
    let new = folder.join(b"new").map_or(Access::NONE, |new| grants.access_at(&new));
    let fetch = match passes(grants, gate::need_of_gathering(folder)) {
        true => Access::DOWNLOAD,
        false => Access::NONE,
    };
    // What a link to a folder gives, it gives of all of it.
    let link = gate::rights_at(grants, Demand { rights: Access::LINK, path: Some(folder), extent: Extent::Linked });
    let making = Access::UPLOAD.union(Access::MKDIR).union(Access::OVERWRITE);
    let asked = making.union(Access::DOWNLOAD).union(Access::LINK);
    here.without(asked).union(new.intersection(making)).union(fetch).union(link.intersection(Access::LINK))
}

/// Whether somebody may bring files to this folder, and not see what is there.
pub fn delivers(grants: &Grants, folder: &RelPath) -> bool {
    let here = in_folder(grants, folder);
    here.contains(Access::UPLOAD) && !here.contains(Access::LIST)
}

/// Whether somebody may bring files to this folder and not see what is there, and it is no part of another such folder.
pub fn is_drop_box(grants: &Grants, folder: &RelPath) -> bool {
    delivers(grants, folder) && folder.parent().is_none_or(|above| !delivers(grants, &above))
}

/// What may be done with an entry: fetching it, or something of it, giving it another name, removing it, and making a link to it, to
/// read all of it or to put something there.
pub fn with_entry(grants: &Grants, path: &RelPath, kind: EntryKind) -> Access {
    if grants.is_uniform() {
        return grants.access;
    }
    let is_folder = kind == EntryKind::Directory;
    // A shared folder itself, and what one is in, stay where they are.
    let is_fixed = grants.folders.iter().any(|folder| folder.at.is_within(path));
    let at = |rights, extent| Need::Rights(gate::Demands { at: Demand { rights, path: Some(path), extent }, to: None });
    let all = if is_folder { Extent::Linked } else { Extent::Itself };
    let fetch = match is_folder {
        true => gate::need_of_gathering(path),
        false => at(Access::DOWNLOAD, Extent::Itself),
    };
    let near = beside(path);
    let to_another = near.map(|to| Op::Rename { from: path.clone(), to, replace: false });
    let remove = Op::Remove { path: path.clone(), recursive: is_folder, for_good: false };
    let offers = [
        (Access::DOWNLOAD, passes(grants, fetch)),
        (Access::LINK, passes(grants, at(Access::LINK, all))),
        // What a link to a folder gives, it gives of all of it.
        (Access::LIST, is_folder && passes(grants, at(Access::LIST, all))),
        (Access::UPLOAD, is_folder && passes(grants, at(Access::UPLOAD, all))),
        (Access::DELETE, !is_fixed && passes(grants, gate::need(&remove))),
        (Access::RENAME, !is_fixed && to_another.is_some_and(|op| passes(grants, gate::need(&op)))),
    ];
    offers.into_iter().filter(|(_, is_offered)| *is_offered).fold(Access::NONE, |all, (right, _)| all.union(right))
}

fn passes(grants: &Grants, need: Need<'_>) -> bool {
    gate::decide(grants, need) == Decision::Allowed
}

/// A name like this one, as one would choose: its beginning and its end, which rules go by, are the same.
fn beside(path: &RelPath) -> Option<RelPath> {
    let name = path.file_name()?;
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0).unwrap_or(name.len());
    let (stem, end) = name.split_at(dot);
    path.parent()?.join(&[stem, b" 2", end].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Users;
    use crate::secret::Secret;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    fn grants(rules: &str) -> Grants {
        let hash = crate::auth::hash_password(&Secret::new("x")).unwrap();
        let text = format!("[users.alice]\npassword = \"{hash}\"\naccess = \"full\"\n{rules}");
        Users::parse(&text, "users.toml").unwrap().get("alice").unwrap().grants().clone()
    }

    #[test]
    fn what_a_rule_refuses_at_a_place_is_not_offered_there_and_is_elsewhere() {
        let rule =
            |path: &str, access: &str| format!("[[users.alice.rules]]\npath = \"{path}\"\naccess = \"{access}\"\n");
        let rules = [rule("/old/**", "read"), rule("/mixed/secret", "none"), rule("/*.pdf", "list,download")].concat();
        let grants = grants(&rules);
        let file = |at: &str| with_entry(&grants, &path(at), EntryKind::File);
        let folder = |at: &str| with_entry(&grants, &path(at), EntryKind::Directory);
        let (take, all) = (Access::DOWNLOAD, Access::DOWNLOAD.union(Access::DELETE).union(Access::RENAME));
        assert_eq!(file("x.txt"), all.union(Access::LINK));
        assert_eq!(file("x.pdf"), take);
        assert_eq!(file("old/x"), take);
        assert_eq!(folder("old"), Access::READ);
        assert_eq!(file("mixed/secret"), Access::NONE);
        assert_eq!(file("mixed/x"), all.union(Access::LINK));
        // All of it cannot be removed, and some of it can be fetched.
        assert_eq!(folder("mixed"), take);
        assert_eq!(in_folder(&grants, &path("old")), Access::READ);
        assert_eq!(in_folder(&grants, &path("mixed")), Access::FULL.without(Access::LINK));
    }

    #[test]
    fn a_name_beside_another_begins_and_ends_like_it() {
        for (name, other) in [("a/b.txt", "a/b 2.txt"), ("b", "b 2"), (".rc", ".rc 2"), ("a/x.tar.gz", "a/x.tar 2.gz")]
        {
            assert_eq!(beside(&path(name)), Some(path(other)));
        }
        assert_eq!(beside(&RelPath::root()), None);
    }
}

//! Adds groups to a users file, changes who is in them and takes them out; comments and layout stay.

use toml_edit::{Array, DocumentMut, Item, RawString, Table, value};

use super::editor::{by_hand, insert_section, open, remove_section, sections_of};
use super::folders_editor::{own, without_place};
use super::folders_table::{nearest, unknown};
use super::names;
use super::shared::GROUP;
use super::users::Users;
use crate::error::{Error, Kind, Result};

/// The kind of section.
const GROUPS: &str = "groups";

/// Who is to be in a group: users, and groups with `@` before them.
#[derive(Debug, Clone, Default)]
pub struct GroupChange {
    /// These and no others, if it is said.
    pub members: Option<Vec<String>>,
    /// These, too.
    pub add: Vec<String>,
    /// These no more.
    pub remove: Vec<String>,
}

/// The text with one more group.
pub(super) fn add(text: &str, file: &str, name: &str, members: &[String]) -> Result<String> {
    let before = Users::parse(text, file)?;
    names::check_user(name).map_err(|why| Error::new(Kind::Usage, format!("the group name '{name}' {why}")))?;
    if before.shares.group(name).is_some() {
        return Err(Error::new(Kind::Exists, format!("the group {name} is already in {file}")));
    }
    refuse_unknown(&before, members)?;
    let mut listed = Vec::<&str>::new();
    members.iter().for_each(|member| {
        if !listed.contains(&&**member) {
            listed.push(member)
        }
    });
    let mut section = Table::new();
    section.insert("members", value(listed.iter().copied().collect::<Array>()));
    let mut document = open(text, file)?;
    insert_section(&mut document, file, (GROUPS, name), section)?;
    checked(document.to_string(), file, &before, (name, Some(&listed)))
}

/// The text with this change of a group.
pub(super) fn change(text: &str, file: &str, name: &str, change: &GroupChange) -> Result<String> {
    let before = Users::parse(text, file)?;
    let group = before.shares.group(name).ok_or_else(|| absent(&before, name, file))?;
    let now = group.members();
    let is_in = |member: &String| now.contains(member);
    if let Some(stranger) = change.remove.iter().find(|member| !is_in(member)) {
        let text = format!("'{stranger}' is no member of the group {name}");
        return Err(Error::new(Kind::NotFound, text));
    }
    refuse_unknown(&before, change.members.iter().flatten().chain(&change.add))?;
    let mut wanted: Vec<&str> = Vec::new();
    let stays = |member: &&String| change.members.as_ref().is_none_or(|members| members.contains(member));
    let kept = now.iter().filter(stays).filter(|member| !change.remove.contains(member));
    for member in kept.chain(change.members.iter().flatten()).chain(&change.add) {
        if !wanted.contains(&member.as_str()) {
            wanted.push(member);
        }
    }
    let mut document = open(text, file)?;
    let item = sections_of(&mut document, file, GROUPS)?.get_mut(name);
    let members = item.and_then(|item| item.get_mut("members")).and_then(Item::as_array_mut);
    let members = members.ok_or_else(|| by_hand(file))?;
    now.iter().filter(|member| !wanted.contains(&member.as_str())).for_each(|member| take_out(members, member));
    wanted.iter().filter(|member| !now.iter().any(|known| known == *member)).for_each(|member| members.push(*member));
    checked(document.to_string(), file, &before, (name, Some(&wanted)))
}

/// The text without a group that nothing is given to. Who is in it would have what is given to all in its place, which may be more.
pub(super) fn remove(text: &str, file: &str, name: &str) -> Result<String> {
    let before = Users::parse(text, file)?;
    before.shares.group(name).ok_or_else(|| absent(&before, name, file))?;
    let called = format!("{GROUP}{name}");
    let folders = before.shares.folders().iter().filter(|folder| folder.access().contains_key(&called));
    let folders = folders.map(|folder| format!("the folder {} is given to it", folder.name()));
    let groups = before.shares.groups().filter(|(_, group)| group.members().contains(&called));
    let groups = groups.map(|(group, _)| format!("it is in the group {group}"));
    let used: Vec<String> = folders.chain(groups).collect();
    if !used.is_empty() {
        return Err(Error::new(Kind::Usage, format!("the group {name} is used: {}", used.join(", "))));
    }
    let mut document = open(text, file)?;
    remove_section(&mut document, file, (GROUPS, name))?;
    let text = document.to_string();
    let text = if text.trim().is_empty() { "# Nobody may log in.\n".to_owned() } else { text };
    checked(text, file, &before, (name, None))
}

fn absent(users: &Users, name: &str, file: &str) -> Error {
    let near = nearest(name, users.shares.groups().map(|(group, _)| group));
    let near = near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default();
    Error::new(Kind::NotFound, format!("no group '{name}' in {file}{near}"))
}

fn refuse_unknown<'a>(users: &Users, members: impl IntoIterator<Item = &'a String>) -> Result<()> {
    let (groups, named) = (users.shares.groups.keys(), users.users.keys());
    let unknown =
        |member: &String| unknown(member, groups.clone().map(String::as_str), named.clone().map(String::as_str));
    match members.into_iter().find_map(unknown) {
        Some(what) => Err(Error::new(Kind::NotFound, what)),
        None => Ok(()),
    }
}

/// The text, if that one group is what is wanted and all else is what it was.
fn checked(text: String, file: &str, before: &Users, (name, wanted): (&str, Option<&[&str]>)) -> Result<String> {
    // Such as a group in a circle, or two folders that somebody would have in one place.
    let after = Users::parse(&text, file).map_err(|err| without_place(err, file))?;
    let others = |users: &Users| -> Vec<(String, Vec<String>)> {
        let others = users.shares.groups().filter(|(group, _)| *group != name);
        others.map(|(group, about)| (group.to_owned(), about.members().to_vec())).collect()
    };
    let is_wanted = match (after.shares.group(name), wanted) {
        (Some(group), Some(wanted)) => group.members() == wanted,
        (group, wanted) => group.is_none() && wanted.is_none(),
    };
    let (old, new) = (before.shares.folders(), after.shares.folders());
    let folders = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_same(new));
    match is_wanted && folders && others(before) == others(&after) && own(before) == own(&after) {
        true => Ok(text),
        false => Err(by_hand(file)),
    }
}

/// The text in which this user is a member of these groups and of no others; in a group by way of another one is another matter.
pub(super) fn set(text: &str, file: &str, name: &str, groups: &[String]) -> Result<String> {
    let before = Users::parse(text, file)?;
    let missing = |what: String| Error::new(Kind::NotFound, what);
    before.get(name).ok_or_else(|| missing(format!("no user '{name}' in {file}")))?;
    if let Some(unknown) = groups.iter().find(|group| before.shares().group(group).is_none()) {
        return Err(missing(format!("there is no group '{unknown}' in {file}")));
    }
    let mut document: DocumentMut = text.parse().map_err(|_| by_hand(file))?;
    let table = document.get_mut(GROUPS).and_then(Item::as_table_like_mut);
    for (group, item) in table.into_iter().flat_map(|table| table.iter_mut()) {
        let members = item.get_mut("members").and_then(Item::as_array_mut).ok_or_else(|| by_hand(file))?;
        let is_in = members.iter().any(|member| member.as_str() == Some(name));
        match (groups.iter().any(|wanted| group == wanted.as_str()), is_in) {
            (true, false) => members.push(name),
            (false, true) => take_out(members, name),
            (true, true) | (false, false) => {}
        }
    }
    let text = document.to_string();
    match Users::parse(&text, file) {
        Ok(after) if leaves_others_alone(&before, &after, name) => Ok(text),
        // Such as two folders that this user would have in one place.
        Err(error) => Err(without_place(error, file)),
        Ok(_) => Err(by_hand(file)),
    }
}

/// Takes a member out. What stands before it is about the one before it, such as a comment behind its comma, and stays.
fn take_out(members: &mut Array, name: &str) {
    let position = |members: &Array| members.iter().position(|member| member.as_str() == Some(name));
    while let Some(at) = position(members) {
        let gone = members.remove(at);
        let before = gone.decor().prefix().and_then(RawString::as_str).unwrap_or_default();
        match members.get_mut(at) {
            Some(next) => next.decor_mut().set_prefix(before),
            None => members.set_trailing(before.trim_end_matches([' ', '\t'])),
        }
    }
}

/// Whether nobody but this user has anything else than before.
fn leaves_others_alone(before: &Users, after: &Users, name: &str) -> bool {
    let others = |users: &Users| users.iter().filter(|user| user.name() != name).cloned().collect::<Vec<_>>();
    before.anonymous == after.anonymous && others(before) == others(after) && after.get(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::hash::tests::cheap_hash;
    use super::*;

    #[test]
    fn a_user_goes_into_groups_and_out_of_others_and_comments_stay() {
        let people: String =
            ["a", "b"].map(|user| format!("[users.{user}]\npassword = \"{}\"\n", cheap_hash("x"))).concat();
        let text = format!(
            "{people}[groups.one]\nmembers = [\n    \"a\",  # first\n    \"b\",\n]\n[groups.two]\nmembers = []  # nobody\n\
             [groups.three]\nmembers = [\"@one\"]\n"
        );
        let groups = |text: &str, name| {
            let users = Users::parse(text, "f").unwrap();
            users.shares().groups_of(name).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(groups(&text, "b"), ["one", "three"]);
        let after = set(&text, "f", "b", &["two".to_owned()]).unwrap();
        assert_eq!(
            (groups(&after, "b"), groups(&after, "a")),
            (vec!["two".into()], vec!["one".into(), "three".into()])
        );
        assert!(after.contains("# first") && after.contains("# nobody"), "{after}");
        assert_eq!(groups(&set(&after, "f", "b", &[]).unwrap(), "b"), [""; 0]);
        assert_eq!(set(&text, "f", "b", &["four".to_owned()]).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(set(&text, "f", "c", &[]).unwrap_err().kind(), Kind::NotFound);
    }

    #[test]
    fn a_group_is_added_changed_and_removed_and_comments_stay() {
        let people: String =
            ["a", "b", "c"].map(|user| format!("[users.{user}]\npassword = \"{}\"\n", cheap_hash("x"))).concat();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let start = people + "# The end.\n";
        let text = add(&start, "f", "one", &names(&["a", "b", "a"])).unwrap();
        assert_eq!(text, format!("{start}\n[groups.one]\nmembers = [\"a\", \"b\"]\n"));
        assert_eq!(remove(&text, "f", "one").unwrap(), start);
        let text = text.replace("[\"a\", \"b\"]", "[\n    \"a\",  # first\n    \"b\",  # second\n]");
        let text = add(&text, "f", "two", &names(&["@one"])).unwrap();
        let with = |members: Option<&[&str]>, add: &[&str], remove: &[&str]| GroupChange {
            members: members.map(names),
            add: names(add),
            remove: names(remove),
        };
        let members =
            |text: &str, name: &str| Users::parse(text, "f").unwrap().shares().group(name).unwrap().members().join(" ");
        let more = change(&text, "f", "one", &with(None, &["c"], &["a"])).unwrap();
        assert_eq!(members(&more, "one"), "b c");
        assert!(more.contains("# second"), "{more}");
        assert_eq!(members(&change(&text, "f", "one", &with(Some(&["c", "b"]), &[], &[])).unwrap(), "one"), "b c");
        assert_eq!(members(&change(&text, "f", "one", &with(Some(&[]), &[], &[])).unwrap(), "one"), "");
        for (name, wrong, kind, why) in [
            ("one", with(None, &["d"], &[]), Kind::NotFound, "there is no user 'd'"),
            ("one", with(None, &[], &["c"]), Kind::NotFound, "'c' is no member"),
            ("one", with(None, &["@two"], &[]), Kind::Usage, "in a circle"),
            ("ones", with(None, &[], &[]), Kind::NotFound, "did you mean 'one'?"),
        ] {
            let err = change(&text, "f", name, &wrong).unwrap_err();
            assert!(err.kind() == kind && err.text().contains(why) && !err.text().starts_with("f:"), "{err:?}");
        }
        let used = text.clone() + "[folders.x]\naccess = { \"@one\" = \"read\", \"*\" = \"full\" }\n";
        let err = remove(&used, "f", "one").unwrap_err();
        assert_eq!(err.text(), "the group one is used: the folder x is given to it, it is in the group two");
        assert_eq!(add(&text, "f", "one", &[]).unwrap_err().kind(), Kind::Exists);
        assert_eq!(add(&text, "f", "a/b", &[]).unwrap_err().kind(), Kind::Usage);
    }
}

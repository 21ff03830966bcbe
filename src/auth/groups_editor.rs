//! Puts a user into groups of a users file and takes them out of others; comments and layout stay.

use toml_edit::{Array, DocumentMut, Item, RawString};

use super::editor::by_hand;
use super::users::Users;
use crate::error::{Error, Kind, Result};

/// The text in which this user is a member of these groups and of no others; in a group by way of another one is another matter.
pub(super) fn set(text: &str, file: &str, name: &str, groups: &[String]) -> Result<String> {
    let before = Users::parse(text, file)?;
    let missing = |what: String| Error::new(Kind::NotFound, what);
    before.get(name).ok_or_else(|| missing(format!("no user '{name}' in {file}")))?;
    if let Some(unknown) = groups.iter().find(|group| !before.shares().has_group(group)) {
        return Err(missing(format!(
            "there is no group '{unknown}' in {file}: add [groups.{unknown}] with members = []"
        )));
    }
    let mut document: DocumentMut = text.parse().map_err(|_| by_hand(file))?;
    let table = document.get_mut("groups").and_then(Item::as_table_like_mut);
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
        Err(error) => Err(error),
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
}

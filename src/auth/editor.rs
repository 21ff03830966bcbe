//! Changes the text of a users file and keeps its comments and layout. Pure: text in, text out.

use std::sync::Arc;

use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use super::hash::StoredHash;
use super::own::Own;
use super::users::{User, Users};
use super::{Grants, UserKey, grants_table, key_writer, names, rules_table};
use crate::error::{Error, Kind, Result};
use crate::{limits, toml_layout};

/// A user to be added to a users file.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// The name to log in with.
    pub name: &'a str,
    /// What [`super::hash_password`] returned. None: no password logs in.
    pub hash: Option<&'a str>,
    /// Keys that log in, no two of them the same.
    pub keys: &'a [UserKey],
    /// The groups that the user is made a member of.
    pub groups: &'a [String],
    /// What is granted.
    pub grants: Grants,
}

/// Whether a user of this name and home may be added to these users.
pub(super) fn check_new(users: &Users, file: &str, name: &str, home: &str) -> Result<()> {
    names::check_user(name).map_err(|why| wrong(&format!("user name '{name}'"), why))?;
    names::check_home(home).map_err(|why| wrong(&format!("home '{home}'"), why))?;
    match users.get(name) {
        Some(_) => Err(Error::new(Kind::Exists, format!("user '{name}' already exists in {file}"))),
        None => Ok(()),
    }
}

fn check_rules(name: &str, grants: &Grants) -> Result<()> {
    match grants.rules.len() > limits::PATH_RULES_MAX {
        true => Err(wrong("rules", format!("of {name} would be more than {}", limits::PATH_RULES_MAX))),
        false => Ok(()),
    }
}

fn wrong(what: &str, why: String) -> Error {
    Error::new(Kind::Usage, format!("the {what} {why}"))
}

/// The text with one more user, at its end.
pub(super) fn add(text: &str, file: &str, new: &NewUser<'_>) -> Result<String> {
    add_to(Users::parse(text, file)?, text, file, new)
}

/// The text with one more user at its end, for whoever knows already what users it has.
pub(super) fn add_to(mut wanted: Users, text: &str, file: &str, new: &NewUser<'_>) -> Result<String> {
    check_new(&wanted, file, new.name, &new.grants.home)?;
    check_rules(new.name, &new.grants)?;
    let hash = new.hash.map(StoredHash::parse).transpose().map_err(|why| wrong("password", why))?;
    let keys = new.keys.to_vec();
    let name = new.name.to_owned();
    let mut grants = new.grants.clone();
    wanted.shares.give(&name, false, &mut grants);
    let grants = Arc::new(grants);
    let defaults = wanted.defaults.of(new.name);
    wanted.users.insert(name.clone(), User { name, grants, hash, keys, id: None, own: Own::Nothing });

    if let Some(text) = with_section_after(text, new, &defaults).filter(|text| reads_as(text, file, &wanted)) {
        return Ok(text);
    }
    let mut document = open(text, file)?;
    insert_section(&mut document, file, ("users", new.name), section_of(new, &defaults))?;
    checked(&document, file, &wanted)
}

/// Puts a section behind all others, as one more of its kind.
pub(super) fn insert_section(
    document: &mut DocumentMut,
    file: &str,
    (kind, name): (&str, &str),
    mut section: Table,
) -> Result<()> {
    if !document.contains_key(kind) {
        let mut all = Table::new();
        all.set_implicit(true);
        document.insert(kind, Item::Table(all));
    }
    if document.get(kind).is_some_and(Item::is_table) {
        toml_layout::place_last(document, &mut section);
    }
    sections_of(document, file, kind)?.insert(name, Item::Table(section));
    Ok(())
}

/// Takes a section away, with the comment right above it.
pub(super) fn remove_section(document: &mut DocumentMut, file: &str, (kind, name): (&str, &str)) -> Result<()> {
    if let Some(Item::Table(section)) = sections_of(document, file, kind)?.remove(name) {
        toml_layout::keep_comments_of(document, &section);
    }
    Ok(())
}

/// The text with another hash for one user.
pub(super) fn passwd(text: &str, file: &str, name: &str, hash: &str) -> Result<String> {
    let stored = StoredHash::parse(hash).map_err(|why| Error::new(Kind::Usage, format!("the password {why}")))?;
    let mut wanted = Users::parse(text, file)?;
    let user = wanted.users.get_mut(name).ok_or_else(|| absent(name, file))?;
    user.hash = Some(stored);

    let mut document = open(text, file)?;
    let user = user_of(&mut document, file, name)?;
    match user.get_mut("password").and_then(Item::as_value_mut) {
        None => drop(user.insert("password", value(hash))),
        Some(password) => {
            let decor = password.decor().clone();
            *password = Value::from(hash);
            *password.decor_mut() = decor;
        }
    }
    checked(&document, file, &wanted)
}

/// The text with what one user is granted changed so.
pub(super) fn set(text: &str, file: &str, name: &str, change: impl FnOnce(&mut Grants)) -> Result<String> {
    let mut wanted = Users::parse(text, file)?;
    let defaults = wanted.defaults.of(name);
    let user = wanted.users.get_mut(name).ok_or_else(|| absent(name, file))?;
    let before = user.grants.clone();
    let mut grants = Grants::clone(&before);
    change(&mut grants);
    names::check_home(&grants.home).map_err(|why| wrong(&format!("home '{}'", grants.home), why))?;
    check_rules(name, &grants)?;
    wanted.shares.give(name, false, &mut grants);
    user.grants = Arc::new(grants.clone());

    let mut document = open(text, file)?;
    let section = user_of(&mut document, file, name)?;
    grants_table::write(section, &grants, &before, &defaults);
    for gone in rules_table::write(section, &grants.rules, &before.rules) {
        toml_layout::keep_comments_of(&mut document, &gone);
    }
    checked(&document, file, &wanted)
}

/// The text with more keys for one user: those of these that the user has not.
pub(super) fn add_keys(text: &str, file: &str, name: &str, keys: &[UserKey]) -> Result<String> {
    let mut wanted = Users::parse(text, file)?;
    let user = wanted.users.get_mut(name).ok_or_else(|| absent(name, file))?;
    let known = |key: &&UserKey| user.keys.iter().find(|known| known.public == key.public);
    let new: Vec<UserKey> = keys.iter().filter(|key| known(key).is_none()).cloned().collect();
    if let (true, Some(known)) = (new.is_empty(), keys.iter().find_map(|key| known(&key))) {
        let text = format!("user '{name}' has that key already, as '{}'", known.name());
        return Err(Error::new(Kind::Exists, text));
    }
    user.keys.extend_from_slice(&new);

    let mut document = open(text, file)?;
    let user = user_of(&mut document, file, name)?;
    if !user.contains_key("keys") {
        user.insert("keys", value(Array::new()));
    }
    let list = user.get_mut("keys").and_then(Item::as_array_mut).ok_or_else(|| by_hand(file))?;
    key_writer::push(list, &new);
    checked(&document, file, &wanted)
}

/// The text with this `id` for one user, unless there is something already that tells the entry from a later one of the same
/// name.
pub(super) fn tell_apart(text: String, file: &str, name: &str, id: &str) -> Result<String> {
    let mut wanted = Users::parse(&text, file)?;
    let user = wanted.users.get_mut(name).ok_or_else(|| absent(name, file))?;
    if user.can_choose() {
        return Ok(text);
    }
    user.id = Some(id.to_owned());
    let mut document = open(&text, file)?;
    user_of(&mut document, file, name)?.insert("id", value(id));
    checked(&document, file, &wanted)
}

/// The text without one key of one user, named as the file calls it or by its fingerprint.
pub(super) fn remove_key(text: &str, file: &str, name: &str, key: &str) -> Result<String> {
    let mut wanted = Users::parse(text, file)?;
    let user = wanted.users.get_mut(name).ok_or_else(|| absent(name, file))?;
    let is_meant = |known: &UserKey| known.name() == key || known.public.fingerprint() == key;
    let meant: Vec<usize> =
        user.keys.iter().enumerate().filter(|(_, known)| is_meant(known)).map(|(at, _)| at).collect();
    let at = match meant.as_slice() {
        [at] => *at,
        [] => return Err(Error::new(Kind::NotFound, format!("user '{name}' has no key '{key}' in {file}"))),
        _ => {
            let text = format!("user '{name}' has several keys '{key}': name the right one by its fingerprint");
            return Err(Error::new(Kind::Usage, text));
        }
    };
    user.keys.remove(at);

    let mut document = open(text, file)?;
    let user = user_of(&mut document, file, name)?;
    let keys = user.get_mut("keys").and_then(Item::as_array_mut).ok_or_else(|| by_hand(file))?;
    keys.remove(at);
    key_writer::one_a_line(keys);
    checked(&document, file, &wanted)
}

fn user_of<'a>(document: &'a mut DocumentMut, file: &str, name: &str) -> Result<&'a mut dyn toml_edit::TableLike> {
    sections_of(document, file, "users")?.get_mut(name).and_then(Item::as_table_like_mut).ok_or_else(|| by_hand(file))
}

/// The text without one user. A comment that stands right above the user's section goes with it; what an empty line
/// parts from the section stays.
pub(super) fn remove(text: &str, file: &str, name: &str) -> Result<String> {
    let mut wanted = Users::parse(text, file)?;
    wanted.users.remove(name).ok_or_else(|| absent(name, file))?;
    wanted.shares.forget(name);

    let mut document = open(text, file)?;
    // A later user of the same name inherits nothing.
    forget_in_shares(&mut document, name);
    remove_section(&mut document, file, ("users", name))?;
    let text = checked(&document, file, &wanted)?;
    // An empty file is one that something went wrong with.
    Ok(if text.trim().is_empty() { "# Nobody may log in.\n".to_owned() } else { text })
}

/// Takes a user out of all groups, and out of what folders are given to.
fn forget_in_shares(document: &mut DocumentMut, name: &str) {
    let tables = |document: &mut DocumentMut, key: &str, forget: &dyn Fn(&mut Item)| {
        let table = document.get_mut(key).and_then(Item::as_table_like_mut);
        table.into_iter().flat_map(|table| table.iter_mut()).for_each(|(_, item)| forget(item));
    };
    tables(document, "groups", &|group| {
        let members = group.get_mut("members").and_then(Item::as_array_mut);
        members.into_iter().for_each(|members| members.retain(|member| member.as_str() != Some(name)));
    });
    tables(document, "folders", &|folder| {
        let access = folder.get_mut("access").and_then(Item::as_table_like_mut);
        access.into_iter().for_each(|access| drop(access.remove(name)));
    });
}

pub(super) fn open(text: &str, file: &str) -> Result<DocumentMut> {
    text.parse().map_err(|_| by_hand(file))
}

pub(super) fn sections_of<'a>(
    document: &'a mut DocumentMut,
    file: &str,
    kind: &str,
) -> Result<&'a mut dyn toml_edit::TableLike> {
    document.get_mut(kind).and_then(Item::as_table_like_mut).ok_or_else(|| by_hand(file))
}

fn absent(name: &str, file: &str) -> Error {
    Error::new(Kind::NotFound, format!("no user '{name}' in {file}"))
}

pub(super) fn by_hand(file: &str) -> Error {
    Error::new(Kind::BadConfig, format!("{file}: is laid out so that a program cannot change it: change it by hand"))
}

/// The document's text, if reading it again gives exactly what is wanted: one user changed, everybody else untouched.
fn checked(document: &DocumentMut, file: &str, wanted: &Users) -> Result<String> {
    let text = document.to_string();
    if reads_as(&text, file, wanted) { Ok(text) } else { Err(by_hand(file)) }
}

fn reads_as(text: &str, file: &str, wanted: &Users) -> bool {
    Users::parse(text, file).is_ok_and(|now| now.anonymous == wanted.anonymous && now.users == wanted.users)
}

/// The text with a section for one more user after all that is there, where lines end as ours do. In some layouts that
/// makes no sense, which reading it shows; in most it saves taking a large file apart and putting it together again.
fn with_section_after(text: &str, new: &NewUser<'_>, defaults: &Grants) -> Option<String> {
    if !text.ends_with('\n') || text.contains('\r') {
        return None;
    }
    let mut users = Table::new();
    users.set_implicit(true);
    users.insert(new.name, Item::Table(section_of(new, defaults)));
    let mut document = DocumentMut::new();
    document.insert("users", Item::Table(users));
    Some(format!("{text}\n{document}"))
}

fn section_of(new: &NewUser<'_>, defaults: &Grants) -> Table {
    let mut section = Table::new();
    if let Some(hash) = new.hash {
        section.insert("password", value(hash));
    }
    if !new.keys.is_empty() || new.hash.is_none() {
        let mut keys = Array::new();
        key_writer::push(&mut keys, new.keys);
        section.insert("keys", value(keys));
    }
    grants_table::write_new(&mut section, &new.grants, defaults);
    section
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::hash::tests::take_runs;
    use super::*;
    use crate::files::HomeTerms;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const HASHES: [&str; 2] = [
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    ];

    fn new(name: &str) -> NewUser<'_> {
        NewUser { name, hash: Some(HASHES[0]), keys: &[], groups: &[], grants: Grants::new(name) }
    }

    #[test]
    fn a_user_is_added_at_the_end_below_every_comment() {
        let text = add(Users::starter(), "f", &new("alice")).unwrap();
        let section = format!("\n[users.alice]\npassword = \"{}\"\naccess = \"full\"\nadmin = false\n", HASHES[0]);
        assert_eq!(text, format!("{}{section}", Users::starter()));
        let grants = Grants {
            access: Access::UPLOAD.union(Access::LIST),
            admin: true,
            terms: HomeTerms::none().bounded(Some(10 << 30)),
            ..Grants::new("teams/b")
        };
        let bob = NewUser { grants, ..new("b") };
        let text = add(&text, "f", &bob).unwrap();
        assert!(
            text.ends_with("home = \"teams/b\"\naccess = [\"list\", \"upload\"]\nadmin = true\nquota = \"10 GiB\"\n"),
            "{text}"
        );
    }

    #[test]
    fn adding_to_an_empty_file_gives_a_file_of_one_user() {
        let text = add("", "f", &new("with space")).unwrap();
        assert!(text.contains("[users.\"with space\"]"), "{text}");
    }

    #[test]
    fn passwd_changes_the_hash_and_nothing_else() {
        let before = format!("# top\n[users.a] # head\n  password = '{}'   # why\nadmin=true\n\n# end\n", HASHES[0]);
        let after = passwd(&before, "f", "a", HASHES[1]).unwrap();
        assert_eq!(after, before.replace(&format!("'{}'", HASHES[0]), &format!("\"{}\"", HASHES[1])));
    }

    #[test]
    fn a_removed_user_takes_only_the_comment_right_above() {
        let [h, _] = HASHES;
        let text = format!(
            "# The top.\n\n# Alice.\n[users.alice]\npassword = \"{h}\" # hers\n\n# Between.\n\n# Bob.\n[users.bob]\npassword = \"{h}\"\n\n# The end.\n"
        );
        let without_alice = remove(&text, "f", "alice").unwrap();
        let left = "# The top.\n\n# Between.\n\n# Bob.\n[users.bob]";
        assert!(without_alice.starts_with(left), "{without_alice}");
        let without_both = remove(&without_alice, "f", "bob").unwrap();
        assert_eq!(without_both, "# The top.\n\n# Between.\n\n# The end.\n");
    }

    #[test]
    fn a_file_without_its_last_user_is_not_empty() {
        let text = add("", "f", &new("a")).unwrap();
        let left = remove(&text, "f", "a").unwrap();
        assert!(!left.trim().is_empty() && Users::parse(&left, "f").unwrap().iter().next().is_none(), "{left}");
    }

    #[test]
    fn every_layout_of_users_can_be_changed_and_keeps_the_others() {
        let [h, other] = HASHES;
        for text in [
            format!("[users]\n# c\na = {{ password = \"{h}\" }} # d\nb = {{ password = \"{h}\", admin = true }}\n"),
            format!("users = {{ a = {{ password = \"{h}\" }}, b = {{ password = \"{h}\" }} }}\n"),
            format!("[users]\na.password = \"{h}\"\nb.password = \"{h}\"\n"),
            format!("users.a.password = \"{h}\"\nusers.b.password = \"{h}\"\n"),
            format!("[users.b]\npassword = \"{h}\"\n[anonymous]\nenabled = false\n[users.a]\npassword = \"{h}\"\n"),
            format!("[users.b]\r\npassword = \"{h}\"\r\n# c\r\n\r\n[users.a]\r\npassword = \"{h}\""),
        ] {
            let added = add(&text, "f", &new("c")).unwrap();
            let changed = passwd(&added, "f", "a", other).unwrap();
            let removed = remove(&changed, "f", "a").unwrap();
            let names =
                |text: &str| Users::parse(text, "f").unwrap().iter().map(|u| u.name().into()).collect::<Vec<String>>();
            assert_eq!(
                (names(&added), names(&removed)),
                (vec!["a".into(), "b".into(), "c".into()], vec!["b".into(), "c".into()]),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_requests_are_refused() {
        let text = add("", "users.toml", &new("a")).unwrap();
        let kinds = [
            (add(&text, "f", &new("a")), Kind::Exists),
            (add(&text, "f", &new("ftp")), Kind::Usage),
            (add(&text, "f", &new("a/b")), Kind::Usage),
            (add(&text, "f", &NewUser { grants: Grants::new("../x"), ..new("b") }), Kind::Usage),
            (add(&text, "f", &NewUser { hash: Some("canary"), ..new("b") }), Kind::Usage),
            (passwd(&text, "f", "b", HASHES[0]), Kind::NotFound),
            (passwd(&text, "f", "a", "canary"), Kind::Usage),
            (remove(&text, "f", "b"), Kind::NotFound),
            (add("[users.b]\nx = 1\n", "f", &new("a")), Kind::BadConfig),
        ];
        for (outcome, kind) in kinds {
            let err = outcome.unwrap_err();
            assert_eq!(err.kind(), kind, "{err}");
            assert!(!err.text().contains("canary"), "{err}");
        }
        assert_eq!(take_runs(), [], "changing the text needs no argon2");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(String, bool, u8),
        Passwd(String, usize),
        Remove(String),
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = || prop_oneof!["[a-d]", "[a-c] [\"'.#=\\[\\]\\\\é]"];
        prop_oneof![
            3 => (name(), any::<bool>(), 0u8..3).prop_map(|(name, admin, access)| Step::Add(name, admin, access)),
            1 => (name(), 0usize..2).prop_map(|(name, hash)| Step::Passwd(name, hash)),
            2 => name().prop_map(Step::Remove),
        ]
    }

    /// Blocks of comment lines and sections, parted by empty lines.
    fn file() -> impl Strategy<Value = String> {
        let section = |name: &str| format!("[users.{name}]\npassword = \"{}\"", HASHES[0]);
        let blocks = vec![
            "# one\n# two".to_owned(),
            section("a"),
            "# three".to_owned(),
            "[anonymous]  # four\nenabled = true".to_owned(),
            section("b"),
            "   # five".to_owned(),
        ];
        Just(blocks).prop_shuffle().prop_map(|blocks| blocks.join("\n\n") + "\n")
    }

    proptest! {
        #[test]
        fn any_steps_keep_every_comment_and_leave_exactly_the_users_they_say(start in file(), steps in proptest::collection::vec(step(), 1..15)) {
            let mut text = start;
            let mut model: BTreeMap<String, (bool, Access, usize)> =
                ["a", "b"].map(|name| (name.to_owned(), (false, Access::FULL, 0))).into();
            for step in steps {
                let outcome = match &step {
                    Step::Add(name, admin, access) => {
                        let access = [Access::NONE, Access::READ, Access::MKDIR][usize::from(*access)];
                        let outcome = add(&text, "f", &NewUser { grants: Grants { access, admin: *admin, ..Grants::new(name) }, ..new(name) });
                        prop_assert_eq!(outcome.is_ok(), !model.contains_key(name), "{:?}", step);
                        model.entry(name.clone()).or_insert((*admin, access, 0));
                        outcome
                    }
                    Step::Passwd(name, hash) => {
                        let outcome = passwd(&text, "f", name, HASHES[*hash]);
                        prop_assert_eq!(outcome.is_ok(), model.contains_key(name));
                        if let Some(user) = model.get_mut(name) {
                            user.2 = *hash;
                        }
                        outcome
                    }
                    Step::Remove(name) => {
                        let outcome = remove(&text, "f", name);
                        prop_assert_eq!(outcome.is_ok(), model.remove(name).is_some());
                        outcome
                    }
                };
                text = outcome.unwrap_or(text);
                for comment in ["# one\n# two\n", "# three\n", "# four\n", "   # five\n"] {
                    prop_assert_eq!(text.matches(comment).count(), 1, "{}", text);
                }
                let users = Users::parse(&text, "f").unwrap();
                prop_assert_eq!(users.anonymous_home(), Some("public"));
                let seen: BTreeMap<_, _> = users.iter().map(|user| {
                    let hash = HASHES.iter().position(|hash| StoredHash::parse(hash).ok() == user.hash).unwrap();
                    (user.name().to_owned(), (user.grants().admin, user.grants().access, hash))
                }).collect();
                prop_assert_eq!(&seen, &model);
            }
        }

        #[test]
        fn removing_an_added_user_gives_the_same_text_back(start in file()) {
            let added = add(&start, "f", &new("c")).unwrap();
            prop_assert_eq!(remove(&added, "f", "c").unwrap(), start);
        }
    }
}

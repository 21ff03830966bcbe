//! Reads the text of a users file; `grants_table` and `key_reader` read what a user may and the keys in it. Every error names
//! the file, the line and what is wrong there, and never repeats a value: a password typed into the wrong place must not
//! reach a log. (That is also why serde does not do this work: its messages quote what they found.)

use std::collections::BTreeMap;
use std::sync::Arc;

use super::grants::Defaults;
use super::hash::StoredHash;
use super::own::Own;
use super::shared::Shares;
use super::users::User;
use super::{Grants, HiddenRule, RateLimits, folders_table, grants_table, names, rate_limit, rule_order};
use crate::error::Result;
use crate::limits;
use crate::toml_form::{Section, parse};

/// The home of anonymous reading when the file names none.
const ANONYMOUS_HOME: &str = "public";

/// The kinds of sections.
pub(super) const ROOT: &[&str] = &["anonymous", "defaults", "users", "groups", "folders"];

/// What a users file says.
pub(super) struct Contents {
    /// What anybody may, if anonymous reading is on.
    pub(super) anonymous: Option<Arc<Grants>>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) defaults: Defaults,
    pub(super) shares: Shares,
}

/// Reads the whole text; `file` is the name that errors carry.
pub(super) fn read(text: &str, file: &str) -> Result<Contents> {
    let root = parse(text, file)?;
    let root = Section::root(text, file, &root);
    root.allow_only(ROOT)?;
    let anonymous = root.section("anonymous", "[anonymous]")?.map(|section| read_anonymous(&section)).transpose()?;
    let defaults = match root.section("defaults", "[defaults]")? {
        Some(section) => grants_table::read_defaults(&section)?,
        None => Defaults::none(),
    };
    let mut users = match root.section("users", "[users]")? {
        Some(section) => read_users(&section, &defaults)?,
        None => BTreeMap::new(),
    };
    let mut anonymous = anonymous.filter(|grants| grants.enabled);
    let shares = folders_table::read(&root, &users, defaults.of("").terms.trash)?;
    if !shares.folders().is_empty() {
        for user in users.values_mut() {
            shares.give(&user.name, false, Arc::make_mut(&mut user.grants));
        }
        if let Some(grants) = &mut anonymous {
            shares.give(names::ANONYMOUS, true, grants);
        }
        let named = users.values().map(|user| (user.name(), user.grants()));
        let all: Vec<_> = anonymous.iter().map(|grants| (names::ANONYMOUS, grants)).chain(named).collect();
        folders_table::refuse_collisions(&root, &shares, &all)?;
    }
    Ok(Contents { anonymous: anonymous.map(Arc::new), users, defaults, shares })
}

/// The rules of users that do not count as they say, in the order of the file.
pub(super) fn hidden_rules(text: &str, file: &str) -> Result<Vec<HiddenRule>> {
    let root = parse(text, file)?;
    let root = Section::root(text, file, &root);
    let Some(users) = root.section("users", "[users]")? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (key, value) in users.table {
        let user = key.get_ref().as_ref();
        let section = root.place.section(key, value, &format!("user '{user}'"))?;
        let rules = section.rules_in_lines()?.unwrap_or_default();
        found.extend(rule_order::hidden(user, &rules));
    }
    found.sort_by_key(|hidden| hidden.rule.1);
    Ok(found)
}

/// What the text grants anonymous where reading without an account is on, and whether it is.
pub(super) fn anonymous(text: &str, file: &str) -> Result<Grants> {
    let root = parse(text, file)?;
    let section = Section::root(text, file, &root).section("anonymous", "[anonymous]")?;
    let off = || Grants { enabled: false, ..Grants::anonymous(ANONYMOUS_HOME.to_owned(), RateLimits::default()) };
    section.map_or_else(|| Ok(off()), |section| read_anonymous(&section))
}

pub(super) fn read_anonymous(section: &Section<'_>) -> Result<Grants> {
    if let Some((key, _)) = section.entry("access") {
        let what = "[anonymous] has no key access: anonymous access is always \"read\"";
        return Err(section.place.wrong(key.span(), what.into()));
    }
    section.allow_only(&["enabled", "home", rate_limit::KEY])?;
    let enabled = section.boolean("enabled")?;
    let home = section.home()?.unwrap_or_else(|| ANONYMOUS_HOME.to_owned());
    let limit_rate = rate_limit::read(section, RateLimits::default())?;
    let Some(enabled) = enabled else {
        let what = "[anonymous] does not say enabled = true or enabled = false";
        return Err(section.place.wrong(section.at.clone(), what.into()));
    };
    Ok(Grants { enabled, ..Grants::anonymous(home, limit_rate) })
}

fn read_users(section: &Section<'_>, defaults: &Defaults) -> Result<BTreeMap<String, User>> {
    let mut users = BTreeMap::new();
    for (key, value) in section.table {
        let name = key.get_ref().as_ref();
        names::check_user(name)
            .map_err(|why| section.place.wrong(key.span(), format!("the user name '{name}' {why}")))?;
        let user = section.place.section(key, value, &format!("user '{name}'"))?;
        users.insert(name.to_owned(), read_user(&user, name, defaults)?);
    }
    Ok(users)
}

pub(super) fn read_user(section: &Section<'_>, name: &str, defaults: &Defaults) -> Result<User> {
    section.allow_only(&[&["password", "keys", "id"], grants_table::KEYS].concat())?;
    let hash = match section.text("password")? {
        None => None,
        Some((password, at)) => Some(StoredHash::parse(password).map_err(|why| {
            let what = format!("the password of {} {why}: set it with `sealiftd user passwd`", section.name);
            section.place.wrong(at, what)
        })?),
    };
    let keys = section.keys()?;
    // Before what its other keys say is repeated: a password may stand there by mistake.
    if hash.is_none() && keys.is_none() {
        let what = format!("{} has no password and no keys", section.name);
        return Err(section.place.wrong(section.at.clone(), what));
    }
    let id = section.id()?;
    let grants = Arc::new(grants_table::read(section, defaults.of(name))?);
    let (name, keys, own) = (name.to_owned(), keys.unwrap_or_default(), Own::Nothing);
    Ok(User { name, grants, hash, keys, id, own })
}

impl Section<'_> {
    fn id(&self) -> Result<Option<String>> {
        let Some((id, at)) = self.text("id")? else { return Ok(None) };
        let is_one = !id.is_empty() && id.len() <= limits::ENTRY_ID_MAX;
        let wrong = || {
            let what = format!("the id of {} has 1 to {} bytes, as sealiftd makes it", self.name, limits::ENTRY_ID_MAX);
            self.place.wrong(at, what)
        };
        is_one.then(|| Some(id.to_owned())).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use proptest::prelude::*;

    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn users(body: &str) -> String {
        format!("# a comment\n[users.alice]\npassword = \"{HASH}\"\n{body}\n")
    }

    fn home_of(contents: &Contents) -> Option<&str> {
        contents.anonymous.as_ref().map(|grants| grants.home.as_str())
    }

    #[test]
    fn a_full_file_says_what_it_says() {
        let text = format!(
            "[anonymous]\nenabled = true\nhome = \"pub/lic\"\n\
             [users.alice]\npassword = \"{HASH}\"\n\
             [users.bob]\npassword = \"{HASH}\"\nhome = \"teams/b\"\naccess = [\"list\", \"upload\"]\nadmin = true\n\
             [users.\"c d\"]\npassword = \"{HASH}\"\naccess = \"read\"\n\
             [users.eve]\npassword = \"{HASH}\"\naccess = []\n"
        );
        let contents = read(&text, "users.toml").unwrap();
        assert_eq!(home_of(&contents), Some("pub/lic"));
        let seen: Vec<_> = contents
            .users
            .values()
            .map(|u| (u.name(), &*u.grants.home, u.grants.access.to_string(), u.grants.admin))
            .collect();
        assert_eq!(
            seen,
            [
                ("alice", "alice", "full".into(), false),
                ("bob", "teams/b", "list,upload".into(), true),
                ("c d", "c d", "read".into(), false),
                ("eve", "eve", "none".into(), false),
            ]
        );
    }

    #[test]
    fn an_empty_file_has_nobody() {
        let contents = read("", "users.toml").unwrap();
        assert!(contents.anonymous.is_none() && contents.users.is_empty());
    }

    #[test]
    fn anonymous_is_off_when_it_says_so_and_its_home_is_public_by_default() {
        assert_eq!(home_of(&read("[anonymous]\nenabled = false\n", "f").unwrap()), None);
        assert_eq!(home_of(&read("[anonymous]\nenabled = true\n", "f").unwrap()), Some("public"));
    }

    #[test]
    fn every_error_names_file_line_and_what_is_wrong() {
        let hostile = HASH.replace("19456", "4194304");
        for (text, line, what) in [
            ("[anonymous\n".to_owned(), 1, "not valid TOML"),
            ("\n\nnonsense\n".to_owned(), 3, "not valid TOML"),
            ("[other]\n".to_owned(), 1, "unknown key 'other'"),
            ("anonymous = true\n".to_owned(), 1, "[anonymous] must be a table"),
            ("[anonymous]\nhome = \"x\"\n".to_owned(), 1, "does not say enabled"),
            ("[anonymous]\nenabled = \"yes\"\n".to_owned(), 2, "true or false"),
            ("[anonymous]\nenabled = true\naccess = \"full\"\n".to_owned(), 3, "always \"read\""),
            ("[anonymous]\nenabled = true\nhome = \"../x\"\n".to_owned(), 3, "home of [anonymous] has a part"),
            ("[anonymous]\nenabled = true\nhomes = \"x\"\n".to_owned(), 3, "unknown key 'homes'"),
            ("users = 5\n".to_owned(), 1, "[users] must be a table"),
            ("[users]\nalice = \"x\"\n".to_owned(), 2, "'alice' must be a table"),
            ("[users.alice]\nadmin = true\n".to_owned(), 1, "'alice' has no password and no keys"),
            ("[users.anonymous]\n".to_owned(), 1, "kept for anonymous"),
            ("[users.\"a/b\"]\n".to_owned(), 1, "slash"),
            ("[users.\"a\\nb\"]\n".to_owned(), 1, "control character"),
            ("[users.a]\npassword = 5\n".to_owned(), 2, "text in quotes"),
            ("[users.a]\n\npassword = \"hunter2\"\n".to_owned(), 3, "is not a password hash"),
            (format!("[users.a]\nadmin = true\npassword = \"{hostile}\"\n"), 3, "m=4194304"),
            (users("home = \"/etc\""), 4, "absolute"),
            (users("home = \"a/.sealift\""), 4, "reserved"),
            (users("home = 5"), 4, "text in quotes"),
            (users("acces = \"full\""), 4, "unknown key 'acces'"),
            (users("access = \"ful\""), 4, "'ful' is no access right"),
            (users("\naccess = [\"list\", \"uplod\"]"), 5, "'uplod' is no access right"),
            (users("access = [1]"), 4, "a list of texts"),
            (users("access = true"), 4, "a list of rights"),
            (users("admin = 1"), 4, "true or false"),
            (users("quota = 10"), 4, "text in quotes"),
            (users("quota = \"much\""), 4, "a size such as"),
            (users("[users.alice]"), 4, "not valid TOML"),
        ] {
            let Err(err) = read(&text, "users.toml") else { panic!("accepted: {text}") };
            assert_eq!(err.kind(), Kind::BadConfig, "{text}");
            let start = format!("users.toml:{line}: ");
            assert!(err.text().starts_with(&start) && err.text().contains(what), "{text}\n{}", err.text());
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_stack_overflow() {
        for text in [format!("a = {}", "[".repeat(1_000_000)), format!("[{}a]", "a.".repeat(1_000_000))] {
            let Err(err) = read(&text, "f") else { panic!("accepted") };
            assert!(err.text().starts_with("f:1: ") && err.text().len() < 500, "{}", err.text().len());
        }
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_read_or_refused_with_its_line(
            at in 0usize..400, cut in 0usize..40, put in "[\\[\\]{}=.,\"'#\\\\a-z0-9\n\r\t \u{0}\u{feff}é]{0,8}"
        ) {
            let text = format!("[anonymous]\nenabled = true\nhome = 'p'\n{}", users("access = ['list', \"upload\"]\nadmin = false"));
            let mut text: Vec<char> = text.chars().collect();
            let start = at.min(text.len());
            let end = (start + cut).min(text.len());
            text.splice(start..end, put.chars());
            let text: String = text.into_iter().collect();
            if let Err(err) = read(&text, "f") {
                prop_assert_eq!(err.kind(), Kind::BadConfig);
                let line = err.text().strip_prefix("f:").and_then(|rest| rest.split_once(": "));
                let line: usize = line.and_then(|(line, _)| line.parse().ok()).unwrap_or(0);
                prop_assert!((1..=text.matches('\n').count() + 1).contains(&line), "{}", err.text());
            }
        }
    }

    #[test]
    fn no_error_repeats_a_password_written_into_the_file() {
        for text in [
            "users.alice = \"canary\"",
            "[users]\nalice = \"canary\"",
            "[users]\nalice = [\"canary\"]",
            "[users.alice]\npassword = \"canary\"",
            "[users.alice]\npassword = canary",
            "[users.alice]\npassword = \"canary",
            "[users.alice]\npassword = \"\"\"canary",
            "[users.alice]\npassword = 'canary\n",
            "[users.alice]\npassword = \"\\canary\"",
            "[users.alice]\npassword = \"x\" canary",
            "[users.alice]\npassword \"canary\"",
            "[users.alice]\npassword = \"$argon2id$v=19$m=19456,t=2,p=1$canary$canary\"",
            "[users.alice]\npassword = { canary = 1 }",
        ] {
            let Err(err) = read(text, "users.toml") else { panic!("accepted: {text}") };
            assert!(!format!("{err} {err:?}").contains("canary"), "{text}\n{err:?}");
        }
    }
}

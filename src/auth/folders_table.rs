//! Reads `[groups]` and `[folders]` of a users file, and the rules for paths of a user.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::path_rule::{PathRule, Pattern};
use super::shared::{Definition, EVERYBODY, GROUP, Group, Shares};
use super::users::User;
use super::{Access, Grants, names};
use crate::error::Result;
use crate::files::{HomeTerms, Location, RelPath};
use crate::limits;
use crate::toml_form::Section;

/// What a definition of a group says, before it is known what it comes to.
pub(super) struct Listed<'a> {
    pub(super) members: Vec<(&'a str, std::ops::Range<usize>)>,
    pub(super) at: std::ops::Range<usize>,
}

/// What was found in a group so far.
struct Found<'a> {
    users: BTreeSet<&'a str>,
    groups: BTreeSet<&'a str>,
}

/// Reads the groups and folders of a file that has these users; where folders do not say for how long what is deleted is kept, it is
/// so long.
pub(super) fn read(root: &Section<'_>, users: &BTreeMap<String, User>, trash: Option<Duration>) -> Result<Shares> {
    let groups = match root.section("groups", "[groups]")? {
        Some(section) => {
            at_most(&section, limits::GROUPS_MAX, "groups")?;
            read_groups(&section, users)?
        }
        None => BTreeMap::new(),
    };
    let mut shares = Shares { groups, folders: Vec::new() };
    if let Some(section) = root.section("folders", "[folders]")? {
        at_most(&section, limits::FOLDERS_MAX, "folders")?;
        for (key, value) in section.table {
            let folder = read_folder(&section, key, value, (&shares.groups, users), trash)?;
            shares.folders.push(folder);
        }
        // As they stand in the file, whatever the order of their names.
        shares.folders.sort_by_key(|folder| folder.span.start);
        refuse_nested(&section, &shares)?;
    }
    Ok(shares)
}

fn at_most(section: &Section<'_>, most: usize, what: &str) -> Result<()> {
    match section.table.len() > most {
        true => Err(section.place.wrong(section.at.clone(), format!("there are more than {most} {what}"))),
        false => Ok(()),
    }
}

/// Fails if two folders would show in the same place of one home, or one inside of the other.
pub(super) fn refuse_collisions(root: &Section<'_>, shares: &Shares, all: &[(&str, &Grants)]) -> Result<()> {
    let folders = &shares.folders;
    let nested = |one: &Definition, other: &Definition| one.at.is_within(&other.at) || other.at.is_within(&one.at);
    for (number, one) in folders.iter().enumerate() {
        for other in folders.iter().skip(number + 1).filter(|other| nested(one, other)) {
            let has = |grants: &Grants, folder: &Definition| grants.folders.iter().any(|has| has.name == folder.name);
            let Some((user, _)) = all.iter().find(|(_, grants)| has(grants, one) && has(grants, other)) else {
                continue;
            };
            let what = format!(
                "{user} would have [folders.{}] at /{} and [folders.{}] at /{}: set `as` for one of them",
                one.name, one.at, other.name, other.at
            );
            return Err(root.place.wrong(other.span.clone(), what));
        }
    }
    Ok(())
}

fn read_groups(section: &Section<'_>, users: &BTreeMap<String, User>) -> Result<BTreeMap<String, Group>> {
    let mut groups: BTreeMap<&str, Listed<'_>> = BTreeMap::new();
    for (key, value) in section.table {
        let name = key.get_ref().as_ref();
        names::check_user(name)
            .map_err(|why| section.place.wrong(key.span(), format!("the group name '{name}' {why}")))?;
        let group = section.place.section(key, value, &format!("[groups.{name}]"))?;
        groups.insert(name, read_group(&group, key.span())?);
    }
    let known: BTreeSet<&str> = groups.keys().copied().collect();
    for group in groups.values() {
        for (member, at) in &group.members {
            check_member(section, member, at, (&known, users))?;
        }
    }
    let mut all = BTreeMap::new();
    for (name, group) in &groups {
        let mut found = Found { users: BTreeSet::new(), groups: BTreeSet::new() };
        collect(name, &groups, &mut vec![name], &mut found)
            .map_err(|circle| section.place.wrong(group.at.clone(), circle))?;
        let members = group.members.iter().map(|(member, _)| (*member).to_owned()).collect();
        let users = found.users.into_iter().map(str::to_owned).collect();
        all.insert((*name).to_owned(), Group { members, users });
    }
    Ok(all)
}

/// The section of a group, which begins there.
pub(super) fn read_group<'a>(group: &Section<'a>, at: std::ops::Range<usize>) -> Result<Listed<'a>> {
    group.allow_only(&["members"])?;
    let Some((_, list)) = group.entry("members") else {
        return Err(group.place.wrong(at, format!("{} does not say members = [..]", group.name)));
    };
    let wanted = "a list of users, and of groups as \"@editors\"";
    let DeValue::Array(items) = list.get_ref() else { return Err(group.mistyped("members", list, wanted)) };
    let mut members = Vec::new();
    for item in items {
        let member = item.get_ref().as_str().ok_or_else(|| group.mistyped("members", list, wanted))?;
        members.push((member, item.span()));
    }
    Ok(Listed { members, at })
}

/// All users in a group and the groups in it; that it is inside of itself, in words.
fn collect<'a>(
    name: &str,
    groups: &BTreeMap<&'a str, Listed<'a>>,
    above: &mut Vec<&'a str>,
    found: &mut Found<'a>,
) -> Result<(), String> {
    for (member, _) in groups.get(name).map(|group| &group.members).into_iter().flatten() {
        let Some(inner) = member.strip_prefix(GROUP) else {
            found.users.insert(member);
            continue;
        };
        if above.contains(&inner) {
            let circle: Vec<&str> = above.iter().copied().chain([inner]).collect();
            return Err(format!("the group {inner} is in a circle: {}", circle.join(" has @")));
        }
        if found.groups.insert(inner) {
            above.push(inner);
            collect(inner, groups, above, found)?;
            above.pop();
        }
    }
    Ok(())
}

pub(super) fn check_member(
    section: &Section<'_>,
    member: &str,
    at: &std::ops::Range<usize>,
    (groups, users): (&BTreeSet<&str>, &BTreeMap<String, User>),
) -> Result<()> {
    // What stands there may be anything, but is a name: passwords are not lists.
    match unknown(member, groups.iter().copied(), users.keys().map(String::as_str)) {
        Some(what) => Err(section.place.wrong(at.clone(), what)),
        None => Ok(()),
    }
}

/// That there is no such user, or of `@GROUP` no such group, in words; none if there is.
pub(super) fn unknown<'a>(
    member: &str,
    mut groups: impl Iterator<Item = &'a str> + Clone,
    mut users: impl Iterator<Item = &'a str> + Clone,
) -> Option<String> {
    let (kind, name, near) = match member.strip_prefix(GROUP) {
        Some(group) => ("group", group, nearest(group, groups.clone())),
        None => ("user", member, nearest(member, users.clone())),
    };
    let is_known = if kind == "group" { groups.any(|known| known == name) } else { users.any(|known| known == name) };
    let hint = near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default();
    (!is_known).then(|| format!("there is no {kind} '{name}'{hint}"))
}

pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.min_by_key(|name| strsim::damerau_levenshtein(typed, name));
    near.filter(|name| strsim::damerau_levenshtein(typed, name) <= 2)
}

type Key<'a> = Spanned<DeString<'a>>;

fn read_folder<'a>(
    section: &Section<'a>,
    key: &Key<'a>,
    value: &'a Spanned<DeValue<'a>>,
    (groups, users): (&BTreeMap<String, Group>, &BTreeMap<String, User>),
    trash: Option<Duration>,
) -> Result<Definition> {
    let name = key.get_ref().as_ref();
    let wrong_name = |why| section.place.wrong(key.span(), format!("the folder name '{name}' {why}"));
    check_name(name).map_err(wrong_name)?;
    let folder = section.place.section(key, value, &format!("[folders.{name}]"))?;
    read_section(&folder, (name, key.span()), (groups, users), trash)
}

/// The section of a folder of this name, which begins there.
pub(super) fn read_section(
    folder: &Section<'_>,
    (name, begins): (&str, std::ops::Range<usize>),
    (groups, users): (&BTreeMap<String, Group>, &BTreeMap<String, User>),
    trash: Option<Duration>,
) -> Result<Definition> {
    folder.allow_only(&["path", "as", "access", "quota", "quota_files", "trash", "umask"])?;
    let (location, span) = match folder.text("path")? {
        None => (Location::Below(name.to_owned()), begins),
        Some((path, at)) => {
            let wrong = |why| folder.place.wrong(at.clone(), format!("path of {} {why}", folder.name));
            (read_location(path).map_err(wrong)?, at)
        }
    };
    let at = match folder.text("as")? {
        None => RelPath::parse(name.as_bytes()),
        Some((shown, at)) => {
            let wrong = |why| folder.place.wrong(at, format!("as of {} {why}", folder.name));
            names::check_home(shown).map_err(wrong)?;
            RelPath::parse(shown.as_bytes())
        }
    }?;
    let line = folder.place.line(&span);
    let terms = HomeTerms::none()
        .bounded(folder.quota()?.flatten())
        .with_files(folder.quota_files()?.flatten())
        .keeping(folder.trash()?.unwrap_or(trash));
    let umask = folder.umask()?.flatten();
    let access = read_access(folder, (groups, users))?;
    Ok(Definition { name: name.to_owned(), at, location, terms, umask, access, line, span })
}

/// Whether a shared folder may be called this; otherwise why not, as the end of a sentence about the name.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.contains('/') {
        return Err("holds a slash: set `path` for where it is, `as` for where it appears".to_owned());
    }
    names::check_home(name)
}

/// A path from the root of the machine, or one below the data folder; otherwise why it is none, as the end of a sentence.
pub(super) fn read_location(path: &str) -> Result<Location, String> {
    if !path.starts_with('/') {
        names::check_home(path)?;
        return Ok(Location::Below(path.to_owned()));
    }
    if path.chars().any(char::is_control) {
        return Err("holds a control character".into());
    }
    if path.len() > limits::PATH_MAX {
        return Err(format!("is longer than {} bytes", limits::PATH_MAX));
    }
    let mut plain = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::RootDir | Component::Normal(_) => plain.push(part),
            Component::CurDir | Component::ParentDir | Component::Prefix(_) => {
                return Err("has a part `.` or `..`".into());
            }
        }
    }
    match plain.parent() {
        Some(_) => Ok(Location::Elsewhere(plain)),
        None => Err("is the whole machine".into()),
    }
}

fn read_access(
    folder: &Section<'_>,
    (groups, users): (&BTreeMap<String, Group>, &BTreeMap<String, User>),
) -> Result<BTreeMap<String, Access>> {
    let wanted = "a table of who may do what, as { \"@editors\" = \"full\", \"*\" = \"read\" }";
    let Some((key, value)) = folder.entry("access") else {
        let what = format!("{} does not say access = {{ .. }}: {wanted}", folder.name);
        return Err(folder.place.wrong(folder.at.clone(), what));
    };
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        return Err(folder.mistyped("access", value, wanted));
    }
    let table = folder.place.section(key, value, &format!("access of {}", folder.name))?;
    let groups: BTreeSet<&str> = groups.keys().map(String::as_str).collect();
    let mut access = BTreeMap::new();
    for (key, value) in table.table {
        let to = key.get_ref().as_ref();
        let rights = table.rights(to, value)?;
        if names::is_anonymous(to) {
            if to != names::ANONYMOUS {
                let what =
                    format!("access of {}: write \"{}\" for those without a login", folder.name, names::ANONYMOUS);
                return Err(folder.place.wrong(key.span(), what));
            }
            if rights.without(Access::READ) != Access::NONE {
                let what = format!(
                    "access of {}: anonymous only ever reads: write \"read\", or \"list\" in a list",
                    folder.name
                );
                return Err(folder.place.wrong(value.span(), what));
            }
        } else if to != EVERYBODY {
            check_member(&table, to, &key.span(), (&groups, users))?;
        }
        access.insert(to.to_owned(), rights);
    }
    Ok(access)
}

/// Fails if one folder is another, or lies in it: what is in the inner one would have two rules.
fn refuse_nested(section: &Section<'_>, shares: &Shares) -> Result<()> {
    for (number, one) in shares.folders.iter().enumerate() {
        for other in shares.folders.get(number + 1..).unwrap_or_default() {
            let what = match (one.location.contains(&other.location), other.location.contains(&one.location)) {
                (true, true) => format!("[folders.{}] and [folders.{}] are the same folder", one.name, other.name),
                (true, false) => format!("[folders.{}] is inside of [folders.{}]", other.name, one.name),
                (false, true) => format!("[folders.{}] is inside of [folders.{}]", one.name, other.name),
                (false, false) => continue,
            };
            let what = format!("{what} ({}): give them folders beside each other", other.location);
            return Err(section.place.wrong(other.span.clone(), what));
        }
    }
    Ok(())
}

impl Section<'_> {
    /// The rules for paths of a user.
    pub(super) fn rules(&self) -> Result<Option<Vec<PathRule>>> {
        let rules = self.rules_in_lines()?;
        Ok(rules.map(|rules| rules.into_iter().map(|(rule, _)| rule).collect()))
    }

    /// The rules for paths of a user, each with the line that says its path.
    pub(super) fn rules_in_lines(&self) -> Result<Option<Vec<(PathRule, usize)>>> {
        let Some((key, value)) = self.entry("rules") else { return Ok(None) };
        let wanted = "a list of tables, each written as [[users.NAME.rules]]";
        let DeValue::Array(items) = value.get_ref() else { return Err(self.mistyped("rules", value, wanted)) };
        if items.len() > limits::PATH_RULES_MAX {
            let what = format!("{} has more than {} rules", self.name, limits::PATH_RULES_MAX);
            return Err(self.place.wrong(key.span(), what));
        }
        let mut rules = Vec::new();
        for item in items {
            let DeValue::Table(table) = item.get_ref() else { return Err(self.mistyped("rules", value, wanted)) };
            let name = format!("a rule of {}", self.name);
            let rule = Section { place: self.place, name, at: item.span(), table };
            rule.allow_only(&["path", "access"])?;
            let missing = |what: &str| self.place.wrong(item.span(), format!("{} does not say {what}", rule.name));
            let (path, at) = rule.text("path")?.ok_or_else(|| missing("path = \"/..\""))?;
            let line = self.place.line(&at);
            let wrong = |why| self.place.wrong(at, format!("path of {} {why}", rule.name));
            let pattern = Pattern::parse(path).map_err(wrong)?;
            let access = rule.access()?.ok_or_else(|| missing("access = .."))?;
            rules.push((PathRule { pattern, access }, line));
        }
        Ok(Some(rules))
    }
}

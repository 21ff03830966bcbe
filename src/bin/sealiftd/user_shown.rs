//! What users may, for people and for programs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use sealift::auth::{Access, Grants, Invitation, PathRule, SharedFolder, User, Users, render_expiry, render_trash_age};
use sealift::byte_size::render_size;
use sealift::escape::for_people;
use sealift::table::Table;
use serde_json::json;

use crate::user_key::KeyRow;

/// Each thing that is granted, with its value, in words.
pub fn grants(granted: &Grants) -> Vec<(&'static str, String)> {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let none = || "none".to_owned();
    let rate = |limit: Option<u64>| limit.map_or_else(none, |limit| format!("{}/s", render_size(limit)));
    let networks: Vec<String> = granted.from.iter().map(ToString::to_string).collect();
    let own = granted.self_service;
    vec![
        ("folder", shown(&granted.home)),
        ("may", granted.access.to_string()),
        ("admin", yes_no(granted.admin)),
        ("quota", granted.terms.quota.map_or_else(none, render_size)),
        ("quota files", granted.terms.quota_files.map_or_else(none, |most| most.to_string())),
        ("trash", granted.terms.trash.map_or_else(none, render_trash_age)),
        ("umask", granted.umask.map_or_else(none, |umask| umask.to_string())),
        ("enabled", yes_no(granted.enabled)),
        ("expires", granted.expires.map_or_else(|| "never".to_owned(), render_expiry)),
        ("from", if networks.is_empty() { "anywhere".to_owned() } else { networks.join(", ") }),
        ("max sessions", granted.max_sessions.map_or_else(none, |most| most.to_string())),
        ("limit down", rate(granted.limit_rate.down)),
        ("limit up", rate(granted.limit_rate.up)),
        ("own password", yes_no(own.password)),
        ("own keys", yes_no(own.keys)),
        ("rules", if granted.rules.is_empty() { none() } else { rules(&granted.rules).join("; ") }),
    ]
}

fn rules(rules: &[PathRule]) -> Vec<String> {
    rules.iter().map(|rule| shown(&format!("{}: {}", rule.path(), rule.access))).collect()
}

/// The groups that a user is in.
pub fn groups(users: &Users, name: &str) -> String {
    match users.shares().groups_of(name) {
        groups if groups.is_empty() => "none".to_owned(),
        groups => shown(&groups.join(", ")),
    }
}

/// All of one user.
pub fn all_of(users: &Users, user: &User, invitations: &Invitations, keys: &[String]) -> String {
    let login = match login(user, invitations) {
        "yes" => "logs in".to_owned(),
        INVITED => "was invited, and has not joined yet".to_owned(),
        INVITATION_EXPIRED => "was invited, has not joined, and the invitation has expired".to_owned(),
        INVITATION_GONE => "was invited, has not joined, and has no invitation any more".to_owned(),
        word => format!("does not log in: {word}"),
    };
    let mut text = format!("{} {login}.\n", shown(user.name()));
    let password = if user.has_password() && !user.is_invited() { "yes" } else { "no" };
    let mut rows = grants(user.grants());
    // One a line, where all is shown.
    rows.retain(|(label, _)| *label != "rules");
    rows.push(("groups", groups(users, user.name())));
    rows.extend(rules(&user.grants().rules).into_iter().map(|rule| ("rule", rule)));
    for folder in &user.grants().folders {
        let changes = Access::DELETE.union(Access::OVERWRITE).intersection(folder.access) != Access::NONE;
        let kept = match folder.terms.trash {
            Some(age) => format!("; keeps what is deleted for {}", render_trash_age(age)),
            // Her own trash may be taken for that of everything that she sees.
            None if changes && user.grants().terms.trash.is_some() => "; keeps nothing that is deleted".to_owned(),
            None => String::new(),
        };
        let text = format!("/{}: {} ([folders.{}], {}){kept}", folder.at, folder.access, folder.name, folder.given_to);
        rows.push(("shared folder", shown(&text)));
    }
    rows.push(("password", password.to_owned()));
    rows.extend(keys.iter().map(|key| ("key", key.clone())));
    for (label, value) in rows {
        let _ = writeln!(text, "  {label:<13} {value}");
    }
    text
}

/// The invitations that there are; none where that cannot be looked at.
pub type Invitations = Option<Vec<Invitation>>;

const INVITED: &str = "invited";
const INVITATION_EXPIRED: &str = "invitation expired";
const INVITATION_GONE: &str = "invitation gone";

/// How it stands with somebody who has not joined.
fn invited(user: &User, invitations: &Invitations) -> &'static str {
    let Some(all) = invitations else { return INVITED };
    let mut own = all.iter().filter(|invitation| invitation.is_for(user)).map(Invitation::is_over).peekable();
    match own.peek().is_some() {
        false => INVITATION_GONE,
        true if own.all(|is_over| is_over) => INVITATION_EXPIRED,
        true => INVITED,
    }
}

/// Whether nobody can join as this user, who has not joined yet.
pub fn needs_another(user: &User, invitations: &Invitations) -> bool {
    [INVITATION_EXPIRED, INVITATION_GONE].contains(&login(user, invitations))
}

/// Whether somebody can join as this user.
pub fn may_join(user: &User, invitations: &Invitations) -> bool {
    login(user, invitations) == INVITED
}

/// Whether this user logs in today, from somewhere.
fn login(user: &User, invitations: &Invitations) -> &'static str {
    let granted = user.grants();
    match () {
        () if !granted.enabled => "disabled",
        () if granted.expires.is_some_and(|end| end <= SystemTime::now()) => "expired",
        () if user.is_invited() => invited(user, invitations),
        () => "yes",
    }
}

/// A row for each of the users, and a head. Of groups, shared folders and rules it tells where there are some. Where the rows do
/// not fit, each user is a few lines of what there is to say.
pub fn table(users: &Users, invitations: &Invitations, width: Option<usize>) -> String {
    // Rights stand without blanks, as they are typed; short lines are broken between them.
    let columns = rows(users, invitations, ",");
    let lines = match width {
        Some(width) if !columns.fits(width) => rows(users, invitations, ", ").blocks(width),
        _ => columns.with_head(),
    };
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn rows(users: &Users, invitations: &Invitations, between_rights: &str) -> Table {
    let more = |user: &str, grants: &Grants| {
        let folders: Vec<&str> = grants.folders.iter().map(|folder| folder.name.as_str()).collect();
        let rules = if grants.rules.is_empty() { String::new() } else { grants.rules.len().to_string() };
        [users.shares().groups_of(user).join(", "), folders.join(", "), rules]
    };
    let (mut rows, mut others) = (Vec::new(), Vec::new());
    if let (Some(home), Ok(grants)) = (users.anonymous_home(), users.grants_of("anonymous")) {
        rows.push(["anonymous", home, "read", "no", "none", "yes", ""].map(shown).to_vec());
        others.push(more("anonymous", grants));
    }
    for user in users.iter() {
        let granted = user.grants();
        let admin = if granted.admin { "yes" } else { "no" };
        let quota = granted.terms.quota.map_or_else(|| "none".to_owned(), render_size);
        let keys = KeyRow::of(user);
        let keys = keys.iter().map(|row| row.key.name()).collect::<Vec<_>>().join(", ");
        let access = granted.access.to_string().replace(',', between_rights);
        rows.push(
            [user.name(), &granted.home, &access, admin, &quota, login(user, invitations), &keys].map(shown).to_vec(),
        );
        others.push(more(user.name(), granted));
    }
    let mut head = vec!["USER", "FOLDER", "MAY", "ADMIN", "QUOTA", "LOGIN", "KEYS"];
    for (column, name) in ["GROUPS", "SHARED", "RULES"].into_iter().enumerate() {
        let cells: Vec<String> = others.iter().filter_map(|cells| cells.get(column)).map(|cell| shown(cell)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            head.push(name);
            rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
        }
    }
    let mut table = Table::new(head);
    rows.into_iter().for_each(|row| table.push(row));
    table
}

/// One JSON object a line for each of the users.
pub fn json(users: &Users) -> String {
    let anonymous = users.anonymous_home().map(|home| {
        let (user, access, keys) = ("anonymous", names(Access::READ), [0; 0]);
        let quota: Option<u64> = None;
        format!("{}\n", json!({ "user": user, "home": home, "access": access, "admin": false, "quota": quota, "password": false, "keys": keys }))
    });
    anonymous.into_iter().chain(users.iter().map(|user| json_of(users, user))).collect()
}

/// The JSON object of one user.
pub fn json_of(users: &Users, user: &User) -> String {
    let time = |end: SystemTime| sealift::readable::rfc3339(end);
    let keys: Vec<_> = KeyRow::of(user).iter().map(KeyRow::as_value).collect();
    let granted = user.grants();
    let from: Vec<String> = granted.from.iter().map(ToString::to_string).collect();
    let rules: Vec<_> =
        granted.rules.iter().map(|rule| json!({ "path": rule.path(), "access": names(rule.access) })).collect();
    let folder = |folder: &Arc<SharedFolder>| json!({ "name": folder.name, "path": format!("/{}", folder.at), "access": names(folder.access), "given_to": folder.given_to });
    let folders: Vec<_> = granted.folders.iter().map(folder).collect();
    let row = json!({
        "user": user.name(), "home": granted.home, "access": names(granted.access), "admin": granted.admin,
        "quota": granted.terms.quota, "quota_files": granted.terms.quota_files, "trash_seconds": granted.terms.trash.map(|age| age.as_secs()), "umask": granted.umask.map(|umask| umask.to_string()), "enabled": granted.enabled, "expires": granted.expires.map(time), "from": from,
        "max_sessions": granted.max_sessions, "limit_rate_down": granted.limit_rate.down, "limit_rate_up": granted.limit_rate.up, "own_password": granted.self_service.password, "own_keys": granted.self_service.keys, "password": user.has_password() && !user.is_invited(), "invited": user.is_invited(), "keys": keys,
        "groups": users.shares().groups_of(user.name()), "rules": rules, "folders": folders
    });
    format!("{row}\n")
}

pub fn names(access: Access) -> Vec<&'static str> {
    access.names().collect()
}

fn shown(text: &str) -> String {
    for_people(text.as_bytes())
}

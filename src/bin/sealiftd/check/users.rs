//! The users: who can read the file with their hashes, how strong those are, and whose folders meet.

use std::collections::BTreeMap;
use std::time::SystemTime;

use sealift::auth::{Access, Links, SharedHome, StateFolder, User, Users, file_warnings, render_expiry};
use sealift::files::Umask;
use sealift::limits;
use sealift::server::users_file_trouble;
use sealift::store::look_at_home;

use super::findings::{Findings, Severity};
use crate::args::Places;
use crate::hidden_rules::{self, HiddenRule};
use crate::output::{shell_word, some_of};
use crate::shared_folders::{self, Trouble};
use crate::user_key::KeyRow;

/// Looks at all users.
pub fn look(places: &Places, users: &Users, findings: &mut Findings) {
    match file_warnings(&places.users, users.iter().next().is_some()) {
        Ok(warnings) => {
            for warning in warnings {
                findings.add(Severity::Warning, warning, "");
            }
        }
        Err(error) => findings.add(Severity::Error, error.text(), "give it to the account that runs sealiftd"),
    }
    if users.iter().next().is_none() && users.anonymous_home().is_none() {
        let next = "`sealiftd user add NAME` adds a user";
        findings.add(Severity::Warning, "nobody can log in: there is no user, and anonymous reading is off", next);
    }
    keys(places, users, findings);
    short_passwords(users, findings);
    nothing_kept(places, users, findings);
    for user in users.iter() {
        if let Some(parameters) = user.weak_hash() {
            let what = format!(
                "the password of {} is hashed with {parameters}, less than today's m={},t={}",
                user.name(),
                limits::ARGON2_MEMORY_KIB,
                limits::ARGON2_PASSES
            );
            findings.add(Severity::Warning, what, format!("run: sealiftd user passwd {}", shell_word(user.name())));
        }
        kept_out(user, findings);
        may_not_replace(user, findings);
        open_to_all(&format!("[users.{}]", user.name()), user.grants().umask, findings);
        home(places, user.name(), &user.grants().home, may_write(user), findings);
    }
    if let Some(home_of_all) = users.anonymous_home() {
        home(places, "anonymous", home_of_all, false, findings);
    }
    for shared in users.shared_homes() {
        meeting(users, &shared, findings);
    }
    for folder in users.shares().folders() {
        open_to_all(&format!("[folders.{}]", folder.name()), folder.umask(), findings);
    }
    for HiddenRule { what, next, .. } in hidden_rules::of(places) {
        findings.add(Severity::Warning, what, next);
    }
    for Trouble { is_error, what, next } in shared_folders::look(places, users) {
        findings.add(if is_error { Severity::Error } else { Severity::Warning }, what, next);
    }
}

/// A users file that lets people choose shorter passwords than are thought safe.
fn short_passwords(users: &Users, findings: &mut Findings) {
    let min = users.password_rule().min();
    if min < limits::PASSWORD_MIN_USUAL {
        let what = format!("passwords of {min} characters can be chosen (min_password)");
        let next = format!("{} are the fewest that NIST SP 800-63B allows", limits::PASSWORD_MIN_USUAL);
        findings.add(Severity::Note, what, next);
    }
}

/// That whatever is deleted or replaced is gone at once, where nobody has said anything of a trash. Files in a bucket have none.
fn nothing_kept(places: &Places, users: &Users, findings: &mut Findings) {
    let takes_away = |user: &User| {
        let access = user.grants().access;
        access.contains(Access::DELETE) || access.contains(Access::OVERWRITE)
    };
    let keeps = users.iter().any(|user| user.grants().terms.trash.is_some())
        || users.shares().folders().iter().any(|folder| folder.terms().trash.is_some());
    if places.bucket.is_none() && !keeps && users.iter().any(takes_away) {
        let what = "what users delete or replace is gone at once: no trash is kept";
        let next = "trash = \"30d\" under [defaults] of the users file keeps it for so long, and counts it in quotas";
        findings.add(Severity::Note, what, next);
    }
}

/// Keys that log in no more, or several users, and what is kept of users and cannot be used; links and invitations of that kind, too.
fn keys(places: &Places, users: &Users, findings: &mut Findings) {
    let mut users = users.clone();
    // Where this account sees nothing, nothing is said of each user.
    if places.state().join("users").read_dir().is_ok() {
        for error in users.take_own(&StateFolder::as_it_is(&places.state()), None, true) {
            let next =
                "the user's passwords are refused; removing the file makes the password of the users file valid again";
            findings.add(Severity::Error, error.text(), next);
        }
    }
    if places.state().join("links").read_dir().is_ok() {
        for error in Links::load(&StateFolder::as_it_is(&places.state())).1 {
            let next = "whoever has this link is told that there is none: remove the file, and have another one made";
            findings.add(Severity::Warning, error.text(), next);
        }
    }
    for error in StateFolder::as_it_is(&places.state()).damaged_invitations() {
        let next = "whoever has this invitation is told that there is none: remove the file, and invite them again";
        findings.add(Severity::Warning, error.text(), next);
    }
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for user in users.iter() {
        for row in KeyRow::of(user) {
            owners.entry(row.key.public().fingerprint()).or_default().push(user.name());
            if row.key.expires().is_some_and(|end| end <= SystemTime::now()) && row.enrolled.is_none() {
                let what = format!("the key {} of {} has expired", row.key.name(), user.name());
                let next = format!(
                    "run: sealiftd user key remove {} {}",
                    shell_word(user.name()),
                    row.key.public().fingerprint()
                );
                findings.add(Severity::Note, what, next);
            }
        }
        if !user.can_choose() {
            let what = format!(
                "{} has neither a password nor an id, and so can neither choose a password nor enrol keys",
                user.name()
            );
            let next =
                format!("write id = \"{:016x}\" into [users.{}], if that is not intended", fresh_id(), user.name());
            findings.add(Severity::Note, what, next);
        }
    }
    for (fingerprint, names) in owners.iter().filter(|(_, names)| names.len() > 1) {
        let what = format!("the key {fingerprint} logs in as {}", some_of(names));
        findings.add(Severity::Note, what, "give each a key of their own, unless it is one person");
    }
}

/// Something to tell an entry by. Where there is no randomness the time has to do.
fn fresh_id() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    getrandom::u64().unwrap_or(now.as_secs())
}

/// What a running server knows of the file, and cannot be seen from outside of it: its sandbox lets it reach the folder that
/// the file was in at the start.
pub fn as_served(places: &Places, findings: &mut Findings) {
    let Some(trouble) = users_file_trouble(&places.data) else { return };
    if let Some(why) = trouble.outdated {
        let what = format!("the server that runs cannot use the users file, and an older one is in force: {why}");
        let next = "mend it; if its folder was replaced, start the server again";
        findings.add(Severity::Warning, what, next);
    }
    if let Some(lost) = trouble.lost {
        findings.add(Severity::Warning, lost, "any further change of the file, even back, ends this warning");
    }
}

/// Somebody who does not log in any more, or soon.
fn kept_out(user: &User, findings: &mut Findings) {
    let (name, word) = (user.name(), shell_word(user.name()));
    if !user.grants().enabled {
        let next = format!("run: sealiftd user set {word} --enabled yes, or sealiftd user remove {word}");
        findings.add(Severity::Note, format!("{name} is disabled and does not log in"), next);
    }
    let Some(end) = user.grants().expires else { return };
    let now = SystemTime::now();
    let next = format!("run: sealiftd user set {word} --expires DATE, or sealiftd user remove {word}");
    if end <= now {
        let what = format!("{name} has expired ({}) and does not log in", render_expiry(end));
        findings.add(Severity::Warning, what, next);
    } else if end <= now + limits::EXPIRY_NOTICE {
        findings.add(Severity::Note, format!("{name} expires soon ({})", render_expiry(end)), next);
    }
}

/// Replacing files was once part of `upload`, and of `rename` with `delete`: who has these and not the right for it now
/// may do less than the list was written for.
fn may_not_replace(user: &User, findings: &mut Findings) {
    let access = user.grants().access;
    let once = access.contains(Access::UPLOAD) || access.contains(Access::RENAME.union(Access::DELETE));
    if once && !access.contains(Access::OVERWRITE) {
        let what =
            format!("{} may put new files in place but not replace one: `overwrite` is not in access", user.name());
        findings.add(Severity::Note, what, "add \"overwrite\" if that is not meant");
    }
}

/// A umask with which everybody on the machine may change what is made.
fn open_to_all(section: &str, umask: Option<Umask>, findings: &mut Findings) {
    if let Some(umask) = umask.filter(|umask| umask.lets_others_write()) {
        let what = format!("what is made by {section} can be changed by every account of the machine: umask {umask}");
        findings.add(Severity::Warning, what, "write \"002\" for the group alone, or \"022\"");
    }
}

/// A home that is missing is made at the first login.
fn home(places: &Places, name: &str, home: &str, writes: bool, findings: &mut Findings) {
    match look_at_home(&places.data, home) {
        Ok(false) => {}
        Ok(true) => {
            if let Some((obstacle, what)) = shared_folders::in_the_way(&places.data.join(home), writes) {
                let next = obstacle.next_step();
                findings.add(Severity::Warning, format!("{name} could not {what}: {obstacle}"), next);
            }
        }
        Err(_) => {
            if let Some(Trouble { what, next, .. }) = shared_folders::of_home(places, name, home) {
                findings.add(Severity::Error, what, next);
            }
        }
    }
}

/// Those whose folders are the same, or inside of one another: one finding, however many they are.
fn meeting(users: &Users, shared: &SharedHome<'_>, findings: &mut Findings) {
    let SharedHome { home, owners, inside, .. } = shared;
    let named = |names: &[&str]| -> Vec<&User> { names.iter().filter_map(|name| users.get(name)).collect() };
    let (outer, inner) = (named(owners), named(inside));
    // Anonymous is no named user.
    let anybody_owns = outer.len() < owners.len();
    if anybody_owns || inner.len() < inside.len() {
        let reach = outer.iter().chain(inner.iter().filter(|_| anybody_owns));
        let uploads: Vec<&str> =
            reach.filter(|user| user.grants().access.contains(Access::UPLOAD)).map(|user| user.name()).collect();
        if !uploads.is_empty() {
            let what = format!("{} may upload to where anonymous reads ({home})", some_of(&uploads));
            findings.add(Severity::Note, what, "what is put there can be read by anybody");
        }
    }
    let names = |users: &[&User]| some_of(&users.iter().map(|user| user.name()).collect::<Vec<_>>());
    if outer.len() > 1 {
        let what = format!("{} share the folder {home}", names(&outer));
        findings.add(Severity::Note, what, "each sees the other's files, and what either may change");
    }
    let (Some(first), false) = (inner.first(), outer.is_empty()) else { return };
    let outer_writes = outer.iter().copied().any(may_write);
    let writes = outer_writes || inner.iter().copied().any(may_write);
    let severity = if writes { Severity::Warning } else { Severity::Note };
    let what = match inner.len() {
        1 => format!("the folder of {} ({}) lies", first.name(), first.grants().home),
        _ => format!("the folders of {} lie", names(&inner)),
    };
    let can = match (outer.len(), outer_writes) {
        (1, true) => "sees and may change",
        (1, false) => "sees",
        (_, true) => "see and may change",
        (_, false) => "see",
    };
    let what = format!("{what} inside that of {} ({home}), who {can} what is in it", names(&outer));
    findings.add(severity, what, "give them folders beside each other, unless this is intended");
}

fn may_write(user: &User) -> bool {
    user.grants().access.changes()
}

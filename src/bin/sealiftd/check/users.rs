//! The users: who can read the file with their hashes, how strong those are, and whose folders meet.

use sealift::auth::{Access, User, Users, file_warnings};
use sealift::server::look_at_home;
use sealift::{Kind, limits};

use super::findings::{Findings, Severity};
use crate::args::Places;
use crate::output::shell_word;
use crate::reach::{Want, obstacle};

/// Looks at all users.
pub fn look(places: &Places, users: &Users, findings: &mut Findings) {
    match file_warnings(&places.users, users) {
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
        may_not_replace(user, findings);
        home(places, user.name(), user.home(), may_write(user), findings);
    }
    if let Some(home_of_all) = users.anonymous_home() {
        home(places, "anonymous", home_of_all, false, findings);
    }
    for (a, b) in users.overlapping_homes() {
        meeting(users, a, b, findings);
    }
}

/// Replacing files was once part of `upload`, and of `rename` with `delete`: who has these and not the right for it now
/// may do less than the list was written for.
fn may_not_replace(user: &User, findings: &mut Findings) {
    let access = user.access();
    let once = access.contains(Access::UPLOAD) || access.contains(Access::RENAME.union(Access::DELETE));
    if once && !access.contains(Access::OVERWRITE) {
        let what =
            format!("{} may put new files in place but not replace one: `overwrite` is not in access", user.name());
        findings.add(Severity::Note, what, "add \"overwrite\" if that is not meant");
    }
}

/// A home that is missing is made at the first login.
fn home(places: &Places, name: &str, home: &str, writes: bool, findings: &mut Findings) {
    match look_at_home(&places.data, home) {
        Ok(false) => {}
        Ok(true) => {
            let path = places.data.join(home);
            if writes && let Some(obstacle) = obstacle(&path, Want::Folder) {
                let next = "give it to the account that runs sealiftd";
                findings.add(Severity::Warning, format!("{name} could not write: {obstacle}"), next);
            }
        }
        Err(error) => {
            let next = match error.kind() {
                Kind::Denied => {
                    "give it to the account that runs sealiftd; a link must not lead out of the data folder"
                }
                _ => "move what is there away",
            };
            findings.add(Severity::Error, format!("the folder of {name}: {}", error.text()), next);
        }
    }
}

/// Two whose folders are the same, or one inside the other.
fn meeting(users: &Users, a: &str, b: &str, findings: &mut Findings) {
    let Some(b) = users.get(b) else { return };
    match users.get(a) {
        // Anonymous comes first in every pair.
        None if b.access().contains(Access::UPLOAD) => findings.add(
            Severity::Note,
            format!("{} may upload to where anonymous reads ({})", b.name(), b.home()),
            "what is put there can be read by anybody",
        ),
        None => {}
        Some(a) if a.home() == b.home() => {
            let what = format!("{} and {} share the folder {}", a.name(), b.name(), a.home());
            findings.add(Severity::Note, what, "each sees the other's files, and what either may change");
        }
        Some(a) => {
            let (outer, inner) = if a.home().len() < b.home().len() { (a, b) } else { (b, a) };
            let (severity, can) = if may_write(outer) || may_write(inner) {
                (Severity::Warning, "sees and may change")
            } else {
                (Severity::Note, "sees")
            };
            let can = if may_write(outer) { can } else { "sees" };
            let what = format!(
                "the folder of {} ({}) lies inside that of {} ({}), who {can} what is in it",
                inner.name(),
                inner.home(),
                outer.name(),
                outer.home()
            );
            findings.add(severity, what, "give them folders beside each other, unless this is meant");
        }
    }
}

fn may_write(user: &User) -> bool {
    user.access().without(Access::READ) != Access::NONE
}

//! Shared folders: what about them keeps people from what the users file gives them, or gives more than it says.

use std::path::Path;

use sealift::Kind;
use sealift::auth::{Definition, Users};
use sealift::files::Location;
use sealift::limits;
use sealift::store::look_at_home;

use crate::args::Places;
use crate::obstacle::{Obstacle, Want, obstacle};
use crate::output::some_of;

/// Something that is wrong with a shared folder.
pub struct Trouble {
    /// Nobody can use the folder, or no server starts.
    pub is_error: bool,
    /// What it is.
    pub what: String,
    /// What to do.
    pub next: &'static str,
}

/// Looks at all shared folders.
pub fn look(places: &Places, users: &Users) -> Vec<Trouble> {
    let folders = users.shares().folders().iter();
    folders.flat_map(|folder| of(places, users, folder)).chain(idle_rules(users)).collect()
}

/// Looks at one shared folder.
pub fn of(places: &Places, users: &Users, folder: &Definition) -> Vec<Trouble> {
    let (meeting, hidden) = (meeting(users, folder), hidden(places, users, folder));
    place(places, folder).into_iter().chain(of_the_system(folder)).chain(meeting).chain(hidden).collect()
}

/// Where the machine keeps what its accounts, programs and keys are: with all in it, and where much of it is somewhere below.
const SYSTEM: [&str; 7] = ["/etc", "/root", "/boot", "/proc", "/sys", "/dev", "/run/systemd"];
const AROUND: [&str; 11] =
    ["/home", "/var", "/var/lib", "/var/log", "/var/spool", "/usr", "/run", "/bin", "/sbin", "/lib", "/opt"];

/// A folder that was made for something else than to be shared.
fn of_the_system(folder: &Definition) -> Option<Trouble> {
    let Location::Elsewhere(path) = folder.location() else { return None };
    let there = sealift::apart::real(path).unwrap_or_else(|| path.clone());
    let is_one = |path: &Path| {
        SYSTEM.iter().any(|system| path.starts_with(system)) || AROUND.iter().any(|around| path == Path::new(around))
    };
    (is_one(path) || is_one(&there)).then(|| Trouble {
        is_error: false,
        what: format!(
            "the shared folder {} is {}, where the machine has what is its own: whoever has it reads there what the server's account may read",
            folder.name(),
            path.display()
        ),
        next: "share a folder with nothing else in it, such as /srv/files",
    })
}

/// What keeps everybody from the home of this name, of whom `whose` it is.
pub fn of_home(places: &Places, whose: &str, home: &str) -> Option<Trouble> {
    let error = look_at_home(&places.data, home).err()?;
    let next = match error.kind() {
        Kind::Denied => "give it to the account that runs sealiftd; a link must not lead out of the data folder",
        _ => "move what is there away",
    };
    Some(Trouble { is_error: true, what: format!("the folder of {whose}: {}", error.text()), next })
}

fn place(places: &Places, folder: &Definition) -> Option<Trouble> {
    let (called, is_changed) = (format!("the shared folder {}", folder.name()), folder.is_changed());
    let make = "make it, or mend path in the users file; then start the server again";
    let (path, looked) = match folder.location() {
        Location::Below(name) => {
            let looked = look_at_home(&places.data, name).map_err(|err| (err.to_string(), make));
            (places.data.join(name), looked)
        }
        Location::Elsewhere(path) if path.is_dir() => (path.clone(), Ok(true)),
        Location::Elsewhere(path) => {
            // One that cannot be seen may be there all the same, as in a unit that hides it.
            let hidden = obstacle(path, Want::Look).filter(|found| !found.is_missing());
            let missing = || (format!("{}: no such folder", path.display()), make);
            let why = hidden.map_or_else(missing, |found| (found.to_string(), found.next_step()));
            (path.clone(), Err(why))
        }
    };
    match looked {
        Err((why, next)) => Some(Trouble { is_error: true, what: format!("{called}: {why}"), next }),
        // The start makes it.
        Ok(false) => None,
        Ok(true) => in_the_way(&path, is_changed).map(|(obstacle, what)| {
            let next = obstacle.next_step();
            Trouble { is_error: false, what: format!("nobody could {what} in {called}: {obstacle}"), next }
        }),
    }
}

/// What keeps this process from a folder that is served, to read there or to write; and the word for what nobody could do then.
pub fn in_the_way(folder: &Path, is_changed: bool) -> Option<(Obstacle, &'static str)> {
    if !is_changed {
        return obstacle(folder, Want::Look).map(|found| (found, "read"));
    }
    // Where uploads wait, and what was deleted.
    let reserved = folder.join(limits::RESERVED_NAME);
    let inside = [reserved.join("trash"), reserved].into_iter().filter(|path| path.symlink_metadata().is_ok());
    [folder.to_owned()]
        .into_iter()
        .chain(inside)
        .find_map(|path| obstacle(&path, Want::Folder))
        .map(|found| (found, "write"))
}

/// Homes that see what is in a folder, or are seen in it, whatever its own rights are.
fn meeting(users: &Users, folder: &Definition) -> Vec<Trouble> {
    let (mut around, mut inside, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let named = users.iter().map(|user| (user.name(), user.grants().home.as_str()));
    for (name, home) in users.anonymous_home().map(|home| ("anonymous", home)).into_iter().chain(named) {
        let home = Location::Below(home.to_owned());
        match (home.contains(folder.location()), folder.location().contains(&home)) {
            (true, false) => around.push(name),
            (false, true) => inside.push(name),
            // The home itself is one that is shared, as the folder of anonymous mostly is.
            (true, true) if name != "anonymous" => whole.push(name),
            (true, true) | (false, false) => {}
        }
    }
    let mut found = Vec::new();
    let next = "give them folders beside each other, unless this is intended";
    if !around.is_empty() {
        let what = format!(
            "the shared folder {} ({}) is or lies in the home of {}, whose own rights count there",
            folder.name(),
            folder.location(),
            some_of(&around)
        );
        found.push(Trouble { is_error: false, what, next });
    }
    if !whole.is_empty() {
        let what = format!(
            "the shared folder {} ({}) is the whole home of {}: whoever has the folder has all that is in the home, by the folder's rights",
            folder.name(),
            folder.location(),
            some_of(&whole)
        );
        found.push(Trouble { is_error: false, what, next });
    }
    if !inside.is_empty() {
        let bounds = folder.terms();
        let counted = match bounds.quota.is_some() || bounds.quota_files.is_some() {
            true => "what is there counts in the folder's quota, and in that of the home",
            false => "what somebody puts there by way of the folder counts in their quota, and in that of the home",
        };
        let what = format!(
            "the home of {} lies in the shared folder {} ({}), whose rights count there; {counted}",
            some_of(&inside),
            folder.name(),
            folder.location()
        );
        found.push(Trouble { is_error: false, what, next });
    }
    found
}

/// Rules for paths where a shared folder is, whose own rights count there alone.
fn idle_rules(users: &Users) -> Vec<Trouble> {
    let rules = users.iter().flat_map(|user| user.grants().rules.iter().map(move |rule| (user, rule)));
    let idle = rules.filter_map(|(user, rule)| {
        let folder = user.grants().folders.iter().find(|folder| rule.lies_in(&folder.at))?;
        let (name, path) = (user.name(), rule.path());
        let what = format!("the rule of {name} for {path} does nothing: it is in the shared folder {}", folder.name);
        Some(Trouble { is_error: false, what, next: "write it in access of the folder, or remove the rule" })
    });
    idle.collect()
}

/// Files and folders of the homes that have the name of a shared folder.
fn hidden(places: &Places, users: &Users, folder: &Definition) -> Option<Trouble> {
    let has_it = |name: &&str| {
        let grants = users.grants_of(name).ok();
        grants.is_some_and(|grants| {
            let place = places.data.join(&grants.home).join(folder.at().as_path());
            grants.folders.iter().any(|shared| shared.name == folder.name()) && place.symlink_metadata().is_ok()
        })
    };
    let anonymous = users.anonymous_home().map(|_| "anonymous");
    let owners: Vec<&str> = anonymous.into_iter().chain(users.iter().map(|user| user.name())).filter(has_it).collect();
    (!owners.is_empty()).then(|| {
        let what = format!(
            "the shared folder {} hides what the home of {} has at /{}",
            folder.name(),
            some_of(&owners),
            folder.at()
        );
        Trouble { is_error: false, what, next: "rename that, or set `as` for the folder" }
    })
}

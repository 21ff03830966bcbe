//! `sealiftd explain`: may this user do that, and by which rule. The rules are the server's own: the command is parsed by
//! the protocol, the user is looked up as at a login, and the gate decides.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use sealift::auth::{Access, Barred, GivenBy, Grants, Network, Users, is_anonymous};
use sealift::escape::for_people;
use sealift::files::{Location, Overwrite, RelPath};
use sealift::proto::percent::encode;
use sealift::proto::{BadLine, Command};
use sealift::server::gate::{self, Decision, Demand, Demands, Extent, Lack, Need};
use sealift::server::{Asked, Op};
use sealift::{Error, Exit, Kind};

use crate::args::{ExplainArgs, Places};
use crate::failure::Failure;
use crate::output::{shell_word, tell};
use crate::user_key::{KeyRow, with_own};

/// A field of a command as it is typed.
pub fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as replace=yes")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Says it, and ends with 0 (allowed) or 5 (refused).
///
/// # Errors
/// A command that is none, and those of the users file.
pub fn run(places: &Places, args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let args = &in_words_of_the_protocol(args)?;
    let parsed = Command::parse(line(args).as_bytes());
    let link = match &parsed {
        Ok(Command::Link(link)) => Some((link.path.clone(), link.inbox.is_some())),
        _ => None,
    };
    if let Err(BadLine { error, .. }) = &parsed
        && !refuses_path(error)
    {
        return Err(Failure::usage(error.text()).hint("Commands are those of the protocol: LIST, STAT, DOWNLOAD, UPLOAD, DELETE, MKDIR, RENAME, COPY and the like, each with its path."));
    }
    let users = match args.key {
        None => Users::load(&places.users)?,
        Some(_) => with_own(places)?,
    };
    let key = args.key.as_deref().map(|key| key_of(&users, &args.user, key)).transpose()?;
    let asked = Question { places, args, key: key.as_ref() };
    let (allowed, text) = match (users.grants_of(&args.user), parsed) {
        (Err(error), _) => (false, asked.no_login(&users, &error)),
        (Ok(_), Err(BadLine { error, .. })) => (false, asked.bad_path(&error)),
        (Ok(granted), Ok(_)) if barred(granted).is_some() => (false, asked.barred(granted)),
        (Ok(_), Ok(_)) if key.as_ref().is_some_and(is_over) => (false, asked.no_key(key.as_ref())),
        (Ok(granted), Ok(command)) => {
            let bounded = key.as_ref().map(|row| granted.within(&row.key));
            let granted = bounded.as_ref().unwrap_or(granted);
            match &link {
                Some((path, is_inbox)) => asked.link(granted, path, *is_inbox),
                None => {
                    let command = Asked::from(command);
                    asked.decided(granted, command.need(), command.op())
                }
            }
        }
    };
    tell(&text);
    if let Some(key) = key {
        tell(&format!("  That is of the key {}: {}.\n", shown(key.key.name()), shown(&key.bounds())));
    }
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::from(Exit::Denied as u8) })
}

/// The key of this name or fingerprint.
fn key_of(users: &Users, user: &str, key: &str) -> Result<KeyRow, Failure> {
    let rows = users.get(user).map(KeyRow::of).unwrap_or_default();
    rows.into_iter().find(|row| row.is_called(key)).ok_or_else(|| {
        Failure::from(Error::new(Kind::NotFound, format!("{} has no key {}", shown(user), shown(key))))
            .hint(format!("`sealiftd user key list {}` shows those there are.", shell_word(user)))
    })
}

fn is_over(key: &KeyRow) -> bool {
    key.key.expires().is_some_and(|end| end <= SystemTime::now())
}

/// Why nobody logs in who is granted this, wherever they are.
fn barred(granted: &Grants) -> Option<Barred> {
    let from = granted.from.first().map_or(Ipv4Addr::LOCALHOST.into(), Network::address);
    granted.admits(from, SystemTime::now()).err()
}

/// What is asked where a command was called as the client calls it, or a path begins with the slash that stands for one's own folder in
/// rules, in the shell and in lists.
///
/// # Errors
/// That of two paths one is one's own folder, which no command with two is about.
fn in_words_of_the_protocol(args: &ExplainArgs) -> Result<ExplainArgs, Failure> {
    let paths = args.paths.iter().map(|path| path.strip_prefix('/').unwrap_or(path).to_owned());
    let paths: Vec<String> = paths.collect();
    if paths.len() > 1 && paths.iter().any(String::is_empty) {
        return Err(Failure::usage(
            "/ is the user's own folder, which is neither moved nor copied, nor moved or copied onto",
        )
        .hint("Name what is in it, such as `sealiftd explain alice mv draft.txt docs/draft.txt`."));
    }
    let verb = verb(&args.verb).to_owned();
    Ok(ExplainArgs { verb, paths: paths.into_iter().filter(|path| !path.is_empty()).collect(), ..args.clone() })
}

/// The command as it would come over the wire.
fn line(args: &ExplainArgs) -> String {
    let mut line = args.verb.clone();
    for path in &args.paths {
        line.push(' ');
        line.push_str(&encode(path.as_bytes()));
    }
    for (key, value) in &args.with {
        line.push_str(&format!(" {}={}", encode(key.as_bytes()), encode(value.as_bytes())));
    }
    line
}

/// The protocol's word for a command.
fn verb(typed: &str) -> &str {
    match typed.to_ascii_lowercase().as_str() {
        "get" | "cat" | "read" | "fetch" => "DOWNLOAD",
        "put" | "write" | "send" | "store" => "UPLOAD",
        "ls" | "tree" | "find" | "du" => "LIST",
        "rm" | "remove" | "del" | "rmdir" => "DELETE",
        "mv" | "move" => "RENAME",
        "cp" => "COPY",
        _ => typed,
    }
}

/// Why nobody changes the name of what this is about, where a folder is shared, whatever rights they have: it, and what it is in, is for the
/// administrator to move.
fn fixed(granted: &Grants, op: &Op) -> Option<String> {
    let paths = match op {
        Op::Remove { path, .. } => [Some(path), None],
        Op::Rename { from, to, .. } | Op::Supersede { from, to } => [Some(from), Some(to)],
        _ => return None,
    };
    let (path, at) = paths.into_iter().flatten().find_map(|path| {
        let folder = granted.folders.iter().find(|folder| folder.at.is_within(path))?;
        Some((path, &folder.at))
    })?;
    Some(match path == at {
        true => format!("{} is a shared folder: only what is in it can be changed", shown(&path.to_string())),
        false => format!("the shared folder {} is in {}", shown(&at.to_string()), shown(&path.to_string())),
    })
}

/// Whether a line was refused for a path that nobody may name, and not for being no command.
fn refuses_path(error: &Error) -> bool {
    matches!(error.kind(), Kind::BadPath | Kind::PathTooLong | Kind::NotFound)
}

/// A question, for putting the answer into words.
struct Question<'a> {
    places: &'a Places,
    args: &'a ExplainArgs,
    key: Option<&'a KeyRow>,
}

impl Question<'_> {
    fn no_login(&self, users: &Users, error: &Error) -> String {
        let (name, file) = (shown(&self.args.user), self.file());
        if error.kind() == Kind::LoginFailed {
            return format!(
                "{name} may not {}: {} ({file}, [anonymous]), so nobody logs in as {name}.\n",
                self.action(),
                error.text()
            );
        }
        let similar = users.iter().find(|user| user.name().eq_ignore_ascii_case(&self.args.user));
        let next = match similar {
            Some(user) => format!("There is {}: upper and lower case matter.", shown(user.name())),
            None => format!(
                "`sealiftd user list` lists the users, `sealiftd user add {}` adds one.",
                shell_word(&self.args.user)
            ),
        };
        format!("{name} may not {}: {file} has no such user, so the login fails.\n  {next}\n", self.action())
    }

    fn barred(&self, granted: &Grants) -> String {
        let (name, section) = (self.name(), section(self.user()));
        let (why, setting) = match barred(granted) {
            Some(Barred::Expired) => ("has expired", "expires"),
            _ => ("is disabled", "enabled"),
        };
        let user = shell_word(self.user());
        let change = if setting == "enabled" { "yes" } else { "never" };
        format!(
            "{name} may not {}: the user {why} ({}, {section}, {setting}), so the login fails.\n  To let {name} in again: sealiftd user set {user} --{setting} {change}\n",
            self.action(),
            self.file()
        )
    }

    fn no_key(&self, key: Option<&KeyRow>) -> String {
        let key = key.map(|key| shown(key.key.name())).unwrap_or_default();
        format!("{} may not {}: the key {key} has expired, so the login fails.\n", self.name(), self.action())
    }

    fn bad_path(&self, error: &Error) -> String {
        let why = match error.kind() {
            Kind::NotFound => format!(
                "`{}` is reserved for uploads on their way, and answered as if nothing were there",
                sealift::limits::RESERVED_NAME
            ),
            _ => for_people(error.text().as_bytes()),
        };
        let name = self.name();
        format!("{name} may not {}, and nobody may: {why} ({}).\n", self.action(), error.kind().word())
    }

    /// Of a link, which gives all of a folder.
    fn link(&self, granted: &Grants, path: &RelPath, is_inbox: bool) -> (bool, String) {
        let of_folder = gate::need_of_link_to_folder(path, is_inbox);
        let need = if is_inbox { of_folder } else { gate::need_of_link(path, is_inbox) };
        let (allowed, mut text) = self.decided(granted, need, None);
        if let (true, Decision::Lacking(lack)) = (allowed, gate::decide(granted, of_folder)) {
            text.push_str(&format!(
                "  Not if it is a folder: that takes {} in all of it.\n",
                quoted(lack.demand.rights)
            ));
        }
        (allowed, text)
    }

    fn decided(&self, granted: &Grants, need: Need<'_>, op: Option<&Op>) -> (bool, String) {
        let (user, name) = (self.user(), self.name());
        let section = match self.key.filter(|key| key.key.access().is_some()) {
            Some(key) => format!("({}, key {} of {})", self.file(), shown(key.key.name()), section(user)),
            None => format!("({}, {})", self.file(), section(user)),
        };
        let decision = gate::decide(granted, need);
        if let (Decision::Allowed, Some(why)) = (decision, op.and_then(|op| fixed(granted, op))) {
            return (false, format!("{name} may not {}, and nobody may: {why}.\n", self.action()));
        }
        let because = match (need, decision) {
            (Need::Login, _) => "everybody who is logged in may.".to_owned(),
            (Need::OwnPassword, Decision::Allowed) => format!("{name} may choose a password {section}."),
            (Need::OwnPassword, _) if is_anonymous(user) => "anonymous has no password.".to_owned(),
            (Need::OwnPassword, _) => {
                let change = change(user, "self_service = [\"password\"]");
                format!("the administrator alone sets the password of {name} {section}.{change}")
            }
            (Need::OwnKeys, Decision::Allowed) => format!("{name} may enrol and revoke keys {section}."),
            (Need::OwnKeys, _) if is_anonymous(user) => "anonymous has no keys.".to_owned(),
            (Need::OwnKeys, _) => {
                let change = change(user, "self_service = [\"keys\"]");
                format!("the administrator alone gives {name} keys {section}.{change}")
            }
            (Need::Administrator, Decision::Allowed) => {
                format!("it is for administrators, and {name} is one {section}.")
            }
            (Need::Administrator, _) => {
                format!("it is for administrators, and {name} is none {section}.{}", set(user, "--admin yes"))
            }
            (Need::Rights(_) | Need::Gone(_), Decision::Lacking(lack)) => self.lacking(granted, lack, &section),
            (Need::Gone(path), _) => {
                let demand = Demand { rights: Access::LIST, path: Some(path), extent: Extent::Somewhere };
                format!(
                    "needs `list`, and `delete` or both `upload` and `mkdir`{}; {name} has {} {}.",
                    place_of(granted, demand),
                    listed(gate::rights_at(granted, demand)),
                    self.rule(granted, demand, &section)
                )
            }
            (Need::Rights(Demands { at, to }), _) => {
                let met = |demand: Demand<'_>| {
                    let (rights, rule) = (demand.rights, self.rule(granted, demand, &section));
                    let place = place_of(granted, demand);
                    format!(
                        "needs {}{place}; {name} has {} {rule}.",
                        quoted(rights),
                        listed(gate::rights_at(granted, demand))
                    )
                };
                match to.filter(|_| !granted.is_uniform()) {
                    None => {
                        let rights = to.map_or(at.rights, |to| at.rights.union(to.rights));
                        met(Demand { rights, ..at })
                    }
                    Some(to) => format!("{}\n  There it {}", met(at), met(to)),
                }
            }
        };
        let allowed = decision == Decision::Allowed;
        let verdict = if allowed { "may" } else { "may not" };
        let mut text = format!("{name} {verdict} {}: {because}\n", self.action());
        if !granted.from.is_empty() {
            let from: Vec<String> = granted.from.iter().map(ToString::to_string).collect();
            text.push_str(&format!("  {name} logs in from {} alone.\n", shown(&from.join(", "))));
        }
        if allowed && matches!(op, Some(Op::Put { .. } | Op::Stage { .. } | Op::Commit { .. })) {
            text.push_str(&match op.and_then(Op::path).filter(|path| granted.locate(path).1.is_root()) {
                Some(folder) => format!(
                    "  But {folder} is a folder, in whose place no file comes: one in it is named with it, such as {folder}/NAME.\n"
                ),
                None => replacing(user, granted, op.and_then(Op::path)),
            });
        }
        if let (true, Some(Op::Put { path, .. } | Op::Stage { path, .. } | Op::MakeFolder { path, .. })) = (allowed, op)
            && let Some(umask) = granted.umask_at(path)
        {
            text.push_str(&format!(
                "  What is made there is {} (programs and folders {}): umask {umask}.\n",
                umask.file(None),
                umask.folder()
            ));
        }
        if let Some(path) = op.and_then(Op::path).filter(|_| allowed) {
            let (folder, path) = granted.locate(path);
            let (place, at) = match (folder, &self.places.bucket) {
                (Location::Below(name), Some(_)) => (PathBuf::from(self.places.of_home(&name)), "In the storage"),
                (Location::Below(name), None) => (self.places.data.join(name), "On this machine"),
                (Location::Elsewhere(place), _) => (place, "On this machine"),
            };
            let place = place.join(path.as_path());
            text.push_str(&format!("  {at} that is {}.\n", shown_path(&place)));
        }
        (allowed, text)
    }

    /// Why it is refused, and what to write.
    fn lacking(&self, granted: &Grants, Lack { demand, .. }: Lack<'_>, section: &str) -> String {
        let (has, rule) = (gate::rights_at(granted, demand), self.rule(granted, demand, section));
        let place = place_of(granted, demand);
        let has = format!("needs {}{place}; {} has {} {rule}.", quoted(demand.rights), self.name(), listed(has));
        let wanted = |access: Access| {
            let names: Vec<String> = access.union(demand.rights).names().map(|right| format!("\"{right}\"")).collect();
            format!("[{}]", names.join(", "))
        };
        let given = demand.path.map(|path| (granted.given_at(path), demand.extent));
        match given {
            Some((GivenBy::Folder(folder), _)) => {
                let (entry, of_folder) =
                    (format!("{} = {}", key(self.user()), wanted(folder.access)), key(&folder.name));
                match () {
                    () if is_anonymous(self.user()) => format!("{has}{NEVER}"),
                    // What is left to the key is less than the user has.
                    () if self.key.is_some_and(|row| row.key.access().is_some()) => {
                        format!("{has}\n  Without --key this says what the folder itself gives.")
                    }
                    () if folder.given_to == self.user() => {
                        format!("{has}\n  To allow it, write {entry} in `access` of [folders.{of_folder}].")
                    }
                    // An entry of one's own counts alone, so it says all that is to be allowed.
                    () => format!(
                        "{has}\n  To allow it, add {entry} to `access` of [folders.{of_folder}], and leave what is there for others."
                    ),
                }
            }
            Some((GivenBy::Rule(rule), Extent::Itself)) => {
                format!("{has}\n  To allow it, write access = {} in that rule.", wanted(rule.access))
            }
            // What is below has rules of its own: which of them is in the way is for people to see.
            Some((_, Extent::Tree | Extent::Linked | Extent::Moved | Extent::Somewhere)) if !granted.is_uniform() => {
                has
            }
            // What a key is bounded by stands with the key.
            Some((GivenBy::Rule(_) | GivenBy::Home, _)) | None if self.key.is_some() => {
                format!("{has}{}", change(self.user(), &format!("access = {}", wanted(granted.access))))
            }
            Some((GivenBy::Rule(_) | GivenBy::Home, _)) | None => {
                let names: Vec<&str> = granted.access.union(demand.rights).names().collect();
                format!("{has}{}", set(self.user(), &format!("--access {}", names.join(","))))
            }
        }
    }

    /// What of the users file gives the rights where this is demanded.
    fn rule(&self, granted: &Grants, demand: Demand<'_>, section: &str) -> String {
        let Some(path) = demand.path.filter(|_| !granted.is_uniform()) else { return section.to_owned() };
        let below = match demand.extent {
            Extent::Linked => granted.access_in_folder(path).all,
            _ => granted.access_below(path).all,
        };
        match granted.given_at(path) {
            GivenBy::Folder(folder) => {
                format!("({}, [folders.{}], access of {})", self.file(), key(&folder.name), shown(&folder.given_to))
            }
            _ if demand.extent != Extent::Itself && below != granted.access_at(path) => {
                format!(
                    "in all of it ({}, {}, with the rules and shared folders below {path})",
                    self.file(),
                    self::section(self.user())
                )
            }
            GivenBy::Rule(rule) => {
                format!("({}, [[users.{}.rules]], path {})", self.file(), key(self.user()), shown(rule.path()))
            }
            GivenBy::Home => section.to_owned(),
        }
    }

    /// The command as it was asked about.
    fn action(&self) -> String {
        let with = self.args.with.iter().map(|(key, value)| format!("{key}={value}"));
        let words: Vec<String> =
            [self.args.verb.to_ascii_uppercase()].into_iter().chain(self.args.paths.clone()).chain(with).collect();
        shown(&words.join(" "))
    }

    /// The login name as the users file has it.
    fn user(&self) -> &str {
        if is_anonymous(&self.args.user) { "anonymous" } else { &self.args.user }
    }

    fn name(&self) -> String {
        shown(self.user())
    }

    fn file(&self) -> String {
        shown_path(&self.places.users)
    }
}

fn section(user: &str) -> String {
    if is_anonymous(user) { "[anonymous]".to_owned() } else { format!("[users.{}]", key(user)) }
}

/// A name as a key of a TOML file.
fn key(name: &str) -> String {
    shown(&toml_edit::Key::new(name).to_string())
}

const NEVER: &str = "\n  Anonymous only ever reads: no setting changes that. Add a user instead.";

/// What an administrator would type to allow it.
fn set(user: &str, option: &str) -> String {
    match is_anonymous(user) {
        true => NEVER.to_owned(),
        false => format!("\n  To allow it: sealiftd user set {} {option}", shell_word(user)),
    }
}

/// What an administrator would write to allow it.
fn change(user: &str, setting: &str) -> String {
    if is_anonymous(user) {
        return NEVER.to_owned();
    }
    format!("\n  To allow it, write {setting} there.")
}

/// What an upload does to a file that is there.
fn replacing(user: &str, granted: &Grants, path: Option<&RelPath>) -> String {
    let name = shown(user);
    if gate::overwrite(granted, path) == Overwrite::Allowed {
        return format!(
            "  It creates the file, or replaces the one that is there: {name} has the right `overwrite`.\n"
        );
    }
    format!(
        "  It creates the file, but never replaces one that is there: {name} lacks the right `overwrite`.\n  \
         Sending bytes that are there already is done, and changes nothing.\n"
    )
}

/// At which of several paths with rules of their own.
fn place_of(granted: &Grants, demand: Demand<'_>) -> String {
    let path = demand.path.filter(|path| !granted.is_uniform() && !path.is_root());
    path.map(|path| format!(" at {path}")).unwrap_or_default()
}

fn quoted(rights: Access) -> String {
    let names: Vec<String> = rights.names().map(|right| format!("`{right}`")).collect();
    format!("the right{} {}", if names.len() == 1 { "" } else { "s" }, names.join(" and "))
}

fn listed(rights: Access) -> String {
    if rights == Access::NONE { "no right".to_owned() } else { rights.names().collect::<Vec<_>>().join(", ") }
}

fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

fn shown(text: &str) -> String {
    for_people(text.as_bytes())
}

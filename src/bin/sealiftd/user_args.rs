//! The command line of `sealiftd user`.

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use sealift::auth::{
    Access, AnonymousChange, Grants, Network, PathRule, parse_expiry, parse_rate_limit, parse_trash_age, parse_umask,
};
use sealift::byte_size::{parse_size, render_size};
use sealift::files::Umask;
use sealift::limits;

use crate::args::parse_access;
use crate::common_args::{Kept, Listed, Named, Shown};
use crate::failure::Failure;
use crate::user_key::UserKeyCommand;

pub const EXAMPLES: &str = "\
Examples:
  sealiftd user add alice
      Ask for a password; alice may do everything in her folder.
  sealiftd user add bob --quota 10GiB
      At most that much in his folder; --groups makes him a member of groups at once.
  sealiftd user add scanner --access upload,mkdir --password-stdin < secret
      A machine that may only deliver.
  sealiftd user add root --access none --admin
      Somebody who administers, and has no files.
  sealiftd user add guest --access read --expires 2027-01-31 --from 192.0.2.0/24
      Somebody who may read until then, and only from that network.
  sealiftd user set alice --rule '/2025/**=read'
      A part of her folder that she may no longer change.
  sealiftd user set alice --enabled no
      Keep her out, and end her sessions; her files, password and keys stay.
  sealiftd user set anonymous --enabled no
      From now on nobody reads without a login.
  sealiftd user show alice
      What she may, in full.";

/// What people write for yes and no elsewhere: behind `--admin` it is meant as its value, and refused as one.
const MEANT_AS_YES_OR_NO: [&str; 8] = ["yes", "no", "true", "false", "on", "off", "1", "0"];

/// These words with `--admin yes` as one: it can also stand alone, whatever word comes behind it.
pub fn with_admin_joined(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        match joined.last_mut().filter(|last| *last == "--admin") {
            Some(last) if MEANT_AS_YES_OR_NO.iter().any(|meant| word.eq_ignore_ascii_case(meant)) => {
                last.push("=");
                last.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user, who can log in at once: no restart is needed
    #[command(aliases = ["new", "create"], after_help = EXAMPLES)]
    Add {
        /// The user's name
        name: String,
        /// Whether the user may see who is connected, end sessions, and stop the server: --admin, or --admin yes
        #[arg(long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes", hide_possible_values = true)]
        admin: Option<YesNo>,
        /// The groups that the user is a member of, with commas
        #[arg(long, value_name = "LIST", value_parser = parse_groups)]
        groups: Option<Groups>,
        /// What the user may.
        #[command(flatten)]
        granted: GrantArgs,
        /// An SSH key that logs in: its line, or a file with it. Of an authorized_keys file all keys are taken that can log in
        /// here. May be given several times. No password is asked for then
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<String>,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Change what a user, or anonymous, may do. A running server knows within a second, for open sessions too
    #[command(aliases = ["change", "edit", "modify", "mod"], after_help = EXAMPLES)]
    Set {
        /// The user's name
        name: String,
        /// Whether the user may log in at all; with no, open sessions end, too
        #[arg(long, value_name = "yes|no", hide_possible_values = true)]
        enabled: Option<YesNo>,
        /// Whether the user may see who is connected, end sessions, and stop the server: --admin, --admin yes, or --admin no
        #[arg(long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes", hide_possible_values = true)]
        admin: Option<YesNo>,
        /// Exactly the groups that the user is a member of, with commas; or none
        #[arg(long, value_name = "LIST", value_parser = parse_groups)]
        groups: Option<Groups>,
        /// Remove the rule for these paths; may be given several times
        #[arg(long, value_name = "PATH")]
        no_rule: Vec<String>,
        /// What the user may.
        #[command(flatten)]
        granted: GrantArgs,
    },
    /// Show everything that a user may do
    #[command(alias = "info")]
    Show(Shown),
    /// Give a user another password. Keys that the user enrolled (`sealift login`) no longer count then; those that you gave do
    #[command(alias = "password")]
    Passwd {
        /// The user's name
        name: String,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Add and remove the SSH keys that log a user in
    #[command(subcommand)]
    Key(UserKeyCommand),
    /// Remove a user; the files stay
    #[command(aliases = ["delete", "del", "rm"])]
    Remove(Named),
    /// List the users
    #[command(alias = "ls")]
    List(Listed),
}

/// What a user may. What is not given stays as it is; a new user has what the users file says under `[defaults]`.
#[derive(Debug, Args)]
pub struct GrantArgs {
    /// The user's folder below the data folder; for a new user the name, if this is not given and nothing is in that folder
    #[arg(long, value_name = "DIR")]
    home: Option<String>,
    /// What the user may do: full, read, none, or with commas some of list, download, upload, overwrite, delete, rename, mkdir, link
    #[arg(long, value_name = "LIST", value_parser = parse_access)]
    access: Option<Access>,
    /// How the user's folder is kept.
    #[command(flatten)]
    kept: Kept,
    /// The last day (UTC), such as 2027-01-31, or a time with its zone, on which the user may be logged in; or never
    #[arg(long, value_name = "DATE", value_parser = parse_end)]
    expires: Option<End>,
    /// The only networks or addresses that the user may log in from, with commas, such as 10.0.0.0/8,2001:db8::/32; or anywhere
    #[arg(long, value_name = "LIST", value_parser = parse_from)]
    from: Option<Networks>,
    /// How many sessions of the user may be open at once; none: no bound
    #[arg(long, value_name = "COUNT", value_parser = parse_count)]
    max_sessions: Option<Count>,
    /// How many bytes a second all sessions of the user may download together, such as 10M; none: no bound
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    limit_rate_down: Option<Rate>,
    /// How many bytes a second all sessions of the user may upload together, such as 2M; none: no bound
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    limit_rate_up: Option<Rate>,
    /// Other rights for a part of the user's folder: '/2025/**=read' for that folder and everything in it. A rule for fewer paths
    /// goes before one for more; of two that share only some of their paths, the one that gives less goes first. May be given several
    /// times
    #[arg(long = "rule", value_name = "PATH=LIST", value_parser = parse_rule)]
    rules: Vec<PathRule>,
}

impl GrantArgs {
    /// Grants what was given.
    pub fn apply(self, grants: &mut Grants) {
        let GrantArgs {
            home,
            access,
            kept: Kept { quota, quota_files, trash, umask },
            expires,
            from,
            max_sessions,
            limit_rate_down,
            limit_rate_up,
            rules,
        } = self;
        home.into_iter().for_each(|home| grants.home = home);
        access.into_iter().for_each(|access| grants.access = access);
        quota.into_iter().for_each(|Quota(quota)| grants.terms.quota = quota);
        quota_files.into_iter().for_each(|FileCount(count)| grants.terms.quota_files = count);
        trash.into_iter().for_each(|TrashAge(age)| grants.terms.trash = age);
        expires.into_iter().for_each(|End(end)| grants.expires = end);
        from.into_iter().for_each(|Networks(from)| grants.from = from);
        max_sessions.into_iter().for_each(|Count(count)| grants.max_sessions = count);
        umask.into_iter().for_each(|Mask(umask)| grants.umask = umask);
        limit_rate_down.into_iter().for_each(|Rate(rate)| grants.limit_rate.down = rate);
        limit_rate_up.into_iter().for_each(|Rate(rate)| grants.limit_rate.up = rate);
        rules.into_iter().for_each(|rule| rule.put_into(&mut grants.rules));
    }

    /// What of this can be said of anonymous, who only ever reads.
    ///
    /// # Errors
    /// That something else was given.
    pub fn of_anonymous(self, now: Option<&Grants>) -> Result<AnonymousChange, Failure> {
        let (home, is_bound) = (self.home.clone(), self.limit_rate_down.is_some() || self.limit_rate_up.is_some());
        let mut limits = now.map(|grants| grants.limit_rate).unwrap_or_default();
        self.limit_rate_down.into_iter().for_each(|Rate(rate)| limits.down = rate);
        self.limit_rate_up.into_iter().for_each(|Rate(rate)| limits.up = rate);
        let rest = (self.access, self.expires, self.from, self.max_sessions);
        if !matches!(rest, (None, None, None, None)) || !self.kept.is_empty() || !self.rules.is_empty() {
            return Err(Failure::usage("anonymous only ever reads")
                .hint("--enabled, --home, --limit-rate-down and --limit-rate-up are all that can be set for it."));
        }
        Ok(AnonymousChange { enabled: None, home, limit_rate: is_bound.then_some(limits) })
    }

    /// The folder, if one was given.
    pub fn home(&self) -> Option<&str> {
        self.home.as_deref()
    }
}

/// The most bytes in a folder, if there is a bound.
#[derive(Debug, Clone, Copy)]
pub struct Quota(pub Option<u64>);

/// The most files, if there is a bound.
#[derive(Debug, Clone, Copy)]
pub struct FileCount(pub Option<u64>);

/// For how long what is deleted is kept, if it is.
#[derive(Debug, Clone, Copy)]
pub struct TrashAge(pub Option<Duration>);

/// What is made is not open to, if that is said.
#[derive(Debug, Clone, Copy)]
pub struct Mask(pub Option<Umask>);

/// When a user expires, if ever.
#[derive(Debug, Clone, Copy)]
struct End(Option<SystemTime>);

/// From where a user logs in; empty: from anywhere.
#[derive(Debug, Clone)]
struct Networks(Vec<Network>);

/// The most sessions, if there is a bound.
#[derive(Debug, Clone, Copy)]
struct Count(Option<u32>);

/// Groups that a user is a member of.
#[derive(Debug, Clone, Default)]
pub struct Groups(pub Vec<String>);

/// The most bytes a second, if there is a bound.
#[derive(Debug, Clone, Copy)]
struct Rate(Option<u64>);

// The values have no help of their own: each option's help says what they mean.
/// Whether something is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

/// Where a password comes from: it is asked for on the terminal, unless this says otherwise.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Read the password from standard input (its first line) instead of asking for it
    #[arg(long)]
    pub password_stdin: bool,
}

pub fn parse_quota(text: &str) -> Result<Quota, String> {
    if text == "none" {
        return Ok(Quota(None));
    }
    let wrong = "write a number with a unit, such as 10G (GiB) or 1.5GB, or none";
    parse_size(text).map(|bytes| Quota(Some(bytes))).ok_or_else(|| wrong.to_owned())
}

pub fn parse_file_count(text: &str) -> Result<FileCount, String> {
    if text == "none" {
        return Ok(FileCount(None));
    }
    let count = text.parse().ok().filter(|count| (1..=i64::MAX as u64).contains(count));
    count
        .map(|count| FileCount(Some(count)))
        .ok_or_else(|| "write a whole number from 1 on, such as 10000, or none".to_owned())
}

pub fn parse_trash(text: &str) -> Result<TrashAge, String> {
    let wrong = |_| "write a time from 1h to 3650d, such as 30d, or none".to_owned();
    parse_trash_age(text).map(TrashAge).map_err(wrong)
}

pub fn parse_mask(text: &str) -> Result<Mask, String> {
    let wrong = |_| "write three digits from 0 to 7, the first a 0, such as 027, or none".to_owned();
    parse_umask(text).map(Mask).map_err(wrong)
}

fn parse_rule(text: &str) -> Result<PathRule, String> {
    let (path, rights) = text.rsplit_once('=').ok_or("write PATH=RIGHTS, such as '/2025/**=read'")?;
    PathRule::new(path, parse_access(rights)?).map_err(|why| format!("the path {path} {why}"))
}

pub fn parse_groups(text: &str) -> Result<Groups, String> {
    let groups = text.split(',').map(|group| group.trim().trim_start_matches('@')).filter(|group| *group != "none");
    match groups.clone().any(str::is_empty) {
        true => Err("write the names of groups with commas between them, or none".to_owned()),
        false => Ok(Groups(groups.map(str::to_owned).collect())),
    }
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    parse_rate_limit(text).map(Rate).map_err(|_| {
        let least = render_size(limits::THROTTLE_MIN);
        format!("write a number with a unit, such as 10M (MiB a second), at least {least}, or none")
    })
}

fn parse_end(text: &str) -> Result<End, String> {
    if text == "never" {
        return Ok(End(None));
    }
    let wrong = "write a date, such as 2027-01-31, a time with its zone, such as 2027-01-31T18:00:00Z, or never";
    parse_expiry(text).map(|end| End(Some(end))).ok_or_else(|| wrong.to_owned())
}

fn parse_from(text: &str) -> Result<Networks, String> {
    if text == "anywhere" {
        return Ok(Networks(Vec::new()));
    }
    let network = |text: &str| text.trim().parse().map_err(|why| format!("'{}' {why}", text.trim()));
    text.split(',').map(network).collect::<Result<_, _>>().map(Networks)
}

fn parse_count(text: &str) -> Result<Count, String> {
    if text == "none" {
        return Ok(Count(None));
    }
    let count = text.parse().ok().filter(|count| *count > 0);
    count.map(|count| Count(Some(count))).ok_or_else(|| "write a whole number from 1 on, such as 4, or none".to_owned())
}

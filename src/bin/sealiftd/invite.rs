//! `sealiftd invite`: one line that lets somebody in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use sealift::auth::{Access, Invitation, NewUser, Secret, StateFolder, User, Users, UsersFile, unchosen_password};
use sealift::client::{Endpoint, InvitationLink};
use sealift::escape::for_people;
use sealift::server::users_file_trouble;
use sealift::table::Table;
use sealift::tls::Identity;
use sealift::{Error, Kind, limits};

use crate::args::{Places, parse_access, parse_address};
use crate::cert;
use crate::failure::Failure;
use crate::in_force::InForce;
use crate::new_home;
use crate::output::{complain, line_width, say, shell_word};
use crate::port_file;
use crate::process;
use crate::serving::RunningServer;
use crate::usage;
use crate::user;
use crate::user_args::{Groups, Quota, parse_groups, parse_quota};
use crate::user_key::with_own;
use crate::web_args::WebArg;

const EXAMPLES: &str = "\
Examples:
  sealiftd invite alice --host files.example.org
      Make alice if she is missing, and print the line that she types to join.
  sealiftd invite bob --access read --expires 7d --host 192.0.2.7:4456
  sealiftd invite carol --quota 10GiB --host files.example.org
      Make carol, with so much room; --groups makes her a member of groups at once.
  sealiftd invite --list
  sealiftd invite --revoke 5f0c3a9be1d27744

Whoever has no sealift joins in a browser, at the address that is printed below the line, unless `web` is off or read-only. It works \
once, too, and instead of the line.

The line has the pin of this server's key and a secret that works once. Whoever uses it first is let in and chooses \
the password: send it over a channel that others cannot read. The user's other invitations are void then. An existing user chooses \
a new password with it.";

/// What to do where there is nothing of a server.
const FIRST_START: &str =
    "The first start of the server makes it: start `sealiftd` here once, or say where it is (`sealiftd --help`).";

/// Why the port is guessed.
const UNKNOWN_PORT: &str = "no server is known to run here, and no setting (`listen`) says where it listens";

/// Whom to invite.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Invite {
    /// The user's name; made if missing
    #[arg(required_unless_present_any = ["list", "revoke"])]
    pub name: Option<String>,
    /// What a newly made user may do: full, read, none, or with commas some of list, download, upload, overwrite, delete, rename, mkdir, link
    /// [default: full]
    #[arg(long, value_name = "LIST", value_parser = parse_access)]
    pub access: Option<Access>,
    /// A newly made user's folder below the data folder; the name, if this is not given and nothing is in that folder
    #[arg(long, value_name = "DIR")]
    pub home: Option<String>,
    /// The groups that a newly made user is a member of, with commas
    #[arg(long, value_name = "LIST", value_parser = parse_groups)]
    pub groups: Option<Groups>,
    /// The most bytes in a newly made user's folder, such as 10G or "500 MB"; none: no bound
    #[arg(long, value_name = "SIZE", value_parser = parse_quota)]
    pub quota: Option<Quota>,
    /// How long the invitation can be used, such as 1h or 7d
    #[arg(long, value_name = "TIME", default_value_t = limits::INVITATION_LIFETIME.into(), value_parser = parse_lifetime)]
    pub expires: humantime::Duration,
    /// Where the user reaches this server [default: this machine's name; the port is the one that a running server
    /// listens on, or that its settings say, or 4456]
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse_host)]
    pub host: Option<String>,
    /// Where the server listens, as its own option says it: the port of the line, if no other is given.
    #[arg(long, hide = true, env = "SEALIFT_LISTEN", value_delimiter = ',', value_parser = parse_address, hide_env_values = true)]
    pub listen: Vec<SocketAddr>,
    /// Where a server that runs has written its port, as its own option says it.
    #[arg(long, hide = true, env = "SEALIFT_PORT_FILE", hide_env_values = true)]
    pub port_file: Option<PathBuf>,
    /// What browsers may do, as the server's own option says it: where they may not write, nobody joins by one.
    #[arg(long, hide = true, env = "SEALIFT_WEB", value_enum, default_value = "on", hide_env_values = true)]
    pub web: WebArg,
    /// Show the invitations that can still be used
    #[arg(long, conflicts_with_all = ["name", "access", "home", "groups", "quota", "host", "revoke"])]
    pub list: bool,
    /// Withdraw an invitation, by the id that --list shows
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "access", "home", "groups", "quota", "host"])]
    pub revoke: Option<String>,
}

impl Invite {
    /// The port that people find the server on: the one that a server of these places listens on that runs; else the one of its
    /// settings, if they tell.
    fn port(&self, places: &Places) -> Option<u16> {
        let running = || RunningServer::any(places).and_then(|held| held.port());
        // One that was killed has left its file behind.
        let file = self.port_file.as_deref().filter(|_| users_file_trouble(&places.data).is_some());
        file.and_then(port_file::port_in).or_else(running).or_else(|| self.port_of_settings())
    }

    fn port_of_settings(&self) -> Option<u16> {
        let known = self.listen.iter().filter(|address| address.port() != 0);
        known.min_by_key(|address| address.ip().is_loopback()).map(SocketAddr::port)
    }
}

/// Fails for what is a command of `user`, `group` and `folder`: nobody is invited by mistake.
fn refuse_word(name: &str) -> Result<(), Failure> {
    const WORDS: &[&str] =
        &["add", "create", "del", "delete", "help", "list", "ls", "new", "remove", "revoke", "rm", "set", "show"];
    if !WORDS.contains(&name) {
        return Ok(());
    }
    Err(Failure::usage(format!("invite has no command {name}")).hint(format!(
        "`sealiftd invite NAME` invites somebody, --list shows the invitations there are, --revoke ID withdraws one. Whoever is called \
         {name} is made by `sealiftd user add {name}` first."
    )))
}

/// Carries the command out.
///
/// # Errors
/// Those of the users file, the key and the state folder.
pub fn run(places: &Places, args: Invite) -> Result<(), Failure> {
    // What a server has that was started once: before anything is made.
    let pin = load(&places.certs)?.pin();
    // Whoever takes days to use it may meet the next key.
    let next = Identity::next_pin(&places.certs)?.filter(|next| *next != pin);
    let folder = StateFolder::for_administrator(&places.state(), &places.data).map_err(|err| match err.kind() {
        Kind::NotFound => Failure::from(err).hint(FIRST_START),
        _ => err.into(),
    })?;
    if args.list {
        // A users file that cannot be read is no reason to hide what is open.
        return list(&folder, with_own(places).ok().as_ref());
    }
    if let Some(id) = &args.revoke {
        folder.revoke(id).map_err(|err| Failure::from(err).hint("`sealiftd invite --list` shows those there are."))?;
        say("Withdrawn.\n");
        return Ok(());
    }
    let known_port = args.port(places);
    let port = known_port.unwrap_or(limits::PORT);
    let name = args.name.unwrap_or_default();
    usage::refuse_password_in_name(&name)?;
    let server = match &args.host {
        Some(host) => Endpoint::parse(host, port)?,
        None => Endpoint::new(process::host_name().unwrap_or_else(|| "localhost".to_owned()), port),
    };
    let lifetime = Duration::from(args.expires);
    if lifetime > limits::INVITATION_LIFETIME_MAX {
        let text = "--expires: an invitation is open for a year at most";
        return Err(Error::new(Kind::Usage, text).into());
    }
    let file = UsersFile::new(&places.users);
    let known = if places.users.exists() { Some(with_own(places)?) } else { None };
    let user = known.as_ref().and_then(|users| users.get(&name));
    let (is_there, has_password) = (user.is_some(), user.is_some_and(|user| user.has_password() && !user.is_invited()));
    let given = [
        ("--access", args.access.is_some()),
        ("--home", args.home.is_some()),
        ("--groups", args.groups.is_some()),
        ("--quota", args.quota.is_some()),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, is_given)| is_there && *is_given) {
        return Err(Failure::usage(format!("{} is there already; {option} is for users who are made", shown(&name)))
            .hint(format!("Leave it out; `sealiftd user set {} {option}` changes it.", shell_word(&name))));
    }
    // That of a newly made user, if something is in it.
    let mut home = None;
    if !is_there {
        refuse_word(&name)?;
        let checked = file.check_new(&name, args.home.as_deref().unwrap_or(&name))?;
        if args.home.is_none() {
            new_home::refuse(places, &checked, &name)?;
        }
        let Groups(groups) = args.groups.unwrap_or_default();
        checked.refuse_unknown(&groups).map_err(user::explain_group)?;
        let mut grants = checked.defaults_of(&name);
        grants.access = args.access.unwrap_or(grants.access);
        args.home.into_iter().for_each(|home| grants.home = home);
        args.quota.into_iter().for_each(|Quota(quota)| grants.terms.quota = quota);
        home = Some(grants.home.clone()).filter(|home| new_home::has_something(places, home));
        // Until the invitation is used, no password is right.
        let hash = unchosen_password()?;
        checked.add_new(&NewUser { name: &name, hash: Some(&hash), keys: &[], groups: &groups, grants })?;
    }
    let earlier = user.map_or_else(|| Ok(Vec::new()), |user| open_ids(&folder, user))?;
    let invited = invitation(&file, &folder, &name, places, lifetime);
    if invited.is_err() && !is_there {
        // Nobody could ever log in as this user.
        file.remove(&name)?;
    }
    let called = shown(&name);
    let shown_server = shown(&server.to_string());
    let link = InvitationLink { user: name, server, pins: [pin].into_iter().chain(next).collect(), secret: invited? };
    say(&format!("sealift join '{}'\n", link.reveal()));
    complain(&format!(
        "{} lets in whoever types it first, once, within {}.",
        if is_there { "This line" } else { "The user is made. This line" },
        spaced(&humantime::format_duration(lifetime).to_string())
    ));
    if args.web == WebArg::On {
        let certificate = match places.web_files().describe() {
            Ok(Some(_)) => "",
            _ => {
                " (Without a certificate for browsers, --web-cert, they warn of this server before they show anything.)"
            }
        };
        complain(&format!("Without sealift, in a browser: {}{certificate}", link.reveal_for_browser()));
    }
    match earlier.as_slice() {
        [] => {}
        [one] => complain(&format!(
            "note: {called} has another invitation, {one}, which can be used as long as this one is not: `sealiftd invite --revoke \
             {one}` withdraws it."
        )),
        several => complain(&format!(
            "note: {called} has {} other invitations, which can be used as long as this one is not: `sealiftd invite --list` shows \
             them, --revoke withdraws one.",
            several.len()
        )),
    }
    if has_password {
        complain(&format!(
            "note: {called} has a password: it is valid until this line is used, and then the newly chosen one takes its place."
        ));
    }
    if !is_there {
        InForce::look(places).warn();
    }
    if let Some(home) = &home {
        new_home::tell(places, home, &called);
    }
    match (&args.host, known_port) {
        (None, Some(_)) => {
            complain(&format!("It leads to {shown_server}, this machine's own name; --host says another one."));
        }
        (None, None) => complain(&format!(
            "It leads to {shown_server}: this machine's own name, and the usual port, since {UNKNOWN_PORT}; --host HOST:PORT \
             says others."
        )),
        (Some(host), None) if !has_port(host) => complain(&format!(
            "It leads to {shown_server}: the usual port, since {UNKNOWN_PORT}; --host HOST:PORT says another one."
        )),
        (Some(_), _) => {}
    }
    Ok(())
}

fn parse_lifetime(text: &str) -> Result<humantime::Duration, String> {
    text.parse().map_err(|_| "write a number with a unit, such as 12h or 7d; a year is the most".to_owned())
}

/// A host, also as the address that a browser shows of it.
fn parse_host(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or(text.strip_prefix("sealift://")).unwrap_or(text);
    match host.trim_end_matches('/') {
        "" => Err("write a name or an address, with :PORT behind it if it is not the usual one".to_owned()),
        // A browser leaves the port of the web out.
        host if text.starts_with("https://") && !has_port(host) => Ok(format!("{host}:443")),
        host => Ok(host.to_owned()),
    }
}

/// Whether a port is written behind this host.
fn has_port(host: &str) -> bool {
    let port = |default| Endpoint::parse(host, default).map(|endpoint| endpoint.port).ok();
    port(1) == port(2)
}

/// Invites a user who is in the file, if it says that she may choose a password.
fn invitation(
    file: &UsersFile,
    folder: &StateFolder,
    name: &str,
    places: &Places,
    lifetime: Duration,
) -> Result<Secret, Failure> {
    let users = file.list()?;
    let user = users.get(name).ok_or_else(|| Error::new(Kind::NotFound, format!("no user '{name}'")))?;
    if !user.grants().self_service.password {
        return Err(Failure::from(Error::new(Kind::Denied, format!("{} may not choose a password", shown(name))))
            .hint("The users file says so, by self_service; `sealiftd user passwd` sets one."));
    }
    if !user.can_choose() {
        let text = format!("{} has neither a password nor a key in {}", shown(name), places.users.display());
        return Err(
            Failure::from(Error::new(Kind::Denied, text)).hint("Remove the user first: this command makes one.")
        );
    }
    Ok(folder.invite(user, lifetime.as_secs())?)
}

/// `1day 2h` as `1 day 2 h`.
fn spaced(duration: &str) -> String {
    let mut text = String::new();
    for c in duration.chars() {
        if c.is_alphabetic() && text.ends_with(|last: char| last.is_ascii_digit()) {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

/// The ids of the invitations of this user that can be used.
fn open_ids(folder: &StateFolder, user: &User) -> Result<Vec<String>, Failure> {
    let open = |invitation: &Invitation| invitation.is_for(user) && !invitation.is_over();
    Ok(folder.invitations()?.iter().filter(|one| open(one)).map(|one| one.id().to_owned()).collect())
}

fn list(folder: &StateFolder, users: Option<&Users>) -> Result<(), Failure> {
    let mut table = Table::new(["ID", "UNTIL", "USER"]);
    let mut invitations = folder.invitations()?;
    invitations.sort_by(|one, other| (&one.user, one.expires).cmp(&(&other.user, other.expires)));
    let can_be_used = |invitation: &&Invitation| {
        let is_for_one = |users: &Users| users.get(&invitation.user).is_some_and(|user| invitation.is_for(user));
        !invitation.is_over() && users.is_none_or(is_for_one)
    };
    for invitation in invitations.iter().filter(can_be_used) {
        let until: SystemTime = UNIX_EPOCH + Duration::from_secs(invitation.expires);
        table.push([invitation.id().to_owned(), sealift::readable::rfc3339(until), shown(&invitation.user)]);
    }
    // What programs read has no head.
    let lines = line_width().map_or_else(|| table.rows(), |width| table.fitted(width));
    match table.is_empty() {
        true => complain("No invitation can be used now: `sealiftd invite NAME` makes one."),
        false => say(&lines.iter().map(|line| format!("{line}\n")).collect::<String>()),
    }
    Ok(())
}

fn load(certs: &Path) -> Result<Identity, Failure> {
    Identity::load_completed(certs).map_err(|err| match err.kind() {
        Kind::NotFound => Failure::from(err).hint(cert::half(certs).unwrap_or(FIRST_START)),
        _ => err.into(),
    })
}

fn shown(text: &str) -> String {
    for_people(text.as_bytes())
}

//! What the definition of the command line is made into for others: completion for shells, and man pages.

mod told;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::{Args, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use clap_complete::env::Shells;
use sealift::client::{Config, Target};
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::{Error, Kind};

use self::told::{bookmarks, held_back, keys, links, sessions, told, trashed, trusted};
use crate::config::config_file;
use crate::failure::Outcome;
use crate::help;
use crate::logins;
use crate::output::stdout_failed;
use crate::verify::{known_servers, system_known_servers};

/// The variable by which a shell's script asks what could come next.
const VARIABLE: &str = "COMPLETE";

/// The scripts of our own. Those of the crate know nothing of words that bash cuts at `:` and `@`, nor of quotes and
/// backslashes that are being typed, and leave a blank behind a folder; the one for PowerShell runs what was typed.
const OWN: [(Shell, &str); 4] = [
    (Shell::Bash, include_str!("completion.bash")),
    (Shell::Zsh, include_str!("completion.zsh")),
    (Shell::Fish, include_str!("completion.fish")),
    (Shell::Powershell, include_str!("completion.ps1")),
];

/// The commands about a server as a whole: no path can stand in their targets.
const ABOUT_SERVERS: [&str; 8] = ["ping", "health", "status", "who", "kick", "shutdown", "admin", "df"];

/// The commands that move files between this machine and a server: their arguments are on either of them.
const MOVING: [&str; 3] = ["get", "put", "mirror"];

/// Write a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift completion bash > ~/.local/share/bash-completion/completions/sealift
  sealift completion zsh > ~/.zfunc/_sealift
  sealift completion fish > ~/.config/fish/completions/sealift.fish
  sealift completion powershell >> $PROFILE

The script asks `sealift` itself, so it knows the servers that you trust, those that have a name, and, where the login \
needs no typing, what is on a server.")]
pub struct Completion {
    /// Which shell
    pub shell: Shell,
}

/// The shells that can be helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Elvish
    Elvish,
    /// Fish
    Fish,
    /// PowerShell
    Powershell,
    /// Z shell
    Zsh,
}

/// Write the man pages into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sealift manual ~/.local/share/man/man1

Then `man sealift-get` shows one of them.")]
pub struct Manual {
    /// The folder, which is made
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Answers a shell that asks what could come next, and ends; does nothing if none asks.
pub fn answer() {
    CompleteEnv::with_factory(definition).var(VARIABLE).complete();
}

/// Writes the script for a shell to standard output.
///
/// # Errors
/// If it cannot be written.
pub fn write_script(args: &Completion) -> Outcome {
    if let Some((_, script)) = OWN.iter().find(|(shell, _)| *shell == args.shell) {
        io::stdout().lock().write_all(script.as_bytes()).map_err(stdout_failed)?;
        return Ok(());
    }
    let value = args.shell.to_possible_value();
    let name = value.as_ref().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let shells = Shells::builtins();
    let shell = shells.completer(&name).ok_or_else(|| Error::new(Kind::Internal, format!("{name}: no such shell")))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "sealift", "sealift", "sealift", &mut script).map_err(stdout_failed)?;
    io::stdout().lock().write_all(&script).map_err(stdout_failed)?;
    Ok(())
}

/// Writes a man page for the program and one for each command.
///
/// # Errors
/// If they cannot be written.
pub fn write_manual(args: &Manual) -> Outcome {
    let failed = |err| Error::file(args.folder.display(), err);
    fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(help::manual(), &args.folder).map_err(failed)?;
    Ok(())
}

/// The command line, with what completes each of its arguments.
fn definition() -> clap::Command {
    completed(help::whole(), &[])
}

/// A command that is reached by these names, and those in it.
fn completed(command: clap::Command, path: &[&str]) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        match (path, name.as_deref()) {
            (["trash", "restore" | "empty"], Some("TARGET")) => arg.add(ArgValueCompleter::new(trashed)),
            (["link", "remove"], Some("NAME")) => arg.add(ArgValueCompleter::new(links)),
            (["key", "remove"], Some("NAME|FINGERPRINT")) => arg.add(ArgValueCompleter::new(keys)),
            (["kick"] | ["admin", "kick"], Some("USER|SESSION")) => arg.add(ArgValueCompleter::new(sessions)),
            (["admin", "unban"], Some("ADDRESS")) => arg.add(ArgValueCompleter::new(held_back)),
            (["bookmark", "remove"], Some("NAME")) => arg.add(ArgValueCompleter::new(bookmarks)),
            (["trust", "remove"], Some("SERVER")) => arg.add(ArgValueCompleter::new(trusted)),
            // A name that is to be new.
            (["bookmark", "add"], Some("NAME")) => arg,
            (["login" | "logout" | "passwd" | "key", ..] | ["link", "list" | "remove"], Some("TARGET")) => {
                arg.add(ArgValueCompleter::new(accounts))
            }
            (_, Some("SERVER")) => arg.add(ArgValueCompleter::new(servers)),
            ([first, ..], Some("TARGET")) if ABOUT_SERVERS.contains(first) => arg.add(ArgValueCompleter::new(servers)),
            ([first], Some("NAME" | "SOURCE" | "DESTINATION")) if MOVING.contains(first) => {
                arg.add(ArgValueCompleter::new(files_on_either_side))
            }
            (_, Some("TARGET" | "NAME")) => arg.add(ArgValueCompleter::new(files_there)),
            _ => arg,
        }
    });
    names.iter().fold(command, |all, name| {
        let path = [path, &[name.as_str()]].concat();
        all.mut_subcommand(name, |inner| completed(inner, &path))
    })
}

/// Files on servers, servers, and files here.
fn files_on_either_side(typed: &OsStr) -> Vec<CompletionCandidate> {
    let remote = remote_files(typed);
    match remote.is_empty() {
        true => servers(typed).into_iter().chain(PathCompleter::any().complete(typed)).collect(),
        false => remote,
    }
}

/// Files on servers, and servers.
fn files_there(typed: &OsStr) -> Vec<CompletionCandidate> {
    let remote = remote_files(typed);
    if remote.is_empty() { servers(typed) } else { remote }
}

/// Servers that are trusted, and those that have a name.
fn servers(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let (user, _) = typed.rsplit_once('@').map_or(("", &*typed), |(user, host)| (user, host));
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let trusted = known_servers().and_then(|known| known.all()).unwrap_or_default();
    let by_machine = system_known_servers().all().unwrap_or_default();
    let mut found: Vec<String> =
        trusted.iter().chain(&by_machine).map(|known| format!("{user}{}/", known.server)).collect();
    found.extend(named());
    found.retain(|name| name.starts_with(&*typed));
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// Somebody on a server: who this machine logs in as, and whom the configuration names. Once a user is typed, all servers.
fn accounts(typed: &OsStr) -> Vec<CompletionCandidate> {
    let text = typed.to_string_lossy();
    if text.find('@').is_some_and(|at| at > 0) {
        return servers(typed);
    }
    let config = config();
    let named = config.names().filter_map(|name| {
        let name = format!("{name}:");
        let target = config.target(name.as_bytes()).ok().filter(|target| target.user.is_some())?;
        let plain = Target { path: RelPath::root(), is_folder: true, bookmark: None, ..target };
        Some([name, plain.to_string()])
    });
    let logins = logins::all().into_iter().map(|(login, _)| format!("{login}/"));
    let mut found: Vec<String> = named.flatten().chain(logins).filter(|name| name.starts_with(&*text)).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// The names that the configuration gives to servers, as targets.
fn named() -> Vec<String> {
    config().names().map(|name| format!("{name}:")).collect()
}

/// What the person's configuration says.
fn config() -> Config {
    let named = env::var_os("SEALIFT_CONFIG").map(PathBuf::from);
    config_file(named.as_deref()).ok().flatten().and_then(|file| file.read().ok()).unwrap_or_default()
}

/// What is in the folder typed so far, where a login needs nobody to type anything.
fn remote_files(typed: &OsStr) -> Vec<CompletionCandidate> {
    let bytes = typed.as_bytes();
    // A folder of this machine is not looked for on the network.
    let first = bytes.split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_here = matches!(first, b"" | b"." | b".." | b"~") || Path::new(OsStr::from_bytes(first)).is_dir();
    let Some(cut) = bytes.iter().rposition(|byte| matches!(byte, b'/' | b':')).filter(|_| !is_here) else {
        return Vec::new();
    };
    let (folder, beginning) = bytes.split_at(cut + 1);
    let listed = told(&["ls"], OsStr::from_bytes(folder));
    let names = listed.split(|byte| *byte == b'\n');
    let names = names.filter(|name| !name.is_empty() && name.starts_with(beginning));
    // What would do something to the terminal, or reads as something else, is not shown.
    let is_plain = |name: &&[u8]| std::str::from_utf8(name).is_ok_and(|name| for_people(name.as_bytes()) == name);
    let names = names.filter(is_plain);
    names.map(|name| CompletionCandidate::new(OsString::from_vec([folder, name].concat()))).collect()
}

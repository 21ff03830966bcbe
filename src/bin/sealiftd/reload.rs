//! Reads the settings again while the server runs, when their file has changed or somebody asks for it, and has it go by what can
//! change then.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use sealift::auth::Users;
use sealift::server::{Handle, LiveOptions, ReloadOutcome, Reloaded};
use sealift::sync::Mutex;
use sealift::{Error, Kind, limits};
use tracing::{info, warn};

use crate::apart::Apart;
use crate::args::{Cli, Command, Places, ServeArgs};
use crate::failure::Failure;
use crate::service_manager::ServiceManager;
use crate::settings::Settings;
use crate::{serve, settings, usage};

/// The options that count at once. All others shape what is there by the time the server is confined.
pub const LIVE: [&str; 12] = [
    "grace",
    "handshake_timeout",
    "login_timeout",
    "idle_timeout",
    "stall_window",
    "max_connections",
    "max_per_source",
    "max_startups",
    "max_mode",
    "proxy_from",
    "exempt",
    "penalise_loopback",
];

/// How the server was started.
pub struct Start {
    /// The words of its command line.
    pub words: Vec<OsString>,
    /// What they, the environment and the settings file come to.
    pub matches: ArgMatches,
}

impl Start {
    /// The options of serving among what it came to.
    fn serving(matches: &ArgMatches) -> &ArgMatches {
        matches.subcommand().map_or(matches, |(_, serve)| serve)
    }

    /// The same words with the settings file as it is now.
    fn again(&self) -> Result<(ArgMatches, ServeArgs), Failure> {
        let explain = |err: clap::Error| usage::explain(&err);
        let first = Cli::command().try_get_matches_from(&self.words).map_err(explain)?;
        let (matches, _) = settings::applied(&self.words, first)?;
        let cli = Cli::from_arg_matches(&matches).map_err(explain)?;
        let args = match cli.command {
            Some(Command::Serve(serve)) => serve,
            _ => cli.serve,
        };
        // What the next start would refuse is said now. Users that cannot be read are told of elsewhere.
        let users = Users::load(&cli.places.users).ok();
        serve::refuse_misplaced(&Apart::new(&cli.places, &args), &cli.places, &args, users.as_ref())?;
        Ok((matches, args))
    }
}

/// Fails if the server that was told to read this settings file again refuses what it says. What cannot be read of it is refused before.
///
/// # Errors
/// [`Kind::BadConfig`], with the place in the file.
pub fn prove_usable(places: &Places, args: &ServeArgs, settings: Option<&Settings>) -> Result<(), Failure> {
    let Some(settings) = settings else { return Ok(()) };
    let users = Users::load(&places.users).ok();
    serve::refuse_misplaced(&Apart::new(places, args), places, args, users.as_ref()).map_err(|failure| {
        let place = settings.place_of(failure.text());
        Failure::from(Error::new(Kind::BadConfig, format!("{place}: {}", failure.text())))
            .hint("The server goes on with the settings it has. Mend the file: it is read by itself, too.")
    })
}

/// Reads the settings of a running server again.
pub struct Reload {
    start: Start,
    /// What counts now.
    now: Mutex<ArgMatches>,
    server: Handle,
    open_files: Option<u64>,
    /// Whether somebody reads them again, because they could not be used.
    tries_again: Mutex<bool>,
    /// What was said last to need a restart.
    told: Mutex<Vec<String>>,
}

/// What changes when a file is edited or replaced: its number, size, and times of change.
type Stamp = (u64, u64, (i64, i64), (i64, i64));

fn stamp(file: &Path) -> Option<Stamp> {
    let meta = file.metadata().ok()?;
    Some((meta.ino(), meta.size(), (meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec())))
}

impl Reload {
    /// For this server, which may have so many open files.
    pub fn new(start: Start, server: Handle, open_files: Option<u64>) -> Arc<Reload> {
        let now = Mutex::new(start.matches.clone());
        Arc::new(Reload { start, now, server, open_files, tries_again: Mutex::new(false), told: Mutex::default() })
    }

    /// Reads the settings again whenever their file is another one than before, on a thread of its own. Where there was none at the
    /// start nobody looks for one; one that goes away changes nothing.
    ///
    /// # Errors
    /// That there is no thread to be had.
    pub fn watch(self: &Arc<Self>) -> io::Result<()> {
        let named = self.start.matches.get_one::<PathBuf>("config").cloned();
        let file = named.unwrap_or_else(|| PathBuf::from(settings::USUAL));
        let Some(mut read) = stamp(&file) else { return Ok(()) };
        let (reload, mut seen) = (self.clone(), read);
        let watching = move || {
            loop {
                std::thread::sleep(limits::SETTINGS_LOOK);
                // It may still be being written: it counts when it was the same twice.
                match stamp(&file) {
                    Some(now) if now != seen => seen = now,
                    Some(now) if now != read => {
                        read = now;
                        info!(file = %file.display(), "the settings have changed and are read again");
                        reload.now();
                    }
                    Some(_) | None => {}
                }
            }
        };
        std::thread::Builder::new().name("settings".to_owned()).spawn(watching).map(drop)
    }

    /// Reads everything again that can be while the server runs, and tells the service manager; says what came of each.
    pub fn all(self: &Arc<Self>, manager: &ServiceManager) -> Vec<Reloaded> {
        manager.reloading();
        let mut all = self.server.reload();
        all.extend(self.now());
        manager.ready();
        all
    }

    /// Reads the settings now. If they cannot be used that is said, now and every minute until they can; what counted before stays.
    fn now(self: &Arc<Self>) -> Vec<Reloaded> {
        let read = self.read();
        if read.is_err() {
            self.try_again();
        }
        read.unwrap_or_else(|why| vec![Reloaded::new("settings", ReloadOutcome::Failed, why)])
    }

    /// Reads them every minute until they can be used.
    fn try_again(self: &Arc<Self>) {
        let mut tries_again = self.tries_again.lock();
        if *tries_again {
            return;
        }
        let reload = self.clone();
        let trying = move || {
            loop {
                std::thread::sleep(limits::SETTINGS_REPEAT);
                // Taken before the reading: whoever meets a broken file right behind it sees that nobody tries any more.
                let mut tries_again = reload.tries_again.lock();
                if reload.read().is_ok() {
                    *tries_again = false;
                    return;
                }
            }
        };
        // Without a thread it is said this once.
        *tries_again = std::thread::Builder::new().name("settings".to_owned()).spawn(trying).is_ok();
    }

    /// What the settings come to now.
    ///
    /// # Errors
    /// Why they cannot be used.
    fn read(&self) -> Result<Vec<Reloaded>, String> {
        let mut now = self.now.lock();
        let (matches, args) = match self.start.again() {
            Ok(read) => read,
            Err(failure) => {
                warn!(why = failure.text(), "the settings cannot be used; what counted before stays");
                return Err(failure.text().to_owned());
            }
        };
        let since =
            |before: &ArgMatches| settings::differences(Start::serving(before), Start::serving(&matches)).into_iter();
        let is_live = |id: &String| LIVE.contains(&id.as_str());
        let live: Vec<String> = since(&now).filter(is_live).collect();
        let later: Vec<String> = since(&self.start.matches).filter(|id| !is_live(id)).collect();
        let mut told = self.told.lock();
        let mut all = Vec::new();
        if !later.is_empty() {
            let names = later.join(", ");
            if *told != later {
                warn!(settings = names, "settings that need a restart to count");
            }
            all.push(Reloaded::new("settings", ReloadOutcome::NeedsRestart, names));
        }
        *told = later;
        drop(told);
        if !live.is_empty() {
            let live = live.join(", ");
            info!(settings = live, "settings that count from now on, for new connections");
            let mut options = LiveOptions::default();
            options.admission = serve::admission(&args, self.open_files);
            options.timeouts = args.limits.timeouts();
            options.grace = args.grace.into();
            options.max_mode = args.limits.max_mode();
            options.balancers = args.limits.balancers();
            self.server.change(&options);
            all.push(Reloaded::new("settings", ReloadOutcome::Changed, live));
        }
        *now = matches;
        if all.is_empty() {
            all.push(Reloaded::new("settings", ReloadOutcome::Current, ""));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_live_option_is_an_option() {
        let command = Cli::command();
        for id in LIVE {
            assert!(command.get_arguments().any(|arg| arg.get_id() == id), "{id}");
        }
    }
}

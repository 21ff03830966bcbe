//! Why no connection came about, with the next step.

use std::path::Path;

use sealift::client::{Bookmark, Config, DEFAULT_PORT, Endpoint, KnownServers};
use sealift::tls::CLOSED_UNHEARD;
use sealift::{Error, Kind, limits};

use super::args::Common;
use super::config;
use super::failure::{Failure, changed_key_hint};
use super::format;
use super::login::Login;
use super::suggest::nearest;
use super::verify::{known_servers, system_known_servers};

/// The failure of a connection to the server of this login. `is_name`: the server is called as a bookmark is.
pub fn explained(err: Error, login: &Login, common: &Common, is_name: impl FnOnce() -> bool) -> Failure {
    let server = &login.server;
    let is_unheard = err.text().contains(CLOSED_UNHEARD);
    let failure = Failure::from(err).hinted(Kind::Network, || match is_name() && login.bookmark.is_none() {
        false if is_local_folder(login) => format!(
            "`{0}` is a folder of this machine, and this command takes a place on a server here: HOST/{0}, or NAME:{0} by a bookmark.",
            server.host
        ),
        true => format!("The bookmark of this name is written with a colon: {}:", server.host),
        false if is_unheard => format!(
            "Check that {server} is right: another program may be at that port. If it is, the server may hold this address back after \
             failed logins, for {} at most, or have too many connections: its administrator sees whom it holds back by \
             `sealift admin penalties`.",
            format::duration(limits::PENALTY_MAX)
        ),
        false => format!("Check that {server} is the right address and port, and that the server runs."),
    });
    let failure = match config::is_of_account() {
        true => failure.hinted(Kind::Untrusted, || {
            "HOME is not set, so what `sealift trust add` wrote in another HOME is not read: set HOME or \
             SEALIFT_CONFIG_DIR, or give the key with --pin."
                .to_owned()
        }),
        false => failure,
    };
    failure.hinted(Kind::PinMismatch, || match (&*common.pin, &*login.settings.pins) {
        ([], []) if is_vouched_for(server) => format!(
            "Nothing was sent. An administrator of this machine vouches for another key in {}; if it was changed on \
             purpose, it is changed there.",
            system_known_servers().file().display()
        ),
        ([], []) => changed_key_hint(server),
        (given, _) => {
            let what = if given.is_empty() { "pin of this server in config.toml" } else { "--pin given" };
            format!("Nothing was sent. Check the {what}: `sealiftd cert pin` on the server prints the right one.")
        }
    })
}

/// Whether what was taken for a host is the name of a folder where the command was typed.
fn is_local_folder(login: &Login) -> bool {
    login.user.is_none() && login.bookmark.is_none() && Path::new(&login.server.host).is_dir()
}

/// Whether it is the machine's known servers that this one was checked against, and not the person's.
fn is_vouched_for(server: &Endpoint) -> bool {
    let known = |servers: KnownServers| servers.pins(server).is_ok_and(|pins| !pins.is_empty());
    !known_servers().is_ok_and(known) && known(system_known_servers())
}

/// What to do if a bookmark for this server has a user who is called almost so.
pub fn user_meant(config: &Config, login: &Login) -> Option<String> {
    let typed = login.user.as_deref()?;
    let is_here = |bookmark: &Bookmark| {
        let port = bookmark.settings.port.or(config.defaults.port).unwrap_or(DEFAULT_PORT);
        bookmark.host == login.server.host && port == login.server.port
    };
    let users = config.servers.values().filter(|bookmark| is_here(bookmark)).filter_map(|one| one.user.as_deref());
    let meant = nearest(typed, users.filter(|user| *user != typed))?;
    Some(format!(
        "A bookmark of yours has {meant}@{} there. The server says of nobody whether there is such a user.",
        login.server
    ))
}

//! Whom to believe to be the server: pins given, pins remembered, or the answer of a person.

use std::env;
use std::io::{self, IsTerminal as _};

use console::Term;
use sealift::client::{Added, Endpoint, Followed, Known, KnownServers, Verification, Welcome};
use sealift::escape::for_people;
use sealift::tls::Pin;
use sealift::wrap::wrap;
use sealift::{Client, Error, Kind, Result};

use super::args::{Common, TrustMode};
use super::ask;
use super::config::config_dir;
use super::failure::Outcome;
use super::login::Login;
use super::output::{Output, to_stderr};

/// The file of known servers, in the configuration folder.
const KNOWN_SERVERS: &str = "known_servers";

/// The known servers of all people of this machine.
const SYSTEM_KNOWN_SERVERS: &str = "/etc/sealift/known_servers";

/// The known servers of this person.
///
/// # Errors
/// As [`config_dir`].
pub fn known_servers() -> Result<KnownServers> {
    Ok(KnownServers::new(config_dir()?.join(KNOWN_SERVERS)))
}

/// The servers that an administrator of this machine vouches for. They are only read, and what a person's own file says of a
/// server counts alone.
pub fn system_known_servers() -> KnownServers {
    let named = env::var_os("SEALIFT_SYSTEM_KNOWN_SERVERS").filter(|file| !file.is_empty());
    KnownServers::new(named.unwrap_or_else(|| SYSTEM_KNOWN_SERVERS.into()))
}

/// Notes in the person's known servers what a server says of its next key, if they are what its present one was checked
/// against. What an option, the configuration or an administrator vouches for is not added to.
pub fn follow(common: &Common, login: &Login, client: &Client, welcome: &Welcome, out: Output) {
    let given = !common.pin.is_empty() || !login.settings.pins.is_empty();
    if given || common.ca_file.is_some() || login.settings.ca_file.is_some() {
        return;
    }
    let (server, Some(present)) = (&login.server, client.pin()) else { return };
    match known_servers().and_then(|known| known.follow(server, present, welcome.next_pin)) {
        Ok(Followed::Learned(next)) => {
            out.note(&format!("{server} has announced its next key: remembered {next}"));
        }
        Ok(Followed::Switched) => {
            out.note(&format!("{server} uses the key that it had announced; forgot the one before."))
        }
        Ok(Followed::Withdrawn) => out.step(&format!("{server} no longer announces another key: forgot that one")),
        Ok(Followed::Full) => out.step(&format!("{server} announces another key, but enough are known of it")),
        Ok(_) => {}
        // What was asked for does not depend on it.
        Err(err) => {
            out.step(&format!("the next key of {server} is not remembered: {}", for_people(err.text().as_bytes())))
        }
    }
}

/// How this server has to prove who it is.
///
/// # Errors
/// If the known servers cannot be read.
pub fn verification(common: &Common, login: &Login, out: Output) -> Outcome<Verification> {
    let server = &login.server;
    if !common.pin.is_empty() {
        return Ok(Verification::Pins(common.pin.clone()));
    }
    if let Some(file) = &common.ca_file {
        return Ok(Verification::CaFile(file.clone()));
    }
    if !login.settings.pins.is_empty() {
        return Ok(Verification::Pins(login.settings.pins.clone()));
    }
    if let Some(file) = &login.settings.ca_file {
        return Ok(Verification::CaFile(file.clone()));
    }
    let known = known_servers()?;
    let mut pins = known.pins(server)?;
    if pins.is_empty() {
        pins = system_known_servers().pins(server)?;
    }
    if !pins.is_empty() {
        return Ok(Verification::Pins(pins));
    }
    let mode = common.trust.unwrap_or_else(default_mode);
    let server = server.clone();
    Ok(Verification::Ask(Box::new(move |pin| match mode {
        TrustMode::Strict => Err(not_known(&server, pin)),
        TrustMode::AcceptNew => remember(&known, &server, *pin, None, out),
        TrustMode::Ask => {
            question(&server, pin, None)?;
            remember(&known, &server, *pin, None, out)
        }
    })))
}

/// Ask if a person is there to see the question and to answer it.
fn default_mode() -> TrustMode {
    match io::stdin().is_terminal() && io::stderr().is_terminal() {
        true => TrustMode::Ask,
        false => TrustMode::Strict,
    }
}

/// Writes a server's pin to the known servers, and says so.
///
/// # Errors
/// As [`KnownServers::add`].
pub fn remember(known: &KnownServers, server: &Endpoint, pin: Pin, comment: Option<String>, out: Output) -> Result<()> {
    let added = known.add(&Known { server: server.clone(), pin, after: None, comment })?;
    say_added(added, server, pin, out);
    Ok(())
}

/// Writes one more pin of a server to the known servers, which keep those that are there, and says so.
///
/// # Errors
/// As [`KnownServers::add_another`].
pub fn remember_another(
    known: &KnownServers,
    server: &Endpoint,
    pin: Pin,
    comment: Option<String>,
    out: Output,
) -> Result<()> {
    let added = known.add_another(&Known { server: server.clone(), pin, after: None, comment })?;
    say_added(added, server, pin, out);
    Ok(())
}

fn say_added(added: Added, server: &Endpoint, pin: Pin, out: Output) {
    match added {
        Added::New => out.note(&format!("Remembered the key of {server}: {pin}")),
        _ => out.note(&format!("The key of {server} is known already: {pin}")),
    }
}

/// Shows the pin of a server that is new, or is `known` by that other one, and asks whether to trust it; the pin typed in full is
/// an answer too, as with ssh.
///
/// # Errors
/// [`Kind::Untrusted`] unless the answer is yes, or if nobody can be asked.
pub fn question(server: &Endpoint, pin: &Pin, known: Option<&Pin>) -> Result<()> {
    let wrapped = |text: &str| wrap(text, usize::from(Term::stderr().size().1).saturating_sub(1), 0);
    let said = match known {
        None => format!("{server} is not known yet. Its key has this pin:"),
        Some(other) => format!("{server} is known by another key, {other}. The one it has now has this pin:"),
    };
    to_stderr(&format!(
        "{}\n\n  {pin}\n\n{}",
        wrapped(&said),
        wrapped(
            "Compare it with the one the server printed at its first start; `sealiftd cert pin` prints it there again."
        ),
    ));
    let mut prompt = "Trust this server from now on? (yes, no, or type the pin): ";
    loop {
        let Some(answer) = ask::line(prompt)? else { return Err(not_known(server, pin)) };
        match judge(&answer, pin) {
            Some(true) => return Ok(()),
            Some(false) => {
                return Err(Error::new(Kind::Untrusted, format!("{server} is not trusted; nothing was sent")));
            }
            // Nearly a pin: whoever compared it letter by letter must not be told to try yes.
            None if answer.starts_with("sha256//") => prompt = "That is not this server's pin. Type no, or the pin: ",
            None => prompt = "Please type yes, no, or the pin: ",
        }
    }
}

/// What an answer means; `None` if nothing. A pin that is not the server's is a clear no.
fn judge(answer: &str, pin: &Pin) -> Option<bool> {
    match answer.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => answer.parse::<Pin>().ok().map(|typed| typed == *pin),
    }
}

fn not_known(server: &Endpoint, pin: &Pin) -> Error {
    Error::new(Kind::Untrusted, format!("{server} is not known; its key has the pin {pin}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_no_and_a_whole_pin_are_answers() {
        let pin: Pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap();
        assert_eq!(judge("yes", &pin), Some(true));
        assert_eq!(judge("YES", &pin), Some(true));
        assert_eq!(judge(&pin.to_string(), &pin), Some(true));
        assert_eq!(judge("no", &pin), Some(false));
        assert_eq!(judge("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &pin), Some(false));
        for unclear in ["", "y", "n", "ok", "sha256//47DEQpj8"] {
            assert_eq!(judge(unclear, &pin), None, "{unclear}");
        }
    }
}

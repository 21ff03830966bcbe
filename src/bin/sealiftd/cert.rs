//! `sealiftd cert`: the server's key and certificate.

use std::path::Path;

use sealift::Kind;
use sealift::proto::escape::for_people;
use sealift::tls::Identity;

use crate::args::{CertCommand, Places};
use crate::failure::Failure;
use crate::output::say;
use crate::process;

/// Carries a command out.
///
/// # Errors
/// Those of [`Identity`].
pub fn run(places: &Places, command: CertCommand) -> Result<(), Failure> {
    match command {
        CertCommand::Show => show(&places.certs),
        CertCommand::Pin => {
            say(&format!("{}\n", load(&places.certs)?.pin()));
            Ok(())
        }
        CertCommand::New { force, names } => new(&places.certs, force, names),
        CertCommand::Renew { names } => renew(&places.certs, names),
    }
}

/// The names a certificate is made out to unless others are asked for.
pub fn default_names() -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(process::host_name().filter(|name| name != "localhost"));
    names
}

fn load(certs: &Path) -> Result<Identity, Failure> {
    Identity::load(certs).map_err(|err| match err.kind() {
        Kind::NotFound => {
            Failure::from(err).hint("The first start of the server makes it, or `sealiftd cert new` does.")
        }
        _ => err.into(),
    })
}

fn show(certs: &Path) -> Result<(), Failure> {
    let description = load(certs)?.describe()?;
    let names = for_people(description.names.join(", ").as_bytes());
    let time = |moment| humantime::format_rfc3339_seconds(moment);
    let folder = for_people(certs.to_string_lossy().as_bytes());
    say(&format!(
        "pin          {}\nnames        {names}\nvalid from   {}\nvalid until  {}\nfiles        {folder}/cert.pem, {folder}/key.pem\n",
        description.pin,
        time(description.not_before),
        time(description.not_after),
    ));
    Ok(())
}

fn new(certs: &Path, force: bool, names: Vec<String>) -> Result<(), Failure> {
    let names = if names.is_empty() { default_names() } else { names };
    let identity = Identity::generate(&names)?;
    let kept = identity.save(certs, force).map_err(|err| match err.kind() {
        Kind::Exists => Failure::from(err).hint(
            "--force replaces key and certificate. Every client that knows the old pin then refuses this server until it \
             is told the new one.",
        ),
        _ => err.into(),
    })?;
    let folder = for_people(certs.to_string_lossy().as_bytes());
    say(&format!("Made a new key and certificate in {folder}.\npin  {}\n", identity.pin()));
    for old in kept {
        say(&format!("The old one is kept as {}.\n", for_people(old.to_string_lossy().as_bytes())));
    }
    if force {
        say(
            "A running server uses them after a restart. Clients that pinned the old key must be told the new pin:\n  \
             sealift trust remove HOST; sealift trust add HOST\n",
        );
    }
    Ok(())
}

fn renew(certs: &Path, names: Vec<String>) -> Result<(), Failure> {
    let present = load(certs)?;
    let names = if names.is_empty() { present.describe()?.names } else { names };
    let renewed = present.renew(&names)?;
    renewed.save_certificate(certs)?;
    let until = humantime::format_rfc3339_seconds(renewed.describe()?.not_after);
    let folder = for_people(certs.to_string_lossy().as_bytes());
    say(&format!(
        "Made a new certificate over the same key in {folder}, valid until {until}.\npin  {}\n\
         A running server uses it after a restart. Clients that pinned the key notice nothing.\n",
        renewed.pin()
    ));
    Ok(())
}

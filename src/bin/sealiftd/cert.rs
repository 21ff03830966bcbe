//! `sealiftd cert`: the server's key and certificate.

use std::path::Path;
use std::time::{Duration, SystemTime};

use sealift::escape::for_people;
use sealift::tls::{Description, Identity};
use sealift::{Error, Kind, limits};

use crate::args::Places;
use crate::cert_args::CertCommand;
use crate::failure::Failure;
use crate::given_out;
use crate::in_force::Reach;
use crate::output::tell;
use crate::process;

/// Carries a command out.
///
/// # Errors
/// Those of [`Identity`].
pub fn run(places: &Places, command: CertCommand) -> Result<(), Failure> {
    match command {
        CertCommand::Show => show(places),
        CertCommand::Pin { next: false } => {
            tell(&format!("{}\n", load(&places.certs)?.pin()));
            Ok(())
        }
        CertCommand::Pin { next: true } => {
            let pin = Identity::next_pin(&places.certs)?.ok_or_else(|| no_next(&places.certs))?;
            tell(&format!("{pin}\n"));
            Ok(())
        }
        CertCommand::New { force, names } => new(places, force, names),
        CertCommand::Renew { names } => renew(places, names),
        CertCommand::Next { force, names } => next(places, force, names),
        CertCommand::Switch { force } => switch(places, force),
    }
}

/// The names a certificate is made out to unless others are asked for.
pub fn default_names() -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(process::host_name().filter(|name| name != "localhost"));
    names
}

/// The key with its certificate, of which the change before is completed if it was broken off.
///
/// # Errors
/// As [`Identity::load_completed`], with what to do where a file is missing.
pub fn load(certs: &Path) -> Result<Identity, Failure> {
    Identity::load_completed(certs).map_err(|err| match err.kind() {
        Kind::NotFound => {
            let first = "The first start of the server makes it, or `sealiftd cert new` does.";
            Failure::from(err).hint(half(certs).unwrap_or(first))
        }
        _ => err.into(),
    })
}

/// What to do where one of key and certificate is missing; none where both are.
pub fn half(certs: &Path) -> Option<&'static str> {
    let is_there = |name: &str| certs.join(name).exists();
    match (is_there("key.pem"), is_there("cert.pem")) {
        (true, _) => Some("`sealiftd cert renew` makes a certificate over the key that is there: the pin stays."),
        (false, true) if is_there("key.next.pem") => Some(
            "Put the key back. If it is lost, `sealiftd cert switch` takes the next key, which clients have learned.",
        ),
        (false, true) => Some(
            "Put the key back. If it is lost, `sealiftd cert new --force` makes a new pair, and every client must be told the new pin.",
        ),
        (false, false) => None,
    }
}

/// Whether nothing has this name, not even a link to where a disk is not mounted.
fn is_missing(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(err) if err.kind() == std::io::ErrorKind::NotFound)
}

fn show(places: &Places) -> Result<(), Failure> {
    let certs = places.certs.as_path();
    let description = load(certs)?.describe()?;
    let folder = for_people(certs.to_string_lossy().as_bytes());
    let files = format!("{folder}/cert.pem, {folder}/key.pem");
    tell(&format!("pin          {}\n{}", description.pin, said(&description, &files)));
    if description.not_after < SystemTime::now() + limits::CERTIFICATE_SOON {
        tell("warning      `sealiftd cert renew` makes another certificate over the same key\n");
    }
    if let Some(next) = Identity::next_pin(certs)? {
        tell(&format!("next pin     {next}\n"));
    }
    let web = places.web_files();
    let shown = |path: &Path| for_people(path.to_string_lossy().as_bytes());
    let (certificate, key) = (shown(&web.certificate), shown(&web.key));
    match web.describe() {
        Ok(None) => tell(&format!("for browsers none: they are shown this one, and warn ({certificate}, {key})\n")),
        Ok(Some(web)) => {
            tell(&format!("\nFor browsers:\n{}", said(&web, &format!("{certificate}, {key}"))));
            match web.not_after.duration_since(SystemTime::now()) {
                Err(_) => tell("warning      it has expired: browsers refuse it until it is renewed\n"),
                Ok(left) if left < limits::WEB_CERTIFICATE_SOON => {
                    tell("warning      it expires soon: see why it is not renewed, with certbot for example\n");
                }
                Ok(_) => {}
            }
        }
        Err(error) => tell(&format!("for browsers it cannot be used: {}\n", for_people(error.text().as_bytes()))),
    }
    Ok(())
}

/// What a certificate says, in lines.
fn said(described: &Description, files: &str) -> String {
    let names = for_people(described.names.join(", ").as_bytes());
    let time = |moment| sealift::readable::rfc3339(moment);
    let left = match described.not_after.duration_since(SystemTime::now()) {
        Err(_) => String::from("over"),
        Ok(left) => match left.as_secs() / (24 * 60 * 60) {
            1 => String::from("1 day left"),
            days => format!("{days} days left"),
        },
    };
    let (from, until) = (time(described.not_before), time(described.not_after));
    format!("names        {names}\nvalid from   {from}\nvalid until  {until} ({left})\nfiles        {files}\n")
}

fn new(places: &Places, force: bool, names: Vec<String>) -> Result<(), Failure> {
    let certs = places.certs.as_path();
    let names = if names.is_empty() { default_names() } else { names };
    let identity = Identity::generate(&names)?;
    let given_out =
        given_out::said(places, SystemTime::now(), "stop working with sealift, and with curl where it checks the pin.");
    let kept = identity.save(certs, force).map_err(|err| match err.kind() {
        Kind::Exists => Failure::from(err).hint(
            "--force replaces key and certificate. Every client that knows the old pin then refuses this server until it \
             is told the new one.",
        ),
        _ => err.into(),
    })?;
    let folder = for_people(certs.to_string_lossy().as_bytes());
    tell(&format!("Made a new key and certificate in {folder}.\npin  {}\n", identity.pin()));
    for old in kept {
        tell(&format!("The old one is kept as {}.\n", for_people(old.to_string_lossy().as_bytes())));
    }
    if force {
        tell(&format!(
            "{} Links and invitations that name the old key have to be made anew. {}Clients that pinned the old key must be told the new pin:\n  sealift trust remove HOST; sealift trust add HOST\n",
            reached(places, "uses them within seconds, for new connections"),
            given_out.replace('\n', " ")
        ));
    }
    Ok(())
}

fn renew(places: &Places, names: Vec<String>) -> Result<(), Failure> {
    let certs = places.certs.as_path();
    let renewed = match load(certs) {
        Ok(present) if names.is_empty() => present.renew(&present.describe()?.names)?,
        Ok(present) => present.renew(&names)?,
        // There is no certificate, or nothing that is one. One of another key is not thrown away: the wrong key may have been put beside it.
        Err(_) if certs.join("key.pem").exists() && !matches!(Identity::certificate_pin(certs), Ok(Some(_))) => {
            Identity::of_key(certs, &if names.is_empty() { default_names() } else { names })?
        }
        Err(failure) => return Err(failure),
    };
    renewed.save_certificate(certs)?;
    let until = sealift::readable::rfc3339(renewed.describe()?.not_after);
    let folder = for_people(certs.to_string_lossy().as_bytes());
    tell(&format!(
        "Made a new certificate over the same key in {folder}, valid until {until}.\npin  {}\n\
         {} Clients that pinned the key notice nothing.\n",
        renewed.pin(),
        reached(places, "uses it within seconds")
    ));
    Ok(())
}

fn next(places: &Places, force: bool, names: Vec<String>) -> Result<(), Failure> {
    let certs = places.certs.as_path();
    let present = load(certs)?;
    let names = if names.is_empty() { present.describe()?.names } else { names };
    let next = Identity::generate(&names)?;
    next.save_next(certs, force).map_err(|err| match err.kind() {
        Kind::Exists => Failure::from(err).hint(
            "`sealiftd cert switch` makes that one the present key. --force replaces it: clients that have learned it learn \
             the new one instead.",
        ),
        _ => err.into(),
    })?;
    let folder = for_people(certs.to_string_lossy().as_bytes());
    tell(&format!(
        "Made the next key in {folder} (key.next.pem, cert.next.pem).\nnext pin  {}\n\
         {}\n{}When all clients that matter have logged in: sealiftd cert switch\n",
        next.pin(),
        reached(
            places,
            "announces it within seconds to every client that logs in, and those that know the server remember it"
        ),
        given_out::said(
            places,
            SystemTime::now(),
            "made until now name the present key alone: sealift and curl with the pin refuse them after the switch. Switch when they \
             are over, or have them made anew."
        )
    ));
    Ok(())
}

fn switch(places: &Places, force: bool) -> Result<(), Failure> {
    let certs = places.certs.as_path();
    // What was begun is gone through with: clients are shown that key already, or as soon as the server starts. And where the present
    // key is lost there is no other one to wait with.
    let is_begun = Identity::is_half_switched(certs) || is_missing(&certs.join("key.pem"));
    if !force
        && !is_begun
        && let Some(made) = Identity::next_made(certs)?
    {
        // A clock that was put back makes it no younger.
        let age = SystemTime::now().duration_since(made).unwrap_or_default();
        if age < limits::NEXT_KEY_REST {
            let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
            let text = format!(
                "the next key was made {age} ago: clients that have not logged in since will refuse the server"
            );
            return Err(Failure::from(Error::new(Kind::Exists, text)).hint(
                "Have the server announce it first: wait until all clients that matter have logged in, then switch. --force switches now; clients that have not learned the key must be told the new pin.",
            ));
        }
    }
    let announced = Identity::next_made(certs).ok().flatten();
    let (now, kept) = Identity::switch(certs).map_err(|err| match err.kind() {
        Kind::NotFound if matches!(Identity::next_pin(certs), Ok(None)) => no_next(certs),
        _ => err.into(),
    })?;
    let folder = for_people(certs.to_string_lossy().as_bytes());
    tell(&format!("The next key is the present one now in {folder}.\npin  {}\n", now.pin()));
    for old in kept {
        tell(&format!("The old one is kept as {}.\n", for_people(old.to_string_lossy().as_bytes())));
    }
    tell(&format!(
        "{} Clients that have learned it notice nothing; others must be told the pin. Links and invitations that were made \
         before the server announced this key are refused by sealift, and by curl with the pin: make them anew.\n",
        reached(places, "uses it within seconds, for new connections")
    ));
    if let Some(announced) = announced {
        let said = given_out::said(places, announced, "are of that kind.");
        if !said.is_empty() {
            tell(&said);
        }
    }
    Ok(())
}

/// That a server does this with what is in the folder now, or that there is none.
fn reached(places: &Places, does: &str) -> String {
    Reach::of_certs(places).says(does, "this folder of keys")
}

fn no_next(certs: &Path) -> Failure {
    let text = format!("there is no next key in {}", certs.display());
    Failure::from(Error::new(Kind::NotFound, text)).hint("`sealiftd cert next` makes one.")
}

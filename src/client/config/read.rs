//! The text of a `config.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::{Bookmark, Config, Settings, check_name};
use crate::client::options::Endpoint;
use crate::client::rate_limit::RateLimit;
use crate::client::target;
use crate::error::{Error, Result};
use crate::files::RelPath;
use crate::tls::Pin;
use crate::toml_form::{Section, parse};

/// What may be set for all servers.
const FOR_ALL: &[&str] = &["port", "identity", "rate", "retry", "timeout"];

/// What may be set for one.
const FOR_ONE: &[&str] = &["host", "port", "user", "path", "pin", "ca_file", "identity", "rate", "retry", "timeout"];

/// What people write a password under.
const PASSWORDS: &[&str] = &["password", "passwd", "pass", "secret"];

/// Reads the whole text of this file.
pub(super) fn read(text: &str, path: &Path) -> Result<Config> {
    let file = path.display().to_string();
    let root = parse(text, &file)?;
    let root = Section::root(text, &file, &root);
    allow_only(&root, &["defaults", "server"])?;
    let defaults = match root.section("defaults", "[defaults]")? {
        None => Settings::default(),
        Some(section) => {
            allow_only(&section, FOR_ALL)?;
            settings(&section, path)?
        }
    };
    let mut servers = BTreeMap::new();
    if let Some(all) = root.section("server", "[server]")? {
        for (key, value) in all.table {
            let name = key.get_ref().as_ref();
            check_name(name).map_err(|err| all.place.wrong(key.span(), err.text().to_owned()))?;
            let section = all.place.section(key, value, &format!("server '{name}'"))?;
            servers.insert(name.to_owned(), server(&section, path)?);
        }
    }
    Ok(Config { defaults, servers })
}

fn server(section: &Section<'_>, path: &Path) -> Result<Bookmark> {
    allow_only(section, FOR_ONE)?;
    let Some((host, at)) = section.text("host")? else {
        return Err(section.place.wrong(section.at.clone(), format!("{} has no host", section.name)));
    };
    let bracketed = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    // With a port of its own it would not end in this one.
    let endpoint = Endpoint::parse(&format!("{bracketed}:1"), 1);
    let Ok(Endpoint { host, .. }) = endpoint else {
        let what = format!("host of {} must be a name or an address, without a port", section.name);
        return Err(section.place.wrong(at, what));
    };
    let user = match section.text("user")? {
        None => None,
        Some((user, at)) => Some(
            target::check_user(user)
                .map_err(|why| section.place.wrong(at, format!("user of {}: {why}", section.name)))?,
        ),
    };
    let folder = match section.text("path")? {
        None => RelPath::root(),
        Some((folder, at)) => RelPath::parse(folder.trim_matches('/').as_bytes())
            .map_err(|err| section.place.wrong(at, format!("path of {}: {}", section.name, err.text())))?,
    };
    let mut settings = settings(section, path)?;
    settings.pins = pins(section)?;
    settings.ca_file = file(section, "ca_file", path)?;
    if settings.ca_file.is_some() && !settings.pins.is_empty() {
        let what = format!("{} has a pin and a ca_file: one of them decides", section.name);
        return Err(section.place.wrong(section.at.clone(), what));
    }
    Ok(Bookmark { host, user, path: folder, settings })
}

fn settings(section: &Section<'_>, path: &Path) -> Result<Settings> {
    Ok(Settings {
        port: number(section, "port", 1..=u16::MAX.into())?.and_then(|port| port.try_into().ok()),
        identity: file(section, "identity", path)?,
        rate: rate(section)?,
        retry: number(section, "retry", 0..=u32::MAX.into())?.and_then(|retry| retry.try_into().ok()),
        timeout: timeout(section)?,
        ..Settings::default()
    })
}

/// As [`Section::allow_only`], with a word of its own about passwords.
fn allow_only(section: &Section<'_>, known: &[&str]) -> Result<()> {
    for (key, _) in section.table {
        if PASSWORDS.iter().any(|word| key.get_ref().eq_ignore_ascii_case(word)) {
            let what =
                "a password is never kept in this file: log in with a key, or give it by --password-file or --netrc";
            return Err(section.place.wrong(key.span(), what.into()));
        }
    }
    section.allow_only(known)
}

fn wrong(section: &Section<'_>, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) -> Error {
    section.place.wrong(value.span(), format!("{key} of {} must be {wanted}", section.name))
}

fn number(section: &Section<'_>, key: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>> {
    let Some((_, value)) = section.entry(key) else { return Ok(None) };
    let number = match value.get_ref() {
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok(),
        _ => return Err(section.mistyped(key, value, "a number")),
    };
    let (from, to) = (range.start(), range.end());
    let wanted = || format!("a number from {from} to {to}");
    number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| wrong(section, key, value, &wanted()))
}

fn rate(section: &Section<'_>) -> Result<Option<u64>> {
    let Some((text, at)) = section.text("rate")? else { return Ok(None) };
    let rate = RateLimit::parse(text).ok();
    let what = || format!("rate of {} must be bytes a second, such as \"5 MiB\"", section.name);
    rate.map(Some).ok_or_else(|| section.place.wrong(at, what()))
}

fn timeout(section: &Section<'_>) -> Result<Option<Duration>> {
    let Some((text, at)) = section.text("timeout")? else { return Ok(None) };
    let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
    let what = || format!("timeout of {} must be a time such as \"10s\" or \"2m\"", section.name);
    time.map(Some).ok_or_else(|| section.place.wrong(at, what()))
}

/// A file that is named in the one at `path`: from its folder on, or with `~/` from the person's own.
fn file(section: &Section<'_>, key: &str, path: &Path) -> Result<Option<PathBuf>> {
    let Some((text, _)) = section.text(key)? else { return Ok(None) };
    let below = |folder: Option<PathBuf>, rest: &str| folder.map_or_else(|| rest.into(), |folder| folder.join(rest));
    Ok(Some(match text.strip_prefix("~/") {
        Some(rest) => below(std::env::home_dir(), rest),
        None => below(path.parent().map(Path::to_owned), text),
    }))
}

fn pins(section: &Section<'_>) -> Result<Vec<Pin>> {
    let Some((_, value)) = section.entry("pin") else { return Ok(Vec::new()) };
    let texts: Option<Vec<&str>> = match value.get_ref() {
        DeValue::String(text) => Some(vec![text.as_ref()]),
        DeValue::Array(list) => list.iter().map(|item| item.get_ref().as_str()).collect(),
        _ => None,
    };
    let pins = texts.and_then(|texts| texts.into_iter().map(|text| text.parse().ok()).collect::<Option<Vec<Pin>>>());
    let wanted = "a pin such as \"sha256//47DE…\", or a list of them";
    pins.filter(|pins| !pins.is_empty()).ok_or_else(|| wrong(section, "pin", value, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn of(text: &str) -> Result<Config> {
        read(text, Path::new("/etc/x/config.toml"))
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let err = of(text).unwrap_err();
        assert_eq!(err.kind(), Kind::BadConfig, "{text}");
        assert!(err.text().contains(why), "{text}: {}", err.text());
    }

    #[test]
    fn everything_that_can_be_set_is_read() {
        let pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let config = of(&format!(
            "[defaults]\nport = 5000\nretry = 0\ntimeout = \"90s\"\nidentity = \"keys/id\"\n\
             [server.work]\nhost = \"Files.Example\"\nuser = \"alice\"\npath = \"/a/b/\"\npin = [\"{pin}\"]\nrate = \"5M\"\n\
             [server.v6]\nhost = \"0::1\"\nport = 9\nca_file = \"/ca.pem\"\n"
        ));
        let config = config.unwrap();
        let work = &config.servers["work"];
        assert_eq!((work.host.as_str(), work.user.as_deref()), ("files.example", Some("alice")));
        assert_eq!(work.path.as_bytes(), b"a/b");
        let settings = config.settings(Some("work"));
        assert_eq!((settings.port, settings.retry, settings.rate), (Some(5000), Some(0), Some(5 << 20)));
        assert_eq!((settings.pins.len(), settings.timeout), (1, Some(Duration::from_secs(90))));
        assert_eq!(settings.identity.as_deref(), Some(Path::new("/etc/x/keys/id")));
        let v6 = config.settings(Some("v6"));
        assert_eq!((v6.port, v6.ca_file.as_deref()), (Some(9), Some(Path::new("/ca.pem"))));
        assert_eq!(config.servers["v6"].host, "::1");
        assert_eq!(config.settings(None).port, Some(5000));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        refused("\n[sever.work]\n", "/etc/x/config.toml:2: the file has an unknown key 'sever'");
        refused("[server.work]\nhost = \"h\"\ncolour = 1\n", ":3: server 'work' has an unknown key 'colour'");
        refused("[defaults]\npin = \"x\"\n", ":2: [defaults] has an unknown key 'pin'");
        refused("[server.work]\nuser = \"a\"\n", "server 'work' has no host");
        refused("[server.work]\nhost = \"h:1\"\n", "without a port");
        refused("[server.work]\nhost = \"[::1]:1\"\n", "without a port");
        refused("[server.\"files.example\"]\nhost = \"h\"\n", "no dot");
        refused("[server.work]\nhost = \"h\"\nport = 70000\n", ":3: port of server 'work' must be a number from 1");
        refused("[server.work]\nhost = \"h\"\nport = \"1\"\n", "must be a number, not a TOML string");
        refused("[server.work]\nhost = \"h\"\npath = \"a/../b\"\n", ":3: path of server 'work'");
        refused("[server.work]\nhost = \"h\"\nuser = \"a/b\"\n", ":3: user of server 'work'");
        refused("[server.work]\nhost = \"h\"\npin = \"canary\"\n", ":3: pin of server 'work' must be");
        refused("[server.work]\nhost = \"h\"\nrate = \"0\"\n", "rate of server 'work'");
        refused("[defaults]\ntimeout = \"soon\"\n", ":2: timeout of [defaults]");
        refused("server = 1\n", "must be a table");
        refused("[server\n", ":1: not valid TOML");
    }

    #[test]
    fn a_password_is_refused_wherever_it_stands_and_not_repeated() {
        for text in [
            "password = \"canary\"\n",
            "[defaults]\nPassword = \"canary\"\n",
            "[server.work]\nhost = \"h\"\npasswd = \"canary\"\n",
        ] {
            refused(text, "a password is never kept in this file");
            assert!(!of(text).unwrap_err().text().contains("canary"));
        }
    }
}

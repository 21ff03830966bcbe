//! `sealiftd scrub`: reads all files at a bounded rate and compares them with what was stored.

use std::path::PathBuf;
use std::process::ExitCode;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sealift::auth::Users;
use sealift::escape::for_people;
use sealift::files::{Location, Rot, is_reserved_name};
use sealift::readable::size;
use sealift::store::{Doubt, LocalOptions, LocalStore, Pace, Scrubbed, open_home, scrub};
use sealift::{Error, Exit, Kind};
use serde_json::json;

use crate::args::Places;
use crate::failure::Failure;
use crate::output::{complain, say};
use crate::scrub_args::ScrubArgs;

/// Reads them, a line for each that is not right, and ends with 8 if a file is rotten, else 10 if one could not be read.
///
/// # Errors
/// Those of the data folder and the users file.
pub fn run(places: &Places, args: &ScrubArgs) -> Result<ExitCode, Failure> {
    if let Some(bucket) = places.bucket.as_deref().map(|bucket| bucket.trim_end_matches('/')) {
        let text = format!("the files are in {bucket}, and scrub reads those of a disk alone");
        return Err(Failure::usage(text).hint(
            "`sealift verify USER@HOST/` has the server read all files of a user and compare them with what was stored.",
        ));
    }
    let failed = |err| Error::file(places.data.display(), err);
    let data = Dir::open_ambient_dir(&places.data, ambient_authority()).map_err(failed)?;
    let mut pace = Pace::new(args.rate);
    let mut total = Scrubbed::default();
    for home in homes(places, args, &data)? {
        let tell = |path: &[u8], doubt: Doubt| tell(args, &home, path, doubt);
        // As a login would: no link of somebody else's makes another folder theirs.
        let opened = open_home(&places.data, &home);
        match opened.and_then(|dir| dir.map(|dir| LocalStore::open(dir, LocalOptions::default())).transpose()) {
            Ok(Some(store)) => add(&mut total, &scrub(&store, &mut pace, tell)?),
            Ok(None) if args.json => {}
            Ok(None) => say(&format!("{}: not there yet, so there is nothing to read\n", for_people(home.as_bytes()))),
            Err(error) => {
                total.failed += 1;
                tell(b"", Doubt::Failed(error));
            }
        }
    }
    for folder in elsewhere(places, args) {
        let called = folder.display().to_string();
        let tell = |path: &[u8], doubt: Doubt| tell(args, &called, path, doubt);
        match LocalStore::open_path(&folder, LocalOptions::default()) {
            Ok(store) => add(&mut total, &scrub(&store, &mut pace, tell)?),
            Err(error) => {
                total.failed += 1;
                tell(b"", Doubt::Failed(error));
            }
        }
    }
    finish(args.json, &total);
    Ok(match total {
        Scrubbed { rotten: 1.., .. } => ExitCode::from(Exit::Integrity as u8),
        Scrubbed { failed: 1.., .. } => ExitCode::from(Exit::Partial as u8),
        _ => ExitCode::SUCCESS,
    })
}

/// The folders to read, below the data folder: those of these users, or all that are there, also of users who were removed.
fn homes(places: &Places, args: &ScrubArgs, data: &Dir) -> Result<Vec<String>, Failure> {
    let mut homes = Vec::new();
    if args.names.is_empty() {
        let failed = |err| Error::file(places.data.display(), err);
        for entry in data.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // The name of a home is text. The server's own folder is none.
            let name = entry.file_name().into_string().ok();
            let name = name.filter(|name| !is_reserved_name(name.as_bytes()));
            homes.extend(name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())));
        }
    } else {
        let users = Users::load(&places.users)?;
        for name in &args.names {
            let grants = users.grants_of(name).map_err(|_| {
                let text = format!("{}: no such user", for_people(name.as_bytes()));
                Failure::from(Error::new(Kind::NotFound, text)).hint("`sealiftd user list` shows who there is.")
            })?;
            homes.push(grants.home.clone());
        }
    }
    homes.sort_unstable();
    // One home may be inside another.
    let all = homes.clone();
    let is_inside = |home: &str, other: &str| home.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    homes.retain(|home| !all.iter().any(|other| is_inside(home, other)));
    homes.dedup();
    Ok(homes)
}

/// The shared folders that do not lie below the data folder, where all is read. A users file that cannot be read names none: `check`
/// says so.
fn elsewhere(places: &Places, args: &ScrubArgs) -> Vec<PathBuf> {
    let users = if args.names.is_empty() { Users::load(&places.users).ok() } else { None };
    let folders = users.iter().flat_map(|users| users.shares().folders());
    let elsewhere = folders.filter_map(|folder| match folder.location() {
        Location::Elsewhere(path) => Some(path.clone()),
        Location::Below(_) => None,
    });
    elsewhere.collect()
}

fn add(total: &mut Scrubbed, more: &Scrubbed) {
    let Scrubbed { confirmed, unrecorded, rotten, changed, failed, bytes, .. } = more;
    total.confirmed += confirmed;
    total.unrecorded += unrecorded;
    total.rotten += rotten;
    total.changed += changed;
    total.failed += failed;
    total.bytes += bytes;
}

fn tell(args: &ScrubArgs, home: &str, path: &[u8], doubt: Doubt) {
    let whole = if path.is_empty() { home.as_bytes().to_vec() } else { [home.as_bytes(), b"/", path].concat() };
    if let (Some(audit), Doubt::Rotten(rot)) = (&args.audit, &doubt)
        && let Err(error) = audit.tell_of_rot(&whole, rot)
    {
        complain(&format!("sealiftd: not in the audit: {}", error.text()));
    }
    let (state, text) = match doubt {
        Doubt::Rotten(Rot { recorded, found }) => {
            ("rotten", format!("not the bytes that were stored: BLAKE3 {found}, not {recorded}"))
        }
        Doubt::Failed(error) => ("failed", error.text().to_owned()),
    };
    let (path, text) = (for_people(&whole), for_people(text.as_bytes()));
    if args.json {
        return say(&format!("{}\n", json!({ "state": state, "path": path, "text": text })));
    }
    say(&format!("{state}: {path}: {text}\n"));
}

fn finish(as_json: bool, total: &Scrubbed) {
    let Scrubbed { confirmed, unrecorded, rotten, changed, failed, bytes, .. } = total;
    if as_json {
        let object = json!({
            "confirmed": confirmed, "unrecorded": unrecorded, "rotten": rotten, "changed": changed, "failed": failed,
            "bytes": bytes,
        });
        return say(&format!("{object}\n"));
    }
    say(&format!(
        "{confirmed} as stored, {rotten} rotten, {unrecorded} without a record, {changed} changed meanwhile, {failed} not \
         read; {} read\n",
        size(*bytes)
    ));
}

//! The places: whether they can be used, who else can, and whether key and certificate are a pair.

use std::fs::Metadata;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;
use std::{fs, io};

use sealift::auth::{StateFolder, UsersFile};
use sealift::store::LOCK_FILE;
use sealift::tls::{Identity, WebFiles};
use sealift::{Kind, limits};

use super::findings::{Findings, Severity};
use crate::args::Places;
use crate::obstacle::{Obstacle, Want, obstacle};
use crate::output::shell_word;
use crate::{begun_anew, cert};

/// Looks at all places.
pub fn look(places: &Places, port_file: Option<&Path>, findings: &mut Findings) {
    let replaced = port_file.map(|path| (path, Want::Replace));
    let state = places.state();
    let used = [
        (places.data.as_path(), Want::Folder),
        (places.users.as_path(), Want::ReadOrMake),
        (state.as_path(), Want::Folder),
    ];
    for (path, want) in used.into_iter().chain(replaced) {
        if let Some(obstacle) = obstacle(path, want) {
            // What can only be read is served so, and that may be meant.
            let is_served = path == places.data && obstacle.is_read_only();
            let severity = if is_served { Severity::Warning } else { Severity::Error };
            findings.add(severity, format!("{}: {obstacle}", path.display()), obstacle.next_step());
        }
    }
    if !begun_anew::has_run(places) || places.data.exists() {
        data(&places.data, findings);
    }
    self::state(&state, findings);
    kinds(places, findings);
    for kept in [places.data.join(limits::RESERVED_NAME), state.clone()] {
        inside(&kept, findings);
    }
    certs(&places.certs, findings);
    web_certificate(&places.web_files(), findings);
    users_file(&places.users, findings);
    left(places, findings);
}

fn data(data: &Path, findings: &mut Findings) {
    match data.metadata() {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            findings.add(Severity::Note, format!("{} is not there", data.display()), "the first start makes it");
        }
        Err(_) => {} // Said above.
        Ok(meta) if !meta.is_dir() => {
            findings.add(Severity::Error, format!("{} is no folder", data.display()), "choose another one with --data");
        }
        Ok(meta) => {
            let mode = meta.mode() & 0o7777;
            let chmod = format!("run: chmod 700 {}", word(data));
            if others_can_write(&meta) {
                let what =
                    format!("{} can be changed by other users of this machine (mode {mode:03o})", data.display());
                findings.add(Severity::Warning, what, chmod);
            } else if mode & 0o005 != 0 {
                let what = format!("{} can be read by every user of this machine (mode {mode:03o})", data.display());
                findings.add(Severity::Note, what, format!("if that is not wanted, {chmod}"));
            }
        }
    }
}

fn state(state: &Path, findings: &mut Findings) {
    // Of another kind it is told of with the others.
    let Some(meta) = state.metadata().ok().filter(Metadata::is_dir) else { return };
    let (shown, chmod) = (state.display(), format!("run: chmod 700 {}", word(state)));
    let mode = meta.mode() & 0o7777;
    if mode & 0o022 != 0 {
        let what = format!(
            "{shown} can be changed by other users of this machine (mode {mode:03o}), who could put passwords of theirs there"
        );
        findings.add(Severity::Error, what, chmod);
    } else if mode & 0o005 != 0 {
        let what = format!("{shown} can be looked into by every user of this machine (mode {mode:03o})");
        findings.add(
            Severity::Note,
            what,
            format!("what is in it is for its owner alone; if that is not wanted, {chmod}"),
        );
    }
}

/// Whether what is to be a folder or a file of the server's own is one: of another kind it keeps a server from starting.
fn kinds(places: &Places, findings: &mut Findings) {
    let state = places.state();
    let is_folder = |path: &Path| path.is_dir();
    let reserved = [&places.data, &state].map(|folder| folder.join(limits::RESERVED_NAME));
    let locks = reserved.each_ref().map(|reserved| reserved.join(LOCK_FILE));
    // Through these no link is followed.
    let is_very = |path: &Path, is: fn(&Metadata) -> bool| path.symlink_metadata().is_ok_and(|about| is(&about));
    let folders = [state.clone()].into_iter().chain(StateFolder::folders_in(&state));
    // Of these another kind is told elsewhere, but for a link to nothing.
    let outer = [places.data.clone(), places.certs.clone()].into_iter().filter(|path| path.metadata().is_err());
    let all = outer
        .chain(folders)
        .map(|path| (is_folder(&path), path, "folder"))
        .chain(reserved.map(|path| (is_very(&path, Metadata::is_dir), path, "folder")))
        .chain(locks.map(|path| (is_very(&path, Metadata::is_file), path, "file")));
    for (is_it, path, kind) in all {
        if !is_it && path.symlink_metadata().is_ok() {
            let what = format!("{} is no {kind}", path.display());
            findings.add(Severity::Error, what, format!("the start makes one; run: mv {0} {0}.aside", word(&path)));
        }
    }
}

/// What the server keeps for itself, in files and folders of its own that another account may have made: with one that it cannot use it does
/// not start, or does not keep what it should.
fn inside(kept: &Path, findings: &mut Findings) {
    let entries = match kept.read_dir() {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied && kept.ends_with(limits::RESERVED_NAME) => {
            let what = format!("{} cannot be looked into ({})", kept.display(), err.kind());
            return findings.add(Severity::Error, what, give(kept));
        }
        // Said above, or not there.
        Err(_) => return,
    };
    for entry in entries.flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        let want = match kind {
            Ok(kind) if kind.is_dir() => Want::Folder,
            Ok(kind) if kind.is_file() => Want::Change,
            // Sockets, say, which others listen on.
            Ok(_) | Err(_) => continue,
        };
        if let Some(obstacle) = obstacle(&path, want).filter(Obstacle::is_permission) {
            let severity = if obstacle_to_read(&path) { Severity::Error } else { Severity::Warning };
            findings.add(severity, obstacle.to_string(), give(&path));
        }
    }
}

fn obstacle_to_read(path: &Path) -> bool {
    let want = if path.is_dir() { Want::Look } else { Want::Change };
    obstacle(path, want).is_some()
}

/// The command that gives something to the account that looks, which is the server's.
fn give(path: &Path) -> String {
    let me = rustix::process::geteuid().as_raw();
    format!("run: chown -R {me} {0} && chmod -R u+rwX {0}", word(path))
}

/// What mends a switch that was killed between two of its steps.
const COMPLETE_SWITCH: &str = "`sealiftd cert switch` completes the switch that was cut off";

fn certs(certs: &Path, findings: &mut Findings) {
    if let Ok(meta) = certs.metadata()
        && others_can_write(&meta)
    {
        let mode = meta.mode() & 0o7777;
        let what = format!(
            "{} can be changed by other users of this machine (mode {mode:03o}), who could put a key of theirs there",
            certs.display()
        );
        findings.add(Severity::Error, what, format!("run: chmod 700 {}", word(certs)));
    }
    let missing =
        |name: &str| matches!(certs.join(name).symlink_metadata(), Err(err) if err.kind() == io::ErrorKind::NotFound);
    if missing("key.pem") && missing("cert.pem") {
        match obstacle(certs, Want::Folder) {
            Some(obstacle) => findings.add(
                Severity::Error,
                format!("no key can be made: {obstacle}"),
                if obstacle.is_read_only() { obstacle.next_step() } else { "choose another place with --certs" },
            ),
            None => findings.add(
                Severity::Note,
                format!("there is no key in {}", certs.display()),
                "the first start makes one",
            ),
        }
        return;
    }
    let identity = match Identity::load(certs) {
        Ok(identity) => identity,
        Err(error) => {
            let next = match error.kind() {
                _ if Identity::is_half_switched(certs) => COMPLETE_SWITCH,
                _ if Identity::is_unfinished(certs) => {
                    "a change of the key was broken off: the start completes it, and so does `sealiftd cert show`"
                }
                Kind::Denied => "give it to the account that runs sealiftd",
                Kind::NotFound => cert::half(certs).unwrap_or("put it back"),
                Kind::Tls => {
                    "put the pair together again. If this key is the right one, remove cert.pem, and `sealiftd cert renew` makes another \
                     certificate over it; `sealiftd cert new --force` makes another key with a new pin"
                }
                // It says what to run.
                _ if error.text().contains("run: ") => "",
                _ => "mend it",
            };
            return findings.add(Severity::Error, error.text(), next);
        }
    };
    if Identity::is_half_switched(certs) {
        let what = "the next key is the present one already".to_owned();
        findings.add(Severity::Warning, what, COMPLETE_SWITCH);
        return describe(&identity, findings);
    }
    if !(missing("key.next.pem") && missing("cert.next.pem"))
        && let Err(error) = Identity::load_next(certs)
    {
        let next = match error.text().contains("run: ") {
            true => "",
            false if Identity::is_unfinished(certs) => {
                "it was broken off: the start completes it, and so does `sealiftd cert show`"
            }
            false => "mend it, or `sealiftd cert next --force` makes another one",
        };
        findings.add(Severity::Warning, format!("the next key cannot be used: {}", error.text()), next);
    }
    if is_older_than_present(certs) {
        findings.add(
            Severity::Warning,
            "the next key was made before the present one, and whoever had that may have both".to_owned(),
            "`sealiftd cert next --force` makes another next key",
        );
    }
    describe(&identity, findings);
}

/// What the certificate of the server says of itself.
fn describe(identity: &Identity, findings: &mut Findings) {
    match identity.describe() {
        Err(error) => {
            findings.add(Severity::Warning, error.text(), "`sealiftd cert new --force` makes a new pair with a new pin")
        }
        Ok(described) if described.not_after < SystemTime::now() => findings.add(
            Severity::Warning,
            format!("the certificate ended on {}", sealift::readable::rfc3339(described.not_after)),
            "clients that pin the key do not mind, those with --ca-file refuse it: `sealiftd cert renew` makes another one over the same key",
        ),
        Ok(described) if described.not_after < SystemTime::now() + limits::CERTIFICATE_SOON => findings.add(
            Severity::Warning,
            format!("the certificate ends on {}", sealift::readable::rfc3339(described.not_after)),
            "`sealiftd cert renew` makes another one over the same key",
        ),
        Ok(_) => {}
    }
}

/// Whether the present key came after the next one, as where it was replaced by hand.
fn is_older_than_present(certs: &Path) -> bool {
    let next = Identity::next_made(certs).ok().flatten();
    let present = fs::metadata(certs.join("key.pem")).and_then(|meta| meta.modified()).ok();
    next.zip(present).is_some_and(|(next, present)| next < present)
}

/// The certificate for browsers. The server starts without one.
fn web_certificate(files: &WebFiles, findings: &mut Findings) {
    let file = files.certificate.display();
    let described = match files.describe() {
        Ok(None) => return,
        Ok(Some(described)) => described,
        Err(error) => {
            let next = match error.kind() {
                Kind::Denied => {
                    "give it to the account that runs sealiftd; until then browsers are shown the pinned one"
                }
                // It says what to run.
                _ if error.text().contains("run: ") => "",
                _ => "mend it; until then browsers are shown the pinned one, and warn",
            };
            let what = format!("the certificate for browsers cannot be used: {}", error.text());
            return findings.add(Severity::Warning, what, next);
        }
    };
    let mut warn = |what: String, next: &str| findings.add(Severity::Warning, what, next);
    let until = sealift::readable::rfc3339(described.not_after);
    match described.not_after.duration_since(SystemTime::now()) {
        Err(_) => warn(format!("{file}: ended on {until}"), "renew it: browsers refuse it"),
        Ok(left) if left < limits::WEB_CERTIFICATE_SOON => {
            warn(format!("{file}: ends on {until}"), "see why it is not renewed, with certbot for example")
        }
        Ok(_) => {}
    }
    if described.not_before > SystemTime::now() {
        let from = sealift::readable::rfc3339(described.not_before);
        warn(format!("{file}: begins only on {from}"), "look at this machine's clock");
    }
    let is_address = |name: &String| name.parse::<IpAddr>().is_ok();
    if described.names.is_empty() {
        let what = format!("{file}: it is made out to no name and no address, so that it is never shown");
        warn(what, "have one made out to the name that people type");
    } else if described.names.iter().all(is_address) {
        let what = format!("{file}: it is made out to no host name, and shown only to those who connect by address");
        findings.add(Severity::Note, what, "");
    }
}

/// The users file's owner and folder; its mode is judged with what is in it.
fn users_file(path: &Path, findings: &mut Findings) {
    let me = rustix::process::geteuid().as_raw();
    if let Ok(meta) = path.metadata()
        && meta.uid() != 0
        && meta.uid() != me
    {
        let what = format!("{} belongs to user {}, who could let himself in", path.display(), meta.uid());
        findings.add(Severity::Warning, what, format!("run: chown {me} {}", word(path)));
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(meta) = folder.metadata()
        && others_can_write(&meta)
    {
        let mode = meta.mode() & 0o7777;
        let what = format!(
            "{}, where {} is, can be changed by other users of this machine (mode {mode:03o}), who could put a file of theirs in its place",
            folder.display(),
            path.display()
        );
        findings.add(Severity::Warning, what, format!("run: chmod go-w {}", word(folder)));
    }
}

/// What commands that were killed left: all password hashes of then, or keys.
fn left(places: &Places, findings: &mut Findings) {
    let kinds = [
        (UsersFile::new(&places.users).left_beside(), "the password hashes of then", "change of users"),
        // Of a change that was broken off they complete the pair, which is told above: nobody may remove them before.
        match Identity::is_unfinished(&places.certs) {
            true => (Ok(Vec::new()), "", ""),
            false => (Identity::left_in(&places.certs), "perhaps a private key", "change of the key"),
        },
    ];
    for (found, what, change) in kinds {
        // What cannot be read is told elsewhere.
        for path in found.unwrap_or_default() {
            findings.add(
                Severity::Warning,
                format!("{} was left by a command that was killed while it wrote it, with {what}", path.display()),
                format!("the next start or {change} removes it; or run: rm {}", word(&path)),
            );
        }
    }
}

/// Whether others than the owner can change what is in a folder. Where it is sticky, as /tmp is, each can change only
/// what is their own.
fn others_can_write(meta: &Metadata) -> bool {
    meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0
}

fn word(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

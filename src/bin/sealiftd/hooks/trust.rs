//! What may be a hook: a program that runs with all that the server's account may do, so nobody but that account and root can have
//! any say in what it is, and the server that talks to strangers cannot change it either.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sealift::apart::{real, way};
use sealift::{Error, Kind};

use super::{HookArgs, socket_of};
use crate::args::{Places, ServeArgs};
use crate::failure::Failure;

/// What to do about one that may not be.
pub const NEXT: &str = "Name a program by its whole path that nobody but root and the server's account can change, nor any folder on the \
                        way to it, outside of what the server serves and keeps.";

/// Folders in which a server makes and changes files by itself; where users do is elsewhere refused for all that is the server's own.
pub fn changed_by_server(places: &Places, args: &ServeArgs) -> Vec<(&'static str, PathBuf)> {
    let audit = args.audit_file().and_then(Path::parent).map(|folder| ("the folder of the audit", folder.to_owned()));
    [("the server's own state", places.state())].into_iter().chain(audit).collect()
}

/// Refuses programs that may be none.
///
/// # Errors
/// The first of them.
pub fn refuse(args: &HookArgs, changed: &[(&str, PathBuf)]) -> Result<(), Failure> {
    for program in &args.on_upload {
        if let Some(why) = obstacle(program, changed) {
            let text = format!("--on-upload {}: {why}", program.display());
            return Err(Failure::from(Error::new(Kind::BadConfig, text)).hint(NEXT));
        }
    }
    Ok(())
}

/// Why this may be no hook.
pub fn obstacle(program: &Path, changed: &[(&str, PathBuf)]) -> Option<String> {
    if let Some(socket) = socket_of(program) {
        // Nothing of it is run, and whoever is to listen there need not do so yet.
        return (!socket.is_absolute()).then(|| "names no socket by an absolute path".to_owned());
    }
    if !program.is_absolute() {
        return Some("is not an absolute path".to_owned());
    }
    match program.metadata() {
        Err(err) => return Some(Error::file("it", err).text().trim_start_matches("it: ").to_owned()),
        Ok(meta) if !meta.is_file() || meta.mode() & 0o111 == 0 => return Some("is no program".to_owned()),
        Ok(_) => {}
    }
    let way = way(program);
    for (what, folder) in changed {
        let folder = real(folder).unwrap_or_else(|| folder.clone());
        if way.iter().any(|passed| passed.starts_with(&folder)) {
            return Some(format!("lies in {what}, where the server changes files"));
        }
    }
    way.iter().find_map(|passed| changeable(program, passed))
}

/// Why somebody else could change this, which is the program or lies on the way to it.
fn changeable(program: &Path, passed: &Path) -> Option<String> {
    let subject = if passed == program { String::new() } else { format!("{} ", passed.display()) };
    let meta = match passed.symlink_metadata() {
        Ok(meta) => meta,
        Err(err) => return Some(Error::file(passed.display(), err).text().to_owned()),
    };
    if ![0, rustix::process::geteuid().as_raw()].contains(&meta.uid()) {
        return Some(format!("{subject}belongs to another user of this machine ({})", meta.uid()));
    }
    // In a sticky folder each changes what is their own. What a link is, only its folder decides.
    let is_kept = meta.is_symlink() || (meta.is_dir() && meta.mode() & 0o1000 != 0);
    (meta.mode() & 0o022 != 0 && !is_kept).then(|| format!("{subject}can be changed by others than its owner"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn nobody_else_may_be_able_to_change_the_program_a_link_to_it_or_a_folder_on_the_way() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let mode = |path: &str, mode| fs::set_permissions(root.join(path), Permissions::from_mode(mode)).unwrap();
        for folder in ["lib/deep", "links", "state"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for folder in ["lib", "lib/deep", "links", "state"] {
            mode(folder, 0o755);
        }
        for file in ["lib/deep/hook", "state/hook"] {
            fs::write(root.join(file), "#!/bin/sh\n").unwrap();
            mode(file, 0o755);
        }
        symlink(root.join("lib/deep/hook"), root.join("links/hook")).unwrap();
        symlink(root.join("state"), root.join("links/state")).unwrap();
        let state = [("the state", root.join("links/state"))];
        let why = |path: &str| obstacle(&root.join(path), &state);
        for good in ["lib/deep/hook", "links/hook"] {
            assert_eq!(why(good), None);
        }
        for inside in ["state/hook", "links/state/hook"] {
            assert!(why(inside).unwrap().contains("lies in the state"), "{inside}");
        }
        for (path, bad, good) in [
            ("lib/deep/hook", 0o775, 0o755),
            ("lib/deep", 0o775, 0o755),
            ("lib", 0o757, 0o755),
            ("links", 0o777, 0o1777),
        ] {
            mode(path, bad);
            let said = why("links/hook").unwrap();
            assert!(said.contains(root.join(path).to_str().unwrap()) && said.contains("by others"), "{said}");
            mode(path, good);
            assert_eq!(why("links/hook"), None, "{path}");
        }
    }
}

//! What is the server's own, and lies apart from what it serves: whoever could write there could become anybody, or have programs
//! of theirs run.

use std::env;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use sealift::auth::Users;
use sealift::files::Location;
use sealift::server::MetricsAt;
use sealift::{Error, Kind, limits};

use crate::args::{Places, ServeArgs};
use crate::failure::Failure;
use crate::port_file::PortFile;
use crate::settings;

/// A file or folder of the server's own.
struct Own {
    /// In words.
    what: &'static str,
    /// The option that says where it is; none if there is none.
    option: Option<&'static str>,
    /// As it was named.
    path: PathBuf,
    /// It and the links that lead to it, none of them behind another link: whoever could replace one of these could replace it.
    spots: Vec<PathBuf>,
}

impl Own {
    fn new(what: &'static str, option: Option<&'static str>, path: PathBuf) -> Own {
        let mut spots = way(&path);
        let end = real(&path);
        spots.retain(|spot| spot.is_symlink());
        spots.extend(end);
        Own { what, option, path, spots }
    }

    /// Whether it, or what leads to it, is this folder or in it.
    fn lies_in(&self, folder: &Path) -> bool {
        self.spots.iter().any(|spot| spot.starts_with(folder))
    }

    /// Whether one is in the other.
    fn meets(&self, folder: &Path) -> bool {
        self.lies_in(folder) || self.spots.iter().any(|spot| folder.starts_with(spot))
    }

    /// Whether a file of this name would stand in its place, or in that of something it holds.
    fn would_be_replaced(&self, name: &Path) -> bool {
        self.lies_in(name) || (self.what == STATE && self.spots.iter().any(|spot| name.starts_with(spot)))
    }

    /// Whether nobody minds who reads it.
    fn is_public(&self) -> bool {
        self.what == PROGRAM
    }
}

/// This program, which many may read and nobody may change.
const PROGRAM: &str = "the server's program";

/// Where the server keeps what it makes of its own accord: every name in it is its own.
const STATE: &str = "the server's own state";

/// The option that names the file with the port.
const PORT_FILE: &str = "--port-file";

/// All that is the server's own.
pub struct Apart {
    data: PathBuf,
    users: PathBuf,
    port_file: Option<PathBuf>,
    own: Vec<Own>,
}

/// Something that lies wrong, in words.
pub struct Misplaced {
    /// What is where.
    pub text: String,
    /// What to do.
    pub next: String,
}

impl From<Misplaced> for Failure {
    fn from(found: Misplaced) -> Failure {
        Failure::from(Error::new(Kind::BadConfig, found.text)).hint(found.next)
    }
}

impl Apart {
    /// What these options name, whether or not it is there.
    pub fn new(places: &Places, args: &ServeArgs) -> Apart {
        let web = places.web_files();
        let mut own = vec![
            Own::new("the key and certificate", Some("--certs"), places.certs.clone()),
            Own::new("the key for browsers", Some("--web-cert"), web.key),
            Own::new("the certificate for browsers", Some("--web-cert"), web.certificate),
            Own::new("the users file", Some("--users"), places.users.clone()),
            Own::new(STATE, Some("--state"), places.state()),
        ];
        // Each may be a link to somewhere else.
        let files = ["key.pem", "cert.pem", "key.next.pem"].map(|name| places.certs.join(name));
        own.extend(files.map(|file| Own::new("the key and certificate", Some("--certs"), file)));
        // Also where there is none: the next start would go by it.
        let file = places.config.clone().unwrap_or_else(|| PathBuf::from(settings::USUAL));
        own.push(Own::new("the settings file", Some("--config"), file));
        own.extend(args.audit_file().map(|file| Own::new("the audit", Some("--audit"), file.to_owned())));
        if let Some(MetricsAt::Socket(socket)) = &args.metrics {
            own.push(Own::new("the socket of the figures", Some("--metrics"), socket.clone()));
        }
        own.extend(args.port_file.iter().map(|file| Own::new("the port file", Some(PORT_FILE), file.clone())));
        let hooks = args.hooks.on_upload.iter();
        own.extend(hooks.map(|program| Own::new("a program of on_upload", Some("--on-upload"), program.clone())));
        own.extend(env::current_exe().ok().map(|program| Own::new(PROGRAM, None, program)));
        Apart { data: places.data.clone(), users: places.users.clone(), port_file: args.port_file.clone(), own }
    }

    /// What a folder that a users file names later must not meet.
    pub fn spots(&self) -> Vec<PathBuf> {
        let own = self.own.iter().filter(|own| !own.is_public());
        own.flat_map(|own| own.spots.iter().cloned()).chain(real(&self.data)).collect()
    }

    /// What must not lie where users' folders are and does.
    pub fn in_data(&self) -> Option<Misplaced> {
        let data = real(&self.data)?;
        let own = self.own.iter().find(|own| own.lies_in(&data))?;
        let text = format!(
            "{} is inside the data folder {}, from which files are served",
            own.path.display(),
            self.data.display()
        );
        let next = match own.option {
            Some(option) => format!("Move it out, and say where it is with {option}."),
            None => "Move one of them.".to_owned(),
        };
        Some(Misplaced { text, next })
    }

    /// A port file that would take the place of something else: it replaces what has its name, and is removed at the end.
    pub fn misplaced_port_file(&self) -> Option<Misplaced> {
        let path = self.port_file.as_ref()?;
        let next = || format!("Name a file that is nothing else, such as {PORT_FILE} port.");
        let replaced = real_name(path)?;
        let others = self.own.iter().filter(|own| own.option != Some(PORT_FILE));
        if let Some(own) = others.into_iter().find(|own| own.would_be_replaced(&replaced)) {
            let text = format!("{PORT_FILE} {}: {} is there ({})", path.display(), own.what, own.path.display());
            return Some(Misplaced { text, next: next() });
        }
        let error = PortFile::prove_replaceable(path).err()?;
        Some(Misplaced { text: format!("{PORT_FILE}: {}", error.text()), next: next() })
    }

    /// Makes sure that what the sandbox leaves to shared folders of later is there, and holds nothing of the server's own.
    ///
    /// # Errors
    /// The first root that does not.
    pub fn refuse_roots(&self, roots: &[PathBuf]) -> Result<(), Failure> {
        for root in roots {
            let there = root.canonicalize().map_err(|err| Error::file(root.display(), err))?;
            if let Some(what) = self.met(&there, true) {
                let text = format!("--roots {}: it and {what} are one in the other", root.display());
                return Err(Failure::from(Error::new(Kind::BadConfig, text))
                    .hint("Name a folder that has nothing of the server in it, such as /srv/shared."));
            }
        }
        Ok(())
    }

    /// A shared folder elsewhere that meets what is the server's own, or the data folder.
    pub fn misplaced_folder(&self, users: &Users) -> Option<Misplaced> {
        users.shares().folders().iter().find_map(|folder| {
            let Location::Elsewhere(path) = folder.location() else { return None };
            let what = self.met(&real(path)?, folder.is_changed())?;
            let line = format!("{}:{}", self.users.display(), folder.line());
            let text = format!(
                "{line}: path of [folders.{}]: {} and {what} are one in the other",
                folder.name(),
                path.display()
            );
            let next = "Share a folder that has nothing of the server in it. One in the data folder has a path that does not begin with a slash.";
            Some(Misplaced { text, next: next.to_owned() })
        })
    }

    /// What this folder meets, in words.
    fn met(&self, folder: &Path, is_changed: bool) -> Option<&'static str> {
        let meets_data = real(&self.data).is_some_and(|data| data.starts_with(folder) || folder.starts_with(&data));
        let own = || self.own.iter().find(|own| own.meets(folder) && (is_changed || !own.is_public()));
        if meets_data { Some("the data folder") } else { own().map(|own| own.what) }
    }
}

/// Everything that the system passes on the way to this path, what links lead to as well, each without a link in front of it.
pub fn way(path: &Path) -> Vec<PathBuf> {
    let parts =
        |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect::<Vec<OsString>>();
    let mut rest = std::path::absolute(path).map_or_else(|_| parts(path), |path| parts(&path));
    let (mut at, mut passed, mut links) = (PathBuf::from("/"), Vec::new(), 0);
    while let Some(part) = rest.pop() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => at = PathBuf::from("/"),
            Some(Component::ParentDir) => drop(at.pop()),
            Some(Component::Normal(name)) => {
                let next = at.join(name);
                passed.push(next.clone());
                match next.read_link() {
                    Ok(target) if links < limits::LINKS_ON_A_WAY => {
                        links += 1;
                        rest.extend(parts(&target));
                    }
                    _ => at = next,
                }
            }
            _ => {}
        }
    }
    passed
}

/// The path without links, as far as it is there: what is missing would be made in what is.
pub fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let (there, real) = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)))?;
    Some(real.join(path.strip_prefix(there).ok()?))
}

/// The name that this path has in its folder, without links on the way there.
fn real_name(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Some(real(folder)?.join(name)),
        _ => real(&path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_way_to_a_file_has_every_link_and_every_folder_on_it() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        for folder in ["shared", "apart/deep"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("apart/file"), "").unwrap();
        symlink("../shared/second", root.join("apart/first")).unwrap();
        symlink(root.join("apart/deep/.."), root.join("shared/second")).unwrap();
        let passed = way(&root.join("apart/first/file"));
        for spot in ["apart", "apart/first", "shared", "shared/second", "apart/deep", "apart/file"] {
            assert!(passed.contains(&root.join(spot)), "{spot}: {passed:?}");
        }
        assert_eq!(passed.last(), Some(&root.join("apart/file")));
        let own = Own::new("it", None, root.join("apart/first/file"));
        assert!(own.lies_in(&root.join("shared")), "a link on the way can be replaced there");
        assert!(!own.lies_in(&root.join("apart/deep")));
        symlink("round", root.join("round")).unwrap();
        assert!(way(&root.join("round/file")).len() > 1, "a circle has an end");
    }
}

//! Where downloads go: what a person means by the local name.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sealift::client::{Destination, Target};
use sealift::files::RelPath;
use sealift::{Error, Kind};

use super::typed::{Through, Typed};
use crate::failure::{Failure, Outcome};

/// Several things cannot have one name.
pub fn one_name(shown: &str) -> Failure {
    Failure::new(Kind::Usage, format!("{shown}: several things cannot have one name"), "Leave -T away.")
}

/// Where downloads go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// Into this folder, under their own names.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// It was written with a slash and is missing.
        make: bool,
    },
    /// Under another name.
    Name {
        /// The folder.
        folder: PathBuf,
        /// It is missing, and made for what comes.
        make: bool,
        /// The name.
        name: RelPath,
    },
    /// Into what has the name typed and is no file: a device, a pipe, an open descriptor.
    Through(Through),
}

impl Local {
    /// What a person means by this local name, given so many things to put there. `exactly`: it is the name that a file or
    /// folder gets, also if a folder has it.
    ///
    /// # Errors
    /// If it cannot receive them.
    pub fn resolve(local: &OsStr, sources: usize, exactly: bool) -> Outcome<Local> {
        let path = Path::new(local);
        let shown = path.display();
        let has_slash = local.as_bytes().ends_with(b"/");
        match fs::metadata(path) {
            _ if exactly && sources > 1 => return Err(one_name(&shown.to_string())),
            Ok(found) if found.is_dir() && !exactly => return Ok(Local::Folder { folder: path.into(), make: false }),
            Ok(found) if (has_slash && !found.is_dir()) || sources > 1 => {
                return Err(Error::new(Kind::NotDirectory, format!("{shown}: not a folder")).at(path).into());
            }
            // `file/`, where `file` is one.
            Err(err) if err.kind() == io::ErrorKind::NotADirectory => {
                return Err(Error::file(shown.to_string(), err).into());
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound && has_slash && !exactly => {
                return Ok(Local::Folder { folder: path.into(), make: true });
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound && sources > 1 => {
                let hint = "End it with a slash to have it made.";
                let text = format!("{shown}: no such folder on this machine");
                return Err(Failure::new(Kind::NotFound, text, hint).at(path));
            }
            _ => {}
        }
        // Only now: a folder may be reached by a link, and is not replaced.
        let followed = match exactly && path.is_dir() {
            true => path.to_owned(),
            false => match Typed::look(path)? {
                Typed::Through(place) => return Ok(Local::Through(place)),
                Typed::File(path) => path,
            },
        };
        let path = followed.as_path();
        let Some(name) = path.file_name() else {
            let hint =
                "Write the name that it gets. What is in a folder comes here by `sealift get -r HOST/folder/. .`.";
            let text = format!("-T takes the last name as that of the file or folder, and {shown} is a folder's place");
            return Err(Failure::new(Kind::Usage, text, hint));
        };
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let (missing, shown) = (folder.display(), shown.to_string());
            let hint = format!("`mkdir -p` makes it. A name that ends with a slash is a folder, and is made: {shown}/");
            let text = format!("{missing}: no such folder on this machine");
            return Err(Failure::new(Kind::NotFound, text, hint).at(folder));
        }
        Ok(Local::Name { folder: folder.into(), make: false, name: RelPath::parse(name.as_bytes())? })
    }

    /// The folder that this local name is, or will be.
    ///
    /// # Errors
    /// If something else has the name.
    pub fn folder(local: &OsStr) -> Outcome<Local> {
        let folder = PathBuf::from(local);
        match fs::metadata(&folder) {
            Ok(found) if found.is_dir() => Ok(Local::Folder { folder, make: false }),
            Ok(_) => {
                Err(Error::new(Kind::NotDirectory, format!("{}: not a folder", folder.display())).at(folder).into())
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Local::Folder { folder, make: true }),
            Err(err) => Err(Error::file(folder.display(), err).into()),
        }
    }

    /// Opens the folder, and makes it if that is asked for.
    ///
    /// # Errors
    /// If it is no folder, or cannot be made.
    pub fn open(&self) -> Outcome<Destination> {
        let (Local::Folder { folder, .. } | Local::Name { folder, .. }) = self else {
            return Err(Error::new(Kind::NotDirectory, "a folder is needed for what is to be fetched").into());
        };
        if self.is_made() {
            fs::create_dir_all(folder).map_err(|err| Error::file(folder.display(), err))?;
        }
        Ok(Destination::open(folder)?)
    }

    /// The nearest folder that is there, and the way from it, for a look at what would be done.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn nearest(&self) -> Outcome<(Destination, RelPath)> {
        let folder = match self {
            Local::Folder { folder, .. } | Local::Name { folder, .. } => folder.as_path(),
            Local::Through(_) => Path::new("."),
        };
        let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new(""));
        let below = folder.strip_prefix(there).unwrap_or(Path::new(""));
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        let below =
            if below.as_os_str().is_empty() { RelPath::root() } else { RelPath::parse(below.as_os_str().as_bytes())? };
        Ok((Destination::open(there)?, below))
    }

    /// Whether the folder is missing, and made for what comes.
    pub fn is_made(&self) -> bool {
        matches!(self, Local::Folder { make: true, .. } | Local::Name { make: true, .. })
    }

    /// Whether things go into a folder under names that nobody typed.
    pub fn is_folder(&self) -> bool {
        matches!(self, Local::Folder { .. })
    }

    /// Where a file goes that is to have this name in the folder.
    pub fn named(self, name: &RelPath) -> Local {
        match self {
            Local::Folder { folder, make } => Local::Name { folder, make, name: name.clone() },
            named => named,
        }
    }

    /// Where what is in a folder goes: into a folder of this name, which is made.
    pub fn below(self, name: &RelPath) -> Local {
        match self {
            Local::Folder { folder, .. } => Local::Folder { folder: folder.join(name.as_path()), make: true },
            named => named,
        }
    }

    /// Where this remote file or folder goes. The user's own folder has no name: what is in it goes straight in.
    ///
    /// # Errors
    /// For a name that no path can have.
    pub fn place(&self, from: &RelPath) -> Outcome<RelPath> {
        match self {
            Local::Name { name, .. } => Ok(name.clone()),
            Local::Folder { .. } | Local::Through(_) => Ok(RelPath::parse(from.file_name().unwrap_or_default())?),
        }
    }

    /// Refuses to replace a device or pipe in a folder by a file that happens to be called alike.
    ///
    /// # Errors
    /// [`Kind::NotRegular`].
    pub fn check_place(&self, to: &RelPath) -> Outcome {
        let Local::Folder { folder, .. } = self else { return Ok(()) };
        let path = folder.join(to.as_path());
        match fs::symlink_metadata(&path).map(|found| found.file_type()) {
            Ok(kind) if !kind.is_file() && !kind.is_dir() && !kind.is_symlink() => {
                let shown = path.display();
                let hint = format!("To write into it, name it: `sealift get … {shown}`.");
                Err(Failure::new(Kind::NotRegular, format!("{shown}: a device or pipe has this name"), hint))
            }
            _ => Ok(()),
        }
    }
}

/// A last name that reads like another remote one was probably meant as that.
pub fn explain_missing(failure: Failure, remotes: &[OsString], local: &OsStr) -> Failure {
    let server = |name: &OsStr| Target::parse(name.as_bytes()).ok().map(|target| (target.host, target.port));
    let named_alike =
        || server(local).is_some_and(|here| remotes.iter().any(|name| server(name).as_ref() == Some(&here)));
    if failure.kind() == Some(Kind::NotFound) && local.as_bytes().contains(&b'/') && named_alike() {
        let hint = "The last name is the local destination; add ` .` to fetch all of them to the current folder. `sealift cp` copies \
                    within one server.";
        return match failure {
            Failure::Error { error, .. } => Failure::Error { error, hint: Some(hint.to_owned()) },
            shown => shown,
        };
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(local: &Path, sources: usize) -> Result<Local, Kind> {
        Local::resolve(local.as_os_str(), sources, false).map_err(|failure| failure.kind().unwrap())
    }

    #[test]
    fn a_local_name_reads_as_cp_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("there")).unwrap();
        fs::write(at("file"), "").unwrap();
        let folder = |name: &str, make| Ok(Local::Folder { folder: at(name), make });
        let name = |name: &str| {
            Ok(Local::Name { folder: dir.path().into(), make: false, name: RelPath::parse(name.as_bytes()).unwrap() })
        };
        assert_eq!(resolve(&at("there"), 2), folder("there", false));
        assert_eq!(Local::resolve(at("there").as_os_str(), 1, true).unwrap(), name("there").unwrap());
        assert_eq!(Local::resolve(at("there").as_os_str(), 2, true).unwrap_err().kind(), Some(Kind::Usage));
        assert_eq!(resolve(&at("new/"), 1), folder("new/", true));
        assert_eq!(resolve(&at("new"), 1), name("new"));
        assert_eq!(resolve(&at("file"), 1), name("file"));
        assert_eq!(resolve(&at("new"), 2), Err(Kind::NotFound));
        assert_eq!(resolve(&at("file"), 2), Err(Kind::NotDirectory));
        assert_eq!(resolve(&at("file/"), 1), Err(Kind::NotDirectory));
        assert_eq!(resolve(&at("missing/new"), 1), Err(Kind::NotFound));
        assert!(!at("new").exists());
    }

    #[test]
    fn a_forgotten_destination_is_explained() {
        let remotes = [OsString::from("me@h:1/a")];
        let local = OsStr::new("h:1/b");
        let failure = explain_missing(Local::resolve(local, 1, false).unwrap_err(), &remotes, local);
        assert!(matches!(failure, Failure::Error { hint: Some(hint), .. } if hint.contains("add ` .`")));
        // A path of this machine is no other thing on a server that has a name.
        let (remotes, local) = ([OsString::from("work:/a")], OsStr::new("/nowhere/there/b"));
        let failure = explain_missing(Local::resolve(local, 1, false).unwrap_err(), &remotes, local);
        assert!(matches!(failure, Failure::Error { hint: Some(hint), .. } if hint.contains("`mkdir -p`")));
    }
}

//! What the local destination that a person typed leads to. Only such a name is followed into links and devices; names
//! that come from a server never are.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, fcntl_setfl, statfs};
use rustix::io::Errno;
use sealift::escape::for_people;
use sealift::{Error, Kind, Result};

use crate::output::Output;
use sealift::limits;

/// What a typed name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A regular file, or nothing yet, under this name: links are followed.
    File(PathBuf),
    /// Something that bytes are written into.
    Through(Through),
}

/// What bytes are written into as they come, because there is no file to put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A device, a pipe, or what another descriptor of this program stands for.
    Special(PathBuf),
}

impl Typed {
    /// Looks. The name must not lead to a folder.
    ///
    /// # Errors
    /// [`Kind::NotRegular`] for a socket; otherwise as for any file.
    pub fn look(typed: &Path) -> Result<Typed> {
        let mut path = typed.to_owned();
        for _ in 0..limits::TYPED_LINKS_MAX {
            let failed = |err| Error::file(path.display(), err);
            let kind = match fs::symlink_metadata(&path) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Typed::File(path)),
                found => found.map_err(failed)?.file_type(),
            };
            if kind.is_socket() {
                let text = format!("{}: a socket, which can be connected to but not written into", typed.display());
                return Err(Error::new(Kind::NotRegular, text).at(typed));
            }
            if kind.is_file() {
                return Ok(Typed::File(path));
            }
            if !kind.is_symlink() {
                return Ok(Typed::Through(Through::Special(path)));
            }
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            // A link of /proc stands for an open file itself, whatever name it shows: `/dev/stdout`, `/dev/fd/3`.
            if statfs(parent).is_ok_and(|disk| disk.f_type == PROC_SUPER_MAGIC) {
                return Ok(Typed::Through(descriptor(parent, &path)));
            }
            path = parent.join(fs::read_link(&path).map_err(failed)?);
        }
        Err(Error::file(typed.display(), Errno::LOOP.into()))
    }
}

fn descriptor(folder: &Path, link: &Path) -> Through {
    let is_ours = fs::canonicalize(folder).is_ok_and(|at| at == Path::new(&format!("/proc/{}/fd", std::process::id())));
    match link.file_name().and_then(|name| name.to_str()) {
        Some("1") if is_ours => Through::Stdout,
        Some("2") if is_ours => Through::Stderr,
        _ => Through::Special(link.to_owned()),
    }
}

impl Through {
    /// Opens it for writing. For a pipe that nobody reads yet it waits until somebody does, and says so.
    ///
    /// # Errors
    /// As for any file.
    pub fn open(&self, out: Output) -> Result<File> {
        match self {
            Through::Stdout => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            Through::Stderr => io::stderr().as_fd().try_clone_to_owned().map(File::from),
            Through::Special(path) => open(path, out),
        }
        .map_err(|err| Error::file(self.shown(), err))
    }

    /// Its name, for a person.
    pub fn shown(&self) -> String {
        match self {
            Through::Stdout => "standard output".to_owned(),
            Through::Stderr => "standard error".to_owned(),
            Through::Special(path) => path.display().to_string(),
        }
    }
}

fn open(path: &Path, out: Output) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() {
        // What a descriptor stands for, perhaps in the middle of other output: nothing that is there is overwritten.
        return File::options().append(true).custom_flags(OFlags::NOCTTY.bits().cast_signed()).open(path);
    }
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::empty()) {
        Err(Errno::NXIO) if kind.is_fifo() => {
            out.note(&format!("Waiting for somebody to read {}.", for_people(path.as_os_str().as_encoded_bytes())));
            rustix::fs::open(path, flags, Mode::empty())?
        }
        opened => {
            let file = opened?;
            fcntl_setfl(&file, OFlags::empty())?;
            file
        }
    };
    let file = File::from(file);
    // Whatever has taken the name meanwhile.
    match file.metadata()?.file_type() {
        now if now.is_file() => Err(io::ErrorKind::ResourceBusy.into()),
        _ => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("link", at("link2")).unwrap();
        symlink("nothing yet", at("dangling")).unwrap();
        symlink("round", at("round")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        assert_eq!(Typed::look(&at("file")).unwrap(), Typed::File(at("file")));
        assert_eq!(Typed::look(&at("link2")).unwrap(), Typed::File(at("file")));
        assert_eq!(Typed::look(&at("new")).unwrap(), Typed::File(at("new")));
        assert_eq!(Typed::look(&at("dangling")).unwrap(), Typed::File(at("nothing yet")));
        assert_eq!(Typed::look(&at("round")).unwrap_err().kind(), Kind::NotRegular);
        assert_eq!(Typed::look(&at("null")).unwrap(), Typed::Through(Through::Special("/dev/null".into())));
        let _listening = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(Typed::look(&at("socket")).unwrap_err().kind(), Kind::NotRegular);
    }

    #[test]
    fn an_open_descriptor_is_itself_and_not_the_file_that_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("file")).unwrap();
        for place in ["/dev/fd", "/proc/self/fd"] {
            assert_eq!(Typed::look(&Path::new(place).join("1")).unwrap(), Typed::Through(Through::Stdout));
            assert_eq!(Typed::look(&Path::new(place).join("2")).unwrap(), Typed::Through(Through::Stderr));
            let number = std::os::fd::AsRawFd::as_raw_fd(&file).to_string();
            let path = Path::new(place).join(number);
            assert_eq!(Typed::look(&path).unwrap(), Typed::Through(Through::Special(path)));
        }
    }
}

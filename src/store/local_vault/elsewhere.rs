//! Opening a shared folder that is not below the data directory.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, openat};

use super::{refuse_meeting, refuse_taken};
use crate::apart::Own;
use crate::error::{Error, Kind, Result};
use crate::store::Elsewhere;

/// The directory that has this path, if it may be used beside this data directory and what else is the server's own.
///
/// # Errors
/// Why not, for the log: where it is on the machine is in it.
pub(super) fn open(data: &Path, apart: Option<&Vec<Own>>, path: &Path) -> Result<Dir> {
    let opened = Dir::open_ambient_dir(path, ambient_authority()).and_then(|dir| {
        // It is open for its path alone by then, which no sandbox refuses.
        openat(&dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(dir)
    });
    let there = opened.map_err(|err| {
        let error = Error::file(path.display(), err);
        // The sandbox knows the disks that were mounted when the server started.
        let hint = "; if a disk was mounted there since the server started, that takes a restart";
        let hint = if error.kind() == Kind::Denied { hint } else { "" };
        Error::new(error.kind(), format!("{}{hint}", error.text()))
    })?;
    refuse_meeting(data, path)?;
    refuse_own(apart, &there, path)?;
    refuse_taken(&there, &path.display().to_string())?;
    Ok(there)
}

/// How what has this path later is found. Several servers decide what is in a folder by a lock that is of one directory: sessions of
/// theirs have no other one.
pub(super) fn place(data: &Path, apart: &Arc<OnceLock<Vec<Own>>>, path: &Path, is_shared: bool) -> Elsewhere {
    let (data, apart, opened) = (data.to_owned(), Arc::clone(apart), path.to_owned());
    Elsewhere::new(path.to_owned(), move || match is_shared {
        true => {
            let text = format!("{}: another folder has this path now, which new sessions have", opened.display());
            Err(Error::new(Kind::Unavailable, text))
        }
        false => open(&data, apart.get(), &opened),
    })
}

/// Fails if an open folder meets what it is to be apart from. The system says where it is: whatever its name leads to by now.
fn refuse_own(apart: Option<&Vec<Own>>, there: &Dir, path: &Path) -> Result<()> {
    let Some(apart) = apart else { return Ok(()) };
    let is = fs::read_link(format!("/proc/self/fd/{}", there.as_raw_fd())).or_else(|_| path.canonicalize());
    let is = is.map_err(|err| Error::file(path.display(), err))?;
    match apart.iter().find(|own| own.meets(&is, false)) {
        Some(own) => {
            let text = format!(
                "{} leads to {} now: that and {} are one in the other",
                path.display(),
                is.display(),
                own.what()
            );
            Err(Error::new(Kind::Denied, text))
        }
        None => Ok(()),
    }
}

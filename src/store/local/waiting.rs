//! Where a store has files wait until they are whole, and what modes they get by that.

use rustix::fs::Mode;

use super::names;
use crate::files::{SourceMode, Umask};
use crate::limits;

/// Where uploads wait until they are whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Staging {
    /// In [`limits::RESERVED_NAME`] in the root, mode 0700, made at the first upload: for a server's home.
    #[default]
    Hidden,
    /// Beside the target as `.NAME.sealift-part`: for a client's destination, where no folder of ours should stay.
    Beside,
}

impl Staging {
    /// The mode of a new file, less the umask. What a server stores is for its account and group, whatever the umask;
    /// where a person puts something is that person's matter. If the file has a mode where it comes from, it is open to
    /// no more than there, and can be run here by those who can there. What is to be kept beyond that it gets last. Where a
    /// umask is given it decides, in place of both ours and that of the process.
    pub(super) fn file_mode(self, at_source: Option<SourceMode>, umask: Option<Umask>) -> Mode {
        if let Some(umask) = umask {
            return Mode::from_raw_mode(umask.file(at_source.map(|source| source.mode)).bits());
        }
        let most = match self {
            Staging::Hidden => limits::SERVED_FILE_MODE,
            Staging::Beside => 0o666,
        };
        let Some(at_source) = at_source else { return Mode::from_raw_mode(most) };
        let run = (most & 0o444) >> 2;
        Mode::from_raw_mode(at_source.mode.bits() & (most | run)) | Mode::RUSR | Mode::WUSR
    }

    /// The mode of a new folder, as [`Staging::file_mode`].
    pub(super) fn folder_modes(self, umask: Option<Umask>) -> names::FolderModes {
        match (self, umask) {
            (_, Some(umask)) => names::FolderModes::Exactly(Mode::from_raw_mode(umask.folder().bits())),
            (Staging::Hidden, None) => names::FolderModes::LessUmask(Mode::from_raw_mode(limits::SERVED_FOLDER_MODE)),
            (Staging::Beside, None) => names::FolderModes::LessUmask(Mode::from_raw_mode(0o777)),
        }
    }
}

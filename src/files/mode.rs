//! Who may read, write and run a file.

use std::fmt;
use std::str::FromStr;

/// The nine bits of a file's mode; written as three octal digits. More than them, a set-user-id bit, cannot be expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(u16);

impl Default for FileMode {
    fn default() -> Self {
        FileMode::ALL
    }
}

impl FileMode {
    /// All nine bits: everybody may do everything.
    pub const ALL: FileMode = FileMode(0o777);

    /// Those bits of what the operating system calls a mode.
    pub const fn of(st_mode: u32) -> Self {
        FileMode((st_mode & 0o777) as u16)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// Whether its owner may run the file: it is a program.
    pub const fn is_program(self) -> bool {
        self.0 & 0o100 != 0
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

impl FromStr for FileMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_octal = text.len() == 3 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        is_octal.then(|| u16::from_str_radix(text, 8).ok()).flatten().map(FileMode).ok_or(())
    }
}

/// What new files and folders are not open to: three octal digits, the first of them a 0, since whoever keeps something may
/// always read and write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Umask(u16);

impl Umask {
    /// These bits, without those of whoever keeps what is made.
    pub const fn of(bits: u32) -> Umask {
        Umask((bits & 0o077) as u16)
    }

    /// The bits of what is made there.
    pub const fn folder(self) -> FileMode {
        FileMode(0o777 & !self.0)
    }

    /// The mode of a new file that comes from one of this mode, if it comes from a file: no wider than that, and a program where
    /// it is one.
    pub const fn file(self, at_source: Option<FileMode>) -> FileMode {
        match at_source {
            None => FileMode(0o666 & !self.0),
            Some(FileMode(bits)) => FileMode((bits | 0o600) & !self.0),
        }
    }

    /// This umask where files have at most these bits. It is for files then, and for folders no more.
    #[must_use]
    pub const fn of_files_within(self, most: FileMode) -> Umask {
        Umask(self.0 | (0o077 & !most.0))
    }

    /// Whether everybody with an account on the machine may change what is made.
    pub const fn lets_others_write(self) -> bool {
        self.0 & 0o002 == 0
    }
}

impl fmt::Display for Umask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

impl FromStr for Umask {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // People write four digits too.
        let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
        digits.parse::<FileMode>().ok().filter(|mode| mode.0 & 0o700 == 0).map(|mode| Umask(mode.0)).ok_or(())
    }
}

/// The mode that a file has where it comes from, and how much of it the file here is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceMode {
    /// The mode there.
    pub mode: FileMode,
    /// All of it. Else a new file is open to no more than both that and the receiver's own rules allow, and one that was
    /// here before becomes a program or none, as it is there.
    pub perms: bool,
}

impl SourceMode {
    /// This mode where at most these bits of it may be taken over.
    #[must_use]
    pub const fn within(self, most: FileMode) -> Self {
        if self.perms { SourceMode { mode: FileMode(self.mode.0 & most.0), perms: true } } else { self }
    }

    /// The mode of a folder that has this one where it comes from, if files may have at most these bits: who may read there may go in,
    /// and whoever keeps it may always do everything.
    #[must_use]
    pub const fn of_folder(self, most: FileMode) -> FileMode {
        FileMode(self.mode.0 & (most.0 | (most.0 & 0o444) >> 2) | 0o700)
    }

    /// The mode of a file here that had this one before. Whoever keeps it may always read it.
    #[must_use]
    pub const fn over(self, before: FileMode) -> FileMode {
        let there = self.mode;
        match (self.perms, there.is_program(), before.is_program()) {
            (true, _, _) => FileMode(there.0 | 0o400),
            // Whoever may read it here and run it there.
            (false, true, false) => FileMode(before.0 | 0o100 | (before.0 & 0o444) >> 2 & there.0),
            (false, false, true) => FileMode(before.0 & !0o111),
            (false, _, _) => before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_octal_digits_are_a_mode_and_nothing_else_is() {
        for bits in 0..0o1000 {
            assert_eq!(FileMode::of(bits).to_string().parse(), Ok(FileMode::of(bits)));
        }
        assert_eq!(FileMode::of(0o104_755).to_string(), "755");
        for wrong in ["", "7", "0755", "4755", "8", "78a", "+75", "rwx"] {
            assert_eq!(wrong.parse::<FileMode>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn a_umask_takes_bits_from_what_is_new_and_never_from_whoever_keeps_it() {
        let umask = |text: &str| text.parse::<Umask>();
        let of = FileMode::of;
        for (text, folder, file, program, secret) in [
            ("027", 0o750, 0o640, 0o750, 0o600),
            ("0022", 0o755, 0o644, 0o755, 0o600),
            ("000", 0o777, 0o666, 0o755, 0o600),
            ("077", 0o700, 0o600, 0o700, 0o600),
        ] {
            let umask = umask(text).unwrap();
            let found = (umask.folder(), umask.file(None), umask.file(Some(of(0o755))), umask.file(Some(of(0o400))));
            assert_eq!(found, (of(folder), of(file), of(program), of(secret)), "{text}");
        }
        assert_eq!(umask("002").unwrap().of_files_within(of(0o740)).file(None), of(0o640));
        assert_eq!(umask("0002").unwrap().to_string(), "002");
        for wrong in ["", "22", "222", "0222", "1022", "00022", "028", "rwx"] {
            assert_eq!(umask(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn what_is_taken_over_is_the_program_or_all_that_may_be() {
        let over = |source, perms, before| SourceMode { mode: FileMode::of(source), perms }.over(FileMode::of(before));
        for (source, before, after) in [
            (0o755, 0o640, 0o750),
            (0o644, 0o750, 0o640),
            (0o700, 0o640, 0o740),
            (0o755, 0o744, 0o744),
            (0o666, 0o600, 0o600),
        ] {
            assert_eq!(over(source, false, before), FileMode::of(after), "{source:o} over {before:o}");
        }
        assert_eq!(over(0o666, true, 0o600), FileMode::of(0o666));
        assert_eq!(over(0o000, true, 0o600), FileMode::of(0o400));
        let folder = |mode, most| SourceMode { mode: FileMode::of(mode), perms: true }.of_folder(FileMode::of(most));
        assert_eq!((folder(0o775, 0o777), folder(0o055, 0o640)), (FileMode::of(0o775), FileMode::of(0o750)));
        let within = |perms| SourceMode { mode: FileMode::of(0o776), perms }.within(FileMode::of(0o750)).mode;
        assert_eq!((within(true), within(false)), (FileMode::of(0o750), FileMode::of(0o776)));
    }
}

//! Who may read, write and run a file.

use std::fmt;
use std::str::FromStr;

/// The nine bits of a file's mode; written as three octal digits. More than them, a set-user-id bit, cannot be expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(u16);

impl FileMode {
    /// Those bits of what the operating system calls a mode.
    pub const fn of(st_mode: u32) -> Self {
        FileMode((st_mode & 0o777) as u16)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0 as u32
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
}

//! A password in memory: cannot be printed or compared, and is wiped when it goes.

use std::fmt;

use zeroize::Zeroizing;

/// A password. Its bytes are wiped when it is dropped, and no trait prints or compares them.
///
/// The bytes are whatever the user typed; [`crate::limits::PASSWORD_MAX`] is checked where they are used.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the password over. Hand in the owned buffer, so that no other copy stays behind.
    pub fn new(password: impl Into<Vec<u8>>) -> Secret {
        Secret(Zeroizing::new(password.into()))
    }

    /// The password's bytes, for hashing or for sending.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Vec<u8>>> From<T> for Secret {
    /// As [`Secret::new`].
    fn from(password: T) -> Secret {
        Secret::new(password)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_cannot_print() {
        let secret = Secret::new("canary-7f3a".to_owned());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:#?}", Some(&secret)), "Some(\n    [redacted],\n)");
        assert_eq!(secret.expose(), b"canary-7f3a");
    }

    #[test]
    fn secrets_are_wiped_on_drop() {
        fn wiped_on_drop<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        wiped_on_drop(&Secret::new(vec![1]).0);
    }
}

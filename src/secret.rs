//! A password that cannot be printed and is wiped when dropped.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};

/// Secret bytes: no `Display`, a `Debug` that says nothing, memory wiped on drop.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Secret(bytes.into().into())
    }

    /// The bytes, for hashing or sending and nothing else.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let shown = format!("{:?}", Some(Secret::new("canary")));
        assert_eq!(shown, "Some([secret])");
    }
}

//! The keys that a storage knows us by: from the environment, or from a file that nobody else can read. Never from the command line,
//! which every account of the machine can read.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::secret::Secret;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
}

/// The names of them, in the environment and in a file.
const NAMES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

impl Keys {
    /// These, with the token of keys that are lent for some time.
    pub fn new(id: &str, secret: &str, token: Option<&str>) -> Keys {
        Keys {
            id: id.to_owned(),
            secret: Secret::new(secret.to_owned()),
            token: token.map(|token| Secret::new(token.to_owned())),
        }
    }

    /// Those of the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and perhaps `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if they are not there.
    pub fn from_environment() -> Result<Keys> {
        let values = NAMES.map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        Keys::of(values, "the environment")
    }

    /// Those of a file with lines `AWS_ACCESS_KEY_ID=…`, as a unit's `EnvironmentFile` has them.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if others can read it, or they are not there.
    pub fn from_file(path: &Path) -> Result<Keys> {
        let at = path.display().to_string();
        let mut file = File::open(path).map_err(|err| Error::file(&at, err))?;
        let meta = file.metadata().map_err(|err| Error::file(&at, err))?;
        if !meta.is_file() || meta.mode() & 0o077 != 0 {
            return Err(Error::new(Kind::BadConfig, format!("{at}: others can read these keys; chmod 600 mends that")));
        }
        let mut text = Zeroizing::new(String::new());
        file.by_ref().take(limits::ENGINE_KEYS_FILE).read_to_string(&mut text).map_err(|err| Error::file(&at, err))?;
        let value = |name: &str| {
            let mut lines =
                text.lines().filter_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='));
            lines.next_back().map(|value| value.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
        };
        Keys::of(NAMES.map(value), &at)
    }

    fn of([id, secret, token]: [Option<String>; 3], place: &str) -> Result<Keys> {
        let (Some(id), Some(secret)) = (id, secret) else {
            let text = format!("{place}: the storage's keys are missing ({} and {})", NAMES[0], NAMES[1]);
            return Err(Error::new(Kind::BadConfig, text));
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain(&id) || !is_plain(&secret) || !token.as_deref().is_none_or(is_plain) {
            return Err(Error::new(
                Kind::BadConfig,
                format!("{place}: the storage's keys have odd characters in them"),
            ));
        }
        Ok(Keys { id, secret: Secret::new(secret), token: token.map(Secret::new) })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_of_keys_is_for_its_owner_alone_and_has_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Keys::from_file(&path)
        };
        let text = "# of the bucket\nAWS_ACCESS_KEY_ID=AKIA\nAWS_SECRET_ACCESS_KEY = \"canary-5b1e\"\n";
        let keys = write(text, 0o600).unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.expose(), keys.token.is_none()), ("AKIA", &b"canary-5b1e"[..], true));
        assert!(!format!("{keys:?}").contains("canary"));
        for mode in [0o640, 0o604, 0o644] {
            assert_eq!(write(text, mode).unwrap_err().kind(), Kind::BadConfig);
        }
        let missing = write("AWS_ACCESS_KEY_ID=AKIA\n", 0o600).unwrap_err();
        assert!(missing.text().contains("AWS_SECRET_ACCESS_KEY"), "{missing}");
    }
}

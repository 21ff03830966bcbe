//! The arguments of a command line, taken one by one; whatever is left over is an error.

use std::net::IpAddr;

use super::command::{HashOf, InboxArgs, LinkArgs, LinkEnd, StageArgs, UploadArgs, Verb};
use super::percent::decode;
use crate::error::{Error, Kind, Result};
use crate::files::Resume;
use crate::files::{Condition, Hash, Mtime, RelPath, SourceMode, StagedId, TrashId};
use crate::keys::{Evidence, Proof};
use crate::limits;
use crate::secret::Secret;

/// The arguments of one line: positions first come first served, options by name, and every one must be used.
pub(super) struct Args<'a> {
    verb: Verb,
    positions: std::vec::IntoIter<&'a [u8]>,
    options: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Args<'a> {
    pub(super) fn new(verb: Verb, rest: &'a [u8]) -> Result<Self> {
        let mut positions = Vec::new();
        let mut options: Vec<(&[u8], &[u8])> = Vec::new();
        let bad = |why: &str| Err(Error::new(Kind::BadCommand, format!("{}: {why}", verb.name())));
        for word in rest.split(|b| *b == b' ').filter(|word| !word.is_empty()) {
            if word.iter().any(u8::is_ascii_control) {
                return bad("a control character must be percent-encoded");
            }
            match word.iter().position(|b| *b == b'=') {
                None => positions.push(word),
                Some(at) => {
                    let (key, value) = (word.get(..at).unwrap_or_default(), word.get(at + 1..).unwrap_or_default());
                    if options.iter().any(|(seen, _)| *seen == key) {
                        return bad("an option is given twice");
                    }
                    options.push((key, value));
                }
            }
        }
        Ok(Args { verb, positions: positions.into_iter(), options })
    }

    fn bad(&self, why: &str) -> Error {
        Error::new(Kind::BadCommand, format!("{why}; it is written: {}", self.verb.row().usage))
    }

    fn optional(&mut self) -> Result<Option<Vec<u8>>> {
        self.positions.next().map(|word| Ok(decode(word)?.into_owned())).transpose()
    }

    fn required(&mut self) -> Result<Vec<u8>> {
        self.optional()?.ok_or_else(|| self.bad("an argument is missing"))
    }

    /// A verb, if one is named.
    pub(super) fn verb(&mut self) -> Result<Option<Verb>> {
        let Some(name) = self.optional()? else { return Ok(None) };
        Verb::from_name(&name).map(Some).ok_or_else(|| self.bad("there is no such command"))
    }

    pub(super) fn user_name(&mut self) -> Result<String> {
        let name = String::from_utf8(self.required()?).map_err(|_| self.bad("the name is not UTF-8"))?;
        if name.is_empty() || name.len() > limits::USER_MAX || name.chars().any(char::is_control) {
            return Err(self.bad("a name has 1 to 64 bytes and no control characters"));
        }
        Ok(name)
    }

    /// An IP address; the network that an IPv6 address is held back with stands for it, as it is shown.
    pub(super) fn address(&mut self) -> Result<IpAddr> {
        let text = self.required()?;
        let text = std::str::from_utf8(&text).unwrap_or_default();
        let address = match text.strip_suffix("/64") {
            Some(network) => network.parse().ok().filter(IpAddr::is_ipv6),
            None => text.parse().ok(),
        };
        address.ok_or_else(|| self.bad("it takes an IP address, as PENALTIES shows them"))
    }

    pub(super) fn password(&mut self) -> Result<Secret> {
        // An empty password is an argument that is not there: `PASS` alone, as FTP clients send for anonymous.
        let bytes = self.optional()?.unwrap_or_default();
        let len = bytes.len();
        let secret = Secret::new(bytes);
        if len > limits::PASSWORD_MAX {
            return Err(self.bad("the password is longer than 1024 bytes"));
        }
        Ok(secret)
    }

    /// A password that is to be one from now on.
    pub(super) fn new_password(&mut self) -> Result<Secret> {
        let secret = self.password()?;
        self.long_enough(secret)
    }

    /// A password that is to be one from now on, as an option that may be left away.
    pub(super) fn new_password_option(&mut self, key: &str) -> Result<Option<Secret>> {
        let secret = self.bytes_of(key)?.map(|bytes| self.password_of(key, bytes)).transpose()?;
        secret.map(|secret| self.long_enough(secret)).transpose()
    }

    fn long_enough(&self, secret: Secret) -> Result<Secret> {
        match String::from_utf8_lossy(secret.expose()).chars().count() {
            0 => Err(self.bad("the new password is missing")),
            1..limits::PASSWORD_MIN => Err(self.bad("a new password has at least 4 characters")),
            _ => Ok(secret),
        }
    }

    /// A password that may not be left away.
    pub(super) fn password_option(&mut self, key: &str) -> Result<Secret> {
        let bytes = self.bytes_of(key)?.ok_or_else(|| self.bad(&format!("{key}= is missing")))?;
        self.password_of(key, bytes)
    }

    fn password_of(&self, key: &str, bytes: Vec<u8>) -> Result<Secret> {
        let len = bytes.len();
        let secret = Secret::new(bytes);
        match len {
            0 => Err(self.bad(&format!("{key}= is empty"))),
            1..=limits::PASSWORD_MAX => Ok(secret),
            _ => Err(self.bad("a password is longer than 1024 bytes")),
        }
    }

    /// Something in the trash, if one is named.
    pub(super) fn trashed(&mut self) -> Result<Option<TrashId>> {
        let Some(id) = self.bytes_of("id")? else { return Ok(None) };
        let id = std::str::from_utf8(&id).ok().and_then(|id| id.parse().ok());
        id.map(Some).ok_or_else(|| self.bad("id= is two times 16 hexadecimal digits with a hyphen between them"))
    }

    /// Something in the trash, which must be named.
    pub(super) fn needed_trashed(&mut self) -> Result<TrashId> {
        self.trashed()?.ok_or_else(|| self.bad("id= is missing"))
    }

    /// A path that is an option.
    pub(super) fn path_option(&mut self, key: &str) -> Result<Option<RelPath>> {
        match self.bytes_of(key)?.map(|path| RelPath::parse(&path)).transpose()? {
            Some(path) if path.is_root() => Err(self.bad(&format!("{key}= is empty"))),
            path => Ok(path),
        }
    }

    pub(super) fn invitation(&mut self) -> Result<Secret> {
        let secret = Secret::new(self.required()?);
        if secret.expose().len() != limits::INVITATION_SECRET {
            return Err(self.bad("that is no invitation"));
        }
        Ok(secret)
    }

    pub(super) fn token(&mut self) -> Result<Secret> {
        let secret = Secret::new(self.required()?);
        if secret.expose().len() > limits::TOKEN_DIGITS {
            return Err(self.bad("that is no token"));
        }
        Ok(secret)
    }

    pub(super) fn proofs(&mut self) -> Result<Vec<Proof>> {
        let text = self.required()?;
        self.proofs_in(&text)
    }

    /// One signature, of a key that is to log in from now on.
    pub(super) fn new_key(&mut self) -> Result<Box<Proof>> {
        match <[Proof; 1]>::try_from(self.proofs()?) {
            Ok([proof]) => Ok(Box::new(proof)),
            Err(_) => Err(self.bad("one signature is needed, of the key itself")),
        }
    }

    /// Who says so: one of both, and not both.
    pub(super) fn evidence(&mut self) -> Result<Evidence> {
        let proofs = self.bytes_of("proof")?;
        let is_by_password = self.options.iter().any(|(key, _)| *key == b"present");
        match proofs {
            Some(_) if is_by_password => Err(self.bad("present= and proof= are not given together")),
            Some(proofs) => Ok(Evidence::Keys(self.proofs_in(&proofs)?)),
            None => Ok(Evidence::Password(self.password_option("present")?)),
        }
    }

    pub(super) fn key_name(&mut self) -> Result<String> {
        let name = String::from_utf8(self.required()?).map_err(|_| self.bad("the name is not UTF-8"))?;
        if name.is_empty() || name.len() > limits::KEY_NAME_MAX || name.chars().any(char::is_control) {
            return Err(self.bad("a key's name has 1 to 128 bytes and no control characters"));
        }
        Ok(name)
    }

    /// A password that may be left away.
    pub(super) fn optional_password(&mut self, key: &str) -> Result<Option<Secret>> {
        let is_there = self.options.iter().any(|(seen, _)| *seen == key.as_bytes());
        is_there.then(|| self.password_option(key)).transpose()
    }

    pub(super) fn link(&mut self) -> Result<Box<LinkArgs>> {
        let path = self.path_or_root()?;
        let is_inbox = self.flag("drop")?;
        let bounds = InboxArgs { bytes: self.number("size")?, files: self.number("files")? };
        if !is_inbox && bounds != InboxArgs::default() {
            return Err(self.bad("size= and files= go with drop=yes"));
        }
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let expires = self.parsed("expires", "takes seconds since 1970, or never", |text| match text {
            "never" => Some(LinkEnd::Never),
            text => digits(text).map(LinkEnd::At),
        })?;
        Ok(Box::new(LinkArgs {
            path,
            inbox: is_inbox.then_some(bounds),
            name: self.value("name")?,
            expires,
            password: self.new_password_option("password")?,
            downloads: self.number("downloads")?,
        }))
    }

    pub(super) fn link_name(&mut self) -> Result<String> {
        let name = String::from_utf8(self.required()?).map_err(|_| self.bad("the name is not UTF-8"))?;
        if name.is_empty() || name.len() > limits::LINK_NAME_MAX || name.chars().any(char::is_control) {
            return Err(self.bad("a link's name has 1 to 128 bytes and no control characters"));
        }
        Ok(name)
    }

    pub(super) fn link_secret(&mut self) -> Result<Secret> {
        let secret = Secret::new(self.required()?);
        if secret.expose().len() != limits::LINK_SECRET {
            return Err(self.bad("that is no link"));
        }
        Ok(secret)
    }

    /// What tells the uploads of one who has a link from those of others.
    pub(super) fn uploads(&mut self) -> Result<Option<Secret>> {
        let Some(secret) = self.bytes_of("uploads")?.map(Secret::new) else { return Ok(None) };
        match secret.expose().len() == limits::LINK_SECRET {
            true => Ok(Some(secret)),
            false => Err(self.bad(&format!("uploads= takes {} random characters", limits::LINK_SECRET))),
        }
    }

    pub(super) fn fingerprint(&mut self) -> Result<String> {
        let text = String::from_utf8(self.required()?).ok();
        // As `ssh-keygen -l` shows it: 32 bytes in base64.
        let fits = text.filter(|text| text.len() == limits::FINGERPRINT && text.starts_with("SHA256:"));
        fits.ok_or_else(|| self.bad("a fingerprint is written SHA256:…, as KEYS shows it"))
    }

    fn proofs_in(&self, text: &[u8]) -> Result<Vec<Proof>> {
        let text = std::str::from_utf8(text).map_err(|_| self.bad("a signature is written in base64"))?;
        if text.split(',').count() > limits::KEY_PROOFS_MAX {
            return Err(self.bad("these are more signatures than may come at once"));
        }
        text.split(',').map(Proof::from_text).collect()
    }

    pub(super) fn staged(&mut self) -> Result<StagedId> {
        let id = self.required()?;
        let id = std::str::from_utf8(&id).ok().and_then(|id| id.parse().ok());
        id.ok_or_else(|| self.bad("a staged file is named by 16 hexadecimal digits"))
    }

    pub(super) fn path(&mut self) -> Result<RelPath> {
        let path = RelPath::parse(&self.required()?)?;
        if path.is_root() {
            return Err(Error::new(Kind::BadPath, "the path is empty"));
        }
        Ok(path)
    }

    pub(super) fn path_or_root(&mut self) -> Result<RelPath> {
        RelPath::parse(&self.optional()?.unwrap_or_default())
    }

    fn bytes_of(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(at) = self.options.iter().position(|(seen, _)| *seen == key.as_bytes()) else { return Ok(None) };
        let (_, value) = self.options.swap_remove(at);
        Ok(Some(decode(value)?.into_owned()))
    }

    fn value(&mut self, key: &str) -> Result<Option<String>> {
        let value = self.bytes_of(key)?.map(String::from_utf8).transpose();
        value.map_err(|_| self.bad(&format!("{key}= is not text")))
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool> {
        match self.value(key)?.as_deref() {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(_) => Err(self.bad(&format!("{key}= takes yes or no"))),
        }
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<u64>> {
        // Digits only: Rust's parser would take a leading plus.
        self.parsed(key, "takes a whole number of bytes", |text| {
            text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
        })
    }

    /// A number that may not be left away.
    pub(super) fn needed(&mut self, key: &str) -> Result<u64> {
        self.number(key)?.ok_or_else(|| self.bad(&format!("{key}= is missing")))
    }

    /// A number that is nothing if it is left away.
    pub(super) fn number_or_zero(&mut self, key: &str) -> Result<u64> {
        Ok(self.number(key)?.unwrap_or(0))
    }

    pub(super) fn count(&mut self) -> Result<u32> {
        let count = self.parsed("count", "takes a number from 1 to 15", |text| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|count| digits && (1..limits::STREAMS_MAX).contains(count))
        })?;
        Ok(count.unwrap_or(1))
    }

    pub(super) fn hash(&mut self) -> Result<Hash> {
        let hash = self.parsed("hash", "takes a BLAKE3 in hexadecimal", |text| text.parse().ok())?;
        hash.ok_or_else(|| self.bad("hash= is missing"))
    }

    pub(super) fn mtime(&mut self) -> Result<Option<Mtime>> {
        self.parsed("mtime", "takes seconds since 1970, with a fraction if any", |text| text.parse().ok())
    }

    pub(super) fn mode(&mut self) -> Result<Option<SourceMode>> {
        let mode = self.parsed("mode", "takes three octal digits", |text| text.parse().ok())?;
        match (mode, self.flag("perms")?) {
            (None, true) => Err(self.bad("perms= needs mode=")),
            (mode, perms) => Ok(mode.map(|mode| SourceMode { mode, perms })),
        }
    }

    /// A mode that may not be left away.
    pub(super) fn needed_mode(&mut self) -> Result<SourceMode> {
        self.mode()?.ok_or_else(|| self.bad("mode= is missing"))
    }

    pub(super) fn condition(&mut self) -> Result<Condition> {
        let parsed = self.parsed("if", "takes absent or hash:HEX", |text| match text {
            "absent" => Some(Condition::Absent),
            _ => text.strip_prefix("hash:")?.parse().ok().map(Condition::Hash),
        });
        Ok(parsed?.unwrap_or_default())
    }

    pub(super) fn resume(&mut self) -> Result<Option<Resume>> {
        let offset = self.number("offset")?;
        let prefix = self.parsed("prefix", "takes a BLAKE3 in hexadecimal", |text| text.parse().ok())?;
        match (offset, prefix) {
            (None, None) => Ok(None),
            (Some(offset), Some(prefix)) => Ok(Some(Resume { offset, prefix })),
            _ => Err(self.bad("offset= and prefix= go together")),
        }
    }

    pub(super) fn upload(&mut self) -> Result<UploadArgs> {
        Ok(UploadArgs {
            path: self.path()?,
            size: self.number("size")?,
            mtime: self.mtime()?,
            mode: self.mode()?,
            allocated: self.number("allocated")?,
            condition: self.condition()?,
            resume: self.resume()?,
        })
    }

    pub(super) fn stage(&mut self) -> Result<StageArgs> {
        Ok(StageArgs {
            path: self.path()?,
            size: self.needed("size")?,
            mtime: self.mtime()?,
            mode: self.mode()?,
            allocated: self.number("allocated")?,
            condition: self.condition()?,
            resume: self.resume()?,
        })
    }

    pub(super) fn hash_of(&mut self) -> Result<HashOf> {
        match (self.flag("recorded")?, self.flag("growing")?, self.flag("partial")?) {
            (false, false, false) => Ok(HashOf::Bytes),
            (true, false, false) => Ok(HashOf::Record),
            (false, true, false) => Ok(HashOf::Growing),
            (false, false, true) => Ok(HashOf::Partial),
            _ => Err(self.bad("it is one of recorded, growing and partial")),
        }
    }

    fn parsed<T>(&mut self, key: &str, takes: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        match self.value(key)? {
            None => Ok(None),
            Some(text) => match parse(&text) {
                Some(value) => Ok(Some(value)),
                None => Err(self.bad(&format!("{key}= {takes}"))),
            },
        }
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if self.positions.next().is_some() {
            return Err(self.bad("there are too many arguments (a space in a name is %20)"));
        }
        if !self.options.is_empty() {
            return Err(self.bad("there is an option it does not take (a `=` in a name is %3D)"));
        }
        Ok(())
    }
}

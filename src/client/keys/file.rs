//! Files with private keys.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustix::fs::OFlags;
use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use zeroize::Zeroizing;

use super::container::Container;
use super::{LoginKey, Signer, rsa};
use crate::error::{Error, Kind, Result};
use crate::keys::PublicKey;
use crate::limits;
use crate::random;
use crate::secret::Secret;

/// See [`LoginKey::from_file`].
pub(super) fn load(path: &Path, passphrase: impl FnOnce() -> Result<Option<Secret>>) -> Result<LoginKey> {
    let text = read(path)?;
    let about =
        |kind, what: &str| Error::new(kind, format!("{}: {what}", path.display())).at(path.display().to_string());
    if !text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Err(match text.contains("PRIVATE KEY-----") {
            true => about(
                Kind::BadConfig,
                "is not in OpenSSH's format; `ssh-keygen -p -f FILE` writes it anew in it, and an agent (`ssh-add FILE`) takes it as it is",
            ),
            false => about(Kind::BadConfig, "is no private key"),
        });
    }
    // Some keys of kinds that do not log in cannot even be read below: their public halves tell.
    let container = Container::of(&text);
    if let Some(container) = &container
        && let Ok(public) = ssh_key::PublicKey::from_bytes(&container.public)
        && let Err(err) = PublicKey::of(public.key_data())
    {
        return Err(about(Kind::LoginFailed, err.text()));
    }
    let container = container.filter(Container::may_be_short);
    // Where that is encrypted it is read; else its private part may have to be made wider first.
    let key = ssh_key::PrivateKey::from_openssh(text.as_bytes()).ok();
    let key = key.or_else(|| container.as_ref().and_then(Container::key));
    let mut key = key.ok_or_else(|| about(Kind::BadConfig, "is a damaged private key"))?;
    // Before anybody is asked for a passphrase.
    let public = PublicKey::of(key.public_key().key_data()).map_err(|err| about(Kind::LoginFailed, err.text()))?;
    if public.kind().needs_touch() {
        let comment = key.comment().to_owned();
        return Ok(LoginKey { public, comment, signer: Signer::Token(path.to_owned()), file: None });
    }
    if key.is_encrypted() {
        let Some(passphrase) = passphrase()? else {
            return Err(about(Kind::LoginFailed, "is encrypted, and nobody can be asked for its passphrase"));
        };
        let decrypted = match container {
            Some(container) => container.decrypt(&key, passphrase.expose()),
            None => key.decrypt(passphrase.expose()).ok(),
        };
        key = decrypted.ok_or_else(|| about(Kind::LoginFailed, "the passphrase is wrong"))?;
    }
    if let KeypairData::Rsa(pair) = key.key_data() {
        rsa::ready(pair).map_err(|err| about(err.kind(), err.text()))?;
    }
    LoginKey::private(key)
}

/// The text of the file, if nobody else can read it: as ssh, which looks at files of the user's own.
fn read(path: &Path) -> Result<Zeroizing<String>> {
    let failed = |err| Error::file(path.display(), err);
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(Error::new(Kind::IsDirectory, format!("{}: is a folder", path.display())).at(path));
    }
    let is_ours = meta.uid() == rustix::process::getuid().as_raw();
    if meta.is_file() && is_ours && meta.mode() & 0o077 != 0 {
        let text = format!(
            "{}: others can read this private key (mode {:04o}), so it is not used; `chmod 600` mends that",
            path.display(),
            meta.mode() & 0o7777
        );
        return Err(Error::new(Kind::LoginFailed, text).at(path.display().to_string()));
    }
    let mut text = Zeroizing::new(String::with_capacity(limits::PRIVATE_KEY_MAX as usize + 1));
    let no_text = |_| Error::new(Kind::BadConfig, format!("{}: is no private key", path.display()));
    file.take(limits::PRIVATE_KEY_MAX + 1).read_to_string(&mut text).map_err(|err| match err.kind() {
        std::io::ErrorKind::InvalidData => no_text(err),
        _ => failed(err),
    })?;
    if text.len() as u64 > limits::PRIVATE_KEY_MAX {
        return Err(Error::new(Kind::BadConfig, format!("{}: is too long for a private key", path.display())));
    }
    Ok(text)
}

/// See [`LoginKey::generate`].
pub(super) fn generate(comment: &str) -> Result<LoginKey> {
    let internal = |what: &str| Error::new(Kind::Internal, what.to_owned());
    let mut seed = Zeroizing::new([0; 32]);
    random::fill(&mut *seed)?;
    let made = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| internal("no key could be made"))?;
    let both: Zeroizing<Vec<u8>> = Zeroizing::new([&*seed, made.public_key().as_ref()].concat());
    let both: &[u8; 64] = both.as_slice().try_into().map_err(|_| internal("no key could be made"))?;
    let pair = Ed25519Keypair::from_bytes(both).map_err(|_| internal("no key could be made"))?;
    let key = ssh_key::PrivateKey::new(KeypairData::Ed25519(pair), comment);
    LoginKey::private(key.map_err(|_| internal("no key could be made"))?)
}

/// Makes a new Ed25519 key and writes it to `path` (mode 0600) and its public half beside, under the name with `.pub`
/// behind it. Both are on disk when this returns; what is there already is never replaced.
///
/// # Errors
/// [`Kind::Exists`], and those of the files.
pub fn new_key_file(path: &Path, comment: &str) -> Result<LoginKey> {
    let key = LoginKey { file: Some(path.to_owned()), ..generate(comment)? };
    let Signer::Private(private) = &key.signer else { return Err(Error::new(Kind::Internal, "the key is not here")) };
    let text = private.to_openssh(LineEnding::LF);
    let text = text.map_err(|_| Error::new(Kind::Internal, "the key cannot be written down"))?;
    write_new(path, 0o600, text.as_bytes())?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    let line = key.public.to_openssh(comment) + "\n";
    if let Err(err) = write_new(&public, 0o644, line.as_bytes()) {
        // A key whose public half nobody has is of no use, and would be in the way.
        let _ = std::fs::remove_file(path);
        return Err(err);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|err| Error::file(folder.display(), err))?;
    Ok(key)
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    let failed = |err| Error::file(path.display(), err);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(std::fs::remove_file(path))).map_err(failed)
}

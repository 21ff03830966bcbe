//! What we sign, OpenSSH's `ssh-keygen` accepts, and the other way round.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sealift::Kind;
use sealift::client::keys::{LoginKey, new_key_file};
use sealift::keys::{KeyKind, NAMESPACE, Nonce, Proof, PublicKey, Purpose, Statement};
use sealift::secret::Secret;
use tempfile::TempDir;

/// Runs a program of OpenSSH with this on its standard input; what it wrote, or its complaint.
pub fn openssh(program: &str, args: &[&str], input: &[u8]) -> (bool, Vec<u8>) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|err| panic!("{program}: {err}: install openssh-client"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    if done.status.success() { (true, done.stdout) } else { (false, done.stderr) }
}

/// A key made by `ssh-keygen`, with this passphrase.
pub fn keygen(dir: &Path, kind: &[&str], passphrase: &str) -> PathBuf {
    let path = dir.join(format!("id_{}_{}", kind.join("_"), passphrase.len()));
    let file = path.to_str().unwrap();
    let fixed = ["-q", "-C", "alice@laptop", "-N", passphrase, "-f", file, "-t"];
    let (made, said) = openssh("ssh-keygen", &[&fixed, kind].concat(), b"");
    assert!(made, "{}", String::from_utf8_lossy(&said));
    path
}

pub fn public(path: &Path) -> String {
    std::fs::read_to_string(format!("{}.pub", path.display())).unwrap().trim().to_owned()
}

pub fn load(path: &Path) -> sealift::Result<LoginKey> {
    LoginKey::from_file(path, || Ok(None))
}

pub fn statement(user: &str) -> Statement<'_> {
    let pin = "sha256//EkjVDPcZtf3Jd1AKwOyNWhkGMoE6kVjaZD5a4TO3aC0=".parse().unwrap();
    Statement { purpose: Purpose::Login, nonce: Nonce::fresh().unwrap(), user, pin }
}

/// Whether `ssh-keygen` finds this signature over this message to be of the key in this line.
pub fn verifies(line: &str, message: &[u8], pem: &str) -> bool {
    let dir = TempDir::new().unwrap();
    let (signers, signature) = (dir.path().join("signers"), dir.path().join("signature"));
    std::fs::write(&signers, format!("alice namespaces=\"{NAMESPACE}\" {line}\n")).unwrap();
    std::fs::write(&signature, pem).unwrap();
    let (signers, signature) = (signers.to_str().unwrap(), signature.to_str().unwrap());
    openssh("ssh-keygen", &["-Y", "verify", "-f", signers, "-I", "alice", "-n", NAMESPACE, "-s", signature], message).0
}

#[test]
fn ssh_keygen_accepts_what_we_sign() {
    let dir = TempDir::new().unwrap();
    for kind in [&["ed25519"][..], &["ecdsa", "-b", "256"]] {
        let path = keygen(dir.path(), kind, "");
        let key = load(&path).unwrap();
        // Numbers that are short, or look negative, come with some of many signatures only.
        for _ in 0..20 {
            let statement = statement("alice");
            let proof = key.sign(&statement).unwrap();
            assert!(proof.is_over(&statement));
            assert!(verifies(&public(&path), &statement.message(), &proof.to_pem()), "{kind:?}");
            assert!(!verifies(&public(&path), b"another message", &proof.to_pem()));
        }
    }
}

#[test]
fn we_accept_what_ssh_keygen_signs_and_only_that() {
    let dir = TempDir::new().unwrap();
    for kind in [&["ed25519"][..], &["ecdsa", "-b", "256"]] {
        let path = keygen(dir.path(), kind, "");
        let (key, comment) = PublicKey::from_openssh(&public(&path)).unwrap();
        assert_eq!(comment, "alice@laptop");
        for hash in ["hashalg=sha256", "hashalg=sha512"] {
            let statement = statement("alice");
            let sign = |namespace| {
                let file = path.to_str().unwrap();
                let args = ["-Y", "sign", "-O", hash, "-n", namespace, "-f", file];
                let (signed, pem) = openssh("ssh-keygen", &args, &statement.message());
                assert!(signed, "{}", String::from_utf8_lossy(&pem));
                String::from_utf8_lossy(&pem).into_owned()
            };
            let proof = Proof::from_pem(&sign(NAMESPACE)).unwrap();
            assert_eq!(proof.key(), &key);
            assert!(proof.is_over(&statement));
            assert_eq!(Proof::from_text(&proof.to_text()).unwrap(), proof);
            for other in [
                Statement { user: "bob", ..statement },
                Statement { nonce: Nonce::fresh().unwrap(), ..statement },
                Statement { pin: "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap(), ..statement },
            ] {
                assert!(!proof.is_over(&other), "{other:?}");
            }
            let error = Proof::from_pem(&sign("file")).unwrap_err();
            assert!(error.text().contains("namespace"), "{error}");
        }
    }
}

#[test]
fn no_changed_byte_of_a_signature_is_accepted() {
    let key = LoginKey::generate("x").unwrap();
    let statement = statement("alice");
    let proof = key.sign(&statement).unwrap().to_bytes();
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at] ^= 1;
        let accepted = Proof::from_bytes(&changed).is_ok_and(|proof| proof.is_over(&statement));
        assert!(!accepted, "byte {at}");
    }
    for length in 0..proof.len() {
        assert!(Proof::from_bytes(&proof[..length]).is_err());
    }
    assert!(Proof::from_bytes(&[&proof[..], &[0]].concat()).is_err());
}

#[test]
fn a_new_key_is_one_for_ssh_keygen_too_and_never_replaces_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("id");
    let key = new_key_file(&path, "alice@laptop").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let (read, line) = openssh("ssh-keygen", &["-y", "-f", path.to_str().unwrap()], b"");
    assert!(read, "{}", String::from_utf8_lossy(&line));
    assert_eq!(String::from_utf8_lossy(&line).trim(), public(&path));
    assert_eq!(load(&path).unwrap().public(), key.public());
    let before = std::fs::read(&path).unwrap();
    assert_eq!(new_key_file(&path, "x").unwrap_err().kind(), Kind::Exists);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(new_key_file(&path, "x").unwrap_err().kind(), Kind::Exists, "the public half is in the way");
    assert!(!path.exists());
    assert!(!before.is_empty());
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_alone() {
    let dir = TempDir::new().unwrap();
    for kind in [&["ed25519"][..], &["ecdsa", "-b", "256"]] {
        let path = keygen(dir.path(), kind, "open sesame");
        let with = |passphrase: Option<&str>| {
            let answer = passphrase.map(|text| Secret::new(text.to_owned()));
            LoginKey::from_file(&path, || Ok(answer))
        };
        let key = with(Some("open sesame")).unwrap();
        assert_eq!(key.public(), &PublicKey::from_openssh(&public(&path)).unwrap().0);
        assert!(with(Some("wrong")).unwrap_err().text().contains("passphrase is wrong"));
        assert!(with(None).unwrap_err().text().contains("encrypted"));
    }
}

/// One key in 256 is such a one.
#[test]
fn an_ecdsa_key_whose_secret_number_begins_with_a_zero_signs_too_plain_and_encrypted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("id");
    std::fs::write(&path, include_str!("short_p256")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let file = path.to_str().unwrap();
    let (read, line) = openssh("ssh-keygen", &["-y", "-f", file], b"");
    assert!(read, "{}", String::from_utf8_lossy(&line));
    let line = String::from_utf8_lossy(&line).trim().to_owned();
    let signs = |key: &LoginKey| {
        let statement = statement("alice");
        let proof = key.sign(&statement).unwrap();
        assert!(proof.is_over(&statement) && verifies(&line, &statement.message(), &proof.to_pem()));
    };
    signs(&load(&path).unwrap());
    // The ciphers that ssh-keygen knows, of which two prove that nothing was changed.
    let mut passphrase = String::new();
    for cipher in ["aes256-ctr", "aes128-cbc", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        let next = format!("open {cipher}");
        let args = ["-q", "-p", "-P", &passphrase, "-N", &next, "-Z", cipher, "-f", file];
        let (changed, said) = openssh("ssh-keygen", &args, b"");
        assert!(changed, "{cipher}: {}", String::from_utf8_lossy(&said));
        let with = |passphrase: &str| LoginKey::from_file(&path, || Ok(Some(Secret::new(passphrase.to_owned()))));
        signs(&with(&next).unwrap_or_else(|err| panic!("{cipher}: {err}")));
        assert!(with("wrong").unwrap_err().text().contains("passphrase is wrong"), "{cipher}");
        passphrase = next;
    }
}

#[test]
fn kinds_that_do_not_log_in_are_refused_by_name_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    for (kind, what) in
        [(&["rsa", "-b", "1024"][..], "RSA"), (&["ecdsa", "-b", "384"], "P-256"), (&["ecdsa", "-b", "521"], "P-256")]
    {
        let path = keygen(dir.path(), kind, "");
        for error in [load(&path).unwrap_err(), PublicKey::from_openssh(&public(&path)).unwrap_err()] {
            assert!(error.text().contains(what) && error.text().contains("sealift key new"), "{kind:?}: {error}");
        }
    }
    let blob = PublicKey::from_openssh(&format!("{}\n", public(&keygen(dir.path(), &["ed25519"], "")))).unwrap().0;
    assert_eq!(blob.kind(), KeyKind::Ed25519);
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let dir = TempDir::new().unwrap();
    let path = keygen(dir.path(), &["ed25519"], "");
    for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&path);
        assert_eq!(loaded.is_ok(), used, "{mode:o}");
        if let Err(error) = loaded {
            assert!(error.text().contains("others can read") && error.text().contains("chmod 600"), "{error}");
        }
    }
}

//! Logging in with RSA keys: signatures of another kind than they say, and keys by which anybody could sign.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sealift::keys::{Nonce, Proof, PublicKey, Purpose, Statement};
use tempfile::TempDir;

use crate::common::{Answer, Daemon, RawClient, World};

/// An RSA key of so many bits, whose private half openssl can sign with.
fn keygen(folder: &Path, name: &str, bits: u32) -> PathBuf {
    let path = folder.join(name);
    let mut made = Command::new("ssh-keygen");
    made.args(["-q", "-t", "rsa", "-m", "PEM", "-N", "", "-C", "alice@old", "-b", &bits.to_string(), "-f"]).arg(&path);
    assert!(made.status().unwrap().success());
    path
}

fn public(key: &Path) -> String {
    std::fs::read_to_string(format!("{}.pub", key.display())).unwrap().trim().to_owned()
}

/// What openssl makes of these bytes with these options.
fn signed(key: &Path, options: &[&str], bytes: &[u8]) -> Vec<u8> {
    let message = key.with_extension("message");
    std::fs::write(&message, bytes).unwrap();
    let done = Command::new("openssl").arg("dgst").args(options).arg("-sign").arg(key).arg(&message).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A signature of this kind, as keys give it.
fn of_kind(kind: &str, made: &[u8]) -> Vec<u8> {
    let mut signature = Vec::new();
    put(&mut signature, kind.as_bytes());
    put(&mut signature, made);
    signature
}

/// A public key in SSH's format.
fn blob(exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, b"ssh-rsa");
    put(&mut blob, exponent);
    put(&mut blob, modulus);
    blob
}

/// What KEY takes, of a key that [`PublicKey`] would not read.
fn sshsig(key: &[u8], signature: &[u8]) -> String {
    let mut bytes = b"SSHSIG\0\0\0\x01".to_vec();
    for field in [key, b"sealift", b"", b"sha512", signature] {
        put(&mut bytes, field);
    }
    STANDARD_NO_PAD.encode(bytes)
}

struct Scene {
    world: World,
    daemon: Daemon,
    key: PathBuf,
    other: PathBuf,
    _place: TempDir,
}

/// A server that knows alice by an RSA key.
fn scene() -> Scene {
    let (world, place) = (World::of(&[]), TempDir::new().unwrap());
    std::fs::create_dir(world.home("alice")).unwrap();
    let (key, other) = (keygen(place.path(), "key", 2048), keygen(place.path(), "other", 2048));
    world.set_users(&format!("[users.alice]\nkeys = [\"{}\"]\n", public(&key)));
    let daemon = world.start();
    Scene { world, daemon, key, other, _place: place }
}

impl Scene {
    /// The answer to what `sign` makes of the bytes that are to be signed.
    fn ask(&self, sign: impl Fn(&[u8]) -> Vec<u8>) -> Answer {
        let mut client = RawClient::silent(self.daemon.port());
        let nonce: Nonce = client.reply().2["nonce"].parse().unwrap();
        let pin = self.daemon.pin().parse().unwrap();
        let statement = Statement { purpose: Purpose::Login, nonce, user: "alice", pin };
        let key = PublicKey::from_openssh(&public(&self.key)).unwrap().0;
        let (digits, word, mut fields) =
            client.ask(format!("KEY alice {}", Proof::new(key, sign(&statement.to_be_signed())).to_text()));
        fields.remove("nonce");
        (digits, word, fields)
    }
}

/// RFC 8332: what counts is the kind that the signature says, over SHA-2, and nothing that is like it.
#[test]
fn forged_rsa_signature() {
    let scene = scene();
    let key = scene.key.as_path();
    let (right, half) =
        (|bytes: &[u8]| signed(key, &["-sha512"], bytes), |bytes: &[u8]| signed(key, &["-sha256"], bytes));
    for answer in [
        scene.ask(|bytes| of_kind("rsa-sha2-512", &right(bytes))),
        scene.ask(|bytes| of_kind("rsa-sha2-256", &half(bytes))),
    ] {
        assert_eq!(answer.1, "welcome");
    }
    let old = |bytes: &[u8]| signed(key, &["-sha1"], bytes);
    let pss = |bytes: &[u8]| signed(key, &["-sha512", "-sigopt", "rsa_padding_mode:pss"], bytes);
    let strangers = |bytes: &[u8]| signed(&scene.other, &["-sha512"], bytes);
    let changed = |bytes: &[u8]| {
        let mut made = right(bytes);
        made[100] ^= 1;
        made
    };
    let mut answers = vec![
        ("SHA-1", scene.ask(|bytes| of_kind("ssh-rsa", &old(bytes)))),
        ("SHA-1 by another name", scene.ask(|bytes| of_kind("rsa-sha2-512", &old(bytes)))),
        ("SHA-512 by the name of SHA-1", scene.ask(|bytes| of_kind("ssh-rsa", &right(bytes)))),
        ("SHA-512 by the name of SHA-256", scene.ask(|bytes| of_kind("rsa-sha2-256", &right(bytes)))),
        ("SHA-256 by the name of SHA-512", scene.ask(|bytes| of_kind("rsa-sha2-512", &half(bytes)))),
        ("the name of another kind of key", scene.ask(|bytes| of_kind("ssh-ed25519", &right(bytes)))),
        ("a certificate's name", scene.ask(|bytes| of_kind("rsa-sha2-512-cert-v01@openssh.com", &right(bytes)))),
        ("other padding", scene.ask(|bytes| of_kind("rsa-sha2-512", &pss(bytes)))),
        ("another key's", scene.ask(|bytes| of_kind("rsa-sha2-512", &strangers(bytes)))),
        ("a changed bit", scene.ask(|bytes| of_kind("rsa-sha2-512", &changed(bytes)))),
        ("of something else", scene.ask(|_| of_kind("rsa-sha2-512", &right(b"login")))),
    ];
    for (what, made) in
        [("nothing", Vec::new()), ("nothing but zeros", vec![0; 256]), ("all ones", vec![0xff; 256]), ("one", vec![1])]
    {
        answers.push((what, scene.ask(|_| of_kind("rsa-sha2-512", &made))));
    }
    answers.push(("too long", scene.ask(|bytes| of_kind("rsa-sha2-512", &[&[0], &right(bytes)[..]].concat()))));
    answers.push(("more behind", scene.ask(|bytes| [of_kind("rsa-sha2-512", &right(bytes)), vec![0]].concat())));
    let (_, refused) = answers[0].clone();
    assert_eq!((refused.0, refused.1.as_str()), (530, "login-failed"));
    for (what, answer) in answers {
        assert_eq!(answer, refused, "{what}");
    }
}

/// Keys that are too short, by whose exponent every number is its own signature, or that would take long to check, are no keys, wherever they come from.
#[test]
fn weak_and_monstrous_rsa_keys() {
    let scene = scene();
    let short = keygen(scene.world.place(), "short", 1024);
    let (_, short_blob, _) = {
        let line = public(&short);
        let mut words = line.split(' ').map(str::to_owned);
        (words.next().unwrap(), STANDARD.decode(words.next().unwrap()).unwrap(), words.next())
    };
    let modulus = |bits: usize| [&[0][..], &[0xa5; 1024 * 8][..bits / 8]].concat();
    let usual: &[u8] = &[1, 0, 1];
    let mut client = RawClient::silent(scene.daemon.port());
    client.reply();
    for (what, key, why) in [
        ("1024 bits", short_blob, "fewer than 2048 bits"),
        ("the exponent one", blob(&[1], &modulus(2048)), "its exponent"),
        ("a huge exponent", blob(&[1; 255], &modulus(2048)), "its exponent"),
        ("an even exponent", blob(&[2], &modulus(2048)), "its numbers"),
        ("an even modulus", blob(usual, &[&modulus(2048)[..256], &[2]].concat()), "its numbers"),
        ("a negative modulus", blob(usual, &modulus(2048)[1..]), "its numbers"),
        ("a modulus of nothing", blob(usual, &[]), "its numbers"),
        ("a huge modulus", blob(usual, &modulus(16384)), "too long"),
    ] {
        // What would be right for the exponent one: the number that is to come of it, itself.
        let line = format!("KEY alice {}", sshsig(&key, &of_kind("rsa-sha2-512", &[1; 256])));
        client.send(format!("{line}\r\n"));
        let (digits, word, _) = client.reply();
        assert_eq!((digits, word.as_str()), (501, "bad-command"), "{what}");
        let error = PublicKey::from_blob(&key).unwrap_err();
        assert!(error.text().contains(why), "{what}: {error}");
        // The administrator's own program takes none either.
        let line = format!("ssh-rsa {} alice@old", STANDARD.encode(&key));
        let done = scene.daemon.command(&["user", "key", "add", "alice", &line]).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{what}: {}", String::from_utf8_lossy(&done.stderr));
    }
    // Nor does a users file that is written by hand: what was in force stays so.
    let weak = STANDARD.encode(blob(&[1], &modulus(2048)));
    scene.world.set_users(&format!("[users.alice]\nkeys = [\"ssh-rsa {weak} alice@old\"]\n"));
    let answer = scene.ask(|bytes| of_kind("rsa-sha2-512", &signed(&scene.key, &["-sha512"], bytes)));
    assert_eq!(answer.1, "welcome");
}

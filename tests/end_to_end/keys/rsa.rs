//! RSA keys, which many who come from sftp have and no others.

use std::path::Path;

use async_std::task::{block_on, spawn};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use sealift::client::keys::LoginKey;
use sealift::client::{ConnectOptions, Endpoint, Verification};
use sealift::keys::{KeyKind, NAMESPACE, Proof};
use sealift::proto::{Command, LineDecoder};
use sealift::secret::Secret;
use sealift::tls::{Acceptor, Identity};
use sealift::{Client, Kind};
use tempfile::TempDir;

use super::openssh::{keygen, load, openssh, public, statement, verifies};
use super::program::{RealAgent, Scene, add};
use crate::common::text;

#[test]
fn ssh_keygen_and_we_accept_each_others_rsa_signatures() {
    let dir = TempDir::new().unwrap();
    for bits in ["2048", "3072", "4096"] {
        let path = keygen(dir.path(), &["rsa", "-b", bits], "");
        let key = load(&path).unwrap();
        assert_eq!(key.public().kind(), KeyKind::Rsa);
        let statement = statement("alice");
        let proof = key.sign(&statement).unwrap();
        assert!(proof.is_over(&statement) && !proof.is_over(&super::openssh::statement("alice")));
        assert!(verifies(&public(&path), &statement.message(), &proof.to_pem()), "{bits}");
        assert!(!verifies(&public(&path), b"another message", &proof.to_pem()));
        let args = ["-Y", "sign", "-n", NAMESPACE, "-f", path.to_str().unwrap()];
        let (signed, pem) = openssh("ssh-keygen", &args, &statement.message());
        assert!(signed, "{}", text(&pem));
        let theirs = Proof::from_pem(&text(&pem)).unwrap();
        assert!(theirs.is_over(&statement) && theirs.key() == key.public());
    }
}

#[test]
fn no_changed_byte_of_an_rsa_signature_is_accepted() {
    let dir = TempDir::new().unwrap();
    let (key, statement) = (load(&keygen(dir.path(), &["rsa", "-b", "2048"], "")).unwrap(), statement("alice"));
    let proof = key.sign(&statement).unwrap().to_bytes();
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at] ^= 1;
        let accepted = Proof::from_bytes(&changed).is_ok_and(|proof| proof.is_over(&statement));
        assert!(!accepted, "byte {at}");
    }
}

#[test]
fn an_rsa_key_that_cannot_sign_here_says_what_helps() {
    let dir = TempDir::new().unwrap();
    let encrypted = keygen(dir.path(), &["rsa", "-b", "2048"], "open sesame");
    let with = |passphrase: &str| LoginKey::from_file(&encrypted, || Ok(Some(Secret::new(passphrase.to_owned()))));
    assert!(with("open sesame").unwrap().sign(&statement("alice")).is_ok());
    assert!(with("wrong").unwrap_err().text().contains("passphrase is wrong"));
    for (kind, what) in [
        (&["rsa", "-b", "2304"][..], "ssh-add"),
        (&["rsa", "-b", "2048", "-m", "PEM"], "ssh-keygen -p"),
        (&["rsa", "-b", "1024"], "fewer than 2048 bits"),
    ] {
        let error = load(&keygen(dir.path(), kind, "")).unwrap_err();
        assert!(error.text().contains(what), "{kind:?}: {error}");
    }
}

#[test]
fn an_rsa_key_logs_in_by_file_unasked_and_by_agent_and_enrols_as_others_do() {
    let scene = Scene::new();
    let place = TempDir::new().unwrap();
    let [key, odd] = ["2048", "2304"].map(|bits| keygen(place.path(), &["rsa", "-b", bits], ""));
    let file = |key: &Path| key.to_str().unwrap().to_owned();
    let keys = place.path().join("authorized_keys");
    std::fs::write(&keys, format!("no-pty {}\n{}\n", public(&key), public(&odd))).unwrap();
    scene.sealiftd(&["user", "add", "alice", "--key", &file(&keys)]);
    assert_eq!(scene.ls(&["-i", &file(&key)], None), Some(0));
    assert_eq!(scene.ls(&["-i", &file(&odd)], None), Some(4), "of a size that is not signed with here");
    let socket = place.path().join("agent");
    let _agent = RealAgent::start(&socket);
    add(&socket, &odd);
    assert_eq!(scene.ls(&[], Some(&socket)), Some(0), "the agent signs with it");
    std::fs::copy(&key, scene.home.path().join(".ssh/id_rsa")).unwrap();
    assert_eq!(scene.ls(&[], None), Some(0), "the usual place");
    let listed = text(&scene.daemon.command(&["user", "key", "list", "alice"]).output().unwrap().stdout);
    let (_, shown) = openssh("ssh-keygen", &["-lf", &file(&key)], b"");
    assert!(listed.contains(text(&shown).split(' ').nth(1).unwrap()), "{listed}");

    // She chooses a password by it, and has the server take another one.
    let more = keygen(place.path(), &["rsa", "-b", "3072"], "");
    let done = scene.sealift(&["-i", &file(&more), "login", "--name", "desk", "alice@127.0.0.1"], Some(&socket));
    assert_eq!(done.status.code(), Some(4), "a key that is not known proves nothing: {}", text(&done.stderr));
    let done = scene.sealift(&["login", "--name", "desk", "alice@127.0.0.1"], Some(&socket));
    assert!(done.status.success(), "{}", text(&done.stderr));
    let done = scene.sealift(&["key", "remove", "alice@127.0.0.1", "desk"], Some(&socket));
    assert!(done.status.success(), "{}", text(&done.stderr));
}

/// More keys than one login tries, some of them too long to go beside others in a line.
#[test]
fn keys_that_were_not_tried_are_said() {
    let scene = Scene::new();
    scene.daemon.add_user("alice", "right horse", "full");
    let place = TempDir::new().unwrap();
    let socket = place.path().join("agent");
    let _agent = RealAgent::start(&socket);
    for at in 0..10 {
        let folder = place.path().join(at.to_string());
        std::fs::create_dir(&folder).unwrap();
        let key = keygen(&folder, &["ed25519"], "");
        let named =
            openssh("ssh-keygen", &["-q", "-c", "-P", "", "-C", &format!("k{at}"), "-f", key.to_str().unwrap()], b"");
        assert!(named.0, "{}", text(&named.1));
        add(&socket, &key);
    }
    let said = text(&scene.sealift(&["ls", "alice@127.0.0.1/"], Some(&socket)).stderr);
    let expected = "(k0, k1, k2, k3, k4, k5, k6, k7). 2 more keys were not tried, since one login takes 8 at most: `-i FILE` names the right one (k8, k9).";
    assert!(said.contains(expected), "{said}");
    let listed = scene.sealift(&["key", "list"], Some(&socket));
    assert!(text(&listed.stdout).lines().count() == 10 && text(&listed.stderr).contains("tries the first 8"));
}

/// A server of before is not told of keys that it does not know: it would take none of those that come with them.
#[test]
fn an_older_server_is_asked_about_other_keys_alone() {
    let dir = TempDir::new().unwrap();
    let rsa = load(&keygen(dir.path(), &["rsa", "-b", "2048"], "")).unwrap();
    let other = LoginKey::generate("").unwrap();
    let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
    let (pin, acceptor) = (identity.pin(), Acceptor::new(&identity).unwrap());
    let line = block_on(async {
        let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let (mut stream, _) = acceptor.accept(socket).await.unwrap();
            let greeting = format!("220 ready proto=1 features=keys,enrol nonce={} :hello\r\n", "ab".repeat(32));
            stream.write_all(greeting.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let (mut lines, mut bytes) = (LineDecoder::new(8192), [0; 8192]);
            let n = stream.read(&mut bytes).await.unwrap();
            let got = lines.next(&mut &bytes[..n]).unwrap().unwrap().to_vec();
            let welcome = "230 welcome user=alice access=full pid=1 session=00000000000000ab\r\n";
            stream.write_all(welcome.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            got
        });
        let options = ConnectOptions::new(Verification::Pins(vec![pin]));
        let mut client = Client::connect(&Endpoint::new("127.0.0.1", port), options).await.unwrap();
        let refused = client.login_with_keys("alice", std::slice::from_ref(&rsa)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::LoginFailed, "{refused}");
        assert!(client.takes_keys(), "nothing was said");
        client.login_with_keys("alice", &[rsa, other.clone()]).await.unwrap();
        serving.await
    });
    let Command::Key { user, proofs } = Command::parse(&line).unwrap() else { panic!() };
    assert_eq!((user.as_str(), proofs.len()), ("alice", 1));
    assert_eq!(proofs[0].key(), other.public());
}

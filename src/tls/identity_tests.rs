//! Keys and certificates as they are made, saved, loaded and renewed.

use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

fn names() -> Vec<String> {
    vec!["localhost".to_owned(), "192.0.2.7".to_owned(), "2001:db8::7".to_owned()]
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// A folder with a saved identity.
fn saved() -> (tempfile::TempDir, Identity) {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::generate(&names()).unwrap();
    identity.save(dir.path(), false).unwrap();
    (dir, identity)
}

fn refused(dir: &Path, kind: Kind, words: &[&str]) {
    let err = Identity::load(dir).unwrap_err();
    assert_eq!(err.kind(), kind, "{err}");
    for word in words {
        assert!(err.text().contains(word), "{err}");
    }
}

/// Runs openssl in `dir`.
fn openssl(dir: &Path, args: &str) {
    let run = Command::new("openssl").args(args.split(' ')).current_dir(dir).stderr(Stdio::null()).status();
    assert!(run.expect("the openssl program").success(), "openssl {args}");
}

#[test]
fn what_is_saved_is_loaded_and_only_the_owner_can_read_the_key() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new").join("certs");
    let identity = Identity::generate(&names()).unwrap();
    identity.save(&dir, false).unwrap();
    let loaded = Identity::load(&dir).unwrap();
    assert_eq!(loaded.pin(), identity.pin());
    assert_eq!(loaded.describe().unwrap(), identity.describe().unwrap());
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join(KEY_FILE)), 0o600);
    assert_eq!(mode(&dir.join(CERTIFICATE_FILE)), 0o644);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
}

#[test]
fn a_description_tells_names_and_dates() {
    let identity = Identity::generate(&names()).unwrap();
    let description = identity.describe().unwrap();
    assert_eq!(description.names, names());
    assert_eq!(description.pin, identity.pin());
    let now = SystemTime::now();
    assert!(description.not_before < now);
    assert!(description.not_after > now + CERTIFICATE_LIFETIME - Duration::from_secs(3600));
}

#[test]
fn what_is_no_name_is_refused() {
    let err = Identity::generate(&["grüße".to_owned()]).unwrap_err();
    assert_eq!(err.kind(), Kind::Usage);
    assert!(err.text().contains("grüße"));
}

#[test]
fn an_existing_identity_is_replaced_only_when_asked() {
    let (dir, first) = saved();
    let second = Identity::generate(&names()).unwrap();
    assert_eq!(second.save(dir.path(), false).unwrap_err().kind(), Kind::Exists);
    assert_eq!(Identity::load(dir.path()).unwrap().pin(), first.pin());
    let kept = second.save(dir.path(), true).unwrap();
    assert_eq!(Identity::load(dir.path()).unwrap().pin(), second.pin());
    assert_eq!(kept, [KEY_FILE, CERTIFICATE_FILE].map(|name| dir.path().join(format!("{name}.old"))));
    assert_eq!((mode(&kept[0]), fs::read(&kept[0]).unwrap()), (0o600, first.key_pem.to_vec()));
    let third = Identity::generate(&names()).unwrap().save(dir.path(), true).unwrap();
    assert_eq!(third, [KEY_FILE, CERTIFICATE_FILE].map(|name| dir.path().join(format!("{name}.old.2"))));
    assert_eq!(fs::read(&third[0]).unwrap(), second.key_pem.to_vec(), "no old key is lost");
    second.save(dir.path(), true).unwrap();
    fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
    assert_eq!(second.save(dir.path(), false).unwrap_err().kind(), Kind::Exists);
}

#[test]
fn what_takes_the_place_of_a_file_takes_its_owner_and_mode() {
    let (dir, _) = saved();
    let (key, certificate) = (dir.path().join(KEY_FILE), dir.path().join(CERTIFICATE_FILE));
    fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(&certificate, Permissions::from_mode(0o640)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        for path in [&key, &certificate] {
            std::os::unix::fs::chown(path, Some(12345), Some(54321)).unwrap();
        }
    }
    let second = Identity::generate(&names()).unwrap();
    second.save(dir.path(), true).unwrap();
    second.renew(&names()).unwrap().save_certificate(dir.path()).unwrap();
    assert_eq!((mode(&key), mode(&certificate)), (0o400, 0o640));
    for path in [key, certificate] {
        let meta = fs::metadata(path).unwrap();
        assert!(!root || (meta.uid(), meta.gid()) == (12345, 54321), "{meta:?}");
    }
    // Root makes files in somebody's folder for that one.
    if root {
        let empty = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(empty.path(), Some(12345), Some(54321)).unwrap();
        second.save(empty.path(), false).unwrap();
        assert_eq!(fs::metadata(empty.path().join(KEY_FILE)).unwrap().uid(), 12345);
    }
}

#[test]
fn a_renewed_certificate_has_the_same_pin_and_the_names_asked_for() {
    let (dir, first) = saved();
    let key = fs::read(dir.path().join(KEY_FILE)).unwrap();
    let renewed = first.renew(&["other.example".to_owned()]).unwrap();
    renewed.save_certificate(dir.path()).unwrap();
    let loaded = Identity::load(dir.path()).unwrap();
    assert_eq!(loaded.pin(), first.pin());
    assert_eq!(loaded.describe().unwrap().names, ["other.example"]);
    assert_eq!(fs::read(dir.path().join(KEY_FILE)).unwrap(), key);
    assert_ne!(fs::read(dir.path().join(CERTIFICATE_FILE)).unwrap(), first.certificate_pem);
    Identity::generate(&names()).unwrap().save(dir.path(), true).unwrap();
    assert_eq!(renewed.save_certificate(dir.path()).unwrap_err().kind(), Kind::Changed);
}

#[test]
fn key_modes() {
    let (dir, _) = saved();
    let key = dir.path().join(KEY_FILE);
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        refused(dir.path(), Kind::BadConfig, &[KEY_FILE, "chmod 600"]);
    }
    fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    Identity::load(dir.path()).unwrap();
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (dir, _) = saved();
    let (other, _) = saved();
    fs::copy(other.path().join(KEY_FILE), dir.path().join(KEY_FILE)).unwrap();
    refused(dir.path(), Kind::Tls, &[KEY_FILE, CERTIFICATE_FILE, "does not work with"]);
}

#[test]
fn what_is_no_identity_is_refused_by_name() {
    let (dir, _) = saved();
    let (key, certificate) = (dir.path().join(KEY_FILE), dir.path().join(CERTIFICATE_FILE));
    let good = (fs::read(&key).unwrap(), fs::read(&certificate).unwrap());
    let restore = || {
        fs::write(&key, &good.0).unwrap();
        fs::write(&certificate, &good.1).unwrap();
    };

    fs::write(&certificate, b"").unwrap();
    refused(dir.path(), Kind::BadConfig, &[CERTIFICATE_FILE, "BEGIN CERTIFICATE"]);
    fs::write(&certificate, &good.0).unwrap();
    refused(dir.path(), Kind::BadConfig, &[CERTIFICATE_FILE, "BEGIN CERTIFICATE"]);
    fs::write(&certificate, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    refused(dir.path(), Kind::BadConfig, &[CERTIFICATE_FILE, "cannot be used"]);
    fs::write(&certificate, b"-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    refused(dir.path(), Kind::BadConfig, &[CERTIFICATE_FILE, "PEM"]);
    fs::write(&certificate, vec![b'x'; usize::try_from(crate::limits::PEM_MAX).unwrap() + 1]).unwrap();
    refused(dir.path(), Kind::BadConfig, &[CERTIFICATE_FILE, "larger"]);

    restore();
    fs::write(&key, [0xff; 300]).unwrap();
    refused(dir.path(), Kind::BadConfig, &[KEY_FILE, "BEGIN PRIVATE KEY"]);
    fs::write(&key, &good.1).unwrap();
    refused(dir.path(), Kind::BadConfig, &[KEY_FILE, "BEGIN PRIVATE KEY"]);
    fs::write(&key, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    refused(dir.path(), Kind::BadConfig, &[KEY_FILE, "cannot be used"]);
    fs::write(&key, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n").unwrap();
    refused(dir.path(), Kind::BadConfig, &[KEY_FILE, "passphrase"]);
    fs::write(&key, [good.0.as_slice(), &good.0].concat()).unwrap();
    refused(dir.path(), Kind::BadConfig, &[KEY_FILE, "more than one"]);

    restore();
    fs::remove_file(&key).unwrap();
    refused(dir.path(), Kind::NotFound, &[KEY_FILE]);
    fs::create_dir(&key).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o700)).unwrap();
    refused(dir.path(), Kind::BadConfig, &[KEY_FILE, "not a regular file"]);
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_hang() {
    let (dir, _) = saved();
    let certificate = dir.path().join(CERTIFICATE_FILE);
    fs::remove_file(&certificate).unwrap();
    let made = Command::new("mkfifo").arg(&certificate).status().unwrap();
    assert!(made.success());
    refused(dir.path(), Kind::BadConfig, &[CERTIFICATE_FILE, "not a regular file"]);
}

#[test]
fn starting_at_once_gives_all_the_same_identity() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("certs");
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let dir = dir.clone();
            std::thread::spawn(move || Identity::load_or_generate(&dir, &names()).unwrap())
        })
        .collect();
    let outcomes: Vec<(Identity, bool)> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|(_, generated)| *generated).count(), 1);
    assert!(outcomes.iter().all(|(identity, _)| identity.pin() == outcomes[0].0.pin()));
}

#[test]
fn half_an_identity_is_never_overwritten() {
    for lost in [KEY_FILE, CERTIFICATE_FILE] {
        let (dir, _) = saved();
        fs::remove_file(dir.path().join(lost)).unwrap();
        let err = Identity::load_or_generate(dir.path(), &names()).unwrap_err();
        assert_eq!(err.kind(), Kind::NotFound);
        assert!(err.text().contains(lost));
    }
}

#[test]
fn keys_of_every_kind_and_format_that_openssl_makes_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let request = "req -x509 -key raw.pem -subj /CN=x -days 9 -addext subjectAltName=DNS:x -out cert.pem";
    for (make, convert) in [
        ("genrsa -traditional -out raw.pem 2048", "rsa -in raw.pem -traditional -out key.pem"),
        ("genpkey -algorithm RSA -out raw.pem", "pkey -in raw.pem -out key.pem"),
        ("ecparam -genkey -name prime256v1 -noout -out raw.pem", "ec -in raw.pem -out key.pem"),
        ("ecparam -genkey -name secp384r1 -out raw.pem", "ec -in raw.pem -out key.pem"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out raw.pem", "pkey -in raw.pem -out key.pem"),
        ("genpkey -algorithm ED25519 -out raw.pem", "pkey -in raw.pem -out key.pem"),
    ] {
        openssl(dir.path(), make);
        openssl(dir.path(), request);
        openssl(dir.path(), convert);
        fs::set_permissions(dir.path().join(KEY_FILE), Permissions::from_mode(0o600)).unwrap();
        let identity = Identity::load(dir.path()).unwrap_or_else(|err| panic!("{make}: {err}"));
        assert_eq!(identity.describe().unwrap().names, ["x"]);

        openssl(dir.path(), "pkey -in key.pem -pubout -outform der -out spki.der");
        let spki = fs::read(dir.path().join("spki.der")).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &spki);
        let expected = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
        assert_eq!(identity.pin().to_string(), format!("sha256//{expected}"));
    }
}

#[test]
fn what_a_killed_process_left_of_a_key_goes_with_the_next_change_or_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let own = Identity::generate(&names()).unwrap();
    own.save(dir.path(), false).unwrap();
    let left = || std::fs::write(dir.path().join(".key.pem.0123456789abcdef"), "a key").unwrap();
    std::fs::write(dir.path().join(".key.pem.mine"), "not ours").unwrap();
    left();
    own.save_certificate(dir.path()).unwrap();
    assert!(Identity::left_in(dir.path()).unwrap().is_empty());
    left();
    assert_eq!(Identity::left_in(dir.path()).unwrap().len(), 1);
    assert_eq!((Identity::sweep(dir.path()).unwrap(), Identity::sweep(dir.path()).unwrap()), (1, 0));
    assert!(dir.path().join(".key.pem.mine").exists());
}

/// A switch is two renames and two removals: it may be killed between any of them.
#[test]
fn a_switch_that_was_cut_off_anywhere_is_completed_by_the_same_again() {
    for steps in 0..=3 {
        let (dir, old) = saved();
        let next = Identity::generate(&names()).unwrap();
        next.save_next(dir.path(), false).unwrap();
        let at = |name: &str| dir.path().join(name);
        if steps > 0 {
            for name in [KEY_FILE, CERTIFICATE_FILE] {
                fs::hard_link(at(name), at(&format!("{name}.old"))).unwrap();
            }
            // A new file each, as it takes the place of one.
            for (from, to) in [("key.next.pem", KEY_FILE), ("cert.next.pem", CERTIFICATE_FILE)].iter().take(steps) {
                fs::copy(at(from), at("staged")).unwrap();
                fs::rename(at("staged"), at(to)).unwrap();
            }
            if steps == 3 {
                fs::remove_file(at("key.next.pem")).unwrap();
            }
        }
        assert_eq!(Identity::is_half_switched(dir.path()), steps > 0, "{steps}");
        let (now, _) = Identity::switch(dir.path()).unwrap();
        assert_eq!((now.pin(), Identity::load(dir.path()).unwrap().pin()), (next.pin(), next.pin()), "{steps}");
        assert_eq!(Identity::next_pin(dir.path()).unwrap(), None, "{steps}");
        // Nothing but the key that was there before is kept as an old one.
        let mut there: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        there.sort();
        assert_eq!(there, ["cert.pem", "cert.pem.old", "key.pem", "key.pem.old"], "{steps}");
        assert_eq!(Identity::load_pair(&at("cert.pem.old"), &at("key.pem.old")).unwrap().pin(), old.pin(), "{steps}");
    }
}

/// As whoever is killed between the two files leaves them.
#[test]
fn a_pair_that_was_broken_off_in_its_middle_is_completed_by_whoever_has_the_lock() {
    let complete: [fn(&Path); 4] = [
        |dir| drop(Identity::load_completed(dir).unwrap()),
        |dir| drop(Identity::load_or_generate(dir, &names()).unwrap()),
        |dir| assert_eq!(Identity::sweep(dir).unwrap(), 1),
        |dir| Identity::generate(&names()).unwrap().save_next(dir, false).unwrap(),
    ];
    for complete in complete {
        for had_certificate in [true, false] {
            let ((dir, _), (other, new)) = (saved(), saved());
            fs::rename(other.path().join(KEY_FILE), dir.path().join(KEY_FILE)).unwrap();
            fs::rename(other.path().join(CERTIFICATE_FILE), dir.path().join(".cert.pem.0123456789abcdef")).unwrap();
            if !had_certificate {
                fs::remove_file(dir.path().join(CERTIFICATE_FILE)).unwrap();
            }
            assert!(Identity::load(dir.path()).is_err() && Identity::is_unfinished(dir.path()));
            complete(dir.path());
            assert_eq!(Identity::load(dir.path()).unwrap().pin(), new.pin());
            assert!(!Identity::is_unfinished(dir.path()) && Identity::left_in(dir.path()).unwrap().is_empty());
        }
    }
}

/// As whoever is killed leaves it who makes the next key.
#[test]
fn a_next_pair_that_was_broken_off_is_completed_too() {
    let ((dir, _), next) = (saved(), Identity::generate(&names()).unwrap());
    next.save_next(dir.path(), false).unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::rename(at("cert.next.pem"), at(".cert.next.pem.0123456789abcdef")).unwrap();
    // One that is replaced has its certificate still.
    for had_certificate in [false, true] {
        if had_certificate {
            fs::rename(at("cert.next.pem"), at(".cert.next.pem.0123456789abcdef")).unwrap();
            fs::copy(at(CERTIFICATE_FILE), at("cert.next.pem")).unwrap();
        }
        assert!(Identity::load_next(dir.path()).is_err() && Identity::is_unfinished(dir.path()));
        Identity::load_completed(dir.path()).unwrap();
        assert_eq!(Identity::load_next(dir.path()).unwrap().pin(), next.pin());
        assert!(!Identity::is_unfinished(dir.path()));
    }
}

/// The same key may get another certificate, of an authority say, as the next pair: it takes its place, and is not thrown away.
#[test]
fn a_next_certificate_of_the_present_key_takes_its_place() {
    let (dir, own) = saved();
    let other = own.renew(&["files.example".to_owned()]).unwrap();
    other.save_next(dir.path(), false).unwrap();
    Identity::switch(dir.path()).unwrap();
    assert_eq!(Identity::load(dir.path()).unwrap().describe().unwrap().names, ["files.example"]);
}

/// A certificate of another key that was left is none that completes anything.
#[test]
fn what_was_left_of_another_key_takes_no_place() {
    let ((dir, own), (other, _)) = (saved(), saved());
    let certificate = fs::read(dir.path().join(CERTIFICATE_FILE)).unwrap();
    fs::rename(other.path().join(CERTIFICATE_FILE), dir.path().join(".cert.pem.0123456789abcdef")).unwrap();
    assert!(!Identity::is_unfinished(dir.path()));
    assert_eq!(Identity::load_completed(dir.path()).unwrap().pin(), own.pin());
    assert_eq!(Identity::sweep(dir.path()).unwrap(), 1);
    assert_eq!(fs::read(dir.path().join(CERTIFICATE_FILE)).unwrap(), certificate);
}

#[test]
fn secrets_nowhere() {
    let (dir, identity) = saved();
    let pem = fs::read_to_string(dir.path().join(KEY_FILE)).unwrap();
    let secret: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let printed = format!("{identity:?} {:?}", identity.describe());
    assert!(secret.iter().all(|line| !printed.contains(line)));
    // A key spoilt by one character is not quoted in the error.
    fs::write(dir.path().join(KEY_FILE), pem.replacen(secret[0], &format!("*{}", secret[0]), 1)).unwrap();
    let err = Identity::load(dir.path()).unwrap_err();
    let printed = format!("{err} {err:?}");
    assert!(secret.iter().all(|line| !printed.contains(line)));
}

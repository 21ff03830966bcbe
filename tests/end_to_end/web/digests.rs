//! Digests that are asked for of what is sent.

use std::fs;
use std::process::Command;

use base64::Engine as _;

use crate::common::web::curl;
use crate::common::{World, enter};

use super::{VERSIONS, noise};

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    format!("sha-256=:{}:", base64::engine::general_purpose::STANDARD.encode(digest))
}

#[test]
fn digests_of_a_file_and_of_a_range_are_given_when_asked_for() {
    let world = World::of(&[]);
    let public = world.home("public");
    let daemon = world.start();
    let repr = ["-H", "Want-Repr-Digest: sha-256=10"];
    let content = ["-H", "Want-Content-Digest: sha-512=0, sha-256=5"];
    for size in [0, 5, 300_000, 3_000_000] {
        let bytes = noise(size);
        fs::write(public.join("f"), &bytes).unwrap();
        for version in VERSIONS {
            let plain = curl(&daemon, &[version], "/f");
            assert_eq!((plain.header("repr-digest"), plain.header("content-digest")), ("", ""));
            let got = curl(&daemon, &[&[version][..], &repr, &content].concat(), "/f");
            assert!(got.status == 200 && got.body == bytes);
            assert_eq!(got.header("repr-digest"), sha256(&bytes), "{size}");
            assert_eq!(got.header("content-digest"), sha256(&bytes), "{size}");
            let head = curl(&daemon, &[&[version, "--head"][..], &repr, &content].concat(), "/f");
            assert_eq!((head.header("repr-digest"), head.header("content-digest")), (&*sha256(&bytes), ""));
        }
        if size < 100 {
            continue;
        }
        let part = curl(&daemon, &[&["-r", "100-199999"][..], &repr, &content].concat(), "/f");
        assert!(part.status == 206 && part.body == bytes[100..200_000]);
        assert_eq!(part.header("repr-digest"), sha256(&bytes), "of the file, whatever is sent of it");
        assert_eq!(part.header("content-digest"), sha256(&bytes[100..200_000]));
        let several = curl(&daemon, &[&["-r", "0-9,20-29"][..], &repr, &content].concat(), "/f");
        assert_eq!((several.status, several.header("content-digest")), (206, ""));
        assert_eq!(several.header("repr-digest"), sha256(&bytes));
        let tag = format!("If-None-Match: {}", part.header("etag"));
        let same = curl(&daemon, &[&["-H", &tag][..], &repr].concat(), "/f");
        assert_eq!((same.status, same.header("repr-digest")), (304, ""));
    }
    // What is not known, or not wanted, is not given; and what is very large is sent without.
    for wish in ["md5=10", "sha-256=0", "nonsense"] {
        let got = curl(&daemon, &["-H", &format!("Want-Repr-Digest: {wish}")], "/f");
        assert_eq!((got.status, got.header("repr-digest")), (200, ""), "{wish}");
    }
    let large = public.join("large");
    fs::File::create(&large).unwrap().set_len(300 * 1024 * 1024).unwrap();
    let got = curl(&daemon, &[&["--head"][..], &repr].concat(), "/large");
    assert_eq!((got.status, got.header("repr-digest")), (200, ""));
    // As another program has it.
    let said = Command::new("sha256sum").arg(public.join("f")).output().unwrap();
    let hex = String::from_utf8(said.stdout).unwrap();
    let given = curl(&daemon, &repr, "/f").header("repr-digest").to_owned();
    let raw = base64::engine::general_purpose::STANDARD.decode(given[9..].trim_end_matches(':')).unwrap();
    assert!(hex.starts_with(&raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
}

#[test]
fn who_may_not_download_gets_no_digest() {
    let world = World::with(&[("lister", "[\"list\"]", "lister")]);
    fs::write(world.home("lister").join("f"), "secret").unwrap();
    let daemon = world.start();
    let login = format!("lister:{}", crate::common::PASSWORD);
    for head in [&[][..], &["--head"]] {
        let args = [&["-u", &login, "-H", "Want-Repr-Digest: sha-256=1"][..], head].concat();
        let got = curl(&daemon, &args, "/~lister/f");
        assert_eq!((got.status, got.header("repr-digest")), (403, ""));
    }
}

#[test]
fn a_file_that_has_rotted_is_there_and_is_no_failure_of_the_server() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("large", &noise(2 << 20)).1, "done");
    let file = fs::File::options().write(true).open(world.home("alice").join("large")).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"rot", 77).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(alice.ask("HASH large").1, "rotten");
    let login = super::alice();
    for version in VERSIONS {
        let got = curl(&daemon, &[version, "-u", &login], "/~alice/large");
        assert_eq!(got.status, 409, "{got:?}");
        assert!(got.text().contains("not those that were stored"), "{}", got.text());
    }
}

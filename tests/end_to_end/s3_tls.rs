//! `sealiftd --store` with a storage that is spoken to over TLS: who vouches for it, and who does not.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::path::Path;

use sealift::files::Hash;
use tempfile::TempDir;

use crate::common::authority::Authority;
use crate::common::moto::{BUCKET, Moto};
use crate::common::{World, bytes, enter, sealiftd, text, upload_bytes};
use crate::s3::world;

/// The options of a server that has this endpoint's bucket, and believes this authority.
fn options(endpoint: &str, authority: &Path) -> Vec<String> {
    let (store, authority) = (format!("s3://{BUCKET}/tls"), authority.to_str().unwrap().to_owned());
    ["--store", &store, "--store-endpoint", endpoint, "--store-keys", "keys", "--store-ca", &authority]
        .map(str::to_owned)
        .to_vec()
}

/// What `sealiftd check` says with these options.
fn checked(world: &World, options: &[String]) -> String {
    let output = sealiftd(world.place()).arg("check").args(options).output().unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_storage_that_an_authority_of_ones_own_vouches_for_is_used_over_tls() {
    let (world, dir) = (world(), TempDir::new().unwrap());
    let authority = Authority::new("the storage's own");
    let (certificate, key) = authority.vouch(&["127.0.0.1"], dir.path());
    let Some(moto) = Moto::start_tls(&certificate, &key) else { return };
    assert!(moto.endpoint.starts_with("https://"));
    let options = options(&moto.endpoint, &authority.save(dir.path(), "authority.pem"));
    let said = checked(&world, &options);
    assert!(said.contains("the storage stores and gives back") && said.contains("0 errors"), "{said}");
    let daemon = world.daemon().args(options.iter().map(String::as_str)).start();
    let mut alice = enter(&daemon, "alice");
    // In one piece, and in parts.
    let large = bytes(17 << 20);
    for (name, bytes) in [("small", &b"small"[..]), ("large", &large)] {
        alice.send(upload_bytes(name, bytes));
        assert_eq!(alice.reply().1, "done", "{name}");
        assert_eq!(alice.ask(format!("HASH {name}")).2["hash"], Hash::of(bytes).to_string());
        assert!(alice.download(name).unwrap() == bytes, "{name}");
    }
}

#[test]
fn a_storage_that_nobody_believed_vouches_for_is_told_nothing() {
    let (world, dir) = (world(), TempDir::new().unwrap());
    let (right, wrong) = (Authority::new("the storage's own"), Authority::new("another"));
    let right_file = right.save(dir.path(), "right.pem");
    let wrong_file = wrong.save(dir.path(), "wrong.pem");
    let refused = |moto: &Moto, authority: &Path, why: &str| {
        let said = checked(&world, &options(&moto.endpoint, authority));
        assert!(said.contains("error: the storage: ") && said.contains(why), "{said}");
        assert!(!said.contains("canary"), "{said}");
    };
    let (certificate, key) = right.vouch(&["127.0.0.1"], dir.path());
    let Some(moto) = Moto::start_tls(&certificate, &key) else { return };
    refused(&moto, &wrong_file, "certificate");
    // The right one vouches for another name.
    let (certificate, key) = right.vouch(&["storage.example"], dir.path());
    let Some(moto) = Moto::start_tls(&certificate, &key) else { return };
    refused(&moto, &right_file, "another name");
}

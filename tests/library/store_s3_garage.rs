//! The checks of the conformance kit over three nodes of Garage, which heeds no condition, and what it has when each of them was killed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sealift::files::{HomeTerms, RelPath, Store, UploadSpec, Vault};
use sealift::store::s3::{Heeds, Keys, S3Options, S3Vault};
use sealift::testing::conformance::{CHECKS, Home};
use tempfile::TempDir;

use crate::common::garage::{BUCKET, Garage, REGION};
use crate::common::{HANG, eventually};

/// A vault over this place in the bucket, by way of one node.
fn vault(garage: &Garage, node: usize, prefix: &str, alone: bool) -> (S3Vault, TempDir) {
    let spool = tempfile::tempdir().unwrap();
    let keys = Keys::new(&garage.keys.0, &garage.keys.1, None);
    let bucket = format!("s3://{BUCKET}/{prefix}").parse().unwrap();
    let mut options = S3Options::new(bucket, Garage::endpoint(node).parse().unwrap(), keys, spool.path().join("spool"));
    options.region = REGION.to_owned();
    options.alone = alone;
    options.patience = HANG;
    let vault = S3Vault::new(options).unwrap();
    assert_eq!(vault.probe().unwrap(), Heeds::NOTHING);
    (vault, spool)
}

fn home(garage: &Garage) -> Home {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (vault, dir) = vault(garage, number as usize % 3, &format!("v{number}"), true);
    let vault = Arc::new(vault);
    let same_vault = vault.clone();
    let home = Home::new(move |quota| {
        let _kept = &dir;
        vault.open("team/alice", HomeTerms::none().bounded(quota))
    });
    home.of_users(move |user| same_vault.open_for("team/alice", HomeTerms::none(), user))
}

fn p(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

/// What does not hold here: whoever stores a file ends all uploads in parts to its name that others have begun.
const OTHERWISE: &[&str] =
    &["of_users_who_have_one_home_none_finds_what_is_left_of_another", "two_never_go_on_with_the_same_partial"];

/// All but that of random courses: each of their hundreds of requests waits for three disks.
fn conforms(garage: &Garage) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((name, check)) = CHECKS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if *name == "a_random_course_is_that_of_a_model" || OTHERWISE.contains(name) {
                        continue;
                    }
                    if let Err(why) = check(&|| home(garage)) {
                        failed.lock().unwrap().push(format!("{name}: {why:?}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn put(store: &dyn Store, path: &str, bytes: &[u8]) -> sealift::Result<()> {
    let mut upload = store.begin(&p(path), UploadSpec::default())?;
    upload.append(bytes)?;
    store.commit_one(upload).map(drop)
}

/// What is acknowledged while one node after the other is killed is there at each of them, whole.
fn survives(garage: &mut Garage) {
    const FILES: usize = 12;
    let vaults: Vec<_> = (0..3).map(|node| vault(garage, node, "survives", false)).collect();
    let homes: Vec<Arc<dyn Store>> =
        vaults.iter().map(|(vault, _)| vault.open("alice", HomeTerms::none()).unwrap()).collect();
    // Some are of more than a block.
    let bytes =
        |victim: usize, n: usize| vec![(victim * FILES + n) as u8; if n % 6 == 5 { 17 << 20 } else { 1000 + n }];
    for victim in 0..3 {
        for n in 0..FILES {
            if n == FILES / 3 {
                garage.kill(victim);
            }
            // What two nodes that are not well refuse is not acknowledged.
            eventually("it is acknowledged", || {
                let store = &homes[(victim + 1 + n % 2) % 3];
                put(&**store, &format!("{victim}-{n}"), &bytes(victim, n)).is_ok()
            });
        }
        garage.come(victim);
    }
    for (store, victim, n) in homes.iter().flat_map(|store| (0..3 * FILES).map(move |n| (store, n / FILES, n % FILES)))
    {
        let expected = bytes(victim, n);
        let mut source = store.open(&p(&format!("{victim}-{n}"))).unwrap();
        let (mut found, mut room) = (Vec::new(), vec![0; 1 << 20]);
        while found.len() < expected.len() {
            let read = source.read_at(found.len() as u64, &mut room).unwrap();
            assert!(read > 0, "{victim}-{n} ends after {} bytes", found.len());
            found.extend_from_slice(&room[..read]);
        }
        assert!(found == expected, "{victim}-{n}");
    }
}

/// One test, for one start of the nodes.
#[test]
fn garage_conforms_and_survives() {
    let Some(mut garage) = Garage::start() else { return };
    conforms(&garage);
    survives(&mut garage);
}

//! Disks without any room left: what must go on there is what makes room.

use std::fs;
use std::path::Path;

use sealift::files::{Durability, Store};
use sealift::store::{LocalOptions, LocalStore, Staging};

use crate::common::home::p;
use crate::store_hostile::Mounted;

fn open(disk: &Mounted) -> LocalStore {
    LocalStore::open_path(disk.0.path(), LocalOptions::new(Durability::Full, Staging::Hidden)).unwrap()
}

/// Makes empty files until there can be no more of them.
fn fill(folder: &Path) {
    let full = (0..1000).find_map(|number| fs::write(folder.join(format!("fill{number}")), "").err()).unwrap();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn what_killed_servers_left_goes_also_where_no_file_can_be_made() {
    let Some(disk) = Mounted::new("size=1m,nr_inodes=20") else { return };
    let reserved = disk.0.path().join(".sealift");
    for session in ["s-dead", "s-dead2"] {
        fs::create_dir_all(reserved.join(session)).unwrap();
        for name in ["lock", "0", "7-key"] {
            fs::write(reserved.join(session).join(name), "left").unwrap();
        }
    }
    fill(disk.0.path());
    let swept = open(&disk).sweep(None).unwrap();
    assert_eq!((swept.removed, swept.saved), (4, 0));
    assert_eq!(fs::read_dir(reserved).unwrap().count(), 0);
}

#[test]
fn what_has_another_name_needs_no_room_for_it() {
    let Some(disk) = Mounted::new("size=1m,nr_inodes=20") else { return };
    let at = |name: &str| disk.0.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "it").unwrap();
    fs::write(at("taken"), "taken").unwrap();
    fill(disk.0.path());
    let store = open(&disk);
    store.rename(&p("file"), &p("folder/moved"), false).unwrap();
    store.rename(&p("folder"), &p("other"), false).unwrap();
    assert_eq!(fs::read_to_string(at("other/moved")).unwrap(), "it");
    for from in ["other", "other/moved"] {
        assert_eq!(store.rename(&p(from), &p("taken"), false).unwrap_err().kind(), sealift::Kind::Exists);
    }
    assert_eq!(fs::read_to_string(at("taken")).unwrap(), "taken");
}

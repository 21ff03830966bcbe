use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Instant, UNIX_EPOCH};

use super::*;

#[test]
fn a_missing_data_directory_is_made_for_the_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a/b");
    let homes = LocalVault::open(&data, Durability::Full).unwrap();
    homes.prepare("team/public").unwrap();
    homes.prepare("team/public").unwrap();
    assert!(data.join("team/public").is_dir());
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_elsewhere_has_one_lock_by_whatever_path_it_is_reached() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, link) = (dir.path().join("folder"), dir.path().join("link"));
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    let node = |name: &str| {
        LocalVault::open_shared(&dir.path().join("data"), Durability::None, &name.parse().unwrap()).unwrap()
    };
    let (one, other) = (node("one"), node("other"));
    let tree = |vault: &LocalVault, path: &Path| Arc::clone(&vault.root_elsewhere(path).unwrap().place().tree);
    let trees = [tree(&one, &folder), tree(&one, &link), tree(&other, &link)];
    assert!(Arc::ptr_eq(&trees[0], &trees[1]) && !Arc::ptr_eq(&trees[0], &trees[2]));
    // Where nothing is changed nothing is made.
    assert!(!folder.join(".sealift").exists());
    let store = other.open_folder(&Location::Elsewhere(link), HomeTerms::default()).unwrap();
    store.make_dir(&RelPath::parse(b"made").unwrap(), false).unwrap();
    store.remove(&RelPath::parse(b"made").unwrap(), false).unwrap();
    assert!(folder.join(".sealift/trees/itself").exists());
    // Nobody has it alone meanwhile.
    assert_eq!(
        LocalVault::open(&dir.path().join("data"), Durability::None).err().map(|error| error.kind()),
        Some(Kind::Busy)
    );
}

#[test]
fn one_server_at_a_time_has_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = LocalVault::open(dir.path(), Durability::Full).unwrap();
    let refused = LocalVault::open(dir.path(), Durability::Full).err().unwrap();
    assert_eq!(refused.kind(), Kind::Busy);
    drop(first);
    LocalVault::open(dir.path(), Durability::Full).unwrap();
}

#[test]
fn sessions_of_one_home_share_its_root_and_what_has_its_name_is_it() {
    let dir = tempfile::tempdir().unwrap();
    let homes = LocalVault::open(dir.path(), Durability::None).unwrap();
    let first = homes.root_of("alice").unwrap();
    assert!(Arc::ptr_eq(&first, &homes.root_of("alice").unwrap()));
    assert!(!Arc::ptr_eq(&first, &homes.root_of("bob").unwrap()));
    let old = first.dir().unwrap();
    fs::rename(dir.path().join("alice"), dir.path().join("old")).unwrap();
    let second = homes.root_of("alice").unwrap();
    assert!(!is_same(&old, &second.dir().unwrap()));
    assert!(dir.path().join("alice").is_dir());
    // Whoever was there before sees it at once if a session did it, and else soon.
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_same(&old, &first.dir().unwrap()) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(is_same(&first.dir().unwrap(), &second.dir().unwrap()));
    drop((first, second));
    homes.root_of("carol").unwrap();
    assert_eq!(homes.roots.lock().len(), 1);
}

#[test]
fn a_home_that_is_a_link_out_of_the_data_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let homes = LocalVault::open(&data, Durability::Full).unwrap();
    std::os::unix::fs::symlink("..", data.join("out")).unwrap();
    std::os::unix::fs::symlink("../made", data.join("new")).unwrap();
    homes.prepare("out").unwrap_err();
    homes.prepare("new").unwrap_err();
    look_at_home(&data, "out").unwrap_err();
    look_at_home(&data, "new").unwrap_err();
    assert!(!look_at_home(&data, "neither/there").unwrap());
    homes.prepare("there").unwrap();
    assert!(look_at_home(&data, "there").unwrap());
    assert!(!dir.path().join("made").exists());
}

#[test]
fn a_home_below_another_folder_is_opened_by_no_link_but_one_right_in_the_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let homes = LocalVault::open(dir.path(), Durability::None).unwrap();
    for folder in ["bob/in", "team", "groups"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let link = |text: &str, at: &str| std::os::unix::fs::symlink(text, dir.path().join(at)).unwrap();
    link("../bob", "team/alice");
    link("../bob", "groups/team");
    for home in ["team/alice", "groups/team", "groups/team/in", "team/alice/in", "groups/team/new"] {
        assert_eq!(homes.prepare(home).unwrap_err().kind(), Kind::Io, "{home}");
        let opened = homes.open(home, HomeTerms::default());
        assert_eq!(opened.map(drop).unwrap_err().kind(), Kind::Io, "{home}");
        let opened = homes.open_folder(&Location::Below(home.to_owned()), HomeTerms::default());
        assert_eq!(opened.map(drop).unwrap_err().kind(), Kind::Io, "{home}");
        assert_eq!(look_at_home(dir.path(), home).unwrap_err().kind(), Kind::Io, "{home}");
        homes.sweep(home, None).map(drop).unwrap_err();
        homes.sweep_trash(&Location::Below(home.to_owned()), Duration::ZERO).unwrap_err();
    }
    assert!(!dir.path().join("bob/new").exists());
    // Right in the data directory only the administrator puts one, which is another name of a folder there.
    link("linked-too", "linked");
    link("./bob", "linked-too");
    let is_bob = |home: &str, at: &str| {
        let root = homes.root_of(home).unwrap();
        assert_eq!(root.place().folder, at.as_bytes(), "{home}");
        assert!(look_at_home(dir.path(), home).unwrap(), "{home}");
        assert!(is_same(&root.dir().unwrap(), &homes.root_of(at).unwrap().dir().unwrap()), "{home}");
    };
    is_bob("linked", "bob");
    is_bob("linked/in", "bob/in");
    link(".", "all");
    link("round", "round");
    for home in ["all", "round"] {
        homes.prepare(home).unwrap_err();
        look_at_home(dir.path(), home).unwrap_err();
    }
}

#[test]
fn one_of_several_sweeps_nothing_by_its_age_before_it_has_heard_what_the_others_clocks_show() {
    let dir = tempfile::tempdir().unwrap();
    let node = |name: &str| LocalVault::open_shared(dir.path(), Durability::None, &name.parse().unwrap()).unwrap();
    let (one, other) = (node("one"), node("other"));
    // What its own clock takes for old may be of today.
    let partial = dir.path().join("alice").join(limits::RESERVED_NAME).join("p-0000000000000001");
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::File::create(&partial).unwrap().set_modified(UNIX_EPOCH).unwrap();
    let sweep = || other.sweep("alice", Some(limits::PARTIAL_MAX_AGE)).unwrap().removed;
    assert_eq!((sweep(), partial.exists()), (0, true), "nobody was heard yet");
    let deadline = Instant::now() + Duration::from_secs(60);
    while sweep() == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(100));
        one.beat().and(other.beat()).unwrap();
    }
    assert!(!partial.exists());
}

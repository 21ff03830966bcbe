use cap_std::ambient_authority;

use super::*;

fn take(data: &Path) -> Result<Occupancy> {
    Occupancy::take(&Dir::open_ambient_dir(data, ambient_authority()).unwrap(), data)
}

fn write(data: &Path, owner: &Owner) {
    owner.write(&lock_file(&Dir::open_ambient_dir(data, ambient_authority()).unwrap()).unwrap()).unwrap();
}

#[test]
fn a_process_that_was_killed_and_is_not_reaped_has_nothing_and_one_that_lives_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    write(dir.path(), &Owner::of(pid));
    let refused = take(dir.path()).unwrap_err();
    assert!(refused.kind() == Kind::Busy && refused.text().ends_with(&format!("process {pid}")), "{refused}");
    child.kill().unwrap();
    // Nobody waits for it.
    drop(take(dir.path()).unwrap());
    child.wait().unwrap();
}

#[test]
fn a_lock_that_is_given_up_a_moment_later_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let first = take(dir.path()).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| take(dir.path()).map(drop));
        std::thread::sleep(limits::LOCK_LOOK * 3 / 2);
        drop(first);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn what_a_process_says_of_itself_is_believed_while_it_has_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let said = |text: &str| Some(text.to_owned());
    let server = take(dir.path()).unwrap();
    assert_eq!(note_of(dir.path()), said(""));
    server.leave_note("two\nlines\n").unwrap();
    assert_eq!(note_of(dir.path()), said("two\nlines\n"));
    let file = dir.path().join(".sealift/server.state");
    let left = std::fs::read(&file).unwrap();
    drop(server);
    assert!(!file.exists() && note_of(dir.path()).is_none());
    // Left by one that was killed.
    std::fs::write(&file, left).unwrap();
    assert_eq!(note_of(dir.path()), None);
    let server = take(dir.path()).unwrap();
    assert_eq!(note_of(dir.path()), said(""));
    server.leave_note("another").unwrap();
    server.leave_note("").unwrap();
    assert!(!file.exists());
}

#[test]
fn a_process_that_lives_is_believed_without_its_lock_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    write(data, &Owner::own());
    assert_eq!(take(data).unwrap_err().kind(), Kind::Busy);
    assert!(is_taken(File::open(data).unwrap()));
    for other in [
        Owner { began: "1".to_owned(), ..Owner::own() },
        Owner { boot: "another".to_owned(), ..Owner::own() },
        Owner { namespace: "another".to_owned(), ..Owner::own() },
        Owner { pid: i32::MAX, ..Owner::own() },
    ] {
        write(data, &other);
        drop(take(data).unwrap());
    }
    assert!(!is_taken(File::open(data).unwrap()));
}

#[test]
fn nodes_that_were_killed_elsewhere_are_watched_by_the_first_one_who_starts_alone() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = dir.path().join(".sealift/nodes");
    std::fs::create_dir_all(&nodes).unwrap();
    let elsewhere = Owner { boot: "another".to_owned(), beat: Some(7), ..Owner::own() };
    elsewhere.write(&File::create(nodes.join("a")).unwrap()).unwrap();
    drop(take(dir.path()).unwrap());
    assert_eq!(std::fs::read_dir(nodes).unwrap().count(), 0);
}

#[test]
fn a_process_elsewhere_is_believed_while_it_goes_on_saying_that_it_lives() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let elsewhere = |beat| Owner { boot: "another".to_owned(), beat: Some(beat), ..Owner::own() };
    // As where its lock is not seen.
    write(data, &elsewhere(7));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| take(data).map(drop));
        for beat in 8.. {
            if second.is_finished() {
                break;
            }
            std::thread::sleep(limits::LOCK_PAUSE);
            write(data, &elsewhere(beat));
        }
        let refused = second.join().unwrap().unwrap_err();
        assert!(refused.kind() == Kind::Busy && refused.text().contains("on another machine"), "{refused}");
    });
    // It ended without a word.
    drop(take(data).unwrap());
    write(data, &Owner { beat: None, ..elsewhere(0) });
    drop(take(data).unwrap());
}

#[test]
fn beats_are_told_where_others_may_not_see_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = take(dir.path()).unwrap();
    let beat = || Owner::read(&mut lock_file(&server.root).unwrap()).unwrap().beat;
    assert_eq!(beat(), None, "everybody is on this machine");
    server.beat().unwrap();
    assert_eq!((server.beats(), beat()), (None, None));
    server.beats = Some(Beats::of(Owner::own()));
    server.beat().unwrap();
    server.beat().unwrap();
    let beat = Owner::read(&mut lock_file(&server.root).unwrap()).unwrap().beat;
    assert_eq!((server.beats(), beat), (Some(limits::BEAT_PAUSE), Some(1)));
}

/// Takes the folder by an account that is not root.
fn take_without_rights(data: &Path) -> Result<Occupancy> {
    let root = Dir::open_ambient_dir(data, ambient_authority()).unwrap();
    let taken = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                // Of this thread alone.
                let nobody = rustix::process::Uid::from_raw(65534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            Occupancy::take(&root, data)
        });
        other.join()
    });
    taken.unwrap()
}

#[test]
fn a_lock_that_this_account_may_not_open_is_believed_and_a_folder_that_was_never_served_needs_none() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let allow = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    allow(data, 0o555);
    let unwritable = take_without_rights(data).unwrap();
    assert!(!unwritable.writable && !data.join(limits::RESERVED_NAME).exists());
    drop(unwritable);

    allow(data, 0o755);
    let first = take(data).unwrap();
    allow(&data.join(limits::RESERVED_NAME), 0);
    let refused = take_without_rights(data).unwrap_err();
    assert_eq!(refused.kind(), Kind::Denied, "{refused}");
    assert!(refused.text().contains(limits::RESERVED_NAME), "{refused}");
    drop(first);
    allow(&data.join(limits::RESERVED_NAME), 0o700);
}

#[test]
fn a_directory_inside_a_served_one_or_around_one_is_refused_by_whatever_path() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("alice/deep/data");
    std::fs::create_dir_all(&inner).unwrap();
    std::os::unix::fs::symlink(&inner, dir.path().join("link")).unwrap();
    let outer = take(dir.path()).unwrap();
    for path in [inner.clone(), dir.path().join("link"), inner.join("missing")] {
        let refused = refuse_inside(&path).unwrap_err();
        assert!(refused.kind() == Kind::Busy && refused.text().contains("lies inside"), "{refused}");
    }
    refuse_inside(dir.path()).unwrap();
    drop(outer);
    refuse_inside(&inner).unwrap();

    // The other way round, however deep.
    refuse_around(dir.path()).unwrap();
    let held = take(&inner).unwrap();
    let refused = refuse_around(dir.path()).unwrap_err();
    assert!(refused.kind() == Kind::Busy && refused.text().contains("alice/deep/data inside of it"), "{refused}");
    refuse_around(&inner).unwrap();
    drop(held);
    refuse_around(dir.path()).unwrap();
}

#[test]
fn one_of_several_that_cannot_tell_for_long_whether_it_has_its_place_is_not_shown_as_one_that_has() {
    let dir = tempfile::tempdir().unwrap();
    let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
    let node = Occupancy::share(&root, dir.path(), &"a".parse().unwrap()).unwrap();
    // Nobody looks, as where no call of the file system comes back.
    let comes = |place, meanwhile: &dyn Fn()| {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while node.place() != Some(place) {
            assert!(std::time::Instant::now() < deadline, "{:?}", node.place());
            std::thread::sleep(limits::LOCK_PAUSE);
            meanwhile();
        }
    };
    comes(NodePlace::Lost, &|| {});
    comes(NodePlace::Held, &|| drop(node.beat().unwrap()));
}

/// As one that only tries what the file system can do, when it is done before there is anything else.
#[test]
fn a_hidden_place_that_another_one_takes_away_again_is_made_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
    let (hidden, is_over) = (dir.path().join(limits::RESERVED_NAME), std::sync::atomic::AtomicBool::new(false));
    // The other one takes it away once in each round, as one that is done does.
    let round = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut taken = 0;
            while !is_over.load(Ordering::Relaxed) {
                let now = round.load(Ordering::Relaxed);
                if taken < now && std::fs::remove_dir(&hidden).is_ok() {
                    taken = now;
                }
            }
        });
        let failed = (1..=2000).find_map(|now| {
            round.store(now, Ordering::Relaxed);
            let opened = lock_file(&root).err();
            let _there_if_it_was_opened = std::fs::remove_file(hidden.join(LOCK));
            opened
        });
        is_over.store(true, Ordering::Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}

use cap_std::ambient_authority;

use super::*;

/// The file system gave its lock to another server when it could not be reached.
#[test]
fn one_whose_name_another_server_has_taken_meanwhile_changes_nothing_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
    let node = Node::join(&root, dir.path(), &"a".parse().unwrap()).unwrap();
    let say = || node.say(|_| Ok(())).map_err(|err| err.kind());
    assert_eq!(say(), Ok(()));
    flock(&**node.file.lock(), FlockOperation::Unlock).unwrap();
    let other = open(&node.folder, "a", OFlags::empty()).unwrap();
    flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    for _ in 0..limits::NODE_REPLACED {
        assert_eq!(say(), Err(io::ErrorKind::Other));
        assert_eq!((node.standing.check().is_err(), node.place()), (true, NodePlace::Lost));
    }
    assert_eq!(say(), Err(io::ErrorKind::AddrInUse));
    // The other one ends before this one has.
    drop(other);
    assert_eq!((say(), node.standing.check().unwrap(), node.place()), (Ok(()), 1, NodePlace::Held));
}

/// Each of them may have it for a moment, and is no other server of that name.
#[test]
fn one_that_has_lost_its_lock_notices_that_while_others_look() {
    let dir = tempfile::tempdir().unwrap();
    let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
    let node = Node::join(&root, dir.path(), &"a".parse().unwrap()).unwrap();
    assert!(matches!(look(&node.folder, &node.name).unwrap(), Found::Locked));
    flock(&**node.file.lock(), FlockOperation::Unlock).unwrap();
    let looking = look(&node.folder, &node.name).unwrap();
    assert!(matches!(looking, Found::Free(..)) && matches!(look(&node.folder, &node.name).unwrap(), Found::Free(..)));
    assert!(!node.standing.prove().unwrap());
    drop(looking);
    node.say(|_| Ok(())).unwrap();
    assert!(matches!(look(&node.folder, &node.name).unwrap(), Found::Locked));
}

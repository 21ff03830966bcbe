//! What others do, and what counts, while a tree of files is moved from one shared folder to another by somebody whose it becomes.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::files::{SeenAt, Stored, UploadSpec};

const KIB: u64 = 1024;

/// Nothing is asserted about how long it takes, but a test is to end.
const END: Duration = Duration::from_secs(60);

/// A user's home, and what that user sees of the two shared folders.
#[derive(Clone)]
struct User {
    home: Arc<dyn Store>,
    team: Arc<dyn Store>,
    keeps: Arc<dyn Store>,
}

fn user(vault: &LocalVault, name: &str, quota: u64) -> User {
    let terms = HomeTerms::none().bounded(Some(quota));
    let folder = |folder: &str| {
        let folder = Location::Below(folder.to_owned());
        vault.open_folder_for(&folder, HomeTerms::none(), &Owner::new(name, terms)).unwrap()
    };
    User { home: vault.open(name, terms).unwrap(), team: folder("team"), keeps: folder("keeps") }
}

impl User {
    fn used(&self) -> u64 {
        self.home.usage().unwrap().unwrap().used
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn put(store: &Arc<dyn Store>, to: &str) -> Result<()> {
    let mut upload = store.begin(&path(to), UploadSpec::default())?;
    upload.append(&[7; KIB as usize])?;
    store.commit_one(upload).map(drop)
}

/// A hundred files of alice's in three folders, and ten of bob's among them; nothing where the file system keeps no owners.
fn world(quotas: (u64, u64)) -> Option<(tempfile::TempDir, LocalVault, User, User)> {
    durable_world(quotas, Durability::None)
}

fn durable_world(quotas: (u64, u64), durability: Durability) -> Option<(tempfile::TempDir, LocalVault, User, User)> {
    let dir = tempfile::tempdir().unwrap();
    let vault = LocalVault::open(dir.path(), durability).unwrap();
    let (alice, bob) = (user(&vault, "alice", quotas.0), user(&vault, "bob", quotas.1));
    ["tree/a", "tree/b", "tree/c"].iter().for_each(|folder| alice.team.make_dir(&path(folder), true).unwrap());
    for number in 0..100 {
        put(&alice.team, &format!("tree/{}/{number}", ["a", "b", "c"][number % 3])).unwrap();
    }
    (0..10).for_each(|number| put(&bob.team, &format!("tree/b/bob{number}")).unwrap());
    (alice.used() == 100 * KIB).then_some((dir, vault, alice, bob))
}

fn move_it(by: &User, to: &str) -> Result<Stored> {
    by.keeps.rename_from(&*by.team, &path("tree"), &path(to), false, &SeenAt::ANYTHING)
}

/// Has this done by somebody else before the batch of this number of files that are marked, and says how many batches there were.
fn before_batch(vault: &LocalVault, number: usize, work: impl Fn() + Send + Sync + 'static) -> Arc<AtomicUsize> {
    let (calls, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
    let counted = Arc::clone(&calls);
    let hook = move || {
        if counted.fetch_add(1, Ordering::SeqCst) == number {
            let (work, (done, is_done)) = (Arc::clone(&work), mpsc::channel());
            let other = thread::spawn(move || {
                work();
                done.send(()).unwrap();
            });
            is_done.recv_timeout(END).expect("somebody else gets through");
            other.join().unwrap();
        }
    };
    *tree(vault).between_batches.lock() = Some(Arc::new(hook));
    calls
}

fn tree(vault: &LocalVault) -> Arc<crate::store::local::Tree> {
    Arc::clone(&vault.root_at(&Location::Below("team".to_owned())).unwrap().place().tree)
}

/// What counts is what whoever comes next finds.
fn assert_counts((dir, vault, alice, bob): (tempfile::TempDir, LocalVault, User, User)) {
    let used = (alice.used(), bob.used());
    drop((vault, alice, bob));
    let vault = LocalVault::open(dir.path(), Durability::None).unwrap();
    let again = (user(&vault, "alice", 1 << 30), user(&vault, "bob", 1 << 30));
    assert_eq!(used, (again.0.used(), again.1.used()));
}

#[test]
fn others_get_through_while_a_long_tree_is_marked_and_all_counts_as_before_until_it_is_moved() {
    let Some((dir, vault, alice, bob)) = world((200 * KIB, 200 * KIB)) else { return };
    let others = (alice.clone(), bob.clone());
    let calls = before_batch(&vault, 2, move || {
        let (alice, bob) = &others;
        // Some of it says by now that it is bob's.
        assert_eq!((alice.used(), bob.used()), (100 * KIB, 10 * KIB));
        for store in [&alice.team, &alice.keeps, &bob.team] {
            put(store, "new").unwrap();
            put(store, "new").unwrap();
        }
        alice.team.rename(&path("new"), &path("newer"), false).unwrap();
        alice.team.make_dir(&path("folder"), false).unwrap();
        alice.team.remove(&path("folder"), false).unwrap();
        // It replaced what was alice's.
        assert_eq!((alice.used(), bob.used()), (101 * KIB, 11 * KIB));
    });
    assert_eq!(move_it(&bob, "tree").unwrap(), Stored::Created);
    // Nothing has changed in the tree itself: each of its folders is gone through once, in two batches.
    assert_eq!(calls.load(Ordering::SeqCst), 6);
    assert_eq!((alice.used(), bob.used()), (KIB, 111 * KIB));
    assert_counts((dir, vault, alice, bob));
}

#[test]
fn what_others_change_in_a_tree_while_it_is_marked_counts_to_the_byte() {
    for number in 0..5 {
        let Some((dir, vault, alice, bob)) = world((200 * KIB, 200 * KIB)) else { return };
        let other = alice.clone();
        before_batch(&vault, number, move || {
            // Of each folder some is marked by now and some not.
            for number in 0..30 {
                let at = format!("tree/{}/{number}", ["a", "b", "c"][number % 3]);
                match number / 3 % 3 {
                    0 => drop(other.team.remove(&path(&at), false).unwrap()),
                    1 => put(&other.team, &at).unwrap(),
                    _ => drop(other.team.rename(&path(&at), &path(&format!("left{number}")), false).unwrap()),
                }
            }
            (0..5).for_each(|number| put(&other.team, &format!("tree/a/new{number}")).unwrap());
            other.team.rename(&path("tree/c"), &path("tree/b/c"), false).unwrap();
        });
        assert_eq!(move_it(&bob, "tree").unwrap(), Stored::Created);
        assert!(bob.keeps.stat(&path("tree/b/c/50")).is_ok());
        assert_counts((dir, vault, alice, bob));
    }
}

#[test]
fn a_tree_that_cannot_be_moved_after_it_was_marked_is_whose_it_was() {
    let Some((dir, vault, alice, bob)) = world((200 * KIB, 200 * KIB)) else { return };
    let other = alice.clone();
    before_batch(&vault, 3, move || put(&other.keeps, "tree").unwrap());
    assert_eq!(move_it(&bob, "tree").unwrap_err().kind(), Kind::Exists);
    assert_eq!((alice.used(), bob.used()), (101 * KIB, 10 * KIB));
    assert_counts((dir, vault, alice, bob));
}

#[test]
fn what_comes_while_a_tree_is_marked_that_cannot_be_moved_is_whose_it_is() {
    let Some((dir, vault, alice, bob)) = world((200 * KIB, 200 * KIB)) else { return };
    let others = (alice.clone(), bob.clone());
    before_batch(&vault, 5, move || {
        let (alice, bob) = &others;
        // The file system may give their numbers to those that come.
        (0..60).for_each(|number| {
            let at = path(&format!("tree/{}/{number}", ["a", "b", "c"][number % 3]));
            alice.team.remove(&at, false).unwrap();
        });
        (0..60).for_each(|number| put(&bob.team, &format!("tree/a/new{number}")).unwrap());
        put(&alice.keeps, "tree").unwrap();
    });
    assert_eq!(move_it(&bob, "tree").unwrap_err().kind(), Kind::Exists);
    assert_eq!((alice.used() / KIB, bob.used() / KIB), (41, 70));
    assert_counts((dir, vault, alice, bob));
}

#[test]
fn of_two_who_cannot_move_one_tree_neither_has_any_of_it() {
    let Some((dir, vault, alice, bob)) = world((200 * KIB, 200 * KIB)) else { return };
    let carol = user(&vault, "carol", 200 * KIB);
    put(&alice.keeps, "other").unwrap();
    // That something else is there is seen when all is marked.
    let cannot = |by: &User, to: &str| {
        let seen = SeenAt { path: None, other: Some(by.keeps.seen(&path("other")).unwrap()) };
        by.keeps.rename_from(&*by.team, &path("tree"), &path(to), false, &seen).unwrap_err().kind()
    };
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let failed = [(&bob, "by-bob"), (&carol, "by-carol")].map(|(by, to)| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                cannot(by, to)
            })
        });
        failed.into_iter().for_each(|failed| assert_eq!(failed.join().unwrap(), Kind::Changed));
    });
    assert_eq!((alice.used() / KIB, bob.used() / KIB, carol.used()), (101, 10, 0));
    drop(carol);
    assert_counts((dir, vault, alice, bob));
}

#[test]
fn a_tree_that_gets_another_name_while_it_is_marked_is_whose_it_was() {
    for (number, to) in [(1, "elsewhere"), (3, "folder/tree"), (5, "elsewhere")] {
        let Some((dir, vault, alice, bob)) = world((200 * KIB, 200 * KIB)) else { return };
        alice.team.make_dir(&path("folder"), false).unwrap();
        let other = alice.clone();
        before_batch(&vault, number, move || {
            other.team.rename(&path("tree"), &path(to), false).unwrap();
            if number == 3 {
                other.team.make_dir(&path("tree"), false).unwrap();
            }
        });
        let expected = if number == 3 { Kind::Changed } else { Kind::NotFound };
        assert_eq!(move_it(&bob, "tree").unwrap_err().kind(), expected);
        assert_eq!((alice.used(), bob.used()), (100 * KIB, 10 * KIB));
        assert_counts((dir, vault, alice, bob));
    }
}

#[test]
fn no_room_comes_of_marking() {
    let Some((dir, vault, alice, bob)) = world((100 * KIB, 110 * KIB)) else { return };
    let others = (alice.clone(), bob.clone());
    before_batch(&vault, 3, move || {
        let kind = |put: Result<()>| put.unwrap_err().kind();
        assert_eq!(kind(put(&others.0.team, "more")), Kind::Quota);
        assert_eq!(kind(put(&others.1.keeps, "more")), Kind::Quota);
    });
    assert_eq!(move_it(&bob, "tree").unwrap(), Stored::Created);
    assert_eq!(put(&bob.team, "more").unwrap_err().kind(), Kind::Quota);
    put(&alice.team, "more").unwrap();
    assert_counts((dir, vault, alice, bob));
}

#[test]
fn what_was_moved_counts_for_the_mover_from_the_moment_that_it_is_there() {
    let Some((dir, vault, alice, bob)) = world((200 * KIB, 230 * KIB)) else { return };
    (0..120).for_each(|number| put(&bob.team, &format!("own{number}")).unwrap());
    let others = (alice.clone(), bob.clone());
    let (seen, sees) = mpsc::channel();
    let hook = move || {
        let (alice, bob) = &others;
        let refused = put(&bob.home, "more").map_err(|error| error.kind());
        seen.send((alice.used() / KIB, bob.used() / KIB, refused)).unwrap();
    };
    let keeps = Arc::clone(&vault.root_at(&Location::Below("keeps".to_owned())).unwrap().place().tree);
    *keeps.behind_a_move.lock() = Some(Arc::new(hook));
    assert_eq!(move_it(&bob, "tree").unwrap(), Stored::Created);
    assert_eq!(sees.try_recv(), Ok((0, 230, Err(Kind::Quota))));
    assert_eq!((alice.used(), bob.used()), (0, 230 * KIB));
    assert_counts((dir, vault, alice, bob));
}

/// Everybody who keeps what is deleted has a home with a kibibyte in its trash that has to go for what comes.
fn with_a_full_trash(quota: u64) -> (tempfile::TempDir, User) {
    let dir = tempfile::tempdir().unwrap();
    let vault = LocalVault::open(dir.path(), Durability::None).unwrap();
    let keeping = HomeTerms::none().bounded(Some(quota)).keeping(Some(END));
    let team = |name: &str| {
        let owner = Owner::new(name, HomeTerms::none().bounded(Some(1 << 20)));
        vault.open_folder_for(&Location::Below("team".to_owned()), HomeTerms::none(), &owner).unwrap()
    };
    let home = vault.open("alice", keeping).unwrap();
    let bob = team("bob");
    bob.make_dir(&path("folder"), false).unwrap();
    put(&bob, "folder/one").unwrap();
    put(&bob, "f").unwrap();
    put(&home, "old").unwrap();
    home.remove(&path("old"), false).unwrap();
    (dir, User { home, keeps: Arc::clone(&bob), team: team("alice") })
}

fn in_the_trash(user: &User) -> usize {
    user.home.trash(&RelPath::root(), 9, &|_| true).unwrap().entries.len()
}

#[test]
fn nothing_goes_from_the_trash_for_what_will_not_be_moved() {
    let (_dir, alice) = with_a_full_trash(KIB);
    alice.home.make_dir(&path("there"), false).unwrap();
    let seen = SeenAt { path: Some(alice.team.seen(&path("folder/one")).unwrap()), other: None };
    let moved = |from: &str, to: &str, seen: &SeenAt| {
        alice.home.rename_from(&*alice.team, &path(from), &path(to), true, seen).map_err(|error| error.kind())
    };
    assert_eq!(moved("f", "there", &SeenAt::ANYTHING), Err(Kind::IsDirectory));
    assert_eq!(moved("folder", "there", &SeenAt::ANYTHING), Err(Kind::Exists));
    assert_eq!(moved("f", "new", &seen), Err(Kind::Changed));
    assert_eq!(in_the_trash(&alice), 1);
    // What is moved has it go.
    assert_eq!(moved("f", "new", &SeenAt::ANYTHING), Ok(Stored::Created));
    assert_eq!(in_the_trash(&alice), 0);
}

#[test]
fn nothing_goes_from_the_trash_for_an_upload_that_has_no_place_any_more() {
    let (_dir, alice) = with_a_full_trash(KIB);
    alice.home.make_dir(&path("dir"), false).unwrap();
    let upload = |to: &str| {
        let mut upload = alice.home.begin(&path(to), UploadSpec::default()).unwrap();
        upload.append(&[7; KIB as usize]).unwrap();
        upload
    };
    let stored = |upload| alice.home.commit_one(upload).map(drop).map_err(|error| error.kind());
    let lost = upload("dir/x");
    alice.home.remove(&path("dir"), false).unwrap();
    assert_eq!(stored(lost), Err(Kind::NotFound));
    let taken = upload("x");
    alice.home.make_dir(&path("x"), false).unwrap();
    assert_eq!(stored(taken), Err(Kind::IsDirectory));
    assert_eq!(in_the_trash(&alice), 1);
    assert_eq!(stored(upload("y")), Ok(()));
    assert_eq!(in_the_trash(&alice), 0);
}

#[test]
fn of_two_who_move_one_tree_one_has_it() {
    let Some((dir, vault, alice, bob)) = world((300 * KIB, 300 * KIB)) else { return };
    let carol = user(&vault, "carol", 300 * KIB);
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let moved = [(&bob, "by-bob"), (&carol, "by-carol")].map(|(by, to)| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                move_it(by, to).is_ok()
            })
        });
        let moved = moved.map(|moved| moved.join().unwrap());
        assert_ne!(moved[0], moved[1]);
        let used = if moved[0] { (110, 0) } else { (0, 110) };
        let theirs = (bob.used() / KIB, carol.used() / KIB);
        // What was bob's before is carol's then.
        assert_eq!((alice.used(), theirs), (0, used));
    });
    drop(carol);
    assert_counts((dir, vault, alice, bob));
}

/// What is written down before anything becomes another one's is on the disk by then.
#[test]
fn nobody_waits_for_the_disk_while_it_is_written_down_whose_a_tree_was() {
    for moved in ["tree", "tree/a/0"] {
        let Some((dir, vault, alice, bob)) = durable_world((200 * KIB, 200 * KIB), Durability::Full) else { return };
        let (notes, other) = (Arc::new(AtomicUsize::new(0)), alice.clone());
        let counted = Arc::clone(&notes);
        let hook = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let (other, (done, is_done)) = (other.clone(), mpsc::channel());
            thread::spawn(move || {
                put(&other.team, "new").unwrap();
                other.team.rename(&path("new"), &path("newer"), true).unwrap();
                done.send(()).unwrap();
            });
            is_done.recv_timeout(limits::IDLE_TIMEOUT).expect("somebody else gets through");
        };
        *tree(&vault).before_a_note_syncs.lock() = Some(Arc::new(hook));
        let stored = bob.keeps.rename_from(&*bob.team, &path(moved), &path("it"), false, &SeenAt::ANYTHING);
        assert_eq!(stored.unwrap(), Stored::Created);
        assert_eq!(notes.load(Ordering::SeqCst), 1, "{moved}");
        *tree(&vault).before_a_note_syncs.lock() = None;
        assert_counts((dir, vault, alice, bob));
    }
}

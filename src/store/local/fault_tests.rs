//! File systems on which single calls fail: `strace` has them do so, for one name, in a copy of this process.

mod removal;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::fstat;
use rustix::process::{Signal, getpid, kill_process};

use super::super::file_system::is_of_this_machine;
use super::capabilities::{Capabilities, FileSystems, NewName};
use super::{LocalOptions, LocalStore, Root, Staging};
use crate::error::{Kind, Result};
use crate::files::{
    Durability, HomeTerms, Keep, Location, Owner, RelPath, Removal, Removed, SeenAt, Store, UploadSpec, Vault as _,
};
use crate::limits;
use crate::not_run::not_run;
use crate::store::LocalVault;

/// Tells the copy of this process which folder to work on.
const FOLDER: &str = "SEALIFT_TEST_CALLS_FOLDER";

/// The name for which they fail; nothing else has it.
const NAME: &str = "named-by-fault-tests";

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).unwrap().into()
}

fn path(name: &str) -> RelPath {
    RelPath::parse(name.as_bytes()).unwrap()
}

fn kind<T>(done: Result<T>) -> Result<(), Kind> {
    done.map(drop).map_err(|error| error.kind())
}

fn put(store: &LocalStore, name: &str, bytes: &[u8]) -> Result<(), Kind> {
    let mut upload = store.begin(&path(name), UploadSpec::default()).unwrap();
    upload.append(bytes).unwrap();
    kind(store.commit_one(upload))
}

/// Runs a part in a folder where this call has this done to it for what has this name. None: that cannot be done here.
fn run(part: &str, injection: (&str, &str), name: &str, folder: &Path) -> Option<Output> {
    run_with(part, &[injection], name, folder)
}

/// As [`run`], of several calls.
fn run_with(part: &str, injections: &[(&str, &str)], name: &str, folder: &Path) -> Option<Output> {
    let calls: Vec<&str> = injections.iter().map(|(call, _)| *call).collect();
    let ran = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-P", name])
        .args(["-e", &format!("trace={}", calls.join(","))])
        .args(injections.iter().flat_map(|(call, injected)| ["-e".to_owned(), format!("inject={call}:{injected}")]))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::local::fault_tests::{part}"), "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .output();
    match ran {
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("ptrace") => {
            not_run("strace may not trace here");
            None
        }
        Ok(output) => Some(output),
        Err(err) => {
            not_run(&format!("strace: {err}"));
            None
        }
    }
}

/// Runs a part where this call fails with this error, and wants it to pass.
fn run_failing(part: &str, (call, error): (&str, &str), name: &str, folder: &Path) {
    let Some(output) = run(part, (call, &format!("error={error}")), name, folder) else { return };
    has_passed(&output);
}

fn has_passed(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_what_is_there_cannot_be_looked_at() {
    let options = LocalOptions::new(Durability::None, Staging::Hidden);
    let (home, elsewhere) = (folder().join("home"), folder().join("elsewhere"));
    let store = LocalStore::open_path(&home, options).unwrap().keeping(true);
    let other = LocalStore::open_path(&elsewhere, options).unwrap();
    assert_eq!(put(&store, NAME, b"new"), Err(Kind::Io), "an upload");
    assert_eq!(kind(store.rename(&path("one"), &path(NAME), true)), Err(Kind::Io), "another name");
    let seen = crate::files::SeenAt::ANYTHING;
    assert_eq!(kind(store.rename_from(&other, &path("two"), &path(NAME), true, &seen)), Err(Kind::Io), "a move");
}

#[test]
fn what_cannot_be_looked_at_is_not_replaced_as_if_nothing_were_there() {
    let place = tempfile::tempdir().unwrap();
    let (home, elsewhere) = (place.path().join("home"), place.path().join("elsewhere"));
    for folder in [&home, &elsewhere] {
        fs::create_dir(folder).unwrap();
    }
    let files = [(home.join(NAME), "old"), (home.join("one"), "one"), (elsewhere.join("two"), "two")];
    for (file, text) in &files {
        fs::write(file, text).unwrap();
    }
    run_failing("while_what_is_there_cannot_be_looked_at", ("newfstatat", "EIO"), NAME, place.path());
    for (file, text) in &files {
        assert_eq!(fs::read_to_string(file).unwrap(), *text, "{}", file.display());
    }
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_names_cannot_be_taken_away() {
    let dir = Dir::open_ambient_dir(folder(), ambient_authority()).unwrap();
    let can =
        Capabilities { nameless: None, new_name: NewName::Link, locks: true, notes: true, exact: true, syncs: true };
    let known = Arc::new(FileSystems::default());
    known.of(fstat(&dir).unwrap().st_dev, || Ok(can)).unwrap();
    let options = LocalOptions::new(Durability::None, Staging::Beside);
    let store = LocalStore::sharing(Arc::new(Root::alone(&dir).unwrap()), options, known);
    let store = store.bounded(1 << 20, "full".to_owned());
    let used = || store.usage().unwrap().unwrap().used;
    assert_eq!(used(), 3);
    assert_eq!(put(&store, NAME, b"whole"), Ok(()), "it is there");
    assert_eq!(used(), 8);
    let before = format!(".{NAME}.sealift-part");
    assert_eq!(kind(store.rename(&path(&before), &path("another"), false)), Err(Kind::Denied), "another name");
}

#[test]
fn what_has_its_name_is_there_and_counts_whether_or_not_the_one_before_can_be_taken_away() {
    let place = tempfile::tempdir().unwrap();
    let before = format!(".{NAME}.sealift-part");
    fs::write(place.path().join("old"), "old").unwrap();
    run_failing("while_names_cannot_be_taken_away", ("unlinkat", "EPERM"), &before, place.path());
    assert_eq!(fs::read_to_string(place.path().join(NAME)).unwrap(), "whole");
    assert!(!place.path().join("another").exists(), "what is said to have failed is not there");
}

/// In a folder that files wait in under names, on a disk that is waited for.
fn waiting_for_the_disk() -> LocalStore {
    let dir = Dir::open_ambient_dir(folder(), ambient_authority()).unwrap();
    let can =
        Capabilities { nameless: None, new_name: NewName::Rename, locks: true, notes: true, exact: true, syncs: true };
    let known = Arc::new(FileSystems::default());
    known.of(fstat(&dir).unwrap().st_dev, || Ok(can)).unwrap();
    let options = LocalOptions::new(Durability::Full, Staging::Beside);
    LocalStore::sharing(Arc::new(Root::alone(&dir).unwrap()), options, known)
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_a_folder_cannot_be_synced() {
    let store = waiting_for_the_disk();
    assert_eq!(kind(store.make_dir(&path(&format!("{NAME}/there")), true)), Err(Kind::Io));
    assert_eq!(kind(store.make_dir(&path(&format!("{NAME}/there/new")), true)), Ok(()), "its name is elsewhere");
}

/// Whoever has made it may not have waited for the disk yet.
#[test]
fn a_folder_that_is_there_already_is_not_said_to_be_before_its_name_is_on_the_disk() {
    let place = tempfile::tempdir().unwrap();
    let above = place.path().canonicalize().unwrap().join(NAME);
    fs::create_dir_all(above.join("there")).unwrap();
    let above = above.to_str().unwrap();
    run_failing("while_a_folder_cannot_be_synced", ("fsync", "EIO"), above, place.path());
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_an_error_is_told_through_one_file_alone() {
    let store = waiting_for_the_disk();
    if !is_of_this_machine(Dir::open_ambient_dir(folder(), ambient_authority()).unwrap()) {
        return not_run("the file system is not synced as a whole");
    }
    let begin = |name: &str| store.begin(&path(name), UploadSpec::default()).unwrap();
    let first = begin(NAME);
    let others: Vec<_> = (1..limits::SYNC_TOGETHER).map(|number| begin(&number.to_string())).collect();
    let batch = others.into_iter().chain([first]).map(|upload| upload.prepare()).collect();
    for done in store.commit(batch) {
        assert_eq!(kind(done), Err(Kind::Io));
    }
}

/// The kernel tells an error in writing that somebody has heard of already only to those who opened a file before it.
#[test]
fn a_batch_asks_through_the_file_that_was_opened_first() {
    let place = tempfile::tempdir().unwrap();
    let first = place.path().canonicalize().unwrap().join(format!(".{NAME}.sealift-part"));
    let first = first.to_str().unwrap();
    run_failing("while_an_error_is_told_through_one_file_alone", ("syncfs", "EIO"), first, place.path());
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_what_is_in_a_folder_cannot_be_removed() {
    let options = LocalOptions::new(Durability::None, Staging::Hidden);
    let store = LocalStore::open_path(&folder(), options).unwrap().bounded(1 << 20, "full".to_owned());
    let used = || store.usage().unwrap().unwrap().used;
    assert_eq!(used(), 3);
    let tree = path("tree");
    let Removal::Going(mut removing) = store.begin_removal(&tree, true, Keep::As(&tree), None).unwrap() else {
        panic!("it goes in steps")
    };
    assert_eq!(kind(removing.step()), Err(Kind::Io));
    assert_eq!(removing.removed(), Removed::default());
    drop(removing);
    assert_eq!((kind(store.stat(&path(&format!("tree/{NAME}")))), used()), (Ok(()), 3));
}

#[test]
fn a_folder_that_cannot_be_removed_in_the_first_step_has_its_name_again_and_counts() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("tree")).unwrap();
    fs::write(place.path().join("tree").join(NAME), "old").unwrap();
    run_failing("while_what_is_in_a_folder_cannot_be_removed", ("unlinkat", "EIO"), NAME, place.path());
    assert_eq!(fs::read_to_string(place.path().join("tree").join(NAME)).unwrap(), "old");
    let left = fs::read_dir(place.path().join(limits::RESERVED_NAME)).unwrap().count();
    assert_eq!(left, 0, "nothing waits to be removed");
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_it_cannot_be_asked_whose_a_file_is() {
    let vault = LocalVault::open(&folder(), Durability::None).unwrap();
    let terms = HomeTerms::none().bounded(Some(1 << 20));
    let team = Location::Below("team".to_owned());
    let team = vault.open_folder_for(&team, HomeTerms::none(), &Owner::new("alice", terms)).unwrap();
    let home = vault.open("alice", terms).unwrap();
    let used = || home.usage().unwrap().unwrap().used;
    let put = |name: &str, bytes: &[u8]| {
        let mut upload = team.begin(&path(name), UploadSpec::default()).unwrap();
        upload.append(bytes).unwrap();
        kind(team.commit_one(upload)).unwrap();
    };
    put(NAME, b"old");
    put("new", b"better");
    if used() != 9 {
        return not_run("the file system keeps no owners");
    }
    assert_eq!(kind(team.rename(&path("new"), &path(NAME), true)), Ok(()));
    assert_eq!(used(), 6);
}

#[test]
fn what_is_replaced_while_it_cannot_be_asked_whose_it_is_does_not_count_for_ever() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().canonicalize().unwrap();
    fs::create_dir(data.join("team")).unwrap();
    let file = data.join("team").join(NAME);
    let once = ("fgetxattr", "EIO:when=1");
    run_failing("while_it_cannot_be_asked_whose_a_file_is", once, file.to_str().unwrap(), &data);
}

/// Files of alice's in a folder of a shared one.
const TAKEN: usize = 3 * limits::MARKED_AT_ONCE;

/// What this user sees of two shared folders, and how many bytes count for whoever has that home.
fn sharing(vault: &LocalVault, user: &str) -> ([Arc<dyn Store>; 2], u64) {
    let terms = HomeTerms::none().bounded(Some(1 << 20));
    let folders = ["team", "keeps"].map(|folder| {
        let folder = Location::Below(folder.to_owned());
        vault.open_folder_for(&folder, HomeTerms::none(), &Owner::new(user, terms)).unwrap()
    });
    let used = vault.open(user, terms).unwrap().usage().unwrap().unwrap().used;
    (folders, used)
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_a_tree_becomes_the_movers() {
    let vault = LocalVault::open(&folder(), Durability::None).unwrap();
    let ([team, _], _) = sharing(&vault, "alice");
    team.make_dir(&path("tree"), false).unwrap();
    for number in 0..TAKEN {
        let mut upload = team.begin(&path(&format!("tree/{number}")), UploadSpec::default()).unwrap();
        upload.append(b"x").unwrap();
        kind(team.commit_one(upload)).unwrap();
    }
    let ([team, keeps], _) = sharing(&vault, "bob");
    let batches = AtomicUsize::new(0);
    let kill = move || {
        if batches.fetch_add(1, Ordering::Relaxed) == 2 {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    };
    let of_team = team.as_any().unwrap().downcast_ref::<LocalStore>().unwrap();
    *of_team.jail.tree().between_batches.lock() = Some(Arc::new(kill));
    let done = keeps.rename_from(&*team, &path("tree"), &path("tree"), false, &SeenAt::ANYTHING);
    panic!("it was to be killed: {done:?}");
}

#[test]
fn what_was_being_moved_when_the_process_was_killed_counts_for_whom_it_did_after_the_next_sweep() {
    let place = tempfile::tempdir().unwrap();
    let killed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::local::fault_tests::while_a_tree_becomes_the_movers", "--ignored"])
        .env(FOLDER, place.path())
        .output()
        .unwrap();
    assert_eq!(killed.status.signal(), Some(Signal::KILL.as_raw()), "{killed:?}");
    assert_eq!(fs::read_dir(place.path().join("team/tree")).unwrap().count(), TAKEN, "it is where it was");
    let vault = LocalVault::open(place.path(), Durability::None).unwrap();
    let used = |user: &str| sharing(&vault, user).1;
    if used("alice") + used("bob") == 0 {
        return not_run("the file system keeps no owners");
    }
    vault.sweep_folder(&Location::Below("team".to_owned()), None).unwrap();
    assert_eq!((used("alice"), used("bob")), (TAKEN as u64, 0));
    assert_eq!(fs::read_dir(place.path().join("team").join(limits::RESERVED_NAME)).unwrap().count(), 0);
}

/// One of the folder, of whose file system it is known how something gets a new name there.
fn store_where(new_name: NewName) -> LocalStore {
    let dir = Dir::open_ambient_dir(folder(), ambient_authority()).unwrap();
    let can = Capabilities { nameless: None, new_name, locks: true, notes: true, exact: true, syncs: true };
    let known = Arc::new(FileSystems::default());
    known.of(fstat(&dir).unwrap().st_dev, || Ok(can)).unwrap();
    let options = LocalOptions::new(Durability::Full, Staging::Hidden);
    LocalStore::sharing(Arc::new(Root::alone(&dir).unwrap()), options, known)
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_nothing_gets_to_the_place() {
    let done = store_where(NewName::Link).supersede(&path("new"), &path(NAME));
    assert_eq!(kind(done), Err(Kind::Io));
    assert!(folder().join("new").exists() && !folder().join(NAME).exists());
}

#[test]
fn what_could_not_get_its_place_again_does_so_with_the_next_sweep() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    fs::write(home.join("new"), "new").unwrap();
    fs::create_dir(home.join(NAME)).unwrap();
    fs::write(home.join(NAME).join("what"), "old").unwrap();
    // Names are not exchanged, what comes gets no name there, and what was there loses it but does not get it again.
    let injections = [("renameat2", "error=EINVAL"), ("linkat", "error=EIO"), ("renameat", "error=EIO:when=2")];
    let Some(output) = run_with("while_nothing_gets_to_the_place", &injections, NAME, home) else { return };
    has_passed(&output);
    let options = LocalOptions::new(Durability::None, Staging::Hidden);
    LocalStore::open_path(home, options).unwrap().sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
    assert_eq!(fs::read_to_string(home.join(NAME).join("what")).unwrap(), "old");
    assert_eq!(fs::read_to_string(home.join("new")).unwrap(), "new");
    assert_eq!(fs::read_dir(home).unwrap().count(), 3, "those and the reserved folder");
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_a_folder_is_superseded() {
    let store = store_where(NewName::Rename);
    // It is in its place when the folder around it is synced.
    let done = store.supersede(&path("new"), &path(NAME));
    panic!("it was to be killed: {done:?}");
}

/// Which call of its kind the process is killed before, and what is where then; in the end all is done, or nothing.
#[test]
fn what_supersedes_a_folder_when_the_process_is_killed_has_done_so_or_not_after_the_next_sweep() {
    let before = [(NAME, NAME), ("new", "new")];
    let after = [(NAME, "new")];
    let moments = [("renameat2", 1, &before[..]), ("renameat2", 2, &before), ("fsync", 1, &after)];
    for (call, when, expected) in moments {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().canonicalize().unwrap();
        for name in ["new", NAME] {
            fs::create_dir(home.join(name)).unwrap();
            fs::write(home.join(name).join("what"), name).unwrap();
        }
        let kill = format!("signal=SIGKILL:when={when}");
        if run("while_a_folder_is_superseded", (call, &kill), home.to_str().unwrap(), &home).is_none() {
            return;
        }
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        LocalStore::open_path(&home, options).unwrap().sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
        let names = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != limits::RESERVED_NAME).collect();
        names.sort();
        let found: Vec<_> =
            names.iter().map(|name| (&**name, fs::read_to_string(home.join(name).join("what")).unwrap())).collect();
        let found: Vec<_> = found.iter().map(|(name, text)| (*name, &**text)).collect();
        assert_eq!(found, expected, "{call} {when}");
        assert_eq!(fs::read_dir(home.join(limits::RESERVED_NAME)).unwrap().count(), 0, "{call} {when}");
    }
}

/// What a sweep removes is what its user would have.
#[test]
fn what_was_superseded_when_the_process_was_killed_goes_with_the_next_sweep() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().canonicalize().unwrap();
    for name in ["new", NAME] {
        fs::create_dir(home.join(name)).unwrap();
        fs::write(home.join(name).join("what"), name).unwrap();
    }
    let killed = ("fsync", "signal=SIGKILL");
    if run("while_a_folder_is_superseded", killed, home.to_str().unwrap(), &home).is_none() {
        return;
    }
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(fs::read_to_string(home.join(NAME).join("what")).unwrap(), "new", "it is in its place");
    let [aside, reserved, there] = names().try_into().unwrap();
    assert!(aside.ends_with(".sealift-aside"), "{aside}");
    let options = LocalOptions::new(Durability::None, Staging::Hidden);
    let store = LocalStore::open_path(&home, options).unwrap();
    assert_eq!(store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap().removed, 2, "its two notes");
    assert_eq!(names(), [reserved, there]);
    assert_eq!(fs::read_to_string(home.join(NAME).join("what")).unwrap(), "new");
}

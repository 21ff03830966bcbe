//! The server's own state folder on disk. The files of users are written by the running server alone, which holds the
//! folder; each is replaced whole, so that it is the old one or the new one whenever the server is killed.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::OFlags;

use super::changes::{self, Changes, Followed, News, Turn};
use super::clock::Clock;
use super::left::Left;
use super::{Own, Record, for_users};
use crate::auth::User;
use crate::error::{Error, Kind, Result};
use crate::fresh_file::{Fresh, sync_parent};
use crate::limits;
use crate::sync::Mutex;

mod opening;

/// Where the files of users are.
const USERS: &str = "users";

/// Where invitations are.
const INVITATIONS: &str = "invitations";

/// Where links are.
pub(super) const LINKS: &str = "links";

/// What a server that ended in order left to the next one; of several to the next one of the same name.
const LEFT: &str = "left.json";

/// What the clock showed when a server last removed what was old.
const CLOCK: &str = "clock";

/// The characters of a user's name that stand for themselves in the name of a file are small letters and digits: where
/// case does not count, `Alice` and `alice` must not share one.
const OTHERS: &AsciiSet = &capitals(NON_ALPHANUMERIC);

const fn capitals(set: &AsciiSet) -> AsciiSet {
    let mut with = set.remove(b'-');
    let mut letter = b'A';
    while letter <= b'Z' {
        with = with.add(letter);
        letter += 1;
    }
    with
}

/// The folder in which the server keeps what users do themselves.
#[derive(Debug, Clone)]
pub struct StateFolder {
    path: PathBuf,
    /// The folder of invitations, if it was opened and is to be no other one.
    invitations: Option<Arc<OwnedFd>>,
    /// Other servers change what is in it, too.
    pub(super) changes: Option<Changes>,
    /// No other server changes anything meanwhile.
    turn: Option<Arc<Mutex<Turn>>>,
    /// What is left to the next server.
    left: PathBuf,
    /// Whether all of it is.
    pub(super) is_left: Left,
    clock: Clock,
}

impl StateFolder {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What says whether something in it, or of what the server serves, may be removed because it is old.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What this user did, if it holds for the entry that the user has. With why it cannot be read, if that is so.
    pub(in crate::auth) fn read(&self, user: &User) -> (Own, Option<Error>) {
        let path = self.file_of(user.name());
        let text = match read_small(&path, limits::OWN_RECORD_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == Kind::NotFound => return (Own::Nothing, None),
            Err(error) => return (Own::Damaged, Some(error)),
        };
        match Record::parse(&text, user.name()) {
            Ok(record) if record.entry == user.tag() => (Own::Is(Arc::new(record)), None),
            Ok(_) => (Own::Nothing, None),
            Err(why) => (Own::Damaged, Some(Error::new(Kind::BadConfig, format!("{}: {why}", path.display())))),
        }
    }

    /// Puts this in the place of what is kept of a user: on the disk when this returns, or not at all.
    pub(in crate::auth) fn write(&self, user: &str, record: &Record) -> Result<()> {
        let path = self.file_of(user);
        let fresh = Fresh::beside(&path, &record.to_text(user)?).map_err(for_users)?;
        let Some(turn) = &self.turn else { return fresh.put_in_place().map_err(for_users) };
        let mut turn = turn.lock();
        // Whatever comes now, the others look whether it is there.
        turn.begin(&path)?;
        turn.put_in_place(fresh).map_err(for_users)
    }

    /// Keeps nothing of this user any more.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, user: &str) -> Result<()> {
        let path = self.file_of(user);
        match fs::remove_file(&path) {
            Ok(()) => sync_parent(&path),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(err) => Err(Error::file(path.display(), err)),
        }
    }

    /// Puts a file that cannot be read aside: the user has another entry now, for which it cannot have been.
    pub(in crate::auth) fn put_aside(&self, user: &str) -> Result<()> {
        let path = self.file_of(user);
        let aside = path.with_extension("damaged");
        match fs::rename(&path, aside) {
            Ok(()) => sync_parent(&path),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(err) => Err(Error::file(path.display(), err)),
        }
    }

    /// Leaves this to the next server that has the folder, in place of what may be left there already: on the disk when this
    /// returns, or not at all.
    ///
    /// # Errors
    /// [`Kind::TooLong`] over [`limits::LEFT_MAX`] bytes; those of the file system.
    pub(crate) fn leave(&self, text: &str) -> Result<()> {
        if text.len() as u64 > limits::LEFT_MAX {
            return Err(Error::new(Kind::TooLong, format!("{} bytes are more than are handed on", text.len())));
        }
        Fresh::beside(&self.left, text)?.put_in_place()
    }

    /// What the last server left, if it left something. It is gone from the folder when this returns.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if that is no small text file; those of the file system.
    pub(crate) fn take_left(&self) -> Result<Option<String>> {
        let path = &self.left;
        let text = match read_small(path, limits::LEFT_MAX) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            text => text,
        };
        // What cannot be removed would count again after each restart: it does not count at all.
        fs::remove_file(path).map_err(|err| Error::file(path.display(), err))?;
        sync_parent(path)?;
        text.map(Some)
    }

    pub(super) fn folder_of_invitations(&self) -> PathBuf {
        match &self.invitations {
            Some(opened) => PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())),
            None => self.path.join(INVITATIONS),
        }
    }

    pub(super) fn changes(&self) -> Option<&Changes> {
        self.changes.as_ref()
    }

    /// Held by whoever changes something in the folder: no other server does meanwhile, if there are any. `begun` is since when whoever
    /// asks has waited.
    ///
    /// # Errors
    /// [`Kind::Io`] if another one is at it for too long; those of the file system.
    pub fn alone(&self, begun: Instant) -> Result<Option<Turn>> {
        self.changes.as_ref().map(|changes| changes.alone(begun)).transpose()
    }

    /// The same folder for who has this turn: what is written is begun and told of in it.
    #[must_use]
    pub fn in_turn(&self, turn: Option<Turn>) -> StateFolder {
        StateFolder { turn: turn.map(|turn| Arc::new(Mutex::new(turn))), ..self.clone() }
    }

    /// Tells other servers what is kept of this user now, if there are any.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn tell(&self, user: &str) -> Result<()> {
        self.turn.as_ref().map_or(Ok(()), |turn| turn.lock().changed(&self.file_of(user)))
    }

    /// Up to where other servers have changed anything: to be asked before what is kept of users is read.
    pub fn followed(&self) -> Followed {
        self.changes.as_ref().map(Changes::now).unwrap_or_default()
    }

    /// What other servers have changed since of what is kept of users.
    pub(super) fn news(&self, followed: &mut Followed, turn: Option<&Turn>) -> Result<News> {
        match &self.changes {
            Some(changes) => changes.news(USERS, followed, turn),
            None => Ok(self.is_left.news(&self.users(), followed)),
        }
    }

    /// All of it is the next server's from now on. Whoever changes something in it is to be waited for behind this.
    pub fn leave_all(&self) {
        self.is_left.say();
    }

    /// For whoever is about to change something in it, and is alone with that.
    ///
    /// # Errors
    /// [`Kind::Stopping`] if it is the next server's.
    pub fn refuse_if_left(&self) -> Result<()> {
        self.is_left.refuse()
    }

    /// Whether what nobody has any more goes from it when that is noticed: no other server may know better.
    pub(super) fn is_alone(&self) -> bool {
        !self.is_shared() && !self.is_left.is_said()
    }

    /// Keeps nothing of this user any more, unless it cannot be read just now: then nobody knows what it is.
    pub(super) fn remove_readable(&self, user: &str) -> Result<()> {
        match read_small(&self.file_of(user), limits::OWN_RECORD_MAX) {
            Err(error) if !matches!(error.kind(), Kind::NotFound | Kind::BadConfig) => Err(error),
            _ => self.remove(user),
        }
    }

    /// Whether several servers have had it together, whoever has it now: what is kept of users who are gone stays in it.
    pub fn was_shared(&self) -> bool {
        changes::is_of_several(&self.path)
    }

    /// Whether other servers keep what users do in it, too.
    pub fn is_shared(&self) -> bool {
        self.changes.is_some()
    }

    pub(super) fn links(&self) -> PathBuf {
        self.path.join(LINKS)
    }

    fn users(&self) -> PathBuf {
        self.path.join(USERS)
    }

    pub(super) fn file_of(&self, user: &str) -> PathBuf {
        self.users().join(format!("{}.toml", utf8_percent_encode(user, OTHERS)))
    }
}

/// A small regular file. A pipe is refused and not waited for.
pub(super) fn read_small(path: &Path, most: u64) -> Result<String> {
    let failed = |err| Error::file(path.display(), err);
    let wrong = |why: &str| Error::new(Kind::BadConfig, format!("{}: {why}", path.display()));
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(wrong("is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(wrong("is too large"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("is not whole, or was changed by hand"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Users;
    use crate::auth::hash::StoredHash;
    use crate::auth::hash::tests::cheap_hash;
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    fn users(name: &str) -> Users {
        Users::parse(&format!("[users.\"{name}\"]\npassword = \"{}\"\n", cheap_hash("given")), "f").unwrap()
    }

    fn own(user: &User) -> Record {
        Record { password: Some(StoredHash::parse(&cheap_hash("own")).unwrap()), ..Record::new(user.tag()) }
    }

    #[test]
    fn what_is_kept_holds_for_its_entry_and_is_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(&dir.path().join("state")).unwrap();
        let before = users("alice");
        let alice = before.get("alice").unwrap();
        assert_eq!(folder.read(alice).0, Own::Nothing);
        let record = own(alice);
        folder.write("alice", &record).unwrap();
        assert_eq!(folder.read(alice).0, Own::Is(Arc::new(record)));
        let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(folder.path.clone()), mode(folder.file_of("alice"))), (0o700, 0o600));
        let text = format!(
            "[users.alice]\npassword = \"{}\"\n",
            crate::auth::hash_password(&crate::secret::Secret::new("x")).unwrap()
        );
        let again = Users::parse(&text, "f").unwrap();
        assert_eq!(folder.read(again.get("alice").unwrap()).0, Own::Nothing, "another entry");
        folder.remove("alice").unwrap();
        folder.remove("alice").unwrap();
        assert_eq!(folder.read(alice).0, Own::Nothing);
    }

    #[test]
    fn an_administrator_is_led_nowhere_by_a_link_in_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (state, elsewhere) = (dir.path().join("state"), dir.path().join("elsewhere"));
        StateFolder::make(&state).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        for name in [USERS, INVITATIONS] {
            fs::remove_dir(state.join(name)).unwrap();
            std::os::unix::fs::symlink(&elsewhere, state.join(name)).unwrap();
            assert!(StateFolder::for_administrator(&state, dir.path()).is_err(), "{name}");
            fs::remove_file(state.join(name)).unwrap();
            StateFolder::make(&state).unwrap();
        }
        // What was opened is what is worked in, whatever has its name by then.
        let folder = StateFolder::for_administrator(&state, dir.path()).unwrap();
        fs::rename(state.join(INVITATIONS), state.join("moved")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, state.join(INVITATIONS)).unwrap();
        folder.invite(users("alice").get("alice").unwrap(), 60).unwrap();
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert_eq!(fs::read_dir(state.join("moved")).unwrap().count(), 1);
    }

    #[test]
    fn names_that_a_file_cannot_have_get_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(dir.path()).unwrap();
        let names = ["alice", "Alice", "a.b", ".hidden", "a%41", "ä b"];
        let files: std::collections::BTreeSet<String> = names
            .iter()
            .map(|name| folder.file_of(name).file_name().unwrap().to_string_lossy().to_lowercase())
            .collect();
        assert_eq!(files.len(), names.len());
        assert!(files.iter().all(|file| !file.starts_with('.') && file.is_ascii()));
        let longest = folder.file_of(&"Z".repeat(limits::USER_MAX));
        assert!(longest.file_name().unwrap().len() <= limits::NAME_MAX);
    }

    #[test]
    fn what_cannot_be_read_is_damaged_and_not_absent() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(dir.path()).unwrap();
        let users = users("alice");
        let alice = users.get("alice").unwrap();
        let path = folder.file_of("alice");
        let whole = own(alice).to_text("alice").unwrap();
        for damage in [String::new(), whole[..whole.len() / 2].to_owned(), whole.replace("version", "Version")] {
            fs::write(&path, damage).unwrap();
            let (own, error) = folder.read(alice);
            assert_eq!(own, Own::Damaged);
            assert!(error.unwrap().text().contains("alice.toml: is not whole"));
        }
        fs::File::create(&path).unwrap().set_len(limits::OWN_RECORD_MAX + 1).unwrap();
        assert_eq!(folder.read(alice).0, Own::Damaged);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(folder.read(alice).0, Own::Damaged);
    }

    #[test]
    fn a_folder_that_others_can_change_is_refused_and_leftovers_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(dir.path()).unwrap();
        let left = folder.users().join(".alice.toml.0123.new");
        fs::write(&left, "half").unwrap();
        StateFolder::open(dir.path()).unwrap();
        assert!(!left.exists());
        // Of a command, beside a server that runs.
        let invitation = folder.folder_of_invitations().join("0123456789abcdef.toml");
        let left = invitation.with_file_name(".0123456789abcdef.toml.0123456789abcdef.new");
        fs::write(&left, "half").unwrap();
        let live = Fresh::beside(&invitation, "whole").unwrap();
        assert_eq!((folder.sweep_left().unwrap(), folder.sweep_left().unwrap()), (1, 0));
        assert!(!left.exists());
        live.put_in_place().unwrap();
        assert!(invitation.exists());
        // What other machines write may show no lock here.
        let open = || StateFolder::open_shared(dir.path(), "one", || Ok(())).unwrap();
        let shared = open().removing_old_if(|| true);
        fs::write(&left, "half").unwrap();
        assert_eq!(shared.sweep_left().unwrap(), 0);
        let old = std::time::SystemTime::now() - limits::SHARED_STATE_LEFT;
        fs::File::options().write(true).open(&left).unwrap().set_modified(old).unwrap();
        assert_eq!((open().sweep_left().unwrap(), shared.sweep_left().unwrap()), (0, 1));
        fs::set_permissions(dir.path(), Permissions::from_mode(0o770)).unwrap();
        let refused = StateFolder::open(dir.path()).unwrap_err();
        assert!(refused.kind() == Kind::BadConfig && refused.text().contains("chmod 700"), "{refused}");
    }

    #[test]
    fn what_of_another_server_cannot_be_read_just_now_is_told_later() {
        let dir = tempfile::tempdir().unwrap();
        let node = |name: &str| StateFolder::open_shared(dir.path(), name, || Ok(())).unwrap();
        let (one, other, users) = (node("one"), node("other"), users("alice"));
        let alice = users.get("alice").unwrap();
        let mut followed = other.followed();
        one.write("alice", &own(alice)).unwrap();
        // Somebody else's change is the one that is written down, so that all there is is read.
        one.in_turn(one.alone(Instant::now()).unwrap()).tell("bob").unwrap();
        let (file, aside) = (one.file_of("alice"), dir.path().join("aside"));
        fs::rename(&file, &aside).unwrap();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        assert!(users.own_of_others(&other, &mut followed, None).unwrap().is_empty());
        fs::rename(&aside, &file).unwrap();
        let read = users.own_of_others(&other, &mut followed, None).unwrap();
        assert_eq!(users.with_own_of_others(read).unwrap().get("alice").unwrap().own, Own::Is(Arc::new(own(alice))));
        assert!(users.own_of_others(&other, &mut followed, None).unwrap().is_empty());
    }
}

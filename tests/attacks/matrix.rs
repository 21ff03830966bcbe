//! Every command in every form that matters for rights, what each needs, and a home for them to act on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sealift::client::keys::LoginKey;
use sealift::keys::{Nonce, Purpose, Statement};
use sealift::proto::Verb;

use crate::common::{part_bytes, upload_bytes};

/// What a user may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// One right over files, by name.
    Access(&'static str),
    /// Being an administrator.
    Administrator,
}

/// The rights over files.
const ACCESS: [&str; 8] = ["list", "download", "upload", "overwrite", "delete", "rename", "mkdir", "link"];

impl Right {
    /// Its name, if it is one over files.
    pub fn access(self) -> Option<&'static str> {
        match self {
            Right::Access(name) => Some(name),
            Right::Administrator => None,
        }
    }

    /// What a command needs beyond a login: the table of PROTOCOL.md, written down once more on purpose.
    pub fn all_needed(verb: Verb, line: &[u8]) -> Vec<Right> {
        let says = |option: &str| String::from_utf8_lossy(line).contains(option);
        let names: &[&str] = match verb {
            Verb::Help | Verb::User | Verb::Pass | Verb::Key | Verb::Token | Verb::Join | Verb::Redeem => &[],
            // Not of anonymous; the rights over files have no part in it.
            Verb::Passwd | Verb::Enrol | Verb::Revoke => &[],
            Verb::Nonce | Verb::Keys => &[],
            Verb::Link if says("drop=yes") => &["link", "upload"],
            Verb::Link if says("LINK folder") => &["link", "list", "download"],
            Verb::Link => &["link", "download"],
            Verb::Links | Verb::Unlink | Verb::Visit => &[],
            Verb::Ping | Verb::Status | Verb::Logout => &[],
            Verb::Who | Verb::Kick | Verb::Penalties | Verb::Unban | Verb::Reload | Verb::Shutdown => {
                return vec![Right::Administrator];
            }
            Verb::List | Verb::Stat => &["list"],
            Verb::Hash if says("partial=yes") => &["upload"],
            Verb::Hash | Verb::Download => &["download"],
            Verb::Accept | Verb::Chmod => &["upload", "overwrite"],
            // What is sent is not what the scene has there.
            Verb::Upload if says("UPLOAD file\r") => &["upload", "overwrite"],
            Verb::Upload | Verb::Stage | Verb::Part | Verb::Commit | Verb::Discard => &["upload"],
            // Or what bringing back takes: see `suffice`.
            Verb::Trash => &["list", "delete"],
            Verb::Restore => &["upload", "mkdir"],
            Verb::Delete | Verb::Purge => &["delete"],
            Verb::Mkdir => &["mkdir"],
            Verb::Rename if says("replace=yes") => &["rename", "overwrite"],
            Verb::Rename => &["rename"],
            Verb::Copy if says("replace=yes") => &["download", "upload", "overwrite"],
            Verb::Copy => &["download", "upload"],
        };
        names.iter().map(|name| Right::Access(name)).collect()
    }

    /// Whether these rights are enough for a command.
    pub fn suffice(held: &[Right], verb: Verb, line: &[u8]) -> bool {
        let has = |names: &[&'static str]| names.iter().all(|name| held.contains(&Right::Access(name)));
        match verb {
            Verb::Trash => has(&["list", "delete"]) || has(&["list", "upload", "mkdir"]),
            _ => Right::all_needed(verb, line).iter().all(|right| held.contains(right)),
        }
    }

    /// Users to test with, by name: each right alone, all but each, none, all, and an administrator with no other
    /// right, who comes last.
    pub fn every_holding() -> Vec<(String, Vec<Right>)> {
        let all = ACCESS.map(Right::Access);
        let mut users = vec![("none".to_owned(), vec![]), ("full".to_owned(), all.to_vec())];
        for right in all {
            let name = right.access().unwrap();
            users.push((format!("only-{name}"), vec![right]));
            users.push((format!("not-{name}"), all.into_iter().filter(|other| *other != right).collect()));
        }
        users.push(("administrator".to_owned(), vec![Right::Administrator]));
        users
    }
}

/// A signature that is well-formed and not anybody's.
fn of_a_stranger(purpose: Purpose) -> String {
    let pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
    let statement = Statement { purpose, nonce: Nonce::fresh().unwrap(), user: "alice", pin };
    LoginKey::generate("").unwrap().sign(&statement).unwrap().to_text()
}

fn enrolments() -> Vec<Vec<u8>> {
    let (own, proof) = (of_a_stranger(Purpose::Enrolled), of_a_stranger(Purpose::Enrol));
    ["present=another".to_owned(), format!("proof={proof}")]
        .map(|evidence| format!("ENROL laptop {own} {evidence}\r\n").into_bytes())
        .to_vec()
}

fn revocations() -> Vec<Vec<u8>> {
    let fingerprint = LoginKey::generate("").unwrap().public().fingerprint();
    ["present=another".to_owned(), format!("proof={}", of_a_stranger(Purpose::Revoke))]
        .map(|evidence| format!("REVOKE {fingerprint} {evidence}\r\n").into_bytes())
        .to_vec()
}

/// A verb's commands as they go over the wire, each well-formed and, with the rights, able to succeed in a [`Scene`].
pub fn every_command(verb: Verb) -> Vec<Vec<u8>> {
    let lines: &[&str] = match verb {
        Verb::Help => &["HELP", "HELP list"],
        Verb::User => &["USER alice"],
        Verb::Pass => &["PASS wrong"],
        Verb::Key => return vec![format!("KEY alice {}\r\n", of_a_stranger(Purpose::Login)).into_bytes()],
        Verb::Token => &["TOKEN", "TOKEN count=3"],
        Verb::Join => &["JOIN 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"],
        Verb::Redeem => &["REDEEM alice 0123456789abcdefghijklmnopqrstuvwxyzABCDEFG password=another-one"],
        Verb::Passwd => &["PASSWD another-one present=another"],
        Verb::Nonce => &["NONCE"],
        Verb::Keys => &["KEYS"],
        Verb::Enrol => return enrolments(),
        Verb::Revoke => return revocations(),
        Verb::Link => &["LINK file", "LINK folder downloads=1"],
        Verb::Links => &["LINKS"],
        Verb::Unlink => &["UNLINK nothing"],
        Verb::Visit => &["VISIT 0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"],
        Verb::List => &["LIST", "LIST folder", "LIST recursive=yes"],
        Verb::Stat => &["STAT", "STAT file", "STAT file usage=yes"],
        Verb::Hash => &["HASH file", "HASH file length=2", "HASH file recorded=yes", "HASH file partial=yes"],
        Verb::Accept => &["ACCEPT file"],
        Verb::Chmod => {
            &["CHMOD file mode=755", "CHMOD file mode=644 perms=yes", "CHMOD folder mode=777 perms=yes mtime=1"]
        }
        Verb::Download => &["DOWNLOAD file", "DOWNLOAD file offset=1 length=2"],
        Verb::Upload => return uploads(),
        // Each command of an upload in parts stands alone here, so those after the first find nothing staged: what
        // matters is whether they get as far as that. The conversation itself is tested apart.
        Verb::Stage => &["STAGE new size=0", "STAGE file size=20 if=absent"],
        Verb::Part => {
            let arguments = "0123456789abcdef offset=0 length=29";
            return vec![part_bytes(arguments, b"hostile content\r\nDELETE file\r\n")];
        }
        Verb::Commit => {
            &["COMMIT 0123456789abcdef hash=af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"]
        }
        Verb::Discard => &["DISCARD 0123456789abcdef"],
        Verb::Delete => &["DELETE file", "DELETE folder recursive=yes"],
        Verb::Trash => &["TRASH", "TRASH folder"],
        // Nothing is there: what matters is whether they get as far as that.
        Verb::Restore => &["RESTORE file id=0000000000000000-0000000000000000"],
        Verb::Purge => &["PURGE", "PURGE file id=0000000000000000-0000000000000000"],
        Verb::Mkdir => &["MKDIR new", "MKDIR new/er parents=yes"],
        Verb::Rename => &["RENAME file renamed", "RENAME file other replace=yes", "RENAME folder elsewhere"],
        Verb::Copy => &["COPY file copied", "COPY file other replace=yes", "COPY folder/inner copied"],
        Verb::Ping => &["PING"],
        Verb::Status => &["STATUS"],
        Verb::Who => &["WHO"],
        Verb::Kick => &["KICK nobody"],
        Verb::Penalties => &["PENALTIES"],
        Verb::Unban => &["UNBAN 192.0.2.1"],
        Verb::Reload => &["RELOAD"],
        Verb::Shutdown => &["SHUTDOWN"],
        Verb::Logout => &["LOGOUT"],
    };
    lines.iter().map(|line| format!("{line}\r\n").into_bytes()).collect()
}

fn uploads() -> Vec<Vec<u8>> {
    let data = b"hostile content\r\nDELETE file\r\n";
    let nothing = blake3::hash(b"").to_hex();
    let arguments =
        ["new".to_owned(), "file".to_owned(), "new if=absent".to_owned(), format!("file offset=0 prefix={nothing}")];
    arguments.iter().map(|arguments| upload_bytes(arguments, data)).collect()
}

/// A home with a few files, and what it should look like.
pub struct Scene {
    home: PathBuf,
    /// What was put back last.
    first: RefCell<BTreeMap<PathBuf, Marks>>,
}

/// What shows whether anything was done to a file or folder: its number, kind and mode, when it was last changed in any way, and its
/// content.
#[derive(PartialEq)]
struct Marks {
    inode: u64,
    mode: u32,
    changed: (i64, i64),
    content: Option<Vec<u8>>,
}

impl Scene {
    /// Fills this home; made if it is missing.
    pub fn prepare(home: PathBuf) -> Scene {
        let scene = Scene { home, first: RefCell::default() };
        scene.restore();
        scene
    }

    /// Puts everything back as it was at first, if anything is not.
    pub fn restore(&self) {
        if self.first.borrow().is_empty() || *self.first.borrow() != self.marks() {
            self.put_back();
            *self.first.borrow_mut() = self.marks();
        }
    }

    fn put_back(&self) {
        fs::create_dir_all(&self.home).unwrap();
        for entry in fs::read_dir(&self.home).unwrap() {
            let path = entry.unwrap().path();
            if is_servers_own(&path) {
                continue;
            }
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        fs::create_dir(self.home.join("folder")).unwrap();
        for name in ["file", "other", "folder/inner"] {
            fs::write(self.home.join(name), format!("the content of {name}")).unwrap();
        }
    }

    fn marks(&self) -> BTreeMap<PathBuf, Marks> {
        if !self.home.exists() {
            return BTreeMap::new();
        }
        let marks = |(path, content): (PathBuf, _)| {
            let meta = fs::symlink_metadata(&path).unwrap();
            (path, Marks { inode: meta.ino(), mode: meta.mode(), changed: (meta.ctime(), meta.ctime_nsec()), content })
        };
        self.snapshot().into_iter().map(marks).collect()
    }

    /// Every path in the home with its content; folders have none. Without the server's own folder.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        walk(&self.home, &mut found);
        found
    }
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if is_servers_own(&path) {
            continue;
        }
        if path.is_dir() {
            found.insert(path.clone(), None);
            walk(&path, found);
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, Some(content));
        }
    }
}

fn is_servers_own(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == sealift::limits::RESERVED_NAME)
}

//! A directory that a server will serve, with users whose logins are cheap, and ways to see that nothing in it changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sealift::limits;
use tempfile::TempDir;

use super::{Builder, Daemon, RawClient, eventually, frames_of};

/// The password of every user of a [`World`].
pub const PASSWORD: &str = "correct-horse";

/// A prepared directory: users and their homes, and whatever a test adds. The servers that run in it come and go.
pub struct World {
    directory: TempDir,
}

impl World {
    /// Users who may do everything, with an empty home each.
    pub fn of(users: &[&str]) -> World {
        let full: Vec<_> = users.iter().map(|user| (*user, "\"full\"", *user)).collect();
        World::with(&full)
    }

    /// Users with their access, as the users file has it, and their homes, which are empty.
    pub fn with(users: &[(&str, &str, &str)]) -> World {
        let world = World { directory: TempDir::new().unwrap() };
        let mut text = String::from("[anonymous]\nenabled = true\nhome = \"public\"\n");
        for (user, access, home) in users {
            text += &section(user, access, home);
            fs::create_dir_all(world.home(home)).unwrap();
        }
        fs::create_dir_all(world.home("public")).unwrap();
        let mut file = fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(world.place().join("users.toml")).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        world
    }

    /// Puts another users file with these sections in the place of the present one, whole at once, as `sealiftd user`
    /// does.
    pub fn set_users(&self, sections: &str) {
        let (new, path) = (self.place().join("users.new"), self.place().join("users.toml"));
        fs::write(&new, sections).unwrap();
        let file = fs::File::options().write(true).open(&new).unwrap();
        // It got its name after its last write.
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(5)).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// The server's working directory.
    pub fn place(&self) -> &Path {
        self.directory.path()
    }

    /// A user's home.
    pub fn home(&self, user: &str) -> PathBuf {
        self.place().join("server_data").join(user)
    }

    /// A server in it that is to be started.
    pub fn daemon(&self) -> Builder {
        Daemon::builder().within(self.place())
    }

    /// Starts a server in it.
    pub fn start(&self) -> Daemon {
        self.daemon().start()
    }
}

/// A user's section of a users file, with [`PASSWORD`]; the access as it stands there.
pub fn section(user: &str, access: &str, home: &str) -> String {
    format!("\n[users.{user}]\npassword = \"{}\"\naccess = {access}\nhome = \"{home}\"\n", cheap_hash(PASSWORD))
}

/// Logs one of the world's users in.
pub fn enter(daemon: &Daemon, user: &str) -> RawClient {
    RawClient::logged_in(daemon, user, PASSWORD)
}

/// Begins an upload that never ends, and returns when all of it is on the disk.
pub fn half_an_upload(mut client: RawClient, name: &str, bytes: &[u8], home: &Path) -> RawClient {
    let size = |path: &Path| fs::metadata(home.join(limits::RESERVED_NAME).join(path)).map_or(0, |meta| meta.len());
    client.line(format!("UPLOAD {name}"));
    client.send(frames_of(bytes));
    eventually("the half is there", || staged(home).iter().any(|path| size(path) == bytes.len() as u64));
    client
}

/// A hash of this password with the cheapest parameters that a users file may ask for: what a login costs is not what most
/// tests are about, and they log in thousands of times. Those that are add users by `sealiftd user add`.
pub fn cheap_hash(password: &str) -> String {
    static HASHES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut hashes = HASHES.lock().unwrap_or_else(PoisonError::into_inner);
    hashes.entry(password.to_owned()).or_insert_with(|| hash_of(password)).clone()
}

fn hash_of(password: &str) -> String {
    let (salt, mut output) = ([7; limits::ARGON2_SALT], [0; limits::ARGON2_OUTPUT]);
    let memory = limits::ARGON2_MEMORY_MIN_KIB;
    let params = Params::new(memory, 1, 1, Some(output.len())).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.as_bytes(), &salt, &mut output).unwrap();
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    format!("$argon2id$v=19$m={memory},t=1,p=1${salt}${output}")
}

/// All that can be seen of a tree: for each path its kind and mode, a file's bytes, where a link leads. Links are not
/// followed. A missing tree is an empty one.
pub fn snapshot(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut seen = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            let kind = meta.file_type();
            let mut what = format!("{:o} ", meta.mode()).into_bytes();
            if kind.is_dir() {
                folders.push(path.clone());
            } else if kind.is_symlink() {
                what.extend(fs::read_link(&path).unwrap().as_os_str().as_bytes());
            } else if !kind.is_fifo() && !kind.is_socket() && !kind.is_char_device() && !kind.is_block_device() {
                match fs::read(&path) {
                    // A server at work has just removed it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    read => what.extend(read.unwrap()),
                }
            }
            seen.insert(path.strip_prefix(root).unwrap().to_owned(), what);
        }
    }
    seen
}

/// What is in the hidden staging folder of a home, with the folders of running sessions opened up, without their locks and the room
/// that a trash has set apart.
pub fn staged(home: &Path) -> Vec<PathBuf> {
    let staged = snapshot(&home.join(limits::RESERVED_NAME)).into_keys();
    staged.filter(|path| !path.ends_with("lock") && path != Path::new("spare")).collect()
}

/// Fails unless nothing but empty folders of sessions waits in a home's staging folder.
pub fn assert_nothing_staged(home: &Path, when: &str) {
    let staging = home.join(limits::RESERVED_NAME);
    let left: Vec<_> = staged(home).into_iter().filter(|path| is_left(&staging.join(path))).collect();
    assert!(left.is_empty(), "{when}: left over are {left:?}");
}

/// Whether it is there and no folder. A session that ends takes its folder away, maybe just now.
fn is_left(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_dir())
}

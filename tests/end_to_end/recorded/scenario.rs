//! What is recorded: a server with users as an administrator adds them, and people who work on it with every command.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Output;

use sealift::auth::{UserKey, UsersFile};
use sealift::client::keys::LoginKey;
use sealift::files::Hash;
use sealift::keys::{Purpose, Statement};

use super::proxy::{Connection, Proxy};
use crate::common::place::Place;
use crate::common::{Daemon, RawClient, end_of, eventually, half_an_upload, part_bytes, text, upload_bytes};

const PASSWORD: &str = "correct horse";
/// The same as it is typed into a line.
const ENCODED: &str = "correct%20horse";
/// What an interrupted transfer goes on from.
const BLOCK: usize = 16 * 1024 * 1024;
/// From this size on a file goes over several connections, if asked.
const LARGE: u64 = 64 * 1024 * 1024;

/// All that was recorded.
pub struct Recording {
    pub connections: Vec<Connection>,
    /// The users file after each change.
    pub users: Vec<Vec<u8>>,
    /// The client's file of known servers after each change.
    pub known: Vec<Vec<u8>>,
    /// The targets that were typed.
    pub typed: Vec<Vec<u8>>,
}

/// Runs it all, once.
pub fn record() -> Recording {
    let mut daemon = Daemon::builder().args(["--durability", "none"]).start();
    let users = add_users(&daemon);
    let proxy = Proxy::start(&daemon, &daemon.place().join("certs"));
    let person = Person { place: Place::new(), port: proxy.port(), typed: RefCell::default() };
    fill(&daemon);
    let known = trust(&person, &daemon);
    anonymous(&person);
    files_and_folders(&person);
    refusals(&person);
    mirrors(&person);
    cut_off(&person, &daemon);
    several_connections(&person);
    shell(&person);
    links(&person);
    trash(&person);
    typed_by_hand(proxy.port());
    by_key(proxy.port(), &daemon);
    person.run(&["who", &person.ada("")], 0);
    person.run(&["admin", "penalties", &person.ada("")], 0);
    person.run(&["admin", "reload", &person.ada("")], 0);
    person.run(&["shutdown", &person.ada("")], 0);
    assert_eq!(daemon.wait().code, Some(0));
    Recording { connections: proxy.end(), users, known, typed: person.typed.into_inner() }
}

/// Somebody with a client, a working directory, and a proxy in front of the server.
struct Person {
    place: Place,
    port: u16,
    typed: RefCell<Vec<Vec<u8>>>,
}

impl Person {
    /// What is typed to name something, before the server and behind it.
    fn target(&self, before: &str, path: &str) -> String {
        let typed = format!("{before}127.0.0.1:{}/{path}", self.port);
        self.typed.borrow_mut().push(typed.clone().into_bytes());
        typed
    }

    /// Something of ada's, who may do everything and administers.
    fn ada(&self, path: &str) -> String {
        self.target("ada@", path)
    }

    /// Something that everybody may read.
    fn public(&self, path: &str) -> String {
        self.target("", path)
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) {
        self.run_with(args, "", code);
    }

    /// Runs the client with this standard input, and checks its exit code.
    #[track_caller]
    fn run_with(&self, args: &[&str], input: &str, code: i32) {
        let mut command = self.place.command(args);
        command.env("SEALIFT_PASSWORD", PASSWORD);
        check(args, &end_of(command, input), code);
    }

    fn write(&self, name: impl AsRef<std::path::Path>, content: &str) {
        let path = self.place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Makes a file of zeros that takes no room.
    fn write_zeros(&self, name: &str, size: u64) {
        File::create(self.place.path().join(name)).unwrap().set_len(size).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.place.path().join(name)).unwrap();
    }

    fn is_there(&self, name: &str) -> bool {
        self.place.path().join(name).exists()
    }
}

#[track_caller]
fn check(args: &[&str], output: &Output, code: i32) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&said));
}

/// Every kind of user, and the users file after each step.
fn add_users(daemon: &Daemon) -> Vec<Vec<u8>> {
    let file = || fs::read(daemon.place().join("users.toml")).unwrap();
    let mut files = vec![file()];
    for (name, options) in [
        ("ada", &["--admin", "--trash", "30d"][..]),
        ("reader", &["--access", "read", "--home", "public"]),
        ("small", &["--quota", "1 KiB", "--home", "of/small"]),
        ("dröp böx", &["--access", "list,upload,mkdir"]),
    ] {
        daemon.add_user_with(name, PASSWORD, options);
        files.push(file());
    }
    for args in [&["user", "passwd", "reader", "--password-stdin"][..], &["user", "remove", "dröp böx"]] {
        check(args, &end_of(daemon.command(args), PASSWORD), 0);
        files.push(file());
    }
    files
}

/// What is on the server's disk without having come over the wire: every kind of entry, and names that are hard to write.
fn fill(daemon: &Daemon) {
    let public = daemon.public();
    fs::create_dir_all(public.join("folder/empty")).unwrap();
    for name in ["readme.txt", "a b", "100%", "a=b", "grüße.txt", "folder/notes", "folder/empty file", "line\nbreak"]
    {
        fs::write(public.join(name), name).unwrap();
    }
    fs::write(public.join(OsStr::from_bytes(b"latin-\xe9")), "").unwrap();
    fs::write(public.join("folder/empty file"), "").unwrap();
    symlink("/etc/hostname", public.join("leads out")).unwrap();
    symlink("readme.txt", public.join("leads in")).unwrap();
    drop(UnixListener::bind(public.join("socket")).unwrap());
}

/// Learns the server's key, and that of another server with a note; gives the file after each step.
fn trust(person: &Person, daemon: &Daemon) -> Vec<Vec<u8>> {
    let file = || fs::read(person.place.path().join("config/known_servers")).unwrap();
    let pin = daemon.pin();
    let mut files = Vec::new();
    for (server, comment) in [
        (format!("127.0.0.1:{}", person.port), &[][..]),
        ("files.example".to_owned(), &["--comment", "in the attic # second shelf"]),
        ("[2001:DB8::1]:5000".to_owned(), &["--comment", "größer"]),
    ] {
        person.run(&[&["trust", "add", &server, "--pin", pin], comment].concat(), 0);
        files.push(file());
    }
    person.run(&["trust", "list"], 0);
    files
}

/// Everything that may be done without a password.
fn anonymous(person: &Person) {
    person.run(&["ls", &person.public("")], 0);
    person.run(&["ls", "-lR", &person.public("")], 0);
    person.run(&["ls", &person.public("readme.txt"), &person.public("folder/empty")], 0);
    person.run(&["stat", &person.public("a b"), &person.public("folder/"), &person.public("100%")], 0);
    person.run(&["hash", &person.public("grüße.txt"), &person.public("a=b")], 0);
    person.run(&["cat", &person.target("sealift://", "a%20b"), &person.target("SEALIFT://", "100%25")], 0);
    // One name in it cannot be asked for, links are left out.
    person.run(&["get", "-r", &person.public(""), "dest/all/"], 10);
    assert!(person.is_there("dest/all/folder/notes") && person.is_there("dest/all/grüße.txt"));
    person.run(&["get", "--if-exists", "skip", &person.public("readme.txt"), "dest/all/"], 0);
    person.run(&["get", &person.public("folder/empty file"), "dest/"], 0);
    person.run(&["ping", "-n", "2", &person.public("")], 0);
    person.run(&["status", &person.target("anonymous@", "")], 0);
}

/// What the owner of a folder does.
fn files_and_folders(person: &Person) {
    person.write("plain.txt", "one line\n");
    person.write("a b%20.txt", "another\n");
    person.write("tree/a", "a");
    person.write("tree/deep/er/grüße", "b");
    fs::create_dir(person.place.path().join("tree/empty")).unwrap();
    person.run(&["mkdir", "-p", &person.ada("photos/2024/in the sun")], 0);
    person.run(&["mkdir", &person.ada("old")], 0);
    person.run(&["put", "plain.txt", "a b%20.txt", &person.ada("photos/")], 0);
    person.run(&["put", "--perms", "--if-exists", "fail", "plain.txt", &person.ada("new.txt")], 0);
    person.run(&["put", "-r", "tree", &person.ada("backup/")], 0);
    person.run(&["put", "-r", "--if-exists", "skip", "tree", &person.ada("backup/")], 0);
    person.run_with(&["put", "-", &person.ada("from a pipe")], "of no size that is known before", 0);
    person.run(&["ls", "-R", &person.ada("")], 0);
    person.run(&["stat", "--json", &person.ada("photos/a b%20.txt")], 0);
    person.run(&["get", &person.ada("photos/a b%20.txt"), &person.ada("new.txt"), "dest/"], 0);
    assert!(person.is_there("dest/a b%20.txt"));
    person.run(&["get", "-r", &person.ada("backup/tree"), "dest/"], 0);
    assert!(person.is_there("dest/tree/deep/er/grüße"));
    person.run(&["mv", &person.ada("new.txt"), &person.ada("old/new.txt")], 0);
    person.run(&["mv", "-f", &person.ada("photos/plain.txt"), &person.ada("old/new.txt")], 0);
    person.run(&["mv", &person.ada("old"), &person.ada("backup"), &person.ada("photos/")], 0);
    person.run(&["hash", &person.ada("photos/old/new.txt")], 0);
    person.run(&["rm", &person.ada("from a pipe"), &person.ada("photos/a b%20.txt")], 0);
    person.run(&["rm", "-rf", &person.ada("photos/old"), &person.ada("never there")], 0);
}

/// What is not allowed, not there, there already, or too much.
fn refusals(person: &Person) {
    let of = |user: &str, path: &str| person.target(&format!("{user}@"), path);
    person.run(&["get", &person.public("missing"), "dest/"], 3);
    person.run(&["mkdir", &person.public("mine")], 5);
    person.run(&["put", "plain.txt", &of("reader", "x")], 5);
    person.run(&["rm", &of("reader", "readme.txt")], 5);
    person.run(&["who", &of("reader", "")], 5);
    person.run(&["rm", &person.ada("backup")], 3);
    person.run(&["rm", &person.ada("photos")], 1);
    person.run(&["mkdir", &person.ada("photos")], 11);
    person.write("large.txt", &"too much ".repeat(200));
    person.run(&["put", "large.txt", "plain.txt", &of("small", "")], 10);
    person.run(&["ls", &of("nobody", "")], 4);
    let mut command = person.place.command(&["ls", &of("ada", "")]);
    command.env("SEALIFT_PASSWORD", "wrong");
    check(&["ls", "with a wrong password"], &end_of(command, ""), 4);
}

/// Folders made alike, both ways, by times and by hashes.
fn mirrors(person: &Person) {
    for name in ["site/index.html", "site/style/main.css", "site/gone.html", "site/scratch.tmp"] {
        person.write(name, name);
    }
    person.run(&["mirror", "./site", &person.ada("www")], 0);
    person.write("site/index.html", "changed, and longer");
    person.remove("site/gone.html");
    person.run(&["mirror", "--delete", "--exclude", "*.tmp", "./site", &person.ada("www")], 0);
    person.run(&["mirror", "--checksum", "./site", &person.ada("www")], 0);
    person.run(&["mirror", &person.ada("www"), "./copy"], 0);
    assert!(person.is_there("copy/style/main.css"));
}

/// Transfers that go on where they were cut off, each with little left of it.
fn cut_off(person: &Person, daemon: &Daemon) {
    let size = BLOCK as u64 + 100;
    person.write_zeros("long", size);
    let uploading = RawClient::logged_in(daemon, "ada", ENCODED);
    drop(half_an_upload(uploading, "long", &vec![0; BLOCK + 50], &daemon.data().join("ada")));
    let mut asking = RawClient::logged_in(daemon, "ada", ENCODED);
    eventually("the part is kept", || asking.ask("HASH long partial=yes").0 == 213);
    person.run(&["put", "-c", "long", &person.ada("long")], 0);

    person.write_zeros("dest/.long.sealift-part", BLOCK as u64);
    person.run(&["get", "-c", &person.ada("long"), "dest/"], 0);
    assert_eq!(fs::metadata(person.place.dest().join("long")).unwrap().len(), size);
}

/// A file large enough to go over several connections.
fn several_connections(person: &Person) {
    person.write_zeros("huge", LARGE);
    person.run(&["put", "--perms", "--streams", "2", "huge", &person.ada("huge")], 0);
    person.run(&["get", "--streams", "2", &person.ada("huge"), "dest/"], 0);
    assert_eq!(fs::metadata(person.place.dest().join("huge")).unwrap().len(), LARGE);
    person.run(&["rm", &person.ada("huge")], 0);
}

/// A conversation, with a change of user in it.
fn shell(person: &Person) {
    let lines = "ls\nmkdir docs\ncd docs\nput 'a b%20.txt'\nput -r tree\nls\nstat tree\ncat \"a b%20.txt\"\nhash tree/a\n\
                 get a\\ b%20.txt dest/copy\ncd ..\nmv docs/tree moved\nrm -r moved\nget missing\nping\nstatus\nwho\n\
                 login anonymous\nls folder\nlogout\n";
    // One of them fails.
    person.run_with(&["shell", &person.ada("")], lines, 10);
    assert!(person.is_there("dest/copy"));
}

/// What people type into `openssl s_client`, and other clients may send: all verbs, and options that ours does not use.
fn links(person: &Person) {
    person.run(&["link", &person.ada("docs")], 0);
    person.run(&["link", "--max-downloads", "2", "--name", "a few", &person.ada("docs")], 0);
    person.run(&["link", "list", &person.ada("")], 0);
    person.run(&["link", "remove", &person.ada(""), "a few"], 0);
}

fn trash(person: &Person) {
    person.write("lost", "and found");
    person.run(&["put", "lost", &person.ada("")], 0);
    person.run(&["rm", &person.ada("lost")], 0);
    person.run(&["trash", "list", &person.ada("")], 0);
    person.run(&["trash", "restore", &person.ada("lost"), "--to", "found"], 0);
    person.run(&["trash", "empty", "--yes", &person.ada("")], 0);
}

fn typed_by_hand(port: u16) {
    let connect = || {
        let mut client = RawClient::silent(port);
        assert_eq!(client.reply().1, "ready");
        client
    };
    let help = |client: &mut RawClient, line: &str| {
        client.line(line);
        while client.reply().0 < 200 {}
    };
    let mut client = connect();
    help(&mut client, "help");
    help(&mut client, "HELP upload");
    assert_eq!(client.ask("STAT").1, "login-required");
    client.login("ada", ENCODED);
    help(&mut client, "HELP");
    let mut ask = |line: &str, word: &str| {
        let answer = client.ask(line);
        assert_eq!(answer.1, word, "{line}");
        answer.2
    };
    let secret = ask("LINK docs name=shared downloads=3 expires=never", "linked")["secret"].clone();
    ask("LINK docs drop=yes size=1000 files=2", "linked");
    ask("LINK nowhere", "not-found");
    let mut visitor = connect();
    assert_eq!(visitor.ask(format!("VISIT {secret}")).1, "welcome");
    assert_eq!(visitor.ask("LOGOUT").1, "bye");
    ask("UNLINK shared", "removed");
    ask("RESTORE gone id=0123456789abcdef-0123456789abcdef to=again", "not-found");
    ask("PURGE docs id=0123456789abcdef-0123456789abcdef", "not-found");
    let tokens = ask("TOKEN count=2", "tokens")["tokens"].clone();
    let (hash, content) = (Hash::of(b"in parts"), b"in parts");
    let id = ask("STAGE staged size=8 mtime=1700000000.5 if=absent", "staged")["id"].clone();
    let given_up = ask("STAGE other size=8", "staged")["id"].clone();
    ask(&format!("DISCARD {given_up}"), "done");

    let mut joined = connect();
    assert_eq!(joined.ask(format!("JOIN {}", tokens.split(',').next().unwrap())).1, "welcome");
    joined.send(part_bytes(&format!("{id} offset=0 length=8"), content));
    assert_eq!(joined.reply().1, "done");
    assert_eq!(joined.ask("LOGOUT").1, "bye");

    ask(&format!("COMMIT {id} hash={hash}"), "done");
    ask("HASH staged length=2", "hash");
    ask("HASH staged partial=yes", "not-found");
    ask("LIST missing", "not-found");
    ask("RENAME staged photos", "exists");
    ask("COPY staged copied", "done");
    ask("COPY staged copied", "exists");
    ask("COPY staged copied replace=yes", "done");
    ask("COPY docs copied", "is-directory");
    ask("DELETE copied", "done");
    ask("MKDIR docs/x/y", "not-found");
    ask("DELETE docs", "not-empty");
    ask("DOWNLOAD docs", "is-directory");
    ask("JOIN 0123", "bad-sequence");
    ask("STATUS", "status");
    ask("HASH staged recorded=yes", "hash");
    ask("HASH staged growing=yes", "hash");
    ask("LIST staged rotten=yes", "not-directory");
    ask("ACCEPT staged", "done");
    ask("CHMOD staged mode=755", "done");
    ask("CHMOD staged mode=604 perms=yes", "done");
    ask("KICK nobody", "not-found");
    ask("PENALTIES", "done");
    ask("UNBAN 192.0.2.1", "not-found");
    ask("PASSWD mine%20alone present=wrong", "login-failed");
    let mut stranger = connect();
    let answer = stranger.ask(format!("REDEEM ada {} password=my%20own%20words", "a".repeat(43)));
    assert_eq!(answer.1, "login-failed");
    let answer = stranger.ask(format!("REDEEM ada {}", "a".repeat(43)));
    assert_eq!(answer.1, "login-failed");
    let mut reader = connect();
    reader.login("reader", ENCODED);
    assert_eq!(reader.ask(format!("PASSWD my%20own%20words present={ENCODED}")).1, "changed");
    client.data("DOWNLOAD staged offset=3 length=4").unwrap();
    client.data("DOWNLOAD staged growing=yes").unwrap();
    client.data("LIST docs recursive=yes").unwrap();
    client.data("LIST docs mode=yes marks=yes").unwrap();
    for (arguments, word) in [
        (format!("staged size=3 if=hash:{hash}"), "done"),
        (format!("staged size=3 if=hash:{hash}"), "changed"),
        ("staged if=absent".to_owned(), "exists"),
        ("docs".to_owned(), "is-directory"),
        ("staged mtime=-1.25".to_owned(), "done"),
    ] {
        assert_eq!(client.upload(&arguments, b"new").1, word, "{arguments}");
    }
    // Many at once, without a wait.
    client.send(
        [upload_bytes("p1", b"1"), b"STAT p1\r\nRENAME p1 p2\r\nDELETE p2\r\nPING\r\nLOGOUT\r\n".into()].concat(),
    );
    let words: Vec<String> = std::iter::from_fn(|| client.try_reply()).map(|answer| answer.1).collect();
    assert_eq!(words, ["done", "stat", "done", "done", "pong", "bye"]);
}

/// Enrols a key, and revokes it by its own signature, over a connection that is logged in as ada.
fn change_keys(client: &mut RawClient, daemon: &Daemon) {
    let (key, pin) = (LoginKey::generate("ada@tablet").unwrap(), daemon.pin().parse().unwrap());
    let sign = |client: &mut RawClient, purposes: [Purpose; 2]| {
        let nonce = client.ask("NONCE").2["nonce"].parse().unwrap();
        purposes.map(|purpose| key.sign(&Statement { purpose, nonce, user: "ada", pin }).unwrap().to_text())
    };
    let [own, proof] = sign(client, [Purpose::Enrolled, Purpose::Enrol]);
    assert_eq!(client.ask(format!("ENROL ada@tablet {own} proof={proof}")).1, "login-failed");
    let [own, _] = sign(client, [Purpose::Enrolled, Purpose::Enrol]);
    assert_eq!(client.ask(format!("ENROL ada@tablet {own} present={ENCODED}")).1, "enrolled");
    client.line("KEYS");
    assert_eq!([client.reply().1, client.reply().1, client.reply().1], ["key", "key", "done"]);
    let [_, proof] = sign(client, [Purpose::Enrolled, Purpose::Revoke]);
    assert_eq!(client.ask(format!("REVOKE {} proof={proof}", key.public().fingerprint())).1, "removed");
}

/// Logs in with a key, at the second attempt.
fn by_key(port: u16, daemon: &Daemon) {
    let key = LoginKey::generate("ada@laptop").unwrap();
    let users = UsersFile::new(daemon.place().join("users.toml"));
    let key_of_hers = UserKey::new(key.public().clone(), key.comment());
    users.add_keys("ada", &[key_of_hers]).unwrap();
    let mut client = RawClient::silent(port);
    let mut nonce = client.reply().2["nonce"].clone();
    for (user, word) in [("nobody", "login-failed"), ("ada", "welcome")] {
        let (digits, pin) = (nonce.parse().unwrap(), daemon.pin().parse().unwrap());
        let proof = key.sign(&Statement { purpose: Purpose::Login, nonce: digits, user, pin }).unwrap();
        let (_, answer, fields) = client.ask(format!("KEY {user} {}", proof.to_text()));
        assert_eq!(answer, word);
        nonce = fields.get("nonce").cloned().unwrap_or_default();
    }
    change_keys(&mut client, daemon);
    assert_eq!(client.ask("LOGOUT").1, "bye");
}

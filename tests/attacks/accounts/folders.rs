//! Shared folders, and rules for parts of a home: every right and every command, and the ways around them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use sealift::files::Hash;
use sealift::proto::Verb;
use sealift::proto::frame::END;

use crate::common::web::{Got, curl};
use crate::common::{
    Answer, Daemon, PASSWORD, RawClient, World, assert_nothing_staged, enter, eventually, frames_of, half_an_upload,
    section, staged, text,
};
use crate::matrix::{Right, Scene, every_command};

/// A request of this user's.
pub(super) fn ask(daemon: &Daemon, user: &str, method: &str, headers: &[&str], body: &str, path: &str) -> Got {
    let login = format!("{user}:{PASSWORD}");
    let mut args = vec!["-X", method, "--user", &login];
    if !body.is_empty() {
        args.extend(["--data-binary", body]);
    }
    headers.iter().for_each(|header| args.extend(["--header", header]));
    curl(daemon, &args, path)
}

pub(super) fn word(client: &mut RawClient, line: &str) -> String {
    client.ask(line).1
}

/// The command about the same names in this folder; none if it is about no path.
fn within(folder: &str, verb: Verb, line: &[u8]) -> Option<Vec<u8>> {
    // What is found by an id is about no path yet.
    if matches!(verb, Verb::Part | Verb::Commit | Verb::Discard) {
        return None;
    }
    Right::all_needed(verb, line).first()?.access()?;
    let end = line.windows(2).position(|two| two == b"\r\n")?;
    let mut words = text(&line[..end]).split(' ').map(str::to_owned).collect::<Vec<_>>();
    if !words.iter().skip(1).any(|word| !word.contains('=')) {
        words.insert(1, folder.to_owned());
        return Some([words.join(" ").as_bytes(), &line[end..]].concat());
    }
    for word in words.iter_mut().skip(1).filter(|word| !word.contains('=')) {
        *word = format!("{folder}/{word}");
    }
    Some([words.join(" ").as_bytes(), &line[end..]].concat())
}

/// The final reply of one command, past its preliminary ones and its data.
pub(super) fn final_reply(client: &mut RawClient) -> Answer {
    loop {
        let answer = client.reply();
        match (answer.0, answer.1.as_str()) {
            (150, _) => drop(client.frames()),
            (100..200, _) => {}
            _ => return answer,
        }
    }
}

/// Users who have each right alone, all but it, none and all of them: in a shared folder, and by a rule in a part of the home, where
/// all else is theirs.
fn holders() -> Vec<(String, BTreeSet<&'static str>)> {
    let all = Right::every_holding().into_iter().filter(|(name, _)| name != "administrator");
    all.map(|(name, held)| (name, held.iter().filter_map(|right| right.access()).collect())).collect()
}

fn world_of_holders() -> World {
    let world = World::of(&[]);
    let mut file = String::from("[anonymous]\nenabled = false\n");
    for (name, held) in holders() {
        let access: Vec<String> = held.iter().map(|right| format!("\"{right}\"")).collect();
        let access = format!("[{}]", access.join(", "));
        file += &section(&name, "\"full\"", &name);
        file += &format!("[folders.f-{name}]\nas = \"part\"\naccess = {{ {name} = {access} }}\n");
        let ruled = format!("r-{name}");
        file += &section(&ruled, "\"full\"", &ruled);
        file += &format!("[[users.{ruled}.rules]]\npath = \"/part/**\"\naccess = {access}\n");
    }
    world.set_users(&file);
    world
}

#[test]
fn folder_matrix() {
    let world = world_of_holders();
    let daemon = world.start();
    for (name, held) in holders() {
        let shared = (name.clone(), world.home(&format!("f-{name}")));
        let ruled = (format!("r-{name}"), world.home(&format!("r-{name}")).join("part"));
        for (user, home) in [shared, ruled] {
            if held.is_empty() && user == name {
                assert_eq!(
                    word(&mut enter(&daemon, &user), "STAT part"),
                    "not-found",
                    "whoever has no right has no folder"
                );
                continue;
            }
            let scene = Scene::prepare(home);
            let mut client = enter(&daemon, &user);
            for verb in Verb::ALL.iter().copied() {
                for line in every_command(verb) {
                    let Some(inside) = within("part", verb, &line) else { continue };
                    let shown = format!("{user}: {}", text(&inside));
                    scene.restore();
                    let before = scene.snapshot();
                    client.send(&inside);
                    let (_, word, _) = final_reply(&mut client);
                    let rights: Vec<Right> = held.iter().map(|right| Right::Access(right)).collect();
                    let allowed = Right::suffice(&rights, verb, &line);
                    assert_eq!(word != "denied", allowed, "{shown}: {word}");
                    if !allowed {
                        assert_eq!(scene.snapshot(), before, "{shown}");
                    }
                    assert_eq!(client.ask("PING").1, "pong", "{shown}: the stream is in step");
                }
            }
        }
    }
}

#[test]
fn folder_matrix_of_the_web() {
    let world = world_of_holders();
    let daemon = world.start();
    let patch = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u'>1</x></prop></set></propertyupdate>";
    for (name, held) in holders().into_iter().filter(|(_, held)| !held.is_empty()) {
        let scene = Scene::prepare(world.home(&format!("f-{name}")));
        let at = |path: &str| format!("/~{name}/part/{path}");
        let destination = format!("Destination: {}", at("new"));
        // Whoever may not list is not told whether something was replaced, and so neither moves nor copies.
        for (method, headers, body, path, needed) in [
            ("GET", &[][..], "", "", &["list"][..]),
            ("PROPFIND", &["Depth: 1"], "", "", &["list"]),
            ("GET", &[], "", "file", &["download"]),
            ("PUT", &[], "other", "new", &["upload"]),
            ("PUT", &[], "other", "file", &["upload", "overwrite"]),
            ("DELETE", &[], "", "file", &["delete"]),
            ("DELETE", &[], "", "folder/", &["delete"]),
            ("MKCOL", &[], "", "new/", &["mkdir"]),
            ("MOVE", &[&*destination], "", "file", &["list", "rename"]),
            ("COPY", &[&*destination], "", "file", &["list", "download", "upload"]),
            ("PROPPATCH", &[], patch, "file", &["upload", "overwrite"]),
        ] {
            scene.restore();
            let before = scene.snapshot();
            let got = ask(&daemon, &name, method, headers, body, &at(path));
            let allowed = needed.iter().all(|right| held.contains(right));
            assert_eq!(got.status != 403, allowed, "{name} {method} {path}: {got:?}");
            if !allowed {
                assert_eq!(scene.snapshot(), before, "{name} {method} {path}");
            }
        }
    }
}

/// Alice reads in one folder, delivers into another, and may do everything at home but in two parts of it.
const RULES: &str = r#"
[folders.library]
access = { alice = "read", bob = "full" }
[folders.inbox]
as = "team/inbox"
access = { alice = ["upload", "list"], bob = "full" }
[[users.alice.rules]]
path = "/2025/**"
access = "read"
[[users.alice.rules]]
path = "/secret/**"
access = ["list"]
[[users.alice.rules]]
path = "/around/inner/**"
access = []
"#;

fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    set(&world, RULES);
    for folder in
        ["library/shelf", "inbox", "alice/2025/sub", "alice/secret", "alice/free", "alice/around/inner", "bob"]
    {
        fs::create_dir_all(world.home(folder)).unwrap();
        fs::write(world.home(folder).join("file"), folder).unwrap();
    }
    world
}

fn set(world: &World, more: &str) {
    let people: String = ["alice", "bob"].map(|user| section(user, "\"full\"", user)).concat();
    world.set_users(&format!("[anonymous]\nenabled = true\nhome = \"public\"\n{people}{more}"));
}

#[test]
fn folder_escapes() {
    let world = world();
    // What somebody put on the disk: links, and a folder that has the name of a shared one.
    symlink("../library", world.home("alice").join("by-link")).unwrap();
    symlink("secret", world.home("alice").join("open")).unwrap();
    symlink("secret/file", world.home("alice").join("plain")).unwrap();
    symlink("../alice", world.home("library").join("out")).unwrap();
    fs::write(world.home("alice").join("secret/file"), "canary-of-secret").unwrap();
    fs::create_dir(world.home("alice").join("library")).unwrap();
    fs::write(world.home("alice").join("library/hidden"), "x").unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for (line, wanted) in [
        // Into and out of what is shared.
        ("RENAME library/shelf stolen", "denied"),
        ("RENAME free library/free", "denied"),
        ("RENAME free/file team/inbox/file", "denied"),
        ("RENAME team/inbox/file taken", "denied"),
        ("COPY team/inbox/file taken", "denied"),
        ("COPY free/file library/file replace=yes", "denied"),
        ("COPY free/file team/inbox/file replace=yes", "denied"),
        // What is above.
        ("DELETE team recursive=yes", "denied"),
        ("RENAME team other", "denied"),
        ("DELETE library recursive=yes", "denied"),
        ("RENAME free library", "denied"),
        // Other spellings.
        ("DELETE library/../library/file", "bad-path"),
        ("DELETE ../library/file", "bad-path"),
        ("DELETE /library/file", "bad-path"),
        ("DELETE ./library/file", "bad-path"),
        ("DELETE %6cibrary/shelf/file", "denied"),
        ("STAT library/hidden", "not-found"),
        // Rules.
        ("RENAME secret open2", "denied"),
        ("RENAME 2025/sub free/sub", "denied"),
        ("DELETE 2025 recursive=yes", "denied"),
        ("DELETE 2025/sub recursive=yes", "denied"),
        ("CHMOD 2025/sub/file mode=600", "denied"),
        ("ACCEPT 2025/sub/file", "denied"),
    ] {
        assert_eq!(word(&mut alice, line), wanted, "{line}");
    }
    for line in
        ["DOWNLOAD by-link/shelf/file", "DOWNLOAD library/out/free/file", "DELETE open/file", "RENAME open/file x"]
    {
        let (digits, word, _) = alice.ask(line);
        assert_eq!(digits, 550, "{line}: {word}");
    }
    for line in ["DOWNLOAD open/file", "HASH open/file", "COPY open/file taken", "DOWNLOAD plain", "HASH plain"] {
        assert_eq!(word(&mut alice, line), "denied", "{line}");
    }
    for (method, from, to) in [
        ("MOVE", "library/shelf/", "stolen/"),
        ("MOVE", "2025/", "2024/"),
        ("MOVE", "secret/file", "open-now"),
        ("COPY", "secret/file", "open-now"),
        ("COPY", "around/", "copied/"),
        ("MOVE", "free/", "2025/free/"),
        ("MOVE", "free/", "library/"),
        ("COPY", "free/", "library/"),
        ("MOVE", "free/", "2025/sub/"),
    ] {
        let destination = format!("Destination: /~alice/{to}");
        let got = ask(&daemon, "alice", method, &[&destination], "", &format!("/~alice/{from}"));
        assert_eq!(got.status, 403, "{method} {from} {to}: {got:?}");
    }
    assert!(!world.home("alice").join("copied").exists());
    for (place, content) in
        [("library/shelf", "library/shelf"), ("alice/2025/sub", "alice/2025/sub"), ("inbox", "inbox")]
    {
        assert_eq!(fs::read_to_string(world.home(place).join("file")).unwrap(), content);
    }
    let tree = ask(&daemon, "alice", "GET", &[], "", "/~alice/?tar");
    assert!(!tree.text().contains("canary-of-secret"), "no archive holds what may not be read");
}

#[test]
fn folder_withdrawn() {
    let world = world();
    set(&world, &RULES.replace("alice = \"read\"", "alice = \"full\""));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let token = alice.ask("TOKEN").2["tokens"].clone();
    let begun =
        ask(&daemon, "alice", "PUT", &["Upload-Complete: ?0", "Content-Type:"], "first,", "/~alice/library/web");
    assert_eq!(begun.status, 201, "{begun:?}");
    let url = begun.header("location").to_owned();
    fs::File::create(world.home("library").join("large")).unwrap().set_len(64 << 20).unwrap();
    let mut reads = enter(&daemon, "alice");
    reads.line("DOWNLOAD library/large");
    assert_eq!(reads.reply().0, 150);
    alice.line("STAGE library/staged size=4 if=absent");
    let id = alice.reply().2["id"].clone();

    set(&world, "[folders.library]\naccess = { bob = \"full\" }\n");
    assert_eq!(word(&mut alice, "STAT library/large"), "not-found");
    assert!(reads.frames().is_none(), "what was being sent is broken off");
    assert_eq!(reads.reply().1, "denied");
    let more = ["Content-Type: application/partial-upload", "Upload-Complete: ?1", "Upload-Offset: 6"];
    let got = ask(&daemon, "alice", "PATCH", &more, "second", &url);
    assert_eq!(got.status, 404, "what was begun there is given up: {got:?}");
    assert_eq!(word(&mut alice, &format!("COMMIT {id} hash={}", Hash::of(b"text"))), "denied");
    let mut joined = RawClient::connect(&daemon);
    assert_eq!(
        word(&mut joined, &format!("JOIN {token}")),
        "login-failed",
        "a token is of the rights that it was given with"
    );
    let names: BTreeSet<_> =
        fs::read_dir(world.home("library")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!["web", "staged"].iter().any(|name| names.contains(std::ffi::OsStr::new(name))), "{names:?}");
    assert!(!world.home("alice").join("library").exists(), "and nothing of it came into the home");
    eventually("all is put away", || enter(&daemon, "bob").ask("STATUS").0 == 211);
    drop((alice, joined, reads));
    assert_nothing_staged(&world.home("alice"), "after the end");
}

/// Whoever may rename where a shared folder's path leads through has it lead to the server's own.
#[test]
fn folder_that_leads_elsewhere_later() {
    let world = World::of(&["alice"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let (shared, link) = (elsewhere.path().join("shared"), elsewhere.path().join("link"));
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("file"), "shared").unwrap();
    symlink(&shared, &link).unwrap();
    let alice = section("alice", "\"full\"", "alice");
    world
        .set_users(&format!("{alice}[folders.isos]\npath = \"{}\"\naccess = {{ alice = \"full\" }}\n", link.display()));
    let daemon = world.daemon().args(["--no-sandbox"]).start();
    assert_eq!(enter(&daemon, "alice").download("isos/file").unwrap(), b"shared");
    // The last one is around the data folder.
    for own in ["certs", "server_state", ""] {
        fs::remove_file(&link).unwrap();
        symlink(world.place().join(own), &link).unwrap();
        let mut alice = enter(&daemon, "alice");
        for line in ["DOWNLOAD isos/key.pem", "STAT isos/key.pem", "DOWNLOAD isos/users.toml", "MKDIR isos/d"] {
            assert_eq!(alice.ask(line).1, "unavailable", "{own} {line}");
        }
        assert_eq!(alice.upload("own", b"x").1, "done", "what is hers is not in question");
    }
    daemon.log_with(&["are one in the other"]);
    fs::remove_file(&link).unwrap();
    symlink(&shared, &link).unwrap();
    assert_eq!(enter(&daemon, "alice").download("isos/file").unwrap(), b"shared");
}

#[test]
fn folder_quota_exact() {
    const QUOTA: u64 = 512 * 1024;
    const FILE: usize = 10_000;
    let world = world();
    set(&world, "[folders.library]\nas = \"l\"\nquota = \"512 KiB\"\naccess = { \"*\" = \"full\" }\n");
    fs::remove_dir_all(world.home("library")).unwrap();
    fs::create_dir(world.home("library")).unwrap();
    let daemon = world.daemon().args(["--durability", "none"]).start();
    let done: usize = std::thread::scope(|scope| {
        let sends = |number: usize| {
            let (daemon, user) = (&daemon, ["alice", "bob"][number % 2]);
            scope.spawn(move || {
                let mut client = enter(daemon, user);
                let words = (0..4).map(|file| client.upload(&format!("l/f{number}-{file}"), &vec![7; FILE]).1);
                words.filter(|word| word == "done").count()
            })
        };
        let all: Vec<_> = (0..32).map(sends).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let there: u64 = fs::read_dir(world.home("library"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(|meta| meta.is_file())
        .map(|meta| meta.len())
        .sum();
    assert_eq!((done as u64 * FILE as u64, there <= QUOTA), (there, true));
    assert!(QUOTA - there < FILE as u64 * 32, "{there}");
    let left = usize::try_from(QUOTA - there).unwrap();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload(&format!("l/more size={}", left + 1), &vec![1; left + 1]).1, "quota");
    assert_eq!(alice.upload("l/last", &vec![1; left]).1, "done", "to the byte");
    assert_eq!(alice.upload("own", &vec![1; FILE]).1, "done", "her own folder has nothing of it");
}

#[test]
fn folder_locks() {
    let world = world();
    set(
        &world,
        "[folders.library]\nas = \"team/l\"\naccess = { alice = \"full\" }\n[folders.inbox]\naccess = { bob = \"full\" }\n",
    );
    set(
        &world,
        "[groups.all]\nmembers = [\"alice\", \"bob\"]\n[folders.library]\nas = \"team/l\"\naccess = { \"@all\" = \"full\" }\n",
    );
    let daemon = world.start();
    let terms = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    let locked = ask(&daemon, "alice", "LOCK", &["Depth: infinity"], terms, "/~alice/team/l/shelf/");
    assert_eq!(locked.status, 200, "{locked:?}");
    assert!(locked.text().contains("<D:lockroot><D:href>/~alice/team/l/shelf/</D:href>"), "{locked:?}");
    let mut bob = enter(&daemon, "bob");
    for line in ["DELETE team/l/shelf/file", "RENAME team/l/shelf team/l/other", "MKDIR team/l/shelf/new"] {
        assert_eq!(word(&mut bob, line), "locked", "{line}");
    }
    assert_eq!(bob.upload("team/l/shelf/file", b"x").1, "locked");
    assert_eq!(bob.upload("team/l/free", b"x").1, "done");
    let find = "<propfind xmlns='DAV:'><prop><lockdiscovery/></prop></propfind>";
    let told = ask(&daemon, "bob", "PROPFIND", &["Depth: 0"], find, "/~bob/team/l/shelf/file").text();
    assert!(told.contains("<D:lockroot><D:href>/~bob/team/l/shelf/</D:href>"), "{told}");
    assert!(!told.contains("locktoken"), "the token is hers: {told}");
    // One of the same name at home is not it.
    assert_eq!(word(&mut bob, "MKDIR shelf"), "done");
    assert_eq!(bob.upload("shelf/file", b"x").1, "done");
}

/// What is left of carol's interrupted upload into a folder that bob delivers to as well: one that counts for each, one that is bob's home, and
/// all where other servers put something there, too.
#[test]
fn folder_partials_of_others() {
    let more: [&[&str]; 2] = [&[], &["--shared", "--node", "one"]];
    for args in more {
        let world = World::with(&[("bob", "\"full\"", "drop"), ("carol", "\"full\"", "carol")]);
        let file = world.place().join("users.toml");
        let access = "access = { \"*\" = [\"upload\", \"list\"] }\n";
        let sections =
            [("inbox", ""), ("drop", ""), ("keeps", "trash = \"30d\"\n"), ("bounded", "quota = \"1 GiB\"\n")]
                .map(|(folder, more)| format!("[folders.{folder}]\n{access}{more}"));
        fs::write(&file, format!("{}\n{}", fs::read_to_string(&file).unwrap(), sections.concat())).unwrap();
        let daemon = world.daemon().args(args.iter().copied()).start();
        for folder in ["inbox", "drop", "keeps"] {
            each_has_the_own_partials(&world, &daemon, folder);
        }
        // Where several servers serve it what is kept would not be counted.
        match args.is_empty() {
            true => each_has_the_own_partials(&world, &daemon, "bounded"),
            false => no_partials_are_kept(&world, &daemon, "bounded"),
        }
    }
}

fn each_has_the_own_partials(world: &World, daemon: &Daemon, folder: &str) {
    let bytes = vec![7; 17 << 20];
    let block = usize::try_from(sealift::limits::HASH_BLOCK).unwrap();
    let (mut carol, mut bob) = (enter(daemon, "carol"), enter(daemon, "bob"));
    let path = format!("{folder}/f");
    // What is his home has no name of its own there.
    let his = |name: &str| if folder == "drop" { name.to_owned() } else { format!("{folder}/{name}") };
    half_an_upload(enter(daemon, "carol"), &path, &bytes, &world.home(folder)).close();
    let ask = |path: &str| format!("HASH {path} partial=yes");
    eventually("it is kept", || carol.ask(ask(&path)).0 == 213);
    assert_eq!(bob.ask(ask(&his("f"))).1, "not-found", "{folder}: size and hash are told to nobody else");
    // Neither stored as his own, nor used up by beginning where she has come to.
    let prefix = Hash::of(&bytes[..block]);
    for size in [block, bytes.len()] {
        let begin = format!("UPLOAD {} size={size} offset={block} prefix={prefix}", his("f"));
        assert_eq!(enter(daemon, "bob").ask(begin).1, "changed", "{folder} {size}");
    }
    let going_on = format!("UPLOAD {path} size={} offset={block} prefix={prefix}", bytes.len());
    carol.line(going_on);
    carol.send([&frames_of(&bytes[block..])[..], &END, Hash::of(&bytes).as_bytes()].concat());
    assert_eq!(carol.reply().1, "done", "{folder}: hers is there still");
    assert_eq!(fs::read(world.home(folder).join("f")).unwrap(), bytes);
    // His own are his.
    half_an_upload(enter(daemon, "bob"), &his("his"), &bytes, &world.home(folder)).close();
    eventually("it is kept", || bob.ask(ask(&his("his"))).0 == 213);
    assert_eq!(word(&mut carol, &ask(&format!("{folder}/his"))), "not-found", "{folder}");
}

/// Where a folder has a quota in which it is not counted nothing is kept, so that nobody finds anything of anybody.
fn no_partials_are_kept(world: &World, daemon: &Daemon, folder: &str) {
    let bytes = vec![7; 17 << 20];
    let path = format!("{folder}/f");
    half_an_upload(enter(daemon, "carol"), &path, &bytes, &world.home(folder)).close();
    let (home, reserved) = (world.home(folder), world.home(folder).join(sealift::limits::RESERVED_NAME));
    eventually("it is given up", || staged(&home).iter().all(|path| !reserved.join(path).is_file()));
    for user in ["carol", "bob"] {
        assert_eq!(word(&mut enter(daemon, user), &format!("HASH {path} partial=yes")), "not-found", "{user}");
    }
}

//! Every object that `--json` writes is one that docs/json.schema.json describes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use serde_json::Value;

use crate::common::program::World;

struct Schema {
    text: Value,
    validator: jsonschema::Validator,
    seen: BTreeSet<String>,
}

impl Schema {
    fn read() -> Schema {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.schema.json");
        let text: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&text).unwrap();
        Schema { text, validator, seen: BTreeSet::new() }
    }

    fn events(&self) -> BTreeSet<String> {
        let names = self.text["properties"]["event"]["enum"].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Checks each line: it is valid, and has no field that is not written down.
    fn check(&mut self, lines: &str) {
        for line in lines.lines() {
            let object: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
            assert!(self.validator.is_valid(&object), "{line}");
            let event = object["event"].as_str().unwrap();
            let described = self.text["oneOf"].as_array().unwrap();
            let described = described.iter().find(|one| one["properties"]["event"]["const"] == event).unwrap();
            for field in object.as_object().unwrap().keys() {
                assert!(field == "v" || described["properties"].get(field).is_some(), "{field} in {line}");
            }
            self.seen.insert(event.to_owned());
        }
    }

    fn run(&mut self, world: &World, args: &[&str], code: i32) {
        let done = world.run(["--json"].iter().chain(args)).code(code);
        self.check(&done.stderr);
        self.check(done.stdout());
        // What cannot be read as a command has not begun.
        if done.stderr.lines().all(|line| !line.contains(r#""error":"usage""#)) {
            let last: Value = serde_json::from_str(done.stdout().lines().last().unwrap_or_default()).unwrap();
            assert_eq!(last["event"], "summary", "{args:?}: {}", done.stdout());
        }
    }
}

#[test]
fn every_object_is_as_the_schema_says_and_every_event_is_provoked() {
    let world = World::trusting();
    let mut schema = Schema::read();
    fs::create_dir_all(world.local("tree/sub")).unwrap();
    fs::write(world.local("tree/a"), "a").unwrap();
    fs::write(world.local("tree/sub/b"), vec![7; 3_000_000]).unwrap();
    std::os::unix::fs::symlink("a", world.local("tree/link")).unwrap();
    let at = |path: &str| world.alice(path);
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    schema.run(&world, &["put", "tree/a", &at("gone")], 0);
    schema.run(&world, &["rm", &at("gone")], 0);
    schema.run(&world, &["trash", "list", &at("")], 0);
    schema.run(&world, &["trash", "restore", &at("gone")], 0);
    schema.run(&world, &["trash", "empty", "--yes", &at("")], 0);
    schema.run(&world, &["put", "-r", "tree", &at("")], 0);
    schema.run(&world, &["get", "-r", &at("tree"), "back"], 0);
    std::os::unix::fs::symlink("a", world.remote("alice", "tree/kept")).unwrap();
    schema.run(&world, &["get", "-r", "--links", "keep", &at("tree"), "kept"], 0);
    fs::remove_file(world.remote("alice", "tree/kept")).unwrap();
    schema.run(&world, &["get", &at("missing"), "."], 3);
    schema.run(&world, &["mirror", "--dry-run", "tree", &at("other")], 0);
    schema.run(&world, &["mirror", "./tree", &at("tree")], 0);
    schema.run(&world, &["ls", "-r", &at("")], 0);
    schema.run(&world, &["stat", &at("tree/a"), &at("tree")], 0);
    schema.run(&world, &["hash", &at("tree/sub/b")], 0);
    schema.run(&world, &["du", &at("tree")], 0);
    schema.run(&world, &["df", &at("")], 0);
    schema.run(&world, &["find", &at("tree"), "--name", "a"], 0);
    schema.run(&world, &["tree", &at("tree")], 0);
    schema.run(&world, &["mkdir", &at("new")], 0);
    schema.run(&world, &["mv", &at("tree/a"), &at("new/a")], 0);
    schema.run(&world, &["cp", &at("new/a"), &at("new/copy")], 0);
    schema.run(&world, &["link", &at("tree/sub/b")], 0);
    schema.run(&world, &["link", "list", &at("")], 0);
    // Rot: other bytes with the size and the times of those that were stored.
    let stored = world.remote("alice", "tree/sub/b");
    let times = fs::metadata(&stored).unwrap().modified().unwrap();
    let mut bytes = fs::read(&stored).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&stored, bytes).unwrap();
    fs::File::options().write(true).open(&stored).unwrap().set_modified(times).unwrap();
    schema.run(&world, &["verify", &at("")], 8);
    schema.run(&world, &["accept", &at("tree/sub/b")], 0);
    schema.run(&world, &["verify", &at("")], 0);
    schema.run(&world, &["rm", "-r", &at("new")], 0);
    schema.run(&world, &["ping", &at("")], 0);
    schema.run(&world, &["status", &at("")], 0);
    schema.run(&world, &["health", &at("")], 0);
    schema.run(&world, &["admin", "top", "--every", "500ms", &at("")], 0);
    schema.run(&world, &["admin", "reload", &at("")], 0);
    schema.run(&world, &["trust", "list"], 0);
    schema.run(&world, &["bookmark", "add", "work", &at("tree")], 0);
    schema.run(&world, &["bookmark", "list"], 0);
    schema.run(&world, &["bookmark", "remove", "work"], 0);
    schema.run(&world, &["key", "new"], 0);
    schema.run(&world, &["login", &at("")], 0);
    schema.run(&world, &["key", "list"], 0);
    schema.run(&world, &["key", "list", &at("")], 0);
    schema.run(&world, &["logout", &at("")], 0);
    schema.run(&world, &["login", "--name", "tablet", &at("")], 0);
    schema.run(&world, &["key", "remove", &at(""), "tablet"], 0);
    schema.run(&world, &["get", "--dry-run", &at("tree/sub/b"), "planned"], 0);
    let told = world.run_with(["--json", "shell", &at("")], b"pwd\nlpwd\n").code(0);
    schema.check(told.stdout());
    schema.run(&world, &["get"], 2);
    schema.run(&world, &["frobnicate"], 2);
    schema.run(&world, &["ls", "--frobnicate", &at("")], 2);

    let elsewhere: BTreeSet<String> = [
        // In admin.rs and cli/{passwd,join}.rs, of accounts that this world does not have; a mirror that was killed, in
        // tests/attacks/mirror; what takes longer than a second; and warnings, which few commands have.
        "kicked",
        "penalty",
        "unbanned",
        "stopping",
        "password-changed",
        "joined",
        "put-back",
        "progress",
        "warning",
    ]
    .map(str::to_owned)
    .into();
    let missing: Vec<_> = schema.events().into_iter().filter(|event| !schema.seen.contains(event)).collect();
    assert!(missing.iter().all(|event| elsewhere.contains(event)), "never seen: {missing:?}");
}

/// The side and the path of each error.
type Told<'a> = &'a [(&'a str, &'a str)];

/// The `error` events of a command.
fn errors(world: &World, args: &[&str]) -> Vec<Value> {
    let done = world.run(["--json"].iter().chain(args));
    assert_ne!(done.code, Some(0), "{args:?}");
    let objects = done.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter(|object| object["event"] == "error").collect()
}

#[test]
fn every_error_says_what_it_happened_to_on_which_side() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree/sub")).unwrap();
    fs::write(world.local("tree/a"), "a").unwrap();
    fs::create_dir_all(world.remote("alice", "folder/sub")).unwrap();
    fs::write(world.remote("alice", "file"), "f").unwrap();
    let at = |path: &str| world.alice(path);
    let (nix, file, folder) = (at("nix"), at("file"), at("folder"));
    let cases: &[(&[&str], Told)] = &[
        (&["get", &nix, &at("folder/nix2"), "."], &[("server", "nix"), ("server", "folder/nix2")]),
        (&["get", "-r", &nix, "."], &[("server", "nix")]),
        (&["get", &folder, "."], &[("server", "folder")]),
        (&["get", &at("file/"), "."], &[("server", "file")]),
        (&["get", &at("n*x"), "."], &[("server", "n*x")]),
        (&["get", &file, "missing/x"], &[("local", "missing")]),
        (&["get", &nix, "-"], &[("server", "nix")]),
        (&["put", "missing", &at("")], &[("local", "missing")]),
        (&["put", "tree", &at("")], &[("local", "tree")]),
        (&["put", "tree/a", &at("missing/a")], &[("server", "missing")]),
        (&["put", "tree/a", "tree/a", &file], &[("server", "file")]),
        (&["put", "tree/a", "--if-exists", "fail", &file], &[("server", "file")]),
        (&["get", "--if-exists", "fail", &file, "tree/a"], &[("local", "tree/a")]),
        (&["mirror", &nix, "./there"], &[("server", "nix")]),
        (&["mirror", "./missing", &at("there")], &[("local", "./missing")]),
        (&["ls", &nix], &[("server", "nix")]),
        (&["ls", &nix, &folder, &at("file/")], &[("server", "nix"), ("server", "file")]),
        (&["ls", &at("n*x")], &[("server", "n*x")]),
        (&["tree", &nix], &[("server", "nix")]),
        (&["du", &nix], &[("server", "nix")]),
        (&["find", &nix], &[("server", "nix")]),
        (&["cat", &nix, &folder], &[("server", "nix"), ("server", "folder")]),
        (&["stat", &nix], &[("server", "nix")]),
        (&["hash", &nix], &[("server", "nix")]),
        (&["verify", &nix], &[("server", "nix")]),
        (&["accept", &nix], &[("server", "nix")]),
        (&["rm", &nix, &at("nix2")], &[("server", "nix"), ("server", "nix2")]),
        (&["rm", &folder], &[("server", "folder")]),
        (&["mkdir", &folder, &at("")], &[("server", "folder"), ("server", ".")]),
        (&["mkdir", &at("a/b/c")], &[("server", "a/b")]),
        (&["mv", &nix, &at("other")], &[("server", "nix")]),
        (&["mv", &file, &at("missing/")], &[("server", "missing")]),
        (&["cp", &nix, &at("other")], &[("server", "nix")]),
        (&["cp", &folder, &at("other")], &[("server", "folder")]),
        (&["link", &nix], &[("server", "nix")]),
        (&["link", "--drop", &nix], &[("server", "nix")]),
        (&["trash", "restore", &nix], &[("server", "nix")]),
    ];
    let mut schema = Schema::read();
    for (args, expected) in cases {
        let errors = errors(&world, args);
        errors.iter().for_each(|error| schema.check(&error.to_string()));
        let told: Vec<_> = errors.iter().map(|error| (error["side"].as_str(), error["path"].as_str())).collect();
        let expected: Vec<_> = expected.iter().map(|(side, path)| (Some(*side), Some(*path))).collect();
        assert_eq!(told, expected, "{args:?}: {errors:?}");
    }
    // What is no file's or folder's fault has no path.
    for args in [&["ls", "nobody@127.0.0.1:1/x"][..], &["ls", "h:/x"], &["link", "remove", &at(""), "x"]] {
        let errors = errors(&world, args);
        assert!(errors.len() == 1 && errors[0].get("path").is_none(), "{errors:?}");
    }
}

#[test]
fn the_path_of_an_error_is_exact_where_it_is_no_text() {
    let world = World::trusting();
    let name = OsStr::from_bytes(b"caf\xe9");
    let there = OsStr::from_bytes(b"nix\xe9").to_owned();
    let target = [world.alice("").as_bytes(), there.as_bytes()].concat();
    for (args, encoded) in [
        (vec![OsStr::new("ls"), OsStr::from_bytes(&target)], "nix%E9"),
        (vec![OsStr::new("put"), name, OsStr::new(&world.alice(""))], "caf%E9"),
    ] {
        let done = world.run([OsStr::new("--json")].into_iter().chain(args)).code(3);
        let error: Value = serde_json::from_str(done.stderr.lines().next().unwrap()).unwrap();
        assert_eq!(error["path_encoded"], encoded, "{error}");
    }
}

#[test]
fn every_command_ends_with_a_summary_also_where_it_fails_but_not_behind_the_bytes_of_files() {
    let world = World::trusting();
    fs::write(world.remote("alice", "file"), "f").unwrap();
    let at = |path: &str| world.alice(path);
    let last = |args: &[&str]| {
        let done = world.run(["--json"].iter().chain(args));
        let last = done.stdout().lines().last().map(|line| serde_json::from_str::<Value>(line).unwrap());
        last.unwrap_or_else(|| panic!("{args:?}: {}", done.stderr))
    };
    let told = |summary: &Value| (summary["event"].clone(), summary["entries"].clone(), summary["failed"].clone());
    assert_eq!(told(&last(&["stat", &at("file"), &at("nix")])), ("summary".into(), 1.into(), 1.into()));
    assert_eq!(told(&last(&["rm", &at("nix")])), ("summary".into(), 0.into(), 1.into()));
    assert_eq!(told(&last(&["ls", "nobody@127.0.0.1:1/"])), ("summary".into(), 0.into(), 1.into()));
    assert_eq!(told(&last(&["tree", &at("")])), ("summary".into(), 1.into(), 0.into()));
    for args in [&["cat", &at("file")][..], &["get", &at("file"), "-"], &["get", &at("file"), "/dev/stdout"]] {
        assert_eq!(world.run(["--json"].iter().chain(args)).code(0).stdout(), "f", "{args:?}");
    }
    for args in [&["cat", &at("nix")][..], &["get", &at("nix"), "-"], &["completion", "bash"]] {
        assert!(!world.run(["--json"].iter().chain(args)).stdout().contains("summary"), "{args:?}");
    }
    // In the shell each of them does.
    let commands = b"stat file\nrm nix\ncat file\nlpwd\nping\n";
    let done = world.run_with(["--json", "shell", &at("")], commands).code(10);
    let summaries = done.stdout().lines().filter(|line| line.contains(r#""event":"summary""#));
    let counts: Vec<_> = summaries.map(|line| told(&serde_json::from_str(line).unwrap())).collect();
    let summary = |entries: u64, failed: u64| ("summary".into(), entries.into(), failed.into());
    assert_eq!(counts, [summary(1, 0), summary(0, 1), summary(1, 0), summary(1, 0)]);
}

#[test]
fn a_mistake_on_the_command_line_is_an_object_too() {
    let mut schema = Schema::read();
    for words in [&["--json", "get"][..], &["ls", "--json", "--nonsense", "h"], &["--json", "nonsense"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_sealift")).args(words).env_clear().output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        schema.check(&told);
    }
}

//! Every object that `--json` writes is one that docs/json.schema.json describes.

use std::collections::BTreeSet;
use std::fs;
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

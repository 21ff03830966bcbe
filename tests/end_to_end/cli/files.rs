//! Files and folders, there and back.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use serde_json::Value;

use crate::common::program::{Proxy, World, finish, signal};
use crate::common::{bytes, eventually};

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_file_goes_there_and_back_with_its_bytes_and_its_time() {
    let world = World::trusting();
    let data = bytes(3_000_000);
    fs::write(world.local("report.pdf"), &data).unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::File::options().write(true).open(world.local("report.pdf")).unwrap().set_modified(then).unwrap();
    let put = world.run(["put", "report.pdf", &world.alice("")]).code(0).said("1 file, 2.9 MiB").said("verified");
    assert!(put.stdout.is_empty());
    assert_eq!(fs::read(world.remote("alice", "report.pdf")).unwrap(), data);
    world.run(["get", &world.alice("report.pdf"), "copy"]).code(0);
    assert_eq!(fs::read(world.local("copy")).unwrap(), data);
    assert_eq!(fs::metadata(world.local("copy")).unwrap().modified().unwrap(), then);
}

#[test]
fn odd_names_go_there_and_back() {
    let world = World::trusting();
    let long = "x".repeat(255);
    let names: Vec<&OsStr> = ["a b", "100% %20", "it's \"q\"", "-rf", "--", "文件 ü", "#x", "a\\b", "~", &long]
        .into_iter()
        .map(OsStr::new)
        .chain([OsStr::from_bytes(b"latin-\xe9")])
        .collect();
    for name in &names {
        fs::write(world.local(name), name.as_bytes()).unwrap();
    }
    let target = world.alice("odd/");
    let args =
        [OsStr::new("put"), OsStr::new("--")].into_iter().chain(names.iter().copied()).chain([OsStr::new(&target)]);
    world.run(args).code(0);
    for name in &names {
        assert_eq!(fs::read(world.remote("alice", "odd").join(name)).unwrap(), name.as_bytes());
    }
    let listed = world.run(["ls", &world.alice("odd")]).code(0).stdout;
    let mut sorted: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    sorted.sort_unstable();
    assert_eq!(listed.strip_suffix(b"\n").unwrap(), sorted.join(&b'\n'));
    world.run(["get", "-r", &world.alice("odd"), "back"]).code(0);
    for name in &names {
        assert_eq!(fs::read(world.local("back").join(name)).unwrap(), name.as_bytes());
    }
}

#[test]
fn folders_arrive_under_their_own_name_or_become_the_destination() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree/sub/empty")).unwrap();
    fs::write(world.local("tree/a"), "a").unwrap();
    fs::write(world.local("tree/sub/b"), "b").unwrap();
    for (to, arrives) in [("", "tree"), ("new", "new"), ("made/for/it/", "made/for/it/tree"), ("new", "new/tree")] {
        world.run(["put", "-r", "tree", &world.alice(to)]).code(0).said("2 files");
        assert_eq!(fs::read(world.remote("alice", arrives).join("sub/b")).unwrap(), b"b", "{to}");
        assert!(world.remote("alice", arrives).join("sub/empty").is_dir());
    }
    fs::create_dir(world.local("here")).unwrap();
    for (to, arrives) in [("here", "here/tree"), ("there", "there"), ("made/too/", "made/too/tree"), (".", "tree")] {
        world.run(["get", "-r", &world.alice("tree"), to]).code(0);
        assert_eq!(fs::read(world.local(arrives).join("sub/b")).unwrap(), b"b", "{to}");
    }
    world.run(["get", "-r", &world.alice(""), "all/"]).code(0);
    assert_eq!(fs::read(world.local("all/new/tree/a")).unwrap(), b"a");
    world.run(["put", "-r", ".", &world.alice("dot/")]).code(0);
    assert_eq!(fs::read(world.remote("alice", "dot/tree/a")).unwrap(), b"a");
}

#[test]
fn a_folder_without_r_is_refused_and_names_the_option() {
    let world = World::trusting();
    fs::create_dir(world.local("dir")).unwrap();
    fs::create_dir(world.remote("alice", "dir")).unwrap();
    world.run(["put", "dir", &world.alice("")]).code(1).said("dir: is a folder").said("-r");
    world.run(["get", &world.alice("dir")]).code(1).said("-r");
    world.run(["rm", &world.alice("")]).code(2).said("cannot be removed");
    assert!(world.remote("alice", "dir").is_dir());
}

#[test]
fn several_files_go_in_one_command_and_one_that_fails_does_not_stop_the_others() {
    let world = World::trusting();
    for name in ["a", "b"] {
        fs::write(world.remote("alice", name), name).unwrap();
        fs::write(world.local(name), name).unwrap();
    }
    let failed = world.run(["get", &world.alice("a"), &world.alice("missing"), &world.alice("b"), "into/"]);
    failed.code(10).said("missing: no such file").said("2 files").said("1 failed");
    assert_eq!(fs::read(world.local("into/b")).unwrap(), b"b");
    world.run(["put", "a", "missing", "b", &world.alice("into/")]).code(10).said("missing: no such file");
    assert_eq!(fs::read(world.remote("alice", "into/b")).unwrap(), b"b");
    world.run(["get", &world.alice("x"), &world.alice("y"), "."]).code(3);
    world.run(["get", &world.alice("a"), &world.alice("into/a"), "."]).code(10).said("another one is called a");
}

#[test]
fn several_remote_names_need_a_folder() {
    let world = World::trusting();
    fs::write(world.remote("alice", "a"), "a").unwrap();
    world.run(["get", &world.alice("a"), &world.alice("a")]).code(3).said("add ` .`");
    world.run(["get", &world.alice("a"), &world.alice("b"), "nowhere"]).code(3).said("slash");
    world.run(["put", "x", "y", &world.alice("a")]).code(3);
}

#[test]
fn standard_input_and_output_are_files_too() {
    let world = World::trusting();
    let data = bytes(700_001);
    world.run_with(["put", "-", &world.alice("stream")], &data).code(0);
    assert_eq!(fs::read(world.remote("alice", "stream")).unwrap(), data);
    assert_eq!(world.run(["cat", &world.alice("stream")]).code(0).stdout, data);
    assert_eq!(world.run(["get", &world.alice("stream"), "-"]).code(0).stdout, data);
    world.run_with(["put", "-", &world.alice("")], &data).code(2).said("no name");
    world.run(["--password-stdin", "put", "-", &world.alice("x")]).code(2).said("cannot be both");
    fs::write(world.remote("public", "one"), "1").unwrap();
    fs::write(world.remote("public", "two"), "2").unwrap();
    assert_eq!(world.run(["cat", &world.public("one"), &world.public("two")]).code(0).stdout, b"12");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::trusting();
    fs::write(world.remote("public", "large"), bytes(20_000_000)).unwrap();
    let mut command = world.command(["cat", &world.public("large")]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn listings_are_sorted_marked_and_exact_in_a_pipe() {
    let world = World::trusting();
    for name in ["b", "a", "c\u{202e}"] {
        fs::write(world.remote("public", name), "12345").unwrap();
    }
    fs::create_dir(world.remote("public", "dir")).unwrap();
    fs::write(world.remote("public", "dir/x"), "").unwrap();
    assert_eq!(world.run(["ls", &world.public("")]).code(0).stdout(), "a\nb\nc\u{202e}\ndir/\n");
    let recursive = world.run(["list", "-r", &world.public("")]).code(0);
    assert!(recursive.stdout().contains("dir/\n") && recursive.stdout().contains("dir/x\n"));
    let long = world.run(["ls", "-lb", &world.public("")]).code(0);
    let line = long.stdout().lines().next().unwrap();
    assert!(line.starts_with("file                5  20") && line.ends_with("Z  a"), "{line}");
    assert_eq!(world.run(["ls", &world.public("dir/x")]).code(0).stdout(), "x\n");
    world.run(["ls", &world.public("dir/x/")]).code(1).said("trailing slash");
    fs::create_dir(world.remote("public", "empty")).unwrap();
    let empty = world.run(["ls", &world.public("empty")]).code(0).said("The folder is empty.");
    assert!(empty.stdout.is_empty());
    assert_eq!(world.run(["-q", "ls", &world.public("empty")]).code(0).stderr, "");
    let two = world.run(["ls", &world.public("dir"), &world.public("empty")]).code(0);
    assert!(two.stdout().contains("/dir:\nx\n\n"), "{}", two.stdout());
}

#[test]
fn every_command_speaks_json() {
    let world = World::trusting();
    fs::write(world.local("a"), "12345").unwrap();
    let put = world.run(["put", "--json", "a", &world.alice("dir/")]).code(0);
    let lines: Vec<Value> = put.stdout().lines().map(json).collect();
    assert_eq!((&lines[0]["event"], &lines[0]["direction"]), (&"start".into(), &"put".into()));
    assert_eq!((&lines[1]["event"], &lines[1]["size"]), (&"file".into(), &5.into()));
    assert_eq!(
        (&lines[2]["event"], &lines[2]["files"], &lines[2]["failed"]),
        (&"summary".into(), &1.into(), &0.into())
    );
    assert_eq!(lines[2]["session"].as_str().unwrap().len(), 16);
    assert_eq!(put.stderr, "");
    let hash = lines[1]["hash"].clone();

    let one = |args: &[&str]| json(world.run(args.iter().chain(&["--json"])).code(0).stdout().lines().next().unwrap());
    let entry = one(&["ls", &world.alice("dir")]);
    assert_eq!((&entry["path"], &entry["name"]), (&"dir/a".into(), &"a".into()));
    assert_eq!((&entry["type"], &entry["size"]), (&"file".into(), &5.into()));
    assert!(entry["mtime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(one(&["ls", &world.alice("dir/a")])["path"], "dir/a");
    assert_eq!(one(&["stat", &world.alice("dir")])["type"], "dir");
    assert_eq!(one(&["hash", &world.alice("dir/a")])["hash"], hash);
    assert!(one(&["ping", &world.alice("")])["round_trip_ms"].as_f64().unwrap() > 0.0);
    let status = one(&["status", &world.alice("")]);
    assert_eq!((&status["user"], &status["users"]), (&"alice".into(), &"current".into()));
    assert_eq!(one(&["who", &world.alice("")])["user"], "alice");
    assert_eq!(one(&["mkdir", &world.alice("new")])["event"], "made");
    assert_eq!(one(&["mv", &world.alice("dir/a"), &world.alice("new/")])["path"], "new/a");
    assert_eq!(one(&["rm", "-r", &world.alice("new")])["event"], "removed");

    fs::write(world.remote("public", OsStr::from_bytes(b"\xff")), "").unwrap();
    assert_eq!(one(&["ls", &world.public("")])["path_encoded"], "%FF");

    let failed = world.run(["--json", "stat", &world.alice("missing")]).code(3);
    let error = json(failed.stderr.trim_end());
    assert_eq!((&error["error"], &error["exit"]), (&"not-found".into(), &3.into()));
    assert!(error["text"].as_str().unwrap().contains("missing") && error["hint"].is_string());
    let failed = world.run(["--json", "get", &world.alice("missing")]).code(3);
    assert_eq!(json(failed.stdout().lines().last().unwrap())["failed"], 1);
    assert_eq!(json(failed.stderr.trim_end())["error"], "not-found");
}

#[test]
fn hashes_are_those_of_b3sum() {
    let world = World::trusting();
    let data = bytes(100_000);
    fs::write(world.remote("public", "a b"), &data).unwrap();
    let expected = format!("{}  a b\n", blake3::hash(&data));
    assert_eq!(world.run(["hash", &world.public("a b")]).code(0).stdout(), expected);
}

#[test]
fn files_are_moved_made_and_removed() {
    let world = World::trusting();
    fs::write(world.remote("alice", "a"), "a").unwrap();
    fs::write(world.remote("alice", "b"), "b").unwrap();
    world.run(["mkdir", "-p", &world.alice("x/y")]).code(0);
    world.run(["mkdir", &world.alice("x")]).code(11);
    world.run(["mkdir", &world.alice("p/q")]).code(3).said("-p");
    world.run(["mv", &world.alice("a"), &world.alice("b")]).code(11).said("--force");
    world.run(["mv", "-f", &world.alice("a"), &world.alice("b")]).code(0);
    assert_eq!(fs::read(world.remote("alice", "b")).unwrap(), b"a");
    world.run(["mv", &world.alice("b"), &world.alice("x")]).code(0);
    world.run(["mv", &world.alice("x/b"), &world.alice("nowhere/")]).code(3).said("mkdir");
    world.run(["mv", &world.alice("x/b"), &world.public("b")]).code(2).said("not one login");
    assert_eq!(fs::read(world.remote("alice", "x/b")).unwrap(), b"a");
    world.run(["rm", &world.alice("x")]).code(1).said("-r");
    world.run(["delete", "-r", &world.alice("x")]).code(0);
    assert!(!world.remote("alice", "x").exists());
    world.run(["rm", &world.alice("x")]).code(3);
    let removed = world.run(["rm", "-f", &world.alice("x")]).code(0);
    assert_eq!((removed.stdout(), removed.stderr.as_str()), ("", ""));
}

#[test]
fn an_interrupted_download_leaves_nothing_behind() {
    let world = World::trusting();
    fs::write(world.remote("public", "large"), vec![0; 100_000_000]).unwrap();
    // The folder shows when the download has begun.
    fs::create_dir(world.local("into")).unwrap();
    let proxy = Proxy::slow(&world);
    world.trust(proxy.address);
    let mut command = world.command(["get", &format!("{}/large", proxy.address), "into"]);
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let entries = || fs::read_dir(world.local("into")).unwrap().count();
    eventually("the download has begun", || entries() > 0);
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(entries(), 0);
}

#[test]
fn verbose_tells_the_steps_and_who_answered() {
    let world = World::trusting();
    let done = world.run(["-v", "mkdir", &world.alice("x")]).code(0);
    let done = done.said("connecting to 127.0.0.1").said("the server's key is sha256//").said("logged in as alice");
    done.said(&format!("(pid {}, session ", world.server.pid()));
}

#[test]
fn a_port_file_gives_the_port() {
    let world = World::trusting();
    fs::write(world.local("port"), format!("{}\n", world.server.port())).unwrap();
    world.run(["ping", "--port-file", "port", "127.0.0.1"]).code(0);
    world.run(["ping", "--port-file", "missing", "127.0.0.1"]).code(3).said("--port-file");
    fs::write(world.local("port"), "x").unwrap();
    world.run(["ping", "--port-file", "port", "127.0.0.1"]).code(2);
    let mut command = world.command(["ping", "127.0.0.1"]);
    command.env("SEALIFT_PORT", world.server.port().to_string());
    finish(command, b"").code(0);
}

#[test]
fn a_downloaded_file_is_private_to_nobody_but_the_umask() {
    let world = World::trusting();
    fs::write(world.remote("public", "a"), "a").unwrap();
    world.run(["get", &world.public("a")]).code(0);
    let made = fs::File::create(world.local("made")).unwrap().metadata().unwrap();
    assert_eq!(fs::metadata(world.local("a")).unwrap().mode(), made.mode());
}

/// A folder that was there is none that a `get` made.
#[test]
fn the_folders_that_a_get_made_are_counted_and_no_others() {
    let world = World::trusting();
    let put = |name: &str| {
        let path = world.remote("alice", name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    };
    let get = || world.run(["get", "-r", &world.alice("tree"), "."]).code(0).stderr;
    put("tree/a");
    put("tree/sub/b");
    let first = get();
    assert!(first.contains("2 files, 2 folders, "), "{first}");
    put("tree/new/c");
    let second = get();
    assert!(second.contains("3 files, 1 folder, "), "{second}");
    let third = get();
    assert!(third.contains("3 files, ") && !third.contains("folder"), "{third}");
    let told = world.run(["--json", "get", "-r", &world.alice("tree"), "."]).code(0);
    assert!(told.stdout().lines().last().unwrap().contains("\"folders\":0"), "{told:?}");
}

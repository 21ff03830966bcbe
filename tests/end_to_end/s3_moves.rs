//! Servers over a bucket that are killed in the middle of what changes names, by the real programs: the command ends as it should, at
//! whichever server it comes back to.

use std::process::Stdio;

use rustix::process::Signal;

use crate::common::bad_engine::{Act, Asked, BadEngine, hold};
use crate::common::front::Front;
use crate::common::program::{self, PASSWORD};
use crate::common::{Builder, Daemon};

fn over(server: Builder, engine: &BadEngine) -> Builder {
    let store = ["--store", "s3://bucket", "--store-endpoint", &engine.endpoint];
    server.args(store).env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "canary-2c9e")
}

fn there(engine: &BadEngine) -> Vec<String> {
    engine.keys().into_iter().filter(|key| key.starts_with("h/alice/")).collect()
}

/// Runs this, kills the server when the storage has done such a thing for the last time, and starts it again.
fn outlives(is_moment: fn(&Asked) -> bool, last: usize, args: &[&str], expected: &[&str]) {
    let engine = BadEngine::start();
    engine.heeds();
    let mut world = program::World::with(|server| over(server, &engine));
    let front = Front::of(&world.server);
    world.trust(&front.address);
    for name in ["many/", "many/a", "many/b", "many/sub/", "many/sub/c", "x"] {
        engine.put(&format!("h/alice/{name}"), if name.ends_with('/') { b"" } else { name.as_bytes() });
    }
    let (hold, held) = hold();
    let (mut hold, mut times) = (Some(hold), 0);
    engine.does(move |asked| {
        times += usize::from(is_moment(asked));
        match is_moment(asked) && times == last {
            true => hold.take().map_or(Act::Do, Act::DoAndSayLater),
            false => Act::Do,
        }
    });
    let args = args.iter().map(|arg| arg.replace("host/", &format!("alice@{}/", front.address)));
    let mut command = world.command(args);
    command.env("SEALIFT_PASSWORD", PASSWORD).stdin(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    held.comes();
    let place = world.server.place().to_owned();
    world.server.crash(Signal::KILL);
    world.server = over(Daemon::builder().within(&place), &engine).start();
    front.lead_to(&world.server);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let expected: Vec<String> = expected.iter().map(|name| format!("h/alice/{name}")).collect();
    assert_eq!(there(&engine), expected, "{said}");
}

const MOVED: [&str; 6] = ["new/", "new/a", "new/b", "new/sub/", "new/sub/c", "x"];

#[test]
fn a_folder_whose_server_is_killed_while_it_is_moved_is_moved() {
    let args = ["mv", "host/many", "host/new"];
    outlives(
        |asked| asked.method == "PUT" && asked.key.starts_with("h/alice/new/") && !asked.key.ends_with('/'),
        2,
        &args,
        &MOVED,
    );
    outlives(|asked| asked.method == "DELETE" && asked.key.starts_with("h/alice/many/"), 2, &args, &MOVED);
    outlives(|asked| asked.method == "DELETE" && asked.key.starts_with("x/moving-"), 1, &args, &MOVED);
}

#[test]
fn a_file_whose_server_is_killed_while_it_is_moved_or_removed_is_so() {
    let (kept, moved) = (["many/", "many/a", "many/b", "many/sub/", "many/sub/c"], "y");
    let args = ["mv", "host/x", "host/y"];
    outlives(|asked| asked.method == "PUT" && asked.key == "h/alice/y", 1, &args, &[&kept[..], &[moved]].concat());
    outlives(|asked| asked.method == "DELETE" && asked.key == "h/alice/x", 1, &args, &[&kept[..], &[moved]].concat());
    outlives(|asked| asked.method == "DELETE" && asked.key == "h/alice/x", 1, &["rm", "host/x"], &kept);
}

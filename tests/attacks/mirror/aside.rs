//! What a mirror has moved aside when it is interrupted, killed or loses its line: put back by itself or by the next one,
//! and never removed as if nobody knew what it is.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::Signal;

use super::*;
use crate::common::program::{self, Done, PASSWORD, Proxy};
use crate::common::trees::read;

/// A mirror over a slow line that moves a folder aside for a file, and a file for a folder.
struct UnderWay {
    world: World,
    proxy: Proxy,
    child: Child,
    args: Vec<String>,
    /// The folder that becomes like the other one.
    to: PathBuf,
}

/// Which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Push,
    Pull,
}

const BOTH: [Way; 2] = [Way::Push, Way::Pull];

/// What the destination holds before.
const BEFORE: [&str; 3] = ["a", "b", "b/only"];

/// What the source holds.
const AFTER: [&str; 5] = ["a", "a/1", "a/2", "b", "z"];

impl UnderWay {
    /// Returns when both are moved aside and a small file has come in the place of one.
    fn start(way: Way, options: &[&str]) -> UnderWay {
        let world = World::trusting();
        let proxy = Proxy::slow(&world);
        world.trust(proxy.address);
        let (from, to) = match way {
            Way::Push => (world.local("src"), world.remote("alice", "m")),
            Way::Pull => (world.remote("alice", "m"), world.local("src")),
        };
        let large = "x".repeat(15 << 20);
        for (path, text) in [("a/1", "1"), ("a/2", &large), ("b", &large), ("z", "z")] {
            put(&from, path, text, 1);
        }
        put(&to, "a", "only copy", 1);
        put(&to, "b/only", "copy", 1);
        let server = format!("alice@{}/m", proxy.address);
        let names = match way {
            Way::Push => ["./src", &server],
            Way::Pull => [&*server, "./src"],
        };
        let args: Vec<String> =
            [&["mirror", "--delete"], options, &names].concat().into_iter().map(Into::into).collect();
        let mut command = world.command(&args);
        command.env("SEALIFT_PASSWORD", PASSWORD).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let under_way = UnderWay { world, proxy, child, args, to };
        crate::common::eventually("a file has come in the place of another", || {
            under_way.asides().len() == 2 && under_way.to.join("a/1").exists()
        });
        under_way
    }

    /// What is moved aside.
    fn asides(&self) -> Vec<PathBuf> {
        // What is in the folders is not looked at: they are moved meanwhile.
        let all = fs::read_dir(&self.to).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.to_str().unwrap().ends_with(".sealift-aside")).collect()
    }

    fn signal(&self, signal: Signal) {
        program::signal(&self.child, signal);
    }

    /// Cuts its line. The next one is a good one.
    fn cut(&self) {
        self.proxy.cut();
        self.proxy.hurry();
    }

    /// The end of it, and everything but the process.
    fn end(self) -> (Done, Ended) {
        let UnderWay { world, proxy, child, args, to } = self;
        let output = child.wait_with_output().unwrap();
        proxy.hurry();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (Done { code: output.status.code(), stdout: output.stdout, stderr }, Ended { world, _proxy: proxy, args, to })
    }
}

struct Ended {
    world: World,
    _proxy: Proxy,
    args: Vec<String>,
    to: PathBuf,
}

impl Ended {
    #[track_caller]
    fn is_as_before(&self, context: &str) {
        let mut expected = BEFORE.to_vec();
        expected.push("z");
        assert_eq!(names(&self.to), expected, "{context}");
        assert_eq!((read(self.to.join("b/only")), read(self.to.join("a"))), ("copy".into(), "only copy".into()));
    }

    /// The same mirror once more, with what was moved aside in sight.
    #[track_caller]
    fn ends_well(&self) {
        self.world.run(&self.args).code(0);
        assert_eq!(names(&self.to), AFTER);
    }
}

#[test]
fn an_interrupted_mirror_puts_back_what_it_has_moved_aside() {
    for way in BOTH {
        for signal in [Signal::TERM, Signal::INT] {
            let under_way = UnderWay::start(way, &[]);
            under_way.signal(signal);
            let (done, ended) = under_way.end();
            let done = done.code(130);
            assert!(!done.stderr.contains("aside"), "{way:?}: {}", done.stderr);
            ended.is_as_before(&done.stderr);
            ended.ends_well();
        }
    }
}

#[test]
fn an_interrupted_mirror_removes_nothing_that_it_has_not_sent() {
    for way in BOTH {
        let under_way = UnderWay::start(way, &[]);
        // Somebody else is at work in the folder that is in the file's place, with a name that the mirror has used too.
        fs::write(under_way.to.join("a/1"), "somebody else's").unwrap();
        under_way.signal(Signal::TERM);
        let kept = under_way.asides().into_iter().find(|path| path.is_file()).unwrap();
        let (done, ended) = under_way.end();
        let kept_name = kept.file_name().unwrap().to_str().unwrap();
        let done = done.code(130).said(kept_name).said("is kept as");
        assert_eq!(names(&ended.to), [kept_name, "a", "a/1", "b", "b/only", "z"], "{}", done.stderr);
        assert_eq!((read(ended.to.join("a/1")), read(&kept)), ("somebody else's".into(), "only copy".into()));
        // No later mirror takes it for something that is only not at the source.
        let again = ended.world.run(&ended.args).code(0).said("what a mirror has moved aside");
        assert!(again.stderr.contains("1 skipped"), "{}", again.stderr);
        assert_eq!(read(kept), "only copy");
    }
}

#[test]
fn a_mirror_that_loses_its_line_goes_on_with_what_it_has_moved_aside() {
    for way in BOTH {
        let under_way = UnderWay::start(way, &[]);
        under_way.cut();
        let (done, ended) = under_way.end();
        let done = done.code(0);
        assert!(!done.stderr.contains("aside") && done.stderr.contains("; again in "), "{way:?}: {}", done.stderr);
        assert_eq!(names(&ended.to), AFTER, "{way:?}");
    }
}

#[test]
fn what_a_lost_line_leaves_moved_aside_is_named_and_the_next_mirror_knows_it() {
    let under_way = UnderWay::start(Way::Push, &["--retry", "0"]);
    under_way.cut();
    let asides = under_way.asides();
    let (mut done, ended) = under_way.end();
    for aside in asides {
        done = done.code(6).said(&format!("it is kept as m/{}", aside.file_name().unwrap().to_str().unwrap()));
        assert!(aside.exists());
    }
    // The folder's name is free. The other's is not: what came in its place is there.
    let again = ended.world.run(&ended.args).code(0);
    assert!(again.stderr.contains("put back m/b, which") && again.stderr.contains("1 skipped"), "{}", again.stderr);

    let under_way = UnderWay::start(Way::Pull, &["--retry", "0"]);
    under_way.cut();
    let (done, ended) = under_way.end();
    let done = done.code(6);
    assert!(!done.stderr.contains("aside"), "{}", done.stderr);
    ended.is_as_before(&done.stderr);
    ended.ends_well();
}

#[test]
fn what_a_killed_mirror_has_moved_aside_is_put_back_by_the_next_one_with_or_without_delete() {
    for way in BOTH {
        for delete in [true, false] {
            let under_way = UnderWay::start(way, &[]);
            under_way.signal(Signal::KILL);
            let (_, ended) = under_way.end();
            // As if nothing had come in the place of the file yet.
            fs::remove_dir_all(ended.to.join("a")).unwrap();
            let args: Vec<&String> = ended.args.iter().filter(|arg| delete || *arg != "--delete").collect();
            let plan = ended.world.run(args.iter().copied().chain([&"-n".to_owned()]));
            assert_eq!(names(&ended.to).iter().filter(|name| name.ends_with(".sealift-aside")).count(), 2, "{plan:?}");
            let again = ended.world.run(args);
            assert_eq!(again.stderr.matches("had moved aside").count(), 2, "{}", again.stderr);
            if delete {
                again.code(0);
                assert_eq!(names(&ended.to), AFTER);
            } else {
                // A folder that is not empty gives way only to whoever wants to delete.
                again.code(10).said("something that may not be removed is in its place");
                assert_eq!(names(&ended.to), ["a", "a/1", "a/2", "b", "b/only", "z"]);
                assert_eq!(read(ended.to.join("b/only")), "copy");
            }
        }
    }
}

/// The server copies a folder for somebody in the same moment, or has died of it: that is nothing which a mirror has moved.
#[test]
fn half_a_copy_of_a_server_is_neither_put_in_its_place_nor_removed_by_a_mirror() {
    let world = World::trusting();
    let copy = ".www.0123456789abcdef.sealift-copy";
    put(&world.local("src"), "f", "x", 1);
    put(&world.remote("alice", "m"), &format!("{copy}/half"), "x", 1);
    put(&world.remote("alice", "m"), "stray", "x", 1);
    let to = world.alice("m");
    for (args, there) in [
        (&["mirror"][..], &[copy, &format!("{copy}/half"), "f", "stray"][..]),
        (&["mirror", "--delete", "--max-delete", "100%"], &[copy, &format!("{copy}/half"), "f"]),
    ] {
        world.run([args, &["./src", &to]].concat()).code(0);
        assert_eq!(names(&world.remote("alice", "m")), there);
    }
    world.run(["get", "-r", &to, "got"]).code(0).said("1 skipped");
    assert_eq!(names(&world.local("got")), ["f"]);
}

#[test]
fn what_is_moved_aside_is_left_out_of_trees_and_told() {
    let world = World::trusting();
    let aside = ".a.0123456789abcdef.sealift-aside";
    put(&world.local("src"), &format!("{aside}/only"), "x", 1);
    put(&world.local("src"), "f", "x", 1);
    put(&world.remote("alice", "m"), aside, "x", 1);
    put(&world.remote("alice", "m"), "f", "x", 1);
    let said = "what a mirror has moved aside";
    world.run(["put", "-r", "src", &world.alice("sent")]).code(0).said(said).said("1 skipped");
    world.run(["get", "-r", &world.alice("m"), "got"]).code(0).said(said).said("1 skipped");
    world.run(["mirror", "./src", &world.alice("mirrored")]).code(0).said(said).said("1 skipped");
    world.run(["mirror", &world.alice("m"), "./pulled"]).code(0).said(said).said("1 skipped");
    for folder in [world.remote("alice", "sent"), world.local("got"), world.remote("alice", "mirrored")] {
        assert_eq!(names(&folder), ["f"]);
    }
    assert_eq!(names(&world.local("pulled")), ["f"]);
    // Who names it gets it, and a listing of all names shows it.
    world.run(["get", &world.alice(&format!("m/{aside}")), "only"]).code(0);
    assert!(world.run(["ls", "-a", &world.alice("m")]).code(0).stdout().contains(aside));
}

//! Several servers that serve one folder together, each over a mount of its own: what one acknowledges is there, whole, at all of
//! them, whoever dies, and nobody takes or changes what another one is writing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::Instant;

use sealift::files::Hash;
use sealift::limits;

use super::occupancy::Bindfs;
use super::{Dice, until};
use crate::common::{
    Builder, Daemon, HANG, PASSWORD, RawClient, World, assert_nothing_staged, enter, frames_of, half_an_upload,
    sealiftd, text, upload_bytes,
};

/// As a file system of several machines does it: locks are seen over every mount; and what was replaced at another one is not shown.
pub const WITH_LOCKS: &[&str] =
    &["--enable-lock-forwarding", "--multithreaded", "-o", "attr_timeout=0,entry_timeout=0,negative_timeout=0"];

/// Mounts of one folder of another file system, with colons between them, over which the tests are tried by hand.
const OVER: &str = "SEALIFT_NODES_OVER";

/// A program that is told the number of a round and `break` in the middle of it, and `mend` at its end: it does something to the file system.
/// What is refused meanwhile is not acknowledged, and may have been done or not.
const DISTURBED: &str = "SEALIFT_NODES_DISTURBED_BY";

fn disturb(round: usize, what: &str) {
    let Ok(program) = std::env::var(DISTURBED) else { return };
    assert!(Command::new(program).arg(round.to_string()).arg(what).status().unwrap().success());
}

/// How many rounds, if not so many: for those who have longer.
fn rounds(usually: usize) -> usize {
    std::env::var("SEALIFT_ROUNDS").map_or(usually, |rounds| rounds.parse().unwrap())
}

/// A folder that several servers may serve, each over a mount of its own.
pub struct Cluster {
    world: World,
    /// Where each node has its mount, and in it folders for the data and for the state.
    places: BTreeMap<String, PathBuf>,
    mounts: Vec<Bindfs>,
    /// Each has its state on a file system of its own.
    own_states: bool,
    /// Each has its state in a folder of its own, on the file system that all have.
    pub(super) states_apart: bool,
}

impl Cluster {
    /// With the home of `alice` in it. None, with the reason said, where nothing can be mounted.
    pub fn new(nodes: &[&str]) -> Option<Cluster> {
        match std::env::var(OVER) {
            Ok(mounts) => {
                let world = World::of(&["alice"]);
                let folder = world.place().file_name().unwrap().to_owned();
                let mounts = mounts.split(':').map(|mount| Path::new(mount).join(&folder));
                let places: BTreeMap<String, PathBuf> =
                    nodes.iter().map(|node| (*node).to_owned()).zip(mounts).collect();
                fs::create_dir_all(places.values().next()?.join("data/alice")).unwrap();
                nodes.iter().for_each(|node| fs::create_dir_all(world.place().join(node)).unwrap());
                until("the mounts show it", || places.values().all(|place| place.join("data/alice").exists()));
                Some(Cluster { world, places, mounts: Vec::new(), own_states: false, states_apart: false })
            }
            Err(_) => {
                let nodes: Vec<(&str, &[&str])> = nodes.iter().map(|node| (*node, WITH_LOCKS)).collect();
                Cluster::over(&nodes)
            }
        }
    }

    /// Each with these options of its mount.
    pub fn over(nodes: &[(&str, &[&str])]) -> Option<Cluster> {
        let world = World::of(&["alice"]);
        let folder = world.place().join("folder");
        fs::create_dir_all(folder.join("data/alice")).unwrap();
        let (mut places, mut mounts) = (BTreeMap::new(), Vec::new());
        for (node, options) in nodes {
            let at = world.place().join(node).join("mount");
            mounts.push(Bindfs::over(&folder, &at, options)?);
            places.insert((*node).to_owned(), at);
        }
        Some(Cluster { world, places, mounts, own_states: false, states_apart: false })
    }

    /// The same where each node keeps its state for itself.
    pub fn with_own_states(mut self) -> Cluster {
        self.own_states = true;
        self
    }

    /// Where all of it is.
    pub fn place(&self) -> &Path {
        self.world.place()
    }

    /// What is in the folder, by the way that is not a node's if there is one.
    pub fn inside(&self, path: &str) -> PathBuf {
        match self.mounts.is_empty() {
            true => self.places.values().next().unwrap().join(path),
            false => self.world.place().join("folder").join(path),
        }
    }

    /// The home of `alice` as it is on the disk.
    pub fn home(&self) -> PathBuf {
        self.inside("data/alice")
    }

    pub fn args(&self, node: &str) -> Vec<String> {
        let at = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (mount, users) = (&self.places[node], self.world.place().join("users.toml"));
        let state = match () {
            () if self.own_states => self.world.place().join(node).join("own-state"),
            () if self.states_apart => mount.join(format!("state-{node}")),
            () => mount.join("state"),
        };
        let data = mount.join("data");
        let args = [("--node", node.to_owned()), ("--data", at(data)), ("--users", at(users)), ("--state", at(state))];
        args.into_iter().flat_map(|(key, value)| [key.to_owned(), value]).collect()
    }

    /// A node that is to be started.
    pub fn node(&self, node: &str) -> Builder {
        let args = self.args(node);
        Daemon::builder().within(&self.world.place().join(node)).arg("--shared").args(args.iter().map(String::as_str))
    }

    /// What was said by a server that must not start, with these arguments behind those of a node.
    pub fn refused(&self, node: &str, more: &[&str]) -> String {
        let place = self.world.place().join("refused");
        fs::create_dir_all(&place).unwrap();
        let mut command = sealiftd(&place);
        command.args(["--listen", "127.0.0.1:0", "--log-level", "off"]).args(self.args(node)).args(more);
        let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let end = Instant::now() + HANG;
        while server.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                let _ = server.kill();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let output = server.wait_with_output().unwrap();
        assert!(output.status.code().is_some_and(|code| code != 0), "it started: {output:?}");
        text(&output.stderr)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let folder = self.mounts.is_empty().then(|| self.places.values().next().cloned()).flatten();
        self.mounts.clear();
        folder.map(fs::remove_dir_all);
    }
}

pub fn log_of(cluster: &Cluster, node: &str) -> String {
    fs::read_to_string(cluster.world.place().join(node).join("log")).unwrap()
}

fn finish(client: &mut RawClient, whole: &[u8], from: usize) {
    client.send([&frames_of(&whole[from..])[..], &[0; 4], Hash::of(whole).as_bytes()].concat());
}

#[test]
fn nodes_of_one_folder() {
    let Some(cluster) = Cluster::new(&["a", "b", "c"]) else { return };
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let mut at_a = enter(&a, "alice");
    let large = Dice::new().bytes(limits::HASH_BLOCK + 70_000);
    let uploading = half_an_upload(enter(&a, "alice"), "large", &large, &cluster.home());
    // Each sees what the other has acknowledged, and says who it is.
    let mut at_b = enter(&b, "alice");
    assert_eq!(at_a.upload("f", b"from a").1, "done");
    assert_eq!(at_b.download("f").unwrap(), b"from a");
    assert_eq!(RawClient::connect(&a).try_login("alice", PASSWORD).2["node"], "a");
    assert_eq!(at_a.ask("STATUS").2["node"], "a");
    assert_eq!(at_b.ask("STATUS").2["node"], "b");
    // The same name, one that does not share, and one that is told a name and does not share.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let said = cluster.refused("b", &["--shared"]);
            assert!(said.contains("another sealiftd serves this folder") && said.contains("as node b"), "{said}");
        });
        let alone: Vec<String> = cluster.args("c").into_iter().skip(2).collect();
        let alone: Vec<&str> = alone.iter().map(String::as_str).collect();
        let mut command = sealiftd(&cluster.world.place().join("c"));
        let output = command.args(["--listen", "127.0.0.1:0"]).args(alone).output().unwrap();
        assert!(text(&output.stderr).contains("another sealiftd serves this folder"), "{output:?}");
    });
    let said = cluster.refused("c", &[]);
    assert!(said.contains("no node") && said.contains("Say --shared"), "{said}");
    // A third one starts and sweeps, others log in: the live upload is nobody else's.
    let c = cluster.node("c").start();
    until("swept", || log_of(&cluster, "c").contains(" swept "));
    let mut at_c = enter(&c, "alice");
    assert_eq!(at_c.ask("HASH large partial=yes").1, "not-found");
    let mut uploading = uploading;
    finish(&mut uploading, &large, large.len());
    assert_eq!(uploading.reply().1, "done");
    for client in [&mut at_a, &mut at_b, &mut at_c] {
        assert!(client.download("large").unwrap() == large);
    }
    drop((uploading, at_a, at_b, at_c));
    for daemon in [a, b, c] {
        daemon.stop();
    }
    assert_nothing_staged(&cluster.home(), "nodes");
    // A file that was open stays under a hidden name of FUSE until its closing has come through.
    until("no node is left", || fs::read_dir(cluster.inside("data/.sealift/nodes")).unwrap().count() == 0);
}

#[test]
fn locks_that_nodes_do_not_see() {
    let Some(cluster) = Cluster::over(&[("a", &[]), ("b", &[])]) else { return };
    let a = cluster.node("a").start();
    let said = cluster.refused("b", &["--shared"]);
    assert!(said.contains("does not show locks over every mount: node a lives"), "{said}");
    drop(a);
}

/// Two writers of one name that begin alike and end differently, at two nodes, one of which is killed or goes on.
#[test]
fn stale_writer_changes_nothing() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let (mut a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let block = usize::try_from(limits::HASH_BLOCK).unwrap();
    let mut dice = Dice::new();
    let first = dice.bytes(limits::HASH_BLOCK + 200_000);
    let mut second = first.clone();
    second[block..].reverse();
    // While the first one writes, the second finds nothing to go on with, and what it stores stays as it is.
    let mut writer = half_an_upload(enter(&a, "alice"), "same", &first[..block + 100_000], &cluster.home());
    let mut at_b = enter(&b, "alice");
    assert_eq!(at_b.ask("HASH same partial=yes").1, "not-found");
    assert_eq!(at_b.upload("same", &second).1, "done");
    writer.send(frames_of(&first[block + 100_000..]));
    assert!(at_b.download("same").unwrap() == second);
    writer.send([&[0; 4][..], Hash::of(&first).as_bytes()].concat());
    assert_eq!(writer.reply().1, "done");
    until("the last one counts, whole", || at_b.download("same").is_ok_and(|bytes| bytes == first));

    // One that was killed: another node goes on with what it had.
    let writer = half_an_upload(enter(&a, "alice"), "cut", &first[..block + 100_000], &cluster.home());
    a.crash(rustix::process::Signal::KILL);
    drop(writer);
    let mut at_b = enter(&b, "alice");
    let (_, word, fields) = at_b.ask("HASH cut partial=yes");
    assert_eq!((word.as_str(), fields["size"].as_str()), ("hash", &*limits::HASH_BLOCK.to_string()));
    at_b.line(format!("UPLOAD cut offset={block} prefix={}", Hash::of(&first[..block])));
    finish(&mut at_b, &first, block);
    assert_eq!(at_b.reply().1, "done");
    assert!(at_b.download("cut").unwrap() == first);
    // It is found dead, and its name is free again.
    until("found dead", || log_of(&cluster, "b").contains("this server has died"));
    let a = cluster.node("a").start();
    assert!(enter(&a, "alice").download("cut").unwrap() == first);
}

/// In every round both nodes want the same, and one of them gets it.
#[test]
fn conditions_across_nodes() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let nodes = [cluster.node("a").start(), cluster.node("b").start()];
    let mut clients: Vec<RawClient> = nodes.iter().map(|node| enter(node, "alice")).collect();
    let mut before = b"beginning".to_vec();
    assert_eq!(clients[0].upload("f", &before).1, "done");
    for round in 0..rounds(10) {
        let start = Barrier::new(2);
        let contents: Vec<Vec<u8>> = (0..2).map(|n| format!("round {round}, node {n}").into_bytes()).collect();
        let words = |path: &str, condition: String, clients: &mut Vec<RawClient>| -> Vec<String> {
            std::thread::scope(|scope| {
                let tries = clients.iter_mut().zip(&contents).map(|(client, content)| {
                    let (start, line) = (&start, format!("{path} if={condition}"));
                    scope.spawn(move || {
                        let bytes = upload_bytes(&line, content);
                        start.wait();
                        client.send(bytes);
                        client.reply().1
                    })
                });
                let tries: Vec<_> = tries.collect();
                tries.into_iter().map(|tried| tried.join().unwrap()).collect()
            })
        };
        let replaced = words("f", format!("hash:{}", Hash::of(&before)), &mut clients);
        let made = words(&format!("new-{round}"), "absent".to_owned(), &mut clients);
        for (words, lost, path) in [(replaced, "changed", "f".to_owned()), (made, "exists", format!("new-{round}"))] {
            let winner = words.iter().position(|word| word == "done").unwrap_or_else(|| panic!("{path}: {words:?}"));
            assert_eq!(words[1 - winner], lost, "{path}, round {round}");
            for client in &mut clients {
                assert_eq!(client.download(&path).unwrap(), contents[winner]);
            }
            before.clone_from(&contents[winner]);
        }
        before = clients[0].download("f").unwrap();
    }
}

/// A server that stands still with an upload under way: the others go on, nobody takes anything of it, and what it was at is whole when
/// it goes on.
#[test]
fn a_node_that_stands_still() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let large = Dice::new().bytes(limits::HASH_BLOCK + 70_000);
    let mut at_b = enter(&b, "alice");
    assert_eq!(at_b.upload("old", b"old").1, "done");
    let mut uploading = half_an_upload(enter(&a, "alice"), "large", &large, &cluster.home());
    a.signal(rustix::process::Signal::STOP);
    // Longer than a dead one would be believed to live.
    let silent = Instant::now() + limits::BEAT_WATCH * 3 / 2;
    while Instant::now() < silent {
        assert_eq!(at_b.upload("old", b"new").1, "done");
        assert_eq!(enter(&b, "alice").ask("HASH large partial=yes").1, "not-found");
    }
    a.signal(rustix::process::Signal::CONT);
    finish(&mut uploading, &large, large.len());
    assert_eq!(uploading.reply().1, "done");
    assert!(at_b.download("large").unwrap() == large);
}

/// As if another one stood still in the middle of a change of names. A lock alone is tried in `store::local::across_nodes`.
#[test]
#[ignore = "waits for as long as a server does"]
fn a_node_that_keeps_the_lock_of_a_home() {
    let Some(cluster) = Cluster::new(&["b"]) else { return };
    let b = cluster.node("b").start();
    let mut at_b = enter(&b, "alice");
    for content in [b"old", b"new"] {
        assert_eq!(at_b.upload("old", content).1, "done");
    }
    assert_eq!(at_b.upload("large", b"another").1, "done");
    let locks = cluster.inside("data/.sealift/trees");
    let held: Vec<fs::File> =
        fs::read_dir(locks).unwrap().map(|entry| fs::File::open(entry.unwrap().path()).unwrap()).collect();
    assert!(!held.is_empty());
    for file in &held {
        rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    }
    assert_eq!(at_b.upload("new", b"nobody is waited for").1, "done");
    let refused = at_b.ask("DELETE old");
    assert_eq!(refused.1, "io-error", "{refused:?}");
    // Others do not wait as long again.
    for path in ["old", "new", "large"] {
        assert_eq!(at_b.ask(format!("DELETE {path}")).1, "io-error");
    }
    assert_eq!(at_b.download("old").unwrap(), b"new");
    drop(held);
    assert_eq!(at_b.ask("DELETE old").1, "done");
}

/// Whether what it changes is seen cannot be tried then: the other serves, and decides nothing until it can.
#[test]
#[ignore = "waits for as long as a server does"]
fn a_node_that_stands_still_while_another_starts() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let a = cluster.node("a").start();
    a.signal(rustix::process::Signal::STOP);
    let b = cluster.node("b").start();
    let mut at_b = enter(&b, "alice");
    assert_eq!(at_b.upload("f", b"one").1, "done");
    let on_condition = format!("f if=hash:{}", Hash::of(b"one"));
    assert_eq!(at_b.upload(&on_condition, b"two").1, "io-error");
    assert!(log_of(&cluster, "b").contains("node a does not answer"));
    a.signal(rustix::process::Signal::CONT);
    until("it answers", || at_b.upload(&on_condition, b"two").1 == "done");
    assert_eq!(enter(&a, "alice").download("f").unwrap(), b"two");
}

/// What one may be found to hold: each content that it may have, none for no file. What was acknowledged is one.
type Expected = BTreeMap<String, Vec<Option<Hash>>>;

/// One thing that is done at a node, and what is there then.
fn one_of_many(dice: &mut Dice, mine: &Expected, fresh: String) -> (Vec<u8>, Vec<(String, Option<Hash>)>) {
    let there: Vec<(&String, Hash)> = mine
        .iter()
        .filter_map(|(name, can)| if let [Some(hash)] = can[..] { Some((name, hash)) } else { None })
        .collect();
    let what = dice.below(10);
    if there.is_empty() || what < 5 {
        // Now and then one that is large enough to be gone on with.
        let size = if dice.below(40) == 0 { limits::HASH_BLOCK + 5 } else { dice.below(60_000) };
        let bytes = dice.bytes(size);
        return (upload_bytes(&fresh, &bytes), vec![(fresh, Some(Hash::of(&bytes)))]);
    }
    let (name, hash) = there[usize::try_from(dice.below(there.len() as u64)).unwrap()];
    let line = |line: String| format!("{line}\r\n").into_bytes();
    match what {
        5 => {
            let size = dice.below(60_000);
            let bytes = dice.bytes(size);
            (upload_bytes(name, &bytes), vec![(name.clone(), Some(Hash::of(&bytes)))])
        }
        6 => {
            let size = dice.below(60_000);
            let bytes = dice.bytes(size);
            (upload_bytes(&format!("{name} if=hash:{hash}"), &bytes), vec![(name.clone(), Some(Hash::of(&bytes)))])
        }
        7 | 8 => (line(format!("RENAME {name} {fresh}")), vec![(name.clone(), None), (fresh, Some(hash))]),
        _ => (line(format!("DELETE {name}")), vec![(name.clone(), None)]),
    }
}

/// Rounds of mixed work at all nodes, of which one is killed in each and comes back. All that was acknowledged is there, whole, at
/// every node, in the end, and nothing that was not asked for.
fn rounds_of_mixed_work(cluster: &Cluster, nodes: &[&str], rounds: usize) {
    const CHANGES: usize = 20;
    let mut dice = Dice::new();
    let mut daemons: Vec<Daemon> = nodes.iter().map(|node| cluster.node(node).start()).collect();
    let mut expected: Vec<Expected> = vec![Expected::new(); nodes.len()];
    let (mut acknowledged, mut refused, mut longest) = (0, 0, std::time::Duration::ZERO);
    let is_disturbed = std::env::var(DISTURBED).is_ok();
    for round in 0..rounds {
        let victim = round % nodes.len();
        let begin = Barrier::new(nodes.len() + 1);
        std::thread::scope(|scope| {
            let workers = daemons.iter().zip(&mut expected).enumerate().map(|(node, (daemon, mine))| {
                let (mut dice, begin) = (dice.split(), &begin);
                let mut client = enter(daemon, "alice");
                scope.spawn(move || {
                    begin.wait();
                    let (mut acked, mut refused, mut longest) = (0, 0, std::time::Duration::ZERO);
                    for change in 0..CHANGES {
                        let (bytes, after) = one_of_many(&mut dice, mine, format!("r{round}-{node}-{change}"));
                        let begun = Instant::now();
                        let answer = client.try_send(bytes).ok().and_then(|()| client.try_reply());
                        match answer {
                            Some((226 | 250, ..)) => {
                                acked += 1;
                                longest = longest.max(begun.elapsed());
                                mine.extend(after.into_iter().map(|(name, hash)| (name, vec![hash])));
                            }
                            Some(answer) if !is_disturbed => panic!("{after:?}: {answer:?}"),
                            // It was done or not, whole.
                            unknown => {
                                for (name, hash) in after {
                                    mine.entry(name).or_insert_with(|| vec![None]).push(hash);
                                }
                                if unknown.is_none() {
                                    break;
                                }
                                refused += 1;
                            }
                        }
                    }
                    (acked, refused, longest)
                })
            });
            let workers: Vec<_> = workers.collect();
            begin.wait();
            std::thread::sleep(std::time::Duration::from_millis(dice.below(400)));
            disturb(round, "break");
            daemons[victim].signal(rustix::process::Signal::KILL);
            for worker in workers {
                let (acked, failed, took) = worker.join().unwrap();
                (acknowledged, refused, longest) = (acknowledged + acked, refused + failed, longest.max(took));
            }
        });
        disturb(round, "mend");
        drop(daemons.remove(victim));
        daemons.insert(victim, cluster.node(nodes[victim]).start());
    }
    let mut lost = Vec::new();
    for (daemon, node) in daemons.iter().zip(nodes) {
        let mut client = enter(daemon, "alice");
        for (name, can) in expected.iter().flatten() {
            let there = client.download(name).ok().map(|bytes| Hash::of(&bytes));
            if !can.contains(&there) {
                lost.push(format!("{name} at {node}: {there:?}, not {can:?}"));
            }
        }
    }
    println!(
        "{rounds} killed, {acknowledged} acknowledged, {refused} refused, {} lost, longest {longest:?}",
        lost.len()
    );
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn acked_survives_nodes() {
    let nodes = ["a", "b", "c"];
    let Some(cluster) = Cluster::new(&nodes) else { return };
    rounds_of_mixed_work(&cluster, &nodes, rounds(3));
}

/// The same for long: `cargo test --test attacks data::nodes::acked_survives_a_thousand_rounds -- --ignored --nocapture`.
#[test]
#[ignore = "takes half an hour"]
fn acked_survives_a_thousand_rounds() {
    let nodes = ["a", "b", "c"];
    let Some(cluster) = Cluster::new(&nodes) else { return };
    rounds_of_mixed_work(&cluster, &nodes, rounds(1_000));
}

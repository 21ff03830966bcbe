//! What users do themselves at one of several servers of a folder holds at the others.

use std::sync::Barrier;

use sealift::client::keys::LoginKey;
use sealift::keys::{Purpose, Statement};

use super::nodes::{Cluster, log_of};
use super::until;
use crate::common::{Daemon, PASSWORD, RawClient, enter};

#[test]
fn links_and_passwords_across_nodes() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let (mut at_a, mut at_b) = (enter(&a, "alice"), enter(&b, "alice"));
    assert_eq!(at_a.upload("f", b"content").1, "done");

    // A link that was made at one is known at the other, and goes with it.
    let made = at_a.ask("LINK f name=one");
    assert_eq!(made.1, "linked", "{made:?}");
    let names = |client: &mut RawClient| {
        client.line("LINKS");
        let mut names = Vec::new();
        loop {
            let (code, _, fields) = client.reply();
            match fields.get("name") {
                Some(name) if code < 200 => names.push(name.clone()),
                _ if code >= 200 => return names,
                _ => {}
            }
        }
    };
    until("the link is known at the other node", || names(&mut at_b) == ["one"]);
    assert_eq!(at_b.ask("LINK f name=one").1, "exists");
    assert_eq!(at_b.ask("UNLINK one").1, "removed");
    until("it is gone at the first", || names(&mut at_a).is_empty());

    // A password that was chosen at one counts at the other, and ends the sessions there.
    let other = "another-password";
    let changed = at_a.ask(format!("PASSWD {other} present={PASSWORD}"));
    assert_eq!(changed.1, "changed", "{changed:?}");
    until("the new one counts at the other node", || {
        let mut client = RawClient::connect(&b);
        client.try_login("alice", other).0 == 230
    });
    assert_ne!(RawClient::connect(&b).try_login("alice", PASSWORD).0, 230);
}

/// What two nodes are asked for at once.
fn at_once<T: Send>(clients: &mut [RawClient], ask: impl Fn(usize, &mut RawClient) -> T + Sync) -> Vec<T> {
    let begin = Barrier::new(clients.len());
    std::thread::scope(|scope| {
        let asking = clients.iter_mut().enumerate().map(|(node, client)| {
            let (begin, ask) = (&begin, &ask);
            scope.spawn(move || {
                begin.wait();
                ask(node, client)
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

/// A link that gives one download gives one, whichever node is asked; and one that takes one file takes one.
#[test]
fn counted_links_across_nodes() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let nodes = [cluster.node("a").start(), cluster.node("b").start()];
    let mut alice = enter(&nodes[0], "alice");
    assert_eq!(alice.upload("f", b"content").1, "done");
    assert_eq!(alice.ask("MKDIR in").0, 250);
    for round in 0..3 {
        let visitors = |line: String, alice: &mut RawClient| {
            let made = alice.ask(line);
            assert_eq!(made.1, "linked", "{made:?}");
            let enter = |node: &Daemon| {
                let mut visitor = None;
                until("the link is known at the node", || {
                    let mut client = RawClient::connect(node);
                    let welcome = client.ask(format!("VISIT {}", made.2["secret"])).1 == "welcome";
                    visitor = welcome.then_some(client);
                    welcome
                });
                visitor.unwrap()
            };
            nodes.iter().map(enter).collect::<Vec<RawClient>>()
        };
        let mut readers = visitors(format!("LINK f name=read-{round} downloads=1"), &mut alice);
        let read = at_once(&mut readers, |_, client| client.download("f").is_ok_and(|bytes| bytes == b"content"));
        assert_eq!(read.iter().filter(|read| **read).count(), 1, "{read:?}");
        let line = format!("LINK in name=drop-{round} drop=yes size=1000 files=1");
        let mut writers = visitors(line, &mut alice);
        let put = at_once(&mut writers, |node, client| client.upload(&format!("{round}-{node} size=3"), b"one").1);
        assert_eq!(put.iter().filter(|word| *word == "done").count(), 1, "{put:?}");
    }
    assert_eq!(std::fs::read_dir(cluster.home().join("in")).unwrap().count(), 3);
}

/// Keys that are enrolled at two nodes at once are both there: none is written over by who has not seen the other.
#[test]
fn changes_at_both_nodes_at_once_are_both_there() {
    const ROUNDS: usize = 4;
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let nodes = [cluster.node("a").start(), cluster.node("b").start()];
    let mut clients: Vec<RawClient> = nodes.iter().map(|node| enter(node, "alice")).collect();
    for round in 0..ROUNDS {
        let enrolled = at_once(&mut clients, |node, client| {
            let (key, nonce) = (LoginKey::generate("").unwrap(), client.ask("NONCE").2["nonce"].clone());
            let pin = nodes[node].pin().parse().unwrap();
            let statement = Statement { purpose: Purpose::Enrolled, nonce: nonce.parse().unwrap(), user: "alice", pin };
            let own = key.sign(&statement).unwrap().to_text();
            client.ask(format!("ENROL {round}-{node} {own} present={PASSWORD}"))
        });
        assert!(enrolled.iter().all(|answer| answer.1 == "enrolled"), "{enrolled:?}");
    }
    let keys = 2 * ROUNDS;
    for client in &mut clients {
        until("all keys are known at the node", || {
            client.line("KEYS");
            let mut own = 0;
            loop {
                match client.reply() {
                    (code, _, fields) if code < 200 => own += usize::from(fields.contains_key("name")),
                    _ => return own == keys,
                }
            }
        });
    }
    let kept = std::fs::read_to_string(cluster.inside("state/users/alice.toml")).unwrap();
    assert_eq!(kept.matches("[[keys]]").count(), keys, "{kept}");
}

/// What other nodes have stored counts, if not at once.
#[test]
fn quotas_across_nodes() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let users = cluster.place().join("users.toml");
    let text = std::fs::read_to_string(&users).unwrap();
    std::fs::write(&users, text.replace("[users.alice]\n", "[users.alice]\nquota = \"1M\"\n")).unwrap();
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let (mut at_a, mut at_b) = (enter(&a, "alice"), enter(&b, "alice"));
    assert_eq!(at_b.upload("small", b"measured").1, "done");
    assert_eq!(at_a.upload("large", &vec![1; 1_000_000]).1, "done");
    let mut stored = 0;
    until("it counts at the other node", || {
        stored += 1;
        at_b.upload(&format!("f{stored}"), &vec![2; 100_000]).1 == "quota"
    });
    assert_eq!(at_b.ask("DELETE small").0, 250);
    until("what was removed counts at the first", || at_a.ask("STATUS").2["used"] == at_b.ask("STATUS").2["used"]);
}

/// A state folder that no other node has is of one node alone, and nobody is waited for there.
#[test]
fn state_of_each_node_alone() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let cluster = cluster.with_own_states();
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    assert!(log_of(&cluster, "b").contains("are of this one alone"));
    let other = "another-password";
    for node in [&a, &b] {
        let changed = enter(node, "alice").ask(format!("PASSWD {other} present={PASSWORD}"));
        assert_eq!(changed.1, "changed", "{changed:?}");
        assert_eq!(RawClient::connect(node).try_login("alice", other).0, 230);
    }
}

/// Also where the folders of all of them are on one file system, by which it is not to be seen.
#[test]
fn states_apart_on_one_file_system() {
    let Some(mut cluster) = Cluster::new(&["a", "b"]) else { return };
    cluster.states_apart = true;
    let (_a, _b) = (cluster.node("a").start(), cluster.node("b").start());
    for node in ["a", "b"] {
        until("it is said", || log_of(&cluster, node).contains("are of this one alone"));
    }
}

//! Commands of several sessions at once on the same few names, uploads with a condition among them. What is answered and
//! what is there afterwards must be what some order of the commands gives, one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Barrier;

use sealift::files::Hash;

use super::Dice;
use crate::common::{RawClient, World, enter, upload_bytes};

const ROUNDS: u64 = 600;

/// Sessions, with a command each in every round.
const SESSIONS: usize = 3;

/// Name to content; a folder has none.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

#[derive(Clone, Debug)]
enum Command {
    Upload { path: &'static str, condition: Condition, content: Vec<u8> },
    Delete { path: &'static str, recursive: bool },
    Rename { from: &'static str, to: &'static str, replace: bool },
    MakeDir { path: &'static str },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    None,
    Absent,
    Hash(Hash),
}

/// What lies there when a round begins. Large enough that hashing it takes a while.
fn beginning(dice: &mut Dice) -> Tree {
    let mut tree = Tree::from([("d".to_owned(), None)]);
    for path in ["f", "g", "d/f"] {
        tree.insert(path.to_owned(), Some(dice.bytes(100_000)));
    }
    tree
}

fn random_command(dice: &mut Dice, tree: &Tree, content: Vec<u8>) -> Command {
    let mut pick = |of: &[&'static str]| of[usize::try_from(dice.below(of.len() as u64)).unwrap()];
    let path = pick(&["f", "f", "d/f"]);
    let (from, to) = match pick(&["fg", "gf", "fh", "df", "fd", "de"]) {
        "fg" => ("f", "g"),
        "gf" => ("g", "f"),
        "fh" => ("f", "h"),
        "df" => ("d/f", "f"),
        "fd" => ("f", "d/f"),
        _ => ("d", "e"),
    };
    let there = || Condition::Hash(Hash::of(tree[path].as_ref().unwrap()));
    match dice.below(10) {
        0..4 => Command::Upload { path, condition: there(), content },
        4 => Command::Upload { path, condition: Condition::Absent, content },
        5 => Command::Upload { path, condition: Condition::None, content },
        6 if dice.below(2) == 0 => Command::Delete { path: "d", recursive: true },
        6 => Command::Delete { path, recursive: false },
        7 if dice.below(4) == 0 => Command::MakeDir { path },
        _ => Command::Rename { from, to, replace: from != "d" },
    }
}

impl Command {
    fn bytes(&self, folder: &str) -> Vec<u8> {
        match self {
            Command::Upload { path, condition, content } => {
                let condition = match condition {
                    Condition::None => String::new(),
                    Condition::Absent => " if=absent".to_owned(),
                    Condition::Hash(hash) => format!(" if=hash:{hash}"),
                };
                upload_bytes(&format!("{folder}/{path}{condition}"), content)
            }
            Command::Delete { path, recursive } => {
                format!("DELETE {folder}/{path}{}\r\n", if *recursive { " recursive=yes" } else { "" }).into_bytes()
            }
            Command::Rename { from, to, replace } => {
                let replace = if *replace { " replace=yes" } else { "" };
                format!("RENAME {folder}/{from} {folder}/{to}{replace}\r\n").into_bytes()
            }
            Command::MakeDir { path } => format!("MKDIR {folder}/{path}\r\n").into_bytes(),
        }
    }

    /// Does it to the model; whether it is done.
    fn apply(&self, tree: &mut Tree) -> bool {
        let folder_of = |tree: &Tree, path: &str| match path.split_once('/') {
            Some((folder, _)) => tree.get(folder) == Some(&None),
            None => true,
        };
        match self {
            Command::Upload { path, condition, content } => {
                let fits = match (condition, tree.get(*path)) {
                    (_, Some(None)) | (Condition::Absent, Some(_)) | (Condition::Hash(_), None) => false,
                    (Condition::Hash(hash), Some(Some(there))) => Hash::of(there) == *hash,
                    (Condition::None, _) | (Condition::Absent, None) => true,
                };
                let done = fits && folder_of(tree, path);
                if done {
                    tree.insert((*path).to_owned(), Some(content.clone()));
                }
                done
            }
            Command::Delete { path, recursive } => {
                let below = format!("{path}/");
                let empty = !tree.keys().any(|key| key.starts_with(&below));
                let done = tree.contains_key(*path) && (empty || *recursive);
                if done {
                    tree.retain(|key, _| key != path && !key.starts_with(&below));
                }
                done
            }
            Command::Rename { from, to, replace } => {
                let free = match tree.get(*to) {
                    None => true,
                    Some(there) => *replace && there.is_some() && matches!(tree.get(*from), Some(Some(_))),
                };
                let done = free && tree.contains_key(*from) && folder_of(tree, to);
                if done {
                    let moved: Vec<String> = tree
                        .keys()
                        .filter(|key| *key == from || key.starts_with(&format!("{from}/")))
                        .cloned()
                        .collect();
                    for key in moved {
                        let what = tree.remove(&key).unwrap();
                        tree.insert(format!("{to}{}", &key[from.len()..]), what);
                    }
                }
                done
            }
            Command::MakeDir { path } => {
                let done = !tree.contains_key(*path) && folder_of(tree, path);
                if done {
                    tree.insert((*path).to_owned(), None);
                }
                done
            }
        }
    }
}

fn on_disk(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        let folder = entry.file_type().unwrap().is_dir();
        tree.insert(path.clone(), (!folder).then(|| fs::read(entry.path()).unwrap()));
        if folder {
            on_disk(&entry.path(), &format!("{path}/"), tree);
        }
    }
}

/// Whether some order gives these answers and this tree.
fn explained(commands: &[(Command, bool)], tree: &Tree, end: &Tree) -> bool {
    if commands.is_empty() {
        return tree == end;
    }
    (0..commands.len()).any(|first| {
        let (mut rest, mut tree) = (commands.to_vec(), tree.clone());
        let (command, done) = rest.remove(first);
        command.apply(&mut tree) == done && explained(&rest, &tree, end)
    })
}

#[test]
fn conditional_against_rename() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--durability", "none"]).start();
    let mut dice = Dice::new();
    let mut setter = enter(&daemon, "alice");
    let mut sessions: Vec<RawClient> = (0..SESSIONS).map(|_| enter(&daemon, "alice")).collect();
    let tree = beginning(&mut dice);
    let mut failures = Vec::new();
    for round in 0..ROUNDS {
        let folder = format!("r{round}");
        assert_eq!(setter.ask(format!("MKDIR {folder}")).1, "done");
        for (path, content) in &tree {
            let (_, word, _) = match content {
                None => setter.ask(format!("MKDIR {folder}/{path}")),
                Some(content) => setter.upload(&format!("{folder}/{path}"), content),
            };
            assert_eq!(word, "done");
        }
        let commands: Vec<Command> =
            (0..SESSIONS).map(|n| random_command(&mut dice, &tree, format!("new {n}").into_bytes())).collect();
        let start = Barrier::new(SESSIONS);
        let answered: Vec<(Command, bool)> = std::thread::scope(|scope| {
            let running: Vec<_> = sessions
                .iter_mut()
                .zip(commands)
                .map(|(session, command)| {
                    let (start, folder) = (&start, &folder);
                    scope.spawn(move || {
                        let bytes = command.bytes(folder);
                        start.wait();
                        session.send(bytes);
                        let done = session.reply().1 == "done";
                        (command, done)
                    })
                })
                .collect();
            running.into_iter().map(|session| session.join().unwrap()).collect()
        });
        let place = world.home("alice").join(&folder);
        let mut end = Tree::new();
        on_disk(&place, "", &mut end);
        if !explained(&answered, &tree, &end) {
            let names: Vec<_> = end.iter().map(|(path, content)| (path, content.as_ref().map(Vec::len))).collect();
            failures.push(format!("{answered:?} left {names:?}"));
        }
        fs::remove_dir_all(place).unwrap();
    }
    assert!(failures.is_empty(), "{} of {ROUNDS} rounds: {:#?}", failures.len(), &failures[..failures.len().min(5)]);
}

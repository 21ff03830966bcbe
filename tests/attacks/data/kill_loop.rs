//! `kill -9` in the middle of everything, over and over: what was acknowledged is there, and nothing is half there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use sealift::files::Hash;
use sealift::limits;

use super::{Dice, until};
use crate::common::{HANG, RawClient, World, enter, frames_of, snapshot, upload_bytes};

/// Sessions that write at once, each in a folder of its own.
const WRITERS: u64 = 3;

/// Names in each of these folders.
const NAMES: u64 = 10;

/// How often the server is killed; more with `SEALIFT_KILLS`.
fn kills() -> usize {
    std::env::var("SEALIFT_KILLS").map_or(100, |kills| kills.parse().unwrap())
}

/// A file's content, or that it is not there.
type Content = Option<Hash>;

/// What may be found under a name.
#[derive(Default, Debug)]
struct Promise {
    /// What the last good answer was about.
    acknowledged: Content,
    /// What was asked for since and not answered, in order.
    asked: Vec<Content>,
}

impl Promise {
    fn allows(&self, found: Content) -> bool {
        self.acknowledged == found || self.asked.contains(&found)
    }
}

/// All names of all writers.
type Promises = Mutex<BTreeMap<String, Promise>>;

/// Works until the server is gone. Every good answer is told.
fn write(mut client: RawClient, writer: u64, mut dice: Dice, promises: &Promises, answered: &Sender<()>) {
    let folder = format!("w{writer}");
    loop {
        let mut batch = Vec::new();
        let mut names = Vec::new();
        for _ in 0..=dice.below(24) {
            let name = format!("{folder}/n{}", dice.below(NAMES));
            let size = match dice.below(40) {
                0 => limits::RECORD_MIN + dice.below(400_000),
                1..6 => dice.below(200_000),
                _ => dice.below(8000),
            };
            let data = dice.bytes(size);
            let content = match dice.below(10) {
                0 => {
                    batch.extend(format!("DELETE {name}\r\n").bytes());
                    None
                }
                1 => {
                    batch.extend(upload_bytes(&format!("{name} if=absent"), &data));
                    Some(Hash::of(&data))
                }
                2 => {
                    batch.extend(upload_bytes(&format!("{name} size={size}"), &data));
                    Some(Hash::of(&data))
                }
                _ => {
                    batch.extend(upload_bytes(&name, &data));
                    Some(Hash::of(&data))
                }
            };
            promises.lock().unwrap().entry(name.clone()).or_default().asked.push(content);
            names.push(name);
        }
        // A large one that will not come to its end: it may be saved as a partial, and is never a file.
        let last = writer == 0 && dice.below(12) == 0;
        if last {
            batch.extend(format!("UPLOAD {folder}/large\r\n").bytes());
            batch.extend(frames_of(&dice.bytes(limits::HASH_BLOCK + 100_000)));
        }
        client.send(&batch);
        for name in names {
            let Some((digits, word, _)) = client.try_reply() else { return };
            let mut promises = promises.lock().unwrap();
            let promise = promises.get_mut(&name).unwrap();
            let content = promise.asked.remove(0);
            match word.as_str() {
                "done" => promise.acknowledged = content,
                "exists" if content.is_some() => {}
                "not-found" if content.is_none() => {}
                _ => panic!("{name}: {digits} {word}"),
            }
            // The other side has seen enough.
            let _ = answered.send(());
        }
        if last {
            client.rest();
            return;
        }
    }
}

/// Reads a few files back: what the server sends is what the disk was found to hold, and so is the hash it tells.
fn read_some(client: &mut RawClient, dice: &mut Dice, promises: &BTreeMap<String, Promise>) {
    for (name, promise) in promises.iter().filter(|_| dice.below(8) == 0) {
        let found = client.download(name).ok().map(|data| Hash::of(&data));
        assert_eq!(found, promise.acknowledged, "{name}");
    }
}

/// Compares the disk with what was promised; from then on what is there is what counts.
fn check(home: &Path, promises: &mut BTreeMap<String, Promise>) {
    let mut found: BTreeMap<String, Hash> = BTreeMap::new();
    for folder in (0..WRITERS).map(|writer| format!("w{writer}")) {
        for entry in fs::read_dir(home.join(&folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            found.insert(name, Hash::of(&fs::read(path).unwrap()));
        }
    }
    for name in found.keys() {
        assert!(promises.contains_key(name), "nobody asked for {name}");
    }
    for (name, promise) in promises {
        let now = found.get(name).copied();
        assert!(promise.allows(now), "{name} is {now:?}, promised was {promise:?}");
        *promise = Promise { acknowledged: now, asked: Vec::new() };
    }
}

#[test]
fn kill_loop() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    for writer in 0..WRITERS {
        fs::create_dir(home.join(format!("w{writer}"))).unwrap();
    }
    let mut dice = Dice::new();
    let promises = Promises::default();
    let (mut answers, mut left_over) = (0, 0);
    for round in 0..kills() {
        let _ = fs::remove_file(world.place().join("log"));
        left_over += snapshot(&home.join(limits::RESERVED_NAME)).keys().filter(|path| is_session(path)).count();
        let daemon = world.start();
        // In every other round the sessions begin while the server may still be sweeping.
        if round % 2 == 0 {
            until("swept", || daemon.log().contains(" swept "));
            for path in snapshot(&home.join(limits::RESERVED_NAME)).into_keys() {
                let name = path.to_str().unwrap();
                assert!(name.starts_with("p-") || name.starts_with("b-"), "round {round}: {name} was not swept");
            }
        }
        read_some(&mut enter(&daemon, "alice"), &mut dice, &promises.lock().unwrap());
        let (answered, count) = mpsc::channel();
        // Late enough that much is under way, and at any point of it.
        let enough = 1 + dice.below(80);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (client, dice, promises) = (enter(&daemon, "alice"), dice.split(), &promises);
                let answered = answered.clone();
                scope.spawn(move || write(client, writer, dice, promises, &answered));
            }
            for _ in 0..enough {
                count.recv_timeout(HANG).expect("answers");
            }
            std::thread::sleep(Duration::from_micros(dice.below(3000)));
            daemon.kill();
        });
        drop(answered);
        answers += enough + count.iter().count() as u64;
        check(&home, &mut promises.lock().unwrap());
    }
    println!("{answers} acknowledged, {left_over} files and folders were left over by the killed servers");
    assert!(left_over > 0, "no server was killed in the middle of an upload");
    // The last server ends well and leaves nothing of its own.
    let daemon = world.start();
    until("swept", || daemon.log().matches(" swept ").count() == 2);
    daemon.stop();
    let left = snapshot(&home.join(limits::RESERVED_NAME));
    assert!(!left.keys().any(|path| is_session(path)), "{:?}", left.keys());
}

/// Whether this is, or is in, the folder of a session in the staging folder. (`Path::starts_with` compares whole names.)
fn is_session(path: &Path) -> bool {
    path.to_string_lossy().starts_with("s-")
}

//! Large files over several connections: whole in the end whatever becomes of some of them, never mixed, and paid for
//! with one login.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use async_std::task::block_on;
use sealift::client::{
    ConnectOptions, Destination, Download, Endpoint, Observer, Silent, Transfer, TransferOptions, Upload, Verification,
};
use sealift::files::Condition;
use sealift::secret::Secret;
use sealift::{Client, Error, Kind};

use crate::common::running::{PASSWORD, Running, bytes, p};

const MIB: usize = 1024 * 1024;
const BLOCK: usize = 16 * MIB;
const FOUR: TransferOptions = TransferOptions::new().transfers(1).streams(4);

/// Stands between client and server, counts, and cuts one connection after so many bytes.
#[derive(Clone)]
struct Proxy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    passed: Arc<AtomicU64>,
    /// Which connection, counted from the first, and after how many bytes of its own.
    cut: Arc<Mutex<Option<(usize, u64)>>>,
}

impl Proxy {
    fn start(server: &Running) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            passed: Arc::default(),
            cut: Arc::default(),
        };
        let (of, to) = (proxy.clone(), SocketAddr::from(([127, 0, 0, 1], server.endpoint.port)));
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let number = of.connections.fetch_add(1, Ordering::SeqCst);
                let far = TcpStream::connect(to).unwrap();
                let own = Arc::new(AtomicU64::new(0));
                for (from, to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    let (of, own) = (of.clone(), Arc::clone(&own));
                    thread::spawn(move || of.pass(number, &own, from, to));
                }
            }
        });
        proxy
    }

    fn pass(&self, number: usize, own: &AtomicU64, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let passed = own.fetch_add(count as u64, Ordering::SeqCst) + count as u64;
            self.passed.fetch_add(count as u64, Ordering::SeqCst);
            let is_cut = |cut: &(usize, u64)| cut.0 == number && passed > cut.1;
            if to.write_all(&buffer[..count]).is_err() || self.cut.lock().unwrap().as_ref().is_some_and(is_cut) {
                break;
            }
        }
        for socket in [&from, &to] {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Cuts this connection after so many bytes, counted from now on.
    fn cut(&self, number: usize, after: usize) {
        self.connections.store(0, Ordering::SeqCst);
        self.passed.store(0, Ordering::SeqCst);
        *self.cut.lock().unwrap() = Some((number, after as u64));
    }

    fn never_cut(&self) {
        self.cut(usize::MAX, 0);
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn passed(&self) -> usize {
        usize::try_from(self.passed.load(Ordering::SeqCst)).unwrap()
    }

    /// A connection of alice's through it.
    async fn client(&self, server: &Running) -> Client {
        let options = ConnectOptions::new(Verification::Pins(vec![server.pin]));
        let mut client = Client::connect(&Endpoint::new("127.0.0.1", self.address.port()), options).await.unwrap();
        client.login("alice", Secret::new(PASSWORD)).await.unwrap();
        client
    }
}

/// A server, a local folder, and a folder to fetch into.
struct Place {
    server: Running,
    proxy: Proxy,
    local: tempfile::TempDir,
    down: tempfile::TempDir,
}

impl Place {
    async fn new() -> Place {
        let server = Running::start().await;
        let proxy = Proxy::start(&server);
        proxy.never_cut();
        Place { server, proxy, local: tempfile::tempdir().unwrap(), down: tempfile::tempdir().unwrap() }
    }

    fn source(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.local.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn remote(&self, name: &str) -> PathBuf {
        self.server.home("alice").join(name)
    }

    fn target(&self) -> Destination {
        Destination::open(&self.down).unwrap()
    }

    fn get(&self, name: &str, options: TransferOptions) -> Transfer {
        Transfer::download(vec![Download::new(p(name), p(name))], &self.target(), options)
    }

    fn put(&self, name: &str, options: TransferOptions) -> Transfer {
        Transfer::upload(vec![Upload::file(self.local.path().join(name), p(name))], options)
    }

    async fn attempt(&self, work: &mut Transfer) -> sealift::Result<()> {
        let mut client = self.proxy.client(&self.server).await;
        let done = work.attempt(&mut client, &silent()).await;
        drop(client);
        done
    }

    /// Until the server has put away what sessions left behind.
    async fn settled(&self) {
        while self.server.handle.connections() > 0 {
            async_std::task::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    fn no_leftovers(&self) {
        let left: Vec<_> = fs::read_dir(self.down.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".sealift-part")), "{left:?}");
        let staged: Vec<_> = files_below(&self.remote(".sealift"));
        assert!(staged.is_empty(), "{staged:?}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let below = entries.flat_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path) } else { vec![path] }
    });
    below.collect()
}

fn silent() -> Arc<dyn Observer> {
    Arc::new(Silent)
}

/// Does something once so many bytes have been moved.
struct At {
    bytes: u64,
    so_far: AtomicU64,
    done: AtomicBool,
    act: Box<dyn Fn() + Send + Sync>,
    streams: Mutex<Vec<(usize, usize)>>,
    lost: AtomicUsize,
    expected: AtomicU64,
}

impl At {
    fn new(bytes: usize, act: impl Fn() + Send + Sync + 'static) -> Arc<At> {
        let (so_far, done, streams) = Default::default();
        let (lost, expected) = Default::default();
        Arc::new(At { bytes: bytes as u64, so_far, done, act: Box::new(act), streams, lost, expected })
    }
}

impl Observer for At {
    fn expected(&self, _files: u64, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::SeqCst);
    }
    fn streams(&self, count: usize, wanted: usize, why: Option<&Error>) {
        assert_eq!(count == wanted, why.is_none());
        self.streams.lock().unwrap().push((count, wanted));
    }
    fn stream_lost(&self, _error: &Error) {
        self.lost.fetch_add(1, Ordering::SeqCst);
    }
    fn progressed(&self, _path: &Path, bytes: u64) {
        let now = self.so_far.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if now >= self.bytes && !self.done.swap(true, Ordering::SeqCst) {
            (self.act)();
        }
    }
}

#[test]
fn files_of_any_size_arrive_both_ways_over_the_connections_they_are_worth() {
    block_on(async {
        let place = Place::new().await;
        for (size, connections) in [
            (0, 1),
            (4 * BLOCK - 1, 1),
            (4 * BLOCK, 4),
            (4 * BLOCK + 1, 4),
            (5 * BLOCK - 1, 4),
            (5 * BLOCK, 4),
            (5 * BLOCK + BLOCK / 2, 4),
        ] {
            let content = bytes(size);
            let source = place.source("big", &content);
            place.proxy.never_cut();
            let mut work = place.put("big", FOUR);
            place.attempt(&mut work).await.unwrap();
            let summary = work.summary();
            assert_eq!((summary.files, summary.bytes, summary.failed.len()), (1, size as u64, 0), "{size}");
            assert_eq!(place.proxy.connections(), connections, "{size}");
            assert!(fs::read(place.remote("big")).unwrap() == content, "{size}");
            let times = [&source, &place.remote("big")].map(|path| fs::metadata(path).unwrap().modified().unwrap());
            assert_eq!(times[0], times[1]);

            place.proxy.never_cut();
            let observer = At::new(usize::MAX, || ());
            let mut client = place.proxy.client(&place.server).await;
            let mut work = place.get("big", FOUR);
            let told: Arc<dyn Observer> = observer.clone();
            work.attempt(&mut client, &told).await.unwrap();
            assert_eq!(work.summary().bytes, size as u64);
            assert_eq!(place.proxy.connections(), connections, "{size}");
            assert_eq!(client.streams(), connections);
            assert!(fs::read(place.down.path().join("big")).unwrap() == content, "{size}");
            let time = fs::metadata(place.down.path().join("big")).unwrap().modified().unwrap();
            assert_eq!(time, times[0]);
            // The total is told as for one connection.
            let total = [&observer.expected, &observer.so_far].map(|count| count.load(Ordering::SeqCst));
            assert_eq!(total, [size as u64; 2], "{size}");
            client.logout().await.unwrap();
            fs::remove_file(place.down.path().join("big")).unwrap();
        }
        place.settled().await;
        place.no_leftovers();
    });
}

#[test]
fn a_lost_extra_connection_hands_its_share_to_the_others() {
    block_on(async {
        let place = Place::new().await;
        let content = bytes(6 * BLOCK + 77);
        place.source("big", &content);
        for (number, after) in [(1, MIB), (2, 5 * MIB), (3, BLOCK + 1000), (3, 3 * MIB)] {
            for up in [true, false] {
                place.proxy.cut(number, after);
                let mut client = place.proxy.client(&place.server).await;
                let observer = At::new(usize::MAX, || ());
                let told: Arc<dyn Observer> = observer.clone();
                let mut work = if up { place.put("big", FOUR) } else { place.get("big", FOUR) };
                work.attempt(&mut client, &told).await.unwrap();
                let summary = work.summary();
                assert_eq!((summary.files, summary.failed.len()), (1, 0), "{:?}", summary.failed);
                let target = if up { place.remote("big") } else { place.down.path().join("big") };
                assert!(fs::read(target).unwrap() == content, "{number} {after} {up}");
                // Whoever is fast may have taken all there was before that one was cut.
                assert!(observer.lost.load(Ordering::SeqCst) <= 1);
                assert_eq!(observer.so_far.load(Ordering::SeqCst), content.len() as u64, "nothing is told twice");
                // The next file has all of them again.
                place.proxy.never_cut();
                work = place.get("big", FOUR);
                work.attempt(&mut client, &silent()).await.unwrap();
                // One that was cut right behind its last byte is found out only then.
                assert!((3..=4).contains(&client.streams()), "{}", client.streams());
            }
        }
        place.settled().await;
        place.no_leftovers();
    });
}

#[test]
fn if_the_first_connection_is_lost_nothing_appears_and_the_next_try_goes_on() {
    block_on(async {
        let place = Place::new().await;
        let content = bytes(8 * BLOCK + 77);
        place.source("big", &content);
        for (up, after) in [(true, 2 * BLOCK), (false, 2 * BLOCK), (true, MIB), (false, MIB)] {
            let target = if up { place.remote("big") } else { place.down.path().join("big") };
            let (mut work, error) = loop {
                let mut work = if up { place.put("big", FOUR) } else { place.get("big", FOUR) };
                place.proxy.cut(0, after);
                match place.attempt(&mut work).await {
                    Err(error) => break (work, error),
                    // The others were so fast that the first one had less than that to do.
                    Ok(()) => fs::remove_file(&target).unwrap(),
                }
            };
            assert_eq!(error.kind(), Kind::Network, "{error}");
            assert!(work.may_retry(&error));
            assert!(!target.exists(), "{up}");
            place.settled().await;
            let left = if up { files_below(&place.remote(".sealift")) } else { files_below(place.down.path()) };
            place.proxy.never_cut();
            place.attempt(&mut work).await.unwrap();
            assert_eq!((work.summary().files, place.proxy.connections()), (1, 4));
            assert!(fs::read(&target).unwrap() == content, "{up}");
            if !left.is_empty() {
                // What was without a gap from the beginning is not moved again.
                assert!(place.proxy.passed() < content.len(), "{} {up} {left:?}", place.proxy.passed());
            }
            if !up {
                fs::remove_file(&target).unwrap();
                fs::remove_file(place.remote("big")).unwrap();
            }
            place.settled().await;
            place.no_leftovers();
        }
    });
}

#[test]
fn a_file_that_changes_meanwhile_is_never_mixed() {
    block_on(async {
        let place = Place::new().await;
        // Four connections can have opened the file for nine ranges at most when it changes, two each and one more: so
        // some of the last come from the other one.
        let (old, new) = (bytes(11 * BLOCK), {
            let mut new = bytes(11 * BLOCK);
            new.iter_mut().for_each(|byte| *byte ^= 0x55);
            new
        });
        let remote = place.remote("big");
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let write = move |path: &Path, content: &[u8]| {
            fs::write(path, content).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        // Replaced by another of the same size and time; written to in place; another size.
        let spare = place.server.home("alice").join("spare");
        for way in 0..3 {
            write(&remote, &old);
            let mut wanted = new.clone();
            if way == 2 {
                wanted.extend_from_slice(b"more");
            }
            let (to, from, content) = (remote.clone(), spare.clone(), wanted.clone());
            // Written before: the others would be done while it is.
            write(&from, &content);
            let observer = At::new(BLOCK + MIB, move || match way {
                1 => write(&to, &content),
                _ => fs::rename(&from, &to).unwrap(),
            });
            let told: Arc<dyn Observer> = observer;
            let mut client = place.proxy.client(&place.server).await;
            let mut work = place.get("big", FOUR);
            work.attempt(&mut client, &told).await.unwrap();
            let summary = work.summary();
            let here = place.down.path().join("big");
            match summary.failed.first() {
                // Written to while it was read over one connection again.
                Some((_, error)) => {
                    assert!(matches!(error.kind(), Kind::Integrity | Kind::Torn), "{way}: {error}");
                    assert!(!here.exists(), "{way}");
                }
                None => {
                    assert!(fs::read(&here).unwrap() == wanted, "{way}");
                    fs::remove_file(&here).unwrap();
                }
            }
            drop(client);
            place.settled().await;
            place.no_leftovers();
        }

        // And up: the file that is sent changes under the sender.
        let source = place.source("up", &old);
        let path = source.clone();
        let told: Arc<dyn Observer> = At::new(BLOCK + MIB, move || {
            let mut file = fs::File::options().append(true).open(&path).unwrap();
            file.write_all(b"more").unwrap();
        });
        let mut client = place.proxy.client(&place.server).await;
        let mut work = place.put("up", FOUR);
        work.attempt(&mut client, &told).await.unwrap();
        let summary = work.summary();
        assert_eq!(summary.failed.len(), 1);
        assert_eq!(summary.failed[0].1.kind(), Kind::Torn);
        assert!(!place.remote("up").exists());
        // The connections are as good as before.
        place.attempt(&mut place.put("up", FOUR)).await.unwrap();
        assert!(client.ping().await.is_ok());
        drop(client);
        place.settled().await;
        place.no_leftovers();
    });
}

#[test]
fn a_tree_with_large_files_in_it_goes_both_ways() {
    block_on(async {
        let place = Place::new().await;
        let large = bytes(4 * BLOCK + 3);
        for folder in ["tree/inner", "tree/empty"] {
            fs::create_dir_all(place.local.path().join(folder)).unwrap();
        }
        for (name, content) in [("tree/a", &large), ("tree/inner/b", &large), ("tree/inner/small", &bytes(1000))] {
            fs::write(place.local.path().join(name), content).unwrap();
        }
        let mut work = Transfer::put_tree(&place.local.path().join("tree"), &p("up"), Condition::Any, FOUR);
        place.attempt(&mut work).await.unwrap();
        assert_eq!((work.summary().files, place.proxy.connections()), (3, 4));
        place.proxy.never_cut();
        let mut work = Transfer::get_tree(&p("up"), &place.target(), &p("back"), Condition::Absent, FOUR);
        place.attempt(&mut work).await.unwrap();
        assert_eq!((work.summary().files, place.proxy.connections()), (3, 4));
        for (name, content) in [("a", &large), ("inner/b", &large), ("inner/small", &bytes(1000))] {
            assert!(fs::read(place.down.path().join("back").join(name)).unwrap() == *content, "{name}");
        }
        for folder in ["", "inner", "empty"] {
            let of = |root: PathBuf| fs::metadata(root.join(folder)).unwrap().modified().unwrap();
            assert_eq!(of(place.down.path().join("back")), of(place.remote("up")), "{folder}");
        }
        // Again: all are there, and none is moved.
        place.proxy.never_cut();
        let options = FOUR.skip_existing(true);
        let mut work = Transfer::get_tree(&p("up"), &place.target(), &p("back"), Condition::Absent, options);
        place.attempt(&mut work).await.unwrap();
        let mut work_up = Transfer::put_tree(&place.local.path().join("tree"), &p("up"), Condition::Absent, options);
        place.attempt(&mut work_up).await.unwrap();
        assert_eq!((work.summary().skipped, work_up.summary().skipped), (3, 3));
        assert!(place.proxy.passed() < MIB, "{}", place.proxy.passed());
    });
}

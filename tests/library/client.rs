//! The client library against a real server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use async_std::channel::{Sender, unbounded};
use async_std::task::block_on;
use futures::future::{Either, select};
use sealift::client::{ConnectOptions, Destination, Download, Endpoint, Observer, Silent, Skip, Upload, Verification};
use sealift::files::{Condition, EntryKind, Hash};
use sealift::proto::Verb;
use sealift::secret::Secret;
use sealift::{Client, Error, Kind};

use crate::common::running::{Notes, PASSWORD, Running, bytes, p};

fn silent() -> Arc<Silent> {
    Arc::new(Silent)
}

#[test]
fn every_request_gets_its_answer() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.connect().await;
        assert_eq!(client.pin(), Some(server.pin));
        assert!(client.last_ids().is_none());
        let welcome = client.login("alice", Secret::new(PASSWORD)).await.unwrap();
        assert_eq!((welcome.user.as_str(), welcome.access.as_str()), ("alice", "full"));
        assert_eq!(welcome.ids.pid, std::process::id());

        let home = server.home("alice");
        fs::write(home.join("a b"), b"hello").unwrap();
        client.make_dir(&p("x/y"), true).await.unwrap();
        assert!(home.join("x/y").is_dir());
        assert_eq!(client.make_dir(&p("x"), false).await.unwrap_err().kind(), Kind::Exists);
        assert_eq!(client.last_ids(), Some(welcome.ids));

        let mut names: Vec<_> = client.list(&p(""), true).await.unwrap().entries.into_iter().map(|e| e.path).collect();
        names.sort();
        assert_eq!(names, [&b"a b"[..], b"x", b"x/y"]);
        let mut kinds = Vec::new();
        let unread = client
            .list_each(&p(""), false, |entry| {
                kinds.push(entry.kind);
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(unread.count, 0);
        kinds.sort();
        assert_eq!(kinds, [EntryKind::File, EntryKind::Directory]);

        let stat = client.stat(&p("a b")).await.unwrap();
        assert_eq!((stat.kind, stat.size), (EntryKind::File, 5));
        assert_eq!(client.stat(&p("nothing")).await.unwrap_err().kind(), Kind::NotFound);
        let hashed = client.hash(&p("a b"), None).await.unwrap();
        assert_eq!((hashed.size, hashed.hash), (5, Hash::of(b"hello")));
        assert_eq!(client.hash(&p("a b"), Some(2)).await.unwrap().hash, Hash::of(b"he"));

        client.rename(&p("a b"), &p("x/c"), false).await.unwrap();
        assert_eq!(client.remove(&p("x"), false).await.unwrap_err().kind(), Kind::NotEmpty);
        client.remove(&p("x"), true).await.unwrap();
        assert!(client.list(&p(""), true).await.unwrap().entries.is_empty());

        let ping = client.ping().await.unwrap();
        assert_eq!(ping.ids, welcome.ids);
        assert_eq!(client.status().await.unwrap().user, "alice");
        let who = client.who().await.unwrap();
        assert!(who.iter().any(|session| session.id == welcome.ids.session && session.user == "alice"));
        assert!(client.help(None).await.unwrap().len() >= Verb::ALL.len());
        assert!(client.help(Some(Verb::List)).await.unwrap().iter().any(|line| line.contains("LIST")));
        client.logout().await.unwrap();
    });
}

#[test]
fn files_come_back_as_they_were_sent_whatever_their_size() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        let sizes = [0, 1, 4096, 48 * 1024, 192 * 1024 - 1, 192 * 1024, 192 * 1024 + 1, 384 * 1024, 3_000_001];
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        let mut uploads = Vec::new();
        for size in sizes {
            let path = local.path().join(format!("{size}"));
            let mut file = fs::File::create(&path).unwrap();
            file.write_all(&bytes(size)).unwrap();
            file.set_modified(time).unwrap();
            uploads.push(Upload::file(path, p(&format!("{size}"))));
        }
        let notes = Arc::new(Notes::default());
        let sent = client.upload(uploads, notes.clone()).await.unwrap();
        let total = sizes.iter().sum::<usize>() as u64;
        assert_eq!((sent.files, sent.bytes, sent.failed.len()), (sizes.len() as u64, total, 0));
        let told = notes.told();
        assert_eq!((told.progress, told.expected), (total, (sizes.len() as u64, total)));
        assert!(told.finished.iter().all(|(_, done)| done.ids == client.last_ids()));

        let back = tempfile::tempdir().unwrap();
        let into = Destination::open(back.path()).unwrap();
        let jobs = sizes.iter().map(|size| Download::new(p(&format!("{size}")), p(&format!("{size}")))).collect();
        let notes = Arc::new(Notes::default());
        let got = client.download(jobs, &into, notes.clone()).await.unwrap();
        assert_eq!((got.files, got.bytes, got.failed.len()), (sizes.len() as u64, total, 0));
        assert_eq!(notes.told().expected, (sizes.len() as u64, total));
        for size in sizes {
            let path = back.path().join(format!("{size}"));
            assert!(fs::read(&path).unwrap() == bytes(size), "{size}");
            assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
        }
        assert_eq!(fs::read_dir(back.path()).unwrap().count(), sizes.len());

        let mut sink = Vec::new();
        let whole = client.read(&p("3000001"), &mut sink).await.unwrap();
        assert!(sink == bytes(3_000_001));
        assert_eq!((whole.size, whole.hash), (3_000_001, Hash::of(&sink)));
        let mut sink = Vec::new();
        client.read_range(&p("3000001"), 1_000_000, Some(77), &mut sink).await.unwrap();
        assert_eq!(sink, &bytes(3_000_001)[1_000_000..1_000_077]);
        let mut sink = Vec::new();
        client.read_range(&p("4096"), 5000, None, &mut sink).await.unwrap();
        assert!(sink.is_empty());
        client.logout().await.unwrap();
    });
}

#[test]
fn a_reader_of_unknown_size_is_sent() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let data = bytes(700_000);
        let summary =
            client.upload(vec![Upload::reader(std::io::Cursor::new(data.clone()), p("r"))], silent()).await.unwrap();
        assert_eq!((summary.files, summary.bytes), (1, 700_000));
        assert!(fs::read(server.home("alice").join("r")).unwrap() == data);
    });
}

#[test]
fn a_tree_goes_and_comes_back_with_empty_folders_and_times_and_without_links() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        let root = local.path().join("root");
        fs::create_dir_all(root.join("deep/er")).unwrap();
        fs::create_dir(root.join("empty")).unwrap();
        for i in 0..1500 {
            fs::write(root.join(format!("deep/{i}")), format!("number {i}")).unwrap();
        }
        fs::write(root.join("deep/er/big"), bytes(1_000_000)).unwrap();
        fs::write(root.join("a\nDELETE b"), b"no command").unwrap();
        symlink("/etc", root.join("deep/link")).unwrap();
        let summary = {
            let notes = Arc::new(Notes::default());
            let summary = client.put_tree(&root, &p("up/root"), Condition::Any, notes.clone()).await.unwrap();
            assert_eq!(notes.told().skipped, [(root.join("deep/link"), Skip::Link)]);
            assert_eq!(notes.told().failed, [(root.join("a\nDELETE b"), Kind::BadPath)]);
            summary
        };
        // The folder above it, which was not there, is one of them.
        assert_eq!((summary.files, summary.directories, summary.skipped, summary.failed.len()), (1501, 5, 1, 1));
        let home = server.home("alice");
        assert_eq!(fs::read(home.join("up/root/deep/1499")).unwrap(), b"number 1499");

        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
        for dir in ["up/root/deep/er", "up/root/deep", "up/root/empty", "up/root"] {
            fs::File::open(home.join(dir)).unwrap().set_modified(time).unwrap();
        }
        symlink("deep", home.join("up/root/empty/link")).unwrap();
        fs::File::open(home.join("up/root/empty")).unwrap().set_modified(time).unwrap();

        let back = tempfile::tempdir().unwrap();
        let into = Destination::open(back.path()).unwrap();
        let notes = Arc::new(Notes::default());
        let got = client.get_tree(&p("up/root"), &into, &p("new"), Condition::Any, notes.clone()).await.unwrap();
        assert_eq!((got.files, got.directories, got.skipped, got.failed.len()), (1501, 4, 1, 0));
        assert_eq!(notes.told().expected.0, 1501);
        assert_eq!(notes.told().expected.1, notes.told().progress);
        assert_eq!(fs::read(back.path().join("new/deep/77")).unwrap(), b"number 77");
        assert!(fs::read(back.path().join("new/deep/er/big")).unwrap() == bytes(1_000_000));
        for dir in ["new", "new/deep", "new/deep/er", "new/empty"] {
            assert_eq!(fs::metadata(back.path().join(dir)).unwrap().modified().unwrap(), time, "{dir}");
        }
        assert_eq!(fs::read_dir(back.path().join("new/empty")).unwrap().count(), 0);

        // Once more, into a folder that is there, without touching what is there.
        fs::write(back.path().join("new/deep/77"), b"mine").unwrap();
        fs::remove_file(back.path().join("new/deep/78")).unwrap();
        let again = client.get_tree(&p("up/root"), &into, &p("new"), Condition::Absent, silent()).await.unwrap();
        assert_eq!((again.files, again.failed.len()), (1, 1500));
        assert!(again.failed.iter().all(|(_, error)| error.kind() == Kind::Exists));
        assert_eq!(fs::read(back.path().join("new/deep/77")).unwrap(), b"mine");
        client.logout().await.unwrap();
    });
}

#[test]
fn the_own_folder_itself_goes_and_comes_back() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        fs::create_dir_all(local.path().join("here/a/.Sealift")).unwrap();
        fs::create_dir_all(local.path().join("there")).unwrap();
        fs::write(local.path().join("here/a/f"), b"f").unwrap();
        let notes = Arc::new(Notes::default());
        let sent = client.put_tree(&local.path().join("here"), &p(""), Condition::Any, notes.clone()).await.unwrap();
        sent.into_result().unwrap();
        assert_eq!(notes.told().skipped, [(local.path().join("here/a/.Sealift"), Skip::Reserved)]);
        let into = Destination::open(local.path().join("there")).unwrap();
        let got = client.get_tree(&p(""), &into, &p(""), Condition::Any, silent()).await.unwrap();
        assert_eq!((got.files, got.directories, got.failed.len()), (1, 1, 0));
        assert_eq!(fs::read(local.path().join("there/a/f")).unwrap(), b"f");

        let error = client.get_tree(&p("a/f"), &into, &p("x"), Condition::Any, silent()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotDirectory);
        let error = client.get_tree(&p("none"), &into, &p("x"), Condition::Any, silent()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        let from = local.path().join("here/a/f");
        let error = client.put_tree(&from, &p("x"), Condition::Any, silent()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotDirectory);
        client.ping().await.unwrap();
        assert!(!local.path().join("there/x").exists());
    });
}

#[test]
fn totals_are_told_beside_the_transfer_to_an_observer_that_wants_them() {
    #[derive(Default)]
    struct Totals {
        so_far: Mutex<(u64, u64)>,
        reading: Mutex<Vec<bool>>,
        more: Condvar,
    }
    impl Observer for Totals {
        fn wants_totals(&self) -> bool {
            true
        }
        fn reading(&self, is_reading: bool) {
            self.reading.lock().unwrap().push(is_reading);
        }
        fn expected(&self, files: u64, bytes: u64) {
            let mut so_far = self.so_far.lock().unwrap();
            *so_far = (so_far.0 + files, so_far.1 + bytes);
            self.more.notify_all();
        }
        // Counting ends with the transfer, so the transfer waits for it.
        fn started(&self, _path: &Path, _size: Option<u64>) {
            assert!(
                self.reading.lock().unwrap().first() == Some(&true),
                "nothing begins before it is said that it is counted"
            );
            let so_far = self.so_far.lock().unwrap();
            let _now = self.more.wait_while(so_far, |so_far| so_far.0 < 10).unwrap();
        }
    }
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        for i in 0..10 {
            fs::write(local.path().join(format!("{i}")), bytes(i)).unwrap();
        }
        let totals = Arc::new(Totals::default());
        let sent = client.put_tree(local.path(), &p("t"), Condition::Any, totals.clone()).await.unwrap();
        sent.into_result().unwrap();
        assert_eq!(*totals.so_far.lock().unwrap(), (10, 45));
    });
}

#[test]
fn files_that_fail_do_not_stop_the_others() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        fs::write(local.path().join("good"), b"good").unwrap();
        fs::write(local.path().join("big"), bytes(5_000_000)).unwrap();
        let file = |name: &str, to: &str| Upload::file(local.path().join(name), p(to));
        let uploads = vec![
            file("good", "1"),
            file("missing", "2"),
            // Refused at once, with megabytes of data behind the command.
            file("big", "no/such/folder"),
            file("big", "3"),
            file("good", "1").condition(Condition::Absent),
            file("", "4"),
            file("good", "5"),
        ];
        let notes = Arc::new(Notes::default());
        let summary = client.upload(uploads, notes.clone()).await.unwrap();
        assert_eq!(summary.files, 3);
        let mut kinds: Vec<_> = summary.failed.iter().map(|(_, error)| error.kind()).collect();
        kinds.sort_by_key(|kind| kind.word());
        assert_eq!(kinds, [Kind::Exists, Kind::IsDirectory, Kind::NotFound, Kind::NotFound]);
        assert_eq!(notes.told().failed.len(), 4);
        assert_eq!(fs::read(server.home("alice").join("5")).unwrap(), b"good");

        let into = Destination::open(local.path()).unwrap();
        let jobs = vec![
            Download::new(p("1"), p("one")),
            Download::new(p("nothing"), p("two")),
            Download::new(p("3"), p("no/such/folder")),
            Download::new(p("5"), p("five")),
        ];
        let summary = client.download(jobs, &into, silent()).await.unwrap();
        assert_eq!((summary.files, summary.failed.len()), (2, 2));
        assert_eq!(fs::read(local.path().join("five")).unwrap(), b"good");
        // The connection is in step.
        client.ping().await.unwrap();
        client.logout().await.unwrap();
    });
}

/// Makes each file longer when it has been opened to be sent.
struct Lengthens;

impl Observer for Lengthens {
    fn started(&self, path: &Path, _size: Option<u64>) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() + 1).unwrap();
    }
}

#[test]
fn a_source_that_changes_its_length_is_given_up_and_leaves_nothing() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        let uploads = ["one", "two"].map(|name| {
            fs::write(local.path().join(name), name).unwrap();
            Upload::file(local.path().join(name), p(name))
        });
        let summary = client.upload(uploads.into(), Arc::new(Lengthens)).await.unwrap();
        assert_eq!((summary.files, summary.failed.len()), (0, 2));
        assert!(summary.failed.iter().all(|(_, error)| error.kind() == Kind::Torn));
        fs::write(local.path().join("x"), b"x").unwrap();
        let summary = client.upload(vec![Upload::file(local.path().join("x"), p("x"))], silent()).await.unwrap();
        assert_eq!(summary.files, 1);
        let names: Vec<_> =
            client.list(&p(""), true).await.unwrap().entries.into_iter().map(|entry| entry.path).collect();
        assert_eq!(names, [b"x"]);
    });
}

#[test]
fn what_the_user_may_not_do_is_denied_and_the_connection_goes_on() {
    block_on(async {
        let server = Running::start().await;
        fs::write(server.home("public").join("f"), b"public").unwrap();
        let mut client = server.client("anonymous").await;
        let local = tempfile::tempdir().unwrap();
        fs::write(local.path().join("x"), bytes(2_000_000)).unwrap();
        let uploads = (0..20).map(|i| Upload::file(local.path().join("x"), p(&format!("{i}")))).collect();
        let summary = client.upload(uploads, silent()).await.unwrap();
        assert_eq!((summary.files, summary.failed.len()), (0, 20));
        assert!(summary.failed.iter().all(|(_, error)| error.kind() == Kind::Denied));
        assert_eq!(client.remove(&p("f"), false).await.unwrap_err().kind(), Kind::Denied);
        assert_eq!(client.who().await.unwrap_err().kind(), Kind::Denied);
        let mut sink = Vec::new();
        client.read(&p("f"), &mut sink).await.unwrap();
        assert_eq!(sink, b"public");
    });
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_may_follow() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.connect().await;
        assert_eq!(client.stat(&p("")).await.unwrap_err().kind(), Kind::LoginRequired);
        assert_eq!(client.login("alice", Secret::new("wrong")).await.unwrap_err().kind(), Kind::LoginFailed);
        assert_eq!(client.login("", Secret::new("wrong")).await.unwrap_err().kind(), Kind::BadCommand);
        client.login("alice", Secret::new(PASSWORD)).await.unwrap();
        client.ping().await.unwrap();
    });
}

#[test]
fn pin_mismatch() {
    block_on(async {
        let (server, other) = (Running::start().await, Running::start().await);
        let pinned = ConnectOptions::new(Verification::Pins(vec![other.pin]));
        assert_eq!(Client::connect(&server.endpoint, pinned).await.unwrap_err().kind(), Kind::PinMismatch);

        let pin = server.pin;
        let refuse = ConnectOptions::new(Verification::Ask(Box::new(move |seen| {
            assert_eq!(*seen, pin);
            Err(Error::new(Kind::Untrusted, "no"))
        })));
        assert_eq!(Client::connect(&server.endpoint, refuse).await.unwrap_err().kind(), Kind::Untrusted);
        let accept = ConnectOptions::new(Verification::Ask(Box::new(|_| Ok(()))));
        Client::connect(&server.endpoint, accept).await.unwrap().logout().await.unwrap();
    });
}

#[test]
fn nobody_there_is_a_network_error() {
    block_on(async {
        // A port that was just free.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = ConnectOptions::new(Verification::Ask(Box::new(|_| Ok(()))));
        let error = Client::connect(&Endpoint::new("127.0.0.1", port), options).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.text().contains(&format!("127.0.0.1:{port}")), "{error}");
    });
}

#[test]
fn shutdown_ends_the_server_and_every_connection() {
    block_on(async {
        let server = Running::start().await;
        let mut bystander = server.client("alice").await;
        let mut client = server.client("alice").await;
        client.shutdown().await.unwrap();
        server.task.await.unwrap();
        let kind = bystander.ping().await.unwrap_err().kind();
        assert!(matches!(kind, Kind::Stopping | Kind::Network), "{kind:?}");
        assert_eq!(bystander.ping().await.unwrap_err().kind(), Kind::Network);
    });
}

#[test]
fn a_sink_that_fails_ends_the_reading_and_its_error_is_told() {
    block_on(async {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::BrokenPipe)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let server = Running::start().await;
        fs::write(server.home("alice").join("big"), bytes(20_000_000)).unwrap();
        let mut client = server.client("alice").await;
        assert_eq!(client.read(&p("big"), &mut Full(1_000_000)).await.unwrap_err().kind(), Kind::Io);
        let error = client.ping().await.unwrap_err();
        assert_eq!((error.kind(), error.text()), (Kind::Network, "the connection is broken"));
    });
}

#[test]
fn a_future_that_is_dropped_ends_the_connection() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        // Standard input that nobody ever writes to.
        struct Asked(Sender<()>, std::io::PipeReader);
        impl std::io::Read for Asked {
            fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
                let _nobody_waits_any_more = self.0.try_send(());
                self.1.read(space)
            }
        }
        let ((reader, writer), (tell, is_asked)) = (std::io::pipe().unwrap(), unbounded());
        {
            let upload = pin!(client.upload(vec![Upload::reader(Asked(tell, reader), p("never"))], silent()));
            let is_asked = pin!(is_asked.recv());
            assert!(matches!(select(upload, is_asked).await, Either::Right((Ok(()), _))), "it has ended");
        }
        assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Aborted);
        while server.handle.connections() > 0 {
            async_std::task::sleep(Duration::from_millis(5)).await;
        }
        drop(writer);
        assert!(!server.home("alice").join("never").exists());
    });
}

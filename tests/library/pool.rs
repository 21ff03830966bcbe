//! A pool of connections: one login, many tasks, and what becomes of the others when one is dropped, lost or stopped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::pin::pin;
use std::time::Duration;

use async_std::channel::{Receiver, Sender, unbounded};
use async_std::future::timeout;
use async_std::task::{block_on, spawn};
use futures::future::{Either, join_all, pending, select};
use futures::io::{AsyncRead, AsyncReadExt as _};
use futures::poll;
use futures::stream::TryStreamExt as _;
use sealift::Kind;
use sealift::auth::UsersFile;
use sealift::client::{ConnectOptions, Credentials, Endpoint, Pool, Verification};
use sealift::files::{Durability, Hash};
use sealift::server::{AdmissionOptions, Server, ServerOptions, Storage};
use sealift::tls::Identity;

use crate::common::eventually;
use crate::common::running::{PASSWORD, Running, bytes};
use crate::common::stalling::Stalling;

async fn pool(server: &Running, connections: u32) -> Pool {
    let options = ConnectOptions::new(Verification::Pins(vec![server.pin]));
    Pool::connect(&server.endpoint, options, Credentials::password("alice", PASSWORD), connections).await.unwrap()
}

/// A reader that never gives anything, and tells when it is asked.
struct Never(Sender<()>);

impl Never {
    fn new() -> (Never, Receiver<()>) {
        let (is_asked, asked) = unbounded();
        (Never(is_asked), asked)
    }
}

impl AsyncRead for Never {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.0.try_send(()).unwrap();
        std::task::Poll::Pending
    }
}

/// Begins an upload, and drops it in its middle.
async fn dropped_upload(pool: &Pool) {
    let (never, asked) = Never::new();
    match select(pin!(pool.put_from("never", never, None)), pin!(asked.recv())).await {
        Either::Left((put, _)) => panic!("it has ended: {put:?}"),
        Either::Right((is_asked, _)) => is_asked.unwrap(),
    }
}

#[test]
fn many_tasks_put_and_get_over_few_connections() {
    block_on(async {
        let server = Running::start().await;
        let pool = pool(&server, 4).await;
        assert_eq!((pool.connections(), server.handle.connections()), (4, 4));
        let tasks = (0..40usize).map(|n| {
            let pool = pool.clone();
            spawn(async move {
                let (name, sent) = (format!("file-{n}"), bytes(n * 7_919));
                pool.put(&name, sent.clone()).await.unwrap();
                let mut back = Vec::new();
                pool.get(&name).await.unwrap().read_to_end(&mut back).await.unwrap();
                assert!(back == sent, "{name}");
                assert_eq!(pool.hash(&name, None).await.unwrap().hash, Hash::of(&sent));
            })
        });
        join_all(tasks).await;
        let entries: Vec<_> = pool.list_stream("", false).await.unwrap().try_collect().await.unwrap();
        assert_eq!(entries.len(), 40);
        assert_eq!((pool.connections(), server.handle.connections()), (4, 4));
        pool.close().await;
        assert_eq!(pool.stat("file-1").await.unwrap_err().kind(), Kind::Aborted);
        eventually("all have said goodbye", || server.handle.connections() == 0);
    });
}

#[test]
fn a_future_that_is_dropped_costs_one_connection_and_nothing_else() {
    block_on(async {
        let server = Running::start().await;
        let pool = pool(&server, 3).await;
        fs::File::create(server.home("alice").join("large")).unwrap().set_len(1 << 32).unwrap();
        // A transfer of another task, in the middle of a file.
        let mut reader = pool.get("large").await.unwrap();
        reader.read_exact(&mut [0; 1000]).await.unwrap();

        dropped_upload(&pool).await;
        eventually("the connection is gone", || server.handle.connections() == 2);

        let mut more = vec![1; 40 << 20];
        reader.read_exact(&mut more).await.unwrap();
        assert!(more.iter().all(|byte| *byte == 0));
        // The missing one is opened again.
        assert!(pool.stat("never").await.is_err());
        assert_eq!(pool.connections(), 3);
        drop(reader);
        eventually("a reader that is dropped costs its connection", || server.handle.connections() == 2);
        pool.put("small", b"x").await.unwrap();
        assert_eq!(pool.connections(), 3);
    });
}

#[test]
fn each_connection_is_a_session_of_its_own_and_a_lost_one_is_replaced() {
    block_on(async {
        let server = Running::start().await;
        let pool = pool(&server, 4).await;
        dropped_upload(&pool).await;
        let (a, b, c, d) = futures::join!(pool.client(), pool.client(), pool.client(), pool.client());
        let clients = [a, b, c, d].into_iter().map(|client| client.unwrap()).collect::<Vec<_>>();
        let mut sessions: Vec<_> =
            clients.iter().map(|client| client.last_ids().unwrap().session.to_string()).collect();
        sessions.sort();
        sessions.dedup();
        assert_eq!(sessions.len(), 4);
    });
}

#[test]
fn what_waits_for_a_connection_gets_one_and_no_more_are_opened() {
    block_on(async {
        let server = Running::start().await;
        let pool = pool(&server, 1).await;
        let held = pool.client().await.unwrap();
        let waiting = spawn({
            let pool = pool.clone();
            async move { pool.stat("").await }
        });
        assert_eq!(server.handle.connections(), 1);
        drop(held);
        waiting.await.unwrap();
        assert_eq!(server.handle.connections(), 1);
    });
}

#[test]
fn a_server_that_gives_fewer_connections_lets_the_others_wait() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::Folder { path: dir.path().join("data"), durability: Durability::None };
        let admission = AdmissionOptions::default().per_source(2);
        let server = Running::admitting(dir, storage, admission).await;
        let pool = pool(&server, 4).await;
        assert_eq!(pool.connections(), 2);
        let held = (pool.client().await.unwrap(), pool.client().await.unwrap());
        let waiting = (0..3).map(|_| {
            let pool = pool.clone();
            spawn(async move { pool.stat("").await })
        });
        let waiting: Vec<_> = waiting.collect();
        let waits = timeout(Duration::from_millis(200), pool.stat("")).await;
        assert!(waits.is_err(), "it waits: {waits:?}");
        drop(held);
        for answer in waiting {
            answer.await.unwrap();
        }
        pool.close().await;
        assert_eq!(pool.stat("").await.unwrap_err().kind(), Kind::Aborted);
    });
}

#[test]
fn a_pool_whose_closing_is_given_up_goes_on_as_before() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::Folder { path: dir.path().join("data"), durability: Durability::None };
        let admission = AdmissionOptions::default().per_source(2);
        let server = Running::admitting(dir, storage, admission).await;
        let pool = pool(&server, 4).await;
        let held = (pool.client().await.unwrap(), pool.client().await.unwrap());
        // It waits for both of them.
        assert!(poll!(pin!(pool.close())).is_pending());
        // Whoever wants one more than the server gives waits, too.
        let waiting = (0..3).map(|_| {
            let pool = pool.clone();
            spawn(async move { pool.stat("").await })
        });
        let waiting: Vec<_> = waiting.collect();
        let waits = timeout(Duration::from_millis(200), pool.stat("")).await;
        assert!(waits.is_err(), "it waits: {waits:?}");
        drop(held);
        for answer in waiting {
            answer.await.unwrap();
        }
        pool.close().await;
        assert_eq!(pool.stat("").await.unwrap_err().kind(), Kind::Aborted);
    });
}

#[test]
fn a_further_connection_that_never_greets_costs_no_other() {
    block_on(async {
        let server = Running::start().await;
        let line = Stalling::start(server.endpoint.to_string());
        let mut options = ConnectOptions::new(Verification::Pins(vec![server.pin]));
        // The first one is there by then on any machine.
        options.connect_timeout = Duration::from_secs(10);
        let endpoint = Endpoint::new("127.0.0.1", line.address.port());
        let pool = Pool::connect(&endpoint, options, Credentials::password("alice", PASSWORD), 2).await.unwrap();
        pool.stat("").await.unwrap();
        assert_eq!((pool.connections(), line.connections()), (1, 2));
    });
}

#[test]
fn stopping_is_no_failure_of_the_network() {
    block_on(async {
        let server = Running::start().await;
        let pool = pool(&server, 2).await;
        let (never, asked) = Never::new();
        let stopped = spawn({
            let pool = pool.clone();
            async move { pool.put_from("never", never, None).await.unwrap_err().kind() }
        });
        let (has_one, other) = unbounded();
        let waiting = spawn({
            let pool = pool.clone();
            async move {
                let _one = pool.client().await.unwrap();
                has_one.send(()).await.unwrap();
                pending::<()>().await;
            }
        });
        // Both are in use.
        asked.recv().await.unwrap();
        other.recv().await.unwrap();
        pool.stop();
        assert_eq!(stopped.await, Kind::Aborted);
        waiting.cancel().await;
        assert_eq!(pool.stat("").await.unwrap_err().kind(), Kind::Aborted);
        eventually("all are ended", || server.handle.connections() == 0);
    });
}

#[test]
fn a_server_that_starts_again_is_found_again() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        UsersFile::new(dir.path().join("users.toml")).create().unwrap();
        fs::create_dir_all(dir.path().join("data/public")).unwrap();
        fs::write(dir.path().join("data/public/there"), b"x").unwrap();
        let certs = dir.path().join("certs");
        fs::create_dir(&certs).unwrap();
        let start = async |listen: &str| {
            let identity = Identity::load_or_generate(&certs, &["localhost".to_owned()]).unwrap().0;
            let (data, users) = (dir.path().join("data"), dir.path().join("users.toml"));
            Server::bind(ServerOptions::new(listen.parse().unwrap(), data, users, identity)).await.unwrap()
        };
        let server = start("127.0.0.1:0").await;
        let (address, pin, handle) = (server.addresses()[0], server.pin(), server.handle());
        let serving = spawn(server.serve());
        let endpoint = sealift::client::Endpoint::new("127.0.0.1", address.port());
        let options = ConnectOptions::new(Verification::Pins(vec![pin]));
        let pool = Pool::connect(&endpoint, options, Credentials::anonymous(), 3).await.unwrap();
        pool.stat("there").await.unwrap();

        handle.stop();
        serving.await.unwrap();
        let gone = pool.stat("there").await.unwrap_err();
        assert!(gone.kind().is_transient(), "{gone}");

        let server = start(&address.to_string()).await;
        let handle = server.handle();
        let serving = spawn(server.serve());
        let found = join_all((0..6).map(|_| pool.stat("there"))).await;
        assert!(found.iter().all(|stat| stat.as_ref().is_ok_and(|stat| stat.size == 1)), "{found:?}");
        assert_eq!((pool.connections(), handle.connections()), (3, 3));
        pool.close().await;
        handle.stop();
        serving.await.unwrap();
    });
}

//! A server whose users are in the memory of the program that it runs in.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_std::future::timeout;
use async_std::task::{JoinHandle, block_on, sleep, spawn, spawn_blocking};
use sealift::auth::{Grants, User, UserDirectory, Users, hash_password};
use sealift::client::{Client, ConnectOptions, Endpoint, Verification};
use sealift::server::{Handle, Server};
use sealift::tls::{Identity, Pin};
use sealift::{Error, Kind};

use crate::common::HANG;

/// Users as a program may keep them.
#[derive(Default)]
struct InMemory(Mutex<Kept>, Condvar);

#[derive(Default)]
struct Kept {
    version: u64,
    users: Vec<User>,
    is_broken: bool,
    /// It takes its time with an answer for as long as this holds.
    is_slow: bool,
    /// How many are waiting for an answer.
    waiting: usize,
}

impl InMemory {
    fn change(&self, change: impl FnOnce(&mut Kept)) {
        let mut kept = self.0.lock().unwrap();
        change(&mut kept);
        kept.version += 1;
    }
}

impl UserDirectory for InMemory {
    fn version(&self) -> u64 {
        self.0.lock().unwrap().version
    }

    fn users(&self) -> sealift::Result<Users> {
        let mut kept = self.0.lock().unwrap();
        kept.waiting += 1;
        self.1.notify_all();
        kept = self.1.wait_while(kept, |kept| kept.is_slow).unwrap();
        kept.waiting -= 1;
        if kept.is_broken {
            return Err(Error::new(Kind::Io, "the database is away"));
        }
        Users::new(kept.users.iter().cloned())?.with_anonymous("public")
    }
}

fn user(name: &str, password: &str) -> User {
    let hash = hash_password(&password.into()).unwrap();
    User::new(name, Grants::new(name)).unwrap().with_password(&hash).unwrap()
}

struct Running {
    directory: Arc<InMemory>,
    port: u16,
    pin: Pin,
    handle: Handle,
    serving: JoinHandle<sealift::Result<()>>,
    _place: tempfile::TempDir,
}

impl Running {
    fn start() -> Running {
        let place = tempfile::tempdir().unwrap();
        let directory = Arc::new(InMemory::default());
        directory.change(|kept| kept.users.push(user("alice", "a secret")));
        let server = Server::builder(Identity::generate(&["localhost".to_owned()]).unwrap())
            .users(directory.clone())
            .folder(place.path().join("data"))
            .listen("127.0.0.1:0".parse().unwrap())
            .bind()
            .unwrap();
        let (port, pin, handle) = (server.addresses()[0].port(), server.pin(), server.handle());
        Running { directory, port, pin, handle, serving: spawn(server.serve()), _place: place }
    }

    async fn login(&self, name: &str, password: &str) -> sealift::Result<Client> {
        let options = ConnectOptions::new(Verification::Pins(vec![self.pin]));
        let mut client = Client::connect(&Endpoint::new("127.0.0.1", self.port), options).await?;
        client.login(name, password.into()).await.map(|_| client)
    }

    async fn refused(&self, name: &str, password: &str) -> (Kind, String) {
        let error = self.login(name, password).await.map(drop).unwrap_err();
        (error.kind(), error.text().to_owned())
    }

    async fn stop(self) {
        self.handle.stop();
        self.serving.await.unwrap();
    }
}

#[test]
fn users_of_a_directory_log_in_and_who_is_not_in_it_is_refused_in_the_same_words() {
    block_on(async {
        let server = Running::start();
        let mut alice = server.login("alice", "a secret").await.unwrap();
        alice.put("boat", b"a boat").await.unwrap();
        assert!(server.login("anonymous", "").await.unwrap().list("", true).await.unwrap().entries.is_empty());
        let wrong = server.refused("alice", "another secret").await;
        assert_eq!(wrong.0, Kind::LoginFailed);
        assert_eq!(server.refused("nobody", "a secret").await, wrong);
        server.stop().await;
    });
}

#[test]
fn what_changes_in_a_directory_counts_at_once_and_ends_the_sessions_of_who_is_gone() {
    block_on(async {
        let server = Running::start();
        let mut alice = server.login("alice", "a secret").await.unwrap();
        server.directory.change(|kept| kept.users.push(user("bob", "b secret")));
        let mut bob = server.login("bob", "b secret").await.unwrap();
        assert_eq!(alice.stat("none").await.unwrap_err().kind(), Kind::NotFound, "nothing of hers has changed");

        server.directory.change(|kept| kept.users.retain(|user| user.name() != "bob"));
        // His next command is refused, or his connection has ended.
        let ended = timeout(HANG, async {
            loop {
                match bob.stat("none").await {
                    Err(error) if error.kind() == Kind::NotFound => sleep(Duration::from_millis(20)).await,
                    other => break other.map(drop).unwrap_err().kind(),
                }
            }
        });
        assert_eq!(ended.await.unwrap(), Kind::Revoked);
        assert_eq!(server.refused("bob", "b secret").await.0, Kind::LoginFailed);

        server.directory.change(|kept| kept.users = vec![user("alice", "a new secret")]);
        assert_eq!(server.refused("alice", "a secret").await.0, Kind::LoginFailed);
        server.login("alice", "a new secret").await.unwrap();
        server.stop().await;
    });
}

#[test]
fn while_a_directory_gives_nothing_those_who_were_there_stay_in_force() {
    block_on(async {
        let server = Running::start();
        server.directory.change(|kept| {
            kept.users = vec![user("carol", "c secret")];
            kept.is_broken = true;
        });
        let mut alice = server.login("alice", "a secret").await.unwrap();
        assert_eq!(server.refused("carol", "c secret").await.0, Kind::LoginFailed);
        // It is asked again by itself.
        server.directory.0.lock().unwrap().is_broken = false;
        let came = timeout(HANG, async {
            while server.login("carol", "c secret").await.is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        });
        came.await.unwrap();
        assert_eq!(alice.stat("none").await.unwrap_err().kind(), Kind::Revoked);
        server.stop().await;
    });
}

#[test]
fn while_a_directory_takes_its_time_sessions_and_logins_go_on_with_those_in_force_and_it_is_asked_once() {
    block_on(async {
        let server = Running::start();
        let mut alice = server.login("alice", "a secret").await.unwrap();
        server.directory.change(|kept| {
            kept.users = vec![user("carol", "c secret")];
            kept.is_slow = true;
        });
        // The server sees by itself that there are others.
        let directory = server.directory.clone();
        let asked =
            spawn_blocking(move || drop(directory.1.wait_while(directory.0.lock().unwrap(), |kept| kept.waiting == 0)));
        timeout(HANG, asked).await.unwrap();

        let went_on = timeout(HANG, async {
            for text in [b"one", b"two"] {
                alice.put("boat", text).await.unwrap();
                assert_eq!(server.login("alice", "a secret").await.unwrap().stat("boat").await.unwrap().size, 3);
                assert_eq!(server.refused("carol", "c secret").await.0, Kind::LoginFailed);
            }
        });
        went_on.await.expect("everybody waits for the directory");
        assert_eq!(server.directory.0.lock().unwrap().waiting, 1);

        server.directory.0.lock().unwrap().is_slow = false;
        server.directory.1.notify_all();
        let came = timeout(HANG, async {
            while server.login("carol", "c secret").await.is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        });
        came.await.unwrap();
        assert_eq!(alice.stat("none").await.unwrap_err().kind(), Kind::Revoked);
        server.stop().await;
    });
}

#[test]
fn a_user_that_no_server_could_have_is_refused_and_no_error_repeats_a_password() {
    let kind = |made: sealift::Result<User>| made.map(drop).unwrap_err().kind();
    for name in ["", "a/b", "anonymous", "FTP", "a\nb"] {
        assert_eq!(kind(User::new(name, Grants::new("home"))), Kind::BadConfig, "{name:?}");
    }
    for home in ["", "/etc", "a/../b", ".sealift"] {
        assert_eq!(kind(User::new("alice", Grants::new(home))), Kind::BadConfig, "{home:?}");
    }
    let alice = || User::new("alice", Grants::new("alice")).unwrap();
    let error = alice().with_password("hunter2").unwrap_err();
    assert!(error.kind() == Kind::BadConfig && !error.to_string().contains("hunter2"), "{error}");
    assert_eq!(kind(alice().with_id("")), Kind::BadConfig);
    assert_eq!(Users::new([alice(), alice()]).map(drop).unwrap_err().kind(), Kind::BadConfig);
    assert_eq!(Users::new([alice()]).unwrap().with_anonymous("..").map(drop).unwrap_err().kind(), Kind::BadConfig);
}

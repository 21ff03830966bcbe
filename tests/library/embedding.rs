//! A server inside of another program: put together step by step, and what it tells.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use async_std::task::{block_on, spawn};
use sealift::Kind;
use sealift::client::{Client, ConnectOptions, Endpoint, Verification};
use sealift::server::{Operation, Server, What};
use sealift::testing::TestServer;
use sealift::tls::Identity;

#[test]
fn a_program_is_told_of_sessions_and_operations() {
    block_on(async {
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let server = TestServer::start_with(&["alice"], |builder| {
            builder.on_event(move |event| {
                let user = event.user.unwrap_or("-");
                let line = match &event.what {
                    What::Began { with, .. } => format!("{user} began with {}", with.word()),
                    What::Operation(Operation { name, path, to, outcome, bytes, .. }) => {
                        let path = path.map(ToString::to_string).unwrap_or_default();
                        let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
                        format!("{user} {name} {path}{to} {:?} {bytes}", outcome.map(|came| came.word))
                    }
                    What::Ended { bytes, .. } => format!("{user} ended {bytes}"),
                    What::Started => "started".to_owned(),
                    What::Stopped => "stopped".to_owned(),
                    _ => return,
                };
                listener.lock().unwrap().push(line);
            })
        });
        let server = server.await.unwrap();
        let mut client = server.client("alice").await.unwrap();
        client.put("boat", b"a boat").await.unwrap();
        client.rename("boat", "ship", false).await.unwrap();
        assert_eq!(client.stat("missing").await.unwrap_err().kind(), Kind::NotFound);
        client.logout().await.unwrap();
        server.stop().await.unwrap();
        let told = told.lock().unwrap();
        assert_eq!(told[..2], ["started", "alice began with password"]);
        assert!(told.contains(&"alice UPLOAD boat Ok(\"created\") 6".to_owned()), "{told:?}");
        assert!(told.contains(&"alice RENAME boat to ship Ok(\"created\") 0".to_owned()), "{told:?}");
        assert!(told.contains(&"alice STAT missing Err(NotFound) 0".to_owned()), "{told:?}");
        assert_eq!(told[told.len() - 2..], ["alice ended 6", "stopped"]);
    });
}

#[test]
fn a_server_takes_a_socket_that_listens_already_and_says_what_it_lacks() {
    block_on(async {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("users.toml"), "[anonymous]\nenabled = true\n").unwrap();
        let identity = || Identity::generate(&["localhost".to_owned()]).unwrap();
        let lacking = Server::builder(identity()).folder(place.path().join("data")).bind();
        assert_eq!(lacking.err().unwrap().kind(), Kind::Usage);
        let lacking = Server::builder(identity()).users(place.path().join("users.toml")).bind();
        assert_eq!(lacking.err().unwrap().kind(), Kind::Usage);

        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server = Server::builder(identity())
            .users(place.path().join("users.toml"))
            .folder(place.path().join("data"))
            .listener(socket)
            .bind()
            .unwrap();
        assert_eq!(server.addresses(), [address]);
        let (pin, handle) = (server.pin(), server.handle());
        let serving = spawn(server.serve());
        let options = ConnectOptions::new(Verification::Pins(vec![pin]));
        let mut client = Client::connect(&Endpoint::new("127.0.0.1", address.port()), options).await.unwrap();
        client.login("anonymous", "".into()).await.unwrap();
        assert!(client.list("", true).await.unwrap().entries.is_empty());
        handle.stop();
        serving.await.unwrap();
    });
}

#[test]
fn a_server_proves_that_it_can_serve_only_while_it_does() {
    block_on(async {
        let server = TestServer::start(&[]).await.unwrap();
        let handle = server.handle().clone();
        handle.prove_life().await.unwrap();
        server.stop().await.unwrap();
        assert_eq!(handle.prove_life().await.unwrap_err().kind(), Kind::Internal);
    });
}

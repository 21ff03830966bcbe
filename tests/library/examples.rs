//! The examples do what they say, each as a program of its own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_std::task::block_on;
use futures::AsyncReadExt as _;
use sealift::Kind;
use sealift::client::{Client, ConnectOptions, Endpoint, Silent, Upload, Verification};
use sealift::files::{Condition, IntoPath as _};
use sealift::testing::{PASSWORD, TestServer};

/// An example of this build, made by `cargo test` with the tests.
fn example(name: &str) -> Command {
    let tests = std::env::current_exe().unwrap();
    let built: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    let mut command = Command::new(&built);
    command.env("SEALIFT_PASSWORD", PASSWORD);
    assert!(
        built.exists(),
        "`cargo test` makes {} too; with `--test library` alone, `cargo build --examples` does",
        built.display()
    );
    command
}

fn output(command: &mut Command) -> String {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn a_file_is_sent_listed_and_fetched() {
    let server = block_on(TestServer::start(&["alice"])).unwrap();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("boat.txt"), b"a boat").unwrap();
    let args = [server.endpoint().to_string(), server.pin().to_string(), "alice".to_owned()];
    let said = output(example("send_and_fetch").args(args).arg(place.path().join("boat.txt")));
    assert!(said.starts_with("boat.txt: 6 bytes, BLAKE3 "), "{said}");
    assert!(said.ends_with("         6 boat.txt\n6 bytes came back\n"), "{said}");
    assert_eq!(fs::read(server.home("alice").join("boat.txt")).unwrap(), b"a boat");
}

#[test]
fn a_pool_works_from_tokio() {
    let server = block_on(TestServer::start(&["alice"])).unwrap();
    let args = [server.endpoint().to_string(), server.pin().to_string(), "alice".to_owned()];
    assert_eq!(output(example("tokio_pool").args(args)), "21 files\n");
    assert_eq!(fs::read(server.home("alice").join("copy")).unwrap(), b"from task 7");
}

/// Runs a server that is an example, does this with it as alice, and has it end as it is told to.
fn with_server(program: &mut Command, work: impl AsyncFnOnce(&mut Client)) {
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let (address, pin) = said.trim().split_once(' ').unwrap();
    let (host, port) = address.rsplit_once(':').unwrap();
    block_on(async {
        let options = ConnectOptions::new(Verification::Pins(vec![pin.parse().unwrap()]));
        let endpoint = Endpoint::new(host, port.parse().unwrap());
        let mut client = Client::connect(&endpoint, options).await.unwrap();
        client.login("alice", PASSWORD.into()).await.unwrap();
        work(&mut client).await;
    });
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
}

#[test]
fn a_server_runs_inside_of_another_program() {
    let place = tempfile::tempdir().unwrap();
    with_server(example("embedded_server").arg(place.path()), async |client| {
        client.put("x", b"y").await.unwrap();
    });
    assert_eq!(fs::read(place.path().join("data/alice/x")).unwrap(), b"y");
}

#[test]
fn files_are_kept_wherever_a_program_likes() {
    with_server(&mut example("own_storage"), async |client| {
        let bytes = crate::common::bytes(5_000_000);
        client.put("large", bytes.clone()).await.unwrap();
        client.put("small", b"one").await.unwrap();
        client.put("small", b"two").await.unwrap();
        let mut back = Vec::new();
        client.get("large").await.unwrap().read_to_end(&mut back).await.unwrap();
        assert!(back == bytes);
        assert_eq!(client.rename("small", "large", false).await.unwrap_err().kind(), Kind::Exists);
        client.rename("small", "tiny", false).await.unwrap();
        let mut upload = Upload::bytes(b"x", "tiny".into_path().unwrap());
        upload.condition = Condition::Absent;
        let sent = client.upload(vec![upload], Arc::new(Silent)).await.unwrap();
        assert_eq!(sent.into_result().unwrap_err().kind(), Kind::Exists);
        // What it has not, it says.
        assert_eq!(client.make_dir("folder", false).await.unwrap_err().kind(), Kind::Denied);
        assert_eq!(client.put("folder/file", b"x").await.unwrap_err().kind(), Kind::Denied);
        client.remove("large", false).await.unwrap();
        assert_eq!(client.stat("large").await.unwrap_err().kind(), Kind::NotFound);
        let names: Vec<_> = client.list("", true).await.unwrap().entries.into_iter().map(|entry| entry.path).collect();
        assert_eq!(names, [b"tiny"]);
    });
}

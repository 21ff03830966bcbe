//! One file at a time through the library: bytes, readers and local files in; a reader or a local file out; listings as a stream.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use async_std::channel::{Receiver, bounded};
use async_std::task::{block_on, spawn};
use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncReadExt as _, Cursor};
use futures::stream::{StreamExt as _, TryStreamExt as _};
use sealift::client::Client;
use sealift::files::Hash;
use sealift::{Error, Kind};

use super::client_hostile::{Liar, READY, say};
use crate::common::eventually;
use crate::common::running::{Running, bytes, p};
use crate::common::trees::many_names;

/// Gives what the channel gives, and fails when it closes with an error in it.
struct Slow(Receiver<Result<Vec<u8>, ErrorKind>>);

impl AsyncRead for Slow {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<std::io::Result<usize>> {
        use futures::stream::Stream as _;
        Pin::new(&mut self.0).poll_next(cx).map(|next| match next {
            None => Ok(0),
            Some(Ok(bytes)) => {
                space[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Some(Err(kind)) => Err(kind.into()),
        })
    }
}

async fn whole(client: &mut Client, path: &str) -> Vec<u8> {
    let mut all = Vec::new();
    client.get(path).await.unwrap().read_to_end(&mut all).await.unwrap();
    all
}

#[test]
fn bytes_go_in_and_come_out_by_paths_that_are_text() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        client.make_dir("a", false).await.unwrap();
        for size in [0, 1, 4096, 64 * 1024, 192 * 1024 + 1, 3_000_001] {
            let sent = bytes(size);
            let done = client.put("a/b.bin", sent.clone()).await.unwrap();
            assert_eq!((done.size, done.hash), (size as u64, Hash::of(&sent)));
            assert!(fs::read(server.home("alice").join("a/b.bin")).unwrap() == sent, "{size}");
            let mut reader = client.get("a/b.bin").await.unwrap();
            assert_eq!((reader.size(), reader.path()), (size as u64, &p("a/b.bin")));
            assert_eq!(reader.done(), None);
            let mut back = Vec::new();
            reader.read_to_end(&mut back).await.unwrap();
            assert!(back == sent, "{size}");
            assert_eq!(reader.done().unwrap().hash, Hash::of(&sent));
        }
        let mut part = Vec::new();
        client.get_range("a/b.bin", 1_000_000, 77).await.unwrap().read_to_end(&mut part).await.unwrap();
        assert_eq!(part, &bytes(3_000_001)[1_000_000..1_000_077]);
        assert_eq!(client.stat("a/b.bin").await.unwrap().size, 3_000_001);
        client.put("a/text", "text that lives for ever").await.unwrap();
        assert_eq!(whole(&mut client, "a/text").await, b"text that lives for ever");
        client.logout().await.unwrap();
    });
}

#[test]
fn one_file_that_fails_is_an_error_and_the_connection_goes_on() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        assert_eq!(client.put("no/folder", b"x").await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(client.put("../x", b"x").await.unwrap_err().kind(), Kind::BadPath);
        assert_eq!(client.get("nothing").await.unwrap_err().kind(), Kind::NotFound);
        client.make_dir("folder", false).await.unwrap();
        assert_eq!(client.get("folder").await.unwrap_err().kind(), Kind::IsDirectory);
        assert_eq!(client.list_stream("nothing", true).await.unwrap_err().kind(), Kind::NotFound);
        let missing = local.path().join("missing");
        assert_eq!(client.put_file(&missing, "x").await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(client.get_file("nothing", local.path().join("x")).await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(client.get_file("nothing", "/").await.unwrap_err().kind(), Kind::IsDirectory);
        let left = client.list("", true).await.unwrap().entries;
        assert_eq!(left.iter().map(|entry| entry.path.as_slice()).collect::<Vec<_>>(), [b"folder"]);
        assert_eq!(fs::read_dir(local.path()).unwrap().count(), 0);
        client.ping().await.unwrap();
    });
}

#[test]
fn local_files_are_put_and_fetched_whole() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        fs::write(local.path().join("from"), bytes(300_000)).unwrap();
        let put = client.put_file(local.path().join("from"), "there").await.unwrap();
        let got = client.get_file("there", local.path().join("to")).await.unwrap();
        assert_eq!((put.size, put.hash), (got.size, got.hash));
        assert!(fs::read(local.path().join("to")).unwrap() == bytes(300_000));
        let time = |name: &str| fs::metadata(local.path().join(name)).unwrap().modified().unwrap();
        assert_eq!(time("from"), time("to"));
    });
}

#[test]
fn a_reader_is_sent_to_its_end_however_long_it_pauses() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        client.put_from("known", Cursor::new(bytes(700_000)), 700_000).await.unwrap();
        assert!(whole(&mut client, "known").await == bytes(700_000));

        let (give, given) = bounded(1);
        let giving = spawn(async move {
            for part in bytes(9_000).chunks(3_000) {
                give.send(Ok(part.to_vec())).await.unwrap();
                // Longer than what the client waits for before it tells the server of a pause.
                async_std::task::sleep(Duration::from_millis(700)).await;
            }
        });
        let done = client.put_from("unknown", Slow(given), None).await.unwrap();
        giving.await;
        assert_eq!((done.size, done.hash), (9_000, Hash::of(&bytes(9_000))));
        assert!(whole(&mut client, "unknown").await == bytes(9_000));
    });
}

#[test]
fn a_reader_that_fails_or_is_not_as_long_as_it_said_stores_nothing() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        client.put("there", b"as before").await.unwrap();
        for size in [8_999, 9_001, 0] {
            client.put_from("there", Cursor::new(bytes(9_000)), size).await.unwrap_err();
        }
        let (give, given) = bounded(2);
        give.send(Ok(bytes(1000))).await.unwrap();
        give.send(Err(ErrorKind::BrokenPipe)).await.unwrap();
        let error = client.put_from("there", Slow(given), None).await.unwrap_err();
        assert!(error.text().contains("reading what is to be sent"), "{error}");
        assert_eq!(whole(&mut client, "there").await, b"as before");
        assert_eq!(client.list("", true).await.unwrap().entries.len(), 1);
    });
}

#[test]
fn an_upload_whose_future_is_dropped_stores_nothing_of_a_reader() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let (give, given) = bounded(1);
        {
            // The second part has room when the first one was taken.
            let giving = pin!(async {
                give.send(Ok(bytes(5_000))).await.unwrap();
                give.send(Ok(bytes(5_000))).await.unwrap();
            });
            let put = pin!(client.put_from("half", Slow(given), None));
            assert!(matches!(select(put, giving).await, Either::Right(_)), "it has ended");
        }
        assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Aborted);
        let mut other = server.client("alice").await;
        eventually("the upload is given up", || server.handle.connections() == 1);
        assert!(other.list("", true).await.unwrap().entries.is_empty());
    });
}

#[test]
fn a_refused_reader_is_not_waited_for() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        // Never ends, and never gives more.
        let (give, given) = bounded(1);
        give.send(Ok(bytes(10))).await.unwrap();
        let error = client.put_from("no/folder", Slow(given), None).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        client.ping().await.unwrap();
        drop(give);
    });
}

#[test]
fn the_last_read_fails_if_the_bytes_are_not_those_of_the_hash() {
    block_on(async {
        let data = bytes(300_000);
        let mut answer = format!("150 data size={} mtime=1\r\n", data.len()).into_bytes();
        answer.extend_from_slice(&sealift::proto::frame::header(data.len()));
        answer.extend_from_slice(&data);
        answer.extend_from_slice(&sealift::proto::frame::END);
        answer.extend(
            format!("226 done size={} hash={} pid=1 session=00000000000000ab\r\n", data.len(), Hash::of(b"other"))
                .bytes(),
        );
        let liar = Liar::start(READY, move |_| say(answer.clone())).await;
        let mut client = liar.client().await;
        let mut reader = client.get("x").await.unwrap();
        let mut all = Vec::new();
        let error = reader.read_to_end(&mut all).await.unwrap_err();
        assert!(all == data);
        assert_eq!((error.kind(), reader.done()), (ErrorKind::InvalidData, None));
        assert_eq!(error.get_ref().unwrap().downcast_ref::<Error>().unwrap().kind(), Kind::Integrity);
        // It stays so.
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn no_more_is_fetched_than_is_read() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        // Sparse: takes no room here, and none of it waits anywhere.
        let size = 4u64 << 30;
        fs::File::create(server.home("alice").join("large")).unwrap().set_len(size).unwrap();
        let mut reader = client.get("large").await.unwrap();
        let mut some = vec![1; 1 << 20];
        reader.read_exact(&mut some).await.unwrap();
        assert!(some.iter().all(|byte| *byte == 0));
        let session = server.client("alice").await.who().await.unwrap();
        assert!(session.iter().any(|session| session.doing.contains("large")), "it is still being sent");
        drop(reader);
        assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Aborted);
    });
}

#[test]
fn a_folder_is_listed_as_a_stream() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        many_names(&server.home("alice"), "x", (0..3_000).map(|n| format!("{n:05}")));
        let entries: Vec<_> = client.list_stream("", false).await.unwrap().try_collect().await.unwrap();
        assert_eq!(entries.len(), 3_000);
        // The connection goes on after the end.
        let mut stream = client.list_stream("", true).await.unwrap();
        let mut count = 0;
        while let Some(entry) = stream.next().await {
            entry.unwrap();
            count += 1;
        }
        assert_eq!(count, 3_000);
        drop(stream);
        client.ping().await.unwrap();
    });
}

#[test]
fn a_stream_of_entries_that_is_not_whole_ends_with_an_error() {
    block_on(async {
        let listed = b"type=file size=1 mtime=1 a\r\n";
        let mut answer = b"150 data\r\n".to_vec();
        answer.extend_from_slice(&sealift::proto::frame::header(listed.len()));
        answer.extend_from_slice(listed);
        answer.extend_from_slice(&sealift::proto::frame::END);
        answer.extend_from_slice(b"226 done entries=2 pid=1 session=00000000000000ab\r\n");
        let liar = Liar::start(READY, move |_| say(answer.clone())).await;
        let mut client = liar.client().await;
        let told: Vec<_> = client.list_stream("", false).await.unwrap().collect().await;
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].as_ref().unwrap().path, b"a");
        assert_eq!(told[1].as_ref().unwrap_err().kind(), Kind::Integrity);
    });
}

#[test]
fn a_summary_with_failures_becomes_an_error() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let uploads = |names: &[&str]| names.iter().map(|name| sealift::client::Upload::bytes(b"x", p(name))).collect();
        let silent = || std::sync::Arc::new(sealift::client::Silent);
        let done = client.upload(uploads(&["a", "b"]), silent()).await.unwrap().into_result().unwrap();
        assert_eq!(done.files, 2);
        let one = client.upload(uploads(&["no/a"]), silent()).await.unwrap().into_result().unwrap_err();
        assert_eq!(one.kind(), Kind::NotFound);
        let some = client.upload(uploads(&["a", "no/a", "no/b"]), silent()).await.unwrap().into_result().unwrap_err();
        assert_eq!(some.kind(), Kind::SomeFailed);
        assert!(some.text().starts_with("2 of 3 files failed: no/a: "), "{some}");
    });
}

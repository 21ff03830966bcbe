//! The client library where a server says unasked that it ends the connection.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::sync::Arc;

use async_std::task::block_on;
use sealift::Kind;
use sealift::client::{Silent, Upload};
use sealift::files::Hash;
use sealift::proto::frame;

use super::client_hostile::{Act, Liar, READY, say};
use crate::common::running::p;

const IDS: &str = "pid=1 session=00000000000000ab";

/// A server that stores one file of four bytes and then says this, unasked.
async fn stores_one_and_says(more: &str) -> Liar {
    const DATA: usize = 2 * frame::HEADER + 4 + frame::TRAILER;
    let stored = format!("226 done size=4 hash={} {IDS}\r\n{more}", Hash::of(b"data"));
    let mut answer = Some(stored);
    Liar::start(READY, move |_| match answer.take() {
        Some(answer) => Act::SayAfter(DATA, answer.into_bytes()),
        None => say(""),
    })
    .await
}

#[test]
fn what_was_acknowledged_before_the_server_stopped_is_stored() {
    block_on(async {
        let liar = stores_one_and_says("421 stopping :the server is stopping\r\n").await;
        let mut client = liar.client().await;
        let summary = client.upload(vec![Upload::reader(&b"data"[..], p("f"))], Arc::new(Silent)).await.unwrap();
        assert_eq!((summary.files, summary.failed.len()), (1, 0));
        // Who asks for more is told why there is nothing more.
        assert!(matches!(client.ping().await.unwrap_err().kind(), Kind::Stopping | Kind::Network));
    });
}

#[test]
fn a_file_that_was_not_acknowledged_before_the_server_stopped_is_not_stored_and_may_be_tried_again() {
    block_on(async {
        for (line, expected) in [("421 stopping\r\n", Kind::Stopping), ("421 kicked\r\n", Kind::Kicked)] {
            let liar = stores_one_and_says(line).await;
            let mut client = liar.client().await;
            let jobs = vec![Upload::reader(&b"data"[..], p("f")), Upload::reader(std::io::repeat(b'x'), p("g"))];
            assert_eq!(client.upload(jobs, Arc::new(Silent)).await.unwrap_err().kind(), expected);
        }
    });
}

#[test]
fn what_makes_no_sense_is_still_out_of_order() {
    block_on(async {
        let liar = stores_one_and_says("250 done\r\n").await;
        let jobs = vec![Upload::reader(&b"data"[..], p("f"))];
        let mut client = liar.client().await;
        // It may come a moment after the upload has ended.
        let seen = match client.upload(jobs, Arc::new(Silent)).await {
            Err(error) => error,
            Ok(_) => client.status().await.unwrap_err(),
        };
        assert_eq!(seen.kind(), Kind::Protocol);
    });
}

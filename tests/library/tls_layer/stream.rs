//! What arrives, how a connection ends, and that a stalled one costs nothing.

use super::*;

#[test]
fn a_cut_connection_is_an_error_and_an_ended_one_is_not() {
    block_on(async {
        for cut in [true, false] {
            let (mut client, mut server) = connection().await;
            server.write_all(b"half a fi").await.unwrap();
            server.flush().await.unwrap();
            let ended = async {
                match cut {
                    true => drop(server),
                    false => server.close().await,
                }
            };
            let read = async {
                let mut text = Vec::new();
                let outcome = client.read_to_end(&mut text).await;
                assert_eq!(text, b"half a fi");
                if cut {
                    let err = outcome.unwrap_err();
                    assert_eq!(err.kind(), ErrorKind::UnexpectedEof);
                    // It stays broken, in both directions.
                    assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
                    assert!(client.write(b"x").await.is_err());
                    assert_eq!(stream_error(err).kind(), Kind::Network);
                } else {
                    assert_eq!(outcome.unwrap(), 9);
                    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
                }
                drop(client);
            };
            join!(ended, read);
        }
    });
}

#[test]
fn a_reset_connection_is_never_taken_for_its_end() {
    block_on(async {
        let (mut client, mut server) = connection().await;
        // Dropped with unread bytes in its socket, the server's end resets the connection.
        client.write_all(&[0; 100]).await.unwrap();
        client.flush().await.unwrap();
        let mut byte = [0];
        server.read_exact(&mut byte).await.unwrap();
        client.write_all(&[0; 100]).await.unwrap();
        client.flush().await.unwrap();
        drop(server);
        assert!(client.read(&mut byte).await.is_err());
    });
}

#[test]
fn the_last_reply_reaches_a_client_that_is_still_sending() {
    block_on(async {
        let (client, mut server) = connection().await;
        let (mut reading, mut writing) = client.split();
        let refuse = async {
            let mut buf = [0; 1000];
            server.read_exact(&mut buf).await.unwrap();
            server.write_all(b"552 quota").await.unwrap();
            server.close().await;
        };
        let upload = async {
            for _ in 0..200 {
                if writing.write_all(&[7; 65536]).await.is_err() {
                    break;
                }
            }
            let _the_server_may_be_gone = writing.close().await;
        };
        let reply = async {
            let mut text = Vec::new();
            reading.read_to_end(&mut text).await.unwrap();
            assert_eq!(text, b"552 quota");
        };
        join!(refuse, upload, reply);
    });
}

#[test]
fn nothing_can_be_written_after_the_goodbye_but_the_other_side_still_can() {
    block_on(async {
        let (mut client, mut server) = connection().await;
        AsyncWriteExt::close(&mut client).await.unwrap();
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        server.write_all(b"bye").await.unwrap();
        server.flush().await.unwrap();
        let mut text = [0; 3];
        client.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"bye");
    });
}

#[test]
fn what_is_sent_arrives_whatever_the_pieces() {
    const SIZE: usize = 20_000_000;
    block_on(async {
        let (client, server) = connection().await;
        let echo = spawn(async move {
            let (mut reading, mut writing) = server.split();
            let mut dice = dice(1);
            let mut buf = vec![0; 300_000];
            loop {
                let bound = 1 + dice(buf.len());
                let count = reading.read(&mut buf[..bound]).await.unwrap();
                if count == 0 {
                    break;
                }
                writing.write_all(&buf[..count]).await.unwrap();
                if dice(4) == 0 {
                    writing.flush().await.unwrap();
                }
            }
            writing.close().await.unwrap();
        });
        let mut fill = dice(2);
        let sent: Arc<Vec<u8>> = Arc::new((0..SIZE).map(|_| fill(256) as u8).collect());
        let (mut reading, mut writing) = client.split();
        // Two tasks: neither direction may steal the other's wake-ups.
        let writer = spawn({
            let sent = sent.clone();
            async move {
                let mut dice = dice(3);
                let mut rest = sent.as_slice();
                while !rest.is_empty() {
                    let bound = match dice(3) {
                        0 => 100,
                        1 => 20_000,
                        _ => 600_000,
                    };
                    let (piece, later) = rest.split_at((1 + dice(bound)).min(rest.len()));
                    writing.write_all(piece).await.unwrap();
                    if dice(4) == 0 {
                        writing.flush().await.unwrap();
                    }
                    rest = later;
                }
                writing.close().await.unwrap();
            }
        });
        let mut returned = Vec::new();
        reading.read_to_end(&mut returned).await.unwrap();
        writer.await;
        echo.await;
        assert!(returned == *sent);
    });
}

/// Runs `work`, counting how often it is polled.
async fn counted(polls: Arc<AtomicUsize>, work: impl Future<Output = ()>) {
    let mut work = Box::pin(work);
    std::future::poll_fn(move |cx| {
        polls.fetch_add(1, Ordering::SeqCst);
        work.as_mut().poll(cx)
    })
    .await;
}

#[test]
fn a_stalled_connection_sleeps_in_one_task_or_two() {
    for tasks in [1, 2] {
        let (client, server) = block_on(connection());
        let polls = Arc::new(AtomicUsize::new(0));
        let (mut reading, mut writing) = server.split();
        let write = async move { while writing.write_all(&[0; 65536]).await.is_ok() {} };
        let read = async move { while reading.read(&mut [0; 16]).await.is_ok_and(|count| count > 0) {} };
        let stalled = match tasks {
            1 => vec![spawn(counted(polls.clone(), async {
                join!(read, write);
            }))],
            _ => vec![spawn(counted(polls.clone(), read)), spawn(counted(polls.clone(), write))],
        };
        // The client never reads. Once it has filled what there is to fill, the server stands still; awake, it is polled
        // hundreds of thousands of times a second.
        eventually(&format!("{tasks} tasks sleep"), || {
            let before = polls.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_secs(1));
            polls.load(Ordering::SeqCst) - before < 10
        });
        drop(client);
        block_on(futures::future::join_all(stalled));
    }
}

#[test]
fn the_sending_direction_alone_can_be_closed_below_tls() {
    // A peer that sends its goodbye and closes its direction at once must still get what we say.
    block_on(async {
        let (mut client, mut server) = connection().await;
        AsyncWriteExt::close(&mut client).await.unwrap();
        client.socket().shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        server.write_all(b"221 bye").await.unwrap();
        server.close().await;
        let mut text = Vec::new();
        client.read_to_end(&mut text).await.unwrap();
        assert_eq!(text, b"221 bye");
    });
}

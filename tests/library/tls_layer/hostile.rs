//! What a peer may try during the handshake and after it, and the bounds it meets.

use super::*;

/// A peer that sends `first` and then `then`, again and again until nobody listens or it is dropped.
struct Flood {
    over: Arc<AtomicBool>,
    peer: Option<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(mut socket: StdStream, pace: Duration, first: &'static [u8], then: &'static [u8]) -> Flood {
        let over = Arc::new(AtomicBool::new(false));
        let peer = std::thread::spawn({
            let over = over.clone();
            move || {
                let mut alive = socket.write_all(first).is_ok();
                while alive && !over.load(Ordering::SeqCst) {
                    alive = socket.write_all(then).is_ok();
                    std::thread::sleep(pace);
                }
            }
        });
        Flood { over, peer: Some(peer) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.peer.take().unwrap().join().unwrap();
    }
}

/// A warning, which TLS lets pass before the version is agreed on.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 1, 90];

#[test]
fn alert_flood() {
    // To a server an alert is no ClientHello: the first one ends it.
    let (near, far) = sockets();
    let flood = Flood::start(near, Duration::ZERO, ALERT, ALERT);
    let accepted = block_on(Acceptor::new(&identity()).unwrap().accept(TcpStream::from(far)));
    assert_eq!(accepted.unwrap_err().kind(), Kind::Tls);
    drop(flood);

    // To a client a server may send some, until it has sent too much.
    let (near, far) = sockets();
    let flood = Flood::start(far, Duration::ZERO, ALERT, ALERT);
    let connected = block_on(Connector::new(Trust::Observe).unwrap().connect(TcpStream::from(near), "localhost"));
    let err = connected.unwrap_err();
    assert_eq!(err.kind(), Kind::Tls);
    assert!(err.text().contains("64 KiB"), "{err}");
    drop(flood);
}

#[test]
fn a_deadline_fires_while_the_peer_keeps_sending() {
    let deadline = Duration::from_millis(300);
    let connector = Connector::new(Trust::Observe).unwrap();
    let (near, far) = sockets();
    // In seconds it would have sent too much.
    let flood = Flood::start(far, Duration::from_millis(1), ALERT, ALERT);
    assert!(block_on(timeout(deadline, connector.connect(TcpStream::from(near), "localhost"))).is_err());
    drop(flood);

    // slow_loris: a ClientHello of 16 KiB that comes a byte at a time, and a peer that says nothing at all.
    let acceptor = Acceptor::new(&identity()).unwrap();
    for (first, then) in [(&[22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb][..], &[3][..]), (&[], &[])] {
        let (near, far) = sockets();
        let flood = Flood::start(near, Duration::from_millis(1), first, then);
        assert!(block_on(timeout(deadline, acceptor.accept(TcpStream::from(far)))).is_err());
        drop(flood);
    }
}

#[test]
fn closing_is_bounded_even_if_the_peer_sends_for_ever() {
    block_on(async {
        let (client, server) = connection().await;
        let flood = spawn(async move { while client.socket().write_all(&[0; 65536]).await.is_ok() {} });
        server.close().await;
        flood.await;
    });
}

#[test]
fn an_endless_handshake_is_refused() {
    let err = accept(|mut socket| {
        // A ClientHello that announces 64 KiB, in records of 16 KiB without end.
        let mut record = vec![22, 3, 1, 0x40, 0];
        record.extend([1, 0, 0xff, 0xff]);
        record.resize(5 + 0x4000, 3);
        let mut sent = 0;
        while sent < 1_000_000_000 && socket.write_all(&record).is_ok() {
            sent += record.len();
            record.splice(5..9, [3; 4]);
        }
        assert!(sent < 1_000_000_000);
    })
    .unwrap_err();
    assert_eq!(err.kind(), Kind::Tls, "{err}");
}

#[test]
fn empty_records() {
    let err = read_after(|forger, socket| {
        let flood: Vec<u8> = (0..10_000).flat_map(|_| forger.data(b"")).collect();
        let _refused_before_its_end = socket.write_all(&flood);
    })
    .unwrap_err();
    assert_eq!(err.kind(), ErrorKind::InvalidData);
    assert!(err.to_string().contains("without any content"), "{err}");
    assert_eq!(stream_error(err).kind(), Kind::Tls);
}

#[test]
fn key_update_flood() {
    let err = read_after(|forger, socket| {
        let flood: Vec<u8> = (0..10_000).flat_map(|_| forger.key_update()).collect();
        let _refused_before_its_end = socket.write_all(&flood);
    })
    .unwrap_err();
    assert_eq!(err.kind(), ErrorKind::InvalidData);
    assert!(err.to_string().contains("without any content"), "{err}");
}

#[test]
fn a_few_empty_records_and_key_updates_are_fine() {
    let count = read_after(|forger, socket| {
        for _ in 0..100 {
            socket.write_all(&forger.data(b"")).unwrap();
            socket.write_all(&forger.key_update()).unwrap();
        }
        socket.write_all(&forger.data(b"hello")).unwrap();
    });
    assert_eq!(count.unwrap(), 5);
}

#[test]
fn a_forged_record_is_an_error() {
    let err = read_after(|forger, socket| {
        let mut record = forger.data(b"hello");
        let last = record.len() - 1;
        record[last] ^= 1;
        socket.write_all(&record).unwrap();
    })
    .unwrap_err();
    assert_eq!(stream_error(err).kind(), Kind::Tls);
}

#[test]
fn bytes_after_the_goodbye_neither_hang_nor_count() {
    let err = read_after(|forger, socket| {
        let mut bytes = forger.goodbye();
        bytes.extend([23, 3, 3, 1]);
        socket.write_all(&bytes).unwrap();
    })
    .unwrap_err();
    assert_eq!(err.kind(), ErrorKind::InvalidData);
}

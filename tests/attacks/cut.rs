//! A connection that is cut in the middle of a download, at every place where it can be.

use std::fs;

use crate::common::Daemon;
use crate::common::place::{Place, names};
use crate::proxy::{Cut, How, Proxy};

/// Several records of the largest size.
const SIZE: usize = 100_000;

/// Fetches through a proxy that cuts; says whether the file came whole, which is all that may come.
fn fetch(daemon: &Daemon, cut: Cut, how: How, old: Option<&str>) -> (bool, Vec<usize>) {
    let proxy = Proxy::start(daemon.port(), cut, how);
    let place = Place::new();
    if let Some(old) = old {
        fs::write(place.dest().join("f"), old).unwrap();
    }
    let target = format!("127.0.0.1:{}/f", proxy.port);
    let ran = place.run(&["--pin", daemon.pin(), "get", "--retry", "0", &target, "dest/"]);
    let came = fs::read(place.dest().join("f")).ok();
    let whole = came == Some(content());
    if whole {
        ran.done();
    } else {
        ran.failed(6);
        assert_eq!(came.as_deref(), old.map(str::as_bytes), "{cut:?} {how:?}");
    }
    let expected: &[&str] = if whole || old.is_some() { &["f"] } else { &[] };
    assert_eq!(names(&place.dest()), expected, "{cut:?} {how:?}");
    (whole, proxy.end())
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|i| (i % 251) as u8).collect()
}

#[test]
fn cut_everywhere() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("f"), content()).unwrap();

    let (whole, records) = fetch(&daemon, Cut::Never, How::Fin, Some("old"));
    assert!(whole);
    // The last two records are the answer to LOGOUT and close_notify; the one before them ends with the `226`, and
    // without that no file is whole.
    let needed = records.len() - 2;
    assert!(needed > SIZE / 16384 + 5, "{records:?}");

    for how in [How::Fin, How::Reset] {
        for count in 0..records.len() {
            let old = (count % 2 == 0).then_some("old");
            let (whole, _) = fetch(&daemon, Cut::Records(count), how, old);
            assert!(!whole || count >= needed, "{count} of {needed} records, {how:?}");
        }
        // A signature has two bytes more or less, so the very last bytes are left alone.
        let bytes = records[..needed].iter().sum::<usize>() - 16;
        for _ in 0..12 {
            let cut = Cut::Bytes(usize::try_from(getrandom::u64().unwrap() % bytes as u64).unwrap());
            let (whole, _) = fetch(&daemon, cut, how, Some("old"));
            assert!(!whole, "{cut:?} {how:?}");
        }
    }
}

//! Figures as a program that watches servers gets them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use super::HANG;
use super::web::Got;

/// The socket of the figures in a server's directory, as `--metrics` takes it.
pub const SOCKET: &str = "unix:metrics";

/// A connection to that socket.
pub fn knock(place: &Path) -> UnixStream {
    // A path of a socket may be no longer than a hundred bytes.
    let socket = UnixStream::connect(place.join("metrics")).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket.set_write_timeout(Some(HANG)).unwrap();
    socket
}

/// Asks there for this path by this method.
pub fn ask(place: &Path, method: &str, path: &str) -> Got {
    let mut socket = knock(place);
    write!(socket, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut all = Vec::new();
    socket.read_to_end(&mut all).unwrap();
    Got::parse(&all)
}

/// The one that the system's own packages are for.
const PYTHON: &str = "/usr/bin/python3";

/// Reads the page as Prometheus' own client does and writes each sample as a line: its name with its labels in order, and its value.
const PARSER: &str = "\
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = ','.join(f'{key}={value}' for key, value in sorted(sample.labels.items()))
        print(f'{sample.name}{{{labels}}}', repr(float(sample.value)))
";

/// The samples of a page, read by Prometheus' own strict parser of OpenMetrics.
pub fn samples(page: &str) -> BTreeMap<String, f64> {
    let mut python = Command::new(PYTHON);
    let mut python = python
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 of the system");
    python.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python3-prometheus-client cannot read the page:\n{page}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.lines().map(sample).collect()
}

/// Those of the server in this directory now.
pub fn figures(place: &Path) -> BTreeMap<String, f64> {
    let got = ask(place, "GET", "/metrics");
    assert_eq!(got.status, 200);
    assert!(got.header("content-type").starts_with("application/openmetrics-text"), "{got:?}");
    samples(&got.text())
}

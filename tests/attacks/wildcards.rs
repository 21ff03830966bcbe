//! Servers that answer a pattern with names that were not asked for.

use std::fs;

use crate::common::liar::{IDS, Liar};
use crate::common::program::World;

/// `wildcard_names` (CVE-2019-6111): a server that lists names outside of the folder, hidden ones, ones that do not match,
/// ones with control characters or one name twice makes a pattern write nothing that was not meant.
#[test]
fn wildcard_names() {
    let world = World::new();
    let fetch = |names: &[&str]| {
        let all: String = names.iter().map(|name| format!("type=file size=5 mtime=0 {name}\n")).collect();
        let count = names.len();
        let liar = Liar::start(move |line| match line.split(' ').next().unwrap() {
            "LIST" => {
                let mut answer = b"150 data\r\n".to_vec();
                answer.extend((all.len() as u32).to_be_bytes());
                answer.extend(all.bytes());
                answer.extend([0; 4]);
                answer.extend(format!("226 done entries={count} {IDS}\r\n").bytes());
                answer
            }
            "DOWNLOAD" => {
                let hash = blake3::hash(b"hello");
                format!("150 data size=5 mtime=0\r\n\0\0\0\u{5}hello\0\0\0\0226 done size=5 hash={hash} {IDS}\r\n")
                    .into()
            }
            _ => format!("550 not-found {IDS}\r\n").into_bytes(),
        });
        let into = tempfile::tempdir_in(world.work.path()).unwrap();
        let target = format!("{}/in/*", liar.address);
        let folder = into.path().join("in");
        fs::create_dir(&folder).unwrap();
        let done = world.run(["--pin", &liar.pin, "get", &target, folder.to_str().unwrap()]);
        let here: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 1, "{names:?}: {}", done.stderr);
        let asked = String::from_utf8_lossy(&liar.received()).into_owned();
        (done, here, asked)
    };
    for evil in ["../x", "/etc/x", "a/../../x", "..", "a/b", ".sealift", "a%00b"] {
        let (done, here, asked) = fetch(&["good", evil]);
        done.code(8);
        assert!(here.is_empty() && !asked.contains("DOWNLOAD"), "{evil}: {asked}");
    }
    let (done, here, asked) = fetch(&["good", ".bashrc", "good", "x%0Ay"]);
    done.code(10).said("control character");
    assert_eq!(here, ["good"]);
    assert_eq!(asked.matches("DOWNLOAD").count(), 1, "{asked}");
}

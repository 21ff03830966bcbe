//! What holds for every source file of the project.

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines that a file has: past that it is split by idea.
const LINES_MAX: usize = 500;

/// Every source file below these folders, with its path from the project's folder.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "these are not the project's folders");
    found
}

/// The lines with one of these words, outside of tests and of these files.
fn lines_with(words: &[&str], except: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]) {
        if except.iter().any(|file| name.starts_with(file)) || name.ends_with("tests.rs") {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let has = |line: &str| !line.trim_start().starts_with("//") && words.iter().any(|word| line.contains(word));
        found.extend(text.lines().filter(|line| has(line)).map(|line| format!("{name}: {}", line.trim())));
    }
    found
}

#[test]
fn no_file_is_longer_than_one_can_read_at_once() {
    let all = sources(&["src", "tests", "benches", "examples", "fuzz"]);
    let long: Vec<_> = all.iter().filter(|(_, text)| text.lines().count() > LINES_MAX).map(|(name, _)| name).collect();
    assert!(long.is_empty(), "longer than {LINES_MAX} lines, to be split by idea: {long:?}");
}

#[test]
fn every_time_that_bounds_something_stands_in_limits() {
    let found = lines_with(&[": Duration = Duration::from_"], &["src/limits"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn locks_are_those_that_a_panic_does_not_close_and_random_bytes_come_from_one_place() {
    let found = lines_with(&["PoisonError", "use std::sync::Mutex", "use std::sync::RwLock"], &["src/sync.rs"]);
    assert!(found.is_empty(), "{found:#?}");
    let found = lines_with(&["getrandom::fill", "no random numbers:"], &["src/random.rs"]);
    assert!(found.is_empty(), "{found:#?}");
}

/// Layers below do not name those above, as ARCHITECTURE.md draws them.
#[test]
fn dependencies_point_downwards() {
    let lower: [(&str, &[&str]); 10] = [
        ("src/files", &["crate::proto", "crate::store", "crate::auth", "crate::server", "crate::client", "crate::tls"]),
        ("src/store", &["crate::proto", "crate::auth", "crate::server", "crate::client", "crate::tls"]),
        ("src/auth", &["crate::proto", "crate::store", "crate::server", "crate::client"]),
        ("src/proto", &["crate::store", "crate::auth", "crate::server", "crate::client", "crate::tls"]),
        ("src/server/desk", &["crate::proto", "server::line", "server::http", "crate::client"]),
        ("src/client", &["crate::server", "crate::auth", "crate::machine"]),
        // One kind of storage is nobody's to name who may have another.
        ("src/client", &["store::local::"]),
        ("src/server", &["store::local::"]),
        ("src/store/s3", &["store::local::"]),
        ("src/store/memory", &["store::local::"]),
    ];
    let mut upwards = Vec::new();
    for (layer, above) in lower {
        for (name, text) in sources(&[layer]) {
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//") && !name.ends_with("tests.rs"));
            let names = |line: &str| above.iter().any(|layer| line.contains(layer));
            upwards.extend(code.filter(|line| names(line)).map(|line| format!("{name}: {}", line.trim())));
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
}

//! Everything that a fuzzer has found worth keeping, through the functions that the fuzz targets call, and a short run of
//! random bytes besides: `fuzz/` itself needs cargo-fuzz, this does not. A long run is asked for by the number of
//! random inputs: `SEALIFT_FUZZ_CASES=1000000 cargo test --test library fuzz_corpus::path`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

/// Runs a target over its corpus, and over its files with random changes.
fn replay(name: &str, target: fn(&[u8]), cases: u32) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for (file, seed) in files.iter().zip(&seeds) {
        // A finding names its file by the output before it.
        println!("{}", file.display());
        target(seed);
    }
    // Text often, or what must be UTF-8 would hardly ever get past that.
    let added = prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "[ -~\\n]{0,40}".prop_map(String::into_bytes)];
    // One past the last seed is none at all.
    let seeds_and_none = seeds.len() + 1;
    let change = (0..seeds_and_none, any::<prop::sample::Index>(), 0usize..8, added);
    let cases = std::env::var("SEALIFT_FUZZ_CASES").map_or(cases, |cases| cases.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((seed, at, removed, added) in change)| {
        let mut bytes = seeds.get(seed).cloned().unwrap_or_default();
        let at = at.index(bytes.len() + 1);
        let end = (at + removed).min(bytes.len());
        bytes.splice(at..end, added);
        target(&bytes);
    });
}

#[test]
fn command_line() {
    replay("command_line", targets::command_line, 2000);
}

#[test]
fn reply_line() {
    replay("reply_line", targets::reply_line, 2000);
}

#[test]
fn frame_stream() {
    replay("frame_stream", targets::frame_stream, 2000);
}

#[test]
fn listing() {
    replay("listing", targets::listing, 2000);
}

#[test]
fn path() {
    replay("path", targets::path, 2000);
}

#[test]
fn users_toml() {
    replay("users_toml", targets::users_toml, 500);
}

#[test]
fn known_servers() {
    replay("known_servers", targets::known_servers, 2000);
}

#[test]
fn target_syntax() {
    replay("target_syntax", targets::target_syntax, 2000);
}

#[test]
fn session() {
    replay("session", targets::session, 200);
}

#[test]
fn web_request() {
    replay("web_request", targets::web_request, 2000);
}

#[test]
fn web_xml() {
    replay("web_xml", targets::web_xml, 2000);
}

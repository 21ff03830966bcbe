//! Uploads that are cut off go on where the home has a quota, and what is kept of them counts in it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::gate::{Gate, Held};
use crate::common::program::{PASSWORD, World, finish, signal};
use crate::common::{bytes, eventually};

const BLOCK: u64 = 16 << 20;

/// Carol has a quota, into which the file fits once.
fn world() -> (World, Vec<u8>) {
    let world = World::trusting();
    world.server.add_user_with("carol", PASSWORD, &["--quota", "100MiB"]);
    let bytes = bytes(90 << 20);
    fs::write(world.local("large"), &bytes).unwrap();
    (world, bytes)
}

fn put(world: &World, options: &[&str], to: impl std::fmt::Display) -> Command {
    let target = format!("carol@{to}/");
    let mut command = world.command([&["put", "-v"], options, &["large", &target]].concat());
    command.env("SEALIFT_PASSWORD", PASSWORD).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What counts in carol's quota, as `df` tells it.
fn used(world: &World) -> u64 {
    let target = format!("carol@{}", world.server.address());
    let mut df = world.command(["--json", "df", &target]);
    df.env("SEALIFT_PASSWORD", PASSWORD);
    let done = finish(df, b"").code(0);
    let told: Value = serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap();
    told["size"].as_u64().unwrap()
}

fn said(child: Child, code: i32) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn arrived(at: &Path, bytes: &[u8]) {
    assert!(fs::read(at).unwrap() == bytes);
}

/// Over a line that breaks every forty megabytes a file of ninety arrives.
#[test]
fn a_line_that_is_cut_again_and_again_brings_a_file_into_a_home_with_a_quota() {
    const LEG: u64 = 40_000_000;
    let (world, bytes) = world();
    let gate = Gate::start(&world, Held::ToServer, 0);
    let child = put(&world, &[], gate.address).spawn().unwrap();
    for leg in 1..=2 {
        gate.allow(LEG);
        eventually("it has come as far as it may", || gate.passed() == leg * LEG);
        gate.cut();
    }
    gate.open();
    let said = said(child, 0);
    assert!(said.matches("large: goes on after ").count() >= 2, "{said}");
    arrived(&world.remote("carol", "large"), &bytes);
    assert_eq!(used(&world), bytes.len() as u64);
}

#[test]
fn what_was_interrupted_under_a_quota_counts_and_goes_on_with_the_command_that_is_named() {
    let (world, bytes) = world();
    let gate = Gate::start(&world, Held::ToServer, 60_000_000);
    let child = put(&world, &[], gate.address).spawn().unwrap();
    eventually("it has come as far as it may", || gate.passed() == 60_000_000);
    signal(&child, Signal::INT);
    let text = said(child, 130);
    assert!(text.contains("are kept") && text.contains(" put -c"), "{text}");
    gate.cut();
    eventually("it is kept and counts", || used(&world) == 3 * BLOCK);
    gate.open();
    let text = said(put(&world, &["-c"], world.server.address()).spawn().unwrap(), 0);
    assert!(text.contains("large: goes on after "), "{text}");
    arrived(&world.remote("carol", "large"), &bytes);
    assert_eq!(used(&world), bytes.len() as u64);
}

/// The whole of the quota is for what is put there, whatever is kept of what was not.
#[test]
fn what_is_kept_gives_way_to_another_file() {
    let (world, bytes) = world();
    let gate = Gate::start(&world, Held::ToServer, 60_000_000);
    let child = put(&world, &[], gate.address).spawn().unwrap();
    eventually("it has come as far as it may", || gate.passed() == 60_000_000);
    signal(&child, Signal::INT);
    said(child, 130);
    gate.cut();
    eventually("it is kept and counts", || used(&world) == 3 * BLOCK);
    fs::rename(world.local("large"), world.local("another")).unwrap();
    let target = format!("carol@{}/", world.server.address());
    let mut other = world.command(["put", "another", &target]);
    other.env("SEALIFT_PASSWORD", PASSWORD);
    finish(other, b"").code(0);
    arrived(&world.remote("carol", "another"), &bytes);
    assert_eq!(used(&world), bytes.len() as u64);
}

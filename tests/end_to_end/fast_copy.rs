//! Where glibc's way of copying is slow, the programs run with another one, and nothing else about them differs.
#![cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;

use crate::common::Daemon;

/// The setting by which glibc copies without `rep movsb`.
const SETTING: &str = "glibc.cpu.x86_rep_movsb_threshold=";

fn is_slow_here() -> bool {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
    processors.contains("AuthenticAMD") && processors.split_whitespace().any(|flag| flag == "fsrm")
}

/// The setting by which glibc makes few heaps. glibc itself writes into the environment and parts its settings there.
const FEW_HEAPS: &str = "glibc.malloc.arena_max=2";

/// Starts a server where no setting of glibc is made yet.
const WITHOUT: [&str; 3] = ["env", "-u", "GLIBC_TUNABLES"];

fn environment_of(daemon: &Daemon) -> String {
    String::from_utf8(fs::read(format!("/proc/{}/environ", daemon.pid())).unwrap()).unwrap()
}

/// glibc's settings in the environment a running server has.
fn settings_of(daemon: &Daemon) -> Vec<String> {
    let environment = environment_of(daemon);
    let value = environment.split('\0').find_map(|variable| variable.strip_prefix("GLIBC_TUNABLES="));
    value.map_or_else(Vec::new, |value| value.split(':').map(str::to_owned).collect())
}

#[test]
fn a_server_runs_with_fast_copies_where_the_processor_needs_it_and_only_there() {
    let daemon = Daemon::builder().through(WITHOUT).start();
    assert_eq!(settings_of(&daemon).iter().any(|one| one.starts_with(SETTING)), is_slow_here());
}

#[test]
fn a_setting_that_somebody_made_is_left_alone() {
    let made = format!("{SETTING}4096");
    let daemon = Daemon::builder().env("GLIBC_TUNABLES", made.clone()).start();
    assert_eq!(settings_of(&daemon), [made]);
}

#[test]
fn a_program_without_its_setting_does_not_start_itself_for_ever() {
    // As glibc does to programs with capabilities: it takes the setting away.
    let daemon = Daemon::builder().through(WITHOUT).env("SEALIFT_FAST_COPY", "1").start();
    assert!(settings_of(&daemon).is_empty());
}

#[test]
fn a_server_whose_address_space_is_limited_makes_few_heaps_and_has_room_for_connections() {
    let daemon = Daemon::builder()
        .through(["sh", "-c", "unset GLIBC_TUNABLES && ulimit -v 1572864 && exec \"$0\" \"$@\""])
        .start();
    assert!(environment_of(&daemon).contains(FEW_HEAPS));
    assert!(!daemon.log().contains("too little memory"), "{}", daemon.log());
    assert!(!environment_of(&Daemon::builder().through(WITHOUT).start()).contains(FEW_HEAPS));
}

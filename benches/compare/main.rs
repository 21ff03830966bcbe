//! Sealift against scp, rsync, tar over ssh and nginx with curl, on the same data in the same run.
//!
//! `cargo bench --bench compare -- --help` tells the options, docs/BENCHMARKS.md what is measured and how.

mod column;
mod data;
mod delay;
#[path = "../shared/loopback.rs"]
mod loopback;
mod memory;
mod options;
mod peers;
mod process;
mod procfs;
mod proxy;
mod raw;
mod report;
mod steps;
mod table;
mod throughput;
mod trouble;
mod web;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use options::Options;
use report::Report;
use trouble::{Outcome, Trouble};

fn main() -> ExitCode {
    sealift::fast_copy::ensure();
    let options = Options::parse();
    let result = measure(&options);
    match result {
        Ok(report) => {
            let text = if options.json { report.json().to_string() } else { report.render() };
            let printed = writeln!(std::io::stdout(), "{text}");
            if report.failed.is_empty() && printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(trouble) => {
            eprintln!("compare: {trouble}");
            ExitCode::from(if matches!(trouble, Trouble::Interrupted) { 130 } else { 1 })
        }
    }
}

/// Runs the mode asked for. When it returns, all processes it started have ended and all files are gone.
fn measure(options: &Options) -> Outcome<Report> {
    let _household = process::Household::start()?;
    match options.rtt {
        _ if options.memory => memory::run(options),
        _ if options.web => web::run(options),
        Some(ms) => delay::run(options, Duration::from_millis(ms)),
        None => throughput::run(options),
    }
}

//! How many bytes a second one connection carries, memory to memory over loopback, both ends in this process: the
//! ceiling of every transfer. Prints the median of five runs for plain TCP and for the `tls` layer.
//!
//! `cargo bench --bench pump`, or with the number of GiB for each run: `cargo bench --bench pump -- 8`.

#[path = "shared/loopback.rs"]
mod loopback;

use loopback::{PIECE, Tls};
use sealift::Result;

const RUNS: usize = 5;

fn main() -> Result<()> {
    sealift::fast_copy::ensure();
    // Cargo passes `--bench`.
    let gib: usize = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(4);
    let pieces = gib * 1024 * 1024 * 1024 / PIECE;
    println!("{gib} GiB in writes of {} KiB, median of {RUNS} runs", PIECE / 1024);
    report("plain TCP", pieces, || loopback::plain(pieces))?;
    let tls = Tls::new()?;
    report("tls", pieces, || tls.pump(pieces))
}

fn report(what: &str, pieces: usize, mut run: impl FnMut() -> Result<f64>) -> Result<()> {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        rates.push((pieces * PIECE) as f64 / run()? / 1e9);
    }
    rates.sort_by(f64::total_cmp);
    if let (Some(median), Some(least), Some(most)) = (rates.get(RUNS / 2), rates.first(), rates.last()) {
        println!("{what:>10}: {median:.2} GB/s ({least:.2} to {most:.2})");
    }
    Ok(())
}

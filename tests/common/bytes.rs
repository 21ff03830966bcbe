//! Files' contents, of which tests want hundreds of megabytes. They are built with what is compiled without optimisation, so what
//! looks at each byte by itself would take a second for thirty of them.

use std::sync::OnceLock;

/// After so many bytes they begin anew: a product of two primes, and so no power of two and no multiple of one.
const PERIOD: usize = 251 * 241;

/// So many bytes that do not repeat with any power of two.
pub fn bytes(len: usize) -> Vec<u8> {
    static ONCE: OnceLock<Vec<u8>> = OnceLock::new();
    let once = ONCE.get_or_init(|| (0..PERIOD).map(|at| (at % 251) as u8 ^ (at / 251 % 241) as u8).collect());
    let mut all = Vec::with_capacity(len);
    while all.len() < len {
        all.extend_from_slice(&once[..once.len().min(len - all.len())]);
    }
    all
}

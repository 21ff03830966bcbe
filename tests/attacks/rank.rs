//! A rank test: whether two lots of times come from the same source, whatever its distribution.

use std::time::Duration;

/// The Mann-Whitney U test, two-sided, with the normal approximation: false only if the two lots would differ as much
/// by chance less than once in about 16,000 times (4 standard deviations).
pub fn sum_is_unremarkable(a: &[Duration], b: &[Duration]) -> bool {
    let (n, m) = (a.len() as f64, b.len() as f64);
    let u: f64 = a
        .iter()
        .flat_map(|x| b.iter().map(move |y| x.cmp(y)))
        .map(|order| match order {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    ((u - n * m / 2.0) / deviation).abs() < 4.0
}

//! Figures for programs that watch servers: counted by atomics wherever something happens, told as OpenMetrics to whoever asks on an
//! address of their own, which nobody but this machine can reach.

pub mod counters;
mod endpoint;
mod text;
mod whereabouts;

pub(super) use self::endpoint::serve;
pub(super) use self::text::Figures;
pub use self::whereabouts::MetricsAt;
pub(super) use self::whereabouts::OpenMetrics;

//! Placeholder, replaced on merge.
mod pin;
pub use pin::Pin;

//! What is done with files, whatever protocol asks for it: the gate, who does what, and uploads in parts.

pub mod gate;
pub mod log_shares;
pub mod registry;
pub mod staged;
pub mod standing;
pub mod state;
pub mod sweep;

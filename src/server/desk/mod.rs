//! What is done with files, whatever protocol asks for it: the gate, the homes, who does what, and uploads in parts.

pub mod gate;
pub mod homes;
pub mod log_shares;
pub mod occupancy;
pub mod registry;
pub mod staged;
pub mod state;
pub mod sweep;

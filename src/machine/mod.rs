//! Bytes between asynchronous tasks and blocking work: a lane for a session's bytes, turns on a bounded set of threads, and
//! work done in the background. Knows no protocol.

pub mod background;
pub mod count;
pub mod drive;
pub mod fair_queue;
pub mod lane;
pub mod source;
pub mod throttle;
pub mod turns;

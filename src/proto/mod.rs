//! The protocol, pure: bytes to values and back. No sockets, no files, no clocks.
//!
#![doc = include_str!("PROTOCOL.md")]

mod arguments;
pub mod command;
pub mod escape;
pub mod features;
pub mod frame;
pub mod line;
pub mod listing;
mod mode;
pub mod path;
pub mod reply;
pub mod staged;
pub mod verb;

pub use command::{BadLine, Command, Condition, HashOf, Resume, StageArgs, UploadArgs};
pub use features::{Feature, Features};
pub use frame::{FrameDecoder, Piece};
pub use line::LineDecoder;
pub use listing::{Entry, EntryKind};
pub use mode::{FileMode, SourceMode};
pub use path::RelPath;
pub use reply::{Reply, ReplyWriter};
pub use staged::StagedId;
pub use verb::Verb;

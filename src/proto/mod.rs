//! The protocol, pure: bytes to values and back. No sockets, no files, no clocks.
//!
#![doc = include_str!("PROTOCOL.md")]

mod arguments;
pub mod command;
pub mod features;
pub mod frame;
pub mod line;
pub mod listing;
pub mod percent;
pub mod reply;

pub use crate::files::Resume;
pub use command::{BadLine, Command, HashOf, InboxArgs, LinkArgs, LinkEnd, StageArgs, UploadArgs, Verb};
pub use features::{Feature, Features};
pub use frame::{FrameDecoder, Piece};
pub use line::LineDecoder;
pub use reply::{Reply, ReplyWriter, server_of};

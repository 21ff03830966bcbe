//! The kinds of storage, and what is done with any of them: reading a range that stood still, and scrubbing. Blocking code:
//! no async, no sockets, no users. [`LocalStore`] keeps files in a directory; another kind fits the same
//! [`Store`](crate::files::Store).

pub mod local;
mod reading;
mod scrub;

pub use local::{Capabilities, FileSystems, LocalOptions, LocalStore, Place, Root, Staging, Swept, Tree, Trial};
pub use reading::{Checked, Digest, Reading};
pub use scrub::{Doubt, Pace, Scrubbed, scrub};

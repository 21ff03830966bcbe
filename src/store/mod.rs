//! The kinds of storage, and what is done with any of them: reading a range that stood still, and scrubbing. Blocking code:
//! no async, no sockets, no users. [`LocalStore`] keeps files in a directory and `LocalVault` homes in one; another kind fits the
//! same [`Store`](crate::files::Store) and [`Vault`](crate::files::Vault).

mod bounds;
#[cfg(feature = "server")]
mod covered;
mod file_system;
#[cfg(feature = "server")]
mod inbox;
mod joined;
pub mod local;
#[cfg(feature = "server")]
mod local_vault;
#[cfg(feature = "testing")]
pub mod memory;
#[cfg(feature = "server")]
mod occupancy;
#[cfg(feature = "server")]
mod one_file;
mod ranges;
mod reading;
#[cfg(feature = "server")]
mod restricted;
#[cfg(feature = "s3")]
pub mod s3;
mod scrub;

#[cfg(feature = "server")]
pub use covered::Covered;
#[cfg(feature = "server")]
pub use inbox::Inbox;
pub use joined::{JoinedStore, Lease, Mount, Unusable, WeakLease};
#[cfg(test)]
pub(crate) use local::hold_unattended;
pub use local::{
    Capabilities, Elsewhere, FileSystems, LeftToNext, Limits, LocalOptions, LocalStore, PlaceInTree, Root, Share,
    Staging, Tree, TreeLock, Trial,
};
#[cfg(feature = "server")]
pub use local_vault::{LocalVault, look_at_home, look_at_neighbours, open_home, refuse_meeting};
#[cfg(feature = "server")]
pub use occupancy::{
    Holder, LOCK as LOCK_FILE, NodeName, Occupancy, SharedFolder, holder_of, note_of, process_numbering, try_mount,
};
#[cfg(feature = "server")]
pub use one_file::OneFile;
pub use reading::{Checked, Digest, Reading};
pub use scrub::{Doubt, Pace, Scrubbed, scrub};

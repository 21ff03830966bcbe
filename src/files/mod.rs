//! What a file is: its path, entry, mode, time and hash, and the traits of the storage that keeps it. Knows no wire, no
//! users, and no particular storage.

pub(crate) mod aside;
mod condition;
mod entry;
mod file_identity;
pub mod hash;
mod health;
mod location;
mod mode;
pub mod mtime;
mod numbered;
pub mod path;
mod prepared;
mod promises;
mod removal;
mod reserved;
mod resume;
mod seen;
#[cfg(feature = "serde")]
pub(crate) mod serde_forms;
mod source;
mod staged;
mod staged_id;
pub mod stamp;
mod store;
mod symlink;
mod terms;
mod trash;
mod upload;
mod vault;

pub use condition::Condition;
pub use entry::{Entry, EntryKind, Mark};
pub use file_identity::FileIdentity;
pub use hash::{Hash, Hasher};
pub use health::{StorageHealth, StorageRequests};
pub use location::Location;
pub use mode::{FileMode, SourceMode, Umask};
pub use mtime::Mtime;
pub use numbered::{numbered, numbered_name};
pub use path::{IntoPath, RelPath};
pub use prepared::{Done, NewMode, Prepared, PreparedSet};
pub(crate) use prepared::{one_each, untold};
pub use promises::{Decided, Promises};
pub use removal::{Keep, Removal, Removed, Removing};
pub(crate) use reserved::folded;
pub use reserved::is_reserved_name;
pub use resume::Resume;
pub use seen::{Seen, SeenAt};
pub use source::{Finding, Record, Rot, Source};
pub use staged::{Part, Staged};
pub use staged_id::StagedId;
pub use stamp::Change;
pub use store::{
    Durability, KeptUsage, Listing, Looked, Meta, Partial, Properties, StandInNote, Store, Unread, Usage, UsageNow,
};
pub use symlink::symlink_target;
pub use terms::HomeTerms;
pub use trash::{TrashId, TrashList, Trashed};
pub use upload::{Committed, Compared, Interrupted, Overwrite, Stored, Upload, UploadSpec};
pub use vault::{NodePlace, Owner, Swept, Vault};

//! What every [`Store`] must do, whatever it is: checks for storage of one's own.
//!
//! ```
//! use sealift::store::memory::MemoryVault;
//! use sealift::testing::conformance::{self, Home};
//!
//! // For each check a new home, which is opened as often as there are sessions in it.
//! conformance::all(&|| Home::in_vault(MemoryVault::new(), "alice")).unwrap();
//! ```
//! Each check is a function of its own too, so that a test can be one check.

mod files;
mod model;
mod names;
mod quotas;
mod races;
mod resuming;

use std::fmt;
use std::sync::Arc;

pub use self::files::*;
pub use self::model::{
    Op, When, a_random_course_is_that_of_a_model, does_what_the_model_does, random_courses_are_those_of_a_model,
};
pub use self::names::*;
pub use self::quotas::*;
pub use self::races::*;
pub use self::resuming::*;
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, Condition, HomeTerms, RelPath, Store, Upload, UploadSpec, Vault};

type Open = dyn Fn(Option<u64>) -> Result<Arc<dyn Store>> + Send + Sync;
type OpenFor = dyn Fn(&str) -> Result<Arc<dyn Store>> + Send + Sync;

/// A home that can be opened more than once, as by several sessions.
#[derive(Clone)]
pub struct Home {
    open: Arc<Open>,
    /// None: it has one user.
    open_for: Option<Arc<OpenFor>>,
}

impl Home {
    /// A home that this opens, each time over the same files; with a quota if one is given.
    pub fn new(open: impl Fn(Option<u64>) -> Result<Arc<dyn Store>> + Send + Sync + 'static) -> Self {
        Home { open: Arc::new(open), open_for: None }
    }

    /// This home, which several users have: for each of them it is opened by this.
    #[must_use]
    pub fn of_users(self, open_for: impl Fn(&str) -> Result<Arc<dyn Store>> + Send + Sync + 'static) -> Self {
        Home { open_for: Some(Arc::new(open_for)), ..self }
    }

    /// This home of a vault.
    pub fn in_vault(vault: impl Vault + 'static, name: &str) -> Self {
        let (vault, name) = (Arc::new(vault), name.to_owned());
        let (same_vault, same_name) = (vault.clone(), name.clone());
        let open_for = move |user: &str| same_vault.open_for(&same_name, HomeTerms::none(), user);
        Home::new(move |quota| vault.open(&name, HomeTerms::none().bounded(quota))).of_users(open_for)
    }

    fn open(&self) -> Checked<Arc<dyn Store>> {
        Ok((self.open)(None)?)
    }

    fn bounded(&self, quota: u64) -> Checked<Arc<dyn Store>> {
        Ok((self.open)(Some(quota))?)
    }

    /// For this one of its users, if it has several.
    fn open_for(&self, user: &str) -> Checked<Option<Arc<dyn Store>>> {
        Ok(self.open_for.as_ref().map(|open_for| open_for(user)).transpose()?)
    }
}

/// What a store does not do as it must.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(format!("should have been done, but: {error} ({})", error.kind().word()))
    }
}

/// What a check comes to.
pub type Checked<T = ()> = std::result::Result<T, Failure>;

/// A check by its name.
pub type Check = (&'static str, fn(&dyn Fn() -> Home) -> Checked);

macro_rules! checks {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

/// All checks.
pub const CHECKS: &[Check] = checks![
    what_is_uploaded_is_read_back,
    a_dropped_upload_leaves_the_old_file,
    a_size_that_was_announced_must_come_exactly,
    conditions_are_decided_at_the_commit,
    who_may_not_replace_can_repeat_the_same_bytes_alone,
    what_is_numbered_takes_a_free_name_whatever_has_its_own,
    a_batch_is_committed_in_order_and_one_failure_is_alone,
    folders_and_files_of_one_commit_are_answered_in_its_order_and_a_foreign_one_is_refused_alone,
    an_open_file_is_the_one_that_was_opened,
    what_replaces_a_file_of_its_size_and_time_is_told_apart,
    a_replaced_file_keeps_its_mode_and_a_new_one_is_no_wider_than_its_source,
    what_is_recorded_of_a_large_file_is_its_hash_until_somebody_reads_another,
    names_change_only_as_asked,
    what_fails_names_its_path_as_a_value,
    what_is_superseded_is_beside_and_whole,
    what_was_seen_is_changed_only_as_long_as_it_is_there,
    what_was_seen_is_replaced_only_as_long_as_it_is_there,
    removing_takes_what_was_named_and_all_in_it,
    a_listing_has_each_entry_once_and_a_folder_before_what_is_in_it,
    no_path_becomes_deeper_than_a_path_can_be,
    an_interrupted_upload_goes_on_where_its_whole_blocks_end,
    less_than_a_block_is_not_kept,
    nothing_stays_of_an_upload_that_nobody_will_go_on_with,
    a_beginning_that_is_not_proven_is_refused_and_stays,
    of_users_who_have_one_home_none_finds_what_is_left_of_another,
    parts_come_in_any_order_and_each_once,
    an_upload_in_parts_is_whole_or_nothing,
    a_quota_is_kept_to_the_byte,
    uploads_side_by_side_are_never_over_a_quota,
    nothing_is_kept_of_interrupted_uploads_where_there_is_a_quota,
    what_is_kept_of_interrupted_uploads_counts_in_a_quota_and_gives_way,
    interrupted_uploads_side_by_side_are_never_over_a_quota,
    of_many_conditional_writers_one_wins,
    a_reader_never_sees_half_of_a_replaced_file,
    two_never_go_on_with_the_same_partial,
    what_one_session_moves_the_others_find_there_at_once,
    a_random_course_is_that_of_a_model,
];

/// Runs all checks.
///
/// # Errors
/// The first that fails, by its name.
pub fn all(fresh: &dyn Fn() -> Home) -> Checked {
    CHECKS.iter().try_for_each(|(name, check)| check(fresh).map_err(|Failure(why)| Failure(format!("{name}: {why}"))))
}

/// Fails with these words unless it is true.
fn ensure(holds: bool, what: impl fmt::Display) -> Checked {
    if holds { Ok(()) } else { Err(Failure(what.to_string())) }
}

/// Fails unless both are the same.
fn same<T: PartialEq + fmt::Debug>(found: T, expected: T, what: impl fmt::Display) -> Checked {
    if found == expected { Ok(()) } else { Err(Failure(format!("{what}: {found:?} where {expected:?} is right"))) }
}

/// Fails unless it failed in this way.
fn refused<T>(result: Result<T>, kind: Kind, what: impl fmt::Display) -> Checked {
    same(result.map(drop).map_err(|error| error.kind()), Err(kind), what)
}

fn p(path: &str) -> Checked<RelPath> {
    Ok(RelPath::parse(path.as_bytes())?)
}

/// An upload with these bytes in it.
fn begun(store: &dyn Store, path: &str, spec: UploadSpec, bytes: &[u8]) -> Checked<Box<dyn Upload>> {
    let mut upload = store.begin(&p(path)?, spec)?;
    for chunk in bytes.chunks(crate::limits::CHUNK) {
        upload.append(chunk)?;
    }
    Ok(upload)
}

fn put(store: &dyn Store, path: &str, bytes: &[u8]) -> Checked<Committed> {
    Ok(put_if(store, path, bytes, Condition::Any)??)
}

/// What the store itself says is the inner one.
fn put_if(store: &dyn Store, path: &str, bytes: &[u8], condition: Condition) -> Checked<Result<Committed>> {
    let spec = UploadSpec { size: Some(bytes.len() as u64), condition, ..UploadSpec::default() };
    let path = p(path)?;
    Ok(store.begin(&path, spec).and_then(|mut upload| {
        upload.append(bytes)?;
        store.commit_one(upload)
    }))
}

fn read(store: &dyn Store, path: &str) -> Checked<Vec<u8>> {
    let mut source = store.open(&p(path)?)?;
    let mut bytes = vec![0; usize::try_from(source.meta().size).unwrap_or(0) + 1];
    let count = source.read_at(0, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// The paths of a listing, sorted.
fn list(store: &dyn Store, path: &str, recursive: bool) -> Checked<Vec<String>> {
    let mut listing = store.list(&p(path)?, recursive)?;
    let mut paths = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = entry.map_err(|unread| unread.error)?;
        paths.push(String::from_utf8_lossy(&entry.path).into_owned());
    }
    paths.sort();
    Ok(paths)
}

/// Bytes that differ from block to block. They are copied from a few: one by one they would take most of the time of all checks
/// where those are compiled without optimisation.
fn content(len: usize) -> Vec<u8> {
    const SAME: usize = 7;
    let once: Vec<u8> = (0..=u8::MAX).flat_map(|byte| [byte; SAME]).collect();
    let block = usize::try_from(crate::limits::HASH_BLOCK).unwrap_or(usize::MAX);
    let mut all = Vec::with_capacity(len);
    while all.len() < len {
        let number = all.len() / block;
        let from = once.get((all.len() + SAME * number) % once.len()..).unwrap_or_default();
        let left = ((number + 1) * block).min(len) - all.len();
        all.extend_from_slice(from.get(..left).unwrap_or(from));
    }
    all
}

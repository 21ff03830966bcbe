//! Every check of the conformance kit over every store there is.

use std::sync::Arc;

use sealift::Kind;
use sealift::files::{Durability, HomeTerms, Store, Vault};
use sealift::store::memory::MemoryVault;
use sealift::store::{LocalOptions, LocalStore, LocalVault, Staging};
use sealift::testing::conformance::{self, CHECKS, Home};
use tempfile::TempDir;

/// A home in a folder of this machine, which goes with it. Its sessions share what sessions of a server share.
fn in_folder(durability: Durability) -> Home {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let vault = Arc::new(LocalVault::open(&dir.path().join("data"), durability).unwrap());
    let same_vault = vault.clone();
    let home = Home::new(move |quota| {
        let _kept: &TempDir = &dir;
        vault.open("team/alice", HomeTerms::none().bounded(quota))
    });
    home.of_users(move |user| same_vault.open_for("team/alice", HomeTerms::none(), user))
}

/// A folder that files are put into beside their targets, as a client does. Its one user has one store.
fn beside_targets() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let options = LocalOptions::new(Durability::None, Staging::Beside);
    let store: Arc<dyn Store> = Arc::new(LocalStore::open_path(dir.path(), options).unwrap());
    Home::new(move |quota| {
        let _kept = &dir;
        match quota {
            None => Ok(Arc::clone(&store)),
            Some(_) => Err(sealift::Error::new(Kind::BadSequence, "there is no quota on one's own disk")),
        }
    })
}

fn in_memory() -> Home {
    Home::in_vault(MemoryVault::new(), "team/alice")
}

/// A module of tests for a store: these checks, each a test of its own.
macro_rules! checked {
    ($store:ident, $fresh:expr; $($check:ident)*) => {
        mod $store {
            use super::*;

            pub const NAMES: &[&str] = &[$(stringify!($check)),*];

            $(
                #[test]
                fn $check() {
                    conformance::$check(&|| $fresh).unwrap();
                }
            )*
        }
    };
}

/// The same with all checks but those of quotas, and these.
macro_rules! conforms {
    ($store:ident, $fresh:expr; $($more:ident)*) => {
        checked! {
            $store, $fresh;
            what_is_uploaded_is_read_back
            a_dropped_upload_leaves_the_old_file
            a_size_that_was_announced_must_come_exactly
            conditions_are_decided_at_the_commit
            who_may_not_replace_can_repeat_the_same_bytes_alone
            what_is_numbered_takes_a_free_name_whatever_has_its_own
            a_batch_is_committed_in_order_and_one_failure_is_alone
            folders_and_files_of_one_commit_are_answered_in_its_order_and_a_foreign_one_is_refused_alone
            an_open_file_is_the_one_that_was_opened
            what_replaces_a_file_of_its_size_and_time_is_told_apart
            a_replaced_file_keeps_its_mode_and_a_new_one_is_no_wider_than_its_source
            what_is_recorded_of_a_large_file_is_its_hash_until_somebody_reads_another
            names_change_only_as_asked
            what_fails_names_its_path_as_a_value
            what_is_superseded_is_beside_and_whole
            what_was_seen_is_changed_only_as_long_as_it_is_there
            what_was_seen_is_replaced_only_as_long_as_it_is_there
            removing_takes_what_was_named_and_all_in_it
            a_listing_has_each_entry_once_and_a_folder_before_what_is_in_it
            no_path_becomes_deeper_than_a_path_can_be
            an_interrupted_upload_goes_on_where_its_whole_blocks_end
            less_than_a_block_is_not_kept
            nothing_stays_of_an_upload_that_nobody_will_go_on_with
            a_beginning_that_is_not_proven_is_refused_and_stays
            of_users_who_have_one_home_none_finds_what_is_left_of_another
            parts_come_in_any_order_and_each_once
            an_upload_in_parts_is_whole_or_nothing
            of_many_conditional_writers_one_wins
            a_reader_never_sees_half_of_a_replaced_file
            two_never_go_on_with_the_same_partial
            what_one_session_moves_the_others_find_there_at_once
            a_random_course_is_that_of_a_model
            $($more)*
        }
    };
}

/// The same with all checks.
macro_rules! conforms_with_quotas {
    ($store:ident, $fresh:expr) => {
        conforms! {
            $store, $fresh;
            a_quota_is_kept_to_the_byte
            uploads_side_by_side_are_never_over_a_quota
            nothing_is_kept_of_interrupted_uploads_where_there_is_a_quota
            what_is_kept_of_interrupted_uploads_counts_in_a_quota_and_gives_way
            interrupted_uploads_side_by_side_are_never_over_a_quota
        }
    };
}

conforms_with_quotas!(memory, in_memory());
conforms_with_quotas!(folder, in_folder(Durability::None));
conforms!(beside, beside_targets(););

#[test]
fn a_synced_folder_conforms() {
    conformance::all(&|| in_folder(Durability::Full)).unwrap();
}

#[test]
fn no_check_is_forgotten() {
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    let all = sorted(CHECKS.iter().map(|(name, _)| *name).collect());
    assert_eq!(sorted(memory::NAMES.to_vec()), all);
    assert_eq!(sorted(folder::NAMES.to_vec()), all);
    let without_quota: Vec<&str> = all.into_iter().filter(|name| !name.contains("quota")).collect();
    assert_eq!(sorted(beside::NAMES.to_vec()), without_quota);
}

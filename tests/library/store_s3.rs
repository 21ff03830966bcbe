//! The checks of the conformance kit over a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealift::files::{HomeTerms, Vault};
use sealift::store::s3::{Keys, S3Options, S3Vault};
use sealift::testing::conformance::{self, CHECKS, Home};

use crate::common::moto::{BUCKET, Moto};

/// A vault over a place in the bucket that nobody else has.
fn vault(moto: &Moto) -> (S3Vault, Arc<tempfile::TempDir>) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let bucket = format!("s3://{BUCKET}/v{}", NEXT.fetch_add(1, Ordering::Relaxed)).parse().unwrap();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let keys = Keys::new("key", "secret", None);
    let mut options = S3Options::new(bucket, moto.endpoint.parse().unwrap(), keys, dir.path().join("spool"));
    // It does not heed `If-Match` of a Complete.
    options.alone = true;
    let vault = S3Vault::new(options).unwrap();
    let heeds = vault.probe().unwrap();
    assert!(heeds.put_absent && heeds.put_match && heeds.complete_absent && heeds.delete_match, "{heeds:?}");
    (vault, dir)
}

fn home(moto: &Moto) -> Home {
    let (vault, dir) = vault(moto);
    let vault = Arc::new(vault);
    let same_vault = vault.clone();
    let home = Home::new(move |quota| {
        let _kept = &dir;
        vault.open("team/alice", HomeTerms::none().bounded(quota))
    });
    home.of_users(move |user| same_vault.open_for("team/alice", HomeTerms::none(), user))
}

macro_rules! checked {
    ($($check:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($check)),*];

        $(
            #[test]
            fn $check() {
                let Some(moto) = Moto::shared() else { return };
                conformance::$check(&|| home(moto)).unwrap();
            }
        )*
    };
}

checked! {
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
    a_quota_is_kept_to_the_byte
    uploads_side_by_side_are_never_over_a_quota
    nothing_is_kept_of_interrupted_uploads_where_there_is_a_quota
    what_is_kept_of_interrupted_uploads_counts_in_a_quota_and_gives_way
    interrupted_uploads_side_by_side_are_never_over_a_quota
    of_many_conditional_writers_one_wins
    a_reader_never_sees_half_of_a_replaced_file
    two_never_go_on_with_the_same_partial
    what_one_session_moves_the_others_find_there_at_once
}

/// Fewer courses than elsewhere: each operation is some requests to a program in Python.
#[test]
fn a_random_course_is_that_of_a_model() {
    let Some(moto) = Moto::shared() else { return };
    conformance::random_courses_are_those_of_a_model(&|| home(moto), 6).unwrap();
}

#[test]
fn no_check_is_forgotten() {
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    let is_for_itself = |name: &str| name == "a_random_course_is_that_of_a_model";
    let all = CHECKS.iter().map(|(name, _)| *name).filter(|name| !is_for_itself(name)).collect();
    assert_eq!(sorted(NAMES.to_vec()), sorted(all));
}

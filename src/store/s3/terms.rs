//! What of the terms of a home or shared folder is not kept in a bucket.

use crate::files::{HomeTerms, Location};

/// What of these a storage that speaks S3 does not keep, each as the rest of a sentence about the home or folder. One that has some
/// of it does not open.
pub fn unkept(folder: &Location, terms: &HomeTerms) -> Vec<String> {
    let trash = terms.trash.map(|_| "has a trash, which an S3 storage does not keep".to_owned());
    let mut found: Vec<String> = trash.into_iter().collect();
    if let Location::Elsewhere(path) = folder {
        found.push(format!("is at {}, and with --store all are in the bucket", path.display()));
    }
    found
}

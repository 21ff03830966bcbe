//! `docs/SECURITY-TESTS.md` names every attack test there is, and every attack named there has its test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that attack tests are in: all below `tests/attacks`.
fn sources(attacks: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![attacks.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The names of the functions marked `#[test]`, other attributes in between allowed.
fn test_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line == "#[test]" {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            if marked {
                names.push(rest.split('(').next().unwrap().to_owned());
            }
            marked = false;
        }
    }
    names
}

#[test]
fn the_table_and_the_tests_are_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for path in sources(&root.join("tests/attacks")) {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        for name in test_names(&fs::read_to_string(&path).unwrap()) {
            assert!(tests.insert(format!("{file}::{name}")), "{file}::{name} is there twice");
        }
    }

    let table = fs::read_to_string(root.join("docs/SECURITY-TESTS.md")).unwrap();
    let mut named = BTreeSet::new();
    for row in table.lines().filter(|line| line.contains(".rs::")) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        assert_eq!(cells.len(), 6, "{row}");
        let (attack, test, reference) = (cells[1], cells[3], cells[4]);
        assert!(test.ends_with(&format!("::{attack}")) && !reference.is_empty(), "{row}");
        assert!(named.insert(test.to_owned()), "{test} is named twice");
    }

    let untested: Vec<_> = named.difference(&tests).collect();
    let unnamed: Vec<_> = tests.difference(&named).collect();
    assert!(untested.is_empty(), "in docs/SECURITY-TESTS.md, but no test: {untested:#?}");
    assert!(unnamed.is_empty(), "tests that docs/SECURITY-TESTS.md does not name: {unnamed:#?}");
    assert!(!named.is_empty());
}

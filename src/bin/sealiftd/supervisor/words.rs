//! The command line of a server as that of a look at what it would find.

use std::ffi::OsString;

use clap::CommandFactory as _;

use crate::args::Cli;

/// The words by which `sealiftd check` looks at what a server of these words would find.
pub fn for_checking(words: &[OsString]) -> Option<Vec<OsString>> {
    let is_check = |words: &[OsString]| {
        Cli::command().try_get_matches_from(words).is_ok_and(|matches| matches.subcommand_name() == Some("check"))
    };
    let places = (1..words.len()).filter(|at| words.get(*at).is_some_and(|word| word == "serve"));
    let replaced = places.map(|at| {
        let mut words = words.to_vec();
        if let Some(word) = words.get_mut(at) {
            *word = "check".into();
        }
        words
    });
    let inserted = || {
        let mut words = words.to_vec();
        words.insert(1.min(words.len()), "check".into());
        words
    };
    replaced.into_iter().find(|words| is_check(words)).or_else(|| Some(inserted()).filter(|words| is_check(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_command_line_becomes_that_of_a_check() {
        for (words, expected) in [
            ("sealiftd", Some("sealiftd check")),
            ("sealiftd --listen 127.0.0.1:0 --supervise", Some("sealiftd check --listen 127.0.0.1:0 --supervise")),
            ("sealiftd serve --grace 3s", Some("sealiftd check --grace 3s")),
            ("sealiftd --data serve serve --grace 3s", Some("sealiftd --data serve check --grace 3s")),
            ("sealiftd --data serve --supervise", Some("sealiftd check --data serve --supervise")),
            ("sealiftd --no-such", None),
        ] {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            let expected = expected.map(|words| words.split(' ').map(OsString::from).collect::<Vec<_>>());
            assert_eq!(for_checking(&words), expected, "{words:?}");
        }
    }
}

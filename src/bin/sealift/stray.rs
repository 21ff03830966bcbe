//! Secrets on the command line where they do not belong. Whatever would be said of such a word would repeat it, on a terminal or in
//! the log of a job; so nothing is said of it, and nothing is done.

use std::ffi::OsString;

use sealift::Kind;

use super::failure::Failure;

/// What is wrong with these words, if a private key is among them, or an invitation that is not `join`'s.
pub fn secret(words: &[OsString]) -> Option<Failure> {
    let texts: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    if texts.iter().any(|text| text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----")) {
        let hint = "Give the name of its file, as in `-i ~/.ssh/id_ed25519`. Whoever saw this command line may have read the key.";
        return Some(Failure::new(Kind::Usage, "a private key stands on the command line", hint));
    }
    let is_invitation = |text: &str| text.contains("sealift://") && text.contains('#');
    if texts.iter().any(|text| is_invitation(text)) && !texts.iter().any(|text| text == "join") {
        let hint = "Invitations are used by `sealift join`; in a URL of a file `#` is written %23.";
        return Some(Failure::new(Kind::Usage, "that is an invitation, and no target", hint));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_stray_secret_does_not_repeat_it() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----";
        let link = "sealift://alice@h:1/#canary.canary.canary";
        for typed in [
            &["sealift", "ls", key][..],
            &["sealift", "-i", key, "ls", "h"],
            &["sealift", link],
            &["sealift", "ls", link],
        ] {
            let failure = secret(&words(typed)).unwrap();
            assert!(!format!("{failure:?}").contains("canary"), "{typed:?}");
        }
        for typed in
            [&["sealift", "join", link][..], &["sealift", "ls", "sealift://h/a"], &["sealift", "put", "a#b", "h"]]
        {
            assert!(secret(&words(typed)).is_none(), "{typed:?}");
        }
    }
}

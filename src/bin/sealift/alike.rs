//! Of thousands of lines that say the same of as many files a person reads the first few, and how many more there are.

use std::collections::BTreeMap;

use sealift::limits;
use sealift::sync::Mutex;

use super::output::{Output, to_stderr};

/// How many lines said each of these, by what they begin with and what they say of a file.
static SAID: Mutex<BTreeMap<(&'static str, String), u64>> = Mutex::new(BTreeMap::new());

/// Whether enough lines have said this of other files. It counts as said. Programs, and who asks for every step, are told of each.
pub fn is_enough(out: Output, begin: &'static str, text: &str) -> bool {
    if out.is_json() || out.is_verbose() {
        return false;
    }
    let what = of_a_file(text);
    let mut said = SAID.lock();
    let key = (begin, what.to_owned());
    if said.len() >= limits::ALIKE_KINDS && !said.contains_key(&key) {
        return false;
    }
    let count = said.entry(key).or_default();
    *count += 1;
    *count > limits::ALIKE_SHOWN
}

/// What a line says of a file, without the file's name: here, or also on the server.
fn of_a_file(text: &str) -> &str {
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let Some((path, what)) = text.split_once(": ") else { return text };
    match what.split_once(": ") {
        Some((there, what)) if last(there) == last(path) => what,
        _ => what,
    }
}

/// Says how many more there were, and begins anew.
pub fn tell_more() {
    for ((begin, what), count) in std::mem::take(&mut *SAID.lock()) {
        let more = count.saturating_sub(limits::ALIKE_SHOWN);
        if more > 0 {
            to_stderr(&format!("{begin} and {more} more: {what} (-v shows each)"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_file_is_the_same_for_all() {
        for (text, what) in [
            ("a/f1: no space left", "no space left"),
            ("./src/d/f1: m/d/f1: no space left", "no space left"),
            ("f: a folder: has that name", "a folder: has that name"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(of_a_file(text), what);
        }
    }
}

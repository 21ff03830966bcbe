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
    let what = text.split_once(": ").map_or(text, |(_, what)| what);
    let mut said = SAID.lock();
    let key = (begin, what.to_owned());
    if said.len() >= limits::ALIKE_KINDS && !said.contains_key(&key) {
        return false;
    }
    let count = said.entry(key).or_default();
    *count += 1;
    *count > limits::ALIKE_SHOWN
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

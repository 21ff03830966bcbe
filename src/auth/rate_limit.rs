//! `limit_rate` in a users file: `"10 MiB"` for both ways, or `{ down = "10 MiB", up = "2 MiB" }`.

use std::ops::Range;

use toml::de::DeValue;
use toml_edit::{InlineTable, Item, value};

use super::RateLimits;
use super::grants_table::NO_BOUND;
use crate::byte_size::{parse_size, render_size};
use crate::error::Result;
use crate::limits;
use crate::toml_form::Section;

pub(super) const KEY: &str = "limit_rate";

const WANTED: &str = "a size a second, as \"10 MiB\", \"none\", or { down = \"10 MiB\", up = \"2 MiB\" }";

/// What a section says of it, over these.
pub(super) fn read(section: &Section<'_>, before: RateLimits) -> Result<RateLimits> {
    let Some((key, found)) = section.entry(KEY) else { return Ok(before) };
    match found.get_ref() {
        DeValue::String(_) => {
            let both = one_way(section, KEY)?.flatten();
            Ok(RateLimits { down: both, up: both })
        }
        DeValue::Table(_) => {
            let ways = section.place.section(key, found, &format!("{KEY} of {}", section.name))?;
            ways.allow_only(&["down", "up"])?;
            let (down, up) = (one_way(&ways, "down")?, one_way(&ways, "up")?);
            Ok(RateLimits { down: down.unwrap_or(before.down), up: up.unwrap_or(before.up) })
        }
        _ => Err(section.mistyped(KEY, found, WANTED)),
    }
}

fn one_way(section: &Section<'_>, key: &str) -> Result<Option<Option<u64>>> {
    let Some((text, at)) = section.text(key)? else { return Ok(None) };
    let wrong = |at: Range<usize>, why: String| section.place.wrong(at, format!("{key} of {} {why}", section.name));
    parse(text).map(Some).map_err(|why| wrong(at, why))
}

/// A rate as people write it, with `/s` or without; none for `none`.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn parse(text: &str) -> Result<Option<u64>, String> {
    if text == NO_BOUND {
        return Ok(None);
    }
    let rate = parse_size(text.strip_suffix("/s").unwrap_or(text));
    match rate.ok_or_else(|| format!("must be {WANTED}"))? {
        rate if rate < limits::THROTTLE_MIN => {
            Err(format!("must be at least {} a second", render_size(limits::THROTTLE_MIN)))
        }
        rate => Ok(Some(rate)),
    }
}

/// What is written for these, where it is these without that.
pub(super) fn written(limits: RateLimits, defaults: RateLimits) -> Option<Item> {
    let word = |limit: Option<u64>, default: Option<u64>| match limit {
        Some(limit) => Some(render_size(limit)),
        None => default.map(|_| NO_BOUND.to_owned()),
    };
    match (word(limits.down, defaults.down), word(limits.up, defaults.up)) {
        (None, None) => None,
        (Some(down), Some(up)) if down == up => Some(value(down)),
        (down, up) => {
            let mut ways = InlineTable::new();
            down.into_iter().for_each(|down| drop(ways.insert("down", down.into())));
            up.into_iter().for_each(|up| drop(ways.insert("up", up.into())));
            Some(value(ways))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_whatever_the_defaults_say() {
        let some = [None, Some(limits::THROTTLE_MIN), Some(10 << 20)];
        let all: Vec<RateLimits> =
            some.iter().flat_map(|down| some.iter().map(|up| RateLimits { down: *down, up: *up })).collect();
        for defaults in &all {
            for limits in &all {
                let line = written(*limits, *defaults).map_or(String::new(), |item| format!("{KEY} = {item}\n"));
                let table = crate::toml_form::parse(&line, "f").unwrap();
                let section = Section::root(&line, "f", &table);
                let left_away = line.is_empty();
                let found = read(&section, *defaults).unwrap();
                // Where nothing is written, the defaults say nothing either.
                assert_eq!(found, *limits, "{line:?} over {defaults:?}");
                assert!(!left_away || *defaults == RateLimits::default() && *limits == *defaults);
            }
        }
    }
}

//! What an administrator is told who changes the server's key: which links and invitations name a key that goes.

use std::time::SystemTime;

use sealift::auth::{GivenOut, StateFolder};
use sealift::escape::for_people;
use sealift::limits;

use crate::args::Places;

/// A sentence of what was made before then, or nothing if nothing was. What cannot be looked at is said too, without names: the key
/// is changed all the same.
pub fn said(places: &Places, then: SystemTime, what_of_it: &str) -> String {
    let state = places.state();
    if !state.is_dir() {
        return String::new();
    }
    let found = StateFolder::for_administrator(&state, &places.data).and_then(|folder| folder.given_out_before(then));
    match found {
        Ok(found) => sentence(&found, what_of_it),
        Err(error) => format!(
            "Which links and invitations that concerns cannot be told: {}.\n",
            for_people(error.text().as_bytes())
        ),
    }
}

fn sentence(found: &[GivenOut], what_of_it: &str) -> String {
    let links: Vec<String> = found.iter().filter_map(named_link).collect();
    let users: Vec<String> = found.iter().filter_map(invited).collect();
    let parts = [(links, "link"), (users, "invitation")];
    let parts: Vec<String> =
        parts.iter().filter(|(names, _)| !names.is_empty()).map(|(names, what)| counted(names, what)).collect();
    if parts.is_empty() { String::new() } else { format!("{} {what_of_it}\n", parts.join(" and ")) }
}

/// `2 links (alice/a.pdf, bob/b)`, of many the first ones.
fn counted(names: &[String], what: &str) -> String {
    let shown = names.iter().take(limits::GIVEN_OUT_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(limits::GIVEN_OUT_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (count, s) = (names.len(), if names.len() == 1 { "" } else { "s" });
    format!("{count} {what}{s} ({shown}{more})")
}

fn named_link(one: &GivenOut) -> Option<String> {
    match one {
        GivenOut::Link { maker, name } => Some(for_people(format!("{maker}/{name}").as_bytes())),
        _ => None,
    }
}

fn invited(one: &GivenOut) -> Option<String> {
    match one {
        GivenOut::Invitation { user } => Some(for_people(format!("of {user}").as_bytes())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_names_are_shown_than_anybody_reads() {
        assert_eq!(counted(&["a/x".to_owned()], "link"), "1 link (a/x)");
        let many: Vec<String> = (0..limits::GIVEN_OUT_SHOWN + 3).map(|n| format!("a/{n}")).collect();
        let said = counted(&many, "link");
        assert!(said.ends_with(" and 3 more)") && said.starts_with(&format!("{} links (a/0, ", many.len())), "{said}");
        assert_eq!(sentence(&[], "x"), "");
    }
}

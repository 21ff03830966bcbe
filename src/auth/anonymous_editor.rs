//! Changes what a users file says of reading without an account; comments and layout stay.

use toml_edit::{Item, Table, value};

use super::editor::{by_hand, open, sections_of};
use super::grants_table::put;
use super::users::Users;
use super::{RateLimits, names, rate_limit};
use crate::error::{Error, Kind, Result};

/// The section.
const ANONYMOUS: &str = names::ANONYMOUS;

/// What of anonymous reading is to be different. What is none stays as it is.
#[derive(Debug, Clone, Default)]
pub struct AnonymousChange {
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// The folder below the data folder that everybody reads.
    pub home: Option<String>,
    /// How fast the bytes of all who read so together move.
    pub limit_rate: Option<RateLimits>,
}

/// The text with this change.
pub(super) fn change(text: &str, file: &str, change: &AnonymousChange) -> Result<String> {
    let before = Users::parse(text, file)?;
    let mut document = open(text, file)?;
    if !document.contains_key(ANONYMOUS) {
        let mut section = Table::new();
        section.insert("enabled", value(false));
        document.insert(ANONYMOUS, Item::Table(section));
    }
    let section = sections_of(&mut document, file, ANONYMOUS)?;
    if let Some(enabled) = change.enabled {
        put(section, "enabled", value(enabled));
    }
    if let Some(home) = &change.home {
        names::check_home(home).map_err(|why| Error::new(Kind::Usage, format!("the home '{home}' {why}")))?;
        put(section, "home", value(home));
    }
    if let Some(limits) = change.limit_rate {
        match rate_limit::written(limits, RateLimits::default()) {
            Some(item) => put(section, rate_limit::KEY, item),
            None => drop(section.remove(rate_limit::KEY)),
        }
    }
    let text = document.to_string();
    // Such as a folder that anonymous would have where another one is.
    let after = Users::parse(&text, file).map_err(|err| super::folders_editor::without_place(err, file))?;
    let is_wanted = match (&after.anonymous, change.enabled.unwrap_or(before.anonymous.is_some())) {
        (Some(grants), true) => {
            change.home.as_ref().is_none_or(|home| *home == grants.home)
                && change.limit_rate.is_none_or(|limits| limits == grants.limit_rate)
        }
        (found, on) => found.is_none() && !on,
    };
    match is_wanted && before.users == after.users && before.shares.groups == after.shares.groups {
        true => Ok(text),
        false => Err(by_hand(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(enabled: Option<bool>, home: Option<&str>) -> AnonymousChange {
        AnonymousChange { enabled, home: home.map(str::to_owned), limit_rate: None }
    }

    #[test]
    fn anonymous_reading_is_turned_off_and_on_and_led_elsewhere_and_comments_stay() {
        let start = Users::starter();
        let off = change(start, "f", &with(Some(false), None)).unwrap();
        assert_eq!(off, start.replace("enabled = true\n", "enabled = false\n"));
        assert_eq!(change(&off, "f", &with(Some(true), None)).unwrap(), start);
        let led = change(start, "f", &with(None, Some("files/all"))).unwrap();
        assert!(led.contains("home = \"files/all\"        # the folder below"), "{led}");
        let limits = RateLimits { down: Some(1 << 20), up: None };
        let bound = AnonymousChange { limit_rate: Some(limits), ..AnonymousChange::default() };
        let bound = change(start, "f", &bound).unwrap();
        assert_eq!(Users::parse(&bound, "f").unwrap().grants_of("anonymous").unwrap().limit_rate, limits);
        let none = "# Nobody.\n";
        let on = change(none, "f", &with(Some(true), None)).unwrap();
        assert_eq!(Users::parse(&on, "f").unwrap().anonymous_home(), Some("public"));
        assert!(on.contains("# Nobody.\n") && change(none, "f", &with(Some(false), None)).is_ok(), "{on}");
        assert_eq!(change(start, "f", &with(None, Some("/x"))).unwrap_err().kind(), Kind::Usage);
    }
}

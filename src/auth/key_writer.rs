//! Writes the keys of a user into a users file.

use toml_edit::{Array, InlineTable, Value};

use super::{UserKey, render_expiry};

impl UserKey {
    /// As [`super::key_reader`] reads it back: the line alone, or a table with what bounds it.
    fn to_toml(&self) -> Value {
        let comment = if self.name == self.public.fingerprint() { "" } else { &self.name };
        let line = self.public.to_openssh(comment);
        if !self.is_bounded() {
            return line.into();
        }
        let mut table = InlineTable::new();
        table.insert("key", line.into());
        if let Some(access) = self.access {
            table.insert("access", access.names().collect::<Array>().into());
        }
        if !self.from.is_empty() {
            table.insert("from", self.from.iter().map(ToString::to_string).collect::<Array>().into());
        }
        if let Some(end) = self.expires.and_then(|end| render_expiry(end).parse::<toml_edit::Datetime>().ok()) {
            table.insert("expires", end.into());
        }
        table.into()
    }
}

/// Adds keys to a list, which may be empty.
pub(super) fn push(list: &mut Array, keys: &[UserKey]) {
    for key in keys {
        list.push(key.to_toml());
    }
    one_a_line(list);
}

/// Keys are long: each stands in a line of its own. Comments between them stay.
pub(super) fn one_a_line(keys: &mut Array) {
    let is_empty = keys.is_empty();
    for key in keys.iter_mut() {
        let before = key.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
        if !before.contains('\n') {
            key.decor_mut().set_prefix("\n    ");
        }
    }
    keys.set_trailing_comma(!is_empty);
    if !is_empty && !keys.trailing().as_str().unwrap_or_default().contains('\n') {
        keys.set_trailing("\n");
    }
}

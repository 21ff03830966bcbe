//! Changes the text of a `config.toml` and keeps its comments and layout. Pure: text in, text out.

use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{Bookmark, Config, read};
use crate::byte_size::render_size;
use crate::error::{Error, Kind, Result};
use crate::toml_layout;

/// The text with one more server, at its end. `config` is what it says now, but for a server of this name.
pub(super) fn add(text: &str, file: &str, mut config: Config, name: &str, server: &Bookmark) -> Result<String> {
    config.servers.insert(name.to_owned(), server.clone());
    let mut section = section_of(server)?;
    let mut document: DocumentMut = text.parse().map_err(|_| by_hand(file))?;
    let is_first = text.is_empty();
    if !document.contains_key("server") {
        let mut all = Table::new();
        all.set_implicit(true);
        document.insert("server", Item::Table(all));
    }
    toml_layout::place_last(&mut document, &mut section);
    if is_first {
        section.decor_mut().set_prefix("");
    }
    let all = document.get_mut("server").and_then(Item::as_table_like_mut).ok_or_else(|| by_hand(file))?;
    all.insert(name, Item::Table(section));
    checked(&document, file, &config)
}

/// The text without this server. A comment that stands right above its section goes with it.
pub(super) fn remove(text: &str, file: &str, mut config: Config, name: &str) -> Result<String> {
    config.servers.remove(name);
    let mut document: DocumentMut = text.parse().map_err(|_| by_hand(file))?;
    let all = document.get_mut("server").and_then(Item::as_table_like_mut).ok_or_else(|| by_hand(file))?;
    if let Some(Item::Table(section)) = all.remove(name) {
        toml_layout::keep_comments_of(&mut document, &section);
    }
    checked(&document, file, &config)
}

/// The document's text, if reading it gives exactly what is wanted.
fn checked(document: &DocumentMut, file: &str, wanted: &Config) -> Result<String> {
    let text = document.to_string();
    match read::read(&text, Path::new(file)) {
        Ok(now) if now == *wanted => Ok(text),
        _ => Err(by_hand(file)),
    }
}

fn by_hand(file: &str) -> Error {
    Error::new(Kind::BadConfig, format!("{file}: is laid out so that a program cannot change it: change it by hand"))
}

fn section_of(server: &Bookmark) -> Result<Table> {
    let mut section = Table::new();
    section.insert("host", value(&server.host));
    if let Some(port) = server.settings.port {
        section.insert("port", value(i64::from(port)));
    }
    if let Some(user) = &server.user {
        section.insert("user", value(user));
    }
    if !server.path.is_root() {
        section.insert("path", value(text(server.path.as_bytes())?));
    }
    match server.settings.pins.as_slice() {
        [] => {}
        [pin] => drop(section.insert("pin", value(pin.to_string()))),
        pins => drop(section.insert("pin", value(pins.iter().map(ToString::to_string).collect::<Array>()))),
    }
    for (key, path) in [("ca_file", &server.settings.ca_file), ("identity", &server.settings.identity)] {
        if let Some(path) = path {
            section.insert(key, value(text(path.as_os_str().as_encoded_bytes())?));
        }
    }
    if let Some(rate) = server.settings.rate {
        section.insert("rate", value(render_size(rate)));
    }
    if let Some(retry) = server.settings.retry {
        section.insert("retry", value(i64::from(retry)));
    }
    if let Some(timeout) = server.settings.timeout {
        section.insert("timeout", value(humantime::format_duration(timeout).to_string()));
    }
    Ok(section)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(Kind::Usage, "a name that is not UTF-8 cannot be kept in the file"))
}

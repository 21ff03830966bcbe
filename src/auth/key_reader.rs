//! Reads the keys of a user in a users file.

use std::time::{Duration, SystemTime};

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};
use toml::Spanned;
use toml::de::DeValue;
use toml::value::{Datetime, Offset};

use super::{Network, UserKey};
use crate::error::Result;
use crate::keys::PublicKey;
use crate::limits;
use crate::toml_form::Section;

impl Section<'_> {
    /// The keys of a user: a list of lines as in `authorized_keys`, and of tables. None if there is no `keys`.
    pub(super) fn keys(&self) -> Result<Option<Vec<UserKey>>> {
        let Some((_, value)) = self.entry("keys") else { return Ok(None) };
        let DeValue::Array(list) = value.get_ref() else {
            return Err(self.mistyped("keys", value, "a list of keys, as [\"ssh-ed25519 AAAA… alice@laptop\"]"));
        };
        let mut keys = Vec::<UserKey>::new();
        for item in list.iter() {
            let key = match item.get_ref() {
                DeValue::String(line) => self.key_line(line, item)?,
                DeValue::Table(table) => {
                    let name = format!("a key of {}", self.name);
                    Section { place: self.place, name, at: item.span(), table }.key_table()?
                }
                _ => return Err(self.mistyped("keys", item, "a list of texts in quotes and of tables")),
            };
            if let Some(first) = keys.iter().find(|known| known.public == key.public) {
                let what =
                    format!("{} has the key {} twice, as '{}' too", self.name, key.public.fingerprint(), first.name);
                return Err(self.place.wrong(item.span(), what));
            }
            keys.push(key);
        }
        Ok(Some(keys))
    }

    fn key_line(&self, line: &str, at: &Spanned<DeValue<'_>>) -> Result<UserKey> {
        let (public, comment) = PublicKey::from_openssh(line).map_err(|err| {
            let what = format!("the key of {} cannot be used: {}", self.name, err.text());
            self.place.wrong(at.span(), what)
        })?;
        self.check_name(&comment, at)?;
        Ok(UserKey::new(public, &comment))
    }

    fn key_table(&self) -> Result<UserKey> {
        self.allow_only(&["key", "name", "access", "from", "expires"])?;
        let Some((_, line)) = self.entry("key") else {
            return Err(self
                .place
                .wrong(self.at.clone(), format!("{} does not say which: there is no `key`", self.name)));
        };
        let text = line.get_ref().as_str().ok_or_else(|| self.mistyped("key", line, "text in quotes"))?;
        let key = self.key_line(text, line)?;
        let name = match self.entry("name") {
            None => key.name,
            Some((_, value)) => {
                let name = value.get_ref().as_str().ok_or_else(|| self.mistyped("name", value, "text in quotes"))?;
                self.check_name(name, value)?;
                name.to_owned()
            }
        };
        Ok(UserKey { name, access: self.access()?, from: self.networks()?, expires: self.expires()?, ..key })
    }

    /// Names are logged and shown.
    fn check_name(&self, name: &str, at: &Spanned<DeValue<'_>>) -> Result<()> {
        if name.len() <= limits::KEY_NAME_MAX && !name.chars().any(char::is_control) {
            return Ok(());
        }
        let what = format!(
            "the name of a key of {} has more than {} bytes or a control character",
            self.name,
            limits::KEY_NAME_MAX
        );
        Err(self.place.wrong(at.span(), what))
    }

    fn networks(&self) -> Result<Vec<Network>> {
        let Some((_, value)) = self.entry("from") else { return Ok(Vec::new()) };
        let mistyped = || self.mistyped("from", value, "a list of addresses and networks, as [\"192.0.2.0/24\"]");
        let texts: Vec<&str> = match value.get_ref() {
            DeValue::String(one) => vec![one.as_ref()],
            DeValue::Array(list) => {
                let texts: Option<Vec<&str>> = list.iter().map(|item| item.get_ref().as_str()).collect();
                texts.ok_or_else(mistyped)?
            }
            _ => return Err(mistyped()),
        };
        // An empty list would not be what it looks like: a key that logs in from nowhere.
        if texts.is_empty() {
            return Err(mistyped());
        }
        let parse = |text: &str| {
            let wrong = |why| self.place.wrong(value.span(), format!("from of {}: '{text}' {why}", self.name));
            text.parse::<Network>().map_err(wrong)
        };
        texts.into_iter().map(parse).collect()
    }

    fn expires(&self) -> Result<Option<SystemTime>> {
        let Some((_, value)) = self.entry("expires") else { return Ok(None) };
        let wanted = "a date, as 2027-01-31, or a time with its zone, as 2027-01-31T18:00:00Z";
        let moment = match value.get_ref() {
            DeValue::Datetime(moment) => Some(*moment),
            DeValue::String(text) => text.parse::<Datetime>().ok(),
            _ => None,
        };
        let end = moment.as_ref().and_then(end_of);
        end.map(Some).ok_or_else(|| self.mistyped("expires", value, wanted))
    }
}

/// The first moment after a date (UTC), or that of a time. None for one without a date or a zone.
pub(super) fn end_of(moment: &Datetime) -> Option<SystemTime> {
    let date = moment.date?;
    let month = Month::try_from(date.month).ok()?;
    let date = Date::from_calendar_date(i32::from(date.year), month, date.day).ok()?;
    let end = match (moment.time, moment.offset) {
        (None, None) => date.next_day()?.midnight().assume_utc(),
        (Some(time), Some(offset)) => {
            let time = Time::from_hms(time.hour, time.minute, time.second.unwrap_or(0)).ok()?;
            let minutes = match offset {
                Offset::Z => 0,
                Offset::Custom { minutes } => minutes,
            };
            let offset = UtcOffset::from_whole_seconds(i32::from(minutes) * 60).ok()?;
            date.with_time(time).assume_offset(offset)
        }
        _ => return None,
    };
    let seconds = u64::try_from((end - OffsetDateTime::UNIX_EPOCH).whole_seconds()).unwrap_or(0);
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

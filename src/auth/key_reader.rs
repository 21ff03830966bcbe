//! Reads the keys of a user in a users file.

use toml::Spanned;
use toml::de::DeValue;

use super::UserKey;
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
        Ok(UserKey {
            name,
            access: self.access()?,
            from: self.networks()?.unwrap_or_default(),
            expires: self.expires()?.flatten(),
            ..key
        })
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
}

//! Reads and writes what a section of the users file grants: each field of [`Grants`] has its key, its reader and its
//! writer here, and nowhere else.

use toml::de::DeValue;
use toml_edit::{Array, Item, TableLike, value};

use super::grants::Defaults;
use super::{Access, Grants, SelfService, names};
use crate::byte_size;
use crate::error::Result;
use crate::toml_form::Section;

/// The keys of a user's section that grant something.
pub(super) const KEYS: &[&str] = &["home", "access", "admin", "quota", "self_service"];

/// What this section of a user grants, who has these without it.
pub(super) fn read(section: &Section<'_>, defaults: Grants) -> Result<Grants> {
    Ok(Grants {
        home: section.home()?.unwrap_or(defaults.home),
        access: section.access()?.unwrap_or(defaults.access),
        admin: section.boolean("admin")?.unwrap_or(defaults.admin),
        quota: section.quota()?.or(defaults.quota),
        self_service: section.self_service()?.unwrap_or(defaults.self_service),
    })
}

/// What `[defaults]` grants all users.
pub(super) fn read_defaults(section: &Section<'_>) -> Result<Defaults> {
    section.allow_only(&["self_service"])?;
    let self_service = section.self_service()?;
    Ok(Defaults::none().changed(|grants| grants.self_service = self_service.unwrap_or(grants.self_service)))
}

/// Writes what a user is granted into the user's section, as far as it differs from `before`.
pub(super) fn write(section: &mut dyn TableLike, grants: &Grants, before: &Grants) {
    let Grants { home, access, admin, quota, self_service } = grants;
    if *home != before.home {
        put(section, "home", value(home));
    }
    if *access != before.access {
        put(section, "access", of_access(*access));
    }
    if *admin != before.admin {
        put(section, "admin", value(*admin));
    }
    if *quota != before.quota {
        match quota {
            Some(quota) => put(section, "quota", value(byte_size::render_size(*quota))),
            None => drop(section.remove("quota")),
        }
    }
    if *self_service != before.self_service {
        put(section, "self_service", of_self_service(*self_service));
    }
}

/// A new user's section says these two, whatever is the default: they are what an administrator looks for.
pub(super) fn write_all(section: &mut dyn TableLike, grants: &Grants, defaults: &Grants) {
    if grants.home != defaults.home {
        put(section, "home", value(&grants.home));
    }
    put(section, "access", of_access(grants.access));
    put(section, "admin", value(grants.admin));
    write(
        section,
        grants,
        &Grants { home: grants.home.clone(), access: grants.access, admin: grants.admin, ..defaults.clone() },
    );
}

/// A value that is changed keeps the comment behind it.
fn put(section: &mut dyn TableLike, key: &str, mut item: Item) {
    let before = section.get(key).and_then(Item::as_value).map(|before| before.decor().clone());
    if let (Some(decor), Some(value)) = (before, item.as_value_mut()) {
        *value.decor_mut() = decor;
    }
    section.insert(key, item);
}

fn of_access(access: Access) -> Item {
    match access {
        Access::FULL => value("full"),
        Access::READ => value("read"),
        some => value(some.names().collect::<Array>()),
    }
}

fn of_self_service(allowed: SelfService) -> Item {
    match allowed {
        SelfService::ALL => value("all"),
        SelfService::NONE => value("none"),
        SelfService { password, keys } => {
            let words = [("password", password), ("keys", keys)].into_iter().filter(|(_, allowed)| *allowed);
            value(words.map(|(word, _)| word).collect::<Array>())
        }
    }
}

impl Section<'_> {
    pub(super) fn home(&self) -> Result<Option<String>> {
        let Some((home, at)) = self.text("home")? else { return Ok(None) };
        names::check_home(home).map_err(|why| self.place.wrong(at, format!("the home of {} {why}", self.name)))?;
        Ok(Some(home.to_owned()))
    }

    fn quota(&self) -> Result<Option<u64>> {
        let Some((quota, at)) = self.text("quota")? else { return Ok(None) };
        let wrong = || self.place.wrong(at, format!("quota of {} must be a size such as \"10 GiB\"", self.name));
        byte_size::parse_size(quota).map(Some).ok_or_else(wrong)
    }

    fn self_service(&self) -> Result<Option<SelfService>> {
        let Some((_, value)) = self.entry("self_service") else { return Ok(None) };
        let wrong = || self.mistyped("self_service", value, "\"all\", \"none\" or a list of \"password\" and \"keys\"");
        let unknown = || {
            let what = format!(
                "self_service of {} holds an unknown word: known are \"all\", \"none\", [\"password\", \"keys\"]",
                self.name
            );
            self.place.wrong(value.span(), what)
        };
        match value.get_ref() {
            DeValue::String(word) => match word.as_ref() {
                "all" => Ok(Some(SelfService::ALL)),
                "none" => Ok(Some(SelfService::NONE)),
                _ => Err(unknown()),
            },
            DeValue::Array(list) => {
                let mut sum = SelfService::NONE;
                for item in list {
                    match item.get_ref().as_str().ok_or_else(wrong)? {
                        "password" => sum.password = true,
                        "keys" => sum.keys = true,
                        _ => return Err(unknown()),
                    }
                }
                Ok(Some(sum))
            }
            _ => Err(wrong()),
        }
    }

    pub(super) fn access(&self) -> Result<Option<Access>> {
        let Some((_, value)) = self.entry("access") else { return Ok(None) };
        let read = match value.get_ref() {
            DeValue::String(word) => word.parse(),
            DeValue::Array(list) => {
                let names: Option<Vec<&str>> = list.iter().map(|item| item.get_ref().as_str()).collect();
                Access::from_names(names.ok_or_else(|| self.mistyped("access", value, "a list of texts in quotes"))?)
            }
            _ => return Err(self.mistyped("access", value, "a list of rights, \"full\" or \"read\"")),
        };
        read.map(Some).map_err(|err| self.place.wrong(value.span(), format!("access of {}: {err}", self.name)))
    }
}

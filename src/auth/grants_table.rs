//! Reads and writes what a section of the users file grants: each field of [`Grants`] has its key, its reader and its
//! writer here, and nowhere else.

use std::time::{Duration, SystemTime};

use toml::Spanned;
use toml::de::DeValue;
use toml::value::Datetime;
use toml_edit::{Array, Item, TableLike, value};

use super::expiry::{end_of, render_expiry};
use super::grants::Defaults;
use super::{Access, Grants, Network, PasswordRule, SelfService, names, password_rule, rate_limit, rules_table};
use crate::byte_size;
use crate::error::Result;
use crate::files::{HomeTerms, Umask};
use crate::limits;
use crate::toml_form::Section;

/// The keys of a user's section that grant something.
pub(super) const KEYS: &[&str] = &[
    "home",
    "access",
    "admin",
    "quota",
    "quota_files",
    "self_service",
    "enabled",
    "expires",
    "from",
    "max_sessions",
    "limit_rate",
    "trash",
    "umask",
    "rules",
];

/// Those of `[defaults]`: what is not each user's own.
const DEFAULTS: &[&str] = &[
    "access",
    "quota",
    "quota_files",
    "self_service",
    "expires",
    "from",
    "max_sessions",
    "limit_rate",
    "trash",
    "umask",
    password_rule::KEY,
];

/// The words that lift what `[defaults]` says.
pub(super) const NO_BOUND: &str = "none";
const NEVER: &str = "never";
const ANYWHERE: &str = "anywhere";

/// What this section of a user grants, who has these without it.
pub(super) fn read(section: &Section<'_>, defaults: Grants) -> Result<Grants> {
    Ok(Grants {
        home: section.home()?.unwrap_or(defaults.home),
        access: section.access()?.unwrap_or(defaults.access),
        admin: section.boolean("admin")?.unwrap_or(defaults.admin),
        terms: HomeTerms::none()
            .bounded(section.quota()?.unwrap_or(defaults.terms.quota))
            .with_files(section.quota_files()?.unwrap_or(defaults.terms.quota_files))
            .keeping(section.trash()?.unwrap_or(defaults.terms.trash)),
        self_service: section.self_service()?.unwrap_or(defaults.self_service),
        enabled: section.boolean("enabled")?.unwrap_or(defaults.enabled),
        expires: section.expires()?.unwrap_or(defaults.expires),
        from: section.networks()?.unwrap_or(defaults.from),
        max_sessions: section.max_sessions()?.unwrap_or(defaults.max_sessions),
        limit_rate: rate_limit::read(section, defaults.limit_rate)?,
        rules: section.rules()?.unwrap_or(defaults.rules),
        folders: defaults.folders,
        home_folder: defaults.home_folder,
        umask: section.umask()?.unwrap_or(defaults.umask),
        home_umask: defaults.home_umask,
    })
}

/// What `[defaults]` grants all users.
pub(super) fn read_defaults(section: &Section<'_>) -> Result<Defaults> {
    section.allow_only(DEFAULTS)?;
    let passwords = PasswordRule::read(section)?;
    Defaults::none().asking(passwords).map(|grants| read(section, grants))
}

/// Writes what a user is granted into the user's section, as far as it differs from `before`. `defaults` is what the user has
/// without it.
pub(super) fn write(section: &mut dyn TableLike, grants: &Grants, before: &Grants, defaults: &Grants) {
    let Grants {
        home,
        access,
        admin,
        terms,
        self_service,
        enabled,
        expires,
        from,
        max_sessions,
        limit_rate,
        umask,
        ..
    } = grants;
    let mut put_changed = |changed: bool, key: &str, item: Option<Item>| match item {
        _ if !changed => {}
        Some(item) => put(section, key, item),
        None => drop(section.remove(key)),
    };
    put_changed(*home != before.home, "home", Some(value(home)));
    put_changed(*access != before.access, "access", Some(of_access(*access)));
    put_changed(*admin != before.admin, "admin", Some(value(*admin)));
    let lifted = |is_bounded: bool, word: &str| is_bounded.then(|| value(word));
    let item = terms.quota.map(|quota| value(byte_size::render_size(quota)));
    let item = item.or_else(|| lifted(defaults.terms.quota.is_some(), NO_BOUND));
    put_changed(terms.quota != before.terms.quota, "quota", item);
    let item = terms.quota_files.and_then(|files| i64::try_from(files).ok()).map(value);
    let item = item.or_else(|| lifted(defaults.terms.quota_files.is_some(), NO_BOUND));
    put_changed(terms.quota_files != before.terms.quota_files, "quota_files", item);
    let item = terms.trash.map(|age| value(render_trash_age(age)));
    let item = item.or_else(|| lifted(defaults.terms.trash.is_some(), NO_BOUND));
    put_changed(terms.trash != before.terms.trash, "trash", item);
    put_changed(*self_service != before.self_service, "self_service", Some(of_self_service(*self_service)));
    put_changed(*enabled != before.enabled, "enabled", Some(value(*enabled)));
    let item = expires.and_then(|end| render_expiry(end).parse::<toml_edit::Datetime>().ok()).map(value);
    put_changed(*expires != before.expires, "expires", item.or_else(|| lifted(defaults.expires.is_some(), NEVER)));
    let item = (!from.is_empty()).then(|| value(from.iter().map(ToString::to_string).collect::<Array>()));
    put_changed(*from != before.from, "from", item.or_else(|| lifted(!defaults.from.is_empty(), ANYWHERE)));
    let item = max_sessions.map(|most| value(i64::from(most)));
    let item = item.or_else(|| lifted(defaults.max_sessions.is_some(), NO_BOUND));
    put_changed(*max_sessions != before.max_sessions, "max_sessions", item);
    let item = umask.map(|umask| value(umask.to_string()));
    put_changed(*umask != before.umask, "umask", item.or_else(|| lifted(defaults.umask.is_some(), NO_BOUND)));
    let item = rate_limit::written(*limit_rate, defaults.limit_rate);
    put_changed(*limit_rate != before.limit_rate, rate_limit::KEY, item);
}

/// Writes what a new user is granted. The user's section says the rights whatever is the default: they are what an administrator looks for.
pub(super) fn write_new(section: &mut dyn TableLike, grants: &Grants, defaults: &Grants) {
    if grants.home != defaults.home {
        put(section, "home", value(&grants.home));
    }
    put(section, "access", of_access(grants.access));
    put(section, "admin", value(grants.admin));
    let said = Grants { home: grants.home.clone(), access: grants.access, admin: grants.admin, ..defaults.clone() };
    write(section, grants, &said, defaults);
    rules_table::write(section, &grants.rules, &[]);
}

/// A value that is changed keeps the comment behind it.
pub(super) fn put(section: &mut dyn TableLike, key: &str, mut item: Item) {
    let before = section.get(key).and_then(Item::as_value).map(|before| before.decor().clone());
    if let (Some(decor), Some(value)) = (before, item.as_value_mut()) {
        *value.decor_mut() = decor;
    }
    section.insert(key, item);
}

/// For how long what is deleted is kept, as people write it; none for `none`.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn parse_trash_age(text: &str) -> Result<Option<Duration>, String> {
    if text == NO_BOUND {
        return Ok(None);
    }
    let range = limits::TRASH_AGE_MIN..=limits::TRASH_AGE_MAX;
    let age = humantime::parse_duration(text).ok().filter(|age| range.contains(age));
    age.map(Some).ok_or_else(|| "must be a time from 1h to 3650d, as \"30d\", or \"none\"".to_owned())
}

/// What is made is not open to, as people write it; none for `none`.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn parse_umask(text: &str) -> Result<Option<Umask>, String> {
    let wrong = "must be three digits from 0 to 7, the first a 0, as \"027\", or \"none\"";
    if text == NO_BOUND { Ok(None) } else { text.parse().map(Some).map_err(|()| wrong.to_owned()) }
}

/// What [`parse_trash_age`] reads back: in days, if it is some.
pub fn render_trash_age(age: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match age.as_secs() {
        seconds if seconds.is_multiple_of(DAY) && age.subsec_nanos() == 0 => format!("{}d", seconds / DAY),
        _ => humantime::format_duration(age).to_string(),
    }
}

pub(super) fn of_access(access: Access) -> Item {
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

    pub(super) fn quota(&self) -> Result<Option<Option<u64>>> {
        let Some((quota, at)) = self.text("quota")? else { return Ok(None) };
        let wrong =
            || self.place.wrong(at, format!("quota of {} must be a size such as \"10 GiB\", or \"none\"", self.name));
        match quota {
            NO_BOUND => Ok(Some(None)),
            size => byte_size::parse_size(size).map(|size| Some(Some(size))).ok_or_else(wrong),
        }
    }

    pub(super) fn trash(&self) -> Result<Option<Option<Duration>>> {
        let Some((text, at)) = self.text("trash")? else { return Ok(None) };
        let wrong = |why| self.place.wrong(at, format!("trash of {} {why}", self.name));
        parse_trash_age(text).map(Some).map_err(wrong)
    }

    pub(super) fn umask(&self) -> Result<Option<Option<Umask>>> {
        let Some((text, at)) = self.text("umask")? else { return Ok(None) };
        let wrong = |why| self.place.wrong(at, format!("umask of {} {why}", self.name));
        parse_umask(text).map(Some).map_err(wrong)
    }

    fn max_sessions(&self) -> Result<Option<Option<u32>>> {
        self.count("max_sessions", 4)
    }

    pub(super) fn quota_files(&self) -> Result<Option<Option<u64>>> {
        self.count("quota_files", 10_000)
    }

    /// A number from one on, such as this one, or none.
    fn count<T: TryFrom<u64>>(&self, key: &str, such_as: u64) -> Result<Option<Option<T>>> {
        let Some((_, value)) = self.entry(key) else { return Ok(None) };
        let wanted = format!("a whole number from 1 on, as {such_as}, or \"none\"");
        match value.get_ref() {
            DeValue::String(word) if word == NO_BOUND => Ok(Some(None)),
            DeValue::Integer(number) => {
                let most = u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok();
                let most = most.filter(|most| *most > 0).and_then(|most| T::try_from(most).ok());
                let wrong = || self.place.wrong(value.span(), format!("{key} of {} must be {wanted}", self.name));
                most.map(|most| Some(Some(most))).ok_or_else(wrong)
            }
            _ => Err(self.mistyped(key, value, &wanted)),
        }
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
        self.rights("access", value).map(Some)
    }

    /// The rights that this value of a key says.
    pub(super) fn rights(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Access> {
        let read = match value.get_ref() {
            DeValue::String(word) => word.parse(),
            DeValue::Array(list) => {
                let names: Option<Vec<&str>> = list.iter().map(|item| item.get_ref().as_str()).collect();
                Access::from_names(names.ok_or_else(|| self.mistyped(key, value, "a list of texts in quotes"))?)
            }
            _ => return Err(self.mistyped(key, value, "a list of rights, \"full\" or \"read\"")),
        };
        read.map_err(|err| self.place.wrong(value.span(), format!("{key} of {}: {err}", self.name)))
    }

    /// Empty: from anywhere.
    pub(super) fn networks(&self) -> Result<Option<Vec<Network>>> {
        let Some((_, value)) = self.entry("from") else { return Ok(None) };
        let mistyped = || self.mistyped("from", value, "a list of addresses and networks, as [\"192.0.2.0/24\"]");
        let texts: Vec<&str> = match value.get_ref() {
            DeValue::String(word) if word == ANYWHERE => return Ok(Some(Vec::new())),
            DeValue::String(one) => vec![one.as_ref()],
            DeValue::Array(list) => {
                let texts: Option<Vec<&str>> = list.iter().map(|item| item.get_ref().as_str()).collect();
                texts.ok_or_else(mistyped)?
            }
            _ => return Err(mistyped()),
        };
        // An empty list would not be what it looks like: somebody who logs in from nowhere.
        if texts.is_empty() {
            return Err(mistyped());
        }
        let parse = |text: &str| {
            let wrong = |why| self.place.wrong(value.span(), format!("from of {}: '{text}' {why}", self.name));
            text.parse::<Network>().map_err(wrong)
        };
        texts.into_iter().map(parse).collect::<Result<_>>().map(Some)
    }

    /// Some(None): never.
    pub(super) fn expires(&self) -> Result<Option<Option<SystemTime>>> {
        let Some((_, value)) = self.entry("expires") else { return Ok(None) };
        let wanted = "a date, as 2027-01-31, a time with its zone, as 2027-01-31T18:00:00Z, or \"never\"";
        let moment = match value.get_ref() {
            DeValue::String(word) if word == NEVER => return Ok(Some(None)),
            DeValue::Datetime(moment) => Some(*moment),
            DeValue::String(text) => text.parse::<Datetime>().ok(),
            _ => None,
        };
        let end = moment.as_ref().and_then(end_of);
        end.map(|end| Some(Some(end))).ok_or_else(|| self.mistyped("expires", value, wanted))
    }
}

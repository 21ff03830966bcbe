//! The folder of a user who is about to be made: whether something is in it that is not theirs.

use sealift::auth::Checked;
use sealift::escape::for_people;
use sealift::store::open_home;
use sealift::{Error, Kind};

use crate::args::Places;
use crate::failure::Failure;
use crate::output::{complain, shell_word};

/// Fails if nobody has said which folder a new user of this name has, and the one of that name is common, or somebody's: an earlier
/// user of the same name may have left what is in it.
///
/// # Errors
/// That, with what can be done about it.
pub fn refuse(places: &Places, checked: &Checked<'_>, name: &str) -> Result<(), Failure> {
    let home = shell_word(name);
    checked.refuse_common(name).map_err(|err| {
        Failure::from(err).hint(format!("--home says another folder, or with --home {home} that it is meant."))
    })?;
    match look(places, name) {
        Found::Nothing => return Ok(()),
        Found::Unknown => {
            complain(&format!(
                "note: {} cannot be looked at from here; what an earlier user of this name left there is {}'s now.",
                for_people(places.of_home(name).as_bytes()),
                for_people(name.as_bytes())
            ));
            return Ok(());
        }
        Found::Something => {}
    }
    let (folder, name) = (for_people(places.of_home(name).as_bytes()), for_people(name.as_bytes()));
    let text = format!(
        "{folder} is not empty: {name} would have what is there, which an earlier user of this name may have left"
    );
    Err(Failure::from(Error::new(Kind::Exists, text)).hint(format!(
        "Move it away first; or say with --home {home} that it is meant for {name}, trash and all; or give another folder by --home."
    )))
}

/// Says that what is in this home was there before its user.
pub fn tell(places: &Places, home: &str, name: &str) {
    complain(&format!(
        "note: {} was there already: what is in it, also in the trash, is now for {}. Passwords, keys and links of an earlier user do not count.",
        for_people(places.of_home(home).as_bytes()),
        for_people(name.as_bytes())
    ));
}

/// Whether something is in this home, as far as that can be seen.
pub fn has_something(places: &Places, home: &str) -> bool {
    look(places, home) == Found::Something
}

/// What is in a home.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Something,
    /// It may not be looked at.
    Unknown,
}

/// What is in a bucket is not looked at from here.
fn look(places: &Places, home: &str) -> Found {
    if places.bucket.is_some() {
        return Found::Nothing;
    }
    match open_home(&places.data, home).map(|there| there.map(|dir| dir.entries())) {
        Ok(None) => Found::Nothing,
        Ok(Some(Ok(mut entries))) => entries.next().map_or(Found::Nothing, |_| Found::Something),
        Ok(Some(Err(_))) | Err(_) => Found::Unknown,
    }
}

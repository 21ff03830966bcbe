//! What a password has to be that somebody chooses: long enough, and not the user's own name. More would not make it better, as NIST
//! SP 800-63B (section 3.1.1.2) says: no kinds of characters are asked for.

use toml::de::DeValue;

use super::Secret;
use crate::error::Result;
use crate::limits::{PASSWORD_MIN, PASSWORD_MIN_MOST, PASSWORD_MIN_USUAL};
use crate::toml_form::Section;

/// The key of `[defaults]` that says how long.
pub(super) const KEY: &str = "min_password";

/// What passwords have to be that are chosen from now on. Those that there are stay right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRule {
    min: usize,
}

impl Default for PasswordRule {
    fn default() -> PasswordRule {
        PasswordRule { min: PASSWORD_MIN_USUAL }
    }
}

impl PasswordRule {
    /// The least number of characters.
    pub fn min(self) -> usize {
        self.min
    }

    /// Whether this can be a new password of this user.
    ///
    /// # Errors
    /// Why not, as a sentence without a full stop, and without the password.
    pub fn check(self, user: &str, password: &Secret) -> Result<(), String> {
        let text = String::from_utf8_lossy(password.expose());
        match text.chars().count() {
            count if count < self.min => Err(format!("the new password has fewer than {} characters", self.min)),
            _ if text.to_lowercase() == user.to_lowercase() => {
                Err("the new password is the user's name, which is tried first".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// What `[defaults]` says.
    pub(super) fn read(section: &Section<'_>) -> Result<PasswordRule> {
        let Some((_, value)) = section.entry(KEY) else { return Ok(PasswordRule::default()) };
        let wanted = format!("a whole number from {PASSWORD_MIN} to {PASSWORD_MIN_MOST}, as 12");
        let DeValue::Integer(number) = value.get_ref() else { return Err(section.mistyped(KEY, value, &wanted)) };
        let min = usize::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok();
        let min = min.filter(|min| (PASSWORD_MIN..=PASSWORD_MIN_MOST).contains(min));
        let wrong = || section.place.wrong(value.span(), format!("{KEY} of {} must be {wanted}", section.name));
        min.map(|min| PasswordRule { min }).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Users;

    fn rule(said: &str) -> Result<PasswordRule> {
        Users::parse(&format!("[defaults]\n{said}\n"), "f").map(|users| users.password_rule())
    }

    #[test]
    fn characters_are_counted_and_not_bytes_and_nothing_is_said_of_them() {
        let rule = PasswordRule::default();
        let check = |password: &str| rule.check("alice", &Secret::new(password));
        assert_eq!(check("geheim!"), Err("the new password has fewer than 8 characters".to_owned()));
        assert_eq!(check("äöüäöüä"), Err("the new password has fewer than 8 characters".to_owned()));
        assert_eq!((check("aaaaaaaa"), check("äöüäöüäö"), check("no digits")), (Ok(()), Ok(()), Ok(())));
    }

    #[test]
    fn nobody_s_password_is_the_own_name() {
        let check = |user: &str, password: &str| PasswordRule::default().check(user, &Secret::new(password));
        for (user, password) in [("margaret", "margaret"), ("Margaret", "mARGARET"), ("jürgenson", "JÜRGENSON")] {
            assert!(check(user, password).is_err_and(|why| why.contains("name") && !why.contains(password)));
        }
        assert_eq!(check("margaret", "margaret2"), Ok(()));
    }

    #[test]
    fn the_file_says_how_long_and_what_is_no_length_is_refused_with_its_line() {
        assert_eq!(rule("").unwrap().min(), 8);
        assert_eq!(rule("min_password = 15").unwrap().min(), 15);
        assert_eq!(rule("min_password = 4").unwrap().min(), 4);
        for wrong in ["3", "65", "-8", "\"12\"", "\"none\"", "8.0"] {
            let err = rule(&format!("min_password = {wrong}")).unwrap_err().to_string();
            assert!(err.contains("f:2: min_password of [defaults] must be a whole number from 4 to 64"), "{err}");
        }
        assert!(Users::parse("[users.a]\nmin_password = 4\nkeys = []\n", "f").is_err(), "it is said for all");
    }
}

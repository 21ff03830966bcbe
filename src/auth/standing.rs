//! What the users file says about a login name, before or without a login.

use super::names::ANONYMOUS;
use super::{Access, SelfService};

/// What somebody may do. It opens nothing: for that there must be a [`super::Principal`], who has one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grants {
    /// The rights over the files in the home.
    pub access: Access,
    /// Whether the administration verbs are allowed.
    pub admin: bool,
    /// What may be changed about the own login.
    pub self_service: SelfService,
}

/// What the users file says about one login name. A password is no part of it, so this is no login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The name as the users file has it, or `anonymous`.
    pub name: &'a str,
    /// The home, as [`super::Principal::home`] has it.
    pub home: &'a str,
    /// What is allowed.
    pub grants: Grants,
}

impl<'a> Standing<'a> {
    /// Anybody's, where anonymous reading is on with this home.
    pub(super) fn anonymous(home: &'a str) -> Standing<'a> {
        Standing {
            name: ANONYMOUS,
            home,
            grants: Grants { access: Access::READ, admin: false, self_service: SelfService::NONE },
        }
    }
}

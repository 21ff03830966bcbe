//! What a session may change about its own user's login. It asks for the password again, which is checked as at a login:
//! in the same queue, and with the same penalty if it is wrong.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use async_std::task::{block_on, sleep};

use super::accounts::Accounts;
use super::admission::{Admission, Offence};
use crate::auth::Principal;
use crate::error::{Kind, Result};
use crate::limits;
use crate::machine::source::{Origin, Source};
use crate::secret::Secret;

/// The way of one session to the accounts.
pub struct SelfService {
    accounts: Arc<Accounts>,
    admission: Arc<Admission>,
    peer: IpAddr,
}

impl SelfService {
    /// That of a session whose client is at this address.
    pub fn new(accounts: Arc<Accounts>, admission: Arc<Admission>, peer: IpAddr) -> SelfService {
        SelfService { accounts, admission, peer }
    }

    /// Puts the new password in the place of the present one. Blocks for as long as the check, the hash and the disk take.
    /// `renewed` is told who the user is then, before other sessions end because of it.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], [`Kind::Busy`], [`Kind::Denied`], [`Kind::Revoked`], and those of the disk.
    pub fn change_password(
        &self,
        user: &str,
        present: Secret,
        new: Secret,
        renewed: impl FnOnce(&Principal) + Send + 'static,
    ) -> Result<Principal> {
        // By the address, as at a login: guesses wait behind those that are made there.
        let source = Source::from(self.peer);
        let changed = block_on(self.accounts.change_password(&source, user, (present, new), renewed));
        if changed.as_ref().is_err_and(|error| error.kind() == Kind::LoginFailed) {
            self.admission.penalise(Origin::from(self.peer), Offence::LoginFailed, Instant::now());
            block_on(sleep(limits::LOGIN_FAILED_PAUSE));
        }
        changed
    }
}

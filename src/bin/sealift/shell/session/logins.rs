//! `login` and `logout` of the shell.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;

use sealift::Kind;
use sealift::secret::Secret;

use super::ShellSession;
use crate::commands::login::{self, LogIn, LogOut};
use crate::failure::{Failure, Outcome};
use crate::identity::Credential;
use crate::login::Login;
use crate::logins;

impl ShellSession<'_> {
    /// Without a name, and with a server, what `sealift login` does: this machine gets a key of its own there. With a name, the
    /// shell goes on as that user, who starts in their own folder.
    pub(super) async fn log_in(&mut self, who: Option<&OsStr>) -> Outcome {
        let Some(who) = who else { return self.enrol().await };
        if let Some(target) = self.addressed(who.as_bytes())? {
            return match self.ctx.login_for(&target)? {
                own if (&own.server, &own.user) == (&self.login.server, &self.login.user) => self.enrol().await,
                _ => login::log_in(self.ctx, &LogIn { target: who.to_owned(), name: None }).await,
            };
        }
        let user = who.to_str().ok_or_else(|| Failure::new(Kind::Usage, "the user's name is not UTF-8", ""))?;
        let login = Login { user: (user != "anonymous").then(|| user.to_owned()), ..self.login.clone() };
        // Asked for even if a password was given to the program: it was for the first user.
        let given = login.user.is_none().then(|| Credential::Password(Secret::new(Vec::new())));
        let connected = self.ctx.connect_with(&login, given).await?;
        self.take_over(login, connected).await;
        Ok(())
    }

    /// Has the server take a key of this machine for the user of the shell.
    async fn enrol(&mut self) -> Outcome {
        if self.login.user.is_none() {
            let hint = "`login NAME` goes on as a user here.";
            return Err(Failure::new(Kind::Usage, "anonymous has no keys", hint));
        }
        self.see_whether_connected().await;
        self.client().await?;
        let Some(client) = self.client.take() else { return Ok(()) };
        let (client, enrolled) = login::enrol_here(self.ctx, &self.login, client, &self.credential, None).await?;
        self.client = Some(client);
        login::told(self.ctx, &self.login, &enrolled)
    }

    /// What `sealift logout` does. The session stays.
    pub(super) async fn forget_key(&self, target: &OsString, here: bool) -> Outcome {
        login::log_out(self.ctx, &LogOut { target: target.clone(), here }).await
    }

    /// Whoever ends the session at a terminal may take that for the end of this machine's key, too.
    pub(super) fn tell_of_key(&self) {
        if self.login.user.is_some() && io::stdin().is_terminal() && matches!(logins::key_of(&self.login), Ok(Some(_)))
        {
            let login = &self.login;
            self.ctx.out.note(&format!(
                "This machine still logs in as {login} by a key of its own; `sealift logout {login}` takes it away."
            ));
        }
    }
}

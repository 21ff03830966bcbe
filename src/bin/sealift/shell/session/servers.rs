//! Names that begin with a server, as they are written on a command line.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use sealift::Kind;
use sealift::client::{Target, glob};
use sealift::escape::for_people;

use super::ShellSession;
use crate::failure::{Failure, Outcome};
use crate::shell::request::literal;

impl ShellSession<'_> {
    /// The place that a word names, if it begins with a server. Names with an `@` or a colon are names too, so without more to
    /// tell by it is only one if the server is that of the shell, has a name, or is written with a port behind a user.
    ///
    /// # Errors
    /// What is wrong with a URL, or with what follows the name of a server.
    pub(super) fn addressed(&self, word: &[u8]) -> Outcome<Option<Target>> {
        let config = self.ctx.config()?;
        let first = word.split(|byte| *byte == b'/').next().unwrap_or_default();
        let has_user = first.contains(&b'@');
        let is_sure = is_url(word) || config.is_named(word);
        // A host's full name alone; one without a dot may well be a folder's.
        let is_host = first.contains(&b'.') && first == self.login.server.host.as_bytes();
        if !is_sure && !is_host && !has_user && !first.contains(&b':') {
            return Ok(None);
        }
        let target = match config.target(word) {
            Ok(target) => target,
            Err(error) if is_sure => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        let is_here = self.ctx.login_for(&target)?.server == self.login.server;
        Ok((is_sure || is_here || (has_user && target.port.is_some())).then_some(target))
    }

    /// Whether a word names a place on a server, this one or another.
    ///
    /// # Errors
    /// As [`ShellSession::addressed`].
    pub(super) fn is_addressed(&self, word: &OsStr) -> Outcome<bool> {
        Ok(self.addressed(literal(word).as_bytes())?.is_some())
    }

    /// A name as it is typed here: one that begins with the server and the user of the shell without them, from the user's own
    /// folder on.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a place of another server, or of another user.
    pub(super) fn without_server<'n>(&self, name: &'n OsStr) -> Outcome<Cow<'n, OsStr>> {
        let plain = literal(name);
        let Some(target) = self.addressed(plain.as_bytes())? else { return Ok(Cow::Borrowed(name)) };
        let login = self.ctx.login_for(&target)?;
        if (&login.server, &login.user) != (&self.login.server, &self.login.user) {
            let shown = for_people(plain.as_bytes());
            let text = format!("{shown} is a place of {login}, and this shell is at {}", self.login);
            let hint = format!("`open {login}` goes there. A file or folder of this name is written ./{shown} here.");
            return Err(Failure::new(Kind::Usage, text, hint));
        }
        // What is behind the server may be a pattern, whose quotes count.
        let typed = name.as_bytes();
        let behind = |mark: u8| typed.iter().position(|byte| *byte == mark).and_then(|at| typed.get(at + 1..));
        let (base, rest) = match target.bookmark {
            Some(_) => {
                let colon = plain.as_bytes().iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
                let base = self.ctx.config()?.target(plain.as_bytes().get(..colon).unwrap_or_default())?.path;
                (base.as_bytes().to_vec(), behind(b':').unwrap_or_default())
            }
            // Everything in a URL stands for itself.
            None if is_url(plain.as_bytes()) => (target.path.as_bytes().to_vec(), &b""[..]),
            None => (Vec::new(), behind(b'/').unwrap_or_default()),
        };
        let mut here = vec![b'/'];
        here.extend(glob::escape(&base));
        if !base.is_empty() && (!rest.is_empty() || target.is_folder) {
            here.push(b'/');
        }
        here.extend_from_slice(rest);
        Ok(Cow::Owned(OsString::from_vec(here)))
    }

    /// Refuses a local name that reads like a place on a server, unless something here is called so.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub(super) fn refuse_as_local(&self, local: &OsStr, hint: &str) -> Outcome {
        if Path::new(local).symlink_metadata().is_ok() || self.addressed(local.as_bytes())?.is_none() {
            return Ok(());
        }
        let text =
            format!("{} looks like a place on a server, and nothing has this name here", for_people(local.as_bytes()));
        Err(Failure::new(Kind::Usage, text, hint))
    }
}

fn is_url(word: &[u8]) -> bool {
    const SCHEME: &[u8] = b"sealift://";
    word.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

//! Coming by somebody's link, by the key that its URL names, to fetch what it leads to or to put files in.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use sealift::client::{LinkUrl, Settings, Target};
use sealift::files::RelPath;
use sealift::{Error, Kind};

use crate::context::{Connected, Context};
use crate::failure::{Failure, Outcome};
use crate::identity::Credential;
use crate::login::Login;
use crate::password;

/// What a link may be that gives nothing: a server does not tell which.
const DEAD: &str = "It may be over, withdrawn or used up, or not copied whole: ask for another one.";

/// What to do where the server has another key than the link names.
const CHANGED_KEY: &str = "Nothing was sent. The server's key was changed after the link was made, or this is another server: ask whoever \
                           made the link for another one.";

/// The link that this name is, if it is one.
///
/// # Errors
/// [`Kind::Usage`] for one that is not whole.
pub fn meant(name: Option<&OsString>) -> Outcome<Option<LinkUrl>> {
    let Some(name) = name.filter(|name| LinkUrl::is_meant(name.as_bytes())) else { return Ok(None) };
    let text = name.to_str().ok_or_else(|| Error::new(Kind::Usage, "the link is no text"))?;
    Ok(Some(text.parse()?))
}

/// Refuses a link where a place on a server is named.
///
/// # Errors
/// [`Kind::Usage`], without a word of the link.
pub fn refuse(typed: &OsStr) -> Outcome {
    if !LinkUrl::is_meant(typed.as_bytes()) {
        return Ok(());
    }
    let hint = "`sealift get 'URL'` fetches what a link gives; `sealift put FILE 'URL'` sends a file to one that receives files.";
    Err(Failure::new(Kind::Usage, "this is a link, and a place on a server is needed here", hint))
}

/// Logs in by a link, for a command with this verb and these names.
///
/// # Errors
/// [`Kind::NotFound`] if there is no such link, or it is over; [`Kind::LoginFailed`] if that or its password may be wrong.
pub async fn enter(ctx: &Context, url: &LinkUrl, (verb, names): (&str, &str)) -> Outcome<(Login, Connected)> {
    let settings = Settings { pins: url.pins.clone(), ..Settings::default() };
    let login = Login { user: None, server: url.server.clone(), bookmark: None, settings };
    // What the environment has is a user's password on some server, and whose server this is the link says.
    let is_given = ctx.common.password_stdin || ctx.common.password_file.is_some();
    let password = if is_given { ctx.given_password()? } else { None };
    // Of this command alone: what another one left is not told from what somebody else did.
    let uploads = (verb == "put").then(sealift::client::uploads_secret).transpose()?;
    let secret = url.secret.clone();
    let mut credential = Credential::Link { secret, password, uploads };
    let connected = match ctx.connect_with(&login, Some(credential.clone())).await {
        // With a password it may be that, too, which is wrong.
        Err(failure) if failure.kind() == Some(Kind::LoginFailed) && !is_given => {
            return Err(Failure::new(Kind::NotFound, format!("{url}: there is no such link any more"), DEAD));
        }
        Err(failure) if failure.kind() == Some(Kind::LoginRequired) => {
            let password = password::ask_or(&format!("Password for {url}: "), || {
                let text = format!("{url} takes a password, and there is no terminal to ask on");
                let hint = format!(
                    "Give it on standard input: `sealift {verb} --password-stdin {names}`; or by --password-file."
                );
                Failure::new(Kind::LoginFailed, text, hint)
            })?;
            if let Credential::Link { password: known, .. } = &mut credential {
                *known = Some(password);
            }
            ctx.connect_with(&login, Some(credential)).await
        }
        connected => connected,
    };
    let connected = connected.map_err(|failure| {
        let failure = match failure.kind() {
            Some(Kind::PinMismatch) if ctx.common.pin.is_empty() => failure.with_hint(CHANGED_KEY),
            _ => failure,
        };
        let wrong = || {
            "The password may be wrong. If it is right, the link may be over, withdrawn or used up, or not copied whole: then ask for \
             another link."
                .to_owned()
        };
        failure.hinted(Kind::LoginFailed, wrong)
    })?;
    Ok((login, connected))
}

/// What is at this path below a link.
pub fn target(url: &LinkUrl, path: RelPath) -> Target {
    let is_folder = path.is_root();
    let (host, port) = (url.server.host.clone(), Some(url.server.port));
    Target { user: None, host, port, path, is_folder, bookmark: None }
}

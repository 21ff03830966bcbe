//! `get URL`: what somebody's link leads to, by the key that the URL names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use sealift::client::{LinkUrl, Settings, Target};
use sealift::files::RelPath;
use sealift::{Error, Kind};

use super::get::Fetch;
use super::local::Local;
use crate::args::Get;
use crate::context::Context;
use crate::expand;
use crate::failure::{Failure, Outcome};
use crate::identity::Credential;
use crate::login::Login;
use crate::password;
use crate::transfer::{How, Way};

/// The link that is meant, if one is.
///
/// # Errors
/// [`Kind::Usage`] for one that is not whole, or among other names.
pub fn meant(names: &[OsString]) -> Outcome<Option<LinkUrl>> {
    let Some(first) = names.first().filter(|name| LinkUrl::is_meant(name.as_bytes())) else { return Ok(None) };
    if names.len() > 2 {
        let text = "a link is fetched alone";
        return Err(Failure::new(Kind::Usage, text, "It is written sealift get 'LINK' [LOCAL]."));
    }
    let text = first.to_str().ok_or_else(|| Error::new(Kind::Usage, "the link is no text"))?;
    Ok(Some(text.parse()?))
}

/// Fetches what it leads to.
///
/// # Errors
/// As `get` of a file or folder; [`Kind::LoginFailed`] if there is no such link, or it is over.
pub async fn run(ctx: &Context, args: &Get, url: LinkUrl) -> Outcome {
    let local = args.names.get(1).map_or(OsStr::new("."), OsString::as_os_str);
    if local == "-" {
        let hint = "Name a file, or /dev/stdout; `curl LINK` writes it there, too.";
        return Err(Failure::new(Kind::Usage, "a link is fetched to a file or folder", hint));
    }
    let how = How::new(&args.how.transfer, 0)?;
    let settings = Settings { pins: url.pin.into_iter().collect(), ..Settings::default() };
    let login = Login { user: None, server: url.server.clone(), bookmark: None, settings };
    ctx.set_rate(args.how.transfer.flow.limit_rate, args.how.transfer.connections())?;
    // What the environment has is a user's password on some server, and whose server this is the link says.
    let is_given = ctx.common.password_stdin || ctx.common.password_file.is_some();
    let password = if is_given { ctx.given_password()? } else { None };
    let mut credential = Credential::Link(url.secret.clone(), password);
    let connected = match ctx.connect_with(&login, Some(credential.clone())).await {
        Err(failure) if failure.kind() == Some(Kind::LoginRequired) => {
            credential = Credential::Link(url.secret.clone(), Some(password::ask(&url.to_string())?));
            ctx.connect_with(&login, Some(credential)).await
        }
        connected => connected,
    };
    let connected = connected.map_err(|failure| {
        let hint = "It may be over, withdrawn or used up, or not copied whole: ask for another one.";
        failure.hinted(Kind::LoginFailed, || hint.to_owned())
    })?;
    let path = match &connected.welcome.link {
        Some(link) if link.kind == "file" => RelPath::parse(&link.name)?,
        Some(_) | None => RelPath::root(),
    };
    let is_folder = path.is_root();
    let target = Target {
        user: None,
        host: url.server.host.clone(),
        port: Some(url.server.port),
        path,
        is_folder,
        bookmark: None,
    };
    let local = Local::resolve(local, 1, how.exactly)?;
    let mut fetch = Fetch::new(ctx, &local, true, &args.how.transfer.flow)?;
    fetch.how = how.retries(ctx.retries(&login));
    let way = Way::back_to(ctx, &login, &connected);
    ctx.over(connected.client, &login, async |client| {
        let names = fetch.take(expand::as_it_stands(&target))?;
        fetch.collect(client, &login, Some(&way), &names).await?;
        fetch.finish(Some(client))
    })
    .await
}

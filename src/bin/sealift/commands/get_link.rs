//! `get URL`: what somebody's link leads to, by the key that the URL names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use sealift::client::{LinkTarget, LinkUrl, Settings, Target};
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::{Error, Kind};

use super::get::Fetch;
use super::local::Local;
use super::put_link::with_curl;
use crate::args::Get;
use crate::context::Context;
use crate::expand;
use crate::failure::{Failure, Outcome};
use crate::identity::Credential;
use crate::login::Login;
use crate::password;
use crate::transfer::{How, Links, TransferArgs, Way};

/// What a link may be that gives nothing: a server does not tell which.
const DEAD: &str = "It may be over, withdrawn or used up, or not copied whole: ask for another one.";

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
/// As `get` of a file or folder; [`Kind::NotFound`] if there is no such link, or it is over; [`Kind::LoginFailed`] if that or its
/// password may be wrong.
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
        // With a password it may be that, too, which is wrong.
        Err(failure) if failure.kind() == Some(Kind::LoginFailed) && !is_given => {
            return Err(Failure::new(Kind::NotFound, format!("{url}: there is no such link any more"), DEAD));
        }
        Err(failure) if failure.kind() == Some(Kind::LoginRequired) => {
            let password = password::ask_or(&format!("Password for {url}: "), || {
                let text = format!("{url} takes a password, and there is no terminal to ask on");
                let hint = "Give it on standard input: `sealift get --password-stdin 'LINK'`; or by --password-file.";
                Failure::new(Kind::LoginFailed, text, hint)
            })?;
            credential = Credential::Link(url.secret.clone(), Some(password));
            ctx.connect_with(&login, Some(credential)).await
        }
        connected => connected,
    };
    let connected = connected.map_err(|failure| {
        let wrong = || {
            "The password may be wrong. If it is right, the link may be over, withdrawn or used up, or not copied whole: then ask for \
             another link."
                .to_owned()
        };
        let failure = failure.hinted(Kind::LoginFailed, wrong);
        failure.hinted(Kind::Denied, || format!("It takes files and gives none. {}", with_curl(&url)))
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
    let mut local = Local::resolve(local, 1, how.exactly)?;
    if local.is_folder() {
        let name = plain_name(connected.welcome.link.as_ref())?;
        spare(&local, &name, &args.how.transfer)?;
        local = if is_folder { local.below(&name) } else { local.named(&name) };
    }
    let mut fetch = Fetch::new(ctx, &local, true, &args.how.transfer.flow)?;
    fetch.links = Links::of_server(args.how.links);
    fetch.how = how.retries(ctx.retries(&login));
    let way = Way::back_to(ctx, &login, &connected);
    ctx.over(connected.client, &login, async |client| {
        let names = fetch.take(expand::as_it_stands(&target))?;
        fetch.collect(client, &login, Some(&way), &names).await?;
        fetch.finish(Some(client))
    })
    .await
}

/// Refuses to put anything into what is here already: nobody has typed the name, it comes from whoever made the link. Who says what is
/// to become of it is answered as with every other `get`; a link of this name is followed in no case.
fn spare(local: &Local, name: &RelPath, args: &TransferArgs) -> Outcome {
    let Local::Folder { folder, .. } = local else { return Ok(()) };
    let path = folder.strip_prefix(".").unwrap_or(folder).join(name.as_path());
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let shown = for_people(path.as_os_str().as_bytes());
    if found.is_symlink() {
        let hint = format!("Say where to put it: `sealift get 'LINK' ./{name}` follows the link.");
        return Err(Failure::new(Kind::Exists, format!("{shown}: a link on this machine has this name"), hint));
    }
    if args.resume || args.update || args.if_exists.is_some() {
        return Ok(());
    }
    let hint = "Say where to put it: `sealift get 'LINK' NEW-NAME`; or -c to go on with it, or --if-exists overwrite.";
    Err(Failure::new(Kind::Exists, format!("{shown}: is here already, and the link does not replace it"), hint))
}

/// What it is called here. The name comes from a stranger: one that is hidden or no plain name is not taken.
fn plain_name(link: Option<&LinkTarget>) -> Outcome<RelPath> {
    let named = link.and_then(|link| RelPath::parse(&link.name).ok());
    let plain = named.filter(|name| name.components().count() == 1 && !name.as_bytes().starts_with(b"."));
    Ok(plain.map_or_else(|| RelPath::parse(b"link"), Ok)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_a_name_that_leads_elsewhere_or_is_hidden() {
        let named = |name: &[u8]| {
            let link = LinkTarget { kind: "folder".to_owned(), name: name.to_vec() };
            plain_name(Some(&link)).unwrap().to_string()
        };
        assert_eq!(named(b"photos"), "photos");
        for bad in [&b""[..], b".", b"..", b"../x", b"/etc", b"a/b", b".ssh", b"a\x1b"] {
            assert_eq!(named(bad), "link", "{bad:?}");
        }
        assert_eq!(plain_name(None).unwrap().to_string(), "link");
    }
}

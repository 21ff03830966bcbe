//! `get URL`: what somebody's link leads to, by the key that the URL names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use sealift::Kind;
use sealift::client::{LinkTarget, LinkUrl};
use sealift::escape::for_people;
use sealift::files::RelPath;

use super::by_link;
use super::cat;
use super::get::Fetch;
use super::local::Local;
use crate::args::Get;
use crate::context::Context;
use crate::expand;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::transfer::{How, IfExists, TransferArgs, Way};

/// The link that is meant, if one is.
///
/// # Errors
/// [`Kind::Usage`] for one that is not whole, or among other names.
pub fn meant(names: &[OsString]) -> Outcome<Option<LinkUrl>> {
    let meant = by_link::meant(names.first())?;
    if meant.is_some() && names.len() > 2 {
        let text = "a link is fetched alone";
        return Err(Failure::new(Kind::Usage, text, "It is written sealift get 'LINK' [LOCAL]."));
    }
    Ok(meant)
}

/// Fetches what it leads to.
///
/// # Errors
/// As `get` of a file or folder, and as [`by_link::enter`].
pub async fn run(ctx: &Context, args: &Get, url: LinkUrl) -> Outcome {
    let local = args.names.get(1).map_or(OsStr::new("."), OsString::as_os_str);
    let how = How::new(&args.how.transfer, 0)?;
    let to_stdout = local == "-";
    if to_stdout {
        how.in_order("standard output")?;
        output::hands_on_bytes();
    }
    ctx.set_rate(args.how.transfer.flow.limit_rate, args.how.transfer.connections())?;
    let takes_files = || format!("{url}: this link receives files, and gives none");
    let hint = || "`sealift put FILE 'LINK'` puts one in.".to_owned();
    let (login, connected) = by_link::enter(ctx, &url, ("get", "'LINK'")).await.map_err(|failure| {
        // Of a server that knows no better.
        failure.hinted(Kind::Denied, hint)
    })?;
    let path = match &connected.welcome.link {
        Some(link) if link.kind == "drop" => return Err(Failure::new(Kind::Denied, takes_files(), hint())),
        Some(link) if link.kind == "file" => RelPath::parse(&link.name)?,
        Some(_) | None => RelPath::root(),
    };
    let target = by_link::target(&url, path);
    let is_folder = target.is_folder;
    if to_stdout && is_folder {
        let hint = "Say where to put it: `sealift get 'LINK' NEW-NAME`.";
        return Err(Failure::new(Kind::IsDirectory, format!("{url}: leads to a folder"), hint));
    }
    if to_stdout {
        let growing = args.how.transfer.growing;
        let write = async |client: &mut sealift::Client| cat::show(ctx.out, client, &target, false, growing).await;
        return ctx.over(connected.client, &login, write).await;
    }
    let mut local = Local::resolve(local, 1, how.exactly)?;
    if local.is_folder() {
        let name = plain_name(connected.welcome.link.as_ref())?;
        spare(&local, (&name, is_folder), &args.how.transfer)?;
        local = if is_folder { local.below(&name) } else { local.named(&name) };
    }
    let mut fetch = Fetch::new(ctx, &local, true, &args.how.transfer.flow)?;
    fetch.obey(args.how.links);
    fetch.how = how.retries(ctx.retries(&login));
    let way = Way::back_to(ctx, &login, &connected);
    ctx.over(connected.client, &login, async |client| {
        let names = fetch.take(expand::as_it_stands(&target))?;
        fetch.collect(client, &login, Some(&way), &names).await?;
        fetch.finish(Some(client))
    })
    .await
}

/// Refuses to put anything into what is here already: nobody has typed the name, it comes from whoever made the link. Who says what
/// is to become of it is answered as with every other `get`; a link of this name is followed in no case, and no file makes room for a
/// folder.
fn spare(local: &Local, (name, is_folder): (&RelPath, bool), args: &TransferArgs) -> Outcome {
    let Local::Folder { folder, .. } = local else { return Ok(()) };
    let path = folder.strip_prefix(".").unwrap_or(folder).join(name.as_path());
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let shown = for_people(path.as_os_str().as_bytes());
    if found.is_symlink() {
        let hint = format!("Say where to put it: `sealift get 'LINK' ./{name}` follows the link.");
        return Err(Failure::new(Kind::Exists, format!("{shown}: a link on this machine has this name"), hint).at(path));
    }
    let is_answered = args.resume || args.update || args.if_exists.is_some();
    if is_answered && (found.is_dir() || !is_folder) {
        return Ok(());
    }
    if is_answered && args.if_exists != Some(IfExists::Fail) {
        let hint = "The link leads to a folder. Say where to put it: `sealift get 'LINK' NEW-NAME`.";
        return Err(Failure::new(Kind::NotDirectory, format!("{shown}: not a folder"), hint).at(path));
    }
    let hint = "Say where to put it: `sealift get 'LINK' NEW-NAME`; or -c to go on with it, or --if-exists overwrite.";
    let text = format!("{shown}: is here already, and the link does not replace it");
    Err(Failure::new(Kind::Exists, text, hint).at(path))
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
            let link = LinkTarget { kind: "folder".to_owned(), name: name.to_vec(), takes: None };
            plain_name(Some(&link)).unwrap().to_string()
        };
        assert_eq!(named(b"photos"), "photos");
        for bad in [&b""[..], b".", b"..", b"../x", b"/etc", b"a/b", b".ssh", b"a\x1b"] {
            assert_eq!(named(bad), "link", "{bad:?}");
        }
        assert_eq!(plain_name(None).unwrap().to_string(), "link");
    }
}

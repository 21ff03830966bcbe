//! `put FILE... LINK`: files are put in by somebody's link, and nothing is seen of what is there.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use sealift::client::LinkUrl;
use sealift::files::RelPath;
use sealift::link_commands::curl_put;
use sealift::{Error, Kind};

use super::by_link;
use super::put::Send;
use crate::args::Put;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::interrupt;
use crate::transfer::{How, Way};

/// The link that files are to be put in by, if one is meant.
///
/// # Errors
/// [`Kind::Usage`] for one that is not whole.
pub fn meant(names: &[OsString]) -> Outcome<Option<LinkUrl>> {
    by_link::meant(names.last())
}

/// Puts these files in.
///
/// # Errors
/// As `put` of files, and as [`by_link::enter`]; [`Kind::Usage`] for what no link takes.
pub async fn run(ctx: &Context, args: &Put, url: LinkUrl) -> Outcome {
    refuse_options(args)?;
    let locals = match args.names.split_last() {
        Some((_, locals)) if !locals.is_empty() => locals,
        _ => {
            let hint = "Name what to send and then the link: `sealift put FILE 'LINK'`.";
            return Err(Failure::new(Kind::Usage, "only the link is given, and no file", hint));
        }
    };
    ctx.set_rate(args.how.transfer.flow.limit_rate, args.how.transfer.connections())?;
    let mut send = Send::by_link(ctx, &args.how.transfer.flow)?;
    // Looked at before connecting: most mistakes are local.
    let (takes, not): (Vec<_>, Vec<_>) =
        locals.iter().map(|local| (local, refused(local))).partition(|(_, why)| why.is_none());
    send.missed(not.into_iter().filter_map(|(_, why)| why).collect())?;
    let takes: Vec<OsString> = takes.into_iter().map(|(local, _)| local.clone()).collect();
    let sources = send.sources(&takes)?;
    if sources.is_empty() {
        return send.finish(None);
    }
    let (login, connected) = by_link::enter(ctx, &url, ("put", "FILE 'LINK'")).await.map_err(|failure| {
        // What a server says that is too old for it.
        failure.hinted(Kind::Denied, || with_curl(&url))
    })?;
    if connected.welcome.link.as_ref().is_none_or(|link| link.kind != "drop") {
        let hint = "`sealift get 'LINK'` fetches what it gives; `sealift link --drop` makes one that takes files.";
        return Err(Failure::new(Kind::Denied, format!("{url}: it gives files, and takes none"), hint));
    }
    interrupt::begins_anew();
    send.how = How::new(&args.how.transfer, ctx.retries(&login))?;
    let target = by_link::target(&url, RelPath::root());
    let way = Way::back_to(ctx, &login, &connected);
    ctx.over(connected.client, &login, async |client| {
        send.deliver(client, &login, Some(&way), sources, &target).await?;
        send.finish(Some(client))
    })
    .await
}

/// Refuses what is about things that are there already, which nobody sees who puts files in, or about folders.
fn refuse_options(args: &Put) -> Outcome {
    let how = &args.how;
    let option = match () {
        () if how.list.files_from.is_some() => "--files-from",
        () if how.transfer.resume => "-c",
        () if how.transfer.streams > 1 => "--streams",
        () if how.transfer.exactly => "-T",
        () if how.transfer.if_exists.is_some() => "--if-exists",
        () if how.transfer.update => "--update",
        () if how.transfer.dry_run => "--dry-run",
        () if how.transfer.perms => "--perms",
        () if how.recursive => {
            return Err(Failure::new(Kind::Usage, "files are put in by a link, and no folders", ARCHIVE));
        }
        () => return Ok(()),
    };
    let text = format!(
        "a link receives files as new ones, under their own names, and shows nothing of what is there: {option} cannot be used"
    );
    Err(Failure::new(Kind::Usage, text, "Leave the option away."))
}

const ARCHIVE: &str = "Make one file of a folder first: `tar czf FOLDER.tgz FOLDER`.";

/// Why this is not sent, if it is nothing that a link takes. What is not there is told of elsewhere.
fn refused(local: &OsString) -> Option<Failure> {
    let shown = Path::new(local).display();
    let length = "A link limits how much it takes, so the length must be known: write it to a file first.";
    if local == "-" {
        return Some(Failure::new(
            Kind::Usage,
            "standard input has no name and no length that a link could take",
            length,
        ));
    }
    let found = fs::metadata(local).ok()?.file_type();
    if found.is_dir() {
        let error = Error::new(Kind::IsDirectory, format!("{shown}: is a folder, and the link receives files"));
        return Some(Failure::from(error.at(local)).hinted(Kind::IsDirectory, || ARCHIVE.to_owned()));
    }
    let pipe =
        || Failure::new(Kind::NotRegular, format!("{shown}: is a pipe, whose length nobody knows"), length).at(local);
    found.is_fifo().then(pipe)
}

/// How curl sends a file by this link. What the link gives to whoever has it is not repeated.
fn with_curl(link: &LinkUrl) -> String {
    let curl = curl_put(&link.pins, false);
    let checks = if !link.pins.is_empty() { ", and checks the server's key by that" } else { "" };
    format!("The server is too old for this: `{curl} 'LINK'` sends one{checks}.")
}

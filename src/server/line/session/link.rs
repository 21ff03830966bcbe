//! LINK, LINKS and UNLINK: what somebody lets others have without an account.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::info;

use super::Talk;
use crate::auth::{Link, LinkShown, LinkTerms};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::lane::Outgoing;
use crate::machine::turns;
use crate::proto::{LinkArgs, LinkEnd, ReplyWriter};
use crate::secret::Secret;
use crate::server::desk::running::Running;

impl Talk {
    pub(super) fn link(&mut self, args: LinkArgs, running: Running, out: &mut Outgoing) {
        let mut running = self.desk.about_link_to(&args.path, running);
        if let Some(name) = &args.name {
            running = running.about(name.as_str());
        }
        match self.try_link(args, &running) {
            Ok((secret, link)) => {
                let running = running.about(link.name.as_str());
                let (ticket, user) = (self.desk.ticket(), self.desk.principal().name());
                // Whatever else is left out of the log, this is not.
                info!(
                    session = %ticket.id(), peer = %ticket.peer(), user, link = link.name, path = %link.path,
                    kind = link.to.word(), "link made"
                );
                self.done(
                    &running,
                    |line| linked(line, &link, &secret),
                    "Whoever has the link has what it gives.",
                    out,
                );
            }
            Err(error) => self.fail(running, error, out),
        }
    }

    fn try_link(&mut self, args: LinkArgs, running: &Running) -> Result<(Secret, Arc<Link>)> {
        let LinkArgs { path, name, expires, password, downloads } = args;
        let (to, path) = self.desk.link_to(&path, running)?;
        let downloads = downloads.map(|n| number(n, "downloads=")).transpose()?;
        let expires = end(expires)?;
        let password =
            password.map(|password| turns::block_in_place(|| self.self_service.hash(password))).transpose()?;
        self.desk.make_link(LinkTerms { to, path, name, expires, password, downloads })
    }

    pub(super) fn links(&mut self, running: Running, out: &mut Outgoing) {
        let links = self.desk.users().latest().links_of(self.desk.principal());
        for shown in &links {
            self.replies.preliminary(|line| link_line(line, shown), out);
        }
        let count = links.len();
        self.done(&running, |line| ReplyWriter::new(line, 212, "done").field("links", count), "", out);
    }

    pub(super) fn unlink(&mut self, name: &str, running: Running, out: &mut Outgoing) {
        match self.desk.remove_link(name) {
            Ok(link) => {
                // Not where it fails: what is no link's name may be the secret of one.
                let running = self.desk.about_link_to(&link.path, running).about(name);
                let (ticket, user) = (self.desk.ticket(), self.desk.principal().name());
                info!(session = %ticket.id(), peer = %ticket.peer(), user, link = name, "link removed");
                self.done(
                    &running,
                    |line| ReplyWriter::new(line, 200, "removed"),
                    "The link gives nothing any more.",
                    out,
                );
            }
            Err(error) => self.fail(running, error, out),
        }
    }
}

fn linked<'a>(line: &'a mut Vec<u8>, link: &Link, secret: &Secret) -> ReplyWriter<'a> {
    let reply = ReplyWriter::new(line, 200, "linked").bytes("name", link.name.as_bytes());
    // Letters, digits, hyphens and underscores.
    let reply = reply.bytes("secret", secret.expose()).field("kind", link.to.word());
    match link.expires {
        Some(end) => reply.field("expires", end),
        None => reply,
    }
}

/// A number from one up to what can be counted.
fn number(n: u64, what: &str) -> Result<u32> {
    let bad = || Error::new(Kind::BadCommand, format!("{what} takes a number from 1 to {}", u32::MAX));
    u32::try_from(n).ok().filter(|n| *n > 0).ok_or_else(bad)
}

/// When it ends, in seconds since 1970.
fn end(expires: Option<LinkEnd>) -> Result<Option<u64>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match expires {
        None => Ok(Some(now + limits::LINK_LIFETIME.as_secs())),
        Some(LinkEnd::Never) => Ok(None),
        Some(LinkEnd::At(end)) if end <= now => Err(Error::new(Kind::BadCommand, "expires= is in the past")),
        Some(LinkEnd::At(end)) => Ok(Some(end.min(now + limits::LINK_LIFETIME_MAX.as_secs()))),
    }
}

fn link_line(line: &mut Vec<u8>, LinkShown { link, used }: &LinkShown) {
    let reply = ReplyWriter::new(line, 114, "link").bytes("name", link.name.as_bytes());
    let mut reply = reply.bytes("path", link.path.as_bytes()).field("kind", link.to.word()).field("added", link.added);
    if let Some(end) = link.expires {
        reply = reply.field("expires", end);
    }
    if link.has_password() {
        reply = reply.field("password", "yes");
    }
    if let Some(most) = link.downloads {
        reply = reply.field("downloads", most).field("downloaded", used.downloads);
    }
    reply.end();
}

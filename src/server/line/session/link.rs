//! LINK, LINKS and UNLINK: what somebody lets others have without an account.

use std::sync::Arc;

use super::Talk;
use crate::auth::{InboxBounds, Link, LinkShown, LinkTo};
use crate::error::Result;
use crate::machine::lane::Outgoing;
use crate::machine::turns;
use crate::proto::{self, InboxArgs, LinkArgs, ReplyWriter};
use crate::secret::Secret;
use crate::server::desk::linking::{InboxWish, LinkEnd, LinkWish};
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
        let LinkArgs { path, inbox, name, expires, password, downloads } = args;
        let inbox = inbox.map(|InboxArgs { bytes, files }| InboxWish { bytes, files });
        let end = match expires {
            None => LinkEnd::Usual,
            Some(proto::LinkEnd::Never) => LinkEnd::Never,
            Some(proto::LinkEnd::At(end)) => LinkEnd::At(end),
        };
        let mut terms = self.desk.link_terms(LinkWish { path, inbox, name, end, downloads }, running)?;
        terms.password =
            password.map(|password| turns::block_in_place(|| self.self_service.hash(password))).transpose()?;
        self.desk.make_link(terms)
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
            Ok((link, over)) => {
                // Not where it fails: what is no link's name may be the secret of one.
                self.desk.succeeded(&self.desk.about_link_to(&link.path, running).about(name));
                match over {
                    Ok(()) => {
                        let text = "The link gives nothing any more.";
                        self.replies.done(|line| ReplyWriter::new(line, 200, "removed"), text, out);
                    }
                    Err(error) => self.replies.refuse(&error, out),
                }
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

fn link_line(line: &mut Vec<u8>, LinkShown { link, used, is_void, .. }: &LinkShown) {
    let reply = ReplyWriter::new(line, 114, "link").bytes("name", link.name.as_bytes());
    let mut reply = reply.bytes("path", link.path.as_bytes()).field("kind", link.to.word()).field("added", link.added);
    if let Some(end) = link.expires {
        reply = reply.field("expires", end);
    }
    if *is_void {
        reply = reply.field("void", "yes");
    }
    if link.has_password() {
        reply = reply.field("password", "yes");
    }
    if let Some(most) = link.downloads {
        reply = reply.field("downloads", most).field("downloaded", used.downloads);
    }
    if let LinkTo::Inbox(InboxBounds { bytes, files }) = link.to {
        reply = reply.field("size", bytes).field("files", files);
        reply = reply.field("came", used.bytes).field("came-files", used.files);
    }
    reply.end();
}

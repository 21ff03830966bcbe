//! One large file over several connections of one login.
//!
//! The first connection leads: it asks what must be asked once (HASH, STAGE, COMMIT) and moves bytes like the others.
//! All of them take ranges of one block from a common list, so that a slow connection holds nobody up; what a lost one
//! had taken goes back on the list. If the first is lost the transfer is, as without streams, to be tried again.

mod crew;
mod crowd;
mod get;
mod put;
mod ranges;

use std::sync::Arc;

use futures::future::join_all;
use futures::join;

pub(super) use self::crowd::{Crowd, crowded, fetch as fetch_files, send as send_files};
pub(super) use self::get::{LargeDownload, get_all, probe};
pub(super) use self::put::{put_all, set_aside};
use self::ranges::Ranges;
use super::connection::Client;
use super::ledger::Ledger;
use super::observer::Observer;
use super::session::Session;
use crate::error::Result;
use crate::limits;
use crate::proto::Command;
use crate::sync::Mutex;

/// What a transfer over several connections works with.
pub(super) struct Streams<'a> {
    /// The first connection.
    pub(super) client: &'a mut Client,
    /// Connections wanted in all.
    pub(super) wanted: u32,
    pub(super) observer: &'a Arc<dyn Observer>,
    pub(super) ledger: &'a Arc<Mutex<Ledger>>,
}

impl Streams<'_> {
    /// Opens the connections that are missing; says whether there is more than the first.
    async fn widen(&mut self) -> Result<bool> {
        let before = self.client.streams();
        let why = self.client.widen(self.wanted).await?;
        let now = self.client.streams();
        if now != before || why.is_some() {
            self.observer.streams(now, self.wanted as usize, why.as_ref());
        }
        Ok(now > 1)
    }

    fn with_ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock())
    }

    /// Runs `lead` on the first connection and `help` on each of the others, until the first one is done. `help` is to
    /// end when the ranges are over.
    async fn together<T: Send + 'static>(
        &mut self,
        ranges: &Ranges,
        lead: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
        help: impl Fn(&mut Session) -> Result<()> + Clone + Send + 'static,
    ) -> Result<T> {
        let mut crew = self.client.take_crew();
        let stops: Vec<_> = crew.iter().map(Client::own_stop).collect();
        let helping = join_all(crew.iter_mut().map(|helper| {
            let help = help.clone();
            helper.run(move |session| help(session))
        }));
        let leading = async {
            let led = self.client.run(lead).await;
            if !ranges.end() {
                // Some still wait for what nobody needs any more.
                for stop in stops {
                    stop.close();
                }
            }
            led
        };
        // What became of a helper it has told the observer itself.
        let (led, _) = join!(leading, helping);
        self.client.give_crew(crew);
        led
    }
}

/// Tells the server that we are still there, while others work.
fn ping(session: &mut Session) -> Result<()> {
    session.command(&Command::Ping)?;
    session.expect(200).map(drop)
}

/// Whether a file of this size is worth several connections.
pub(super) fn is_large(size: u64) -> bool {
    size >= limits::STREAM_MIN
}

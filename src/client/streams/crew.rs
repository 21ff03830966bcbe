//! More connections of one login: tokens from the first one open the others.

use async_std::channel::Sender;
use futures::future::join_all;
use zeroize::Zeroizing;

use crate::client::connection::{Client, welcome};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::proto::Command;
use crate::secret::Secret;

impl Client {
    /// Connections of this login that this one can use, itself included: more than one after a [`crate::client::Transfer`]
    /// with streams.
    pub fn streams(&self) -> usize {
        1 + self.crew.len()
    }

    /// Opens further connections, up to `streams` in all. Says what kept it from having all of them; that is no failure,
    /// but it is not tried again: each refused connection may count against us.
    ///
    /// # Errors
    /// What ended this connection.
    pub(in crate::client) async fn widen(&mut self, streams: u32) -> Result<Option<Error>> {
        self.crew.retain(Client::is_usable);
        let why = self.open_missing(streams.min(self.most)).await?;
        if why.is_some() {
            self.most = u32::try_from(self.streams()).unwrap_or(self.most);
        }
        Ok(why)
    }

    async fn open_missing(&mut self, streams: u32) -> Result<Option<Error>> {
        let missing = streams.saturating_sub(u32::try_from(self.streams()).unwrap_or(u32::MAX));
        if missing == 0 {
            return Ok(None);
        }
        let tokens = match self.run(move |session| tokens(session, missing)).await {
            Ok(tokens) => tokens,
            Err(error) if self.is_usable() => return Ok(Some(error)),
            Err(error) => return Err(error),
        };
        let given = tokens.len();
        let mut tokens = tokens.into_iter();
        let mut why = None;
        // One alone first: if the server does not take it, fifteen refusals would look like an attack.
        match tokens.next() {
            None => {}
            Some(token) => match self.join(token).await {
                Ok(helper) => {
                    self.crew.push(helper);
                    for joined in join_all(tokens.map(|token| self.join(token))).await {
                        match joined {
                            Ok(helper) => self.crew.push(helper),
                            Err(error) => why = Some(error),
                        }
                    }
                }
                Err(error) => why = Some(error),
            },
        }
        if why.is_none() && given < missing as usize {
            why = Some(Error::new(Kind::TooMany, "the server gives no more connections now"));
        }
        Ok(why)
    }

    async fn join(&self, token: Secret) -> Result<Client> {
        let mut helper = self.again().await?;
        helper
            .run(move |session| {
                session.command(&Command::Join(token))?;
                welcome(session)
            })
            .await?;
        Ok(helper)
    }

    pub(in crate::client) fn take_crew(&mut self) -> Vec<Client> {
        std::mem::take(&mut self.crew)
    }

    /// Takes back those that are still of use.
    pub(super) fn give_crew(&mut self, crew: Vec<Client>) {
        self.crew.extend(crew.into_iter().filter(Client::is_usable));
    }

    /// What ends this connection alone, and not those of the same login.
    pub(super) fn own_stop(&self) -> Sender<()> {
        self.stop.clone()
    }
}

fn tokens(session: &mut Session, count: u32) -> Result<Vec<Secret>> {
    session.command(&Command::Token { count })?;
    let tokens = session.expect(200).and_then(|reply| {
        let tokens = Zeroizing::new(reply.bytes("tokens")?);
        let tokens = tokens.split(|byte| *byte == b',').filter(|token| !token.is_empty());
        Ok(tokens.take(count as usize).map(Secret::new).collect())
    });
    session.forget_line();
    tokens
}

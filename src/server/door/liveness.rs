//! Whether the server can serve: shown by those who do it, each in the place where it works.
//!
//! A disk that lets everybody wait is not looked at: to end the server, as a watchdog does, would not mend that.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_std::channel::{Receiver, Sender, bounded};
use async_std::task::spawn;

use crate::error::{Error, Kind, Result};
use crate::machine::source::Source;
use crate::server::Shared;
use crate::sync::Mutex;

/// Asks; whoever gets it answers.
pub type Question = Sender<()>;

/// The doors that can be asked.
#[derive(Debug, Default)]
pub struct Liveness {
    doors: Mutex<Vec<Sender<Question>>>,
}

impl Liveness {
    /// One more door. It answers what comes out here.
    pub fn door(&self) -> Receiver<Question> {
        let (ask, asked) = bounded(1);
        self.doors.lock().push(ask);
        asked
    }

    /// Waits until every door has answered.
    ///
    /// # Errors
    /// [`Kind::Internal`]: a door is shut, or there is none.
    async fn ask_doors(&self) -> Result<()> {
        let shut = || Error::new(Kind::Internal, "it accepts no connections");
        let doors = self.doors.lock().clone();
        if doors.is_empty() {
            return Err(shut());
        }
        for door in doors {
            let (question, answer) = bounded(1);
            door.send(question).await.map_err(|_| shut())?;
            answer.recv().await.map_err(|_| shut())?;
        }
        Ok(())
    }
}

/// As whom the server proves it: nobody who connects is this.
pub fn own() -> Source {
    Source::from(IpAddr::from(Ipv4Addr::UNSPECIFIED))
}

/// Waits until all that a connection takes has shown that it goes on: the doors, the executor, and a turn on a session's
/// thread, where the users and the sessions can be looked at. Whoever waits says how long it may take.
///
/// # Errors
/// [`Kind::Internal`]: what does not go on any more.
pub async fn prove_life(shared: &Arc<Shared>, source: &Source) -> Result<()> {
    shared.liveness.ask_doors().await?;
    let theirs = shared.clone();
    let source = source.clone();
    spawn(async move {
        let seen = theirs.clone();
        theirs
            .turns
            .run(&source, move || {
                let _users = seen.users.latest();
                let _sessions = seen.registry.connections();
            })
            .await
    })
    .await
}

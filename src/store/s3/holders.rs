//! Which of several servers has an upload in parts.
//!
//! Storages need heed no condition, so nothing here is written by two: each key is one server's own, says one thing, and is removed by that
//! server alone. So a request that the storage carries out late takes nothing from anybody.
//!
//! - A *claim*, with a ticket: somebody has taken the upload over. The highest ticket has it; who began it has the lowest, and needs no claim.
//! - An *end*: somebody is about to complete the upload, or to give it up.
//!
//! Whoever takes it over writes a claim that is higher than all others and then looks for ends: if there is one, the claim goes again, and the
//! upload is not theirs. Whoever ends it writes the end and then looks for claims: if one is higher, the end goes again, and they have
//! been superseded. Of two, at least one sees the other. So one alone ends an upload, ever, and what the storage has made of it
//! is of the parts of that one. If each sees the other, the one that was to take it over gives way, and the other one looks
//! again a moment later; if it gives way too, what was written down of the upload stays, for the next one.

use std::sync::Arc;
use std::thread;

use super::engine::{Call, Why};
use super::names::Spot;
use super::shared::{Shared, a_number};
use crate::error::Result;
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::sync::Mutex;

/// What an end's key has where a claim's has its ticket.
const END: &str = "end";

/// A server that has an upload, or means to.
pub(super) struct Holder {
    shared: Arc<Shared>,
    /// What the keys begin with.
    place: String,
    /// Told from every other one by it.
    pub(super) owner: String,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// None: it was begun here.
    ticket: u32,
    /// An end is written, or may be.
    is_end_written: bool,
    /// It is this one's to end.
    ends: bool,
    is_superseded: bool,
}

/// What servers say of an upload.
#[derive(Debug, Default)]
struct Said {
    claims: Vec<(u32, String)>,
    has_end: bool,
}

impl Said {
    fn has_above(&self, ticket: u32, owner: &str) -> bool {
        self.claims.iter().any(|(other, whose)| (*other, whose.as_str()) > (ticket, owner))
    }
}

impl Holder {
    /// Who begins the upload of this id, or is about to claim it.
    pub(super) fn new(shared: &Arc<Shared>, full: &Spot, id: &str) -> Result<Holder> {
        Ok(Holder::known(shared, (full, id), (0, a_number()?)))
    }

    /// Who had it when that was written down, and is gone.
    pub(super) fn known(shared: &Arc<Shared>, (full, id): (&Spot, &str), (ticket, owner): (u32, String)) -> Holder {
        let state = Mutex::new(State { ticket, ..State::default() });
        Holder { shared: shared.clone(), place: shared.keys.holders(full, id), owner, state }
    }

    pub(super) fn ticket(&self) -> u32 {
        self.state.lock().ticket
    }

    fn claim_key(&self, ticket: u32) -> String {
        format!("{}{ticket:08x}-{}", self.place, self.owner)
    }

    fn end_key(&self) -> String {
        format!("{}{END}-{}", self.place, self.owner)
    }

    /// Takes it over. Whether that is done: not if somebody is about to end it, or takes it over at this moment, too.
    pub(super) fn claim(&self) -> Result<bool, Why> {
        let there = self.shared.said_of(&self.place)?;
        let highest = there.claims.iter().map(|(ticket, _)| *ticket).max().unwrap_or(0);
        let Some(ticket) = highest.checked_add(1).filter(|_| !there.has_end) else { return Ok(false) };
        self.state.lock().ticket = ticket;
        let key = self.claim_key(ticket);
        let looked = self
            .shared
            .engine
            .ask_all(&Call::of("PUT", &key))
            .and_then(|_| self.shared.said_of(&self.place))
            .map(|there| !there.has_end && !there.has_above(ticket, &self.owner));
        if !looked.as_ref().is_ok_and(|is_ours| *is_ours) {
            self.unclaim();
        }
        looked
    }

    /// It is not theirs after all.
    pub(super) fn unclaim(&self) {
        self.state.lock().is_superseded = true;
        let _goes_when_it_is_old = self.shared.engine.delete(&self.claim_key(self.ticket()), None);
    }

    /// Whether somebody else has taken it over, or is about to.
    pub(super) fn is_superseded(&self) -> Result<bool, Why> {
        let state = *self.state.lock();
        if state.is_superseded || state.ends {
            return Ok(state.is_superseded);
        }
        Ok(self.shared.said_of(&self.place)?.has_above(state.ticket, &self.owner))
    }

    /// The same for somebody who does nothing more then, whatever becomes of it.
    pub(super) fn gives_way(&self) -> Result<bool, Why> {
        let is_superseded = self.is_superseded()?;
        self.state.lock().is_superseded = is_superseded;
        Ok(is_superseded)
    }

    /// It is about to be completed, or given up. Whether that is for this one to do: then it is for nobody else any more.
    pub(super) fn end(&self) -> Result<bool, Why> {
        // Whoever has lost it for certain writes nothing that could turn others away.
        if self.gives_way()? {
            return Ok(false);
        }
        if self.state.lock().ends {
            return Ok(true);
        }
        self.state.lock().is_end_written = true;
        self.shared.engine.ask_all(&Call::of("PUT", &self.end_key()))?;
        let mut pause = limits::ENGINE_PAUSE;
        for _ in 0..limits::ENGINE_END_LOOKS {
            if !self.shared.said_of(&self.place)?.has_above(self.ticket(), &self.owner) {
                self.state.lock().ends = true;
                return Ok(true);
            }
            // Whoever claims it sees the end, if that came first, and takes the claim back.
            block_in_place(|| thread::sleep(pause));
            pause *= 2;
        }
        self.state.lock().is_superseded = true;
        self.take_end_back();
        Ok(false)
    }

    /// The upload is over, or somebody may go on with it.
    pub(super) fn take_end_back(&self) {
        let is_written = {
            let mut state = self.state.lock();
            state.ends = false;
            std::mem::take(&mut state.is_end_written)
        };
        if is_written {
            let _goes_when_it_is_old = self.shared.engine.delete(&self.end_key(), None);
        }
    }
}

impl Shared {
    /// Whether somebody is about to end the upload of this id, or has ended it a moment ago.
    pub(super) fn is_ending(&self, full: &Spot, id: &str) -> Result<bool, Why> {
        self.engine.has_any(&format!("{}{END}-", self.keys.holders(full, id)))
    }

    fn said_of(&self, place: &str) -> Result<Said, Why> {
        let mut said = Said::default();
        self.each_page(place, |page| {
            let names = page.iter().filter_map(|object| object.key.strip_prefix(place)?.split_once('-'));
            for (what, owner) in names {
                match u32::from_str_radix(what, 16) {
                    Ok(ticket) => said.claims.push((ticket, owner.to_owned())),
                    Err(_) => said.has_end |= what == END,
                }
            }
            Ok(())
        })?;
        Ok(said)
    }
}

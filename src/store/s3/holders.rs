//! Which of several servers has an upload in parts.
//!
//! Storages need heed no condition, so nothing here is written by two: each key is one server's own and says one thing, and no key is
//! written again once it has gone. So a request that the storage carries out late takes nothing from anybody.
//!
//! - A *claim*, with a ticket: somebody has taken the upload over. The highest ticket has it; who began it has the lowest, and needs no claim.
//! - An *end*: somebody is about to complete the upload, or to give it up.
//!
//! Whoever takes it over writes a claim that is higher than all others and then looks for ends: if there is one, the claim goes again, and the
//! upload is not theirs. Whoever ends it writes the end and then looks for claims: if one is higher, the end goes again, and they have
//! been superseded. Of two, at least one sees the other. So one alone ends an upload, ever, and what the storage has made of it
//! is of the parts of that one. If each sees the other, the one that was to take it over gives way, and the other one looks
//! again a moment later; if it gives way too, what was written down of the upload stays, for the next one.
//!
//! What is written stays as long as anybody may rely on it. A claim goes when a higher one stands that does not go, or when it is old and the
//! storage has nothing of the upload any more (`sweep`). Whoever has not looked for nearly as long as that has lost the upload: what would
//! have told them may be gone. An end goes when its server has asked for nothing, or knows what came of it.
//!
//! `model` goes through every course that a few servers can take by these rules.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::engine::{Call, Engine, Why, unavailable};
use super::names::Spot;
use super::object::odd;
use super::shared::{Shared, a_number};
use super::upload::Multipart;
use crate::error::Result;
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::sync::Mutex;

#[cfg(test)]
mod model;

/// What an end's key has where a claim's has its ticket.
const END: &str = "end";

/// A server that has an upload, or means to.
pub(super) struct Holder {
    shared: Arc<Shared>,
    /// What the keys begin with.
    place: String,
    /// What each says.
    text: Vec<u8>,
    /// Told from every other one by it.
    pub(super) owner: String,
    state: Mutex<State>,
}

/// Which upload something is written of: keys have hashes of both.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Of {
    pub(super) key: String,
    /// What the storage calls the upload.
    pub(super) id: String,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// None: it was begun here.
    ticket: u32,
    /// When there was no higher one yet.
    look: Look,
    /// An end is written, or may be.
    is_end_written: bool,
    /// Some of what was written may be written once more: an attempt at it was not answered.
    is_late: bool,
    /// It is this one's to end.
    ends: bool,
    is_superseded: bool,
}

/// When somebody looked, by this machine's clock and by the storage's, which goes on while a machine is stopped.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    storage: i64,
}

/// Whether the storage has nothing more of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    Yes,
    /// It was asked to give it up, and did not say what became of that.
    Unknown,
    No,
}

/// What servers say of an upload.
#[derive(Debug, Default)]
struct Said {
    claims: Vec<(u32, String)>,
    has_end: bool,
}

impl Look {
    fn now(engine: &Engine) -> Look {
        Look { at: Instant::now(), storage: engine.now() }
    }

    /// How long ago that was.
    fn age(&self, engine: &Engine) -> Duration {
        let by_storage = u64::try_from(engine.now().saturating_sub(self.storage)).unwrap_or(0);
        self.at.elapsed().max(Duration::from_secs(by_storage))
    }
}

/// Whether whoever looked so long ago has lost what they had then.
fn is_too_old(look: Duration) -> bool {
    look >= limits::ENGINE_HELD
}

impl Said {
    /// The ticket of who takes it over, above what was written down too. None if somebody is about to end it.
    fn next(&self, written: u32) -> Option<u32> {
        let highest = self.claims.iter().map(|(ticket, _)| *ticket).max().unwrap_or(0);
        highest.max(written).checked_add(1).filter(|_| !self.has_end)
    }

    fn has_above(&self, ticket: u32, owner: &str) -> bool {
        self.claims.iter().any(|(other, whose)| (*other, whose.as_str()) > (ticket, owner))
    }

    /// Whether somebody has the upload now whose claim is here.
    fn is_taken_by(&self, ticket: u32, owner: &str) -> bool {
        !self.has_end && !self.has_above(ticket, owner)
    }

    /// Whether nobody but this one has taken it over since somebody left it.
    fn is_left_by(&self, (ticket, left_by): (u32, &str), owner: &str) -> bool {
        self.claims.iter().all(|(other, whose)| whose == owner || (*other, whose.as_str()) <= (ticket, left_by))
    }

    /// Claims that mean nothing more beside this one.
    fn below(&self, ticket: u32, owner: &str) -> impl Iterator<Item = (u32, &str)> {
        let claims = self.claims.iter().map(|(other, whose)| (*other, whose.as_str()));
        claims.filter(move |claim| *claim < (ticket, owner))
    }
}

/// Whether this, behind what the keys of an upload begin with, is an end's.
pub(super) fn is_end(said: &str) -> bool {
    said.split_once('-').is_some_and(|(what, _)| what == END)
}

impl Holder {
    /// Who begins the upload of this id, or is about to claim it.
    pub(super) fn new(shared: &Arc<Shared>, full: &Spot, id: &str) -> Result<Holder> {
        let of = Of { key: shared.keys.file(full)?, id: id.to_owned() };
        let text = serde_json::to_vec(&of).map_err(|err| odd(&err.to_string()))?;
        let state = Mutex::new(State {
            ticket: 0,
            look: Look::now(&shared.engine),
            is_end_written: false,
            is_late: false,
            ends: false,
            is_superseded: false,
        });
        Ok(Holder { shared: shared.clone(), place: shared.keys.holders(full, id), text, owner: a_number()?, state })
    }

    pub(super) fn ticket(&self) -> u32 {
        self.state.lock().ticket
    }

    fn claim_key(&self, ticket: u32, owner: &str) -> String {
        format!("{}{ticket:08x}-{owner}", self.place)
    }

    fn end_key(&self) -> String {
        format!("{}{END}-{}", self.place, self.owner)
    }

    fn write(&self, key: &str) -> Result<(), Why> {
        let call = Call::of("PUT", key).sending(self.text.clone());
        let written = self.shared.engine.ask_all(&call);
        self.state.lock().is_late |= call.is_in_doubt();
        written.map(drop)
    }

    /// Takes it over, with a ticket that is also above the one that was written down. The keys of what is superseded by that; none if it is
    /// not done: somebody is about to end it, or takes it over at this moment, too.
    pub(super) fn claim(&self, written: u32) -> Result<Option<Vec<String>>, Why> {
        self.claim_if(written, |_| true)
    }

    /// Takes over what somebody has left, as `claim` does: not if anybody has gone on with it since.
    pub(super) fn claim_left(&self, left_by: (u32, &str)) -> Result<Option<Vec<String>>, Why> {
        self.claim_if(left_by.0, |there| there.is_left_by(left_by, &self.owner))
    }

    fn claim_if(&self, written: u32, may: impl Fn(&Said) -> bool) -> Result<Option<Vec<String>>, Why> {
        let there = self.shared.said_of(&self.place)?;
        let Some(ticket) = there.next(written).filter(|_| may(&there)) else { return Ok(None) };
        self.state.lock().ticket = ticket;
        let key = self.claim_key(ticket, &self.owner);
        let look = Look::now(&self.shared.engine);
        match self.write(&key).and_then(|()| self.shared.said_of(&self.place)) {
            Ok(there) if there.is_taken_by(ticket, &self.owner) && may(&there) => {
                self.state.lock().look = look;
                Ok(Some(
                    there.below(ticket, &self.owner).map(|(ticket, owner)| self.claim_key(ticket, owner)).collect(),
                ))
            }
            looked => {
                self.unclaim();
                looked.map(|_| None)
            }
        }
    }

    /// It is not theirs after all.
    pub(super) fn unclaim(&self) {
        let state = {
            let mut state = self.state.lock();
            state.is_superseded = true;
            *state
        };
        self.shared.take_back(self.claim_key(state.ticket, &self.owner), state.is_late);
    }

    /// Nobody can have found the upload before this: what there is to find is about to be written.
    pub(super) fn begins(&self) {
        self.state.lock().look = Look::now(&self.shared.engine);
    }

    /// Whether it is time to look whether somebody else has taken it over.
    pub(super) fn is_look_due(&self) -> bool {
        let look = self.state.lock().look;
        look.age(&self.shared.engine) >= limits::ENGINE_HELD / 6
    }

    /// Whether somebody else has taken it over, or is about to, or may have and it can no longer be seen.
    pub(super) fn is_superseded(&self) -> Result<bool, Why> {
        let state = *self.state.lock();
        if state.is_superseded || state.ends {
            return Ok(state.is_superseded);
        }
        let look = Look::now(&self.shared.engine);
        let has_above = self.shared.said_of(&self.place)?.has_above(state.ticket, &self.owner);
        // By the time when it was answered.
        let is_superseded = has_above || is_too_old(state.look.age(&self.shared.engine));
        if !is_superseded {
            self.state.lock().look = look;
        }
        Ok(is_superseded)
    }

    /// Whether somebody else has taken it over, or may have, for one who does nothing more then, whatever becomes of it.
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
        self.write(&self.end_key())?;
        let mut pause = limits::ENGINE_PAUSE;
        for _ in 0..limits::ENGINE_END_LOOKS {
            if !self.is_superseded()? {
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

    /// The upload is over, or somebody may go on with it. Not while the storage may yet do what it was asked for by whoever ends it.
    pub(super) fn take_end_back(&self) {
        let (is_written, is_late) = {
            let mut state = self.state.lock();
            state.ends = false;
            (std::mem::take(&mut state.is_end_written), state.is_late)
        };
        if is_written {
            self.shared.take_back(self.end_key(), is_late);
        }
    }

    /// Gives up what nobody has any more and this one has claimed. Whether the storage has nothing of it any more.
    pub(super) fn gives_up_claimed(&self, upload: &Multipart) -> Result<bool, Why> {
        let gone = match upload.is_there(&self.shared.engine) {
            Ok(true) => self.gives_up(upload),
            // Somebody had ended it before the claim.
            Ok(false) => Gone::Yes,
            Err(why) => {
                self.unclaim();
                return Err(why);
            }
        };
        // Else it stands until it is old: it tells whoever comes late that they have lost the upload.
        if gone == Gone::No {
            self.unclaim();
        }
        Ok(gone == Gone::Yes)
    }

    /// Gives the upload up, if that is for this one to do.
    pub(super) fn gives_up(&self, upload: &Multipart) -> Gone {
        let gone = match self.end() {
            Ok(true) => match upload.abort(&self.shared.engine) {
                Ok(_) => Gone::Yes,
                Err(why) if why.is_unavailable() => Gone::Unknown,
                Err(_) => Gone::No,
            },
            Ok(false) | Err(_) => Gone::No,
        };
        // What was not answered may be done later, and then not beside somebody who has gone on with it.
        if gone != Gone::Unknown {
            self.take_end_back();
        }
        gone
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

    /// Removes what this process has written and has no use for. Where the storage does not do that now it is asked again later; and so it
    /// is where an attempt at writing it may be carried out yet.
    fn take_back(&self, key: String, is_late: bool) {
        let removed = match self.engine.is_silent() {
            true => Err(unavailable("it does not answer").into()),
            false => self.engine.delete(&key, None),
        };
        let again = match removed {
            Ok(()) if is_late => (key, false, Instant::now() + limits::ENGINE_DOUBT),
            Err(why) if why.is_unavailable() => (key, is_late, Instant::now()),
            // What is refused goes when it is old.
            Ok(()) | Err(_) => return,
        };
        let mut left = self.taken_back.lock();
        if left.len() < limits::ENGINE_TAKEN_BACK {
            left.push(again);
        }
    }

    /// Removes what could not be removed before, as far as the storage does it now.
    pub(super) fn take_rest_back(&self) {
        let now = Instant::now();
        let due: Vec<_> = self.taken_back.lock().extract_if(.., |(_, _, due)| *due <= now).collect();
        for (key, is_late, _) in due {
            self.take_back(key, is_late);
        }
    }
}

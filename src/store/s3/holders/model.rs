//! Every course that a few servers can take over one upload in parts, each stopped wherever it may be, over a storage that loses answers
//! and carries out late what it was asked for. Requests are its steps; what servers decide by what they are told is decided here by the same
//! functions.
#![allow(clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::collections::HashSet;

use super::{Said, is_too_old};
use crate::limits;

const MOST: usize = 4;
const NAMES: [&str; MOST] = ["0", "1", "2", "3"];

/// In so many steps of time what is written is old, and who has not looked has lost what they had.
const OLD: u8 = 2;

/// What a server is about to ask for, or to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    /// Of who takes it over: a look, the claim, another look, what the storage has of it, and what is superseded then.
    Looks,
    Claims,
    Checks,
    Lists,
    Clears,
    Unclaims,
    /// It has the upload.
    Sends,
    /// Of who ends it: a look, the end, another look, and what it ends it by.
    MayEnd,
    WritesEnd,
    ChecksEnd,
    Ends,
    /// It was not answered, and looks at what has the name.
    InDoubt,
    TakesBack,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Begins,
    GoesOn,
    /// Gives up what the first one has left, since it has one of its own.
    Replaces,
    /// Gives up what is old.
    Sweeps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Upload {
    There,
    /// A file, by whose request.
    Stored(usize),
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Server {
    at: At,
    ticket: u8,
    /// How long ago it looked.
    looked: u8,
}

/// What the storage may carry out yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Late {
    claim: bool,
    end: bool,
    complete: bool,
    abort: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    servers: [Server; MOST],
    /// How old each is, if it is there.
    claims: [Option<u8>; MOST],
    ends: [Option<u8>; MOST],
    late: [Late; MOST],
    upload: Upload,
    /// How old what is written of it is.
    record: u8,
    /// How many answers may be lost yet, and how much time may go by.
    losses: u8,
    time: u8,
    /// Who has asked to end it.
    ender: Option<usize>,
}

/// What is done otherwise than it is done here, to see that it would be found.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// What is old is swept whatever the storage has of the upload.
    sweeps_in_use: bool,
    /// Whoever looked long ago goes by that.
    trusts_old_looks: bool,
    /// An Abort that was not answered is taken for done.
    forgets_aborts: bool,
    /// What nobody knows the end of is free again.
    forgets_completes: bool,
    /// Nobody looks again after what they have written.
    looks_once: bool,
}

struct Model {
    roles: Vec<Role>,
    faults: Faults,
}

impl World {
    fn said(&self) -> Said {
        let claims = (0..MOST).filter(|at| self.claims[*at].is_some());
        let claims = claims.map(|at| (u32::from(self.servers[at].ticket), NAMES[at].to_owned())).collect();
        Said { claims, has_end: self.ends.iter().any(Option::is_some) }
    }

    fn with(&self, change: impl FnOnce(&mut World)) -> World {
        let mut world = self.clone();
        change(&mut world);
        world
    }

    fn moved(&self, who: usize, to: At) -> World {
        self.with(|world| world.servers[who].at = to)
    }

    /// What becomes of a request that changes something: it is answered, or it is not, and then it was done, or not, or will be.
    fn asked(
        &self,
        next: &mut Vec<World>,
        (answered, lost): (World, World),
        done: impl Fn(&mut World),
        late: impl Fn(&mut World),
    ) {
        next.push(answered.with(&done));
        if self.losses > 0 {
            let lost = lost.with(|world| world.losses -= 1);
            next.push(lost.with(done));
            next.push(lost.with(late));
            next.push(lost);
        }
    }

    fn is_all_old(&self) -> bool {
        let all = [&self.claims, &self.ends];
        self.record >= OLD && all.into_iter().flatten().flatten().all(|age| *age >= OLD)
    }
}

impl Model {
    fn begin(&self, losses: u8, time: u8) -> World {
        let server = |at: usize| Server {
            at: match self.roles.get(at) {
                Some(Role::Begins) => At::Sends,
                Some(_) => At::Looks,
                None => At::Over,
            },
            ticket: 0,
            looked: 0,
        };
        World {
            servers: std::array::from_fn(server),
            claims: [None; MOST],
            ends: [None; MOST],
            late: [Late::default(); MOST],
            upload: Upload::There,
            record: 0,
            losses,
            time,
            ender: None,
        }
    }

    /// Whether this one has lost the upload, by a look.
    fn is_superseded(&self, world: &World, who: usize) -> bool {
        let server = &world.servers[who];
        let age = limits::PARTIAL_MAX_AGE / u32::from(OLD) * u32::from(server.looked);
        is_too_old(age) && !self.faults.trusts_old_looks || world.said().has_above(server.ticket.into(), NAMES[who])
    }

    /// What can be next.
    fn steps(&self, world: &World, next: &mut Vec<World>) -> Result<(), String> {
        for (who, role) in self.roles.iter().enumerate() {
            self.step(world, who, *role, next)?;
            let Late { claim, end, complete, abort } = world.late[who];
            let mut later = |is_late: bool, change: &dyn Fn(&mut World)| {
                if is_late {
                    next.push(world.with(|world| change(world)));
                }
            };
            later(claim, &|world| {
                world.late[who].claim = false;
                world.claims[who] = Some(0);
            });
            later(end, &|world| {
                world.late[who].end = false;
                world.ends[who] = Some(0);
            });
            later(complete, &|world| {
                world.late[who].complete = false;
                world.store(who);
            });
            later(abort, &|world| {
                world.late[who].abort = false;
                world.give_up();
            });
            // What is old is swept.
            let may = world.upload != Upload::There || self.faults.sweeps_in_use;
            if may && world.claims[who].is_some_and(|age| age >= OLD) {
                next.push(world.with(|world| world.claims[who] = None));
            }
            if may && world.ends[who].is_some_and(|age| age >= OLD) {
                next.push(world.with(|world| world.ends[who] = None));
            }
        }
        // So is an upload that somebody was about to end.
        if world.is_all_old() && world.ends.iter().any(Option::is_some) {
            next.push(world.with(World::give_up));
        }
        if world.time > 0 {
            next.push(world.with(|world| {
                world.time -= 1;
                world.record = (world.record + 1).min(OLD);
                world.servers.iter_mut().for_each(|server| server.looked = (server.looked + 1).min(OLD));
                let ages = world.claims.iter_mut().chain(&mut world.ends).flatten();
                ages.for_each(|age| *age = (*age + 1).min(OLD));
            }));
        }
        Ok(())
    }

    fn step(&self, world: &World, who: usize, role: Role, next: &mut Vec<World>) -> Result<(), String> {
        let Server { at, ticket, .. } = world.servers[who];
        let (ticket, name, said) = (u32::from(ticket), NAMES[who], || world.said());
        let left_by = (0, NAMES[0]);
        let given_up = if matches!(role, Role::Replaces | Role::Sweeps) { At::Unclaims } else { At::Over };
        let is_left = |said: &Said| role != Role::Replaces || said.is_left_by(left_by, name);
        match at {
            At::Looks => {
                let may = match role {
                    Role::Begins | Role::GoesOn => true,
                    Role::Replaces => world.servers[0].at == At::Over,
                    Role::Sweeps => world.is_all_old(),
                };
                let said = said();
                // What was written of it may be written once more, and so says nothing for certain.
                if let Some(ticket) = said.next(0).filter(|_| may && world.upload == Upload::There && is_left(&said)) {
                    next.push(world.with(|world| {
                        world.servers[who].ticket = u8::try_from(ticket).unwrap_or(u8::MAX);
                        world.servers[who].at = At::Claims;
                    }));
                }
            }
            At::Claims => world.asked(
                next,
                (world.moved(who, At::Checks), world.moved(who, At::Unclaims)),
                |world| world.claims[who] = Some(0),
                |world| world.late[who].claim = true,
            ),
            At::Checks => {
                let said = said();
                let is_ours = said.is_taken_by(ticket, name) && is_left(&said) || self.faults.looks_once;
                next.push(world.with(|world| {
                    world.servers[who].at = if is_ours { At::Lists } else { At::Unclaims };
                    world.servers[who].looked = 0;
                }));
            }
            At::Lists => {
                let then = match role {
                    _ if world.upload != Upload::There => At::Unclaims,
                    Role::Begins | Role::GoesOn => At::Clears,
                    Role::Replaces | Role::Sweeps => At::MayEnd,
                };
                next.push(world.moved(who, then));
            }
            At::Clears => {
                let said = said();
                let below: Vec<&str> = said.below(ticket, name).map(|(_, owner)| owner).collect();
                let mut world = world.moved(who, At::Sends);
                for at in (0..MOST).filter(|at| below.contains(&NAMES[*at])) {
                    world.claims[at] = None;
                }
                next.push(world);
            }
            At::Unclaims => next.push(world.with(|world| {
                world.claims[who] = None;
                world.servers[who].at = At::Over;
            })),
            At::Sends => {
                if world.servers[who].looked > 0 || world.record > 0 {
                    next.push(match self.is_superseded(world, who) {
                        true => world.moved(who, At::Over),
                        false => world.with(|world| {
                            world.servers[who].looked = 0;
                            world.record = 0;
                        }),
                    });
                }
                next.push(world.moved(who, At::MayEnd));
                // It is kept.
                next.push(world.moved(who, At::Over));
            }
            At::MayEnd => next.push(match self.is_superseded(world, who) {
                true => world.moved(who, given_up),
                false => world.with(|world| {
                    world.servers[who].looked = 0;
                    world.servers[who].at = At::WritesEnd;
                }),
            }),
            At::WritesEnd => world.asked(
                next,
                (world.moved(who, At::ChecksEnd), world.moved(who, At::TakesBack)),
                |world| world.ends[who] = Some(0),
                |world| world.late[who].end = true,
            ),
            At::ChecksEnd => {
                if !self.is_superseded(world, who) || self.faults.looks_once {
                    next.push(world.moved(who, At::Ends));
                }
                // It has looked often enough, or could not.
                next.push(world.moved(who, At::TakesBack));
            }
            At::Ends => {
                next.push(world.moved(who, At::TakesBack));
                self.ends(world, who, role, next)?;
            }
            At::InDoubt => {
                if matches!(world.upload, Upload::Stored(by) if by != who) {
                    return Err(format!("{who} takes another one's file for its own: {world:?}"));
                }
                let is_free = world.upload == Upload::Stored(who) || self.faults.forgets_completes;
                next.push(world.moved(who, if is_free { At::TakesBack } else { At::Over }));
            }
            At::TakesBack => next.push(world.with(|world| {
                world.ends[who] = None;
                world.servers[who].at = if world.ender == Some(who) { At::Over } else { given_up };
            })),
            At::Over => {}
        }
        Ok(())
    }

    /// It asks the storage to complete it, or to give it up.
    fn ends(&self, world: &World, who: usize, role: Role, next: &mut Vec<World>) -> Result<(), String> {
        if world.ender.is_some_and(|ender| ender != who) {
            return Err(format!("{who} ends it beside another one: {world:?}"));
        }
        let (ticket, is_old) = (world.servers[who].ticket, |looked: u8| looked >= OLD);
        let has_it = |at: At| matches!(at, At::Clears | At::Sends | At::WritesEnd | At::ChecksEnd | At::Ends);
        let is_above = |(at, server): (usize, &Server)| {
            (server.ticket, at) > (ticket, who) && has_it(server.at) && !is_old(server.looked)
        };
        if world.servers.iter().enumerate().any(is_above) {
            return Err(format!("{who} ends what another one has: {world:?}"));
        }
        let world = world.with(|world| world.ender = Some(who));
        if matches!(role, Role::Begins | Role::GoesOn) {
            world.asked(
                next,
                (world.moved(who, At::TakesBack), world.moved(who, At::InDoubt)),
                |world| world.store(who),
                |world| world.late[who].complete = true,
            );
        }
        let lost = if self.faults.forgets_aborts { At::TakesBack } else { At::Over };
        world.asked(next, (world.moved(who, At::TakesBack), world.moved(who, lost)), World::give_up, |world| {
            world.late[who].abort = true
        });
        Ok(())
    }
}

/// How many states there are; an error at one that must not be.
fn explore(roles: &[Role], faults: Faults, (losses, time): (u8, u8)) -> Result<usize, String> {
    let model = Model { roles: roles.to_vec(), faults };
    let begin = model.begin(losses, time);
    let (mut seen, mut open, mut next) = (HashSet::from([begin.clone()]), vec![begin], Vec::new());
    while let Some(world) = open.pop() {
        model.steps(&world, &mut next)?;
        for world in next.drain(..) {
            if seen.insert(world.clone()) {
                open.push(world);
            }
        }
    }
    Ok(seen.len())
}

impl World {
    fn store(&mut self, by: usize) {
        if self.upload == Upload::There {
            self.upload = Upload::Stored(by);
        }
    }

    fn give_up(&mut self) {
        if self.upload == Upload::There {
            self.upload = Upload::Gone;
        }
    }
}

use Role::{Begins, GoesOn, Replaces, Sweeps};

/// Servers, how many answers are lost, and how much time goes by.
const COURSES: [(&[Role], (u8, u8)); 6] = [
    (&[Begins, GoesOn], (3, 3)),
    (&[Begins, GoesOn, GoesOn], (1, 0)),
    (&[Begins, GoesOn, GoesOn], (0, 2)),
    (&[Begins, GoesOn, Replaces], (1, 2)),
    (&[Begins, GoesOn, Sweeps], (1, 2)),
    (&[Begins, GoesOn, GoesOn, Replaces], (1, 0)),
];

#[test]
fn one_server_alone_ends_an_upload_and_none_takes_anothers_file_for_its_own() {
    for (roles, course) in COURSES {
        let states = explore(roles, Faults::default(), course).unwrap();
        assert!(states > 1000, "{roles:?}: {states}");
    }
}

#[test]
fn what_would_be_done_otherwise_is_found() {
    let none = Faults::default();
    for faults in [
        Faults { looks_once: true, ..none },
        Faults { forgets_completes: true, ..none },
        Faults { forgets_aborts: true, ..none },
        Faults { sweeps_in_use: true, ..none },
        Faults { trusts_old_looks: true, ..none },
    ] {
        let found = COURSES.iter().any(|(roles, course)| explore(roles, faults, *course).is_err());
        assert!(found, "{faults:?}");
    }
}

//! Downloads by links that may be downloaded so many times only. Each takes its place before anything of it is sent, on the disk;
//! one that was not finished gives it back.
//!
//! One download is one file, or one archive, that one address gets until its last byte has been sent. A request for a range shares
//! the place of a request of the same address for the same state of the same file that is under way or was finished a moment ago:
//! whoever goes on with what broke off, or fetches parts side by side, takes one place and not several.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tracing::warn;

use super::Desk;
use super::jobs::download::Download;
use crate::auth::{Link, Links};
use crate::error::Result;
use crate::files::RelPath;
use crate::limits;
use crate::machine::source::{Origin, Source};
use crate::machine::turns::{self, Turns};
use crate::server::tenure::Tenure;
use crate::sync::{Mutex, MutexGuard};

/// What somebody is told who comes by a link that is used up.
pub const USED_UP: &str = "this link has been downloaded as often as it may be";

/// Those that are under way, and those that were finished a moment ago.
pub struct Downloads {
    /// Where the disk may let one wait.
    threads: Arc<Turns>,
    /// Held while the disk is written to: of requests for several ranges at once the first takes the place, and no other does.
    counting: Mutex<()>,
    /// Held for a look: whoever only asks does not wait for the disk.
    going: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    places: Vec<TakenPlace>,
    next: u64,
}

/// A place that is taken.
struct TakenPlace {
    number: u64,
    link: Arc<Link>,
    what: What,
    /// Requests that share it.
    holders: u32,
    finished: Option<Instant>,
    /// Bytes that ranges may fetch yet that share it.
    free: u64,
}

/// What is downloaded, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct What {
    /// Where the request comes from.
    pub origin: Origin,
    /// What in the link.
    pub path: RelPath,
    /// Tells this state of the file from others; of what is made anew each time, nothing has the same.
    pub state: String,
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All.
    Whole,
    /// A range of so many bytes, of a file of so many.
    Range {
        /// Its bytes.
        length: u64,
        /// The bytes of the file.
        of: u64,
    },
}

/// Which bytes of a file are asked for, as far as that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// How much of it.
    pub part: Part,
    /// Whether the last byte of the file is among them.
    pub to_its_end: bool,
}

impl Asked {
    /// All.
    pub const WHOLE: Asked = Asked { part: Part::Whole, to_its_end: true };

    /// So many from this one on, of a file of so many.
    pub fn range(first: u64, length: u64, of: u64) -> Asked {
        Asked { part: Part::Range { length, of }, to_its_end: first.saturating_add(length) >= of }
    }

    /// Several ranges of so many bytes together. It counts as if the last byte were among them.
    pub fn several(length: u64) -> Asked {
        Asked { part: Part::Range { length, of: length }, to_its_end: true }
    }
}

impl Desk {
    /// Takes a place for a download, if its principal came by a link that allows so many: between its opening and its first byte, so that
    /// nothing is read, sent or written down of one that has none.
    ///
    /// # Errors
    /// As [`Downloads::begin`].
    pub fn take_place(
        &self,
        downloads: &Arc<Downloads>,
        job: &Download,
        Asked { part, to_its_end }: Asked,
    ) -> Result<Option<Counted>> {
        let Some(link) = self.principal().link().filter(|link| link.downloads.is_some()) else { return Ok(None) };
        let meta = job.meta();
        let what = What {
            origin: Origin::from(self.ticket().peer().ip()),
            path: job.running().path().cloned().unwrap_or_default(),
            state: format!("{} {}", meta.size, meta.mtime),
        };
        let users = self.users().latest();
        let begun = turns::block_in_place(|| downloads.begin(users.links(), link, what, part));
        begun.map(|counted| Some(counted.reaching_its_end(to_its_end).within(self.resources().until_written())))
    }
}

/// A request that has its place. Dropped before it is finished it gives that back, unless another one has it too.
pub struct Counted {
    downloads: Arc<Downloads>,
    links: Arc<Links>,
    number: u64,
    origin: Origin,
    /// Whether the last byte of the file is among those that it sends.
    to_its_end: bool,
    is_finished: AtomicBool,
    /// Until it is written down what came of it.
    tenure: Option<Tenure>,
}

impl Downloads {
    /// None yet; what is written is written on these threads.
    pub fn new(threads: Arc<Turns>) -> Downloads {
        Downloads { threads, counting: Mutex::default(), going: Mutex::default() }
    }

    /// Where the disk may let one wait.
    pub fn threads(&self) -> &Arc<Turns> {
        &self.threads
    }

    /// Takes a place for a download by this link. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`](crate::Kind::LoginFailed) if none is left; those of the disk.
    pub fn begin(self: &Arc<Self>, links: &Arc<Links>, link: &Arc<Link>, what: What, part: Part) -> Result<Counted> {
        let (now, origin) = (Instant::now(), what.origin);
        let _alone = self.counting();
        let shared = {
            let mut going = self.going();
            going.places.retain(|place| place.holders > 0 || place.is_open(now));
            going.shared(link, &what, part)
        };
        let number = match shared {
            Some(number) => number,
            None => {
                links.take_download(link)?;
                self.going().take(link.clone(), what, part)
            }
        };
        Ok(Counted {
            downloads: self.clone(),
            links: links.clone(),
            number,
            origin,
            to_its_end: true,
            is_finished: AtomicBool::new(false),
            tenure: None,
        })
    }

    /// Whether this link has something for somebody there: a place that is free, or one of theirs that goes on.
    pub fn has_room(&self, links: &Links, link: &Link, origin: Origin) -> bool {
        let is_theirs = |place: &TakenPlace| *place.link == *link && place.what.origin == origin;
        links.has_room(link) || {
            let now = Instant::now();
            self.going().places.iter().any(|place| is_theirs(place) && (place.holders > 0 || place.is_open(now)))
        }
    }

    fn end(&self, links: &Links, number: u64, is_finished: bool) {
        let _alone = self.counting();
        let Some(place) = self.going().over(number, is_finished) else { return };
        // One that cannot be written down stays taken: never more are finished than may be.
        if let Err(error) = links.give_download_back(&place.link) {
            warn!(%error, link = place.link.name, "a download that broke off counts as one");
        }
    }

    fn counting(&self) -> MutexGuard<'_, ()> {
        self.counting.lock()
    }

    fn going(&self) -> MutexGuard<'_, Places> {
        self.going.lock()
    }
}

impl TakenPlace {
    fn is_open(&self, now: Instant) -> bool {
        self.finished.is_none_or(|at| now.duration_since(at) < limits::LINK_RANGES_AFTER)
    }
}

impl Places {
    /// The place that a request for a part can share.
    fn shared(&mut self, link: &Link, what: &What, part: Part) -> Option<u64> {
        let Part::Range { length, .. } = part else { return None };
        let is_it = |place: &&mut TakenPlace| *place.link == *link && place.what == *what && place.free >= length;
        let place = self.places.iter_mut().find(is_it)?;
        place.holders += 1;
        place.free -= length;
        Some(place.number)
    }

    /// One of its requests is over. The place, if it is to be given back.
    fn over(&mut self, number: u64, is_finished: bool) -> Option<TakenPlace> {
        let at = self.places.iter().position(|place| place.number == number)?;
        let place = self.places.get_mut(at)?;
        place.holders = place.holders.saturating_sub(1);
        if is_finished && place.finished.is_none() {
            place.finished = Some(Instant::now());
        }
        // Finished, it is kept for as long as another range may share it.
        let is_finished = place.finished.is_some();
        if place.holders > 0 || is_finished && place.free > 0 {
            return None;
        }
        let place = self.places.swap_remove(at);
        (!is_finished).then_some(place)
    }

    fn take(&mut self, link: Arc<Link>, what: What, part: Part) -> u64 {
        self.next += 1;
        let free = match part {
            // Once more all of it, for whoever fetches some parts twice.
            Part::Range { length, of } => of.saturating_mul(2).saturating_sub(length),
            Part::Whole => 0,
        };
        self.places.push(TakenPlace { number: self.next, link, what, holders: 1, finished: None, free });
        self.next
    }
}

impl Counted {
    /// This place, for a request that fetches the last byte of the file or not.
    pub fn reaching_its_end(mut self, to_its_end: bool) -> Counted {
        self.to_its_end = to_its_end;
        self
    }

    /// This place, which keeps the server from leaving its folders until it is written down what came of it.
    pub fn within(mut self, tenure: Option<Tenure>) -> Counted {
        self.tenure = tenure;
        self
    }

    /// All of it has been sent.
    pub fn finish(&self) {
        self.is_finished.store(self.to_its_end, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    /// The disk is waited for elsewhere.
    fn drop(&mut self) {
        let Counted { downloads, links, number, origin, is_finished, tenure, .. } = self;
        let (downloads, links, number, tenure) = (downloads.clone(), links.clone(), *number, tenure.take());
        let (source, is_finished) = (Source::Origin(*origin), is_finished.load(Ordering::Relaxed));
        async_std::task::spawn(async move {
            let (threads, ending) = (downloads.threads.clone(), downloads.clone());
            let _the_server_is_going = threads.run(&source, move || ending.end(&links, number, is_finished)).await;
            drop(tenure);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;
    use crate::auth::{LinkTerms, LinkTo, Secret, StateFolder, Users, hash_password};
    use crate::machine::turns::Places;
    use crate::server::tenure::Tenures;

    /// A link that may be downloaded once, among those that are kept there.
    fn link_for_one(place: &std::path::Path) -> (Arc<Links>, Arc<Link>, What) {
        let folder = StateFolder::open(&place.join("state")).unwrap();
        let links = Arc::new(Links::load(&folder).0);
        let (password, here) = (Secret::new("p"), IpAddr::from(Ipv4Addr::LOCALHOST));
        let file = format!("[users.alice]\npassword = \"{}\"\n", hash_password(&password).unwrap());
        let users = Users::parse(&file, "users.toml").unwrap().with_links(links.clone());
        let maker = users.verify("alice", &password, here).unwrap();
        let path = RelPath::parse(b"f").unwrap();
        let (to, downloads) = (LinkTo::File, Some(1));
        let terms =
            LinkTerms { to, path: path.clone(), folder: None, name: None, expires: None, password: None, downloads };
        let link = users.make_link(&maker, terms).unwrap().1;
        (links, link, What { origin: Origin::from(here), path, state: String::new() })
    }

    #[test]
    fn a_server_does_not_leave_its_folders_before_a_place_is_given_back() {
        let place = tempfile::tempdir().unwrap();
        let (links, link, what) = link_for_one(place.path());
        let downloads = Arc::new(Downloads::new(Turns::new("links", Places::only(1))));
        let (tenures, gone) = Tenures::new();
        let counted = downloads.begin(&links, &link, what, Part::Whole).unwrap().within(Some(tenures.one()));
        drop(tenures);
        let disk = links.stall();
        drop(counted);
        assert!(gone.recv().now_or_never().is_none() && !links.has_room(&link));
        drop(disk);
        assert!(async_std::task::block_on(gone.recv()).is_err());
        assert!(links.has_room(&link));
    }

    #[test]
    fn whoever_only_asks_whether_something_is_left_does_not_wait_for_the_disk() {
        let place = tempfile::tempdir().unwrap();
        let (links, link, what) = link_for_one(place.path());
        let origin = what.origin;
        links.take_download(&link).unwrap();
        let downloads = Arc::new(Downloads::new(Turns::new("links", Places::only(1))));
        let disk = links.stall();
        let (all, kept, which) = (downloads.clone(), links.clone(), link.clone());
        let beginning = thread::spawn(move || all.begin(&kept, &which, what, Part::Whole).is_err());
        while downloads.counting.try_lock().is_some() {
            thread::yield_now();
        }
        let ((told, asked), kept) = (channel(), links.clone());
        thread::spawn(move || told.send(downloads.has_room(&kept, &link, origin)));
        assert_eq!(asked.recv_timeout(Duration::from_secs(60)), Ok(false));
        drop(disk);
        assert!(beginning.join().unwrap(), "none was left");
    }
}

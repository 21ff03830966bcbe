//! A session without its socket: bytes in, replies out, on the calling thread. Whoever fuzzes or tests the machine needs
//! a way to it that no lane, no cipher and no timing stands in; everybody else wants a [`Server`](crate::server::Server).

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::session::Session;
use crate::auth::{Principal, Users};
use crate::budget::{Account, Budget};
use crate::buffers::Buffer;
use crate::error::Result;
use crate::files::{Durability, FileMode};
use crate::machine::lane::{Machine, Outgoing, Queue, Step};
use crate::machine::source::Origin;
use crate::server::desk::current_users::CurrentUsers;
use crate::server::desk::registry::{Registry, Way};
use crate::server::desk::session_resources::SessionResources;
use crate::server::desk::session_store::SessionStore;
use crate::server::desk::tokens::Tokens;
use crate::server::door::accounts::Accounts;
use crate::server::door::admission::Admission;
use crate::server::door::admission_options::AdmissionOptions;
use crate::server::door::self_service::SelfService;
use crate::store::LocalVault;
use crate::tls::Pin;

/// One session over a real home, driven by hand.
pub struct SansIo {
    session: Session,
    sent: Sent,
    account: Arc<Account>,
    ids: String,
}

/// Collects what a machine writes.
#[derive(Default)]
struct Sent(RefCell<Vec<u8>>);

impl Queue for Sent {
    fn hand_over(&self, buffer: Buffer) -> bool {
        self.0.borrow_mut().extend_from_slice(buffer.filled());
        false
    }
}

impl SansIo {
    /// A session of this principal, whose home is below `data`. Nothing is synced to the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(principal: Principal, data: &Path) -> Result<SansIo> {
        let session_store =
            SessionStore::open(Arc::new(LocalVault::open(data, Durability::None)?), Arc::default(), &principal)?;
        let ticket = Registry::new().enter(Way::Login, &principal, SocketAddr::from((Ipv4Addr::LOCALHOST, 9)))?;
        let ids = format!(" pid={} session={}", std::process::id(), ticket.id());
        let source = Origin::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        let resources = SessionResources::new(Arc::new(Tokens::new(|_| true)), Arc::default(), ticket.id(), source);
        let users = Arc::new(CurrentUsers::unchanging(Users::parse(Users::starter(), "")?));
        let admission = Admission::new(AdmissionOptions::default());
        let (accounts, nowhere) = (Arc::new(Accounts::new(users.clone())), Ipv4Addr::LOCALHOST.into());
        let self_service = SelfService::new(accounts, admission, nowhere, Pin::from_bytes([0; 32]));
        let session = Session::new(
            principal,
            (users, 0),
            (session_store, FileMode::ALL),
            Arc::new(ticket),
            resources,
            self_service,
        );
        let account = Budget::new(1 << 30).portion().account();
        Ok(SansIo { session, sent: Sent::default(), account, ids })
    }

    /// Feeds one portion as a connection would, settling at its end; says whether the session closed.
    pub fn feed(&mut self, input: &[u8]) -> bool {
        let mut out = Outgoing::new(&self.sent, &self.account);
        let closed = run(&mut self.session, input, &mut out) == Step::Close;
        if closed {
            self.session.hang_up();
        } else {
            self.session.settle(&mut out);
        }
        out.hand_over();
        closed
    }

    /// Feeds one portion, after which the client is gone at once.
    pub fn feed_last(&mut self, input: &[u8]) {
        let mut out = Outgoing::new(&self.sent, &self.account);
        run(&mut self.session, input, &mut out);
        self.session.hang_up();
        out.hand_over();
    }

    /// The client is gone.
    pub fn hang_up(&mut self) {
        self.session.hang_up();
    }

    /// What was answered since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.sent.0.take()
    }

    /// ` pid=… session=…`, which every final reply carries.
    pub fn ids(&self) -> &str {
        &self.ids
    }
}

fn run(session: &mut Session, mut input: &[u8], out: &mut Outgoing) -> Step {
    loop {
        match session.step(&mut input, out) {
            Step::Progress => {}
            step => return step,
        }
    }
}

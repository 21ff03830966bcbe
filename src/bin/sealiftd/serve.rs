//! `sealiftd serve`: puts the server together, says that it is ready, and runs it to its end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use async_std::task::block_on;
use sealift::auth::{Users, UsersFile, file_warnings};
use sealift::server::{AdmissionOptions, Server, ServerOptions};
use sealift::store::Durability;
use sealift::tls::Identity;
use sealift::{Error, Kind};
use tracing::{info, warn};

use crate::args::{Places, ServeArgs};
use crate::banner::{self, Banner};
use crate::failure::Failure;
use crate::port_file::PortFile;
use crate::{cert, logging, process, signals};

/// Serves until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub fn run(places: &Places, args: ServeArgs) -> Result<(), Failure> {
    logging::start(args.log_format, &args.log_level)?;
    process::forbid_core_dumps();
    let open_files = process::raise_file_limit();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        data = %places.data.display(),
        users = %places.users.display(),
        certs = %places.certs.display(),
        open_files,
        "starting"
    );

    let (identity, new_key) = Identity::load_or_generate(&places.certs, &cert::default_names())?;
    if new_key {
        info!(certs = %places.certs.display(), pin = %identity.pin(), "made a key and a certificate");
    }
    let new_users = match places.users.exists() {
        true => false,
        false => UsersFile::new(&places.users).create()?,
    };
    if new_users {
        info!(users = %places.users.display(), "made a users file with anonymous reading");
    }
    let users = Users::load(&places.users)?;
    warn_of_users(&places.users, &users)?;

    let durability = Durability::from(args.durability);
    let server = block_on(bind(places, &args, identity, durability))?;
    let port = server.addresses().first().map(SocketAddr::port).unwrap_or_default();
    info!(
        durability = ?durability,
        login_memory_kib = server.login_memory_kib(),
        grace = %args.grace,
        "ready"
    );
    let port_file = match &args.port_file {
        Some(path) => Some(Arc::new(PortFile::write(path, port)?)),
        None => None,
    };
    signals::watch(server.handle(), port_file.clone())
        .map_err(|err| Error::new(Kind::Internal, format!("signals cannot be received: {err}")).with_source(err))?;
    banner::print(&Banner { places, users: &users, addresses: server.addresses(), pin: server.pin(), port });
    let served = block_on(server.serve());
    if let Some(file) = port_file {
        file.remove();
    }
    Ok(served?)
}

async fn bind(
    places: &Places,
    args: &ServeArgs,
    identity: Identity,
    durability: Durability,
) -> Result<Server, Failure> {
    let options = ServerOptions {
        listen: args.listen.clone(),
        data: places.data.clone(),
        users: places.users.clone(),
        identity,
        durability,
        grace: args.grace.into(),
        admission: AdmissionOptions::default(),
    };
    Ok(Server::bind(options).await?)
}

/// Says in the log what about the users deserves attention.
fn warn_of_users(path: &Path, users: &Users) -> Result<(), Failure> {
    for warning in file_warnings(path, users)? {
        warn!("{warning}");
    }
    for (a, b) in users.overlapping_homes() {
        warn!("the folders of {a} and {b} are the same, or one lies in the other");
    }
    Ok(())
}

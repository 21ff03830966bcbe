//! Signals: the first SIGINT or SIGTERM ends the server gracefully, the second at once.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use sealift::server::Handle;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{info, warn};

use crate::logging;
use crate::port_file::PortFile;
use crate::reload::Reload;
use crate::service_manager::ServiceManager;
use crate::supervisor::Parent;

/// Signals that are taken over, and wait until somebody watches.
pub struct Taken(Signals);

/// Whom signals concern.
pub struct Told {
    /// The process that this one ends with.
    pub supervisor: Option<Parent>,
    /// The server.
    pub server: Handle,
    /// Its settings.
    pub reload: Arc<Reload>,
    /// Whoever started it.
    pub manager: Arc<ServiceManager>,
    /// The file that goes with it.
    pub port_file: Option<Arc<PortFile>>,
}

/// Whether SIGHUP ends this server: a terminal that closes says it to what runs in it, or to the supervisor there. Elsewhere it is a
/// wish to read the configuration again.
pub fn hangup_ends(supervisor: Option<&Parent>) -> bool {
    io::stderr().is_terminal() && supervisor.is_none()
}

/// Takes the signals over from now on. Starts no thread.
///
/// # Errors
/// What the system says.
pub fn take() -> io::Result<Taken> {
    Signals::new([SIGHUP, SIGINT, SIGTERM]).map(Taken)
}

/// Acts on them, on a thread of its own.
///
/// # Errors
/// What the system says.
pub fn watch(Taken(mut signals): Taken, told: Told) -> io::Result<()> {
    let Told { supervisor, server, reload, manager, port_file } = told;
    let hangup_ends = hangup_ends(supervisor.as_ref());
    if let Some(supervisor) = supervisor {
        let server = server.clone();
        let wait = move || {
            supervisor.wait();
            // Nobody could replace this server any more.
            info!("the supervisor is gone: stopping");
            server.stop();
        };
        std::thread::Builder::new().name("supervisor".to_owned()).spawn(wait)?;
    }
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("signal");
            if signal == SIGHUP && !hangup_ends {
                info!(
                    signal = name,
                    "users, settings and the certificate for browsers are read again, the audit is opened anew"
                );
                // Each part of it has a line of its own where it says more than that.
                let _said = reload.all(&manager);
            } else if stopping {
                if let Some(file) = &port_file {
                    file.remove();
                }
                warn!(signal = name, connections = server.connections(), "ending at once");
                server.close_audit();
                logging::flush();
                std::process::exit(128 + signal);
            } else {
                stopping = true;
                // Said first: the server's own lines about its end come behind it.
                info!(signal = name, connections = server.connections(), "stopping; once more ends at once");
                server.stop();
            }
        }
    })?;
    Ok(())
}

//! The end of a server that was told to stop and does not end, since a disk or a mount that it has files on does not answer. What it waits
//! for then comes when that does, which may be never.

use std::io;
use std::thread;

use async_std::task::block_on;
use sealift::limits;
use sealift::server::Handle;
use tracing::error;

use crate::logging;

/// Ends the process by force if it is there long after it was told to stop, on a thread of its own.
///
/// # Errors
/// That there is no thread to be had.
pub fn watch(server: Handle) -> io::Result<()> {
    let watching = move || {
        block_on(server.stopping());
        thread::sleep(server.grace().saturating_add(limits::END_OVERDUE));
        error!("the server does not end, since a disk or mount of its files does not answer: ending at once");
        logging::flush();
        std::process::exit(1);
    };
    thread::Builder::new().name("end".to_owned()).spawn(watching).map(drop)
}

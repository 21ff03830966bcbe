//! What a server says of itself by sd_notify(3): the supervisor is its service manager, and hands on what concerns its own.
//!
//! Each server gets one end of a pair of sockets. Nobody else on this machine can write to it, and what one says is never taken for
//! another's.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::Sender;

use super::Event;

/// What a server says when it has left its folders to the next one, as all of a message.
pub const LEFT: &str = "X_SEALIFT_LEFT=1";

/// What is heard, as the numbers of servers tell them apart.
pub fn follow(socket: UnixDatagram, server: u64, events: Sender<Event>) -> std::io::Result<()> {
    let hear = move || {
        let mut bytes = [0; 4096];
        // Nothing: the server has ended, and this was shut down.
        while let Ok(count @ 1..) = socket.recv(&mut bytes) {
            let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()).into_owned();
            if events.send(Event::Notice(server, text)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("notices".to_owned()).spawn(hear).map(drop)
}

/// What a service manager is to know beyond what a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Usual,
    /// One server takes the place of another.
    Replacing,
    /// The new program did not serve, and the one before it does.
    Back,
}

/// Before what a server says of how it is, for people.
const BACK: &str = "Running the previous program: the new one did not start. ";

/// The lines of it that the supervisor's own service manager may hear from it. A server talks to strangers: it says neither who is to be
/// signalled, nor that the service ends, since another server may come.
pub fn for_manager(text: &str, condition: Condition) -> String {
    let is_number = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let passed = |line: &str| match line.strip_prefix("STATUS=") {
        Some(status) => Some(match condition {
            Condition::Usual => line.to_owned(),
            Condition::Replacing => {
                format!("STATUS={}", status.replacen("Stopping", "Making place for the next one", 1))
            }
            Condition::Back => format!("STATUS={BACK}{status}"),
        }),
        None => {
            let may_pass = matches!(line, "READY=1" | "RELOADING=1" | "WATCHDOG=1")
                || line.strip_prefix("MONOTONIC_USEC=").is_some_and(is_number);
            may_pass.then(|| line.to_owned())
        }
    };
    text.lines().filter_map(passed).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_nothing_in_the_name_of_its_supervisor_but_how_it_is() {
        let said = "READY=1\nMAINPID=1\nSTOPPING=1\nSTOPPING=1 \nSTATUS=Serving\nWATCHDOG=trigger\nWATCHDOG=1\n\
                    FDSTORE=1\nNOTIFYACCESS=all\nMONOTONIC_USEC=12\nMONOTONIC_USEC=x\nRELOADING=1\nEXTEND_TIMEOUT_USEC=9";
        assert_eq!(
            for_manager(said, Condition::Usual),
            "READY=1\nSTATUS=Serving\nWATCHDOG=1\nMONOTONIC_USEC=12\nRELOADING=1"
        );
        assert_eq!(for_manager("STOPPING=1", Condition::Usual), "");
        let draining = "STOPPING=1\nSTATUS=Stopping: 1 connection may finish";
        let told = "STATUS=Making place for the next one: 1 connection may finish";
        assert_eq!(for_manager(draining, Condition::Replacing), told);
        assert!(for_manager("STATUS=Serving", Condition::Back).contains("did not start. Serving"));
    }
}

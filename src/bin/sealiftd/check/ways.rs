//! Where the server would listen, tell figures and write its audit: whether it could, or somebody else is there. What the server that
//! runs here holds is no obstacle, since it ends before another one starts.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use sealift::server::{AuditTo, Listeners, MetricsAt};
use sealift::store::{Holder, holder_of, look_at_neighbours, note_of};
use sealift::{Error, Kind, limits};

use super::findings::{Findings, Severity};
use super::listening::Listening;
use crate::args::{Places, ServeArgs};
use crate::obstacle::{Want, obstacle};
use crate::output::shell_word;
use crate::serving::RunningServer;
use crate::supervisor::Parent;

/// Looks at the addresses, as the account that would listen on them.
pub fn addresses(places: &Places, args: &ServeArgs, findings: &mut Findings) {
    // A supervisor has them, and hands them on.
    if Parent::is_there() {
        return;
    }
    for (address, error) in Listeners::obstacles(&args.listen) {
        // Whoever starts the server may give it the right that this account has not (AmbientCapabilities=, a socket unit).
        let is_privileged = address.port() < 1024 && !rustix::process::geteuid().is_root();
        let (severity, next) = match error.kind() {
            Kind::AddressInUse => in_use(Listening::at(&address)),
            Kind::Usage => (Severity::Error, "take one of the two out of --listen"),
            _ => (
                if is_privileged { Severity::Warning } else { Severity::Error },
                "check that this machine has the address, and that the account may listen on it (ports below 1024 are root's)",
            ),
        };
        taken(places, args, (&error, severity), |held| held.listens_on(&address), next, findings);
    }
}

/// What is in the way by whom, and what to do then.
fn in_use(by: Listening) -> (Severity, &'static str) {
    match by {
        Listening::Systemd => (
            Severity::Warning,
            "systemd listens there: nothing is wrong if that is for this server (`systemctl status sealiftd.socket`), else choose another address with --listen",
        ),
        Listening::RootOrSystemd => (
            Severity::Warning,
            "systemd listens there, or a program of root's, which of them this account cannot see: nothing is wrong if it is for this server (`systemctl status sealiftd.socket`), else stop that program, or choose another address with --listen",
        ),
        Listening::Program => (Severity::Error, "stop the other program, or choose another address with --listen"),
    }
}

/// Looks at where figures are told, and where the audit is, as the account that the server runs under.
pub fn look(places: &Places, args: &ServeArgs, findings: &mut Findings) {
    if let Some(at) = &args.metrics {
        figures(places, args, at, findings);
    }
    if let Some(to) = &args.audit {
        audit(to, findings);
    }
}

fn figures(places: &Places, args: &ServeArgs, at: &MetricsAt, findings: &mut Findings) {
    if let MetricsAt::Socket(path) = at
        && let Some(obstacle) = obstacle(path, Want::Replace)
    {
        let what = format!("the socket for figures {}: {obstacle}", path.display());
        // What is there is gone with each boot, and with the service: whoever starts that makes it.
        if obstacle.is_missing() && ["/run", "/var/run"].iter().any(|run| obstacle.path.starts_with(run)) {
            let next = "nothing is wrong if systemd makes it at the start (RuntimeDirectory=, as the unit says)";
            return findings.add(Severity::Warning, what, next);
        }
        let next = "make the folder for the account that runs sealiftd, or choose another place with --metrics";
        return findings.add(Severity::Error, what, next);
    }
    let usual = [SocketAddr::from(([0; 16], limits::PORT))];
    let listens = if args.listen.is_empty() { &usual[..] } else { &args.listen };
    if let MetricsAt::Address(address) = at
        && listens.iter().any(|listens| Listeners::meet(listens, address))
    {
        let what = format!("figures cannot be told on {address}, where the server listens for clients");
        return findings.add(Severity::Error, what, "choose another port with --metrics");
    }
    if let Err(error) = at.try_out() {
        let next = "stop the other program, or choose another place with --metrics";
        taken(places, args, (&error, Severity::Error), |held| held.tells_at(at), next, findings);
    }
}

/// Adds what is in the way, unless it is the server that runs here.
fn taken(
    places: &Places,
    args: &ServeArgs,
    (error, severity): (&Error, Severity),
    is_held: impl Fn(&RunningServer) -> bool,
    next: &str,
    findings: &mut Findings,
) {
    // Two of the list that meet are in each other's way, whoever runs.
    let may_be_held = error.kind() != Kind::Usage;
    let is_hidden = || std::fs::read_dir(places.state()).is_err_and(|err| err.kind() == ErrorKind::PermissionDenied);
    let maybe = "it does not say where it listens; if it is another program, choose another place";
    let hidden = "this account may not look at its state: check as the one that runs it, which knows more";
    match RunningServer::here(places, &args.nodes) {
        Some(held) if may_be_held && is_held(&held) => {}
        None if may_be_held && is_hidden() => {
            findings.add(Severity::Note, format!("{}, by the server of these settings, maybe", error.text()), hidden);
        }
        None if error.kind() == Kind::AddressInUse && note_of(&places.state()).is_some() => {
            findings.add(Severity::Note, format!("{}, by the server that runs here, maybe", error.text()), maybe);
        }
        _ => findings.add(severity, error.text(), next),
    }
}

fn audit(to: &AuditTo, findings: &mut Findings) {
    let next = "give it to the account that runs sealiftd, or choose another place with --audit";
    if let Err(error) = to.try_out() {
        return findings.add(Severity::Error, format!("the audit: {}", error.text()), next);
    }
    let AuditTo::File(path) = to else { return };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(obstacle) = obstacle(folder, Want::Fill) else { return };
    let what = format!("the audit {}: {obstacle}", path.display());
    match path.exists() {
        // It goes on as long as nobody moves it away.
        true => findings.add(
            Severity::Warning,
            what,
            format!("{next}: no new file can be made when this one is moved away"),
        ),
        false => findings.add(Severity::Error, what, next),
    }
}

/// Looks for other servers whose folders meet those of this one.
pub fn others<'h>(
    places: &Places,
    args: &ServeArgs,
    homes: impl IntoIterator<Item = &'h str>,
    findings: &mut Findings,
) {
    for error in look_at_neighbours(&places.data, &homes.into_iter().collect()) {
        findings.add(Severity::Error, error.text(), "stop that one, or choose another folder with --data");
    }
    // A server whose files are in a storage holds its state alone.
    if args.nodes.shared || args.store.store.is_some() || Parent::is_there() {
        return;
    }
    let state = places.state();
    let (data_by, state_by) = (holder_of(&places.data), holder_of(&state));
    let mut warn = |what: String, option: &str, folder: &Path| {
        let next = format!(
            "if that server keeps running, a new one cannot start: choose another folder with {option}, not {}",
            shell_word(&folder.to_string_lossy())
        );
        findings.add(Severity::Warning, what, next);
    };
    match (data_by, state_by) {
        // Whose one of the two is cannot be known: it may be the same server's.
        (Holder::Unknown, _) | (_, Holder::Unknown) => {}
        (data_by, state_by) if data_by == state_by => {}
        (_, Holder::Process(process)) => {
            let what =
                format!("{} is the state of a server that serves another folder (process {process})", state.display());
            warn(what, "--state", &state);
        }
        (Holder::Process(process), Holder::Nobody) => {
            let what = format!(
                "{} is served by one that has its own state elsewhere (process {process})",
                places.data.display()
            );
            warn(what, "--data", &places.data);
        }
        (Holder::Nobody, Holder::Nobody) => {}
    }
}

//! What the limits allow, against what the machine has.

use rustix::process::{Resource, getrlimit};
use sealift::auth::Users;
use sealift::server::{MemoryPlan, connections_within, login_memory_kib, memory_available};

use super::findings::{Findings, Severity};
use crate::limit_args::LimitArgs;

/// Looks at memory and descriptors.
pub fn look(limits: &LimitArgs, users: &Users, findings: &mut Findings) {
    memory(limits, users, findings);
    descriptors(limits, findings);
}

/// How bad it is that fewer can connect than may: nothing, if nobody has asked for so many.
fn severity(limits: &LimitArgs) -> Severity {
    if limits.has_usual_connections() { Severity::Note } else { Severity::Warning }
}

fn memory(limits: &LimitArgs, users: &Users, findings: &mut Findings) {
    let (each, all) = (u64::from(users.worst_case_memory_kib()), login_memory_kib(users));
    let at_once = all / each.max(1);
    let what = format!(
        "logins take at most {} MiB of memory together ({at_once} at once, {} MiB each)",
        all / 1024,
        each / 1024
    );
    let given = limits.memory().or_else(memory_available);
    match given.map(|bytes| bytes / 1024) {
        Some(available) if available < all => findings.add(
            Severity::Warning,
            format!("{what}, and {} MiB are available", available / 1024),
            "give the users with the largest hash parameters new passwords, or the machine more memory",
        ),
        Some(available) => {
            findings.add(Severity::Note, format!("{what}; {} MiB are available", available / 1024), "");
        }
        None => findings.add(Severity::Note, what, ""),
    }
    let Some(given) = given else { return };
    let (plan, wanted) = (MemoryPlan::new(given, all * 1024), limits.admission().connections);
    if plan.connections < wanted {
        findings.add(
            severity(limits),
            format!(
                "{} MiB of memory have room for {} connections, and {wanted} are allowed",
                given / 1024 / 1024,
                plan.connections
            ),
            format!(
                "the server takes no more of them; use --max-connections {}, or give it more memory",
                plan.connections
            ),
        );
    }
}

fn descriptors(limits: &LimitArgs, findings: &mut Findings) {
    let connections = limits.admission().connections;
    // The server raises its limit to what it may have.
    let Some(allowed) = getrlimit(Resource::Nofile).maximum else { return };
    let wanted = connections as u64 * sealift::limits::DESCRIPTORS_PER_CONNECTION + sealift::limits::DESCRIPTORS_APART;
    if allowed < wanted {
        let fits = connections_within(allowed);
        findings.add(
            severity(limits),
            format!(
                "{connections} busy connections need {wanted} open files, and {allowed} are allowed: the server will let in \
                 {fits}"
            ),
            format!("raise the limit (LimitNOFILE= of a systemd unit, `ulimit -Hn`), or use --max-connections {fits}"),
        );
    }
}

//! What the file system under the data folder does. It is tried, because some only say that they can.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sealift::Kind;
use sealift::files::Durability;
use sealift::store::{Capabilities, LocalStore, try_mount};

use super::findings::{Findings, Severity};
use crate::args::Places;

/// Tries it with hidden files in the data folder that are removed again. Where the folder is missing, or cannot be used,
/// there is nothing to try, and that is said elsewhere.
pub fn look(places: &Places, durability: Durability, is_shared: bool, findings: &mut Findings) {
    let Ok(root) = Dir::open_ambient_dir(&places.data, ambient_authority()) else { return };
    let data = places.data.display();
    match LocalStore::try_out(&root, durability) {
        Ok(found) => {
            let (works, lacks): (Vec<_>, Vec<_>) = found.trials().into_iter().partition(|trial| trial.works);
            let needed = Capabilities::NEEDED.iter().take(if durability == Durability::None { 2 } else { 3 });
            let works: Vec<&str> = needed.copied().chain(works.iter().map(|trial| trial.what)).collect();
            findings.add(Severity::Note, format!("{data} has what was tried: {}", works.join(", ")), "");
            if is_shared && !found.has_locks() {
                let next = "choose a folder on another file system with --data, or serve it alone, without --shared";
                findings.add(Severity::Error, format!("{data} has no locks that several servers would see"), next);
            }
            if is_shared && found.has_locks() {
                look_at_others(&root, places, findings);
            }
            for trial in lacks {
                findings.add(Severity::Note, format!("{data} is without {}", trial.what), trial.without);
            }
        }
        // Said elsewhere: what is closed, and what is full.
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::NoSpace) => {}
        Err(error) => {
            let next = "choose a folder on another file system with --data";
            findings.add(Severity::Error, format!("{data}: {}", error.text()), next);
        }
    }
}

/// Tries whether what the servers change that serve the data folder together is seen here at once.
fn look_at_others(root: &Dir, places: &Places, findings: &mut Findings) {
    let data = places.data.display();
    match try_mount(root, &places.data) {
        Ok(Some(nodes)) => {
            let servers = if nodes == 1 { "server" } else { "servers" };
            findings.add(Severity::Note, format!("{data} shows at once what {nodes} other {servers} changed"), "");
        }
        Ok(None) => {
            let text =
                format!("{data}: no other server serves it now, so it cannot be tested whether it shows their changes");
            findings.add(Severity::Note, text, "");
        }
        Err(error) => {
            findings.add(Severity::Error, error.text(), "see docs/CLUSTER.md for what several servers need");
        }
    }
}

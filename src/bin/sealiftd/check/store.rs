//! A storage elsewhere: whether it can be used, and what it does.

use sealift::auth::Users;

use super::findings::{Findings, Severity};
use crate::args::{CheckArgs, Places};
use crate::store_args::{lacking, unkept};

/// Tries it with an object that is removed again.
pub fn look(places: &Places, args: &CheckArgs, findings: &mut Findings) {
    let store = &args.serve.store;
    if store.store.is_none() {
        return;
    }
    if let Ok(users) = Users::load(&places.users) {
        for what in unkept(&users, &args.serve.hooks) {
            findings.add(Severity::Error, what, "remove it, or keep the files on this machine, without --store");
        }
    }
    let vault = match store.vault(places) {
        Ok(Some(vault)) => vault,
        Ok(None) => return,
        Err(failure) => return findings.add(Severity::Error, failure.text(), failure.next_step()),
    };
    match vault.probe() {
        Ok(heeds) if heeds.all() => {
            findings.add(Severity::Note, "the storage stores, gives back and heeds every condition", "");
        }
        Ok(heeds) => {
            let what = format!("the storage stores and gives back, and does not heed: {}", lacking(&heeds));
            let next = match store.store_alone {
                true => "this server decides them, as --store-alone says that no other writes there",
                false => "what depends on them is refused; --store-alone if no other server writes there",
            };
            findings.add(Severity::Note, what, next);
        }
        Err(error) => {
            let next = "check --store, --store-endpoint, --store-region and the keys";
            findings.add(Severity::Error, format!("the storage: {}", error.text()), next);
        }
    }
    if let Some(bytes) = vault.short_names() {
        let what = format!("the storage takes no name of more than {bytes} bytes, with the home and the folders");
        findings.add(Severity::Note, what, "longer paths are refused");
    }
    if vault.is_exposed() {
        let what = "files go to the storage by plain HTTP, which whoever is on the way can read";
        findings.add(Severity::Warning, what, "name it by https:// with --store-endpoint");
    }
}

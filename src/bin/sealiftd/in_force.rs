//! Whether a server that runs goes by the users file as it is now: it says so where `sealiftd check` looks, too.

use std::thread;
use std::time::Instant;

use sealift::limits;
use sealift::server::users_file_trouble;

use crate::args::Places;
use crate::output::complain;

/// Whether a change of the users file reaches the server that runs, if there is one.
pub struct InForce {
    /// Why the file cannot be used, and an older one is in force.
    refused: Option<String>,
}

impl InForce {
    /// Looks once a server that runs has read the file, of which it may refuse what this program could not know.
    pub fn wait(places: &Places) -> InForce {
        let until = Instant::now() + limits::USERS_FILE_LOOK + limits::USERS_FILE_REST + limits::USERS_FILE_RETRY;
        // It says only what it refuses, so that silence is waited out.
        while users_file_trouble(&places.data).is_some_and(|trouble| trouble.outdated.is_none())
            && Instant::now() < until
        {
            thread::sleep(limits::USERS_FILE_REST);
        }
        InForce::look(places)
    }

    /// Looks, once the file has been changed.
    pub fn look(places: &Places) -> InForce {
        let refused = || users_file_trouble(&places.data)?.outdated;
        let Some(_) = refused() else { return InForce { refused: None } };
        // Somebody may have mended it a moment ago: the server looks once more before this is believed.
        thread::sleep(limits::USERS_FILE_LOOK + limits::USERS_FILE_REST + limits::USERS_FILE_RETRY);
        InForce { refused: refused() }
    }

    /// This of what a server does about the change, if it does.
    pub fn when<'a>(&self, does: &'a str) -> &'a str {
        if self.refused.is_none() { does } else { "" }
    }

    /// Says that it does not, and why.
    pub fn warn(&self) {
        if let Some(why) = &self.refused {
            complain(&format!(
                "warning: the server that runs cannot use the users file, and an older one is in force: {why}. This change counts \
                 once the file is mended, or the server is started again."
            ));
        }
    }
}

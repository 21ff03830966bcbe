//! Whether a server that runs goes by the users file as it is now: it says so where `sealiftd check` looks, too.

use std::thread;
use std::time::Instant;

use sealift::auth::{StateFolder, Users};
use sealift::server::users_file_trouble;
use sealift::{Kind, limits};

use crate::args::Places;
use crate::failure::Failure;
use crate::output::complain;
use crate::serving::RunningServer;

/// Whom a change of a file of the server's reaches, as far as its places tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A server that runs.
    Server,
    /// Nobody: the server that runs in these places goes by another one.
    Other,
    /// Nobody: none runs.
    Nobody,
    /// It cannot be told from here.
    Unknown,
}

impl Reach {
    /// That of the users file.
    pub fn of_users(places: &Places) -> Reach {
        Reach::by(places, |held| held.goes_by_users(&places.users))
    }

    /// That of the folder of keys.
    pub fn of_certs(places: &Places) -> Reach {
        Reach::by(places, |held| held.goes_by_certs(&places.certs))
    }

    fn by(places: &Places, goes_by_it: impl Fn(&RunningServer) -> bool) -> Reach {
        // Whoever names the users file alone may mean that of the folder it is in.
        let beside = places.users.with_file_name("server_state");
        let found: Vec<_> = [places.state(), beside].iter().map(|state| RunningServer::in_folder(state)).collect();
        let is_hidden = found.iter().any(Result::is_err) || StateFolder::as_it_is(&places.state()).was_shared();
        let held: Vec<RunningServer> = found.into_iter().flatten().flatten().collect();
        match () {
            () if held.iter().any(goes_by_it) => Reach::Server,
            () if !held.is_empty() && !is_hidden => Reach::Other,
            // One that could not write down by which files it goes.
            () if is_hidden || !places.knows_data() || users_file_trouble(&places.data).is_some() => Reach::Unknown,
            () => Reach::Nobody,
        }
    }

    /// What of a change is said to whoever made it: that a server does this with `it`, as the end of a sentence.
    pub fn says(self, does: &str, it: &str) -> String {
        match self {
            Reach::Server => format!("A running server {does}."),
            Reach::Unknown => format!("A server that runs with {it} {does}."),
            Reach::Nobody => format!("No server is known to run with {it}: it counts once one is started."),
            Reach::Other => format!("The server that runs here does not go by {it}."),
        }
    }
}

/// Whether a change of the users file reaches the server that runs, if there is one.
pub struct InForce {
    /// Why the file cannot be used, and an older one is in force.
    refused: Option<String>,
    reach: Reach,
}

/// Fails if the server that was told to read the users file again cannot use it.
///
/// # Errors
/// [`Kind::BadConfig`], with the place in the file.
pub fn prove_readable(places: &Places) -> Result<(), Failure> {
    if Reach::of_users(places) == Reach::Other {
        return Ok(());
    }
    match Users::load(&places.users) {
        Err(error) if error.kind() == Kind::BadConfig => Err(Failure::from(error)
            .hint("The server goes on with the users it has. Mend the file: it is read by itself, too.")),
        // One that is missing, or that others alone may read, need not be this server's.
        _ => Ok(()),
    }
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
        let reach = Reach::of_users(places);
        let outdated = || users_file_trouble(&places.data)?.outdated;
        let refused = || outdated().filter(|_| reach != Reach::Other);
        let Some(_) = refused() else { return InForce { refused: None, reach } };
        // Somebody may have mended it a moment ago: the server looks once more before this is believed.
        thread::sleep(limits::USERS_FILE_LOOK + limits::USERS_FILE_REST + limits::USERS_FILE_RETRY);
        InForce { refused: refused(), reach }
    }

    /// That a server knows, and how soon: with a blank before it, to follow what was done.
    pub fn knows(&self, how: &str) -> String {
        match self.refused {
            None => format!(" {}", self.reach.says(&format!("knows {how}"), "this users file")),
            Some(_) => String::new(),
        }
    }

    /// This of what a server does about the change, if one may do so.
    pub fn when<'a>(&self, does: &'a str) -> &'a str {
        match self.reach {
            Reach::Server | Reach::Unknown if self.refused.is_none() => does,
            _ => "",
        }
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

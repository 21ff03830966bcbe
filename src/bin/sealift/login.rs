//! Who logs in where.

use std::fmt;

use sealift::client::{Endpoint, Settings};
use sealift::escape::for_people;

/// Who logs in when nobody is named.
pub const ANONYMOUS: &str = "anonymous";

/// Who logs in where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Nobody is anonymous.
    pub user: Option<String>,
    /// The server.
    pub server: Endpoint,
    /// Its name in the configuration, if it was named by it.
    pub bookmark: Option<String>,
    /// What is set for it there.
    pub settings: Settings,
}

impl Login {
    /// The name to log in under.
    pub fn name(&self) -> &str {
        self.user.as_deref().unwrap_or(ANONYMOUS)
    }

    /// Whether the same user of the same server is meant, by whatever name.
    pub fn is_that_of(&self, other: &Login) -> bool {
        (&self.user, &self.server) == (&other.user, &other.server)
    }

    /// The next step of somebody who may not.
    pub fn denied_hint(&self) -> String {
        match &self.user {
            None => format!("You are anonymous; log in as a user who may, as in alice@{}", self.server),
            Some(user) => format!("Ask the server's administrator to give {user} the right."),
        }
    }
}

/// For people: `alice@host:port`, escaped.
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{}@", for_people(user.as_bytes()))?;
        }
        write!(f, "{}", self.server)
    }
}

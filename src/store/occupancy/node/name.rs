//! The names of nodes.

use std::fmt;
use std::str::FromStr;

use crate::limits;

/// What a server is called among those that serve the same folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeName(pub(super) String);

impl FromStr for NodeName {
    type Err = String;

    fn from_str(name: &str) -> Result<NodeName, String> {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        match (1..=limits::NODE_NAME_MAX).contains(&name.len()) && is_plain && !name.starts_with('.') {
            true => Ok(NodeName(name.to_owned())),
            false => Err(format!(
                "a node's name has 1 to {} letters, digits, hyphens, underscores and dots, and no dot at its beginning",
                limits::NODE_NAME_MAX
            )),
        }
    }
}

impl NodeName {
    pub(in super::super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What this machine is called, as far as that is such a name.
    pub fn of_this_machine() -> Option<NodeName> {
        rustix::system::uname().nodename().to_str().ok()?.parse().ok()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

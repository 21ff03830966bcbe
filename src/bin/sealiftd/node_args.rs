//! The options of a server that is one of several of a folder.

use clap::Args;
use sealift::store::NodeName;
use sealift::{Error, Kind};

use crate::failure::Failure;

/// Whether the data folder is shared with other servers.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// Serve the data folder together with other servers that have this option, too, on this machine or on others that have its file
    /// system mounted; docs/CLUSTER.md says what that takes and what holds across them
    #[arg(long, env = "SEALIFT_SHARED", hide_env_values = true)]
    pub shared: bool,

    /// The name of this server among them; no two may have the same [default: the name of this machine]
    #[arg(long, value_name = "NAME", env = "SEALIFT_NODE", hide_env_values = true)]
    pub node: Option<NodeName>,
}

impl NodeArgs {
    /// What it is called among several, if it is to be one of such.
    ///
    /// # Errors
    /// That it has a name and no others, or no name.
    pub fn name(&self) -> Result<Option<NodeName>, Failure> {
        match (self.shared, &self.node) {
            (false, None) => Ok(None),
            (false, Some(node)) => {
                let text = format!("--node {node}: a server that does not share its folder is no node");
                Err(Failure::from(Error::new(Kind::BadConfig, text)).hint("Say --shared, too."))
            }
            (true, Some(node)) => Ok(Some(node.clone())),
            (true, None) => match NodeName::of_this_machine() {
                Some(node) => Ok(Some(node)),
                None => {
                    let text = "--shared: what this machine is called is no name of a node";
                    Err(Failure::from(Error::new(Kind::BadConfig, text)).hint("Say --node NAME."))
                }
            },
        }
    }
}

//! Garage: a storage that speaks S3 and is run by people, for tests. It is not built with them: `cargo install garage --version 2.5.0 --locked
//! --no-default-features --features bundled-libs,lmdb,sqlite`, once, somewhere in PATH.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::eventually;
use super::not_run::not_run;

/// The bucket that it has.
pub const BUCKET: &str = "files";

/// What it calls its region.
pub const REGION: &str = "garage";

const NODES: usize = 3;

/// Three nodes that keep three copies of everything and sync them, until this goes.
pub struct Garage {
    place: TempDir,
    nodes: Vec<Option<Child>>,
    /// By which it knows us.
    pub keys: (String, String),
}

impl Garage {
    /// Starts the nodes; none where Garage is not built, which is said.
    pub fn start() -> Option<Garage> {
        if Command::new("garage").arg("--version").stdout(Stdio::null()).status().is_err() {
            not_run("there is no Garage");
            return None;
        }
        let nodes = (0..NODES).map(|_| None).collect();
        let mut garage = Garage { place: tempfile::tempdir().unwrap(), nodes, keys: (String::new(), String::new()) };
        (0..NODES).for_each(|node| garage.configure(node, &[]));
        (0..NODES).for_each(|node| garage.come(node));
        let ids: Vec<String> = (0..NODES).map(|node| garage.told(node, "node id -q")).collect();
        // Whoever comes back finds the others by these.
        (0..NODES).for_each(|node| garage.configure(node, &ids));
        for (node, id) in ids.iter().enumerate() {
            garage.told(0, &format!("node connect {id}"));
            garage.told(0, &format!("layout assign -z zone{node} -c 5G {}", id.split('@').next().unwrap()));
        }
        garage.told(0, "layout apply --version 1");
        let key = garage.told(0, "key create servers");
        let of = |name: &str| {
            let line = key.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().to_owned()
        };
        garage.keys = (of("Key ID"), of("Secret key"));
        garage.told(0, &format!("bucket create {BUCKET}"));
        garage.told(0, &format!("bucket allow --read --write --owner {BUCKET} --key servers"));
        Some(garage)
    }

    /// An address of the loopback network that no other process takes: the ports there are fixed.
    fn address(node: usize) -> String {
        let process = std::process::id();
        format!("127.{}.{}.{}", 100 + process / 65_536 % 100, process / 256 % 256, (process % 64) * 4 + node as u32)
    }

    /// Where this node takes requests.
    pub fn endpoint(node: usize) -> String {
        format!("http://{}:3900", Garage::address(node))
    }

    fn file(&self, node: usize) -> PathBuf {
        self.place.path().join(format!("{node}.toml"))
    }

    fn configure(&self, node: usize, peers: &[String]) {
        let (address, at) = (Garage::address(node), self.place.path().join(node.to_string()));
        let at = at.display();
        let text = format!(
            "metadata_dir = \"{at}/meta\"\ndata_dir = \"{at}/data\"\ndb_engine = \"lmdb\"\n\
             metadata_fsync = true\ndata_fsync = true\nreplication_factor = {NODES}\n\
             rpc_bind_addr = \"{address}:3901\"\nrpc_public_addr = \"{address}:3901\"\n\
             rpc_secret = \"{}\"\nbootstrap_peers = {peers:?}\n\
             [s3_api]\ns3_region = \"{REGION}\"\napi_bind_addr = \"{address}:3900\"\n",
            "5e".repeat(32)
        );
        fs::write(self.file(node), text).unwrap();
    }

    fn command(&self, node: usize) -> Command {
        let mut command = Command::new("garage");
        command.env("RUST_LOG", "error").arg("-c").arg(self.file(node)).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What this node says to a command, which it does as soon as it can.
    fn told(&self, node: usize, command: &str) -> String {
        let mut said = String::new();
        eventually(command, || {
            let output = self.command(node).args(command.split(' ')).output().unwrap();
            said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            output.status.success()
        });
        said
    }

    /// Starts this node.
    pub fn come(&mut self, node: usize) {
        self.nodes[node] = Some(self.command(node).arg("server").stdout(Stdio::null()).spawn().unwrap());
    }

    /// Kills this node, with SIGKILL.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

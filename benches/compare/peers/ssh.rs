//! What goes through OpenSSH: scp, rsync and tar, all with one `sshd` of our own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::{Peer, Server, Started, need, start_on_free_port, text, write};
use crate::column::{Column, Way};
use crate::data::{Area, make_dir};
use crate::process::{Job, Service, ask, find_program};
use crate::trouble::{Outcome, Trouble};

/// Its rows.
pub const NAMES: [&str; 4] = ["scp", "rsync", "rsync --fsync", "tar+ssh"];

/// The name under which the client knows the server, whatever port it is reached through.
const HOST: &str = "sealift-compare";
/// What machines with AES instructions do fastest.
const CIPHER: &str = "aes128-gcm@openssh.com";
/// Where `sshd`, when root starts it, locks up its process that talks to strangers. Debian's service makes it.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";

/// A running `sshd`, its keys and what its clients need.
struct Sshd {
    service: Service,
    port: u16,
    dir: PathBuf,
}

#[derive(Clone, Copy)]
enum Tool {
    Scp,
    Rsync { fsync: bool },
    Tar,
}

/// One way to use it.
struct Client {
    tool: Tool,
    program: PathBuf,
    ssh: PathBuf,
    sshd: Rc<Sshd>,
}

/// Starts `sshd`, and finds the programs that use it.
///
/// # Errors
/// When OpenSSH or its parts are missing or do not start.
pub fn start(area: &Area) -> Outcome<Started> {
    let ssh = need("ssh")?;
    let sshd = Rc::new(Sshd::start(area)?);
    let mut started = Started { versions: vec![version(&ssh, "-V")?], ..Started::default() };
    let client = |tool, program| Box::new(Client { tool, program, ssh: ssh.clone(), sshd: Rc::clone(&sshd) });
    match find_program("scp") {
        Some(scp) => started.peers.push(client(Tool::Scp, scp)),
        None => started.missing.push("scp: it is not installed".to_owned()),
    }
    match find_program("rsync") {
        Some(rsync) => {
            started.versions.push(version(&rsync, "--version")?);
            started.peers.push(client(Tool::Rsync { fsync: false }, rsync.clone()));
            // From version 3.2.4 on.
            if !area.in_memory() && ask(Command::new(&rsync).arg("--help"), "")?.contains("--fsync") {
                started.peers.push(client(Tool::Rsync { fsync: true }, rsync));
            }
        }
        None => started.missing.push("rsync: it is not installed".to_owned()),
    }
    match find_program("tar") {
        Some(tar) => {
            started.versions.push(version(&tar, "--version")?);
            started.peers.push(client(Tool::Tar, tar));
        }
        None => started.missing.push("tar+ssh: tar is not installed".to_owned()),
    }
    Ok(started)
}

impl Sshd {
    fn start(area: &Area) -> Outcome<Sshd> {
        let (sshd, keygen) = (need("sshd")?, need("ssh-keygen")?);
        if rustix::process::geteuid().is_root() && !Path::new(PRIVILEGE_SEPARATION).is_dir() {
            return Err(Trouble::new(format!(
                "sshd started by root wants the directory {PRIVILEGE_SEPARATION}: mkdir -m 755 {PRIVILEGE_SEPARATION}"
            )));
        }
        let dir = area.path("ssh");
        make_dir(&dir)?;
        for key in ["host_key", "user_key"] {
            let mut command = Command::new(&keygen);
            ask(command.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(dir.join(key)), "")?;
        }
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read_to_string(&path).map_err(|err| Trouble::at(&path, err))
        };
        write(&dir.join("authorized_keys"), read("user_key.pub")?)?;
        write(&dir.join("known_hosts"), format!("{HOST} {}", read("host_key.pub")?))?;
        let folder = text(&dir)?;
        let configuration = format!(
            "ListenAddress 127.0.0.1\nHostKey \"{folder}/host_key\"\nAuthorizedKeysFile \"{folder}/authorized_keys\"\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nPrintMotd no\nMaxStartups 1000\nSubsystem sftp internal-sftp\n"
        );
        write(&dir.join("sshd_config"), configuration)?;
        let (service, port) = start_on_free_port(&dir.join("sshd.log"), |port| {
            // Not in the background, errors to standard error. It starts itself again, hence the whole path.
            let mut command = Command::new(&sshd);
            command.args(["-D", "-e", "-p"]).arg(port.to_string()).arg("-f").arg(dir.join("sshd_config"));
            Ok(command)
        })?;
        let sshd = Sshd { service, port, dir };
        // Find out now, and once, whether this user can log in at all.
        ask(Command::new(need("ssh")?).arg("-F").arg(sshd.client_configuration(port)?).arg(HOST).arg("true"), "")?;
        Ok(sshd)
    }

    /// Writes the configuration of clients that use this port.
    fn client_configuration(&self, port: u16) -> Outcome<PathBuf> {
        let folder = text(&self.dir)?;
        let path = self.dir.join(format!("ssh_config.{port}"));
        let configuration = format!(
            "Host {HOST}\nHostName 127.0.0.1\nPort {port}\nHostKeyAlias {HOST}\nCiphers {CIPHER}\nCompression no\n\
             IdentityFile \"{folder}/user_key\"\nIdentitiesOnly yes\nBatchMode yes\nStrictHostKeyChecking yes\n\
             UserKnownHostsFile \"{folder}/known_hosts\"\nGlobalKnownHostsFile /dev/null\nLogLevel ERROR\nConnectTimeout 20\n"
        );
        write(&path, configuration)?;
        Ok(path)
    }
}

impl Peer for Client {
    fn name(&self) -> &'static str {
        match self.tool {
            Tool::Scp => "scp",
            Tool::Rsync { fsync: false } => "rsync",
            Tool::Rsync { fsync: true } => "rsync --fsync",
            Tool::Tar => "tar+ssh",
        }
    }

    fn server(&self) -> Option<Server> {
        Some(Server { pid: self.sshd.service.pid(), port: self.sshd.port })
    }

    fn job(&self, column: Column, area: &Area, port: u16) -> Outcome<Job> {
        let configuration = self.sshd.client_configuration(port)?;
        let (source, destination) = (area.source(), area.destination(column.way));
        let entry = column.set.entry();
        let remote = |path: &str| format!("{HOST}:{path}");
        let (from, to) = match column.way {
            Way::Down => (remote(text(&source.join(entry))?), text(&destination)?.to_owned()),
            Way::Up => (text(&source.join(entry))?.to_owned(), remote(text(&destination)?)),
        };
        let mut command = Command::new(&self.program);
        match self.tool {
            Tool::Scp => {
                command.arg("-q").arg("-r").arg("-F").arg(configuration);
            }
            Tool::Rsync { fsync } => {
                command.arg("-W").arg("-r").arg("-e").arg(format!("ssh -F '{}'", text(&configuration)?));
                if fsync {
                    command.arg("--fsync");
                }
            }
            Tool::Tar => return self.tar(column, &configuration, text(&source)?, text(&destination)?),
        }
        command.arg(from).arg(format!("{to}/"));
        Ok(Job::one(command))
    }
}

impl Client {
    fn tar(&self, column: Column, configuration: &Path, source: &str, destination: &str) -> Outcome<Job> {
        let entry = column.set.entry();
        let mut ssh = Command::new(&self.ssh);
        ssh.arg("-F").arg(configuration).arg(HOST);
        let mut tar = Command::new(&self.program);
        Ok(match column.way {
            Way::Down => {
                ssh.arg(format!("tar -C '{source}' -cf - {entry}"));
                tar.args(["-C", destination, "-xf", "-"]);
                Job::piped(ssh, tar)
            }
            Way::Up => {
                tar.args(["-C", source, "-cf", "-", entry]);
                ssh.arg(format!("tar -C '{destination}' -xf -"));
                Job::piped(tar, ssh)
            }
        })
    }
}

/// The first line of what it says of its version.
fn version(program: &Path, option: &str) -> Outcome<String> {
    Ok(ask(Command::new(program).arg(option), "")?.lines().next().unwrap_or_default().to_owned())
}

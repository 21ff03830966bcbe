//! The options that bound what clients may take: time and connections.

use clap::Args;
use sealift::auth::Network;
use sealift::byte_size::{parse_size, render_size};
use sealift::files::FileMode;
use sealift::limits;
use sealift::server::{AdmissionOptions, Startups, Timeouts};

/// How much clients may take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits on clients")]
pub struct LimitArgs {
    /// Time for a whole TLS handshake
    #[arg(
        long,
        value_name = "TIME",
        env = "SEALIFT_HANDSHAKE_TIMEOUT",
        default_value_t = limits::HANDSHAKE_TIMEOUT.into(),
        value_parser = parse_timeout,
        hide_env_values = true
    )]
    handshake_timeout: humantime::Duration,

    /// Time from the end of the handshake until a successful login
    #[arg(
        long,
        value_name = "TIME",
        env = "SEALIFT_LOGIN_TIMEOUT",
        default_value_t = limits::LOGIN_TIMEOUT.into(),
        value_parser = parse_timeout,
        hide_env_values = true
    )]
    login_timeout: humantime::Duration,

    /// How long a client that is logged in may be silent between two commands
    #[arg(
        long,
        value_name = "TIME",
        env = "SEALIFT_IDLE_TIMEOUT",
        default_value_t = limits::IDLE_TIMEOUT.into(),
        value_parser = parse_timeout,
        hide_env_values = true
    )]
    idle_timeout: humantime::Duration,

    /// A client in the middle of a command or transfer that moves less than 1 KiB a second is closed after two such times
    #[arg(
        long,
        value_name = "TIME",
        env = "SEALIFT_STALL_WINDOW",
        default_value_t = limits::WINDOW.into(),
        value_parser = parse_timeout,
        hide_env_values = true
    )]
    stall_window: humantime::Duration,

    /// Connections at once; a tenth is kept for named users, a hundredth for newcomers and administrators
    #[arg(
        long,
        value_name = "N",
        env = "SEALIFT_MAX_CONNECTIONS",
        default_value_t = limits::CONNECTIONS_MAX,
        value_parser = parse_count,
        hide_env_values = true
    )]
    max_connections: usize,

    /// Connections at once from one address (IPv6: from one /64); more are refused
    #[arg(
        long,
        value_name = "N",
        env = "SEALIFT_MAX_PER_SOURCE",
        default_value_t = limits::PER_SOURCE_MAX,
        value_parser = parse_count,
        hide_env_values = true
    )]
    max_per_source: usize,

    /// Connections that are not logged in: once there are BEGIN of them, PERCENT of every hundred newcomers cost the address that
    /// has most of them its oldest one, growing to all at FULL; newcomers from that address itself are refused
    #[arg(
        long,
        value_name = "BEGIN:PERCENT:FULL",
        env = "SEALIFT_MAX_STARTUPS",
        default_value_t = Startups::default(),
        value_parser = parse_startups,
        hide_env_values = true
    )]
    max_startups: Startups,

    /// Memory for the whole server, such as 2GiB: it bounds the buffers and the number of connections. Default: what
    /// the machine, the control group and the resource limits leave at the start
    #[arg(long, value_name = "SIZE", env = "SEALIFT_MEMORY", value_parser = parse_memory, hide_env_values = true)]
    memory: Option<u64>,

    /// The most that a file or folder sent with --perms may keep of its mode, in octal: with 755 nobody else can write, with 750 nobody else
    /// can read. Without --perms files are 640 or 750 at most, unless users.toml sets a umask
    #[arg(
        long,
        value_name = "OOO",
        env = "SEALIFT_MAX_MODE",
        default_value_t = FileMode::ALL,
        value_parser = parse_mode,
        hide_env_values = true
    )]
    max_mode: FileMode,

    /// Networks of balancers, with commas, that send the PROXY protocol (version 1 or 2): their connections count as those of the
    /// address in its header, and are closed without one
    #[arg(
        long,
        value_name = "NET",
        env = "SEALIFT_PROXY_FROM",
        value_delimiter = ',',
        value_parser = parse_network,
        hide_env_values = true
    )]
    proxy_from: Vec<Network>,

    /// Networks, with commas, whose addresses are neither refused for misbehaving nor bound by --max-per-source, such as an office
    /// behind one address, or a monitor
    #[arg(long, value_name = "NET", env = "SEALIFT_EXEMPT", value_delimiter = ',', value_parser = parse_network, hide_env_values = true)]
    exempt: Vec<Network>,

    /// Refuse this machine's own addresses, too, when they misbehave. Do not use it behind a proxy here: all its clients come from
    /// these addresses
    #[arg(long, env = "SEALIFT_PENALISE_LOOPBACK", hide_env_values = true)]
    penalise_loopback: bool,
}

impl LimitArgs {
    /// Who may connect.
    pub fn admission(&self) -> AdmissionOptions {
        AdmissionOptions::default()
            .connections(self.max_connections)
            .per_source(self.max_per_source)
            .startups(self.max_startups)
            .penalise_loopback(self.penalise_loopback)
            .exempt(self.exempt.clone())
    }

    /// Whether as many may connect as usual, which nobody had to ask for.
    pub fn has_usual_connections(&self) -> bool {
        self.max_connections == limits::CONNECTIONS_MAX
    }

    /// The balancers that are believed.
    pub fn balancers(&self) -> Vec<Network> {
        self.proxy_from.clone()
    }

    /// Bytes of memory that the server may take, if that was said.
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// The most that a file may keep of its mode.
    pub fn max_mode(&self) -> FileMode {
        self.max_mode
    }

    /// How long clients may take.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts::default()
            .handshake(self.handshake_timeout.into())
            .login(self.login_timeout.into())
            .idle(self.idle_timeout.into())
            .stall(self.stall_window.into())
    }
}

fn parse_timeout(text: &str) -> Result<humantime::Duration, String> {
    let time: humantime::Duration =
        text.parse().map_err(|err| format!("{err}: write a number with a unit, such as 30s or 5m"))?;
    if *time < limits::TIMEOUT_MIN {
        return Err(format!("at least {}", humantime::Duration::from(limits::TIMEOUT_MIN)));
    }
    Ok(time)
}

fn parse_startups(text: &str) -> Result<Startups, String> {
    text.parse().map_err(|err: sealift::Error| err.text().to_owned())
}

fn parse_memory(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Some(bytes) if bytes >= limits::MEMORY_FIXED + limits::MEMORY_MIN => Ok(bytes),
        Some(_) => Err(format!("at least {}", render_size(limits::MEMORY_FIXED + limits::MEMORY_MIN))),
        None => Err("write a number with a unit, such as 512MiB or 2GiB".to_owned()),
    }
}

fn parse_network(text: &str) -> Result<Network, String> {
    text.trim().parse()
}

fn parse_mode(text: &str) -> Result<FileMode, String> {
    text.parse().map_err(|()| "write three octal digits, such as 750".to_owned())
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err("write a whole number from 1 on".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let limits = Cli::try_parse_from(["sealiftd"]).unwrap().serve.limits;
        assert_eq!((limits.timeouts(), limits.admission()), (Timeouts::default(), AdmissionOptions::default()));
    }

    #[test]
    fn every_limit_can_be_set() {
        let line = "sealiftd --handshake-timeout 1s --login-timeout 2s --idle-timeout 3m --stall-window 500ms \
                    --max-connections 5 --max-per-source 4 --max-startups 3:50:7 \
                    --memory 1GiB --penalise-loopback --exempt 192.0.2.0/24,2001:db8::1 --proxy-from 10.0.0.0/8";
        let limits = Cli::try_parse_from(line.split_whitespace()).unwrap().serve.limits;
        let seconds = Duration::from_secs;
        let timeouts = Timeouts::default().handshake(seconds(1)).login(seconds(2)).idle(seconds(180));
        let timeouts = timeouts.stall(Duration::from_millis(500));
        assert_eq!(limits.timeouts(), timeouts);
        let admission = AdmissionOptions::default()
            .connections(5)
            .per_source(4)
            .startups("3:50:7".parse().unwrap())
            .penalise_loopback(true)
            .exempt(vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
        assert_eq!(limits.admission(), admission);
        assert_eq!(limits.memory(), Some(1 << 30));
        assert_eq!(limits.balancers(), ["10.0.0.0/8".parse().unwrap()]);
    }

    #[test]
    fn limits_that_would_shut_everybody_out_are_refused() {
        for [option, value] in [
            ["--max-connections", "0"],
            ["--max-per-source", "0"],
            ["--login-timeout", "0s"],
            ["--stall-window", "99ms"],
            ["--idle-timeout", "15"],
            ["--max-startups", "0:30:100"],
            ["--memory", "1MiB"],
            ["--memory", "1000"],
            ["--proxy-from", "10.0.0.1/8"],
            ["--exempt", "all"],
        ] {
            assert!(Cli::try_parse_from(["sealiftd", option, value]).is_err(), "{option} {value}");
        }
    }
}

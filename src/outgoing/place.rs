//! Where a server elsewhere is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Scheme, host and port of a server, as `http://host:port` or `https://host` says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginAddress {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl OriginAddress {
    /// What stands in the header `host`.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default_port(self.tls) { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether what is said to it in the plain stays on this machine or in a private network, as far as its address tells: a name
    /// other than `localhost` does not.
    pub fn is_near(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            Ok(IpAddr::V6(v6)) => v6 == Ipv6Addr::LOCALHOST || v6.is_unique_local() || v6.is_unicast_link_local(),
            Err(_) => self.host == "localhost",
        }
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl fmt::Display for OriginAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

impl FromStr for OriginAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<OriginAddress, String> {
        const FORM: &str = "write https://HOST or http://HOST:PORT, without a path";
        // What stands before an `@` may be a secret.
        let bad =
            || if text.contains('@') { format!("no user stands in it: {FORM}") } else { format!("{text}: {FORM}") };
        let (tls, rest) = match text.split_once("://").ok_or_else(bad)? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return Err(bad()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
            Some(_) => return Err(bad()),
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => default_port(tls),
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().map_err(|_| bad())?,
            _ => return Err(bad()),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        if host.is_empty() || port == 0 || !host.bytes().all(is_plain) {
            return Err(bad());
        }
        Ok(OriginAddress { tls, host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        let place = |text: &str| text.parse::<OriginAddress>().map(|place| (place.tls, place.authority(), place.port));
        assert_eq!(
            place("https://s3.eu-west-1.amazonaws.com").unwrap(),
            (true, "s3.eu-west-1.amazonaws.com".into(), 443)
        );
        assert_eq!(place("http://127.0.0.1:3900/").unwrap(), (false, "127.0.0.1:3900".into(), 3900));
        assert_eq!(place("http://[::1]:80").unwrap(), (false, "[::1]".into(), 80));
        for bad in [
            "host",
            "ftp://host",
            "http://",
            "http://host/path",
            "http://a b",
            "http://u@h",
            "http://h:0",
            "http://h:+1",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
        for (text, near) in [
            ("http://localhost", true),
            ("http://10.0.0.1", true),
            ("http://[fd00::1]", true),
            ("http://8.8.8.8", false),
            ("http://host", false),
        ] {
            assert_eq!(text.parse::<OriginAddress>().unwrap().is_near(), near, "{text}");
        }
    }
}

//! Whose something is: everything of which there is too little is shared between sources, not between connections.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::auth::Principal;
use crate::limits;

/// Where a connection comes from: an IPv4 address, or the /64 that one IPv6 subscriber gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    /// An IPv4 address that came in by IPv6 is itself.
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Origin(v4.into()),
            IpAddr::V6(v6) => Origin(leading(v6, limits::IPV6_SUBSCRIBER_BITS).into()),
        }
    }
}

impl Origin {
    /// Whether it is this machine.
    pub fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/{}", limits::IPV6_SUBSCRIBER_BITS),
        }
    }
}

/// Who is counted: a named user once logged in, wherever they are; else where the connection comes from. An office behind
/// one address is not one user, and somebody with many connections is not many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A named user.
    User(Arc<str>),
    /// Somebody who is not logged in, or is nobody in particular.
    Origin(Origin),
}

/// What several sources may have in common, so that one subscriber who holds 65,536 of them does not count as often:
/// the /48 of an IPv6 address. Everybody else is alone in theirs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Network {
    /// A named user.
    User(Arc<str>),
    /// An IPv4 address, or the first address of a /48.
    Addresses(IpAddr),
}

impl Source {
    /// That of a session.
    pub fn of(principal: &Principal, address: IpAddr) -> Source {
        if principal.is_user() { Source::User(principal.name().into()) } else { Source::from(address) }
    }

    /// What it may share with others.
    pub fn network(&self) -> Network {
        match self {
            Source::User(name) => Network::User(name.clone()),
            Source::Origin(Origin(IpAddr::V4(v4))) => Network::Addresses((*v4).into()),
            Source::Origin(Origin(IpAddr::V6(v6))) => {
                Network::Addresses(leading(*v6, limits::IPV6_NETWORK_BITS).into())
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::User(name) => f.write_str(name),
            Source::Origin(origin) => origin.fmt(f),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::User(name) => f.write_str(name),
            Network::Addresses(IpAddr::V4(v4)) => v4.fmt(f),
            Network::Addresses(IpAddr::V6(v6)) => write!(f, "{v6}/{}", limits::IPV6_NETWORK_BITS),
        }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Source::Origin(address.into())
    }
}

/// The address with all but its first bits zero. `bits` is from 1 to 128.
fn leading(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Users;
    use crate::secret::Secret;

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_ipv6_subscriber_is_one_source_and_a_mapped_ipv4_is_itself() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn neighbours_of_ipv6_share_a_network_and_those_of_ipv4_do_not() {
        assert_eq!(source("2001:db8:1:2::1").network(), source("2001:db8:1:ffff::1").network());
        assert_ne!(source("2001:db8:1:2::1").network(), source("2001:db8:2:2::1").network());
        assert_ne!(source("192.0.2.1").network(), source("192.0.2.2").network());
    }

    #[test]
    fn whoever_is_nobody_in_particular_counts_as_where_they_are() {
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        let anybody = users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(Source::of(&anybody, address), Source::from(address));
    }

    #[test]
    fn a_user_is_no_address_and_has_a_network_of_their_own() {
        let alice = Source::User("alice".into());
        assert_eq!(alice.network(), Network::User("alice".into()));
    }
}

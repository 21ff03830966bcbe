//! Where a key may log in from: addresses and networks.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address, or all that begin with the same bits: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// As IPv6; an IPv4 address is mapped into it (RFC 4291, section 2.5.5.2), as sockets for both give it.
    bits: u128,
    /// How many of the first bits count.
    length: u32,
    /// Written as IPv4.
    is_v4: bool,
}

/// Bits before those of an IPv4 address in its mapping.
const MAPPED: u32 = 96;

fn bits(address: IpAddr) -> u128 {
    let wide: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    wide.to_bits()
}

const fn mask(length: u32) -> u128 {
    match length {
        0 => 0,
        length => u128::MAX << (128 - length),
    }
}

impl Network {
    /// Its first address.
    pub fn address(&self) -> IpAddr {
        Ipv6Addr::from_bits(self.bits).to_canonical()
    }

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        (bits(address) ^ self.bits) & mask(self.length) == 0
    }
}

impl FromStr for Network {
    type Err = String;

    /// Why not, as the end of a sentence about the text.
    fn from_str(text: &str) -> Result<Network, String> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address
            .parse()
            .map_err(|_| "is neither an address, such as 192.0.2.7, nor a network, such as 192.0.2.0/24")?;
        let (is_v4, before, all) = if address.is_ipv4() { (true, MAPPED, 32) } else { (false, 0, 128) };
        let length = match length {
            None => all,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|length| *length <= all && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| format!("must have 0 to {all} behind its slash"))?,
        };
        let network = Network { bits: bits(address), length: before + length, is_v4 };
        if network.bits & !mask(network.length) != 0 {
            return Err(format!("has bits set behind the first {length}: an address alone is written without a slash"));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.bits);
        let (address, before, all) = match address.to_ipv4_mapped().filter(|_| self.is_v4) {
            Some(address) => (IpAddr::V4(address), MAPPED, 128),
            None => (IpAddr::V6(address), 0, 128),
        };
        match self.length {
            length if length == all => write!(f, "{address}"),
            length => write!(f, "{address}/{}", length - before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_networks_whose_bits_it_begins_with() {
        for (network, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::ffff:192.0.3.1"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("::/0", "192.0.2.1", ""),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(outside.is_empty() || !parsed.contains(outside.parse().unwrap()), "{network} {outside}");
            assert_eq!(parsed.to_string(), network);
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "neither an address"),
            ("laptop", "neither an address"),
            ("192.0.2.0/33", "0 to 32"),
            ("192.0.2.0/+8", "0 to 32"),
            ("192.0.2.0/", "0 to 32"),
            ("192.0.2.7/24", "bits set"),
            ("2001:db8::1/32", "bits set"),
        ] {
            assert!(text.parse::<Network>().unwrap_err().contains(why), "{text}");
        }
    }
}

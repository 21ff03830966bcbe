//! From a server's name to the addresses to connect to.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _};

use async_std::task::spawn_blocking;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice::name_to_index, socket_with};

use super::options::{Endpoint, Family};
use crate::error::{Error, Kind, Result};

/// The addresses of a server, in the order the system prefers, of this family alone if one is named.
///
/// # Errors
/// [`Kind::Network`] if there is no such host, or it has no such address, or no such interface in an address with a zone (`fe80::1%eth0`).
pub(super) async fn resolve(endpoint: &Endpoint, family: Option<Family>) -> Result<Vec<SocketAddr>> {
    let endpoint = endpoint.clone();
    let mut found = spawn_blocking(move || look_up(&endpoint).map(|found| (endpoint, found))).await?;
    let Some(family) = family else { return Ok(found.1) };
    found.1.retain(|address| family.has(address));
    match found {
        (Endpoint { host, .. }, none) if none.is_empty() => {
            // It will have none the next time either.
            let never = io::Error::from(io::ErrorKind::AddrNotAvailable);
            Err(Error::new(Kind::Network, format!("{host} has no {family} address")).with_source(never))
        }
        (_, found) => Ok(found),
    }
}

fn look_up(endpoint: &Endpoint) -> Result<Vec<SocketAddr>> {
    let Endpoint { host, port } = endpoint;
    if let Some(address) = zoned(host, *port)? {
        return Ok(vec![address]);
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, *port)]);
    }
    let unknown = |why: String| Error::new(Kind::Network, format!("cannot find the address of {host}: {why}"));
    let failed = |err: io::Error| {
        let text = err.to_string();
        // It says so itself.
        let why = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
        unknown(why.to_owned()).with_source(err)
    };
    let found: Vec<SocketAddr> = (host.as_str(), *port).to_socket_addrs().map_err(failed)?.collect();
    if found.is_empty() { Err(unknown("it has none".to_owned())) } else { Ok(found) }
}

/// An IPv6 address with a zone. The system's own look-up knows zones by name only for link-local addresses.
fn zoned(host: &str, port: u16) -> Result<Option<SocketAddr>> {
    let Some((address, zone)) = host.split_once('%') else { return Ok(None) };
    let Ok(address) = address.parse::<Ipv6Addr>() else { return Ok(None) };
    let index = match zone.parse::<u32>() {
        Ok(index) => index,
        Err(_) => index_of(zone).map_err(|err| {
            let text = format!("{host}: this machine has no network interface called {zone}");
            Error::new(Kind::Network, text).with_source(err)
        })?,
    };
    Ok(Some(SocketAddrV6::new(address, port, 0, index).into()))
}

fn index_of(interface: &str) -> io::Result<u32> {
    let any = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(name_to_index(any, interface)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_number_or_the_name_of_an_interface() {
        let of = |host: &str| look_up(&Endpoint::new(host, 1)).map(|found| found[0]);
        let SocketAddr::V6(zoned) = of("::1%lo").unwrap() else { panic!() };
        assert_eq!((*zoned.ip(), zoned.port()), (Ipv6Addr::LOCALHOST, 1));
        assert_eq!(zoned.scope_id(), index_of("lo").unwrap());
        assert_eq!(of(&format!("::1%{}", zoned.scope_id())).unwrap(), SocketAddr::V6(zoned));
        let why = of("fe80::1%nothing0").unwrap_err();
        assert_eq!(why.kind(), Kind::Network);
        assert!(why.text().contains("no network interface called nothing0"), "{why}");
    }
}

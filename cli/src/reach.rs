//! Where a server can be reached: the addresses that its own address stands for.

use std::net::{IpAddr, SocketAddr};

use if_addrs::{IfOperStatus, get_if_addrs};
use neap_smol::Address;

/// The addresses of this machine's interfaces that are up, as far as the system tells.
fn interfaces() -> Vec<IpAddr> {
    let interfaces = get_if_addrs().unwrap_or_default().into_iter();
    let up = interfaces.filter(|interface| interface.oper_status != IfOperStatus::Down);
    up.map(|interface| interface.ip()).collect()
}

/// What the addresses stand for that mean every interface, without those that a client elsewhere
/// could not write in a URL. The machine's own comes first.
pub(crate) fn behind_wildcards(addresses: &[Address]) -> Vec<SocketAddr> {
    let wildcards: Vec<_> = addresses.iter().filter_map(wildcard).collect();
    if wildcards.is_empty() {
        return Vec::new();
    }
    let interfaces = interfaces();
    let found = wildcards
        .iter()
        .flat_map(|address| behind(*address, &interfaces));
    found.collect()
}

/// An address to open in a browser on this machine: the first that is TCP.
pub(crate) fn from_here(addresses: &[Address]) -> Option<SocketAddr> {
    addresses.iter().find_map(|address| match address {
        Address::Tcp(address) if address.ip().is_unspecified() => Some(loopback(*address)),
        Address::Tcp(address) => Some(*address),
        _ => None,
    })
}

fn wildcard(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Tcp(address) if address.ip().is_unspecified() => Some(*address),
        _ => None,
    }
}

fn loopback(wildcard: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match wildcard {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, wildcard.port())
}

/// A wildcard means the interfaces of its own family: neap's are never both.
fn behind(wildcard: SocketAddr, interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    let is_usable = |ip: &&IpAddr| ip.is_ipv4() == wildcard.is_ipv4() && !is_link_local(**ip);
    let mut found: Vec<_> = interfaces.iter().filter(is_usable).copied().collect();
    found.sort_by_key(|ip| (!ip.is_loopback(), *ip));
    found.dedup();
    let found = found.into_iter();
    found
        .map(|ip| SocketAddr::new(ip, wildcard.port()))
        .collect()
}

/// Such an address needs an interface beside it (RFC 6874), or was made up for want of a better
/// one (RFC 3927).
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_each_address_of_its_family_loopback_first_without_link_local_ones() {
        let interfaces = [
            "192.168.1.5",
            "169.254.3.3",
            "127.0.0.1",
            "10.0.0.7",
            "fe80::1",
            "::1",
            "fd00::5",
            "10.0.0.7",
        ];
        let interfaces = interfaces.map(|ip| ip.parse().unwrap());
        let behind = |wildcard: &str| {
            let found = behind(wildcard.parse().unwrap(), &interfaces).into_iter();
            found.map(|address| address.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            behind("0.0.0.0:80"),
            ["127.0.0.1:80", "10.0.0.7:80", "192.168.1.5:80"]
        );
        assert_eq!(behind("[::]:81"), ["[::1]:81", "[fd00::5]:81"]);
    }

    #[test]
    fn a_browser_here_is_sent_to_the_first_tcp_address() {
        let first = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap());
            from_here(&addresses.collect::<Vec<_>>()).map(|address| address.to_string())
        };
        assert_eq!(first(&["unix:/a", "0.0.0.0:80"]).unwrap(), "127.0.0.1:80");
        assert_eq!(first(&["[::]:80"]).unwrap(), "[::1]:80");
        assert_eq!(first(&["192.0.2.1:80", "[::]:80"]).unwrap(), "192.0.2.1:80");
        assert_eq!(first(&["unix:/a"]), None);
    }

    #[test]
    fn an_address_that_is_one_interface_is_not_repeated() {
        assert!(behind_wildcards(&["127.0.0.1:80".parse().unwrap()]).is_empty());
    }
}

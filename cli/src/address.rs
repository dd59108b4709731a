//! Addresses as people write them on a command line.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use neap_smol::Address;

/// Reads an address, or a port of this machine alone: `8080` and `localhost:8080` are both
/// `127.0.0.1:8080`.
///
/// `:8080` is refused: half of the tools mean every interface by it and half this machine, and who
/// serves a directory had better know which.
pub(crate) fn parse(text: &str) -> Result<Address, AddressError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    match port.parse() {
        Ok(port) => Ok(on_loopback(port)),
        Err(_) => Err(AddressError(text.to_owned())),
    }
}

/// This port, for this machine alone.
pub(crate) fn on_loopback(port: u16) -> Address {
    Address::Tcp(([127, 0, 0, 1], port).into())
}

/// Reads a port.
pub(crate) fn parse_port(text: &str) -> Result<u16, PortError> {
    text.parse().map_err(|_| PortError(text.to_owned()))
}

/// A text that is no port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortError(String);

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.0;
        write!(
            f,
            "{text:?} is no port: write a number up to 65535; 0 takes a free one"
        )
    }
}

impl std::error::Error for PortError {}

/// A text that is no address. Its `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        let every = text.strip_prefix("*:").or(text.strip_prefix(':'));
        let every = every.filter(|port| port.parse::<u16>().is_ok());
        let scheme = ["http://", "https://"]
            .into_iter()
            .find_map(|it| text.strip_prefix(it));
        if let Some(port) = every {
            write!(
                f,
                "{text:?} is every interface to some and this machine to others: write \
                 0.0.0.0:{port} (or [::]:{port}) or 127.0.0.1:{port}"
            )
        } else if let Some(rest) = scheme {
            let rest = rest.trim_end_matches('/');
            write!(
                f,
                "{text:?} is a URL: write {rest}; --tls-cert speaks HTTPS"
            )
        } else if text.starts_with(['/', '.', '@']) {
            write!(f, "{text:?} has no kind: write unix:{text}")
        } else if let Ok(ip) = text.parse::<IpAddr>() {
            write!(
                f,
                "{text:?} has no port: write {} for one",
                SocketAddr::new(ip, 8080)
            )
        } else {
            write!(
                f,
                "{text:?} is no address: write 127.0.0.1:8080, [::]:80, unix:PATH or unix:@NAME \
                 (names are not looked up)"
            )
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_and_localhost_are_this_machine() {
        for text in ["8080", "localhost:8080", "127.0.0.1:8080"] {
            assert_eq!(parse(text).unwrap().to_string(), "127.0.0.1:8080");
        }
        assert_eq!(parse("unix:8080").unwrap().to_string(), "unix:8080");
    }

    #[test]
    fn what_is_no_address_is_told_what_to_write() {
        for (text, remedy) in [
            (
                ":8080",
                "write 0.0.0.0:8080 (or [::]:8080) or 127.0.0.1:8080",
            ),
            ("*:80", "write 0.0.0.0:80 "),
            ("http://127.0.0.1:80/", "write 127.0.0.1:80; "),
            ("/run/x", "write unix:/run/x"),
            ("127.0.0.1", "write 127.0.0.1:8080"),
            ("::1", "write [::1]:8080"),
            ("example.org:80", "names are not looked up"),
            ("65536", "is no address"),
            ("", "is no address"),
            ("unix:", "is no address"),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains(remedy), "{told}");
        }
    }
}

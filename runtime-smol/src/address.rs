//! Where a server listens, and who its peers are.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use rustix::net::{SocketAddrAny, SocketAddrUnix};

/// The address of a listener or of a peer.
///
/// It is written and read as `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/app.sock`, and
/// `unix:@name` for Linux's abstract names.
///
/// ```
/// use neap_smol::Address;
///
/// let address: Address = "unix:/run/app.sock".parse()?;
/// assert_eq!(address, Address::Unix("/run/app.sock".into()));
/// assert_eq!("[::1]:80".parse::<Address>()?.to_string(), "[::1]:80");
/// assert!("localhost:http".parse::<Address>().is_err());
/// # Ok::<(), neap_smol::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A TCP address. Port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
    /// A name in Linux's abstract namespace.
    Abstract(Vec<u8>),
    /// A unix socket without a name, as most clients have.
    Unnamed,
}

impl Address {
    pub(crate) fn from_raw(raw: Option<SocketAddrAny>) -> Address {
        let Some(raw) = raw else {
            return Address::Unnamed;
        };
        if let Ok(tcp) = SocketAddr::try_from(raw.clone()) {
            return Address::Tcp(tcp);
        }
        SocketAddrUnix::try_from(raw).map_or(Address::Unnamed, |unix| Address::from_unix(&unix))
    }

    fn from_unix(unix: &SocketAddrUnix) -> Address {
        use std::os::unix::ffi::OsStringExt;
        if let Some(path) = unix.path_bytes() {
            return Address::Unix(std::ffi::OsString::from_vec(path.to_vec()).into());
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = unix.abstract_name() {
            return Address::Abstract(name.to_vec());
        }
        Address::Unnamed
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
            Address::Unnamed => f.write_str("unix:"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        match text.strip_prefix("unix:") {
            Some("" | "@") => Err(AddressError(text.into())),
            Some(rest) => Ok(match rest.strip_prefix('@') {
                Some(name) => Address::Abstract(name.into()),
                None => Address::Unix(rest.into()),
            }),
            None => text
                .parse()
                .map(Address::Tcp)
                .map_err(|_| AddressError(text.into())),
        }
    }
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no address: write 127.0.0.1:8080, [::]:80, unix:PATH or unix:@NAME",
            self.0
        )
    }
}

impl std::error::Error for AddressError {}

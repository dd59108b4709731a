//! Why a command could not do its work, and what to do about it.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use neap_smol::{Address, ConfigError};

use crate::serve::RuleError;

/// A certificate that a browser warns of, and a key.
const MAKE_ONE: &str = "`openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout \
                        key.pem -out cert.pem`";

/// Why a command could not do its work. Its `Display` is one sentence that says what to do.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The settings contradict each other.
    Config(ConfigError),
    /// The rules of `--cache` do.
    Cache(RuleError),
    /// There is no certificate where one was to be.
    Certificate(io::Error),
    /// The sockets that were to be inherited are of no use.
    Inherit(io::Error),
    /// The handlers of signals could not be installed.
    Signals(io::Error),
    /// An address could not be listened on.
    Listen {
        /// The address.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// A directory could not be served.
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A page that a flag is about is not there.
    Page {
        /// Its path below the directory.
        page: String,
        /// The directory.
        directory: PathBuf,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The server could not run.
    Run(io::Error),
    /// What was to be printed or written could not be.
    Write {
        /// The directory, if it was not stdout.
        directory: Option<PathBuf>,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(source) => source.fmt(f),
            StartError::Cache(source) => write!(f, "the rule of --cache {source}"),
            StartError::Certificate(source) => write!(
                f,
                "cannot speak HTTPS: {source}. --tls-cert and --tls-key name PEM files; {MAKE_ONE} \
                 makes a pair to try it with"
            ),
            StartError::Inherit(source) => write!(f, "cannot take over sockets: {source}"),
            StartError::Signals(source) => write!(f, "cannot handle signals: {source}"),
            StartError::Listen { address, source } => {
                write!(f, "cannot listen on {address}: ")?;
                match listen_advice(address, source.kind()) {
                    Some(advice) => f.write_str(advice),
                    None => write!(f, "{source}"),
                }
            }
            StartError::Directory { directory, source } => {
                write!(f, "cannot serve {}: ", directory.display())?;
                match source.kind() {
                    io::ErrorKind::NotFound => {
                        f.write_str("there is no such directory; check the name, or create it")
                    }
                    io::ErrorKind::NotADirectory => {
                        f.write_str("it is a file; name the directory that holds it")
                    }
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("this user may not enter it; change its mode, or the user")
                    }
                    _ => write!(f, "{source}"),
                }
            }
            StartError::Page {
                page,
                directory,
                remedy,
            } => {
                let directory = directory.display();
                write!(f, "there is no file {page} below {directory}: {remedy}")
            }
            StartError::Run(source) => write!(f, "cannot serve: {source}"),
            StartError::Write { directory, source } => match directory {
                Some(directory) => write!(f, "cannot write to {}: {source}", directory.display()),
                None => write!(f, "cannot print: {source}"),
            },
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StartError::Config(source) => Some(source),
            StartError::Cache(source) => Some(source),
            StartError::Page { .. } => None,
            StartError::Certificate(source)
            | StartError::Inherit(source)
            | StartError::Signals(source)
            | StartError::Listen { source, .. }
            | StartError::Directory { source, .. }
            | StartError::Write { source, .. }
            | StartError::Run(source) => Some(source),
        }
    }
}

/// What to do when an address refuses us, if it is known.
fn listen_advice(address: &Address, kind: io::ErrorKind) -> Option<&'static str> {
    let is_tcp = matches!(address, Address::Tcp(_));
    match kind {
        io::ErrorKind::AddrInUse if is_tcp => Some(
            "the port is taken; end the process that listens there, or take another port (-p 0 \
             finds a free one)",
        ),
        io::ErrorKind::AddrInUse => Some(
            "a socket of this name exists; end the process that listens there, remove the file \
             if there is none, or take another name",
        ),
        io::ErrorKind::PermissionDenied if is_tcp => {
            Some("this user may not; take a port from 1024 up, or grant CAP_NET_BIND_SERVICE")
        }
        io::ErrorKind::PermissionDenied => {
            Some("this user may not write there; take another directory")
        }
        io::ErrorKind::AddrNotAvailable => {
            Some("no interface of this machine has the address; take 127.0.0.1, or 0.0.0.0 for all")
        }
        io::ErrorKind::NotFound => Some("its directory does not exist; create it"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let listen = |address: &str, kind: io::ErrorKind| {
            let address = address.parse().unwrap();
            StartError::Listen {
                address,
                source: kind.into(),
            }
            .to_string()
        };
        let taken = listen("127.0.0.1:80", io::ErrorKind::AddrInUse);
        assert!(
            taken.starts_with("cannot listen on 127.0.0.1:80: the port is taken"),
            "{taken}"
        );
        let taken = listen("unix:/run/x", io::ErrorKind::AddrInUse);
        assert!(
            taken.contains("unix:/run/x: a socket of this name"),
            "{taken}"
        );
        let denied = listen("127.0.0.1:80", io::ErrorKind::PermissionDenied);
        assert!(denied.contains("1024"), "{denied}");
        let directory = PathBuf::from("nowhere");
        let source = io::ErrorKind::NotFound.into();
        let missing = StartError::Directory { directory, source }.to_string();
        assert!(
            missing.starts_with("cannot serve nowhere: there is no such"),
            "{missing}"
        );
    }
}

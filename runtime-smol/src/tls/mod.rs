//! HTTPS: certificates that can be exchanged while the server runs.

mod transport;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub use transport::{MaybeTls, TlsTransport};

/// The one protocol that is spoken inside (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";

/// What a server needs for HTTPS: a certificate and its key. Clones share them.
///
/// It is given to [`Server::tls`](crate::Server::tls). TLS 1.3 and 1.2 are spoken (RFC 8446, RFC
/// 5246), with the cryptography of ring, and HTTP/1.1 is what is agreed on inside; a client that
/// wants another protocol and nothing else is refused by an alert.
///
/// A handshake is part of a connection's first request: it has to be completed in the time for a
/// head ([`Timeouts::head`](crate::Timeouts::head)), a connection that has begun one is in
/// [`State::Head`](crate::State::Head) until its first request has come, and the drain waits for it
/// like for half a head. Each end in good order is announced by `close_notify`; one that must look
/// cut is not, nor is that of a server that is dropped, or whose thread is blocked.
///
/// ```no_run
/// use neap_smol::{Server, Tls};
///
/// # fn main() -> std::io::Result<()> {
/// let tls = Tls::from_files("fullchain.pem", "privkey.pem")?;
/// let server = Server::new().tls(&tls).listen(&"0.0.0.0:443".parse().unwrap())?;
/// // Later, wherever it is known that the files have changed:
/// tls.replace(&Tls::from_files("fullchain.pem", "privkey.pem")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: ArcSwap<ServerConfig>,
    completed: AtomicU64,
    failed: AtomicU64,
}

/// How many handshakes have ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handshakes {
    /// Those that were completed.
    pub completed: u64,
    /// Those that had begun and came to nothing: refused, broken off, or out of time.
    pub failed: u64,
}

impl Tls {
    /// With a certificate, the intermediate ones behind it, and its key, as PEM (RFC 7468).
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) if they are not there, or do not fit together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> io::Result<Tls> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| invalid("certificate", &error))?;
        if chain.is_empty() {
            return Err(invalid("certificate", &pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid("key", &error))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = builder
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| invalid("certificate and key", &error))?;
        Ok(Tls::new(config))
    }

    /// The same from files.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Tls::from_pem), and if they cannot be read.
    pub fn from_files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> io::Result<Tls> {
        Tls::from_pem(&read(certificates.as_ref())?, &read(key.as_ref())?)
    }

    /// With settings of your own: other certificates for other names, clients' certificates, other
    /// versions. HTTP/1.1 is what is agreed on inside in any case.
    #[must_use]
    pub fn new(mut config: ServerConfig) -> Tls {
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Tls(Arc::new(Inner {
            config: ArcSwap::from_pointee(config),
            completed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// Takes on the certificates and settings of `other`, for every handshake that begins from now
    /// on. Connections that are there go on as they are.
    pub fn replace(&self, other: &Tls) {
        self.0.config.store(other.0.config.load_full());
    }

    /// How many handshakes have ended so far.
    #[must_use]
    pub fn handshakes(&self) -> Handshakes {
        Handshakes {
            completed: self.0.completed.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
        }
    }
}

/// Nothing of the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.handshakes()).finish()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    std::fs::read(path).map_err(named)
}

/// Errors of rustls say what is wrong without saying what it is.
fn invalid(what: &str, error: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {error}"))
}

/// A handshake on its way, and its part in the sums.
#[derive(Debug)]
struct Handshake {
    tls: Tls,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client has sent nothing.
    Awaited,
    Begun,
    Completed,
}

impl Handshake {
    fn awaited(tls: &Tls) -> Handshake {
        Handshake {
            tls: tls.clone(),
            stage: Stage::Awaited,
        }
    }

    fn begin(&mut self) {
        if self.stage == Stage::Awaited {
            self.stage = Stage::Begun;
        }
    }

    fn complete(&mut self) {
        if self.stage != Stage::Completed {
            self.stage = Stage::Completed;
            self.tls.0.completed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if self.stage == Stage::Begun {
            self.tls.0.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

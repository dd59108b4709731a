//! A certificate, and a client that trusts it.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;

use neap_smol::Tls;
use neap_smol::rustls::crypto::ring;
use neap_smol::rustls::pki_types::{CertificateDer, ServerName};
use neap_smol::rustls::version::{TLS12, TLS13};
use neap_smol::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A certificate that its owner has signed.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    der: CertificateDer<'static>,
}

impl Identity {
    pub(crate) fn new(name: &str) -> Identity {
        let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Identity {
            certificate: signed.cert.pem(),
            key: signed.signing_key.serialize_pem(),
            der: signed.cert.der().clone(),
        }
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// The settings of a client that trusts this certificate alone.
    pub(crate) fn trusting(&self, is_old: bool) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let versions = if is_old { [&TLS12] } else { [&TLS13] };
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A client that has not said anything yet.
    pub(crate) fn connect(&self, socket: TcpStream) -> Stream {
        connect(self.trusting(false), socket)
    }
}

pub(crate) fn connect(config: ClientConfig, socket: TcpStream) -> Stream {
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(session, socket)
}

/// What comes until the end, and whether `close_notify` announced that.
pub(crate) fn rest(stream: &mut Stream) -> (String, bool) {
    let mut all = Vec::new();
    let end = stream.read_to_end(&mut all);
    (String::from_utf8_lossy(&all).into_owned(), end.is_ok())
}

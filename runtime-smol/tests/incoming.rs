//! Servers whose connections do not come from a listening socket, and several servers as one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/pipe.rs"]
mod pipe;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::future::{block_on, pending, poll_once, zip};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use neap_smol::system::{Connector, Host, Incoming, Stream, incoming};
use neap_smol::{Address, Handles, Ownership, Phase, Progress, Server};

use common::{GET, listening};
use pipe::Duplex;

type Listener = Incoming<Stream<Duplex>>;

fn server() -> (Connector<Stream<Duplex>>, Server<Host<Listener>>) {
    let (connector, listener) = incoming();
    let server = Server::on(Host::new()).socket(listener, Address::Unnamed, Ownership::Sole);
    (connector, server)
}

fn connect(connector: &Connector<Stream<Duplex>>) -> Option<Duplex> {
    let (near, far) = Duplex::pair(100);
    let connected = connector.connect(Stream::new(far), Address::Unnamed);
    connected.is_ok().then_some(near)
}

#[test]
fn who_waits_when_the_drain_begins_is_served_and_nobody_comes_after_it() {
    let (connector, server) = server();
    let handle = server.handle();
    let mut clients: Vec<_> = (0..10).map(|_| connect(&connector).unwrap()).collect();
    handle.drain();
    let serving = server.serve(|_request| async { "hello" });
    let asking = async {
        for client in &mut clients {
            client.write_all(GET.as_bytes()).await.unwrap();
            let mut response = String::new();
            client.read_to_string(&mut response).await.unwrap();
            assert!(response.ends_with("hello"), "{response}");
        }
    };
    let (report, ()) = block_on(zip(serving, asking));
    assert!(
        report.is_clean() && report.requests.completed == 10,
        "{report}"
    );
    assert!(connect(&connector).is_none());
}

/// More than fits into the pipe, both ways.
#[test]
fn content_larger_than_the_pipe_goes_both_ways() {
    let (connector, server) = server();
    let handle = server.handle();
    let serving = server.serve(|request| async {
        let content = request.into_body().collect(1_000_000).await?;
        Ok::<_, neap_smol::BodyError>(content)
    });
    let (mut reader, mut writer) = futures_lite::io::split(connect(&connector).unwrap());
    let content = vec![b'x'; 100_000];
    let sending = async {
        let head = format!(
            "POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&content).await.unwrap();
    };
    let receiving = async {
        let mut response = Vec::new();
        reader.read_to_end(&mut response).await.unwrap();
        handle.drain();
        assert!(response.ends_with(&content), "{}", response.len());
    };
    let (report, _) = block_on(zip(serving, zip(sending, receiving)));
    assert!(report.is_clean(), "{report}");
}

/// Keeps what is written until it is flushed.
struct Lazy {
    duplex: Duplex,
    kept: Vec<u8>,
}

impl AsyncRead for Lazy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.duplex).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lazy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(buffer);
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let Lazy { duplex, kept } = &mut *self;
            let count = ready!(Pin::new(duplex).poll_write(cx, kept))?;
            kept.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.duplex).poll_close(cx)
    }
}

#[test]
fn what_a_stream_took_is_flushed() {
    let (connector, listener) = incoming();
    let server = Server::on(Host::new()).socket(listener, Address::Unnamed, Ownership::Sole);
    let handle = server.handle();
    let (mut near, far) = Duplex::pair(10);
    let far = Lazy {
        duplex: far,
        kept: Vec::new(),
    };
    assert!(
        connector
            .connect(Stream::new(far), Address::Unnamed)
            .is_ok()
    );
    handle.drain();
    let asking = async {
        near.write_all(GET.as_bytes()).await.unwrap();
        let mut response = String::new();
        near.read_to_string(&mut response).await.unwrap();
        assert!(response.ends_with("hello"), "{response}");
    };
    let serving = server.serve(|_request| async { "hello" });
    let (report, ()) = block_on(zip(serving, asking));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_listener_that_is_dropped_drops_who_waits_there() {
    let (connector, server) = server();
    let mut client = connect(&connector).unwrap();
    drop(server);
    assert!(connect(&connector).is_none());
    let read = block_on(client.read(&mut [0; 9]));
    assert_eq!(read.unwrap(), 0);
}

#[test]
fn several_servers_are_stopped_and_awaited_as_one() {
    let servers = [listening(), listening()];
    let mut all: Handles = servers.iter().map(Server::handle).collect();
    let (connector, odd) = server();
    all.extend([odd.handle()]);
    let [one, other] = servers.map(|server| server.serve(|_request| async { "hello" }));
    let odd = odd.serve(|_request| pending::<&str>());
    assert!(all.is_ready() && all.progress() == Progress::Running);
    // It holds its server until that is closed by force.
    let mut client = connect(&connector).unwrap();
    let reports = block_on(async {
        client.write_all(GET.as_bytes()).await.unwrap();
        let stopping = async {
            all.drain();
            all.reached(Progress::Sealing).await;
            assert!(!all.is_ready());
            assert!(poll_once(all.done()).await.is_none());
            all.close_now();
            all.done().await
        };
        zip(zip(zip(one, other), odd), stopping).await.1
    });
    assert_eq!(all.progress(), Progress::Done);
    let lost: Vec<_> = reports.iter().map(|report| report.lost).collect();
    assert_eq!(lost, [0, 0, 1], "in their order");
    assert!(reports.iter().all(|report| report.phase == Phase::Done));
}

#[cfg(feature = "rustls")]
#[test]
fn tls_runs_on_a_pipe() {
    use std::sync::Arc;

    use neap_smol::rustls::{ClientConnection, crypto::ring, pki_types::ServerName};
    use neap_smol::system::TlsTransport;
    use neap_smol::{Tls, rustls};

    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let (connector, listener) = incoming();
    let server = Server::on(Host::new()).socket(listener, Address::Unnamed, Ownership::Sole);
    let handle = server.handle();
    let (mut near, far) = Duplex::pair(10);
    let transport = TlsTransport::new(Stream::new(far), &tls).unwrap();
    assert!(connector.connect(transport, Address::Unnamed).is_ok());

    let mut roots = rustls::RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    io::Write::write_all(&mut session.writer(), GET.as_bytes()).unwrap();
    let client = async {
        let mut response = Vec::new();
        let mut buffer = [0; 7];
        handle.drain();
        loop {
            let mut records = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut records).unwrap();
            }
            near.write_all(&records).await.unwrap();
            let count = near.read(&mut buffer).await.unwrap();
            let taken = session.read_tls(&mut &buffer[..count]).unwrap();
            session.process_new_packets().unwrap();
            match io::Read::read_to_end(&mut session.reader(), &mut response) {
                Ok(_) => break String::from_utf8(response).unwrap(),
                Err(error) => assert!(taken > 0, "it ends without close_notify: {error}"),
            }
        }
    };
    let serving = server.serve(|_request| async { "hello" });
    let (report, response) = block_on(zip(serving, client));
    assert!(response.ends_with("hello"), "{response}");
    assert!(
        report.is_clean() && tls.handshakes().completed == 1,
        "{report}"
    );
}

//! A server without a socket: its connections are pipes in memory, or whatever else is an
//! `AsyncRead` and `AsyncWrite`. `cargo run -p neap-smol --example pipe`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::future::{block_on, zip};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use neap_smol::system::{Host, Stream, incoming};
use neap_smol::{Address, Ownership, Report, Server};

/// One end of two pipes that go opposite ways.
pub(crate) struct Duplex {
    reader: piper::Reader,
    writer: piper::Writer,
}

impl Duplex {
    pub(crate) fn pair(capacity: usize) -> (Duplex, Duplex) {
        let (reader, far_writer) = piper::pipe(capacity);
        let (far_reader, writer) = piper::pipe(capacity);
        let far = Duplex {
            reader: far_reader,
            writer: far_writer,
        };
        (Duplex { reader, writer }, far)
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}

/// Asks a server once, by a pipe, and drains it.
pub(crate) fn ask() -> (String, Report) {
    let (connector, listener) = incoming();
    let server = Server::on(Host::new()).socket(listener, Address::Unnamed, Ownership::Sole);
    let handle = server.handle();
    let serving = server.serve(|_request| async { "Hello from memory\n" });
    let client = async {
        let (mut near, far) = Duplex::pair(64);
        // It fails where nobody listens any more.
        let _ = connector.connect(Stream::new(far), Address::Unnamed);
        near.write_all(b"GET / HTTP/1.1\r\nHost: memory\r\n\r\n")
            .await?;
        let mut response = vec![0; 512];
        let length = near.read(&mut response).await?;
        handle.drain();
        response.truncate(length);
        near.read_to_end(&mut response).await?;
        io::Result::Ok(String::from_utf8_lossy(&response).into_owned())
    };
    let (report, response) = block_on(zip(serving, client));
    (response.unwrap_or_else(|error| error.to_string()), report)
}

fn main() {
    let (response, report) = ask();
    println!("{response}{report}");
}

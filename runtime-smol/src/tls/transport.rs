//! TLS on top of any transport.
//!
//! rustls does all of the protocol, without touching a socket; what is here carries its records
//! between it and the transport below. What the connection takes for written is in the kernel as
//! ciphertext, to the last byte: nothing is left behind that nobody would flush.

use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Timer;
use rustls::ServerConnection;

use super::{Handshake, Stage, Tls};
use crate::Address;
use crate::system::Transport;

/// How long `close_notify` waits for room behind what the client has not read yet. It announces an
/// end that the FIN behind it shows, too.
const CLOSE_NOTIFY: Duration = Duration::from_secs(5);

/// Reads in one go before others get their turn: records may hold nothing that is to be had.
const READS: usize = 32;

/// A connection that TLS carries, on top of another: for listeners of your own, those of
/// [`Server::tls`](crate::Server::tls) have it.
///
/// ```
/// use neap_smol::Tls;
/// use neap_smol::system::{Incoming, Stream, TlsTransport, incoming};
/// use smol::net::unix::UnixStream;
///
/// type Listener = Incoming<TlsTransport<Stream<UnixStream>>>;
///
/// fn accepted(stream: UnixStream, tls: &Tls) -> std::io::Result<()> {
///     let (connector, _listener): (_, Listener) = incoming();
///     let transport = TlsTransport::new(Stream::new(stream), tls)?;
///     let _ = connector.connect(transport, neap_smol::Address::Unnamed);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct TlsTransport<T> {
    transport: T,
    session: ServerConnection,
    handshake: Handshake,
    /// How much of the plaintext that was taken is not in the kernel yet.
    unsent: usize,
    /// There may be more to read, which waits for its turn.
    goes_on: bool,
    is_closing: bool,
    close_limit: Option<Timer>,
}

impl<T: Transport> TlsTransport<T> {
    /// Serves a client that speaks TLS on `transport`.
    ///
    /// # Errors
    ///
    /// If the settings of `tls` do not fit together.
    pub fn new(transport: T, tls: &Tls) -> io::Result<TlsTransport<T>> {
        let session = ServerConnection::new(tls.0.config.load_full()).map_err(io::Error::other)?;
        Ok(TlsTransport {
            transport,
            session,
            handshake: Handshake::awaited(tls),
            unsent: 0,
            goes_on: false,
            is_closing: false,
            close_limit: None,
        })
    }

    /// Gives plaintext, taking in records by `read` until there is some.
    fn receive(
        &mut self,
        buffer: &mut [u8],
        read: &mut dyn FnMut(&mut T, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        for _ in 0..READS {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The end without `close_notify`. A request tells by itself whether it is whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            let transport = &mut self.transport;
            let taken = self.session.read_tls(&mut Reading { transport, read })?;
            if taken > 0 {
                self.handshake.begin();
            }
            let processed = self.session.process_new_packets();
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if !self.session.is_handshaking() {
                self.handshake.complete();
            }
        }
        self.goes_on = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Writes the records that wait.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let transport = &mut self.transport;
            match self.session.write_tls(&mut Writing { transport, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> Transport for TlsTransport<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let received = self.receive(buffer, &mut |transport, buffer| match transport
            .poll_read(cx, buffer)
        {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        });
        if std::mem::take(&mut self.goes_on) {
            cx.waker().wake_by_ref();
        }
        // What the handshake answers, or the alert that says why there is none.
        let flushed = self.poll_flush(cx);
        match (received, flushed) {
            (Err(error), Poll::Ready(Err(broken))) if error.kind() == io::ErrorKind::WouldBlock => {
                Poll::Ready(Err(broken))
            }
            (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            (received, _) => Poll::Ready(received),
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer, &mut T::try_read)
    }

    fn is_secure(&self) -> bool {
        true
    }

    fn has_begun(&self) -> bool {
        self.handshake.stage == Stage::Begun
    }

    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.transport.poll_hangup(cx)
    }

    fn expect_input(&mut self) {
        self.transport.expect_input();
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.unsent == 0 {
            // In a handshake, where nobody could read it, the refusal of a client that takes too
            // long for instance, it waits inside for what never comes.
            self.unsent = self.session.writer().write_vectored(slices)?;
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.unsent)))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_first = !std::mem::replace(&mut self.is_closing, true);
        if is_first && self.handshake.stage == Stage::Completed {
            self.session.send_close_notify();
        }
        if self.poll_flush(cx).is_pending() {
            let limit = self
                .close_limit
                .get_or_insert_with(|| Timer::after(CLOSE_NOTIFY));
            ready!(Pin::new(limit).poll(cx));
        }
        self.transport.poll_end(cx)
    }

    fn reset_on_close(&mut self) {
        self.transport.reset_on_close();
    }

    fn unacknowledged(&self, local: &Address, peer: &Address) -> u64 {
        self.transport.unacknowledged(local, peer)
    }

    fn descriptor(&self) -> Weak<OwnedFd> {
        self.transport.descriptor()
    }
}

/// The transport below, for rustls to read records from.
struct Reading<'a, T> {
    transport: &'a mut T,
    read: &'a mut dyn FnMut(&mut T, &mut [u8]) -> io::Result<usize>,
}

impl<T> Read for Reading<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.read)(self.transport, buffer)
    }
}

/// The transport below, for rustls to write records to.
struct Writing<'a, 'b, T> {
    transport: &'a mut T,
    cx: &'a mut Context<'b>,
}

impl<T: Transport> Write for Writing<'_, '_, T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buffer)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.transport.poll_write(self.cx, slices) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whatever was written is in the kernel.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection with TLS, or without.
#[derive(Debug)]
pub enum MaybeTls<T> {
    /// As it is.
    Plain(T),
    /// Inside TLS.
    Tls(Box<TlsTransport<T>>),
}

impl<T: Transport> MaybeTls<T> {
    pub(crate) fn new(transport: T, tls: Option<&Tls>) -> io::Result<MaybeTls<T>> {
        let Some(tls) = tls else {
            return Ok(MaybeTls::Plain(transport));
        };
        let transport = TlsTransport::new(transport, tls)?;
        Ok(MaybeTls::Tls(Box::new(transport)))
    }

    /// What carries it.
    pub(crate) fn inner(&mut self) -> &mut T {
        match self {
            MaybeTls::Plain(transport) => transport,
            MaybeTls::Tls(tls) => &mut tls.transport,
        }
    }
}

/// Calls it on whichever it is.
macro_rules! either {
    ($carrier:expr, $transport:ident => $call:expr) => {
        match $carrier {
            MaybeTls::Plain($transport) => $call,
            MaybeTls::Tls($transport) => $call,
        }
    };
}

impl<T: Transport> Transport for MaybeTls<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        either!(self, it => it.poll_read(cx, buffer))
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, it => it.try_read(buffer))
    }

    fn is_secure(&self) -> bool {
        either!(self, it => it.is_secure())
    }

    fn has_begun(&self) -> bool {
        either!(self, it => it.has_begun())
    }

    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        either!(self, it => it.poll_hangup(cx))
    }

    fn expect_input(&mut self) {
        either!(self, it => it.expect_input());
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, it => it.poll_write(cx, slices))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, it => it.poll_end(cx))
    }

    fn reset_on_close(&mut self) {
        either!(self, it => it.reset_on_close());
    }

    fn unacknowledged(&self, local: &Address, peer: &Address) -> u64 {
        either!(self, it => it.unacknowledged(local, peer))
    }

    fn can_close(&self, local: &Address, peer: &Address) -> bool {
        either!(self, it => it.can_close(local, peer))
    }

    fn descriptor(&self) -> Weak<OwnedFd> {
        either!(self, it => it.descriptor())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Notes what is asked of it; has as much input as there are zeros.
    #[derive(Debug, Default)]
    struct Below {
        input: Option<Vec<u8>>,
        reads: usize,
        expects: bool,
        resets: bool,
    }

    fn tls() -> Tls {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    impl Transport for Below {
        fn poll_read(&mut self, _cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
            let Some(input) = &mut self.input else {
                return Poll::Pending;
            };
            to[0] = input.pop().unwrap_or_default();
            self.reads += 1;
            Poll::Ready(Ok(1))
        }

        fn try_read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn poll_hangup(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }

        fn expect_input(&mut self) {
            self.expects = true;
        }

        fn poll_write(
            &mut self,
            _cx: &mut Context<'_>,
            _slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn reset_on_close(&mut self) {
            self.resets = true;
        }

        fn unacknowledged(&self, _local: &Address, _peer: &Address) -> u64 {
            7
        }
    }

    #[test]
    fn what_tls_does_not_know_is_asked_of_the_transport_below() {
        let mut carrier = MaybeTls::new(Below::default(), Some(&tls())).unwrap();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(carrier.poll_hangup(cx).is_ready() && carrier.poll_end(cx).is_ready());
        assert!(carrier.poll_read(cx, &mut [0; 9]).is_pending());
        let nobody = Address::Unnamed;
        assert_eq!(carrier.unacknowledged(&nobody, &nobody), 7);
        carrier.expect_input();
        carrier.reset_on_close();
        let MaybeTls::Tls(inside) = carrier else {
            panic!("it has TLS");
        };
        assert!(inside.transport.expects && inside.transport.resets);
    }

    /// The rest of a record may be long in coming, a byte at a time and without a pause.
    #[test]
    fn others_get_their_turn_while_a_record_goes_on() {
        // The beginning of a handshake message of 8 KiB, last byte first.
        let input = vec![0, 0x20, 0, 1, 4, 0x20, 1, 3, 22];
        let below = Below {
            input: Some(input),
            ..Below::default()
        };
        let mut transport = TlsTransport::new(below, &tls()).unwrap();
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&woken));
        for turn in 1..=3 {
            let read = transport.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]);
            assert!(read.is_pending(), "{read:?}");
            assert_eq!(transport.transport.reads, turn * READS);
            assert_eq!(woken.0.load(Ordering::Relaxed), turn, "it goes on");
        }
    }

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

//! What the system knows about the sockets of a port: who waits in the queue, what has been
//! delivered and not been read, what has been accepted.
//!
//! A client sees only its own side. That it is in the situation that it should be in is a fact
//! about the server's side, and this is where facts come from: `sock_diag(7)`, the interface
//! behind `ss`.

use std::collections::HashMap;
use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, IPPROTO_TCP, TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_RECV,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Its number, by which its owners are found.
    pub(crate) inode: u32,
    /// Clients that wait to be accepted.
    pub(crate) queued: u32,
    /// How many may wait.
    pub(crate) backlog: u32,
    /// Whether it is of IPv6.
    pub(crate) is_ipv6: bool,
    /// Whether it is bound to the loopback address of its family alone.
    pub(crate) is_loopback: bool,
}

/// One side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// Both directions are open.
    pub(crate) is_established: bool,
    /// The handshake is not complete, or is kept from the server until data comes
    /// (`TCP_DEFER_ACCEPT`).
    pub(crate) is_half_open: bool,
    /// A process has it: it has been accepted.
    pub(crate) is_owned: bool,
    /// Bytes that have come and have not been read.
    pub(crate) unread: u32,
    /// Bytes that the other side has not acknowledged.
    pub(crate) unacknowledged: u32,
}

/// All sockets of a port at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) listeners: Vec<Listener>,
    /// The server's sides, by the port of the client.
    pub(crate) server: HashMap<u16, Side>,
    /// The clients' sides, by their port.
    pub(crate) client: HashMap<u16, Side>,
}

impl Snapshot {
    /// How many clients wait to be accepted.
    pub(crate) fn queued(&self) -> u32 {
        self.listeners.iter().map(|listener| listener.queued).sum()
    }
}

/// Looks at all sockets of the server's `port`.
///
/// # Errors
///
/// If the system does not tell.
pub(crate) fn snapshot(port: u16) -> io::Result<Snapshot> {
    let mut found = Snapshot::default();
    for family in [AF_INET, AF_INET6] {
        dump(family, StateFlags::all(), [port, 0], |socket| {
            if socket.state == TCP_LISTEN {
                found.listeners.push(listener(socket));
            } else {
                found
                    .server
                    .insert(socket.socket_id.destination_port, side(socket));
            }
        })?;
        dump(family, StateFlags::all(), [0, port], |socket| {
            found
                .client
                .insert(socket.socket_id.source_port, side(socket));
        })?;
    }
    Ok(found)
}

/// The sockets that listen on `port`.
///
/// # Errors
///
/// If the system does not tell.
pub(crate) fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        dump(family, StateFlags::LISTEN, [port, 0], |socket| {
            found.push(listener(socket));
        })?;
    }
    Ok(found)
}

fn listener(socket: &InetResponseHeader) -> Listener {
    Listener {
        inode: socket.inode,
        queued: socket.recv_queue,
        backlog: socket.send_queue,
        is_ipv6: socket.family == AF_INET6,
        is_loopback: socket.socket_id.source_address.is_loopback(),
    }
}

fn side(socket: &InetResponseHeader) -> Side {
    Side {
        is_established: socket.state == TCP_ESTABLISHED,
        is_half_open: socket.state == TCP_SYN_RECV,
        is_owned: socket.inode != 0,
        unread: socket.recv_queue,
        unacknowledged: socket.send_queue,
    }
}

/// Visits the TCP sockets of a family that are in one of `states` and have these ports at their own
/// and at the other side, where 0 stands for any.
fn dump(
    family: u8,
    states: StateFlags,
    [own, other]: [u16; 2],
    mut visit: impl FnMut(&InetResponseHeader),
) -> io::Result<()> {
    let socket = Socket::new(NETLINK_SOCK_DIAG).map_err(|error| unavailable(&error))?;
    let any = if family == AF_INET {
        SocketId::new_v4()
    } else {
        SocketId::new_v6()
    };
    let request = SockDiagMessage::InetRequest(InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states,
        socket_id: SocketId {
            source_port: own,
            destination_port: other,
            ..any
        },
    });
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, request.into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send_to(&bytes, &netlink_sys::SocketAddr::new(0, 0), 0)?;
    loop {
        let (answer, _) = socket.recv_from_full()?;
        if read(&answer, &mut visit)? {
            return Ok(());
        }
    }
}

/// Without it nothing can be confirmed.
fn unavailable(error: &io::Error) -> io::Error {
    let text = format!("the system does not tell about its sockets (sock_diag): {error}");
    io::Error::new(error.kind(), text)
}

/// Reads a datagram of an answer; true if it was the last.
fn read(mut answer: &[u8], visit: &mut impl FnMut(&InetResponseHeader)) -> io::Result<bool> {
    while !answer.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(answer);
        let message = message.map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(socket)) => {
                visit(&socket.header);
            }
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            _ => {}
        }
        let len = (message.header.length as usize).next_multiple_of(4);
        answer = answer.get(len..).filter(|_| len > 0).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_queue_its_limit_and_both_sides_of_a_connection_are_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepted_client = TcpStream::connect(address).unwrap();
        let (_server, _) = listener.accept().unwrap();
        accepted_client.write_all(b"12345").unwrap();
        let waiting = TcpStream::connect(address).unwrap();
        let found = snapshot(address.port()).unwrap();
        assert_eq!(found.listeners, listeners(address.port()).unwrap());
        assert_eq!((found.listeners.len(), found.queued()), (1, 1));
        assert!(found.listeners[0].backlog > 0 && found.listeners[0].is_loopback);
        let port = |stream: &TcpStream| stream.local_addr().unwrap().port();
        let side = found.server[&port(&accepted_client)];
        assert_eq!((side.unread, side.is_owned), (5, true));
        assert!(side.is_established);
        assert!(!found.server[&port(&waiting)].is_owned);
        assert_eq!(found.client[&port(&accepted_client)].unacknowledged, 0);
    }

    #[test]
    fn a_port_without_sockets_has_none() {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert_eq!(listeners(port).unwrap(), []);
    }
}

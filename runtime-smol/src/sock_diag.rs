//! Asking Linux about sockets: `sock_diag(7)`, the interface behind `ss`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// `TCP_ESTABLISHED`: neither side has ended.
pub(crate) const ESTABLISHED: u8 = 1;

/// `TCP_SYN_RECV`: the SYN has been answered, the ACK has not come.
pub(crate) const SYN_RECV: u8 = 3;

/// `TCP_LISTEN`.
pub(crate) const LISTEN: u8 = 10;

/// The request: a netlink header of 16 bytes, an `inet_diag_req_v2` of 56.
const REQUEST_LEN: usize = 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
/// The answer was computed while what it lists changed, and may be short of something.
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const IPPROTO_TCP: u8 = 6;

/// A socket to ask by.
#[derive(Debug)]
pub(crate) struct SockDiag(OwnedFd);

/// The addresses of a connection as the system writes them, by which it is found in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    family: u8,
    /// Our port and the peer's, our address and the peer's: the `inet_diag_sockid`, as far as that.
    id: [u8; 36],
}

impl Pair {
    pub(crate) fn of(local: SocketAddr, peer: SocketAddr) -> Pair {
        let mut id = [0; 36];
        id[..2].copy_from_slice(&local.port().to_be_bytes());
        id[2..4].copy_from_slice(&peer.port().to_be_bytes());
        put_ip(&mut id[4..20], local.ip());
        put_ip(&mut id[20..], peer.ip());
        let family = family(local);
        Pair { family, id }
    }
}

/// A TCP socket as the system describes it: an `inet_diag_msg`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a>(&'a [u8]);

/// How long an [`Entry`] is.
const ENTRY_LEN: usize = 72;

impl Entry<'_> {
    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// Its state.
    pub(crate) fn state(&self) -> u8 {
        self.0[1]
    }

    /// Its addresses.
    pub(crate) fn pair(&self) -> Pair {
        let mut id = [0; 36];
        id.copy_from_slice(&self.0[4..40]);
        let family = self.0[0];
        Pair { family, id }
    }

    /// The address of ours that it is connected to, and its peer.
    pub(crate) fn ends(&self) -> Option<(IpAddr, SocketAddr)> {
        Some((self.ip(8)?, self.peer()?))
    }

    /// Its peer.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        let port = u16::from_be_bytes([self.0[6], self.0[7]]);
        Some(SocketAddr::new(self.ip(24)?, port))
    }

    fn ip(&self, at: usize) -> Option<IpAddr> {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.0[at..at + 16]);
        if self.0[0] == raw_family(AddressFamily::INET) {
            Some(IpAddr::from([octets[0], octets[1], octets[2], octets[3]]))
        } else if self.0[0] == raw_family(AddressFamily::INET6) {
            Some(IpAddr::from(octets))
        } else {
            None
        }
    }

    /// The interface that it is bound to; 0 for none.
    pub(crate) fn interface(&self) -> u32 {
        self.word(40)
    }

    /// How much its receive queue holds: of a listener, the clients that wait to be accepted.
    pub(crate) fn queued(&self) -> u32 {
        self.word(56)
    }

    /// How many bytes, a FIN counting for one, its peer has not acknowledged.
    pub(crate) fn unacknowledged(&self) -> u32 {
        self.word(60)
    }

    /// Its number, by which a descriptor of it is recognized.
    pub(crate) fn inode(&self) -> u32 {
        self.word(68)
    }

    /// Whether its local address is this one, and no other that stands for it.
    pub(crate) fn is_bound_to(&self, address: SocketAddr) -> bool {
        let local = match address.ip() {
            IpAddr::V4(ip) => self.0[8..12] == ip.octets(),
            IpAddr::V6(ip) => self.0[8..24] == ip.octets(),
        };
        local && self.has_port(address)
    }

    fn has_port(&self, address: SocketAddr) -> bool {
        self.0[4..6] == address.port().to_be_bytes()
    }
}

impl SockDiag {
    pub(crate) fn open() -> io::Result<SockDiag> {
        Ok(SockDiag(rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?))
    }

    /// How many bytes, a FIN counting for one, the peer of a connection has not acknowledged;
    /// `None` if there is no such connection any more.
    pub(crate) fn send_queue(&self, pair: &Pair) -> io::Result<Option<u64>> {
        rustix::net::send(&self.0, &request_one(pair), SendFlags::empty())?;
        let mut answer = [0; 1024];
        let (len, _) = rustix::net::recv(&self.0, &mut answer, RecvFlags::DONTWAIT)?;
        read_send_queue(&answer[..len])
    }

    /// Visits the TCP sockets at the local `address`, where an unspecified one stands for any, that
    /// are in one of `states`. The answer is computed while it is read; reading never waits.
    pub(crate) fn visit(
        &self,
        address: SocketAddr,
        states: &[u8],
        mut visit: impl FnMut(&Entry<'_>),
    ) -> io::Result<()> {
        rustix::net::send(&self.0, &request(address, states), SendFlags::empty())?;
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let (len, _) = rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::DONTWAIT)?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if read_answer(&buffer[..len], address, &mut visit)? {
                return Ok(());
            }
        }
    }
}

/// What the one message of the answer says.
fn read_send_queue(answer: &[u8]) -> io::Result<Option<u64>> {
    let kind = answer
        .get(4..6)
        .map(|kind| u16::from_ne_bytes([kind[0], kind[1]]));
    match (kind, answer.get(16..16 + ENTRY_LEN)) {
        // Instead of a connection that is gone the system finds who listens at its address.
        (Some(SOCK_DIAG_BY_FAMILY), Some(entry)) if entry[1] == LISTEN => Ok(None),
        (Some(SOCK_DIAG_BY_FAMILY), Some(entry)) => Ok(Some(Entry(entry).unacknowledged().into())),
        (Some(NLMSG_ERROR), _) => Ok(None),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A request for all sockets at `address` that are in one of `states`.
fn request(address: SocketAddr, states: &[u8]) -> [u8; REQUEST_LEN] {
    let mut request = header(family(address), NLM_F_REQUEST_DUMP);
    let mask = states.iter().fold(0, |mask, state| mask | 1u32 << state);
    request[20..24].copy_from_slice(&mask.to_ne_bytes());
    request[24..26].copy_from_slice(&address.port().to_be_bytes());
    request
}

/// A request for the one socket of a connection.
fn request_one(pair: &Pair) -> [u8; REQUEST_LEN] {
    let mut request = header(pair.family, NLM_F_REQUEST);
    request[20..24].fill(0xff);
    request[24..60].copy_from_slice(&pair.id);
    // No cookie: whichever socket it is.
    request[64..72].fill(0xff);
    request
}

fn put_ip(field: &mut [u8], ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => field[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => field.copy_from_slice(&ip.octets()),
    }
}

fn header(family: u8, flags: u16) -> [u8; REQUEST_LEN] {
    let mut request = [0; REQUEST_LEN];
    #[expect(clippy::cast_possible_truncation, reason = "it is 72")]
    request[..4].copy_from_slice(&(REQUEST_LEN as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    request[16] = family;
    request[17] = IPPROTO_TCP;
    request
}

fn family(address: SocketAddr) -> u8 {
    raw_family(if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "both families are small numbers"
)]
fn raw_family(family: AddressFamily) -> u8 {
    family.as_raw() as u8
}

/// Visits the sockets at `address` in a datagram of the answer. True if it was the last.
fn read_answer(
    mut messages: &[u8],
    address: SocketAddr,
    visit: &mut impl FnMut(&Entry<'_>),
) -> io::Result<bool> {
    while let Some((header, _)) = messages.split_at_checked(16) {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let flags = u16::from_ne_bytes([header[6], header[7]]);
        if flags & NLM_F_DUMP_INTR != 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let message = messages.get(16..len).ok_or_else(invalid)?;
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => return Err(io::Error::other("sock_diag refused the request")),
            SOCK_DIAG_BY_FAMILY => {
                let entry = Entry(message.get(..ENTRY_LEN).ok_or_else(invalid)?);
                let any = address.ip().is_unspecified() && entry.has_port(address);
                if any || entry.is_bound_to(address) {
                    visit(&entry);
                }
            }
            _ => {}
        }
        messages = messages.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, port: u16, ip: [u8; 4]) -> Vec<u8> {
        let mut message = vec![0; 16 + 72];
        message[..4].copy_from_slice(&88u32.to_ne_bytes());
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message[20..22].copy_from_slice(&port.to_be_bytes());
        message[24..28].copy_from_slice(&ip);
        message[72..76].copy_from_slice(&7u32.to_ne_bytes());
        message
    }

    fn sockets(answer: &[u8], address: &str) -> usize {
        let mut found = 0;
        read_answer(answer, address.parse().unwrap(), &mut |_| found += 1).unwrap();
        found
    }

    #[test]
    fn an_answer_is_for_a_listener_if_port_and_address_are_its_own() {
        assert_eq!(sockets(&message(20, 80, [10, 0, 0, 1]), "10.0.0.1:80"), 1);
        assert_eq!(sockets(&message(20, 80, [10, 0, 0, 2]), "10.0.0.1:80"), 0);
        assert_eq!(sockets(&message(20, 80, [10, 0, 0, 2]), "0.0.0.0:80"), 1);
        assert_eq!(sockets(&message(20, 81, [10, 0, 0, 1]), "10.0.0.1:80"), 0);
    }

    #[test]
    fn an_answer_ends_with_its_last_message_and_errors_are_errors() {
        let address = "10.0.0.1:80".parse().unwrap();
        let done = message(NLMSG_DONE, 0, [0; 4]);
        let both = [message(20, 80, [10, 0, 0, 1]), done].concat();
        let mut queued = 0;
        let mut visit = |entry: &Entry<'_>| queued += entry.queued();
        assert!(read_answer(&both, address, &mut visit).unwrap());
        assert!(read_answer(&message(NLMSG_ERROR, 0, [0; 4]), address, &mut visit).is_err());
        assert!(
            read_answer(&[255; 20], address, &mut visit).is_err(),
            "longer than it is"
        );
        assert_eq!(queued, 7);
    }

    #[test]
    fn an_answer_that_was_interrupted_is_none() {
        let address = "10.0.0.1:80".parse().unwrap();
        for kind in [SOCK_DIAG_BY_FAMILY, NLMSG_DONE] {
            let mut answer = message(kind, 80, [10, 0, 0, 1]);
            answer[6..8].copy_from_slice(&(0x2 | NLM_F_DUMP_INTR).to_ne_bytes());
            let read = read_answer(&answer, address, &mut |_| {});
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::Interrupted);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_knows_a_listener_and_who_waits_in_its_queue() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let diag = SockDiag::open().unwrap();
        let _clients: Vec<_> = (0..3)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let mut queued = Vec::new();
        diag.visit(address, &[LISTEN], |entry| queued.push(entry.queued()))
            .unwrap();
        assert_eq!(queued, [3]);
        diag.visit(address, &[SYN_RECV], |entry| panic!("{entry:?}"))
            .unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_send_queue_of_a_connection_is_what_its_peer_has_not_acknowledged() {
        use std::io::Write;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let diag = SockDiag::open().unwrap();
        let pair = Pair::of(local, peer);
        assert_eq!(diag.send_queue(&pair).unwrap(), Some(0));
        client.set_nonblocking(true).unwrap();
        // Nobody reads: what exceeds the peer's receive buffer stays here.
        while client.write(&[0; 65_536]).is_ok() {}
        assert!(diag.send_queue(&pair).unwrap() > Some(0));
        // Seen from the listener's side, its own queue is not the connection's.
        let nobody = "127.0.0.1:1".parse().unwrap();
        assert_eq!(diag.send_queue(&Pair::of(peer, nobody)).unwrap(), None);
        drop(listener);
        assert_eq!(diag.send_queue(&Pair::of(nobody, peer)).unwrap(), None);
    }
}

//! A link with a round trip: two network namespaces, a TUN device in each, and a thread that
//! carries every packet over to the other one, half a round trip later.
//!
//! It can keep clients from completing their handshakes: of those that begin meanwhile, every
//! fourth has everything but its SYN held at the server's end of the link, until that is let go.

mod namespace;
mod packet;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use tun_rs::{DeviceBuilder, SyncDevice};

use self::packet::Segment;
use crate::process::PATIENCE;

pub use self::namespace::Namespace;

/// Packets that a device keeps for the relay: none is to be lost for want of room.
const QUEUE: u32 = 20_000;
const MTU: u16 = 1500;

/// Every so many of the clients whose handshake begins while some are held is held.
pub const HELD: usize = 4;

/// The two ends, joined.
#[derive(Debug)]
pub struct Link {
    /// Where clients belong.
    pub clients: Namespace,
    /// Where a server belongs, at one of the addresses of [`SERVER`].
    pub server: Namespace,
    control: Arc<Control>,
    bell: UnixStream,
    relay: Option<JoinHandle<io::Result<()>>>,
}

/// What the relay is told, and what it tells.
#[derive(Debug, Default)]
struct Control {
    holding: AtomicBool,
    ended: AtomicBool,
    held: AtomicUsize,
}

impl Link {
    /// Joins two new namespaces by a link on which a packet and its answer take `round_trip`.
    ///
    /// # Errors
    ///
    /// Without the right to make namespaces and devices, or without `/dev/net/tun`.
    pub fn new(round_trip: Duration) -> io::Result<Link> {
        let (clients, server) = (Namespace::new()?, Namespace::new()?);
        let ends = [device(&clients, 2)?, device(&server, 1)?];
        let control = Arc::new(Control::default());
        let (bell, ringing) = UnixStream::pair()?;
        ringing.set_nonblocking(true)?;
        let mut relay = Relay {
            ends,
            ringing,
            control: Arc::clone(&control),
            delay: round_trip / 2,
            under_way: [VecDeque::new(), VecDeque::new()],
            begun: 0,
            ports: HashMap::new(),
            held: Vec::new(),
        };
        Ok(Link {
            clients,
            server,
            control,
            bell,
            relay: Some(thread::spawn(move || relay.run())),
        })
    }

    /// From now on some of the clients cannot complete their handshakes.
    pub fn hold(&self) {
        self.control.holding.store(true, Ordering::Release);
    }

    /// How many tried in vain.
    #[must_use]
    pub fn held(&self) -> usize {
        self.control.held.load(Ordering::Acquire)
    }

    /// Lets all of them complete their handshakes; says how many they are.
    #[must_use]
    pub fn release(&self) -> usize {
        self.control.holding.store(false, Ordering::Release);
        self.ring();
        self.held()
    }

    fn ring(&self) {
        (&self.bell).write_all(&[0]).expect("the relay listens");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.control.ended.store(true, Ordering::Release);
        let _ = (&self.bell).write_all(&[0]);
        let ended = self.relay.take().map(JoinHandle::join);
        if !thread::panicking() {
            let ended = ended.expect("it ends once").expect("it does not panic");
            ended.expect("the devices can be read and written");
        }
    }
}

/// The addresses of the server's end of every link.
pub const SERVER: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 1)),
    IpAddr::V6(std::net::Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1)),
];

/// A device inside `namespace`, which stays there whoever reads it.
fn device(namespace: &Namespace, host: u8) -> io::Result<SyncDevice> {
    let device = namespace.enter(|| {
        DeviceBuilder::new()
            .name("link")
            .mtu(MTU)
            .ipv4(format!("10.77.0.{host}").as_str(), 24, None)
            .ipv6(format!("fd77::{host}").as_str(), 64)
            .with(|linux| {
                linux.tx_queue_len(QUEUE);
            })
            .build_sync()
    })?;
    device.set_nonblocking(true)?;
    // An IPv6 address can be used a moment later.
    let address = format!("[fd77::{host}]:0");
    let begun = Instant::now();
    while let Err(error) = namespace.enter(|| TcpListener::bind(&address)) {
        if begun.elapsed() > PATIENCE {
            return Err(error);
        }
        thread::yield_now();
    }
    Ok(device)
}

/// What carries the packets. End 0 is the clients', end 1 the server's; packets under way are
/// listed at the end that they come from.
struct Relay {
    ends: [SyncDevice; 2],
    ringing: UnixStream,
    control: Arc<Control>,
    delay: Duration,
    under_way: [VecDeque<(Instant, Vec<u8>)>; 2],
    /// Handshakes that began while clients are held.
    begun: usize,
    /// The ports of the clients that are held; and whether they have yet to answer the SYN-ACK,
    /// which those who are refused never do.
    ports: HashMap<u16, bool>,
    /// What they have sent.
    held: Vec<Vec<u8>>,
}

impl Relay {
    fn run(&mut self) -> io::Result<()> {
        while !self.control.ended.load(Ordering::Acquire) {
            self.wait()?;
            while matches!((&self.ringing).read(&mut [0; 16]), Ok(1..)) {}
            for end in 0..2 {
                self.take(end)?;
            }
            if !self.control.holding.load(Ordering::Acquire) {
                self.let_go()?;
            }
            for end in 0..2 {
                self.deliver(end)?;
            }
        }
        Ok(())
    }

    /// Waits until there is something to carry.
    fn wait(&self) -> io::Result<()> {
        let first = |queue: &VecDeque<(Instant, Vec<u8>)>| queue.front().map(|(due, _)| *due);
        let due = self.under_way.iter().filter_map(first).min();
        let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut sources = [
            PollFd::from_borrowed_fd(self.ends[0].as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.ends[1].as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.ringing.as_fd(), PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut sources, wait.as_ref()))?;
        Ok(())
    }

    /// Takes what has been sent at `end`.
    fn take(&mut self, end: usize) -> io::Result<()> {
        let mut packet = [0; MTU as usize];
        loop {
            match self.ends[end].recv(&mut packet) {
                Ok(len) => {
                    let due = Instant::now() + self.delay;
                    self.under_way[end].push_back((due, packet[..len].to_vec()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands over what has come from `end` and has been under way long enough.
    fn deliver(&mut self, end: usize) -> io::Result<()> {
        let now = Instant::now();
        while let Some((due, packet)) = self.under_way[end].pop_front() {
            if due > now {
                self.under_way[end].push_front((due, packet));
                break;
            }
            if end == 0 && self.is_held(&packet) {
                self.held.push(packet);
            } else {
                self.ends[1 - end].send(&packet)?;
            }
        }
        Ok(())
    }

    fn is_held(&mut self, packet: &[u8]) -> bool {
        let Some(segment) = Segment::of(packet) else {
            return false;
        };
        if !segment.begins_a_handshake {
            let first = self.ports.get_mut(&segment.source_port);
            return first.is_some_and(|first| {
                let count = usize::from(std::mem::take(first));
                self.control.held.fetch_add(count, Ordering::AcqRel);
                true
            });
        }
        if self.control.holding.load(Ordering::Acquire) {
            self.begun += 1;
            if self.begun.is_multiple_of(HELD) {
                self.ports.insert(segment.source_port, true);
            }
        }
        false
    }

    fn let_go(&mut self) -> io::Result<()> {
        self.ports.clear();
        for packet in self.held.drain(..) {
            self.ends[1].send(&packet)?;
        }
        Ok(())
    }
}

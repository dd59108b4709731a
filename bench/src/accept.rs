//! Three ways in which threads can share new connections out among them, as bare loops around
//! epoll.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use socket2::{Domain, Socket, Type};

const LISTENER: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;
/// The answer to everything.
pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!";
/// Asks, and keeps the connection.
pub const KEEP: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
/// Asks, and wants no more.
pub const CLOSE: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
/// Blocks the thread that reads it for two seconds.
pub const BLOCK: &[u8] = b"GET /block HTTP/1.1\r\n\r\n";

/// How long a thread waits before it looks whether all is over, and how long if it has work.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// How the threads come by their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A listener that all wait for, `EPOLLEXCLUSIVE`.
    Exclusive,
    /// A listener for each, `SO_REUSEPORT`.
    ReusePort,
    /// One thread accepts and hands over to whoever has time and the fewest.
    HandOver,
}

/// Those of one thread.
struct Connections {
    epoll: OwnedFd,
    sockets: Vec<Option<OwnedFd>>,
    free: Vec<usize>,
}

impl Connections {
    fn add(&mut self, socket: OwnedFd, seat: &Seat) -> rustix::io::Result<()> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        let interest = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(
            &self.epoll,
            &socket,
            EventData::new_u64(place as u64),
            interest,
        )?;
        self.sockets[place] = Some(socket);
        seat.open.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn serve(&mut self, number: u64, seat: &Seat) {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(Some(socket)) = self.sockets.get(place) else {
            return;
        };
        let mut buffer = [0; 4096];
        let read = recv(socket, &mut buffer[..], RecvFlags::empty());
        let request = &buffer[..read.map_or(0, |(read, _)| read)];
        if request == BLOCK {
            thread::sleep(Duration::from_secs(2));
        }
        if !request.is_empty() {
            // Who is gone needs no answer.
            let _ = send(socket, ANSWER, SendFlags::NOSIGNAL);
        }
        if request.is_empty() || request == CLOSE {
            self.sockets[place] = None;
            self.free.push(place);
            seat.open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// What the others know of a thread.
struct Seat {
    bell: OwnedFd,
    asleep: AtomicBool,
    open: AtomicUsize,
}

/// What the threads share.
struct Shared {
    way: Way,
    lobby: Mutex<VecDeque<OwnedFd>>,
    seats: Vec<Seat>,
    /// Whether to accept who waits, and nobody after that.
    draining: AtomicBool,
    over: AtomicBool,
}

/// A server that runs.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<rustix::io::Result<()>>>,
}

fn listen(address: SocketAddr, group: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(group)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

impl Server {
    /// Starts so many threads, which are called `server`.
    ///
    /// # Errors
    ///
    /// When the system has no socket or thread for us.
    pub fn start(way: Way, threads: usize) -> io::Result<Server> {
        let group = way == Way::ReusePort;
        let first = Arc::new(listen(([127, 0, 0, 1], 0).into(), group)?);
        let address = first.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("no address"))?;
        let seat = |_| {
            Ok(Seat {
                bell: eventfd(0, EventfdFlags::NONBLOCK)?,
                asleep: AtomicBool::new(false),
                open: AtomicUsize::new(0),
            })
        };
        let shared = Arc::new(Shared {
            way,
            lobby: Mutex::default(),
            seats: (0..threads).map(seat).collect::<io::Result<_>>()?,
            draining: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let mut server = Server {
            address,
            shared,
            threads: Vec::new(),
        };
        for index in 0..threads {
            let listener = match way {
                Way::Exclusive => Some(Arc::clone(&first)),
                Way::ReusePort if index > 0 => Some(Arc::new(listen(address, true)?)),
                Way::ReusePort => Some(Arc::clone(&first)),
                Way::HandOver => None,
            };
            server.spawn(move |shared| shared.serve(index, listener))?;
        }
        match way {
            Way::HandOver => server.spawn(move |shared| shared.accept_for_others(&first))?,
            Way::Exclusive | Way::ReusePort => drop(first),
        }
        Ok(server)
    }

    fn spawn(
        &mut self,
        work: impl FnOnce(&Shared) -> rustix::io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let named = thread::Builder::new().name("server".into());
        self.threads.push(named.spawn(move || work(&shared))?);
        Ok(())
    }

    /// How many connections each thread has.
    #[must_use]
    pub fn open(&self) -> Vec<usize> {
        let open = |seat: &Seat| seat.open.load(Ordering::SeqCst);
        self.shared.seats.iter().map(open).collect()
    }

    /// Who waits to be accepted still is; then the listeners are closed.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &Socket) -> Option<OwnedFd> {
    accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).ok()
}

impl Shared {
    /// The thread that accepts for the others.
    fn accept_for_others(&self, listener: &Socket) -> rustix::io::Result<()> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let data = EventData::new_u64(LISTENER);
        epoll::add(&epoll, listener, data, EventFlags::IN)?;
        let mut events = Vec::with_capacity(1);
        while !self.over.load(Ordering::SeqCst) {
            let is_last = self.draining.load(Ordering::SeqCst);
            while let Some(socket) = accept(listener) {
                self.hand_over(socket)?;
            }
            if is_last {
                break;
            }
            events.clear();
            epoll::wait(&epoll, spare_capacity(&mut events), Some(&TICK))?;
        }
        Ok(())
    }

    fn hand_over(&self, socket: OwnedFd) -> rustix::io::Result<()> {
        let mut lobby = self.lobby();
        lobby.push_back(socket);
        let asleep = self
            .seats
            .iter()
            .filter(|seat| seat.asleep.load(Ordering::SeqCst));
        if let Some(seat) = asleep.min_by_key(|seat| seat.open.load(Ordering::SeqCst)) {
            seat.asleep.store(false, Ordering::SeqCst);
            rustix::io::write(&seat.bell, &1u64.to_ne_bytes())?;
        }
        Ok(())
    }

    fn serve(&self, index: usize, mut listener: Option<Arc<Socket>>) -> rustix::io::Result<()> {
        let seat = &self.seats[index];
        let mut connections = Connections {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            sockets: Vec::new(),
            free: Vec::new(),
        };
        let bell = EventFlags::IN | EventFlags::ET;
        let data = EventData::new_u64(BELL);
        epoll::add(&connections.epoll, &seat.bell, data, bell)?;
        if let Some(listener) = &listener {
            let interest = match self.way {
                Way::Exclusive => EventFlags::IN | EventFlags::EXCLUSIVE,
                Way::ReusePort | Way::HandOver => EventFlags::IN,
            };
            let data = EventData::new_u64(LISTENER);
            epoll::add(&connections.epoll, &**listener, data, interest)?;
        }
        let mut events: Vec<Event> = Vec::with_capacity(256);
        while !self.over.load(Ordering::SeqCst) {
            if self.draining.load(Ordering::SeqCst)
                && let Some(listener) = listener.take()
            {
                while let Some(socket) = accept(&listener) {
                    connections.add(socket, seat)?;
                }
            }
            // One for each turn, so that the others get theirs.
            let mut next = self.lobby().pop_front();
            let is_due = next.is_some();
            if self.way == Way::HandOver && !is_due {
                seat.asleep.store(true, Ordering::SeqCst);
                if !self.lobby().is_empty() {
                    continue;
                }
            }
            events.clear();
            let timeout = if is_due { &NOW } else { &TICK };
            let room = spare_capacity(&mut events);
            epoll::wait(&connections.epoll, room, Some(timeout))?;
            seat.asleep.store(false, Ordering::SeqCst);
            if events.iter().any(|event| event.data.u64() == LISTENER) {
                next = listener.as_deref().and_then(accept);
            }
            if let Some(socket) = next {
                connections.add(socket, seat)?;
            }
            for event in &events {
                connections.serve(event.data.u64(), seat);
            }
        }
        Ok(())
    }

    fn lobby(&self) -> MutexGuard<'_, VecDeque<OwnedFd>> {
        self.lobby.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

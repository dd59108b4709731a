//! Three ways in which threads can share new connections out among them, as bare loops around
//! epoll: a listener that all wait for (`EPOLLEXCLUSIVE`), a listener for each (`SO_REUSEPORT`),
//! and one thread that accepts and hands over to whoever has time and the fewest.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin accept -- [THREADS]`

use std::collections::VecDeque;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use socket2::{Domain, Socket, Type};

const LISTENER: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!";
const KEEP: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const CLOSE: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
const BLOCK: &[u8] = b"GET /block HTTP/1.1\r\n\r\n";

/// How long a thread waits before it looks whether all is over, and how long if it has work.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Exclusive,
    ReusePort,
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

struct Server {
    way: Way,
    listeners: Vec<Socket>,
    lobby: Mutex<VecDeque<OwnedFd>>,
    seats: Vec<Seat>,
    over: AtomicBool,
}

fn listen(address: SocketAddr, group: bool) -> std::io::Result<Socket> {
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
    fn new(way: Way, threads: usize) -> std::io::Result<(Arc<Server>, SocketAddr)> {
        let group = way == Way::ReusePort;
        let first = listen(([127, 0, 0, 1], 0).into(), group)?;
        let address = first.local_addr()?.as_socket().ok_or("no address");
        let address = address.map_err(std::io::Error::other)?;
        let mut listeners = vec![first];
        while group && listeners.len() < threads {
            listeners.push(listen(address, true)?);
        }
        let seat = |_| {
            Ok(Seat {
                bell: eventfd(0, EventfdFlags::NONBLOCK)?,
                asleep: AtomicBool::new(false),
                open: AtomicUsize::new(0),
            })
        };
        let server = Server {
            way,
            listeners,
            lobby: Mutex::default(),
            seats: (0..threads).map(seat).collect::<std::io::Result<_>>()?,
            over: AtomicBool::new(false),
        };
        Ok((Arc::new(server), address))
    }

    fn accept(&self, index: usize) -> Option<OwnedFd> {
        let listener = self.listeners.get(index).unwrap_or(&self.listeners[0]);
        accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).ok()
    }

    /// The thread that accepts for the others.
    fn accept_for_others(&self) -> rustix::io::Result<()> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &self.listeners[0],
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        let mut events = Vec::with_capacity(1);
        while !self.over.load(Ordering::SeqCst) {
            events.clear();
            epoll::wait(&epoll, spare_capacity(&mut events), Some(&TICK))?;
            while let Some(socket) = self.accept(0) {
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
            }
        }
        Ok(())
    }

    fn serve(&self, index: usize) -> rustix::io::Result<()> {
        let seat = &self.seats[index];
        let mut connections = Connections {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            sockets: Vec::new(),
            free: Vec::new(),
        };
        let bell = EventFlags::IN | EventFlags::ET;
        epoll::add(
            &connections.epoll,
            &seat.bell,
            EventData::new_u64(BELL),
            bell,
        )?;
        let interest = match self.way {
            Way::Exclusive => Some(EventFlags::IN | EventFlags::EXCLUSIVE),
            Way::ReusePort => Some(EventFlags::IN),
            Way::HandOver => None,
        };
        if let Some(interest) = interest {
            let listener = self.listeners.get(index).unwrap_or(&self.listeners[0]);
            let data = EventData::new_u64(LISTENER);
            epoll::add(&connections.epoll, listener, data, interest)?;
        }
        let mut events: Vec<Event> = Vec::with_capacity(256);
        while !self.over.load(Ordering::SeqCst) {
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
            epoll::wait(
                &connections.epoll,
                spare_capacity(&mut events),
                Some(timeout),
            )?;
            seat.asleep.store(false, Ordering::SeqCst);
            if events.iter().any(|event| event.data.u64() == LISTENER) {
                next = self.accept(index);
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

    fn open(&self) -> Vec<usize> {
        self.seats
            .iter()
            .map(|seat| seat.open.load(Ordering::SeqCst))
            .collect()
    }
}

/// CPU time of the server's threads, which are called `server`.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == "server" {
            let times = fs::read_to_string(task.join("schedstat"))?;
            sum += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(sum))
}

fn ask(client: &mut TcpStream, request: &[u8]) -> std::io::Result<()> {
    client.write_all(request)?;
    client.read_exact(&mut [0; ANSWER.len()])
}

/// Who is kept alive, after a burst, and one by one.
fn keep(address: SocketAddr, server: &Server, burst: bool) -> Result<Vec<usize>, Box<dyn Error>> {
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = TcpStream::connect(address)?;
        if burst {
            client.write_all(KEEP)?;
        } else {
            ask(&mut client, KEEP)?;
        }
        clients.push(client);
    }
    for client in &mut clients {
        if burst {
            client.read_exact(&mut [0; ANSWER.len()])?;
        }
    }
    Ok(server.open())
}

/// CPU time for each connection that is made for one request, in microseconds, by so many clients
/// at once; and how many of them are made in a second.
fn churn(address: SocketAddr, clients: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let (start, before) = (Instant::now(), cpu()?);
    let until = start + Duration::from_secs(1);
    let client = move || {
        let mut asked = 0u32;
        while Instant::now() < until {
            let asked_it = TcpStream::connect(address).and_then(|mut it| ask(&mut it, CLOSE));
            asked += u32::from(asked_it.is_ok());
        }
        asked
    };
    let clients: Vec<_> = (0..clients).map(|_| thread::spawn(client)).collect();
    let asked = clients.into_iter().map(|client| client.join().unwrap_or(0));
    let asked = f64::from(asked.sum::<u32>());
    let spent = (cpu()? - before).as_secs_f64() * 1e6;
    Ok((spent / asked, asked / start.elapsed().as_secs_f64()))
}

/// How many of 200 new clients wait for a thread that is blocked.
fn blocked(address: SocketAddr) -> Result<usize, Box<dyn Error>> {
    let mut blocking = TcpStream::connect(address)?;
    blocking.write_all(BLOCK)?;
    thread::sleep(Duration::from_millis(100));
    let mut waiting = 0;
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = TcpStream::connect(address)?;
        client.set_read_timeout(Some(Duration::from_millis(5)))?;
        waiting += usize::from(ask(&mut client, KEEP).is_err());
        clients.push(client);
    }
    Ok(waiting)
}

fn measure(way: Way, threads: usize) -> Result<(), Box<dyn Error>> {
    let (server, address) = Server::new(way, threads)?;
    let named = || thread::Builder::new().name("server".into());
    let mut running = Vec::new();
    for index in 0..threads {
        let server = Arc::clone(&server);
        running.push(named().spawn(move || server.serve(index))?);
    }
    if way == Way::HandOver {
        let server = Arc::clone(&server);
        running.push(named().spawn(move || server.accept_for_others())?);
    }
    thread::sleep(Duration::from_millis(100));
    println!("{way:?}, {threads} threads");
    println!(
        "  one by one, kept alive: {:?}",
        keep(address, &server, false)?
    );
    thread::sleep(Duration::from_millis(200));
    println!(
        "  burst, kept alive:      {:?}",
        keep(address, &server, true)?
    );
    thread::sleep(Duration::from_millis(200));
    for clients in [1, 32] {
        let mut slices = Vec::new();
        for _ in 0..3 {
            slices.push(churn(address, clients)?);
        }
        slices.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (cpu, rate) = slices[1];
        println!("  {clients} clients, a connection each request: {cpu:.1} µs CPU, {rate:.0}/s");
    }
    println!(
        "  beside a blocked thread {} of 200 wait",
        blocked(address)?
    );
    server.over.store(true, Ordering::SeqCst);
    for thread in running {
        let _ = thread.join();
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let threads = env::args()
        .nth(1)
        .map_or(Ok(2), |threads| threads.parse())?;
    for way in [Way::Exclusive, Way::ReusePort, Way::HandOver] {
        measure(way, threads)?;
    }
    Ok(())
}

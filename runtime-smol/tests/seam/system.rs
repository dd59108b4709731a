//! A system that a test plays: it has the time, the queue, and each client's every move.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::future::{Future, pending};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use neap_core::Time;
use neap_smol::system::{Accepted, ListeningSocket, StopSignal, System, Transport};
use neap_smol::{Address, Body, Handle, Ownership, Report, Rung, Server};

/// What the test and the server have in common.
#[derive(Default)]
pub(crate) struct World {
    now: u64,
    timer: Option<(Time, Waker)>,
    signals: VecDeque<StopSignal>,
    control: Option<Waker>,
    /// Signals by which the process was ended.
    pub(crate) ended_by: Vec<StopSignal>,
    pub(crate) listener: Listener,
    pub(crate) handle: Option<Handle>,
    /// How many connections may end in what the server does now.
    pub(crate) expected: Rc<Cell<usize>>,
}

/// The listener, as its kernel sees it.
#[derive(Default)]
pub(crate) struct Listener {
    pub(crate) queue: VecDeque<Result<Client, i32>>,
    waker: Option<Waker>,
    /// Rungs that hold.
    pub(crate) rungs: Vec<Rung>,
    /// Rungs that were tried.
    pub(crate) tried: Vec<Rung>,
    /// How long the turn takes until then, in milliseconds.
    pub(crate) takes_to_seal: u64,
    /// Who is in the middle of a handshake by a list that was made behind the seal.
    pub(crate) listed: Option<Vec<u16>>,
    /// Who is in the middle of a handshake, look by look; the last answer stands.
    pub(crate) half_open: VecDeque<Option<Vec<u16>>>,
    /// When it was looked for them, in milliseconds.
    pub(crate) looks: Vec<u64>,
    /// Clients who complete their handshakes at the last of the looks.
    pub(crate) late: Vec<Client>,
    pub(crate) cookies: bool,
    pub(crate) heir: bool,
    pub(crate) accepts: usize,
    pub(crate) closed: bool,
}

/// A client's connection, as its kernel sees it.
#[derive(Clone, Default)]
pub(crate) struct Client(pub(crate) Rc<RefCell<Wire>>);

#[derive(Default)]
pub(crate) struct Wire {
    /// What was sent to the server, and its reactor has heard of; an empty one is the end.
    input: VecDeque<Vec<u8>>,
    /// What is there too, and found only by who asks the system itself.
    pub(crate) unheard: Option<Vec<u8>>,
    /// What comes when the system is asked for the last time.
    pub(crate) last_moment: Option<Vec<u8>>,
    asks_itself: bool,
    /// The last read filled its room.
    more: bool,
    /// How often a real one would have asked its kernel for input.
    pub(crate) reads: usize,
    pub(crate) output: Vec<u8>,
    /// No more can be written now.
    pub(crate) blocked: bool,
    /// Writing takes nothing, and does not say why.
    pub(crate) takes_nothing: bool,
    /// Whoever asks the system for the last time hears of a reset.
    pub(crate) breaks_late: bool,
    pub(crate) unacknowledged: u64,
    pub(crate) can_close: bool,
    /// How many connections might end when the system was asked whether this one can be closed.
    pub(crate) expected_when_asked: Option<usize>,
    /// How often its listener had been sealed then.
    pub(crate) seals_when_asked: Option<usize>,
    pub(crate) ended: bool,
    pub(crate) reset: bool,
    pub(crate) closed: bool,
    pub(crate) gone: bool,
    /// Something that comes before the first byte has begun, or does when the system is asked for
    /// the last time.
    pub(crate) begun: bool,
    pub(crate) begins_late: bool,
    /// What is in the listener's queue once this is closed: a descriptor is free.
    pub(crate) on_close: Option<VecDeque<Result<Client, i32>>>,
    /// Connections in the registry when the socket was first read.
    pub(crate) open_at_first_read: Option<usize>,
    /// The same when it was closed, and how many had ended.
    pub(crate) at_close: Option<(usize, u64)>,
    waker: Option<Waker>,
}

impl Client {
    pub(crate) fn sending(bytes: &str) -> Client {
        let client = Client::default();
        client.send(bytes);
        client
    }

    pub(crate) fn send(&self, bytes: &str) {
        self.0.borrow_mut().input.push_back(bytes.into());
        self.wake();
    }

    pub(crate) fn end(&self) {
        self.send("");
    }

    /// Lets the server try again what it waits for.
    pub(crate) fn wake(&self) {
        let waker = self.0.borrow().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn output(&self) -> String {
        String::from_utf8(self.0.borrow().output.clone()).unwrap()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.borrow().closed
    }
}

#[derive(Clone)]
pub(crate) struct Played(Rc<RefCell<World>>);

impl System for Played {
    type Listener = Socket;

    fn now(&self) -> Time {
        Time::ZERO.after(Duration::from_millis(self.0.borrow().now))
    }

    fn since_1970(&self) -> Duration {
        Duration::ZERO
    }

    fn set_timer(&mut self, at: Time, cx: &mut Context<'_>) {
        self.0.borrow_mut().timer = (at != Time::NEVER).then(|| (at, cx.waker().clone()));
    }

    fn expecting_ends<R>(&self, count: usize, act: impl FnOnce() -> R) -> R {
        let expected = Rc::clone(&self.0.borrow().expected);
        expected.set(count);
        let done = act();
        expected.set(0);
        done
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopSignal> {
        let mut world = self.0.borrow_mut();
        world.control = Some(cx.waker().clone());
        world.signals.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn end_process(&mut self, signal: StopSignal) {
        self.0.borrow_mut().ended_by.push(signal);
    }
}

/// Those who come from these ports.
fn peers(ports: Vec<u16>) -> HashSet<SocketAddr> {
    let peer = |port| SocketAddr::from(([127, 0, 0, 1], port));
    ports.into_iter().map(peer).collect()
}

pub(crate) struct Socket(Rc<RefCell<World>>);

impl ListeningSocket for Socket {
    type Transport = Connected;

    fn accept(&self) -> io::Result<Accepted<Connected>> {
        let mut world = self.0.borrow_mut();
        world.listener.accepts += 1;
        match world.listener.queue.pop_front() {
            None => Err(io::ErrorKind::WouldBlock.into()),
            Some(Err(error)) => {
                // Want of descriptors or memory does not go by being told of.
                if is_want(error) {
                    world.listener.queue.push_front(Err(error));
                }
                Err(io::Error::from_raw_os_error(error))
            }
            Some(Ok(client)) => Ok(Accepted {
                transport: Connected {
                    world: Rc::clone(&self.0),
                    client,
                    handle: world.handle.clone(),
                    expected: Rc::clone(&world.expected),
                },
                peer: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 1))),
                local: None,
            }),
        }
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().listener.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn seal(&self, rung: Rung) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        world.listener.tried.push(rung);
        world.now += std::mem::take(&mut world.listener.takes_to_seal);
        let holds = world.listener.rungs.contains(&rung);
        holds
            .then_some(())
            .ok_or(io::ErrorKind::PermissionDenied.into())
    }

    fn poll_half_open(&mut self, _cx: &mut Context<'_>) -> Poll<Option<HashSet<SocketAddr>>> {
        let mut world = self.0.borrow_mut();
        let now = world.now;
        let listener = &mut world.listener;
        listener.looks.push(now);
        let is_last = listener.half_open.len() <= 1;
        let answer = match listener.half_open.len() {
            0 => Some(Vec::new()),
            1 => listener.half_open[0].clone(),
            _ => listener.half_open.pop_front().unwrap(),
        };
        if is_last {
            let late = std::mem::take(&mut listener.late);
            listener.queue.extend(late.into_iter().map(Ok));
        }
        Poll::Ready(answer.map(peers))
    }

    fn listed_half_open(&mut self, pause: Duration) -> Option<HashSet<SocketAddr>> {
        assert_eq!(pause, Duration::from_millis(1));
        self.0.borrow_mut().listener.listed.take().map(peers)
    }

    fn uses_cookies(&self) -> bool {
        self.0.borrow().listener.cookies
    }

    fn has_heir(&self) -> bool {
        self.0.borrow().listener.heir
    }

    fn queued(&self) -> io::Result<u64> {
        let waiting = self.0.borrow();
        let waiting = waiting.listener.queue.iter().filter(|entry| entry.is_ok());
        Ok(waiting.count() as u64)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.borrow_mut().listener.closed = true;
    }
}

fn is_want(error: i32) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|want| want.raw_os_error() == error)
}

pub(crate) struct Connected {
    world: Rc<RefCell<World>>,
    client: Client,
    handle: Option<Handle>,
    expected: Rc<Cell<usize>>,
}

impl Connected {
    fn open(&self) -> Option<usize> {
        self.handle.as_ref().map(|handle| handle.census().open())
    }
}

fn take(wire: &mut Wire, buffer: &mut [u8]) -> Option<usize> {
    wire.reads += usize::from(wire.more || !wire.input.is_empty());
    wire.more = false;
    let mut bytes = wire.input.pop_front()?;
    let count = bytes.len().min(buffer.len());
    wire.more = count == buffer.len();
    buffer[..count].copy_from_slice(&bytes[..count]);
    // The end is found by every read again.
    if count < bytes.len() || bytes.is_empty() {
        wire.input.push_front(bytes.split_off(count));
    }
    Some(count)
}

impl Transport for Connected {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let open = self.open();
        let wire = &mut *self.client.0.borrow_mut();
        wire.open_at_first_read = wire.open_at_first_read.or(open);
        if std::mem::take(&mut wire.asks_itself) {
            wire.input.extend(wire.unheard.take());
        }
        match take(wire, buffer) {
            Some(count) => Poll::Ready(Ok(count)),
            None => {
                wire.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.client.0.borrow_mut();
        wire.input.extend(wire.unheard.take());
        wire.input.extend(wire.last_moment.take());
        wire.begun |= wire.begins_late;
        if wire.breaks_late {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        take(wire, buffer).ok_or(io::ErrorKind::WouldBlock.into())
    }

    fn has_begun(&self) -> bool {
        self.client.0.borrow().begun
    }

    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wire = self.client.0.borrow_mut();
        wire.waker = Some(cx.waker().clone());
        if wire.gone {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn expect_input(&mut self) {
        self.client.0.borrow_mut().asks_itself = true;
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.client.0.borrow_mut();
        assert!(!wire.ended, "nothing is written behind a FIN");
        if wire.blocked {
            wire.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if wire.takes_nothing {
            return Poll::Ready(Ok(0));
        }
        let before = wire.output.len();
        slices
            .iter()
            .for_each(|slice| wire.output.extend_from_slice(slice));
        Poll::Ready(Ok(wire.output.len() - before))
    }

    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.client.0.borrow_mut().ended = true;
        Poll::Ready(Ok(()))
    }

    fn reset_on_close(&mut self) {
        self.client.0.borrow_mut().reset = true;
    }

    fn unacknowledged(&self, _local: &Address, _peer: &Address) -> u64 {
        self.client.0.borrow().unacknowledged
    }

    fn can_close(&self, _local: &Address, _peer: &Address) -> bool {
        let mut wire = self.client.0.borrow_mut();
        wire.expected_when_asked = Some(self.expected.get());
        wire.seals_when_asked = Some(self.world.borrow().listener.tried.len());
        wire.can_close
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let ended = |handle: &Handle| handle.report().outcomes.total();
        let at_close = self.open().zip(self.handle.as_ref().map(ended));
        let mut wire = self.client.0.borrow_mut();
        wire.at_close = at_close;
        wire.closed = true;
        if let Some(queue) = wire.on_close.take() {
            self.world.borrow_mut().listener.queue = queue;
        }
    }
}

/// A server that serves on a played system.
pub(crate) struct Play {
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) handle: Handle,
    serving: Pin<Box<dyn Future<Output = Report>>>,
    pub(crate) report: Option<Report>,
}

/// The body of a response that never ends: what it begins with, and its request's content.
struct Endless(Option<Bytes>, Body);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let _ = Pin::new(&mut self.1).poll_frame(cx);
        match self.0.take() {
            Some(beginning) => Poll::Ready(Some(Ok(Frame::data(beginning)))),
            None => Poll::Pending,
        }
    }
}

fn endless(beginning: Bytes, request: Request<Body>) -> Response<Endless> {
    Response::new(Endless(Some(beginning), request.into_body()))
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a handler that panics when it is dropped");
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Play {
    pub(crate) fn sole() -> Play {
        Play::with(Ownership::Sole, |server| server)
    }

    pub(crate) fn with(
        ownership: Ownership,
        configure: impl FnOnce(Server<Played>) -> Server<Played>,
    ) -> Play {
        Play::at("127.0.0.1:80", ownership, configure)
    }

    /// `/read` reads its content, `/first` a piece of it, `/pieces` says how many it had. The
    /// responses to `/stream` and `/duplex` never end, the latter's is long. Requests for anything
    /// else but `/` are not answered; the handler of `/bomb` panics when it is dropped.
    pub(crate) fn at(
        address: &str,
        ownership: Ownership,
        configure: impl FnOnce(Server<Played>) -> Server<Played>,
    ) -> Play {
        let world = Rc::<RefCell<World>>::default();
        world.borrow_mut().listener.rungs = vec![Rung::Interface, Rung::Filter];
        let server = Server::on(Played(Rc::clone(&world)));
        let socket = Socket(Rc::clone(&world));
        let server = configure(server.socket(socket, address.parse().unwrap(), ownership));
        let handle = server.handle();
        world.borrow_mut().handle = Some(handle.clone());
        let serving = server.serve(|request| async move {
            let _bomb = (request.uri().path() == "/bomb").then(|| Bomb);
            match request.uri().path() {
                "/" => Ok("hello"),
                "/stream" => Err(endless("begun".into(), request)),
                "/duplex" => Err(endless(vec![b'.'; 65_536].into(), request)),
                "/pieces" => Ok(match request.into_body().into_data_stream().count().await {
                    1 => "one",
                    _ => "several",
                }),
                "/first" => match request.into_body().into_data_stream().next().await {
                    Some(Ok(_)) => Ok("hello"),
                    _ => Ok("cut"),
                },
                "/read" => match request.into_body().collect(200_000).await {
                    Ok(_) => Ok("hello"),
                    Err(_) => Ok("cut"),
                },
                _ => pending().await,
            }
        });
        let mut play = Play {
            world,
            handle,
            serving: Box::pin(serving),
            report: None,
        };
        play.settle();
        play
    }

    pub(crate) fn listener(&self) -> std::cell::RefMut<'_, Listener> {
        std::cell::RefMut::map(self.world.borrow_mut(), |world| &mut world.listener)
    }

    /// Puts somebody into the queue, or an error.
    pub(crate) fn queue(&mut self, entries: impl IntoIterator<Item = Result<Client, i32>>) {
        self.listener().queue.extend(entries);
        let waker = self.listener().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A client who is accepted, if anybody is.
    pub(crate) fn connect(&mut self, bytes: &str) -> Client {
        let client = Client::sending(bytes);
        self.queue([Ok(client.clone())]);
        self.settle();
        client
    }

    pub(crate) fn signal(&mut self, signal: StopSignal) {
        let mut world = self.world.borrow_mut();
        world.signals.push_back(signal);
        let waker = world.control.clone();
        drop(world);
        waker.unwrap().wake();
        self.settle();
    }

    pub(crate) fn drain(&mut self) {
        self.handle.drain();
        self.settle();
    }

    pub(crate) fn close_now(&mut self) {
        self.handle.close_now();
        self.settle();
    }

    /// Polls the server as long as somebody wakes it.
    pub(crate) fn settle(&mut self) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut polls = 0;
        // Wakers of earlier polls are gone for the server: it is polled once in any case.
        while self.report.is_none() && woken.0.swap(false, Ordering::Relaxed) {
            polls += 1;
            assert!(polls < 1_000, "it spins");
            let cx = &mut Context::from_waker(&waker);
            if let Poll::Ready(report) = self.serving.as_mut().poll(cx) {
                self.report = Some(report);
            }
        }
    }

    /// Does `act` at the moment of the next timer, before it comes.
    pub(crate) fn with_next_timer(&mut self, act: impl FnOnce(&mut Play)) {
        let (at, waker) = self.world.borrow_mut().timer.take().unwrap();
        self.world.borrow_mut().now = at.as_nanos().div_ceil(1_000_000);
        act(self);
        waker.wake();
        self.settle();
    }

    /// Lets `millis` pass without a timer's coming.
    pub(crate) fn oversleep(&mut self, millis: u64) {
        self.world.borrow_mut().now += millis;
    }

    /// Lets `millis` pass, each timer coming at its time.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.settle();
        let until = self.world.borrow().now + millis;
        loop {
            let mut world = self.world.borrow_mut();
            let due = world
                .timer
                .as_ref()
                .map(|(at, _)| at.as_nanos().div_ceil(1_000_000));
            let Some(due) = due.filter(|due| *due <= until) else {
                break;
            };
            world.now = world.now.max(due);
            let (_, waker) = world.timer.take().unwrap();
            drop(world);
            waker.wake();
            self.settle();
        }
        self.world.borrow_mut().now = until;
        self.settle();
    }

    /// What the server says when it is done, which it is.
    pub(crate) fn report(&self) -> &Report {
        self.report.as_ref().expect("the server is done")
    }
}

//! A server in the simulation: the shipped future, polled when it is woken and has the processor.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use neap_smol::system::StopSignal;
use neap_smol::{Address, Config, Handle, Interrupt, Ownership, Report, Rung, Server};

use super::account::Account;
use super::faults::Fault;
use super::handler::{Handling, Log};
use super::script::{Command, Micros, Owner, Script, Seal};
use super::system::{Mailbox, SharedKernel, VirtualListener, VirtualSystem};
use super::world::{Ended, Progress, ServerRun};

/// Whether a future has been woken.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A server.
pub(super) struct Process {
    index: usize,
    kernel: SharedKernel,
    script: Rc<Script>,
    future: Option<Pin<Box<dyn Future<Output = Report>>>>,
    handle: Option<Handle>,
    mailbox: Rc<RefCell<Mailbox>>,
    woken: Arc<Flag>,
    log: Log,
    run: ServerRun,
    polled: (Micros, u32),
}

impl Process {
    pub(super) fn new(kernel: &SharedKernel, script: &Rc<Script>, index: usize) -> Process {
        Process {
            index,
            kernel: Rc::clone(kernel),
            script: Rc::clone(script),
            future: None,
            handle: None,
            mailbox: Rc::default(),
            woken: Arc::default(),
            log: Log::default(),
            run: ServerRun::default(),
            polled: (0, 0),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.run.ended.is_some()
    }

    fn now(&self) -> Micros {
        self.kernel.borrow().now
    }

    /// It is there, and listens.
    pub(super) fn start(&mut self) {
        let net = &self.script.net;
        let fault = self.kernel.borrow().fault;
        let listener = self.listen();
        self.run.listener = listener;
        let system = VirtualSystem {
            kernel: Rc::clone(&self.kernel),
            server: self.index,
            mailbox: Rc::clone(&self.mailbox),
        };
        let socket = VirtualListener {
            kernel: Rc::clone(&self.kernel),
            listener,
            server: self.index,
            answer: None,
            woken: std::cell::Cell::new(0),
        };
        let tcp = Address::Tcp(([10, 0, 0, 2], 80).into());
        let (address, ownership) = match net.owner {
            Owner::Sole => (tcp, Ownership::Sole),
            Owner::Grouped => (tcp, Ownership::Grouped),
            Owner::Shared if fault == Fault::SharedIsTakenForSole => (tcp, Ownership::Sole),
            Owner::Shared => (tcp, Ownership::Shared),
            Owner::Unix => (Address::Abstract(b"virtual".to_vec()), Ownership::Sole),
        };
        let interrupt = if self.script.windows.interrupt_closes {
            Interrupt::Close
        } else {
            Interrupt::Drain
        };
        let rung = match net.first {
            Seal::Interface => Rung::Interface,
            Seal::Filter => Rung::Filter,
            Seal::Plain => Rung::Plain,
        };
        let server = Server::on(system)
            .config(config(&self.script))
            .max_connections(net.max_connections)
            .interrupt(interrupt)
            .seal(rung)
            .socket(socket, address, ownership);
        self.handle = Some(server.handle());
        let handling = Handling {
            kernel: Rc::clone(&self.kernel),
            script: Rc::clone(&self.script),
            log: Rc::clone(&self.log),
        };
        let serving = server.serve(move |request| handling.clone().handle(request));
        self.future = Some(Box::pin(serving));
        self.woken.0.store(true, Ordering::Relaxed);
    }

    /// The listener that it has, a new one or everybody's.
    fn listen(&self) -> usize {
        let mut kernel = self.kernel.borrow_mut();
        let is_shared = self.script.net.owner == Owner::Shared;
        let listener = if is_shared && !kernel.listeners.is_empty() {
            0
        } else {
            kernel.listen()
        };
        kernel.listeners[listener].owners += 1;
        listener
    }

    /// Its timer has come, if it is the one that was set last.
    pub(super) fn timer(&mut self, number: u64) {
        if self.mailbox.borrow().timer != number {
            return;
        }
        let waker = self.kernel.borrow_mut().timers[self.index].take();
        if let Some(waker) = waker {
            self.run.timers += 1;
            waker.wake();
        }
    }

    /// It is told something.
    pub(super) fn tell(&mut self, command: Command) {
        let (Some(handle), true) = (&self.handle, self.future.is_some()) else {
            return;
        };
        let heard = self.stalled_until().unwrap_or(self.now());
        match command {
            Command::Terminate => self.signal(StopSignal::Terminate),
            Command::Interrupt => self.signal(StopSignal::Interrupt),
            Command::Drain => handle.drain(),
            Command::CloseNow => handle.close_now(),
            Command::CancelDrain => handle.cancel_drain(),
            Command::Drop => {
                self.run.told.push((self.now(), command));
                return self.end(Ended::Dropped);
            }
        }
        self.run.told.push((heard, command));
    }

    fn signal(&self, signal: StopSignal) {
        let mut mailbox = self.mailbox.borrow_mut();
        // The system does not count signals of one kind that nobody has looked at.
        if !mailbox.signals.contains(&signal) {
            mailbox.signals.push(signal);
        }
        if let Some(waker) = mailbox.waker.take() {
            waker.wake();
        }
    }

    /// Until when it does not get the processor.
    fn stalled_until(&self) -> Option<Micros> {
        let now = self.now();
        let stalls = &self.script.servers[self.index].stalls;
        let stall = stalls
            .iter()
            .filter(|(from, until)| *from <= now && now < *until);
        stall.map(|(_, until)| *until).max()
    }

    /// Polls it, as often as it is woken.
    pub(super) fn poll(&mut self) {
        const MOST: u32 = 10_000;
        while self.future.is_some() && self.stalled_until().is_none() {
            if !self.woken.0.swap(false, Ordering::Relaxed) {
                return;
            }
            let now = self.now();
            let count = if self.polled.0 == now {
                self.polled.1 + 1
            } else {
                0
            };
            self.polled = (now, count);
            self.run.spins = self.run.spins.max(count);
            if count > MOST {
                return;
            }
            self.poll_once();
        }
    }

    fn poll_once(&mut self) {
        let Some(future) = &mut self.future else {
            return;
        };
        let waker = Waker::from(Arc::clone(&self.woken));
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if self.mailbox.borrow().killed {
            // Outside of a simulation nothing comes after that.
            self.end(Ended::Killed);
        } else if let Poll::Ready(report) = polled {
            let mut account = Account::of(&report);
            account.tamper(self.kernel.borrow().fault);
            self.run.account = Some(account);
            self.observe();
            self.end(Ended::Done);
        } else {
            self.observe();
        }
    }

    fn end(&mut self, how: Ended) {
        self.run.ended = Some((self.now(), how));
        self.future = None;
        self.observe();
    }

    /// What it says about itself has to be so.
    fn observe(&mut self) {
        let Some(handle) = &self.handle else {
            return;
        };
        let (now, fault) = (self.now(), self.kernel.borrow().fault);
        let progress = match handle.progress() {
            neap_smol::Progress::Running => Progress::Running,
            neap_smol::Progress::LameDuck => Progress::LameDuck,
            neap_smol::Progress::Sealing => Progress::Sealing,
            neap_smol::Progress::Waiting => Progress::Waiting,
            neap_smol::Progress::Closing => Progress::Closing,
            neap_smol::Progress::Done => Progress::Done,
        };
        if self.run.steps.last().map(|(_, step)| *step) != Some(progress) {
            self.run.steps.push((now, progress));
            self.kernel
                .borrow_mut()
                .note(|| format!("server {}: {progress:?}", self.index));
            let report = handle.report();
            let open = report.accepted - report.outcomes.total();
            let dropped = matches!(self.run.ended, Some((_, Ended::Dropped | Ended::Killed)));
            if open != handle.census().open() as u64 && !dropped {
                let lie = format!("{open} connections have not ended: {:?}", handle.census());
                self.run.lies.push(lie);
            }
        }
        let is_ready = handle.is_ready() || fault == Fault::AlwaysReady;
        if is_ready != (progress == Progress::Running) {
            self.run
                .lies
                .push(format!("ready is {is_ready} in {progress:?}"));
        }
        let open = self.kernel.borrow().open_of(self.index);
        let census = handle.census();
        if census.open() != open {
            self.run
                .lies
                .push(format!("{open} sockets are open: {census:?} at {now}"));
        }
        let held = census.head + census.busy;
        if census.held(&neap_smol::Drain::default()) != held {
            self.run.lies.push(format!("{held} are held: {census:?}"));
        }
    }

    pub(super) fn finish(mut self) -> ServerRun {
        self.run.dispatched = self.log.borrow().clone();
        self.future = None;
        self.run
    }
}

/// The script's windows as neap's.
fn config(script: &Script) -> Config {
    let windows = &script.windows;
    let time = Duration::from_micros;
    let mut config = Config::default();
    config.limits.pipeline = windows.pipeline;
    config.timeouts.head = time(windows.head);
    config.timeouts.content = time(windows.content);
    config.timeouts.write = time(windows.write);
    config.timeouts.idle = time(windows.idle);
    let drain = &mut config.drain;
    drain.deadline = time(windows.deadline);
    drain.close_grace = time(windows.close_grace);
    drain.lame_duck = time(windows.lame_duck);
    drain.seal_max = time(windows.seal_max);
    drain.seal_max_group = time(windows.seal_max_group);
    drain.quiet = time(windows.quiet);
    drain.first_byte_grace = time(windows.first_byte_grace);
    drain.head_grace = time(windows.head_grace);
    drain.half_close_grace = time(windows.half_close_grace);
    drain.linger_max = time(windows.linger_max);
    drain.linger_short = time(windows.linger_short);
    drain.debounce = time(windows.debounce);
    config
}

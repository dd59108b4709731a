//! A script, run: servers, clients and the kernel between them, until all is over.

use std::cell::RefCell;
use std::rc::Rc;

use super::account::Account;
use super::client::{Client, PATIENCE};
use super::faults::Fault;
use super::handler::Dispatched;
use super::kernel::{Happening, Kernel, ListenerRecord, Record};
use super::process::Process;
use super::script::{Command, Micros, Script};
use super::system::SharedKernel;

/// Where a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "they are named as in the specification")]
pub enum Progress {
    Running,
    LameDuck,
    Sealing,
    Waiting,
    Closing,
    Done,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// It was done.
    Done,
    /// Its future was dropped.
    Dropped,
    /// By a signal's default action.
    Killed,
}

/// What a server did.
#[derive(Clone, Debug, Default)]
pub struct ServerRun {
    /// The listener that it had.
    pub listener: usize,
    /// Where it stood from when on.
    pub steps: Vec<(Micros, Progress)>,
    /// What it was told, and when it could hear of it.
    pub told: Vec<(Micros, Command)>,
    /// When and how it ended.
    pub ended: Option<(Micros, Ended)>,
    /// What it reported.
    pub account: Option<Account>,
    /// What became of the requests that it dispatched.
    pub dispatched: Vec<Dispatched>,
    /// What it said about itself that was not so.
    pub lies: Vec<String>,
    /// How often its timer came.
    pub timers: u64,
    /// The most polls at one moment.
    pub spins: u32,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Run {
    /// The script.
    pub script: Script,
    /// What happened to the clients.
    pub records: Vec<Record>,
    /// What happened to the listeners.
    pub listeners: Vec<ListenerRecord>,
    /// What the servers did.
    pub servers: Vec<ServerRun>,
    /// What happened, in words, if that was asked for.
    pub trace: Vec<String>,
}

/// When everything ought to be over.
const END: Micros = 2 * PATIENCE;

/// Runs a script.
#[must_use]
pub fn run(script: &Script, fault: Fault, tracing: bool) -> Run {
    let mut world = World::new(script, fault, tracing);
    while !world.is_over() && world.step() {}
    world.finish()
}

struct World {
    script: Rc<Script>,
    kernel: SharedKernel,
    servers: Vec<Process>,
    clients: Vec<Client>,
}

impl World {
    fn new(script: &Script, fault: Fault, tracing: bool) -> World {
        let script = Rc::new(script.clone());
        let mut kernel = Kernel::new(&script, fault);
        kernel.tracing = tracing;
        for (index, server) in script.servers.iter().enumerate() {
            kernel.at(server.start, Happening::Starts(index));
            for (number, (at, _)) in server.commands.iter().enumerate() {
                kernel.at(*at, Happening::Told(index, number));
            }
            for (_, until) in &server.stalls {
                kernel.at(*until, Happening::Resumes(index));
            }
        }
        for (index, client) in script.clients.iter().enumerate() {
            kernel.at(client.start, Happening::Connects(index));
            kernel.at(client.start + PATIENCE, Happening::Client(index));
        }
        let kernel = Rc::new(RefCell::new(kernel));
        let servers = 0..script.servers.len();
        let clients = script.clients.iter().enumerate();
        World {
            servers: servers
                .map(|index| Process::new(&kernel, &script, index))
                .collect(),
            clients: clients
                .map(|(index, client)| Client::new(index, client))
                .collect(),
            kernel,
            script,
        }
    }

    fn is_over(&self) -> bool {
        self.clients.iter().all(Client::is_over) && self.servers.iter().all(Process::is_over)
    }

    /// Lets the next thing happen, and everybody act on it. False if nothing happens any more.
    fn step(&mut self) -> bool {
        let happening = self.kernel.borrow_mut().step();
        match happening {
            None => return false,
            Some(Happening::Client(client)) => {
                self.clients[client].run(&mut self.kernel.borrow_mut());
            }
            Some(Happening::Wake(waker)) => waker.wake(),
            Some(Happening::Timer(server, number)) => self.servers[server].timer(number),
            Some(Happening::Starts(server)) => self.servers[server].start(),
            Some(Happening::Told(server, number)) => {
                let command = self.script.servers[server].commands[number].1;
                self.servers[server].tell(command);
            }
            Some(_) => {}
        }
        for server in &mut self.servers {
            server.poll();
        }
        self.kernel.borrow().now < END
    }

    fn finish(self) -> Run {
        let servers = self.servers.into_iter().map(Process::finish).collect();
        let kernel = self.kernel.borrow();
        Run {
            script: Script::clone(&self.script),
            records: kernel.streams.iter().map(|s| s.record.clone()).collect(),
            listeners: kernel.listeners.iter().map(|l| l.record.clone()).collect(),
            servers,
            trace: kernel.trace.clone(),
        }
    }
}

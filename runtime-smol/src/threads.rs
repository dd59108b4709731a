//! The threads of a server that [runs](Server::run).

use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use event_listener::Listener as _;
use http::Request;
use neap_core::Phase;

use crate::connections::Connections;
use crate::course::Command;
use crate::environment::Environment;
use crate::listening::Carrier;
use crate::pool::Pool;
use crate::run_queue::Part;
use crate::seat::Seat;
use crate::serving::{Elsewhere, Here, TakeIn};
use crate::shared::Shared;
use crate::watchdog::MARGIN;
use crate::worker::Worker;
use crate::{Body, Handle, IntoResponse, Report, Server};

/// A thread of a server's, which fails if its reactor does.
pub(crate) type Thread = JoinHandle<io::Result<()>>;

/// Makes, on a thread, what serves there, of the server and the thread's place in it, and has it
/// work.
pub(crate) type ServeThere =
    Box<dyn FnOnce(&Arc<Shared>, &Arc<Seat>, Work<'_>) -> io::Result<()> + Send>;

/// Works with what serves on a thread, until the server is done.
type Work<'a> = Box<dyn FnOnce(&mut dyn TakeIn<Carrier>) -> io::Result<()> + 'a>;

/// [Starts several threads](Threads::start_several) for a server. It is known by this to one that
/// [asked for them](Server::threads): a program that never does is linked without what they take.
pub(crate) type StartSeveral = fn(Server, &dyn Fn() -> ServeThere) -> io::Result<Threads>;

/// The threads that the caller of [`Server::run`] waits for.
pub(crate) struct Threads {
    /// The one that is the server, or conducts it.
    server: Thread,
    /// Those that serve, where there are several.
    workers: Vec<Thread>,
    shared: Arc<Shared>,
}

impl Threads {
    /// Starts those of `server`.
    pub(crate) fn start<H, F>(mut server: Server, handler: H) -> io::Result<Threads>
    where
        H: Fn(Request<Body>) -> F + Clone + Send + 'static,
        F: Future<Output: IntoResponse>,
    {
        if let Some(start_several) = server.several {
            let (observer, refusals) = (server.observer.clone(), server.refusals.clone());
            return start_several(server, &move || {
                let (handler, observer) = (handler.clone(), observer.clone());
                let refusals = refusals.clone();
                Box::new(move |shared, seat, work| {
                    let env = Environment::new(handler, observer, refusals).conducted_by(shared);
                    let connections = Connections::new(shared, seat, Part::Connection);
                    work(&mut Here::new(shared, connections, env))
                })
            });
        }
        let shared = Arc::clone(&server.owner.0);
        let place = Place::new(&shared, &shared.seat);
        let here = server.system.waiting_place()?;
        Ok(Threads {
            server: start("neap", move || {
                let (_place, server) = (place, server);
                here.block_on(server.serve(handler)).map(drop)
            })?,
            workers: Vec::new(),
            shared,
        })
    }

    /// Starts several of `server` that serve, and one that conducts them.
    pub(crate) fn start_several(
        mut server: Server,
        serve: &dyn Fn() -> ServeThere,
    ) -> io::Result<Threads> {
        let shared = Arc::clone(&server.owner.0);
        let pool = shared.pool.get_or_init(|| Pool::new(server.threads).into());
        let pool = Arc::clone(pool);
        for listener in &mut server.listeners {
            listener.socket_mut().accept_for_others();
        }
        let seats = pool.seats().iter().enumerate();
        // If one cannot be started the server is dropped, which ends the others.
        let workers = seats.map(|(number, seat)| {
            let place = Place::new(&shared, seat);
            place.start_worker(number + 1, &server, &pool, serve())
        });
        let workers = workers.collect::<io::Result<Vec<_>>>()?;
        let serving = Elsewhere::new(&shared, &pool);
        let place = Place::new(&shared, &shared.seat);
        let here = server.system.waiting_place()?;
        let conductor = start("neap", move || {
            let (_place, server) = (place, server);
            here.block_on(server.conducting(serving)).map(drop)
        })?;
        Ok(Threads {
            server: conductor,
            workers,
            shared,
        })
    }

    /// Waits for all of them, which are about to end.
    pub(crate) fn join(self) -> io::Result<Report> {
        let ended = join(self.server);
        for worker in self.workers {
            join(worker)?;
        }
        ended.map(|()| Handle::new(&self.shared).report())
    }

    /// Waits for those that are not blocked: the server is done. The others are left behind.
    pub(crate) fn join_unblocked(self) {
        let patience = Instant::now() + MARGIN;
        loop {
            let ring = self.shared.bell.listen();
            let mut seats = self.shared.seats();
            let are_gone = seats.all(|seat| seat.is_not_to_be_waited_for());
            if are_gone || ring.wait_deadline(patience).is_none() {
                break;
            }
        }
        let has_ended: Vec<_> = self.shared.seats().map(|seat| seat.has_ended()).collect();
        if has_ended[0] {
            // What it says has been said in its stead.
            let _ = self.server.join();
        }
        for (worker, _) in self
            .workers
            .into_iter()
            .zip(&has_ended[1..])
            .filter(|(_, is)| **is)
        {
            let _ = worker.join();
        }
    }
}

/// Starts a thread of a server's. What it runs is boxed, so that a program has one copy of what
/// starting takes.
pub(crate) fn start(
    name: &str,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<Thread> {
    fn spawn(name: &str, run: Box<dyn FnOnce() -> io::Result<()> + Send>) -> io::Result<Thread> {
        thread::Builder::new().name(name.into()).spawn(run)
    }
    spawn(name, Box::new(run))
}

fn join(thread: Thread) -> io::Result<()> {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// A thread's place in its server, which it leaves when this is dropped.
struct Place {
    shared: Arc<Shared>,
    seat: Arc<Seat>,
}

impl Place {
    fn new(shared: &Arc<Shared>, seat: &Arc<Seat>) -> Place {
        Place {
            shared: Arc::clone(shared),
            seat: Arc::clone(seat),
        }
    }

    fn start_worker(
        self,
        number: usize,
        server: &Server,
        pool: &Arc<Pool>,
        serve: ServeThere,
    ) -> io::Result<Thread> {
        let (config, mut system) = (server.config, server.system.beside());
        let here = system.waiting_place()?;
        let pool = Arc::clone(pool);
        start(&format!("neap-{number}"), move || {
            let place = self;
            let Place { shared, seat } = &place;
            let parts = (shared, &pool, seat);
            let work: Work<'_> =
                Box::new(|serving| here.block_on(Worker::new(config, system, serving, parts)));
            serve(shared, seat, work)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.seat.ended.store(true, Ordering::Release);
        if self.shared.standing().0 != Phase::Done {
            // An observer has panicked, or the reactor failed: the server cannot go on like this.
            self.shared.ask(Command::Close);
        }
        self.shared.seat.ring();
        self.shared.bell.notify(usize::MAX);
    }
}

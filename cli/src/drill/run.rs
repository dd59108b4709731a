//! What is seen of a situation, and the watch over the server's end.

use std::cell::RefCell;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future::or;

use super::proc::Member;
use super::record::Event;
use super::script::Life;
use super::server::{PAUSE, Server};

/// What was seen of a situation.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Why there is nothing to judge.
    pub(crate) trouble: Option<String>,
    /// Without the signal a few clients were too many: fewer may do.
    pub(crate) is_too_many: bool,
    pub(crate) lives: Vec<Rc<RefCell<Life>>>,
    pub(crate) signal: Option<Instant>,
    pub(crate) closed: Option<Instant>,
    pub(crate) exit: Option<Instant>,
    pub(crate) status: Option<ExitStatus>,
    /// Its time was over, and the drill has ended it: what follows is not its own doing.
    pub(crate) is_killed: bool,
    /// Whether there was time to look for survivors.
    pub(crate) is_watched: bool,
    /// Whether the process that was sent the signal owned a listening socket.
    pub(crate) was_owner: bool,
    /// Those that did.
    pub(crate) owners: Vec<Member>,
    pub(crate) survivors: Vec<Member>,
    pub(crate) memory_kib: Option<u64>,
    pub(crate) lag: Option<Duration>,
    pub(crate) marks: Vec<(Event, Instant)>,
    /// What the system confirmed.
    pub(crate) facts: Vec<String>,
    /// What was found after the exit.
    pub(crate) after: Option<Result<String, String>>,
}

impl Run {
    /// One in which nothing could be seen.
    pub(crate) fn troubled(trouble: String) -> Run {
        Run {
            trouble: Some(trouble),
            ..Run::default()
        }
    }

    fn closed_at(&mut self, at: Instant) {
        self.closed = Some(at);
        self.marks.push((Event::ListenerClosed, at));
    }

    fn exited_at(&mut self, at: Instant, status: Option<ExitStatus>) {
        self.exit = Some(at);
        self.status = status;
        self.marks.push((Event::Exit, at));
    }

    /// One of a server that owns its sockets itself.
    pub(crate) fn of_owner() -> Run {
        Run {
            was_owner: true,
            ..Run::default()
        }
    }
}

/// Watches the server's end, from the signal on.
pub(crate) async fn watch(server: Rc<Server>, run: Rc<RefCell<Run>>, known: Vec<Member>) {
    let close = async {
        // Where the system does not tell, the exit closes it.
        while !server.has_closed().unwrap_or(true) {
            Timer::after(PAUSE).await;
        }
        run.borrow_mut().closed_at(Instant::now());
        std::future::pending::<()>().await;
    };
    let exit = async {
        // If it cannot be watched nothing is seen, and its time runs out.
        if server.exited().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    or(exit, close).await;
    let now = Instant::now();
    if run.borrow().is_killed {
        return;
    }
    let status = server.try_exit().ok().flatten();
    run.borrow_mut().exited_at(now, status);
    let survivors = server.survivors(known).await;
    let mut run = run.borrow_mut();
    if run.closed.is_none() && server.has_closed().unwrap_or(true) {
        run.closed_at(now);
    }
    run.survivors = survivors;
    run.is_watched = true;
}

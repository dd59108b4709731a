//! The watchdog: keeps the deadline of a server whose thread is blocked.
//!
//! A handler that blocks its thread blocks the server's future with it, which can then neither hear
//! of a command nor keep its deadline. So somebody else foresees how far the shutdown must have
//! come ([`Course::foresee`]). If the server is not done when it has to be, and not within
//! [`MARGIN`] either, its sockets are shut down and the report is delivered in its stead.
//!
//! With [`Server::run`](crate::Server::run) that is whoever called it, who also listens for
//! signals. With [`Server::serve`](crate::Server::serve) it is a thread that begins with the drain
//! and ends with the server. Where time is not the real one, there is none.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use event_listener::Listener as _;
use neap_core::{Lifecycle, Outcome, Progress, SignalEffect, State, Tally, Time};
use rustix::net::Shutdown;

use crate::course::{Command, Course, Watch};
use crate::event::Event;
use crate::ledger::Ledger;
use crate::listening::migrates;
use crate::probe::Probe;
use crate::registry::Connected;
use crate::shared::Shared;
use crate::signals::StopSignals;
use crate::system::StopSignal;
use crate::{Address, ConnectionInfo, Report, threads};

/// How late a server may be that is busy, not blocked: what the system's scheduler takes.
pub(crate) const MARGIN: Duration = Duration::from_millis(250);

/// From here on `server` may be watched: it serves.
pub(crate) fn allow(server: &Shared) {
    let mut course = server.course();
    if server.has_clock() && matches!(course.watch, Watch::Off) {
        course.watch = Watch::Ready;
    }
}

/// Begins to watch `server`, if it serves and nobody does yet.
pub(crate) fn begin(server: &Arc<Shared>) {
    let mut course = server.course();
    if !matches!(course.watch, Watch::Ready) || course.is_over {
        return;
    }
    let watched = Arc::clone(server);
    let watchdog = move || {
        watch(&watched, &mut None);
        Ok(())
    };
    // Without a thread the next command tries again.
    if let Ok(thread) = threads::start("neap-watchdog", watchdog) {
        course.watch = Watch::Thread(thread);
    }
}

/// Lets whoever calls `watch` afterwards do it, and no thread of its own.
pub(crate) fn take_over(server: &Shared) {
    server.course().watch = Watch::Caller;
}

/// Ends the watch of `server`, which is done: when this returns nobody cuts it off any more, and
/// the watchdog's thread is gone.
pub(crate) fn end(server: &Shared) {
    let mut course = server.course();
    course.is_over = true;
    let watch = std::mem::take(&mut course.watch);
    // It is the program's, and may hold a handle to the server that holds it.
    let observer = std::mem::take(&mut course.observer);
    drop(course);
    drop(observer);
    server.bell.notify(usize::MAX);
    if let Watch::Thread(thread) = watch {
        // It has panicked if an observer did, which is no affair of the server's.
        let _ = thread.join();
    }
}

/// Watches `server` until it is done by itself, or its drain is called off. If it had to be cut
/// off, gives its report.
pub(crate) fn watch(server: &Arc<Shared>, signals: &mut Option<StopSignals>) -> Option<Report> {
    let waker = Waker::from(Arc::new(Bell(Arc::clone(server))));
    let mut late = None;
    loop {
        // Listened for first and looked after that, so that no change falls in between.
        let ring = server.bell.listen();
        let now = server.now();
        hear(server, signals, &waker);
        let wake = match look(server, now, &mut late) {
            Look::Again(wake) => wake,
            Look::Over => return None,
            Look::CutOff(report) => return Some(*report),
        };
        match server.instant(wake) {
            Some(instant) => drop(ring.wait_deadline(instant)),
            None => ring.wait(),
        }
    }
}

/// Passes on the signals that have come, and arranges for `waker` to be woken by the next.
pub(crate) fn hear(server: &Shared, signals: &mut Option<StopSignals>, waker: &Waker) {
    let Some(signals) = signals else {
        return;
    };
    let mut cx = Context::from_waker(waker);
    while let Poll::Ready(signal) = signals.poll_stop(&mut cx) {
        server.signal(signal, server.now());
    }
}

/// Rings when a signal has come.
struct Bell(Arc<Shared>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.bell.notify(usize::MAX);
    }
}

/// What a look at the server showed.
enum Look {
    /// Nothing is to be done before this moment.
    Again(Time),
    /// Nobody has to be watched any more.
    Over,
    /// It was late, and has been cut off.
    CutOff(Box<Report>),
}

/// Looks whether `server` is where it has to be. `late` is since when it has been seen not to be:
/// after the whole process stood still, it gets its chance before it is cut off.
fn look(server: &Shared, now: Time, late: &mut Option<Time>) -> Look {
    let mut course = server.course();
    if course.is_over {
        return Look::Over;
    }
    let foreseen = course.foresee(now);
    match foreseen.progress() {
        Progress::Running if !matches!(course.watch, Watch::Caller) => {
            course.watch = Watch::Ready;
            return Look::Over;
        }
        Progress::Done => {}
        Progress::Running
        | Progress::LameDuck
        | Progress::Sealing
        | Progress::Waiting
        | Progress::Closing => {
            *late = None;
            let due = foreseen.poll_timeout(&course.rules.config);
            return Look::Again(due.unwrap_or(Time::NEVER));
        }
    }
    let patience = late.get_or_insert(now).after(MARGIN);
    if now < patience {
        return Look::Again(patience);
    }
    let report = cut_off(server, &mut course, &foreseen, now);
    let observer = course.observer.clone();
    drop(course);
    let (stuck, lost) = (report.stuck, report.lost);
    let told = catch_unwind(AssertUnwindSafe(|| {
        observer.tell(&Event::Blocked { stuck, lost });
    }));
    // Whoever waits for the end hears of it, even if the observer panics.
    server.set_progress(Progress::Done);
    told.unwrap_or_else(|panic| resume_unwind(panic));
    Look::CutOff(Box::new(report))
}

/// Ends `server` in its stead: from here on it is over, whatever its thread still does.
fn cut_off(server: &Shared, course: &mut Course, foreseen: &Lifecycle, now: Time) -> Report {
    course.is_over = true;
    let mut report = end_connections(server, now);
    if let Some(admin) = &course.admin {
        for Connected { info, .. } in admin.hold().everybody() {
            end_connection(State::Idle, &info);
        }
    }
    let (probe, migrates) = (Probe::new(), migrates());
    for (index, listener) in course.listeners.iter().enumerate() {
        let lost_in_queue = listener.end(&probe, migrates);
        if let Some(report) = report.listeners.get_mut(index) {
            report.ended = true;
            report.lost_in_queue += lost_in_queue;
        }
    }
    report.cause = foreseen.cause();
    report.forced = foreseen.forced();
    report.durations = foreseen.durations(now);
    report.phase = foreseen.phase();
    course.report = Some(report.clone());
    report
}

/// Ends every connection, and counts it among those that have ended. Nobody comes or goes until
/// all are: the report is of one moment.
fn end_connections(server: &Shared, now: Time) -> Report {
    let mut lobby = server.pool.get().map(|pool| (pool, pool.lobby()));
    if let Some((pool, lobby)) = &mut lobby {
        for _ in 0..pool.turn_out(lobby) {
            let nothing = Ledger::new(now, Weak::new()).tally(false);
            server.totals.add(Outcome::ClosedFresh, nothing);
        }
    }
    let held: Vec<_> = server.seats().map(|seat| seat.registry.hold()).collect();
    let mut stuck = 0;
    for (seat, held) in server.seats().zip(&held) {
        let polled = seat.polled.load(Ordering::Relaxed);
        for Connected { index, state, info } in held.everybody() {
            let (outcome, tally) = end_of(state, info.ledger());
            server.ended(outcome, tally, || info.aborted(state, now));
            end_connection(state, &info);
            stuck += u64::from(index == polled);
        }
    }
    Report {
        stuck,
        ..server.sums()
    }
}

/// How a connection ends whose server is cut off, and its requests.
fn end_of(state: State, ledger: &Ledger) -> (Outcome, Tally) {
    let outcome = match state {
        State::Fresh => Outcome::ClosedFresh,
        State::Idle => Outcome::ClosedIdle,
        State::Head | State::Busy => Outcome::Aborted,
        State::Upgraded => Outcome::Upgraded,
        State::Linger | State::Gone => {
            // That it may not linger any longer changes nothing.
            if let Some(end) = ledger.decided() {
                return end;
            }
            Outcome::Completed
        }
    };
    (outcome, ledger.tally(outcome == Outcome::Aborted))
}

/// Ends a connection whose thread is blocked: with a reset if somebody was being served, because a
/// FIN would make half a response look whole.
fn end_connection(state: State, info: &ConnectionInfo) {
    let Some(socket) = info.ledger().descriptor.upgrade() else {
        return;
    };
    let was_served = matches!(state, State::Head | State::Busy);
    let is_tcp = matches!(info.peer(), Address::Tcp(_));
    if was_served && is_tcp && rustix::net::connect_unspec(&socket).is_ok() {
        return;
    }
    // A client that has gone meanwhile needs no end.
    let _ = rustix::net::shutdown(&socket, Shutdown::Both);
}

impl Shared {
    /// A stop signal that somebody else than the server's thread has heard.
    fn signal(&self, signal: StopSignal, now: Time) {
        let mut course = self.course();
        if course.is_over {
            return;
        }
        let command = Command::Signal(signal);
        let mut foreseen = course.foresee(now);
        if command.apply(now, &mut foreseen, &course.rules) == SignalEffect::Default {
            drop(course);
            signal.end_process();
            return;
        }
        course.ask(now, command);
        drop(course);
        self.seat.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO.after(Duration::from_millis(millis))
    }

    /// When to look again at a server whose thread is not heard of, in milliseconds.
    fn again(server: &Shared, now: u64, late: &mut Option<Time>) -> Option<u64> {
        match look(server, at(now), late) {
            Look::Again(wake) => Some(wake.as_nanos() / 1_000_000),
            Look::Over | Look::CutOff(_) => None,
        }
    }

    #[test]
    fn who_is_late_gets_a_margin_and_only_once_it_is() {
        let server = Shared::new(Some(Instant::now()));
        let mut late = None;
        server.course().ask(at(0), Command::Drain);
        assert_eq!(again(&server, 0, &mut late), Some(30_000));
        assert_eq!(again(&server, 30_000, &mut late), Some(30_500));
        assert_eq!(again(&server, 30_600, &mut late), Some(30_850));
        assert_eq!(again(&server, 30_849, &mut late), Some(30_850));
        // It was heard of, and had been called off and asked for anew.
        server.course().take_asked();
        server.course().ask(at(40_000), Command::Drain);
        assert_eq!(again(&server, 40_000, &mut late), Some(70_000));
        assert_eq!(again(&server, 70_500, &mut late), Some(70_750));
        let cut_off = look(&server, at(70_750), &mut late);
        assert!(matches!(cut_off, Look::CutOff(_)));
        assert_eq!(server.progress(), Progress::Done);
        let over = look(&server, at(70_750), &mut late);
        assert!(matches!(over, Look::Over));
    }
}

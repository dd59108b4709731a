//! A thread that waits in the reactor for its server.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use crate::epoll::{Epoll, Registered};

/// A reactor with a thread of its own, and the timer of its server.
#[derive(Debug)]
pub(crate) struct Park {
    epoll: Arc<Epoll>,
    timer: Mutex<Option<(Instant, Waker)>>,
    doorbell: Arc<Doorbell>,
    /// The doorbell's edges end a wait, which is all that they are for.
    _rung: Registered,
}

impl Park {
    pub(crate) fn new(epoll: Arc<Epoll>) -> io::Result<Park> {
        let doorbell = Arc::new(Doorbell::new()?);
        Ok(Park {
            _rung: Registered::new(Arc::clone(&doorbell.eventfd), &epoll)?,
            epoll,
            timer: Mutex::new(None),
            doorbell,
        })
    }

    /// Arranges for `waker` to be woken at `at`, instead of at what was set before.
    pub(crate) fn set_timer(&self, at: Option<Instant>, waker: &Waker) {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        *timer = at.map(|at| (at, waker.clone()));
    }

    /// Runs `future` to its end on this thread, which waits in the reactor meanwhile.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> io::Result<T> {
        let mut future = pin!(future);
        let doorbell = &self.doorbell;
        let waker = Waker::from(Arc::clone(doorbell));
        let mut cx = Context::from_waker(&waker);
        loop {
            doorbell.woken.store(false, Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return Ok(output);
            }
            self.wait()?;
        }
    }

    /// Waits until the future is to be polled again.
    fn wait(&self) -> io::Result<()> {
        let doorbell = &self.doorbell;
        doorbell.parked.store(true, Ordering::SeqCst);
        let timeout = if doorbell.woken.load(Ordering::SeqCst) {
            Some(Duration::ZERO)
        } else {
            self.until_timer()
        };
        // Whoever is woken from here on is on this thread, and polled next.
        let unpark = || doorbell.parked.store(false, Ordering::SeqCst);
        self.epoll.turn(timeout, &unpark)?;
        self.fire();
        Ok(())
    }

    fn until_timer(&self) -> Option<Duration> {
        let timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        let until = |at: Instant| at.saturating_duration_since(Instant::now());
        timer.as_ref().map(|(at, _)| until(*at))
    }

    fn fire(&self) {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        let due = timer.take_if(|(at, _)| *at <= Instant::now());
        drop(timer);
        if let Some((_, waker)) = due {
            waker.wake();
        }
    }
}

/// Wakes the thread, by the reactor that it waits in.
#[derive(Debug)]
struct Doorbell {
    eventfd: Arc<OwnedFd>,
    /// The future is to be polled again.
    woken: AtomicBool,
    /// The thread waits, or is about to.
    parked: AtomicBool,
}

impl Doorbell {
    fn new() -> io::Result<Doorbell> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Doorbell {
            eventfd: Arc::new(eventfd(0, flags)?),
            woken: AtomicBool::new(false),
            parked: AtomicBool::new(false),
        })
    }
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let was_woken = self.woken.swap(true, Ordering::SeqCst);
        if !was_woken && self.parked.load(Ordering::SeqCst) {
            // Each write is an edge, however high the count. It fails only when that is full.
            let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn park() -> Park {
        Park::new(Arc::new(Epoll::new().unwrap())).unwrap()
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let (sender, receiver) = mpsc::channel::<Waker>();
        let waking = thread::spawn(move || receiver.iter().for_each(Waker::wake));
        let mut polls = 0;
        let output = park().block_on(poll_fn(|cx| {
            polls += 1;
            if polls == 1_000 {
                return Poll::Ready("done");
            }
            sender.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }));
        assert_eq!(output.unwrap(), "done");
        drop(sender);
        waking.join().unwrap();
    }

    #[test]
    fn a_wake_during_the_poll_is_not_waited_for() {
        let mut polls = 0;
        let output = park().block_on(poll_fn(|cx| {
            polls += 1;
            // The first waits end by themselves: that the doorbell can be written to is news.
            if polls == 5 {
                return Poll::Ready(polls);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        assert_eq!(output.unwrap(), 5);
    }

    #[test]
    fn the_timer_ends_the_wait_and_not_before_its_time() {
        let park = park();
        let at = Instant::now() + Duration::from_millis(20);
        let output = park.block_on(poll_fn(|cx| {
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            park.set_timer(Some(at), cx.waker());
            Poll::Pending
        }));
        output.unwrap();
    }
}

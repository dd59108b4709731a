//! A thread that waits in the reactor for its server.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::epoll::{Epoll, Registered};

/// A reactor with a thread of its own, and the timer of its server.
#[derive(Debug)]
pub(crate) struct Park {
    epoll: Arc<Epoll>,
    /// A timer as a descriptor, whose ends are edges. A time limit of the wait itself would be set
    /// up, and taken down, in the kernel at each wait, however far away it is.
    timer: Registered,
    doorbell: Arc<Doorbell>,
    /// The doorbell's edges end a wait, which is all that they are for.
    _rung: Registered,
}

impl Park {
    pub(crate) fn new(epoll: Arc<Epoll>) -> io::Result<Park> {
        let doorbell = Arc::new(Doorbell::new()?);
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Park {
            _rung: Registered::new(Arc::clone(&doorbell.eventfd), &epoll)?,
            timer: Registered::new(Arc::new(timer), &epoll)?,
            epoll,
            doorbell,
        })
    }

    /// Arranges for `cx` to be woken at `at`, instead of at what was set before.
    pub(crate) fn set_timer(&self, at: Option<Instant>, cx: &mut Context<'_>) {
        // Zero would be never, as is a time that the system cannot count.
        let until = at.map(|at| at.saturating_duration_since(Instant::now()));
        let until = until.map(|until| until.max(Duration::from_nanos(1)));
        let value = Itimerspec {
            it_interval: Timespec::default(),
            it_value: until
                .and_then(|until| until.try_into().ok())
                .unwrap_or_default(),
        };
        // Nothing of that can be wrong. It forgets what it has told.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value);
        self.timer.read_all();
        let _ = self.timer.poll_readable(cx);
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
        let is_woken = doorbell.woken.load(Ordering::SeqCst);
        let timeout = is_woken.then_some(Duration::ZERO);
        // Whoever is woken from here on is on this thread, and polled next.
        let unpark = || doorbell.parked.store(false, Ordering::SeqCst);
        self.epoll.turn(timeout, &unpark)
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
    use std::sync::atomic::AtomicUsize;
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

    /// Waits for a timer, and counts how often it rings.
    struct Bell {
        count: AtomicUsize,
        thread: Waker,
    }

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.count.fetch_add(1, Ordering::SeqCst);
            self.thread.wake_by_ref();
        }
    }

    /// Waits until the timer, set to these times one after the other, has rung; says how often.
    fn rings(park: &Park, times: &[Instant]) -> usize {
        let mut bell = None;
        let output = park.block_on(poll_fn(|cx| {
            let bell = bell.get_or_insert_with(|| {
                let bell = Arc::new(Bell {
                    count: AtomicUsize::new(0),
                    thread: cx.waker().clone(),
                });
                let waker = Waker::from(Arc::clone(&bell));
                for &at in times {
                    park.set_timer(Some(at), &mut Context::from_waker(&waker));
                }
                bell
            });
            match bell.count.load(Ordering::SeqCst) {
                0 => Poll::Pending,
                count => Poll::Ready(count),
            }
        }));
        output.unwrap()
    }

    #[test]
    fn the_timer_ends_the_wait_and_not_before_its_time() {
        let park = park();
        // Each end is news, not only the first.
        for _ in 0..3 {
            let at = Instant::now() + Duration::from_millis(10);
            assert_eq!(rings(&park, &[at]), 1);
            assert!(Instant::now() >= at);
        }
    }

    #[test]
    fn a_time_that_is_over_has_come() {
        assert_eq!(
            rings(&park(), &[Instant::now() - Duration::from_secs(1)]),
            1
        );
    }

    #[test]
    fn a_timer_that_is_set_again_forgets_when_it_was_to_end_before() {
        let park = park();
        let over = Instant::now() - Duration::from_secs(1);
        let soon = Instant::now() + Duration::from_millis(1);
        let later = Instant::now() + Duration::from_millis(50);
        assert_eq!(rings(&park, &[over, soon, later]), 1);
        assert!(Instant::now() >= later);
    }
}

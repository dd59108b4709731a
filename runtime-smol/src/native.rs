//! The system in production: its clocks, async-io's timer, signals of the process.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

#[cfg(target_os = "linux")]
use async_io::Async;
use async_io::Timer;
use neap_core::Time;

use crate::Reactor;
#[cfg(target_os = "linux")]
use crate::epoll::Epoll;
use crate::listening::{Kernel, NativeListener, Options};
#[cfg(target_os = "linux")]
use crate::park::Park;
use crate::signals::StopSignals;
#[cfg(target_os = "linux")]
use crate::source::Sources;
use crate::system::{StopSignal, System};

/// How long to wait in the reactor where nobody can say when it has something to tell.
#[cfg(target_os = "linux")]
const LIMP: Duration = Duration::from_millis(1);

/// The operating system.
#[derive(Debug)]
pub struct Native {
    origin: Instant,
    timer: Timer,
    pub(crate) signals: Option<StopSignals>,
    pub(crate) options: Options,
    pub(crate) kernel: Kernel,
    #[cfg(target_os = "linux")]
    turning: Turning,
}

/// Who turns the server's own reactor.
#[cfg(target_os = "linux")]
#[derive(Debug)]
enum Turning {
    /// Nobody yet.
    Nobody,
    /// A thread that waits in it.
    Park(Arc<Park>),
    /// The server's future, when async-io says that there is something.
    Future(Async<Arc<Epoll>>),
}

impl Native {
    pub(crate) fn new(options: Options) -> Native {
        Native {
            origin: Instant::now(),
            timer: Timer::never(),
            signals: None,
            options,
            kernel: Kernel::new(Reactor::default()),
            #[cfg(target_os = "linux")]
            turning: Turning::Nobody,
        }
    }

    /// The same system for another thread of the server: the same time, and a reactor of its own.
    pub(crate) fn beside(&self) -> Native {
        Native {
            origin: self.origin,
            kernel: self.kernel.beside(),
            ..Native::new(self.options)
        }
    }

    /// Where a thread is to wait for its server: in the server's own reactor, which it turns from
    /// then on, if there is one. What that takes is to be had before anybody is accepted: clients
    /// may leave no descriptor for it.
    pub(crate) fn waiting_place(&mut self) -> io::Result<Place> {
        #[cfg(target_os = "linux")]
        if let Sources::Own(epoll) = &self.kernel.sources {
            let park = Arc::new(Park::new(Arc::clone(epoll))?);
            self.turning = Turning::Park(Arc::clone(&park));
            return Ok(Place { park: Some(park) });
        }
        Ok(Place::default())
    }
}

/// Where a thread waits for its server.
#[derive(Default)]
pub(crate) struct Place {
    #[cfg(target_os = "linux")]
    park: Option<Arc<Park>>,
}

impl Place {
    /// Runs `future` to its end on this thread.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> io::Result<T> {
        #[cfg(target_os = "linux")]
        if let Some(park) = &self.park {
            return park.block_on(future);
        }
        // By its address, so that a program has one copy of that, whatever its futures are.
        let future: Pin<&mut dyn Future<Output = T>> = pin!(future);
        Ok(async_io::block_on(future))
    }
}

impl System for Native {
    type Listener = NativeListener;

    fn now(&self) -> Time {
        Time::ZERO.after(self.origin.elapsed())
    }

    fn origin(&self) -> Option<Instant> {
        Some(self.origin)
    }

    fn since_1970(&self) -> Duration {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }

    fn set_timer(&mut self, at: Time, cx: &mut Context<'_>) {
        // `None` where the system cannot count that far.
        let instant = self
            .origin
            .checked_add(Duration::from_nanos(at.as_nanos()))
            .filter(|_| at != Time::NEVER);
        #[cfg(target_os = "linux")]
        if let Turning::Park(park) = &self.turning {
            return park.set_timer(instant, cx);
        }
        match instant {
            Some(instant) => self.timer.set_at(instant),
            None => self.timer = Timer::never(),
        }
        if Pin::new(&mut self.timer).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    #[cfg(target_os = "linux")]
    fn poll_events(&mut self, cx: &mut Context<'_>) {
        let Sources::Own(epoll) = &self.kernel.sources else {
            return;
        };
        if let Turning::Nobody = self.turning {
            match Async::new_nonblocking(Arc::clone(epoll)) {
                Ok(watched) => self.turning = Turning::Future(watched),
                Err(_) => {
                    // For want of descriptors or memory. It limps until there are some.
                    let _ = epoll.turn(Some(LIMP), &|| {});
                    cx.waker().wake_by_ref();
                }
            }
        }
        if let Turning::Future(watched) = &self.turning {
            while let Poll::Ready(Ok(())) = watched.poll_readable(cx) {
                // What it says is remembered; that it fails cannot be: it is our own, and open.
                let _ = epoll.turn(Some(Duration::ZERO), &|| {});
            }
        }
    }

    fn expecting_ends<R>(&self, count: usize, act: impl FnOnce() -> R) -> R {
        let _batch = self.kernel.probe.batch(count);
        act()
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopSignal> {
        match &mut self.signals {
            Some(signals) => signals.poll_stop(cx),
            None => Poll::Pending,
        }
    }

    fn end_process(&mut self, signal: StopSignal) {
        signal.end_process();
    }
}

//! A reactor of our own, for Linux: edge-triggered epoll, without a system call per wait.
//!
//! async-io asks the kernel anew each time somebody waits. Here each descriptor is registered once,
//! for everything, and the kernel reports edges; what it reported is remembered until a read or a
//! write has found it used up. A request on a connection that is kept alive costs one read and one
//! write, and its share of one `epoll_wait`.
//!
//! It is turned by one thread: by [`park`](crate::park), which waits in it, or by the server's
//! future, which has async-io watch the epoll descriptor itself.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Events taken at once.
const EVENTS: usize = 256;

/// Everything that a connection or a listener may wait for, once and for all.
const INTEREST: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);

/// What makes reading worth a try, and writing.
const READABLE: EventFlags = EventFlags::IN
    .union(EventFlags::RDHUP)
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);
const WRITABLE: EventFlags = EventFlags::OUT
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);

/// What will not be reported a second time: the peer has ended its side, or all is over.
const FINAL: EventFlags = EventFlags::RDHUP
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);

/// The reactor.
pub(crate) struct Epoll {
    epoll: OwnedFd,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

/// What ends the connection, whatever else is still to be read.
const BROKEN: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

/// What is known of a descriptor, and who waits for it.
#[derive(Default)]
struct Slot {
    reading: Side,
    writing: Side,
    /// Something came that is reported once and for all.
    ended: bool,
    /// The peer is gone.
    broken: bool,
}

#[derive(Default)]
struct Side {
    ready: bool,
    waits: bool,
    waker: Option<Waker>,
}

impl Side {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ready {
            return Poll::Ready(());
        }
        self.wait(cx);
        Poll::Pending
    }

    /// Lets `cx` be woken by whatever comes next.
    fn wait(&mut self, cx: &mut Context<'_>) {
        self.waits = true;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Wakes who waits. The wakers are the server's own, and take no lock of ours.
    fn report(&mut self) {
        self.ready = true;
        if std::mem::take(&mut self.waits) {
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        Ok(Epoll {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            slots: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for events, `timeout` at most, then calls `waited` and wakes who waits for them.
    pub(crate) fn turn(&self, timeout: Option<Duration>, waited: &dyn Fn()) -> io::Result<()> {
        // A time that the system cannot count is as good as none.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut events = [MaybeUninit::uninit(); EVENTS];
        let events = epoll::wait(&self.epoll, &mut events, timeout.as_ref());
        waited();
        let events = match events {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut slots = self.lock();
        for event in events {
            // A number without a slot is of a descriptor that was closed meanwhile.
            let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            if let Some(slot) = slots.slots.get_mut(index) {
                let flags = event.flags;
                slot.ended |= flags.intersects(FINAL);
                slot.broken |= flags.intersects(BROKEN);
                if flags.intersects(READABLE) {
                    slot.reading.report();
                }
                if flags.intersects(WRITABLE) {
                    slot.writing.report();
                }
            }
        }
        Ok(())
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for Epoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoll")
            .field("registered", &{
                let slots = self.lock();
                slots.slots.len() - slots.free.len()
            })
            .finish_non_exhaustive()
    }
}

/// A descriptor that is registered with a reactor.
#[derive(Debug)]
pub(crate) struct Registered {
    fd: Arc<OwnedFd>,
    index: usize,
    epoll: Arc<Epoll>,
}

impl Registered {
    pub(crate) fn new(fd: Arc<OwnedFd>, epoll: &Arc<Epoll>) -> io::Result<Registered> {
        let mut slots = epoll.lock();
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.slots.push(Slot::default());
            slots.slots.len() - 1
        });
        slots.slots[index] = Slot {
            // Unknown yet: the first attempt finds out.
            reading: Side {
                ready: true,
                ..Side::default()
            },
            writing: Side {
                ready: true,
                ..Side::default()
            },
            ..Slot::default()
        };
        drop(slots);
        // From here on the slot is given back if anything fails.
        let registered = Registered {
            fd,
            index,
            epoll: Arc::clone(epoll),
        };
        let data = EventData::new_u64(index as u64);
        epoll::add(&epoll.epoll, &registered.fd, data, INTEREST)?;
        Ok(registered)
    }

    /// Arranges for `cx` to be woken when reading is worth a try.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|slot| slot.reading.poll(cx))
    }

    /// Arranges for `cx` to be woken when writing is worth a try.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|slot| slot.writing.poll(cx))
    }

    /// Arranges for `cx` to be woken when the peer is gone, without reading what it has left.
    pub(crate) fn poll_hangup(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|slot| {
            if slot.broken {
                return Poll::Ready(());
            }
            slot.reading.wait(cx);
            Poll::Pending
        })
    }

    /// All that was there has been read, or accepted. An end that was reported with the last bytes
    /// is still to be read.
    pub(crate) fn read_all(&self) {
        self.with(|slot| slot.reading.ready = slot.ended);
    }

    /// There is no more room to write.
    pub(crate) fn wrote_all(&self) {
        self.with(|slot| slot.writing.ready = false);
    }

    pub(crate) fn descriptor(&self) -> Weak<OwnedFd> {
        Arc::downgrade(&self.fd)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Slot) -> T) -> T {
        act(&mut self.epoll.lock().slots[self.index])
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // The kernel forgets it when it is closed, which it is not yet if somebody else holds it.
        // News of a duplicate would be taken for those of a later one, which is then asked in vain.
        if Arc::strong_count(&self.fd) > 1 {
            let _ = epoll::delete(&self.epoll.epoll, &self.fd);
        }
        let mut slots = self.epoll.lock();
        slots.slots[self.index] = Slot::default();
        slots.free.push(self.index);
    }
}

impl AsFd for Registered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Fixture {
        epoll: Arc<Epoll>,
        registered: Registered,
        near: UnixStream,
        far: UnixStream,
        count: Arc<Count>,
        waker: Waker,
    }

    fn fixture() -> Fixture {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let epoll = Arc::new(Epoll::new().unwrap());
        let fd = Arc::new(OwnedFd::from(near.try_clone().unwrap()));
        let count = Arc::<Count>::default();
        Fixture {
            registered: Registered::new(fd, &epoll).unwrap(),
            waker: Waker::from(Arc::clone(&count)),
            epoll,
            near,
            far,
            count,
        }
    }

    impl Fixture {
        fn is_readable(&self) -> bool {
            let cx = &mut Context::from_waker(&self.waker);
            self.registered.poll_readable(cx).is_ready()
        }

        fn turn(&self) -> usize {
            self.epoll.turn(Some(Duration::ZERO), &|| {}).unwrap();
            self.count.0.swap(0, Ordering::Relaxed)
        }
    }

    #[test]
    fn who_waits_is_woken_once_by_what_comes() {
        let mut fixture = fixture();
        fixture.turn();
        fixture.registered.read_all();
        assert!(!fixture.is_readable());
        assert_eq!(fixture.turn(), 0);
        fixture.far.write_all(b"a").unwrap();
        assert_eq!(fixture.turn(), 1);
        assert!(fixture.is_readable());
        fixture.far.write_all(b"b").unwrap();
        assert_eq!(fixture.turn(), 0, "nobody waits");
        fixture.near.read_exact(&mut [0; 2]).unwrap();
        fixture.registered.read_all();
        assert!(!fixture.is_readable());
    }

    #[test]
    fn an_end_that_came_with_the_last_bytes_is_not_forgotten_by_reading_them() {
        let mut fixture = fixture();
        fixture.registered.read_all();
        fixture.far.write_all(b"a").unwrap();
        fixture.far.shutdown(std::net::Shutdown::Write).unwrap();
        fixture.turn();
        fixture.near.read_exact(&mut [0; 1]).unwrap();
        fixture.registered.read_all();
        assert!(fixture.is_readable());
    }

    #[test]
    fn room_to_write_is_reported_once_there_was_none() {
        let mut fixture = fixture();
        while fixture.near.write(&[0; 4096]).is_ok() {}
        fixture.turn();
        fixture.registered.wrote_all();
        let cx = &mut Context::from_waker(&fixture.waker);
        assert!(fixture.registered.poll_writable(cx).is_pending());
        assert_eq!(fixture.turn(), 0);
        fixture.far.set_nonblocking(true).unwrap();
        let mut buffer = [0; 65_536];
        while fixture.far.read(&mut buffer).is_ok() {}
        assert_eq!(fixture.turn(), 1);
        assert!(fixture.registered.poll_writable(cx).is_ready());
    }

    #[test]
    fn a_number_is_used_again_without_news_of_whom_it_was_before() {
        let mut fixture = fixture();
        fixture.far.write_all(b"a").unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let index = fixture.registered.index;
        let epoll = Arc::clone(&fixture.epoll);
        // Somebody else holds it open, and it would go on to report.
        let _held = Arc::clone(&fixture.registered.fd);
        drop(fixture.registered);
        let registered = Registered::new(Arc::new(near.into()), &epoll).unwrap();
        assert_eq!(registered.index, index);
        registered.read_all();
        epoll.turn(Some(Duration::ZERO), &|| {}).unwrap();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(registered.poll_readable(cx).is_pending());
    }
}

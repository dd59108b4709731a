//! What threads share: the standard library's and event-listener's, or with `--cfg neap_loom` what
//! loom has in their place, which tries every order in which threads may come.

#[cfg(not(neap_loom))]
pub(crate) use {
    event_listener::Event,
    std::sync::{Mutex, MutexGuard, atomic},
};

#[cfg(neap_loom)]
pub(crate) use {
    event::Event,
    loom::sync::{Mutex, MutexGuard, atomic},
};

/// What event-listener promises, in as few words as loom can follow: who began to listen before a
/// notification is notified by it.
#[cfg(neap_loom)]
mod event {
    use std::future::{Future, poll_fn};
    use std::sync::{Arc, PoisonError};
    use std::task::{Poll, Waker};

    use loom::sync::Mutex;

    #[derive(Debug, Default)]
    struct Listener {
        notified: bool,
        waker: Option<Waker>,
    }

    #[derive(Debug, Default)]
    pub(crate) struct Event(Mutex<Vec<Arc<Mutex<Listener>>>>);

    impl Event {
        pub(crate) fn new() -> Event {
            Event::default()
        }

        pub(crate) fn listen(&self) -> impl Future<Output = ()> + use<> {
            let listener = Arc::new(Mutex::new(Listener::default()));
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Arc::clone(&listener));
            poll_fn(move |cx| {
                let mut listener = listener.lock().unwrap_or_else(PoisonError::into_inner);
                if listener.notified {
                    return Poll::Ready(());
                }
                listener.waker = Some(cx.waker().clone());
                Poll::Pending
            })
        }

        pub(crate) fn notify(&self, _most: usize) {
            let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            for listener in all {
                let mut listener = listener.lock().unwrap_or_else(PoisonError::into_inner);
                listener.notified = true;
                let waker = listener.waker.take();
                drop(listener);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }
}

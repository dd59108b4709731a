//! A listener: who is in the middle of a handshake with it, who waits to be accepted.

use std::collections::VecDeque;
use std::task::Waker;

use super::{Kernel, ListenerRecord, Reset, Stage};
use crate::simulation::script::{AcceptError, Owner, Seal};

/// A listener.
#[derive(Debug)]
pub struct Listening {
    /// How many have it; it is closed when nobody has.
    pub owners: usize,
    /// How it is sealed.
    pub seal: Option<Seal>,
    /// Who waits to be accepted.
    pub queue: VecDeque<usize>,
    /// Who is in the middle of a handshake.
    pub half_open: Vec<usize>,
    /// How often it was accepted from.
    pub accepts: u32,
    wakers: Vec<Option<Waker>>,
    /// What happened to it.
    pub record: ListenerRecord,
}

impl Listening {
    /// Whether it is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.owners > 0
    }
}

impl Kernel {
    /// A new listener; somebody else has it too, if it is shared.
    pub fn listen(&mut self) -> usize {
        let owners = usize::from(self.net.owner == Owner::Shared);
        self.listeners.push(Listening {
            owners,
            seal: None,
            queue: VecDeque::new(),
            half_open: Vec::new(),
            accepts: 0,
            wakers: vec![None, None],
            record: ListenerRecord::default(),
        });
        self.listeners.len() - 1
    }

    /// The next of its queue, or what the system says instead.
    ///
    /// # Errors
    ///
    /// `None` if nobody waits.
    pub fn accept(&mut self, listener: usize, server: usize) -> Result<usize, Option<AcceptError>> {
        let now = self.now;
        let used = self.open_of(server);
        let listening = &mut self.listeners[listener];
        if listening.queue.is_empty() {
            return Err(None);
        }
        listening.accepts += 1;
        let number = listening.accepts;
        let error = self.net.accept_errors.iter().find(|(at, _)| *at == number);
        if let Some((_, error)) = error {
            let error = *error;
            if error == AcceptError::Invalid {
                listening.record.failed[server].get_or_insert(now);
            }
            self.note(|| format!("accept by {server}: {error:?}"));
            return Err(Some(error));
        }
        if used >= self.net.descriptors {
            self.note(|| format!("accept by {server}: no descriptors"));
            return Err(Some(AcceptError::ProcessFiles));
        }
        let Some(client) = listening.queue.pop_front() else {
            return Err(None);
        };
        listening.record.accepted[server] += 1;
        self.streams[client].stage = Stage::Accepted(server);
        self.streams[client].record.accepted = Some((now, listener, server));
        self.note(|| format!("server {server} accepts {client}"));
        Ok(client)
    }

    /// How many connections a server has open.
    #[must_use]
    pub fn open_of(&self, server: usize) -> usize {
        let is_open = |stream: &&super::Stream| stream.is_open_at(server);
        self.streams.iter().filter(is_open).count()
    }

    /// Whether somebody waits; otherwise `waker` is woken then.
    pub fn poll_readable(&mut self, listener: usize, server: usize, waker: &Waker) -> bool {
        let listening = &mut self.listeners[listener];
        if !listening.queue.is_empty() {
            return true;
        }
        listening.wakers[server] = Some(waker.clone());
        false
    }

    /// A client's handshake with a listener is complete.
    pub(super) fn enqueue(&mut self, client: usize, listener: usize) {
        let now = self.now;
        let listening = &mut self.listeners[listener];
        listening.half_open.retain(|other| *other != client);
        listening.queue.push_back(client);
        for waker in listening.wakers.iter_mut().filter_map(Option::take) {
            waker.wake();
        }
        let stream = &mut self.streams[client];
        stream.stage = Stage::Queued(listener);
        stream.record.queued.get_or_insert((now, listener));
    }

    /// Keeps new handshakes from beginning. False if the system does not grant that.
    pub fn seal(&mut self, listener: usize, seal: Seal) -> bool {
        let granted = match seal {
            Seal::Interface => self.net.interface,
            Seal::Filter => self.net.filter,
            Seal::Plain => true,
        };
        self.note(|| format!("listener {listener} is to be sealed by {seal:?}: {granted}"));
        let now = self.now;
        let listening = &mut self.listeners[listener];
        listening.record.seals.push((now, seal));
        if granted {
            listening.seal = Some(seal);
        }
        granted
    }

    /// Who is in the middle of a handshake with any listener of the address, as far as it is
    /// listed yet.
    #[must_use]
    pub fn half_open(&self) -> Vec<usize> {
        let lag = self.net.listing_lag;
        let listed = |client: &usize| {
            let answered = self.streams[*client].record.answered;
            answered.is_some_and(|(at, _)| at + lag <= self.now)
        };
        let all = self.listeners.iter().flat_map(|other| &other.half_open);
        all.copied().filter(listed).collect()
    }

    /// Whether a closing listener's clients go to another one that is not about to close itself.
    #[must_use]
    pub fn has_heir(&self, listener: usize) -> bool {
        let is_heir = |(index, other): (usize, &Listening)| {
            index != listener && other.is_open() && other.seal != Some(Seal::Interface)
        };
        self.net.migrate && self.listeners.iter().enumerate().any(is_heir)
    }

    /// One of its owners lets go of a listener.
    pub fn release(&mut self, listener: usize, server: usize) {
        self.note(|| format!("server {server} closes listener {listener}"));
        self.listeners[listener].wakers[server] = None;
        self.listeners[listener].owners -= 1;
        if self.listeners[listener].is_open() {
            return;
        }
        let queue = std::mem::take(&mut self.listeners[listener].queue);
        let half_open = std::mem::take(&mut self.listeners[listener].half_open);
        let heir = (0..self.listeners.len())
            .filter(|_| self.net.migrate)
            .find(|other| self.listeners[*other].is_open());
        self.listeners[listener].record.closed = Some(self.now);
        for (clients, reset) in [(queue.into(), Reset::Queued), (half_open, Reset::HalfOpen)] {
            let clients: Vec<usize> = clients;
            for client in clients {
                self.bequeath(client, listener, heir, reset);
            }
        }
    }

    /// A client's listener is closed: another one takes it, or it is reset.
    fn bequeath(&mut self, client: usize, from: usize, heir: Option<usize>, reset: Reset) {
        let Some(heir) = heir else {
            self.listeners[from].record.lost.push(client);
            if reset == Reset::Queued {
                self.reset_client(client, reset);
            }
            // Who is in the middle of its handshake is told when its ACK finds nobody.
            self.streams[client].stage = Stage::Forgotten;
            return;
        };
        self.streams[client].record.migrated = true;
        if reset == Reset::Queued {
            self.enqueue(client, heir);
        } else {
            self.listeners[heir].half_open.push(client);
            self.streams[client].stage = Stage::HalfOpen(heir);
        }
    }

    /// Whether the client that was just accepted is the one that is to be lost.
    pub fn loses_one(&mut self) -> bool {
        let drains = self
            .listeners
            .iter()
            .any(|other| !other.record.seals.is_empty());
        drains && !std::mem::replace(&mut self.has_lost, drains)
    }

    /// Forgets whom to wake.
    pub fn forget_waker(&mut self, listener: usize, server: usize) {
        self.listeners[listener].wakers[server] = None;
    }
}

//! What came for one of our processes and was not taken yet: bounded, and honest about what it dropped.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use beam::Term;
use beam::term::{Pid, Reference};
use tokio::sync::Notify;

use crate::LinkEnd;
use crate::payload::Payload;

/// Most processes of the peer that monitor or are linked with one of ours.
const MOST_WATCHERS: usize = 1024;

/// How much may wait in a mailbox. When there is more, the oldest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Most events.
    pub events: usize,
    /// Most bytes that they hold.
    pub bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { events: 10_000, bytes: 16 << 20 }
    }
}

/// How much was dropped from a mailbox since this was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Events.
    pub events: u64,
    /// Bytes that they held.
    pub bytes: u64,
}

/// Something that came.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Payload),
    Down { reference: Reference, reason: Payload },
    Exit { from: Pid, reason: Payload },
}

/// What can be taken.
#[derive(Debug)]
pub(crate) enum Taken {
    Arrival(Arrival),
    Dropped(Dropped),
    Ended(Arc<LinkEnd>),
}

/// A mailbox, as the reader of the connection and its owner share it.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug)]
struct State {
    capacity: Capacity,
    waiting: VecDeque<(Arrival, usize)>,
    bytes: usize,
    dropped: Dropped,
    ended: Option<Arc<LinkEnd>>,
    ties: Ties,
}

/// Between one of our processes and those of the peer.
#[derive(Debug, Default)]
pub(crate) struct Ties {
    /// What we monitor.
    pub(crate) monitors: HashMap<Reference, Term>,
    /// Who monitors us.
    pub(crate) watchers: HashMap<Reference, Pid>,
    /// Who is linked with us.
    pub(crate) links: HashSet<Pid>,
    /// Who was until we said no, and has not acknowledged that.
    pub(crate) unlinking: HashMap<Pid, Term>,
    /// Our process has ended: nobody is tied to it any more, also who found it just before.
    is_closed: bool,
}

impl Ties {
    fn is_full(&self) -> bool {
        self.is_closed || self.watchers.len() + self.links.len() >= MOST_WATCHERS
    }

    /// Whether there is room for one who monitors us.
    pub(crate) fn watch(&mut self, reference: Reference, watcher: Pid) -> bool {
        !self.is_full() && self.watchers.insert(reference, watcher).is_none()
    }

    /// Whether there is room for a link.
    pub(crate) fn link(&mut self, with: Pid) -> bool {
        self.links.contains(&with) || (!self.is_full() && self.links.insert(with))
    }
}

impl Inbox {
    pub(crate) fn new(capacity: Capacity) -> Self {
        let state = State {
            capacity,
            waiting: VecDeque::new(),
            bytes: 0,
            dropped: Dropped::default(),
            ended: None,
            ties: Ties::default(),
        };
        Self { state: Mutex::new(state), arrived: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // nothing that is done under it panics halfway
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts all ties; there are no new ones from now on.
    pub(crate) fn close(&self) -> Ties {
        self.ties(|ties| std::mem::replace(ties, Ties { is_closed: true, ..Ties::default() }))
    }

    /// Looks at or changes the ties.
    pub(crate) fn ties<T>(&self, change: impl FnOnce(&mut Ties) -> T) -> T {
        change(&mut self.state().ties)
    }

    /// Puts what came behind what waits, and drops the oldest while there is too much.
    pub(crate) fn put(&self, arrival: Arrival) {
        let weight = arrival.weight();
        let mut state = self.state();
        state.bytes += weight;
        state.waiting.push_back((arrival, weight));
        while state.waiting.len() > state.capacity.events || state.bytes > state.capacity.bytes {
            let Some((_, weight)) = state.waiting.pop_front() else { break };
            state.bytes -= weight;
            state.dropped.events += 1;
            state.dropped.bytes += weight as u64;
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// The connection has ended: nothing more comes.
    pub(crate) fn end(&self, end: &Arc<LinkEnd>) {
        self.state().ended = Some(Arc::clone(end));
        self.arrived.notify_one();
    }

    /// What came first; before it, what was dropped; after all, why nothing more comes. One owner may take.
    pub(crate) async fn take(&self) -> Taken {
        loop {
            let arrived = self.arrived.notified();
            if let Some(taken) = self.state().take() {
                return taken;
            }
            arrived.await;
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Taken> {
        if self.dropped.events > 0 {
            return Some(Taken::Dropped(std::mem::take(&mut self.dropped)));
        }
        if let Some((arrival, weight)) = self.waiting.pop_front() {
            self.bytes -= weight;
            return Some(Taken::Arrival(arrival));
        }
        self.ended.clone().map(Taken::Ended)
    }
}

impl Arrival {
    fn weight(&self) -> usize {
        let own = size_of::<(Self, usize)>();
        match self {
            Self::Message(payload)
            | Self::Down { reason: payload, .. }
            | Self::Exit { reason: payload, .. } => own + payload.weight(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(number: u8, length: usize) -> Arrival {
        let mut bytes = vec![109];
        bytes.extend((length as u32).to_be_bytes());
        bytes.resize(5 + length, number);
        Arrival::Message(Payload::new(Bytes::from(bytes), length, Arc::default()))
    }

    async fn first_byte(inbox: &Inbox) -> u8 {
        match inbox.take().await {
            Taken::Arrival(Arrival::Message(payload)) => {
                *payload.decode_here().unwrap().as_binary().unwrap().first().unwrap()
            }
            other => panic!("a message is due, not {other:?}"),
        }
    }

    #[tokio::test]
    async fn the_oldest_is_dropped_and_that_is_told_first() {
        let inbox = Inbox::new(Capacity { events: 2, bytes: 1 << 20 });
        (1..=5).for_each(|number| inbox.put(message(number, 10)));
        let Taken::Dropped(dropped) = inbox.take().await else { panic!("it was not told") };
        assert_eq!(dropped.events, 3);
        assert!(dropped.bytes >= 30, "{dropped:?}");
        assert_eq!((first_byte(&inbox).await, first_byte(&inbox).await), (4, 5));
    }

    #[tokio::test]
    async fn bytes_count_too() {
        let inbox = Inbox::new(Capacity { events: 100, bytes: 10_000 });
        inbox.put(message(1, 6_000));
        inbox.put(message(2, 6_000));
        assert!(matches!(inbox.take().await, Taken::Dropped(Dropped { events: 1, .. })));
        assert_eq!(first_byte(&inbox).await, 2);
        inbox.put(message(3, 20_000));
        assert!(matches!(inbox.take().await, Taken::Dropped(Dropped { events: 1, .. })));
    }

    #[tokio::test]
    async fn the_end_comes_after_what_came_before() {
        let inbox = Inbox::new(Capacity::default());
        inbox.put(message(1, 1));
        inbox.end(&Arc::new(LinkEnd::Closed));
        assert_eq!(first_byte(&inbox).await, 1);
        assert!(matches!(inbox.take().await, Taken::Ended(_)));
        assert!(matches!(inbox.take().await, Taken::Ended(_)), "it stays so");
    }

    #[test]
    fn nobody_is_tied_to_what_was_closed() {
        let inbox = Inbox::new(Capacity::default());
        let node = beam::term::Atom::new("a@h");
        let pid = Pid { node: node.clone(), id: 1, serial: 0, creation: 4 };
        assert!(inbox.ties(|ties| ties.link(pid.clone())));
        assert_eq!(inbox.close().links.len(), 1);
        let reference = Reference::new(node, 4, &[1]).unwrap();
        assert!(!inbox.ties(|ties| ties.link(pid.clone())));
        assert!(!inbox.ties(|ties| ties.watch(reference, pid)));
    }

    #[test]
    fn those_who_watch_us_are_bounded() {
        let mut ties = Ties::default();
        let node = beam::term::Atom::new("a@h");
        let pid = |id| Pid { node: node.clone(), id, serial: 0, creation: 4 };
        assert!((0..MOST_WATCHERS as u32).all(|id| ties.link(pid(id))));
        assert!(!ties.link(pid(u32::MAX)));
        assert!(ties.link(pid(1)), "that one is there");
    }
}

//! The node: turns, held replies, waiters and timers around the state machines, without sockets, clock or threads.
//!
//! [`Node::step`] is all there is: inputs and the time go in, replies come out. One turn decides and applies
//! inputs in order and appends all their records as one batch; a reply is held until everything it read or
//! wrote is durable (design, section 2).

mod admit;
pub mod clock;
pub mod content;
mod held;
mod job;
mod laws;
mod loads;
mod open;
mod receive;
pub mod sealer;
mod send;
#[cfg(test)]
mod tests;
mod turn;
mod view;
mod waiters;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engine::catalogue::Catalogue;
use engine::command::{Settings, Undo};
use engine::message::Md5;
use engine::rows::Batch;
use engine::slot::Slot;
use engine::{Counts, Entropy, Error, Lsn, Millis, QueueId, Reply, Request, Secret};
use store::{Room, Store};

use crate::held::{Due, Flows, Held};
use crate::loads::Loads;
use crate::sealer::Sealer;
use crate::turn::Arrival;
pub use crate::view::{Counters, QueueView, View, Whole};
use crate::waiters::Waiters;

/// Names a client's request until its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What happens to a node from outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client's request. Ids rise and are never reused within one run.
    Request {
        /// Its number.
        id: RequestId,
        /// Who asks.
        identity: Arc<auth::Identity>,
        /// What is asked.
        request: Request,
    },
    /// The client of this request is gone, and its reply has not come out yet. It still may, with nothing to undo.
    Gone(RequestId),
    /// The client was gone when this reply came out: nobody saw it.
    Undo(Vec<Undo>),
}

/// What a node lets out.
#[derive(Clone, Debug)]
pub enum Output {
    /// The reply to a request; everything it rests on is durable.
    Reply {
        /// Which request.
        id: RequestId,
        /// The reply, or the error.
        result: Result<Reply, Error>,
        /// To be given back as `Input::Undo` if the client is gone before the reply is written.
        undo: Vec<Undo>,
    },
    /// Something a person should read in the log: damaged bytes, a jump of the clock.
    Warning(String),
    /// The store has failed: the process must stop, loudly, with this text. Nothing comes out after it.
    Fatal(String),
}

/// How a node is set up.
#[derive(Clone, Copy, Debug)]
pub struct NodeConfig {
    /// State machines the queues are spread over; at least one. Nothing durable depends on it.
    pub slots: usize,
    /// What the engine reads of the configuration.
    pub settings: Settings,
    /// The data directory's secret.
    pub secret: Secret,
}

/// One catalogue and its slots over one store.
pub struct Node<S: Store> {
    store: S,
    sealer: Box<dyn Sealer + Send>,
    settings: Settings,
    secret: Secret,
    catalogue: Catalogue,
    slots: Vec<Slot>,

    now: Millis,
    entropy: Entropy,
    /// Records of the running turn, and about how many bytes they are.
    batch: Batch,
    batch_bytes: usize,
    batch_weighed: usize,
    /// As of the last append or event.
    room: Room,
    /// When the store is next to look for space, if sends are refused for want of it, ms.
    look_at: Millis,
    durable: Lsn,

    held: Held,
    flows: Flows,
    /// What may happen now.
    ready: VecDeque<Due>,
    waiters: Waiters,
    /// Queues whose waiters are to be decided again.
    stirred: BTreeSet<QueueId>,
    loads: Loads,
    /// Requests that wait for room, in order of arrival, and the MD5s of the bodies they send.
    crowded: VecDeque<(Arrival, Vec<Md5>)>,
    /// Requests that wait, and those whose held reply would have to be undone were their client gone.
    live: BTreeMap<RequestId, Live>,

    outputs: Vec<Output>,
    counters: Counters,
    counts: Counts,
    /// The last step ended before nothing more happened.
    unfinished: bool,
    repaired: bool,
    draining: bool,
    dead: bool,
    /// The batch after which the laws are checked again.
    #[cfg(debug_assertions)]
    next_check: u64,
}

/// What the node remembers of a request until its reply.
#[derive(Clone, Copy, Debug, Default)]
struct Live {
    /// Its client is gone.
    gone: bool,
    /// The queue it waits at, as a waiter.
    waits_at: Option<QueueId>,
}

impl<S: Store> Node<S> {
    /// The slot of a queue. Free to change between runs; mixed, since ids hold the time of creation.
    fn place(&self, queue: QueueId) -> usize {
        let mixed = queue.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(mixed).expect("32 bits") % self.slots.len()
    }

    /// Whether what a start must put right is durable; a server opens its doors then.
    pub fn is_ready(&self) -> bool {
        self.repaired
    }

    /// Begins a graceful stop: at the next step every long poll is answered with what it has, and from then
    /// on none waits.
    pub fn stop(&mut self) {
        self.draining = true;
    }

    /// Whether nothing is left to answer and all that was decided is durable.
    pub fn is_idle(&self) -> bool {
        self.live.is_empty()
            && self.crowded.is_empty()
            && self.ready.is_empty()
            && self.flows.is_empty()
            && self.held.is_empty()
            && self.durable + 1 == self.store.next_lsn()
    }

    /// When a step is next worth taking though nothing came in, ms.
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.dead {
            return None;
        }
        let leftover = self.unfinished
            || !self.ready.is_empty()
            || (self.draining && self.waiters.any_timed())
            || (!self.stirred.is_empty() && self.has_room());
        let leftover = leftover.then_some(self.now);
        let slots = self.slots.iter().filter_map(Slot::next_deadline).min();
        let crowd = self.crowded.front().map(|(first, _)| first.arrived + turn::PATIENCE);
        let look = self.store.room().sends_refused.then_some(self.look_at);
        let heartbeat = Some(self.now + turn::HEARTBEAT);
        [leftover, slots, crowd, self.waiters.next_deadline(), look, heartbeat].into_iter().flatten().min()
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, to be driven or inspected.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Gives the store back and forgets the rest.
    pub fn into_store(self) -> S {
        self.store
    }
}

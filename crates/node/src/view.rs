//! What a node tells of itself, for metrics.

use store::Store;

use crate::Node;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that came in.
    pub requests: u64,
    /// Requests that waited too long for room.
    pub throttled: u64,
    /// Batches appended.
    pub batches: u64,
    /// Receives taken back because their client was gone.
    pub undone: u64,
    /// Loads that met damaged bytes.
    pub damaged: u64,
    /// Steps more than a minute after the one before.
    pub clock_jumps: u64,
    /// Steps whose time was before that of an earlier one.
    pub clock_backwards: u64,
    /// The server's own requests that were refused.
    pub internal_errors: u64,
    /// Events of the store that nobody asked for.
    pub strange_events: u64,
}

/// What there is at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Receives that wait for messages.
    pub waiters: usize,
    /// Replies that wait for durability.
    pub held_replies: usize,
    /// Requests that wait for pages of the store.
    pub parked: usize,
    /// Requests that wait for room.
    pub crowded: usize,
    /// Queues that are named.
    pub queues: usize,
    /// Batches that are appended and not durable yet.
    pub journal_lag: u64,
}

impl<S: Store> Node<S> {
    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What there is now. Held replies are counted one by one.
    pub fn view(&self) -> View {
        View {
            waiters: self.waiters.len(),
            held_replies: self.held.replies(),
            parked: self.loads.parked(),
            crowded: self.crowded.len(),
            queues: self.catalogue.len(),
            journal_lag: self.store.next_lsn() - 1 - self.durable,
        }
    }
}

//! What a node tells of itself, for metrics.

use engine::queue::Queue;
use engine::slot::Slot;
use engine::{Counts, Lsn, Millis, QueueName, Row};
use store::Store;
use store::export::Origin;
use store::log::Snapshot;

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
    /// Memory of the messages at hand to be received, bytes, about.
    pub window_bytes: usize,
}

/// Everything there is, as of one batch, to be written out beside the node.
#[derive(Debug)]
pub struct Whole {
    /// What it is of.
    pub origin: Origin,
    /// The small rows.
    pub rows: Vec<Row>,
    /// The messages.
    pub messages: Snapshot,
}

/// How things are with one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its address.
    pub name: QueueName,
    /// Messages that can be received: `ApproximateNumberOfMessages`.
    pub visible: u64,
    /// Messages in flight: `ApproximateNumberOfMessagesNotVisible`.
    pub in_flight: u64,
    /// Delayed messages: `ApproximateNumberOfMessagesDelayed`.
    pub delayed: u64,
    /// When the oldest message was sent, ms; `None` if there is none or none of them is in memory.
    pub oldest_sent: Option<Millis>,
    /// Memory of the counts of delayed messages, bytes, about; the messages themselves are on disk.
    pub delayed_bytes: usize,
    /// Deduplication ids inside their five minutes.
    pub deduplication_ids: usize,
    /// Memory that these take, bytes, about.
    pub deduplication_bytes: usize,
}

impl<S: Store> Node<S> {
    /// Every queue, as of the last step; O(queues). Where messages wait and none of them is in memory, the next
    /// step loads some, so that the next look finds how old they are.
    pub fn queues(&mut self) -> Vec<QueueView> {
        let now = self.now;
        let mut views = Vec::with_capacity(self.catalogue.len());
        for slot in &mut self.slots {
            let mut unknown = Vec::new();
            for queue in slot.queues(now) {
                let view = view(queue, now);
                if view.oldest_sent.is_none() && view.visible > 0 {
                    unknown.push(queue.id());
                }
                views.push(view);
            }
            unknown.into_iter().for_each(|queue| slot.want(queue));
        }
        views
    }

    /// Everything, as of the last step; `None` where nothing is on disk. It may not be durable yet.
    pub fn whole(&self) -> Option<Whole> {
        let messages = self.store.snapshot()?;
        let origin = Origin { secret: self.secret, now: self.now };
        // By Law 1 these are the rows that a restart would find; the store itself has not all of them in memory.
        Some(Whole { origin, rows: self.live_rows().collect(), messages })
    }

    /// Whether the batches up to this one are durable.
    pub fn is_durable(&self, lsn: Lsn) -> bool {
        self.durable >= lsn
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What happened since the start, by kind.
    pub fn counts(&self) -> Counts {
        let mut all = self.counts;
        all.absorb(&self.loads.counts());
        self.slots.iter().for_each(|slot| all.absorb(slot.counts()));
        all
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
            window_bytes: self.slots.iter().map(Slot::window_bytes).sum(),
        }
    }
}

fn view(queue: &Queue, now: Millis) -> QueueView {
    let counters = queue.counters(now);
    // Both are in key order, which is that of arrival but for delayed and moved messages.
    let untouched = queue.window.in_order(now).next().map(|(_, entry)| entry.row.sent);
    let touched = queue.touched.rows().next().map(|(_, row)| row.retained_from);
    QueueView {
        name: queue.row.name.clone(),
        visible: counters.visible,
        in_flight: counters.in_flight,
        delayed: counters.delayed,
        oldest_sent: untouched.into_iter().chain(touched).min(),
        delayed_bytes: queue.due.bytes(),
        deduplication_ids: queue.dedup.count(),
        deduplication_bytes: queue.dedup.bytes(),
    }
}

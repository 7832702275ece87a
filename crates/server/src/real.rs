//! The node as the door sees it.

use engine::{Lsn, Millis};
use node::{Input, Node, Output, QueueView, Whole};
use store::Store;

use crate::door::Turns;
use crate::metrics::Page;
use crate::random::Source;

/// When nothing was appended for this long, ms, the store is told that it is idle.
const IDLE: Millis = 10;

/// A node with what seeds its decisions.
pub struct Real<S: Store> {
    node: Node<S>,
    random: Source,
    /// The store's next number after the last turn.
    next_lsn: Lsn,
    /// When the store is to be told that it is idle, ms.
    idle_at: Option<Millis>,
}

impl<S: Store> Real<S> {
    /// Of this node.
    pub fn new(node: Node<S>, random: Source) -> Real<S> {
        Real { next_lsn: node.store().next_lsn(), node, random, idle_at: None }
    }

    fn watch_idleness(&mut self, now: Millis) {
        let next = self.node.store().next_lsn();
        if next != self.next_lsn {
            self.next_lsn = next;
            self.idle_at = Some(now + IDLE);
        } else if self.idle_at.is_some_and(|at| at <= now) {
            self.idle_at = None;
            self.node.store_mut().idle();
        }
    }
}

impl<S: Store + Send> Turns for Real<S> {
    fn turn(&mut self, inputs: Vec<Input>, now: Millis) -> Vec<Output> {
        let outputs = self.node.step(inputs, now, self.random.entropy().0);
        self.watch_idleness(now);
        outputs
    }

    fn next_deadline(&self) -> Option<Millis> {
        [self.node.next_deadline(), self.idle_at].into_iter().flatten().min()
    }

    fn is_ready(&self) -> bool {
        self.node.is_ready()
    }

    fn stop(&mut self) {
        self.node.stop();
    }

    fn is_idle(&self) -> bool {
        self.node.is_idle()
    }

    fn seal(&mut self) {
        self.node.store_mut().stop();
    }

    fn is_sealed(&self) -> bool {
        self.node.store().is_quiet()
    }

    fn describe(&self, page: &mut Page) {
        self.describe_node(page);
        self.describe_store(page);
    }

    fn queues(&mut self) -> Vec<QueueView> {
        self.node.queues()
    }

    fn whole(&self) -> Option<Whole> {
        self.node.whole()
    }

    fn is_durable(&self, lsn: Lsn) -> bool {
        self.node.is_durable(lsn)
    }
}

impl<S: Store> Real<S> {
    fn describe_node(&self, page: &mut Page) {
        let (view, counters) = (self.node.view(), self.node.counters());
        page.gauge("sluice_queues", "Queues that are named.", view.queues);
        page.gauge("sluice_waiting_receives", "Receives that wait for messages.", view.waiters);
        page.gauge("sluice_held_replies", "Replies that wait for durability.", view.held_replies);
        page.gauge("sluice_crowded_requests", "Requests that wait for room.", view.crowded);
        page.gauge("sluice_journal_lag_batches", "Batches appended and not yet durable.", view.journal_lag);
        page.gauge("sluice_window_bytes", "Memory of messages at hand to be received.", view.window_bytes);
        page.counter("sluice_batches_total", "Batches appended.", counters.batches);
        page.counter("sluice_throttled_total", "Requests that waited too long for room.", counters.throttled);
        page.counter(
            "sluice_undone_receives_total",
            "Receives taken back from gone clients.",
            counters.undone,
        );
        page.counter("sluice_clock_jumps_total", "Jumps ahead of over a minute.", counters.clock_jumps);
        page.counter("sluice_clock_backwards_total", "Steps with an earlier time.", counters.clock_backwards);
    }

    fn describe_store(&self, page: &mut Page) {
        let stats = self.node.store().stats();
        let damaged = stats.damaged.max(self.node.counters().damaged);
        page.counter("sluice_damaged_total", "Loads and steps that met damaged bytes.", damaged);
        page.gauge("sluice_journal_lag_bytes", "Bytes appended and not yet durable.", stats.undurable_bytes);
        page.counter("sluice_journal_groups_total", "Synchronous writes of the journal.", stats.groups);
        page.counter("sluice_journal_bytes_total", "Bytes written to the journal.", stats.journal_bytes);
        page.counter(
            "sluice_journal_payload_bytes_total",
            "Bytes of batches among them.",
            stats.payload_bytes,
        );
        page.counter("sluice_background_bytes_total", "Bytes written elsewhere.", stats.background_bytes);
        page.gauge("sluice_recovery_bytes", "Journal that a restart would read.", stats.recovery_bytes);
        page.gauge("sluice_recovery_records", "Records that it would replay.", stats.recovery_records);
        page.gauge("sluice_table_bytes", "Messages not yet in segments.", stats.table_bytes);
        page.gauge("sluice_segments", "Segments.", stats.segments);
        page.gauge("sluice_segment_bytes", "Bytes of segments.", stats.segment_bytes);
        page.gauge("sluice_segment_messages", "Messages in segments.", stats.segment_messages);
        page.gauge("sluice_segment_deleted", "Deleted messages among them.", stats.segment_deleted);
        page.gauge("sluice_cache_bytes", "Bytes of the block cache.", stats.cache_bytes);
        page.counter("sluice_cache_hits_total", "Blocks that were cached.", stats.cache_hits);
        page.counter("sluice_cache_misses_total", "Blocks that were not.", stats.cache_misses);
        page.counter("sluice_flushes_total", "Flushes of the table.", stats.flushes);
        page.counter("sluice_checkpoints_total", "Checkpoints.", stats.checkpoints);
        page.counter("sluice_merges_total", "Merges of segments.", stats.merges);
    }
}

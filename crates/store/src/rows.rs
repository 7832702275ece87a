//! The small rows in memory: everything but messages. Between checkpoints this is what a restart would find.

use std::collections::BTreeMap;

use engine::rows::{
    ArrivedKey, ArrivedRow, AttemptKey, AttemptRow, CatalogueRow, Cut, DEDUP_MINUTES, DedupKey, DedupRow,
    Head, QueueRow, TaskKey, TaskRow, Touched,
};
use engine::{MessageKey, Millis, QueueId, QueueName, Row, RowKey};

/// Rows by kind, each in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmallRows {
    catalogue: BTreeMap<QueueName, CatalogueRow>,
    queues: BTreeMap<QueueId, QueueRow>,
    heads: BTreeMap<QueueId, Head>,
    touched: BTreeMap<MessageKey, Touched>,
    due: BTreeMap<(QueueId, u64), u32>,
    dedup: BTreeMap<DedupKey, DedupRow>,
    attempts: BTreeMap<AttemptKey, AttemptRow>,
    arrived: BTreeMap<ArrivedKey, ArrivedRow>,
    tasks: BTreeMap<TaskKey, TaskRow>,
    /// The minute that dedup rows were last dropped for.
    minute: u64,
}

/// The first message key of a queue.
pub fn first_of(queue: QueueId) -> MessageKey {
    MessageKey { queue, rank: 0, sequence: 0 }
}

/// The last message key of a queue.
pub fn last_of(queue: QueueId) -> MessageKey {
    MessageKey { queue, rank: u64::MAX, sequence: u64::MAX }
}

/// Removes a range of a map.
fn remove_range<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, from: K, to: K) {
    let keys: Vec<K> = map.range(from..=to).map(|(key, _)| *key).collect();
    for key in keys {
        map.remove(&key);
    }
}

impl SmallRows {
    /// Puts a row. A message is none of these and comes back.
    pub fn put(&mut self, row: Row) -> Option<Row> {
        match row {
            Row::Catalogue(name, row) => drop(self.catalogue.insert(name, row)),
            Row::Queue(id, row) => drop(self.queues.insert(id, row)),
            Row::Head(id, head) => drop(self.heads.insert(id, head)),
            Row::Touched(key, row) => drop(self.touched.insert(key, row)),
            Row::Due(id, second, count) => drop(self.due.insert((id, second), count)),
            Row::Dedup(key, row) => drop(self.dedup.insert(key, row)),
            Row::Attempt(key, row) => drop(self.attempts.insert(key, row)),
            Row::Arrived(key, row) => drop(self.arrived.insert(key, row)),
            Row::Task(key, row) => drop(self.tasks.insert(key, row)),
            row @ Row::Message(..) => return Some(row),
        }
        None
    }

    /// Deletes a row; a message takes its touched row along.
    pub fn delete(&mut self, key: &RowKey) {
        match key {
            RowKey::Catalogue(name) => drop(self.catalogue.remove(name)),
            RowKey::Queue(id) => drop(self.queues.remove(id)),
            RowKey::Head(id) => drop(self.heads.remove(id)),
            RowKey::Message(key) | RowKey::Touched(key) => drop(self.touched.remove(key)),
            RowKey::Due(id, second) => drop(self.due.remove(&(*id, *second))),
            RowKey::Dedup(key) => drop(self.dedup.remove(key)),
            RowKey::Attempt(key) => drop(self.attempts.remove(key)),
            RowKey::Arrived(key) => drop(self.arrived.remove(key)),
            RowKey::Task(key) => drop(self.tasks.remove(key)),
        }
    }

    /// The leaving messages that a cut passes over, in key order.
    pub fn spared_by(&self, cut: &Cut) -> Vec<MessageKey> {
        let mut spared = Vec::new();
        let mut add = |from: MessageKey, to: MessageKey| {
            let rows = self.touched.range(from..=to);
            spared.extend(rows.filter(|(_, row)| row.leaving.is_some()).map(|(key, _)| *key));
        };
        if cut.arrived_below.is_some() {
            add(first_of(cut.queue), MessageKey { sequence: u64::MAX, ..first_of(cut.queue) });
        }
        if cut.delayed_below.is_some() {
            add(MessageKey { rank: 1, ..first_of(cut.queue) }, last_of(cut.queue));
        }
        spared.retain(|key| cut.takes(key));
        spared
    }

    /// Cuts: touched rows but those of `spared` go, and with both ranks the queue's due and attempt rows.
    pub fn cut(&mut self, cut: &Cut, spared: &[MessageKey]) {
        let from = if cut.arrived_below.is_some() { 0 } else { 1 };
        let rank = if cut.delayed_below.is_some() { u64::MAX } else { 0 };
        let ends =
            MessageKey { rank: from, ..first_of(cut.queue) }..=MessageKey { rank, ..last_of(cut.queue) };
        if from <= rank {
            let rows = self.touched.range(ends);
            let gone: Vec<MessageKey> = rows.map(|(key, _)| *key).filter(|key| cut.takes(key)).collect();
            for key in gone.iter().filter(|key| spared.binary_search(key).is_err()) {
                self.touched.remove(key);
            }
        }
        if cut.arrived_below.is_some() && cut.delayed_below.is_some() {
            self.drop_due_and_attempts(cut.queue);
        }
    }

    fn drop_due_and_attempts(&mut self, queue: QueueId) {
        remove_range(&mut self.due, (queue, 0), (queue, u64::MAX));
        let attempt = |hash| AttemptKey { queue, hash };
        remove_range(&mut self.attempts, attempt(0), attempt(u128::MAX));
    }

    /// Every row of a queue goes, save its catalogue row.
    pub fn drop_queue(&mut self, queue: QueueId) {
        self.queues.remove(&queue);
        self.heads.remove(&queue);
        remove_range(&mut self.touched, first_of(queue), last_of(queue));
        self.drop_due_and_attempts(queue);
        let dedup = |minute, hash| DedupKey { queue, minute, hash };
        remove_range(&mut self.dedup, dedup(0, 0), dedup(u64::MAX, u128::MAX));
        let arrived = |source| ArrivedKey { queue, source };
        let (first, last) = (first_of(QueueId(0)), last_of(QueueId(u64::MAX)));
        remove_range(&mut self.arrived, arrived(first), arrived(last));
        let task = |number| TaskKey { queue, number };
        remove_range(&mut self.tasks, task(0), task(u64::MAX));
    }

    /// Drops the minutes of deduplication ids that `now` has left behind.
    pub fn forget(&mut self, now: Millis) {
        let minute = now / 60_000;
        if minute != self.minute {
            self.minute = minute;
            self.dedup.retain(|key, _| is_remembered(key.minute, now));
        }
    }

    /// Every row in key order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let catalogue = self.catalogue.iter().map(|(name, row)| Row::Catalogue(name.clone(), row.clone()));
        let queues = self.queues.iter().map(|(id, row)| Row::Queue(*id, row.clone()));
        let heads = self.heads.iter().map(|(id, head)| Row::Head(*id, *head));
        let touched = self.touched.iter().map(|(key, row)| Row::Touched(*key, *row));
        let due = self.due.iter().map(|((id, second), count)| Row::Due(*id, *second, *count));
        let dedup = self.dedup.iter().map(|(key, row)| Row::Dedup(*key, *row));
        let attempts = self.attempts.iter().map(|(key, row)| Row::Attempt(*key, row.clone()));
        let arrived = self.arrived.iter().map(|(key, row)| Row::Arrived(*key, *row));
        let tasks = self.tasks.iter().map(|(key, row)| Row::Task(*key, row.clone()));
        let first = catalogue.chain(queues).chain(heads).chain(touched).chain(due);
        first.chain(dedup).chain(attempts).chain(arrived).chain(tasks)
    }
}

/// Whether the deduplication ids of a minute still count at `now`.
pub fn is_remembered(minute: u64, now: Millis) -> bool {
    minute.saturating_add(DEDUP_MINUTES) > now / 60_000
}

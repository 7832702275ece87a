//! The small rows in memory: everything but messages. Between checkpoints this is what a restart would find.

use std::collections::BTreeMap;
use std::ops::Bound;

use engine::rows::{
    ArrivedKey, ArrivedRow, AttemptKey, AttemptRow, CatalogueRow, Cut, DEDUP_MINUTES, Head, QueueRow,
    TaskKey, TaskRow, Touched,
};
use engine::{MessageKey, Millis, QueueId, QueueName, Row, RowKey};

use crate::dedup::DedupRows;
use crate::survivors::{Packed, Survivors};

/// Rows by kind, each in key order.
#[derive(Debug, Default)]
pub struct SmallRows {
    catalogue: BTreeMap<QueueName, CatalogueRow>,
    queues: BTreeMap<QueueId, QueueRow>,
    heads: BTreeMap<QueueId, Head>,
    touched: BTreeMap<MessageKey, Touched>,
    due: BTreeMap<(QueueId, u64), u32>,
    /// Deduplication ids.
    pub dedup: DedupRows,
    attempts: BTreeMap<AttemptKey, AttemptRow>,
    arrived: BTreeMap<ArrivedKey, ArrivedRow>,
    tasks: BTreeMap<TaskKey, TaskRow>,
    last_queue: Option<QueueId>,
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

/// Whether a cut removes a message; `spared` are in key order.
pub fn removes(cut: &Cut, spared: &[MessageKey], key: &MessageKey) -> bool {
    cut.takes(key) && spared.binary_search(key).is_err()
}

/// Removes a range of a map.
fn remove_range<K: Ord, V>(map: &mut BTreeMap<K, V>, from: K, to: K) {
    map.extract_if(from..=to, |_, _| true).for_each(drop);
}

impl SmallRows {
    /// Puts a row. A message is none of these.
    pub fn put(&mut self, row: Row) {
        match row {
            Row::Catalogue(name, row) => drop(self.catalogue.insert(name, row)),
            Row::Queue(id, row) => drop(self.queues.insert(id, row)),
            Row::Head(id, head) => drop(self.heads.insert(id, head)),
            Row::Touched(key, row) => drop(self.touched.insert(key, row)),
            Row::Due(id, second, count) => drop(self.due.insert((id, second), count)),
            Row::Dedup(key, row) => self.dedup.put(key, row),
            Row::Attempt(key, row) => drop(self.attempts.insert(key, row)),
            Row::Arrived(key, row) => drop(self.arrived.insert(key, row)),
            Row::Task(key, row) => drop(self.tasks.insert(key, row)),
            Row::LastQueue(id) => self.last_queue = Some(id),
            Row::Message(..) => {}
        }
    }

    /// Deletes a row; a message takes its touched row along.
    pub fn delete(&mut self, key: &RowKey) {
        match key {
            RowKey::Catalogue(name) => drop(self.catalogue.remove(name)),
            RowKey::Queue(id) => drop(self.queues.remove(id)),
            RowKey::Head(id) => drop(self.heads.remove(id)),
            RowKey::Message(key) | RowKey::Touched(key) => drop(self.touched.remove(key)),
            RowKey::Due(id, second) => drop(self.due.remove(&(*id, *second))),
            RowKey::Dedup(key) => self.dedup.delete(key),
            RowKey::Attempt(key) => drop(self.attempts.remove(key)),
            RowKey::Arrived(key) => drop(self.arrived.remove(key)),
            RowKey::Task(key) => drop(self.tasks.remove(key)),
            RowKey::LastQueue => self.last_queue = None,
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
            self.touched.extract_if(ends, |key, _| removes(cut, spared, key)).for_each(drop);
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
        self.dedup.drop_queue(queue);
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
            self.dedup.forget(now);
        }
    }

    /// Every row in key order; of the deduplication ids those that memory has.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.rows_before_dedup(None).chain(self.dedup.rows()).chain(self.rows_behind_dedup(None))
    }

    /// The rows behind a key, in key order, without deduplication ids.
    pub fn rows_after<'a>(&'a self, after: Option<&'a RowKey>) -> impl Iterator<Item = Row> + 'a {
        self.rows_before_dedup(after).chain(self.rows_behind_dedup(after))
    }

    /// Every row for the view to be built from, each deduplication id leaving this memory on the way.
    pub fn hand_over(&mut self) -> Survivors {
        let before = Packed::new(self.rows_before_dedup(None));
        let behind = Packed::new(self.rows_behind_dedup(None));
        Survivors::new(before, self.dedup.hand_over(), behind)
    }

    /// The rows whose keys are before those of deduplication ids.
    fn rows_before_dedup<'a>(&'a self, after: Option<&'a RowKey>) -> impl Iterator<Item = Row> + 'a {
        let catalogue = part(&self.catalogue, after, 0, |key| match key {
            RowKey::Catalogue(name) => Some(name.clone()),
            _ => None,
        });
        let queues = part(&self.queues, after, 1, |key| key.queue());
        let heads = part(&self.heads, after, 2, |key| key.queue());
        let touched = part(&self.touched, after, 4, |key| match key {
            RowKey::Touched(key) => Some(*key),
            _ => None,
        });
        let due = part(&self.due, after, 5, |key| match key {
            RowKey::Due(id, second) => Some((*id, *second)),
            _ => None,
        });
        let first = catalogue.map(|(name, row)| Row::Catalogue(name.clone(), row.clone()));
        let first = first.chain(queues.map(|(id, row)| Row::Queue(*id, row.clone())));
        let first = first.chain(heads.map(|(id, head)| Row::Head(*id, *head)));
        let first = first.chain(touched.map(|(key, row)| Row::Touched(*key, *row)));
        first.chain(due.map(|((id, second), count)| Row::Due(*id, *second, *count)))
    }

    /// The rows whose keys are behind those of deduplication ids.
    fn rows_behind_dedup<'a>(&'a self, after: Option<&'a RowKey>) -> impl Iterator<Item = Row> + 'a {
        let attempts = part(&self.attempts, after, 7, |key| match key {
            RowKey::Attempt(key) => Some(*key),
            _ => None,
        });
        let arrived = part(&self.arrived, after, 8, |key| match key {
            RowKey::Arrived(key) => Some(*key),
            _ => None,
        });
        let tasks = part(&self.tasks, after, 9, |key| match key {
            RowKey::Task(key) => Some(*key),
            _ => None,
        });
        let attempts = attempts.map(|(key, row)| Row::Attempt(*key, row.clone()));
        let arrived = arrived.map(|(key, row)| Row::Arrived(*key, *row));
        let tasks = tasks.map(|(key, row)| Row::Task(*key, row.clone()));
        let last = self.last_queue.filter(|_| after != Some(&RowKey::LastQueue)).map(Row::LastQueue);
        attempts.chain(arrived).chain(tasks).chain(last)
    }
}

/// The place of a row's kind in the order of keys.
fn kind_of(key: &RowKey) -> u8 {
    match key {
        RowKey::Catalogue(_) => 0,
        RowKey::Queue(_) => 1,
        RowKey::Head(_) => 2,
        RowKey::Message(_) => 3,
        RowKey::Touched(_) => 4,
        RowKey::Due(..) => 5,
        RowKey::Dedup(_) => 6,
        RowKey::Attempt(_) => 7,
        RowKey::Arrived(_) => 8,
        RowKey::Task(_) => 9,
        RowKey::LastQueue => 10,
    }
}

/// The rows of one kind that lie behind a key of any kind.
fn part<'a, K: Ord, V>(
    map: &'a BTreeMap<K, V>,
    after: Option<&RowKey>,
    kind: u8,
    own: impl Fn(&RowKey) -> Option<K>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let from = match after {
        Some(key) if kind_of(key) > kind => None,
        Some(key) if kind_of(key) == kind => own(key).map(Bound::Excluded),
        _ => Some(Bound::Unbounded),
    };
    from.map(|from| map.range((from, Bound::Unbounded))).into_iter().flatten()
}

/// Whether the deduplication ids of a minute still count at `now`.
pub fn is_remembered(minute: u64, now: Millis) -> bool {
    minute.saturating_add(DEDUP_MINUTES) > now / 60_000
}

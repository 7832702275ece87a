//! The small rows in memory: everything but messages. Between checkpoints this is what a restart would find.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use engine::rows::{
    ArrivedKey, ArrivedRow, AttemptKey, AttemptRow, CatalogueRow, Cut, DEDUP_MINUTES, DedupKey, DedupRow,
    Head, QueueRow, TaskKey, TaskRow, Touched,
};
use engine::{MessageKey, Millis, QueueId, QueueName, Record, Row, RowKey};

/// Rows by kind, each in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmallRows {
    catalogue: BTreeMap<QueueName, CatalogueRow>,
    queues: BTreeMap<QueueId, QueueRow>,
    heads: BTreeMap<QueueId, Head>,
    touched: BTreeMap<MessageKey, Touched>,
    due: BTreeMap<(QueueId, u64), u32>,
    dedup: Dedup,
    attempts: BTreeMap<AttemptKey, AttemptRow>,
    arrived: BTreeMap<ArrivedKey, ArrivedRow>,
    tasks: BTreeMap<TaskKey, TaskRow>,
    /// The minute that dedup rows were last dropped for.
    minute: u64,
}

/// Deduplication ids as a checkpoint writes them: deletions first, then puts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrozenDedup {
    /// Of ids in older files.
    pub gone: Vec<Record>,
    /// Ids.
    pub put: BTreeMap<DedupKey, DedupRow>,
}

/// Deduplication ids: there may be millions, so memory keeps only those since the last checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Dedup {
    /// Put since the last freeze.
    fresh: BTreeMap<DedupKey, DedupRow>,
    /// Deletions since the last freeze, which older files do not know of.
    gone: Vec<Record>,
    /// What a checkpoint is writing.
    frozen: Arc<FrozenDedup>,
    /// All, where asked for.
    all: Option<BTreeMap<DedupKey, DedupRow>>,
}

impl Dedup {
    fn put(&mut self, key: DedupKey, row: DedupRow) {
        if let Some(all) = &mut self.all {
            all.insert(key, row);
        }
        self.fresh.insert(key, row);
    }

    fn delete(&mut self, key: &DedupKey) {
        if let Some(all) = &mut self.all {
            all.remove(key);
        }
        self.fresh.remove(key);
        self.gone.push(Record::Delete(RowKey::Dedup(*key)));
    }

    fn drop_queue(&mut self, queue: QueueId) {
        let key = |minute, hash| DedupKey { queue, minute, hash };
        for map in [Some(&mut self.fresh), self.all.as_mut()].into_iter().flatten() {
            remove_range(map, key(0, 0), key(u64::MAX, u128::MAX));
        }
        self.gone.push(Record::Drop(queue));
    }

    fn forget(&mut self, now: Millis) {
        for map in [Some(&mut self.fresh), self.all.as_mut()].into_iter().flatten() {
            map.retain(|key, _| is_remembered(key.minute, now));
        }
    }
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
            Row::Dedup(key, row) => self.dedup.put(key, row),
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
            RowKey::Dedup(key) => self.dedup.delete(key),
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

    /// Keeps every deduplication id in memory from now on, those among `rows` too, or no longer does.
    pub fn keep_dedup(&mut self, keep: bool, rows: &[Row]) {
        let ids = rows.iter().filter_map(|row| match row {
            Row::Dedup(key, row) => Some((*key, *row)),
            _ => None,
        });
        self.dedup.all = keep.then(|| ids.collect());
    }

    /// Takes a row of an older file: it is not written again.
    pub fn put_older_dedup(&mut self, record: &Record) {
        let Some(all) = &mut self.dedup.all else { return };
        match record {
            Record::Put(Row::Dedup(key, row)) => drop(all.insert(*key, *row)),
            Record::Delete(RowKey::Dedup(key)) => drop(all.remove(key)),
            Record::Drop(queue) => {
                let key = |minute, hash| DedupKey { queue: *queue, minute, hash };
                remove_range(all, key(0, 0), key(u64::MAX, u128::MAX));
            }
            _ => {}
        }
    }

    /// Takes what a checkpoint is to write of the deduplication ids.
    pub fn freeze_dedup(&mut self) -> Arc<FrozenDedup> {
        let gone = std::mem::take(&mut self.dedup.gone);
        let put = std::mem::take(&mut self.dedup.fresh);
        self.dedup.frozen = Arc::new(FrozenDedup { gone, put });
        self.dedup.frozen.clone()
    }

    /// The checkpoint is done with them, or given up: then they are kept for the next.
    pub fn thaw_dedup(&mut self, written: bool) {
        let frozen = std::mem::take(&mut self.dedup.frozen);
        if written {
            return;
        }
        // What came later stands above what was frozen.
        let all = self.dedup.all.take();
        let later = std::mem::take(&mut self.dedup.gone);
        let newer = std::mem::take(&mut self.dedup.fresh);
        (self.dedup.gone, self.dedup.fresh) = (frozen.gone.clone(), frozen.put.clone());
        for record in &later {
            match record {
                Record::Delete(RowKey::Dedup(key)) => self.dedup.delete(key),
                Record::Drop(queue) => self.dedup.drop_queue(*queue),
                _ => {}
            }
        }
        self.dedup.fresh.extend(newer);
        self.dedup.all = all;
    }

    /// Every row in key order, as far as memory has them: see `keep_dedup`.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.rows_after(None, true)
    }

    /// The rows behind a key, in key order, with or without deduplication ids.
    pub fn rows_after<'a>(
        &'a self,
        after: Option<&'a RowKey>,
        with_dedup: bool,
    ) -> impl Iterator<Item = Row> + 'a {
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
        let all = self.dedup.all.as_ref().unwrap_or(&self.dedup.fresh);
        let dedup = part(all, after, 6, |key| match key {
            RowKey::Dedup(key) => Some(*key),
            _ => None,
        });
        let dedup = with_dedup.then_some(dedup).into_iter().flatten();
        let first = catalogue.map(|(name, row)| Row::Catalogue(name.clone(), row.clone()));
        let first = first.chain(queues.map(|(id, row)| Row::Queue(*id, row.clone())));
        let first = first.chain(heads.map(|(id, head)| Row::Head(*id, *head)));
        let first = first.chain(touched.map(|(key, row)| Row::Touched(*key, *row)));
        let first = first.chain(due.map(|((id, second), count)| Row::Due(*id, *second, *count)));
        first.chain(dedup.map(|(key, row)| Row::Dedup(*key, *row))).chain(self.last_rows_after(after))
    }

    fn last_rows_after<'a>(&'a self, after: Option<&'a RowKey>) -> impl Iterator<Item = Row> + 'a {
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
        attempts.chain(arrived).chain(tasks.map(|(key, row)| Row::Task(*key, row.clone())))
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

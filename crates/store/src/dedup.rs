//! Deduplication ids. There may be millions, so memory keeps only those since the last checkpoint, packed; all of
//! them are in memory between the opening of a directory and the handing over of its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::queue::dedup::{Dedup, Drain, Place};
use engine::rows::{DedupKey, DedupRow};
use engine::{Millis, QueueId, Record, Row, RowKey};

/// Ids by queue.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    queues: BTreeMap<QueueId, Dedup>,
}

impl Ids {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queues.values().all(|ids| ids.count() == 0)
    }

    fn put(&mut self, key: DedupKey, row: DedupRow) {
        self.queues.entry(key.queue).or_default().put(&key, row);
    }

    fn remove(&mut self, key: &DedupKey) {
        if let Some(ids) = self.queues.get_mut(&key.queue) {
            ids.remove(key);
        }
    }

    fn forget(&mut self, now: Millis) {
        self.queues.values_mut().for_each(|ids| ids.advance(now));
        self.queues.retain(|_, ids| ids.count() > 0);
    }

    fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.queues.iter().flat_map(|(queue, ids)| ids.rows(*queue))
    }

    /// The row at a place or behind it, by queue and minute and then in no order; see [`Dedup::next`].
    pub fn next(&self, at: &mut (QueueId, Place)) -> Option<(DedupKey, DedupRow)> {
        loop {
            let (queue, ids) = self.queues.range(at.0..).next()?;
            if *queue != at.0 {
                *at = (*queue, Place::default());
            }
            if let Some(found) = ids.next(*queue, &mut at.1) {
                return Some(found);
            }
            *at = (QueueId(queue.0.checked_add(1)?), Place::default());
        }
    }

    /// The rows of the first minute of the first queue, which is forgotten.
    pub fn drain_first(&mut self) -> Option<Drain> {
        loop {
            let mut first = self.queues.first_entry()?;
            let queue = *first.key();
            if let Some(minute) = first.get_mut().drain_first(queue) {
                return Some(minute);
            }
            first.remove();
        }
    }

    /// The ids of each queue.
    pub fn into_queues(self) -> BTreeMap<QueueId, Dedup> {
        self.queues
    }
}

/// Deduplication ids as a checkpoint writes them: deletions first, then puts.
#[derive(Clone, Debug, Default)]
pub struct FrozenDedup {
    /// Of ids in older files.
    pub gone: Vec<Record>,
    /// Ids.
    pub put: Ids,
}

/// The deduplication ids that memory keeps.
#[derive(Clone, Debug, Default)]
pub struct DedupRows {
    /// Put since the last freeze.
    fresh: Ids,
    /// Deletions since the last freeze, which older files do not know of.
    gone: Vec<Record>,
    /// What a checkpoint is writing.
    frozen: Arc<FrozenDedup>,
    /// All, where asked for.
    all: Option<Ids>,
}

impl DedupRows {
    /// Puts a row.
    pub fn put(&mut self, key: DedupKey, row: DedupRow) {
        if let Some(all) = &mut self.all {
            all.put(key, row);
        }
        self.fresh.put(key, row);
    }

    /// Deletes a row.
    pub fn delete(&mut self, key: &DedupKey) {
        if let Some(all) = &mut self.all {
            all.remove(key);
        }
        self.fresh.remove(key);
        self.gone.push(Record::Delete(RowKey::Dedup(*key)));
    }

    /// Deletes the rows of a queue.
    pub fn drop_queue(&mut self, queue: QueueId) {
        for ids in [Some(&mut self.fresh), self.all.as_mut()].into_iter().flatten() {
            ids.queues.remove(&queue);
        }
        self.gone.push(Record::Drop(queue));
    }

    /// Drops the minutes that `now` has left behind.
    pub fn forget(&mut self, now: Millis) {
        for ids in [Some(&mut self.fresh), self.all.as_mut()].into_iter().flatten() {
            ids.forget(now);
        }
    }

    /// Keeps every id in memory from now on.
    pub fn keep_all(&mut self) {
        self.all = Some(self.fresh.clone());
    }

    /// Takes a row of an older file: it is not written again.
    pub fn put_older(&mut self, record: &Record) {
        let Some(all) = &mut self.all else { return };
        match record {
            Record::Put(Row::Dedup(key, row)) => all.put(*key, *row),
            Record::Delete(RowKey::Dedup(key)) => all.remove(key),
            Record::Drop(queue) => drop(all.queues.remove(queue)),
            _ => {}
        }
    }

    /// Takes what a checkpoint is to write.
    pub fn freeze(&mut self) -> Arc<FrozenDedup> {
        let gone = std::mem::take(&mut self.gone);
        let put = std::mem::take(&mut self.fresh);
        self.frozen = Arc::new(FrozenDedup { gone, put });
        self.frozen.clone()
    }

    /// The checkpoint is done with them, or given up: then they are kept for the next.
    pub fn thaw(&mut self, written: bool) {
        let frozen = std::mem::take(&mut self.frozen);
        if written {
            return;
        }
        // What came later stands above what was frozen.
        let all = self.all.take();
        let later = std::mem::take(&mut self.gone);
        let newer = std::mem::take(&mut self.fresh);
        (self.gone, self.fresh) = (frozen.gone.clone(), frozen.put.clone());
        for record in &later {
            match record {
                Record::Delete(RowKey::Dedup(key)) => self.delete(key),
                Record::Drop(queue) => self.drop_queue(*queue),
                _ => {}
            }
        }
        let mut at = Default::default();
        while let Some((key, row)) = newer.next(&mut at) {
            self.fresh.put(key, row);
        }
        self.all = all;
    }

    /// All rows in key order, where all are kept; else those since the last freeze.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.all.as_ref().unwrap_or(&self.fresh).rows()
    }

    /// All ids, which are no longer kept.
    pub fn hand_over(&mut self) -> Ids {
        self.all.take().unwrap_or_default()
    }
}

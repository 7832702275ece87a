//! What is in memory: the small rows, and the messages and deletions since the last freeze.

use engine::{Lsn, MessageKey, Millis, Record, Row, RowKey};

use crate::codec::Logged;
use crate::disk::Disk;
use crate::layer::Layer;
use crate::rows::SmallRows;
use crate::survivors::Survivors;
use crate::table::Entry;

use super::manifest::Manifest;
use super::open::{self, Files, OpenError, Report};
use super::replay::Replay;

/// Rows in memory.
#[derive(Debug)]
pub struct State {
    /// The small rows.
    pub small: SmallRows,
    /// Messages put and deleted.
    pub active: Layer,
    /// The last batch.
    pub last: Lsn,
    /// Its time, ms.
    pub now: Millis,
    /// Small rows of earlier batches are known from the checkpoint.
    small_from: Lsn,
    /// Messages of batches up to this are in segments.
    flushed: Lsn,
}

impl State {
    /// Before anything is read.
    pub fn new(manifest: &Manifest) -> State {
        let mut small = SmallRows::default();
        small.dedup.keep_all();
        State {
            small,
            active: Layer::default(),
            last: manifest.journal().lsn - 1,
            now: manifest.now,
            small_from: manifest.small.lsn,
            flushed: manifest.flushed,
        }
    }

    /// Reads the checkpoint and the deduplication ids.
    pub(super) fn read_files<D: Disk>(
        &mut self,
        files: &mut Files<'_, D>,
        manifest: &Manifest,
        report: &mut Report,
    ) -> Result<(), OpenError> {
        for Logged { record, spared } in &manifest.unresolved {
            self.apply_to_messages(record.clone(), spared, 0);
        }
        if let Some(file) = &manifest.checkpoint {
            let small = &mut self.small;
            open::read_rows(files, file, report, |logged| apply_to_small(small, logged))?;
        }
        for file in &manifest.dedup {
            let small = &mut self.small;
            open::read_rows(files, file, report, |logged| small.dedup.put_older(&logged.record))?;
        }
        self.small.forget(self.now);
        Ok(())
    }

    /// The small rows, for the views to be built from.
    pub fn hand_over(&mut self, keep_dedup: bool) -> Survivors {
        let kept = keep_dedup.then(|| self.small.dedup.clone());
        let rows = self.small.hand_over();
        if let Some(kept) = kept {
            self.small.dedup = kept;
        }
        rows
    }

    /// Applies a record.
    pub fn apply(&mut self, record: Record, spared: &[MessageKey], lsn: Lsn) {
        match record {
            Record::Put(Row::Message(key, row, blob)) => self.active.put(key, Entry { lsn, row, blob }),
            Record::Put(row) => self.small.put(row),
            Record::Delete(key) => {
                self.small.delete(&key);
                if let RowKey::Message(key) = key {
                    self.active.delete(key);
                }
            }
            Record::Cut(cut) => {
                self.small.cut(&cut, spared);
                self.active.cut(&cut, spared);
            }
            Record::Drop(queue) => {
                self.small.drop_queue(queue);
                self.active.drop_queue(queue);
            }
        }
    }

    /// Applies what a record says of messages.
    pub fn apply_to_messages(&mut self, record: Record, spared: &[MessageKey], lsn: Lsn) {
        match record {
            Record::Put(Row::Message(key, row, blob)) => self.active.put(key, Entry { lsn, row, blob }),
            Record::Delete(RowKey::Message(key)) => self.active.delete(key),
            Record::Cut(cut) => self.active.cut(&cut, spared),
            Record::Drop(queue) => self.active.drop_queue(queue),
            Record::Put(_) | Record::Delete(_) => {}
        }
    }

    /// Ends a batch.
    pub fn end_batch(&mut self, lsn: Lsn, now: Millis) {
        self.last = lsn;
        self.now = self.now.max(now);
        self.small.forget(self.now);
    }
}

fn apply_to_small(small: &mut SmallRows, logged: Logged) {
    match logged.record {
        Record::Put(row) => small.put(row),
        Record::Delete(key) => small.delete(&key),
        Record::Cut(cut) => small.cut(&cut, &logged.spared),
        Record::Drop(queue) => small.drop_queue(queue),
    }
}

impl Replay for State {
    fn batch(&mut self, lsn: Lsn, now: Millis, records: Vec<Logged>) {
        let (small, messages) = (lsn >= self.small_from, lsn > self.flushed);
        for logged in records {
            match (small, messages) {
                (true, true) => self.apply(logged.record, &logged.spared, lsn),
                (false, true) => self.apply_to_messages(logged.record, &logged.spared, lsn),
                (true, false) => apply_to_small(&mut self.small, logged),
                (false, false) => {}
            }
        }
        self.end_batch(lsn, now);
    }
}

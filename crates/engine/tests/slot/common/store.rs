//! A plain store: every row in one map, pages answered by looking at all of it. Batches become durable one by
//! one, as a test says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::asks::{Ask, Found, Page};
use engine::ids::{Lane, Lsn, MessageKey};
use engine::rows::{Batch, Blob, Cut, MessageRow, Record, Row, RowKey};

type Rows = BTreeMap<RowKey, Row>;

/// See the module.
#[derive(Default)]
pub struct Store {
    /// All rows as of the last batch that was appended.
    pub appended: Rows,
    /// All rows as of the last durable batch.
    pub on_disk: Rows,
    waiting: VecDeque<Batch>,
    pub durable: Lsn,
    /// Rows of a page at most, whatever is asked for.
    pub page_rows: usize,
}

impl Store {
    pub fn next_lsn(&self) -> Lsn {
        self.durable + self.waiting.len() as Lsn + 1
    }

    pub fn append(&mut self, batch: Batch) {
        batch.records.iter().for_each(|record| apply(&mut self.appended, record));
        self.waiting.push_back(batch);
    }

    /// The next batch is durable; its number.
    pub fn sync(&mut self) -> Option<Lsn> {
        let batch = self.waiting.pop_front()?;
        batch.records.iter().for_each(|record| apply(&mut self.on_disk, record));
        self.durable += 1;
        Some(self.durable)
    }

    /// What was appended and is not durable is gone.
    pub fn crash(&mut self) {
        self.waiting.clear();
        self.appended = self.on_disk.clone();
    }

    /// The rows a start finds, in an order nobody may rely on.
    pub fn small_rows(rows: &Rows) -> Vec<Row> {
        rows.values().rev().filter(|row| !matches!(row, Row::Message(..))).cloned().collect()
    }

    /// The page that answers an ask as of now.
    pub fn page(&self, ask: &Ask) -> Page {
        let lsn = self.durable;
        let cap = if self.page_rows == 0 { usize::MAX } else { self.page_rows };
        match ask {
            Ask::Run { from, to, skip, limit } => {
                let mut seen = BTreeSet::new();
                let all = self.messages().filter(|(key, ..)| *key >= from && *key <= to);
                let shown = all.filter(|(_, row, _)| !skip.contains(&row.lane) || seen.insert(row.lane));
                let shown: Vec<_> = shown.collect();
                let blob = |lane: Lane| !skip.contains(&lane);
                page(lsn, shown, (*limit).min(cap), |row| blob(row.lane))
            }
            Ask::Lane { queue, lane, from, to, limit } => {
                let mine = |key: &MessageKey| {
                    key.queue == *queue && key.rank == 0 && (*from..*to).contains(&key.sequence)
                };
                let shown = self.messages().filter(|(key, row, _)| mine(key) && row.lane == *lane);
                page(lsn, shown.collect(), (*limit).min(cap), |_| true)
            }
            Ask::Exists(keys) => self.named(lsn, keys, false),
            Ask::Body(keys) => self.named(lsn, keys, true),
            Ask::Expired { queue, cutoff, limit, .. } => {
                let old =
                    |key: &MessageKey, row: &MessageRow| key.queue == *queue && row.retained_from < *cutoff;
                let shown = self.messages().filter(|(key, row, _)| old(key, row));
                page(lsn, shown.collect(), (*limit).min(cap), |_| false)
            }
        }
    }

    fn named(&self, lsn: Lsn, keys: &[MessageKey], blobs: bool) -> Page {
        let shown = self.messages().filter(|(key, ..)| keys.contains(key)).collect();
        page(lsn, shown, usize::MAX, |_| blobs)
    }

    /// Messages that are durable and not removed by any batch that was appended.
    fn messages(&self) -> impl Iterator<Item = (&MessageKey, &MessageRow, &Blob)> {
        self.on_disk.values().filter_map(|row| match row {
            Row::Message(key, row, blob) if self.appended.contains_key(&RowKey::Message(*key)) => {
                Some((key, row, blob))
            }
            _ => None,
        })
    }
}

fn page(
    lsn: Lsn,
    shown: Vec<(&MessageKey, &MessageRow, &Blob)>,
    limit: usize,
    with_blob: impl Fn(&MessageRow) -> bool,
) -> Page {
    let ran_out = shown.len() <= limit;
    let found = |(key, row, blob): (&MessageKey, &MessageRow, &Blob)| Found {
        key: *key,
        row: row.clone(),
        blob: with_blob(row).then(|| blob.clone()),
    };
    Page { lsn, rows: shown.into_iter().take(limit).map(found).collect(), ran_out }
}

fn apply(rows: &mut Rows, record: &Record) {
    match record {
        Record::Put(row) => drop(rows.insert(row.key(), row.clone())),
        Record::Delete(RowKey::Message(key)) => {
            assert!(rows.remove(&RowKey::Message(*key)).is_some(), "deleted a message that is not there");
            rows.remove(&RowKey::Touched(*key));
        }
        Record::Delete(key) => drop(rows.remove(key)),
        Record::Cut(cut) => apply_cut(rows, cut),
        Record::Drop(queue) => rows.retain(|key, _| key.queue() != Some(*queue)),
    }
}

fn apply_cut(rows: &mut Rows, cut: &Cut) {
    let leaving: BTreeSet<MessageKey> = rows
        .values()
        .filter_map(|row| match row {
            Row::Touched(key, touched) if touched.leaving.is_some() => Some(*key),
            _ => None,
        })
        .collect();
    let both = cut.arrived_below.is_some() && cut.delayed_below.is_some();
    rows.retain(|key, _| match key {
        RowKey::Message(key) | RowKey::Touched(key) => leaving.contains(key) || !cut.takes(key),
        RowKey::Due(queue, _) => *queue != cut.queue || !both,
        RowKey::Attempt(key) => key.queue != cut.queue || !both,
        _ => true,
    });
}

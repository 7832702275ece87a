//! A plain store: every row in one map, pages answered by looking at all of it. Batches become durable one by
//! one, as a test says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::asks::{Ask, Found, Page};
use engine::ids::{Lsn, MessageKey};
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
        let cap = |limit: usize| if self.page_rows == 0 { limit } else { limit.min(self.page_rows) };
        match ask {
            Ask::Run { from, to, skip, limit, .. } => {
                let mut seen = BTreeSet::new();
                let all = self.messages(*from, *to);
                let shown = all.filter(|(_, row, _)| !skip.contains(&row.lane) || seen.insert(row.lane));
                self.cut_off(shown, cap(*limit), |row| !skip.contains(&row.lane))
            }
            Ask::Lane { queue, lane, from, to, limit } => {
                let key = |sequence| MessageKey { queue: *queue, rank: 0, sequence };
                let all = self.messages(key(*from), key(to.saturating_sub(1).max(*from)));
                let mine = all.filter(|(key, row, _)| row.lane == *lane && key.sequence < *to);
                self.cut_off(mine, cap(*limit), |_| true)
            }
            Ask::Exists(keys) => self.named(keys, false),
            Ask::Body(keys) => self.named(keys, true),
            Ask::Expired { queue, cutoff, limit, .. } => {
                let first = MessageKey { queue: *queue, rank: 0, sequence: 0 };
                let last = MessageKey { queue: *queue, rank: u64::MAX, sequence: u64::MAX };
                let old = self.messages(first, last).filter(|(_, row, _)| row.retained_from < *cutoff);
                self.cut_off(old, cap(*limit), |_| false)
            }
        }
    }

    fn named(&self, keys: &[MessageKey], blobs: bool) -> Page {
        let keys: BTreeSet<MessageKey> = keys.iter().copied().collect();
        let found = keys.iter().flat_map(|key| self.messages(*key, *key));
        self.cut_off(found, usize::MAX, |_| blobs)
    }

    /// Messages of a range that are durable and not removed by any batch that was appended.
    fn messages(&self, from: MessageKey, to: MessageKey) -> impl Iterator<Item = Shown<'_>> {
        let range = self.on_disk.range(RowKey::Message(from)..=RowKey::Message(to));
        range.filter_map(|(key, row)| match row {
            Row::Message(at, row, blob) if self.appended.contains_key(key) => Some((at, row, blob)),
            _ => None,
        })
    }

    fn cut_off<'a>(
        &self,
        mut shown: impl Iterator<Item = Shown<'a>>,
        limit: usize,
        with_blob: impl Fn(&MessageRow) -> bool,
    ) -> Page {
        let found = |(key, row, blob): Shown<'a>| Found {
            key: *key,
            row: row.clone(),
            blob: with_blob(row).then(|| blob.clone()),
        };
        let rows = shown.by_ref().take(limit).map(found).collect();
        Page { lsn: self.durable, rows, ran_out: shown.next().is_none(), damage: Vec::new() }
    }
}

type Shown<'a> = (&'a MessageKey, &'a MessageRow, &'a Blob);

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

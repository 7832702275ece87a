//! Messages in memory, in key order: what lives since the last flush, and which older ones are gone since.

use std::collections::BTreeSet;
use std::ops::{Bound, RangeInclusive};

use engine::rows::{Blob, Cut, MessageRow};
use engine::{Ask, Found, Lane, Lsn, MessageKey, Millis, Page, QueueId};

use crate::rows::{first_of, last_of, removes};
use crate::runs::Runs;

/// Bytes of blobs that one page carries, about.
pub const PAGE_BYTES: usize = 1 << 20;
/// What an entry takes beside its blob, bytes, about.
const ENTRY_BYTES: usize = 200;
/// What its place in a lane takes, bytes, about.
const PLACE_BYTES: usize = 72;

/// A message of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The batch that put it.
    pub lsn: Lsn,
    /// Its row.
    pub row: MessageRow,
    /// Its sealed content.
    pub blob: Blob,
}

/// A message of a lane.
pub type Place = (QueueId, Lane, u64);

/// Messages by key, and lanes by sequence.
#[derive(Clone, Debug, Default)]
pub struct Table {
    messages: Runs,
    lanes: BTreeSet<Place>,
    bytes: usize,
}

impl Table {
    /// Memory it takes, bytes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it holds no message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Puts a message.
    pub fn put(&mut self, key: MessageKey, entry: Entry) {
        let (place, bytes) = (place_of(&key, &entry), entry.blob.len() + ENTRY_BYTES);
        if let Some(old) = self.messages.insert(key, entry) {
            forget(&mut self.lanes, &mut self.bytes, &key, &old);
        }
        self.bytes += bytes;
        if let Some(place) = place {
            self.bytes += PLACE_BYTES;
            self.lanes.insert(place);
        }
    }

    /// Removes a message; whether it was there.
    pub fn remove(&mut self, key: &MessageKey) -> bool {
        let Some(entry) = self.messages.remove(key) else { return false };
        forget(&mut self.lanes, &mut self.bytes, key, &entry);
        true
    }

    /// Removes those of a range that `gone` says; there may be very many.
    fn remove_range(&mut self, range: RangeInclusive<MessageKey>, gone: impl Fn(&MessageKey) -> bool) {
        self.messages.remove_range(range, |key, entry| {
            let goes = gone(key);
            if goes {
                forget(&mut self.lanes, &mut self.bytes, key, entry);
            }
            goes
        });
    }

    /// What it holds.
    pub fn into_rows(self) -> (impl Iterator<Item = (MessageKey, Entry)>, impl Iterator<Item = Place>) {
        (self.messages.into_iter(), self.lanes.into_iter())
    }

    /// Removes what a cut takes, but for `spared`, which are in key order.
    pub fn cut(&mut self, cut: &Cut, spared: &[MessageKey]) {
        let gone = |key: &MessageKey| removes(cut, spared, key);
        let first = first_of(cut.queue);
        if let Some(below) = cut.arrived_below {
            self.remove_range(first..=MessageKey { sequence: below, ..first }, gone);
        }
        if cut.delayed_below.is_some() {
            self.remove_range(MessageKey { rank: 1, ..first }..=last_of(cut.queue), gone);
        }
    }

    /// Removes every message of a queue.
    pub fn drop_queue(&mut self, queue: QueueId) {
        self.remove_range(first_of(queue)..=last_of(queue), |_| true);
    }

    /// The messages of a range, in key order.
    pub fn range(&self, from: MessageKey, to: MessageKey) -> impl Iterator<Item = (&MessageKey, &Entry)> {
        self.after(Bound::Included(from), to)
    }

    /// The messages after a place, up to and including `to`, in key order.
    pub fn after(
        &self,
        after: Bound<MessageKey>,
        to: MessageKey,
    ) -> impl Iterator<Item = (&MessageKey, &Entry)> {
        self.messages.after(after, to)
    }

    /// A message.
    pub fn get(&self, key: &MessageKey) -> Option<&Entry> {
        self.messages.get(key)
    }

    /// The sequences of one lane in a range that excludes its end.
    pub fn lane(&self, queue: QueueId, lane: Lane, from: u64, to: u64) -> impl Iterator<Item = MessageKey> {
        let range = (queue, lane, from)..(queue, lane, to.max(from));
        self.lanes.range(range).map(move |(_, _, sequence)| MessageKey {
            queue,
            rank: 0,
            sequence: *sequence,
        })
    }

    /// Answers an ask from this table alone, as of the durable batch `lsn`.
    pub fn answer(&self, ask: &Ask, lsn: Lsn) -> Page {
        match ask {
            Ask::Run { from, to, skip, limit, .. } if from <= to => {
                let rows = self.range(*from, *to).map(|(key, entry)| (*key, entry));
                gather(rows.filter(|(_, entry)| entry.lsn <= lsn), lsn, *limit, Some(skip))
            }
            Ask::Run { .. } => Page { lsn, ran_out: true, ..Page::default() },
            Ask::Lane { queue, lane, from, to, limit } => {
                let keys = self.lane(*queue, *lane, *from, *to);
                let rows = keys.filter_map(|key| Some((key, self.get(&key)?)));
                gather(rows.filter(|(_, entry)| entry.lsn <= lsn), lsn, *limit, None)
            }
            Ask::Exists(keys) => self.pick(keys, lsn, false),
            Ask::Body(keys) => self.pick(keys, lsn, true),
            Ask::Expired { queue, cutoff, sorted, limit } => {
                self.expired(*queue, *cutoff, *sorted, *limit, lsn)
            }
        }
    }

    fn pick(&self, keys: &[MessageKey], lsn: Lsn, with_blob: bool) -> Page {
        let keys: BTreeSet<&MessageKey> = keys.iter().collect();
        let there = keys.into_iter().filter_map(|key| Some((key, self.get(key)?)));
        let rows = there.filter(|(_, entry)| entry.lsn <= lsn).map(|(key, entry)| {
            let blob = with_blob.then(|| entry.blob.clone());
            Found { key: *key, row: entry.row.clone(), blob }
        });
        Page { lsn, rows: rows.collect(), ran_out: true, damage: Vec::new() }
    }

    fn expired(&self, queue: QueueId, cutoff: Millis, sorted: bool, limit: usize, lsn: Lsn) -> Page {
        let mut page = Page { lsn, ran_out: true, ..Page::default() };
        let mut arrived_done = false;
        for (key, entry) in self.range(first_of(queue), last_of(queue)) {
            if entry.lsn > lsn || (key.rank == 0 && arrived_done) {
                continue;
            }
            if entry.row.retained_from >= cutoff {
                arrived_done |= sorted && key.rank == 0;
                continue;
            }
            if page.rows.len() == limit {
                page.ran_out = false;
                break;
            }
            page.rows.push(Found { key: *key, row: entry.row.clone(), blob: None });
        }
        page
    }
}

/// What a removed message leaves behind.
fn forget(lanes: &mut BTreeSet<Place>, bytes: &mut usize, key: &MessageKey, entry: &Entry) {
    *bytes -= entry.blob.len() + ENTRY_BYTES;
    if let Some(place) = place_of(key, entry) {
        *bytes -= PLACE_BYTES;
        lanes.remove(&place);
    }
}

/// Where a message is found by its lane; a delayed one is in none yet.
fn place_of(key: &MessageKey, entry: &Entry) -> Option<Place> {
    let lane = entry.row.lane;
    (lane != Lane::NONE && key.rank == 0).then_some((key.queue, lane, key.sequence))
}

/// Fills a page from rows in key order. Of a skipped lane only the first row comes, and without its blob.
fn gather<'a>(
    rows: impl Iterator<Item = (MessageKey, &'a Entry)>,
    lsn: Lsn,
    limit: usize,
    skip: Option<&BTreeSet<Lane>>,
) -> Page {
    let mut page = Page { lsn, ran_out: true, ..Page::default() };
    let (mut seen, mut bytes) = (BTreeSet::new(), 0);
    for (key, entry) in rows {
        let skipped = skip.is_some_and(|skip| skip.contains(&entry.row.lane));
        if skipped && !seen.insert(entry.row.lane) {
            continue;
        }
        if page.rows.len() == limit || (bytes > 0 && bytes + entry.blob.len() > PAGE_BYTES) {
            page.ran_out = false;
            break;
        }
        let blob = (!skipped).then(|| entry.blob.clone());
        bytes += blob.as_ref().map_or(0, |blob| blob.len());
        page.rows.push(Found { key, row: entry.row.clone(), blob });
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(lane: u128, length: usize) -> Entry {
        let row = MessageRow { lane: Lane(lane), ..MessageRow::default() };
        Entry { lsn: 1, row, blob: Blob::from(vec![0; length]) }
    }

    /// A group's message takes more than its entry, by its place; what goes takes with it what it took.
    #[test]
    fn all_memory_of_a_message_is_counted_and_no_longer_when_it_goes() {
        let mut table = Table::default();
        let key = |rank, sequence| MessageKey { queue: QueueId(1), rank, sequence };
        table.put(key(0, 1), entry(0, 10));
        let plain = table.bytes();
        table.put(key(0, 2), entry(7, 10));
        let grouped = table.bytes() - plain;
        assert!(grouped >= plain + size_of::<Place>(), "{grouped} and {plain}");
        // Another content, another lane, and back.
        table.put(key(0, 2), entry(8, 30));
        assert_eq!(table.bytes(), plain + grouped + 20);
        table.put(key(0, 2), entry(0, 10));
        assert_eq!(table.bytes(), 2 * plain);
        // In no lane until it arrives.
        table.put(key(9, 3), entry(7, 10));
        assert_eq!(table.bytes(), 3 * plain);
        table.put(key(0, 4), entry(7, 10));
        assert!(table.remove(&key(0, 1)));
        table.cut(&Cut { queue: QueueId(1), arrived_below: None, delayed_below: Some(10) }, &[]);
        assert_eq!(table.bytes(), plain + grouped);
        table.drop_queue(QueueId(1));
        assert_eq!((table.bytes(), table.is_empty()), (0, true));
    }
}

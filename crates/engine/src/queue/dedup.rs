//! Deduplication ids of the last five minutes, by the minute of the first send: a minute is forgotten at once.
//!
//! There may be millions, so an id takes 20 bytes, and with its share of the buckets about 24.

use std::collections::BTreeMap;

use crate::ids::{MessageId, Millis, QueueId};
use crate::limits::{DEDUPLICATION_INTERVAL, MINUTE};
use crate::rows::{DEDUP_MINUTES, DedupHash, DedupKey, DedupRow, Row};

/// The deduplication ids of one queue.
#[derive(Clone, Debug, Default)]
pub struct Dedup {
    minutes: BTreeMap<u64, Minute>,
}

impl Dedup {
    /// The first send of this id, if it was within the interval before `now`.
    pub fn find(&self, hash: DedupHash, now: Millis) -> Option<DedupRow> {
        let found = self.minutes.iter().rev().find_map(|(minute, ids)| ids.find(*minute, hash))?;
        (now < found.sent + DEDUPLICATION_INTERVAL).then_some(found)
    }

    /// Whether this can be a row: an id is kept in the minute of its first send, and no queue counts so far.
    pub fn takes(key: &DedupKey, row: &DedupRow) -> bool {
        row.sent / MINUTE == key.minute && row.sequence >> (64 - OFFSET_BITS) == 0
    }

    /// Remembers an id.
    pub fn put(&mut self, key: &DedupKey, row: DedupRow) {
        assert!(Dedup::takes(key, &row), "{key:?} {row:?}");
        let ids = self.minutes.entry(key.minute).or_default();
        ids.remove(key.hash);
        ids.insert(key.hash, row);
    }

    /// Forgets one id.
    pub fn remove(&mut self, key: &DedupKey) {
        if let Some(ids) = self.minutes.get_mut(&key.minute) {
            ids.remove(key.hash);
        }
    }

    /// Forgets whole minutes; the store forgets the same by the same rule, so no record is written.
    pub fn advance(&mut self, now: Millis) {
        let first_kept = (now / MINUTE + 1).saturating_sub(DEDUP_MINUTES);
        while self.minutes.first_key_value().is_some_and(|(minute, _)| *minute < first_kept) {
            self.minutes.pop_first();
        }
    }

    /// How many ids are remembered.
    pub fn count(&self) -> usize {
        self.minutes.values().map(|ids| ids.count).sum()
    }

    /// Memory that they take, bytes, about.
    pub fn bytes(&self) -> usize {
        let bytes = |ids: &Minute| ids.count * size_of::<Packed>() + ids.buckets.len() * BUCKET_BYTES;
        self.minutes.values().map(bytes).sum()
    }

    /// Every row in key order.
    pub fn rows(&self, queue: QueueId) -> impl Iterator<Item = Row> {
        let minutes = self.minutes.iter();
        minutes.flat_map(move |(&minute, ids)| Drain::new(queue, minute, ids.clone()))
    }

    /// The rows of the first minute, which is forgotten.
    pub fn drain_first(&mut self, queue: QueueId) -> Option<Drain> {
        let (minute, ids) = self.minutes.pop_first()?;
        Some(Drain::new(queue, minute, ids))
    }

    /// The row at a place or behind it, in no order within a minute; the place is then behind that row. While a
    /// place is kept nothing else may change.
    pub fn next(&self, queue: QueueId, place: &mut Place) -> Option<(DedupKey, DedupRow)> {
        loop {
            let (minute, ids) = self.minutes.range(place.minute..).next()?;
            if *minute != place.minute {
                *place = Place { minute: *minute, ..Place::default() };
            }
            match ids.buckets.get(place.bucket) {
                None => *place = Place { minute: minute + 1, ..Place::default() },
                Some(bucket) if place.index == bucket.len() => {
                    (place.bucket, place.index) = (place.bucket + 1, 0);
                }
                Some(bucket) => {
                    let packed = &bucket[place.index];
                    place.index += 1;
                    let key = DedupKey { queue, minute: *minute, hash: packed.hash() };
                    return Some((key, ids.row(*minute, packed)));
                }
            }
        }
    }
}

/// A place among the ids of a queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    minute: u64,
    bucket: usize,
    index: usize,
}

/// The ids of one minute in key order.
#[derive(Debug)]
pub struct Drain {
    queue: QueueId,
    minute: u64,
    /// Last first.
    ids: Vec<Packed>,
    kept: BTreeMap<DedupHash, MessageId>,
}

impl Drain {
    fn new(queue: QueueId, minute: u64, from: Minute) -> Drain {
        let mut ids = Vec::with_capacity(from.count);
        from.buckets.into_iter().for_each(|bucket| ids.extend(bucket));
        ids.sort_unstable_by_key(|packed| std::cmp::Reverse(packed.hash()));
        Drain { queue, minute, ids, kept: from.kept }
    }
}

impl Iterator for Drain {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let packed = self.ids.pop()?;
        let (queue, minute, hash) = (self.queue, self.minute, packed.hash());
        let row = packed.row(minute, self.kept.get(&hash).copied());
        Some(Row::Dedup(DedupKey { queue, minute, hash }, row))
    }
}

/// The ids of one minute: a hash table that grows by one bucket at a time (linear hashing, W. Litwin, 1980), so
/// that no send pays for all ids before it. The hashes are keyed, so nobody can fill one bucket.
#[derive(Clone, Debug, Default)]
struct Minute {
    /// Slices, not vectors: these take a third less beside their ids, and no room for more.
    buckets: Vec<Box<[Packed]>>,
    count: usize,
    /// The ids of moved messages, which kept theirs.
    kept: BTreeMap<DedupHash, MessageId>,
}

/// A hash, and the sequence and the ms within the minute in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed(4))]
struct Packed {
    high: u32,
    low: u64,
    rest: u64,
}

/// Ids of a bucket on average, at most.
const FULL: usize = 8;
/// What a bucket takes beside its ids: where it is, and what an allocator rounds up, about.
const BUCKET_BYTES: usize = size_of::<Box<[Packed]>>() + 16;
/// Bits for the ms of a minute.
const OFFSET_BITS: u32 = 16;

impl Packed {
    fn new(hash: DedupHash, row: &DedupRow) -> Packed {
        let rest = (row.sequence << OFFSET_BITS) | (row.sent % MINUTE);
        Packed { high: hash.high, low: hash.low, rest }
    }

    fn hash(&self) -> DedupHash {
        DedupHash { high: self.high, low: self.low }
    }

    fn row(&self, minute: u64, id: Option<MessageId>) -> DedupRow {
        let sent = minute * MINUTE + (self.rest & ((1 << OFFSET_BITS) - 1));
        DedupRow { sequence: self.rest >> OFFSET_BITS, sent, id }
    }
}

impl Minute {
    /// Where an id belongs. The buckets before the next one to be split have been split already.
    fn bucket(&self, low: u64) -> usize {
        let mask = self.buckets.len().next_power_of_two() as u64 - 1;
        let at = (low & mask) as usize;
        if at < self.buckets.len() { at } else { (low & (mask >> 1)) as usize }
    }

    fn find(&self, minute: u64, hash: DedupHash) -> Option<DedupRow> {
        let bucket = self.buckets.get(self.bucket(hash.low))?;
        let found = bucket.iter().find(|packed| packed.hash() == hash)?;
        Some(self.row(minute, found))
    }

    fn row(&self, minute: u64, packed: &Packed) -> DedupRow {
        packed.row(minute, self.kept.get(&packed.hash()).copied())
    }

    /// Adds an id that is not there.
    fn insert(&mut self, hash: DedupHash, row: DedupRow) {
        self.count += 1;
        if self.count > self.buckets.len() * FULL {
            self.split();
        }
        if let Some(id) = row.id {
            self.kept.insert(hash, id);
        }
        let at = self.bucket(hash.low);
        let bucket = &mut self.buckets[at];
        let mut ids = std::mem::take(bucket).into_vec();
        // An allocator rounds up, so that most of the time nothing moves.
        ids.reserve_exact(1);
        ids.push(Packed::new(hash, &row));
        *bucket = ids.into_boxed_slice();
    }

    /// Adds a bucket, which takes its share out of one that was there.
    fn split(&mut self) {
        let before = self.buckets.len();
        self.buckets.push(Box::default());
        if before == 0 {
            return;
        }
        let source = before - (1 << before.ilog2());
        let all = std::mem::take(&mut self.buckets[source]);
        let goes = |packed: &&Packed| self.bucket(packed.low) == before;
        let (moved, left): (Vec<Packed>, Vec<Packed>) = all.iter().partition(|packed| goes(packed));
        self.buckets[before] = moved.into_boxed_slice();
        self.buckets[source] = left.into_boxed_slice();
    }

    fn remove(&mut self, hash: DedupHash) {
        let at = self.bucket(hash.low);
        let Some(bucket) = self.buckets.get_mut(at) else { return };
        if let Some(place) = bucket.iter().position(|packed| packed.hash() == hash) {
            let mut ids = std::mem::take(bucket).into_vec();
            ids.swap_remove(place);
            *bucket = ids.into_boxed_slice();
            self.count -= 1;
            self.kept.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Entropy;

    #[test]
    fn an_id_is_known_for_exactly_five_minutes() {
        let hash = DedupHash::from;
        for sent in [0, 1, 59_999, 60_000, 61_234] {
            let mut dedup = Dedup::default();
            let key = DedupKey { queue: QueueId(1), minute: sent / MINUTE, hash: hash(5) };
            dedup.put(&key, DedupRow { sequence: 9, sent, id: None });
            dedup.advance(sent + DEDUPLICATION_INTERVAL - 1);
            assert!(dedup.find(hash(5), sent + DEDUPLICATION_INTERVAL - 1).is_some(), "{sent}");
            assert!(dedup.find(hash(5), sent + DEDUPLICATION_INTERVAL).is_none(), "{sent}");
            assert!(dedup.find(hash(6), sent).is_none());
        }
    }

    /// Random puts, repeated puts and removals, beside a map.
    #[test]
    fn it_holds_what_a_map_holds() {
        let queue = QueueId(7);
        let (mut dedup, mut map) = (Dedup::default(), BTreeMap::new());
        let mut entropy = Entropy(42);
        for sequence in 0..20_000 {
            // Few values, so that ids meet again, share buckets, and differ in their upper bits alone.
            let hash = DedupHash { high: (entropy.draw() % 1_024) as u32, low: entropy.draw() % 4_000 };
            let sent = 600_000 + entropy.draw() % (3 * MINUTE);
            let key = DedupKey { queue, minute: sent / MINUTE, hash };
            if entropy.draw().is_multiple_of(4) {
                dedup.remove(&key);
                map.remove(&key);
            } else {
                let id = (entropy.draw().is_multiple_of(5)).then(|| MessageId(hash.low.into()));
                dedup.put(&key, DedupRow { sequence, sent, id });
                map.insert(key, DedupRow { sequence, sent, id });
            }
            assert_eq!(dedup.count(), map.len());
        }
        let expected: Vec<Row> = map.iter().map(|(key, row)| Row::Dedup(*key, *row)).collect();
        assert_eq!(dedup.rows(queue).collect::<Vec<_>>(), expected);
        let mut place = Place::default();
        let visited = std::iter::from_fn(|| dedup.next(queue, &mut place));
        assert_eq!(visited.collect::<BTreeMap<_, _>>(), map);
        let newest = map.keys().map(|key| (key.hash, *key)).collect::<BTreeMap<_, _>>();
        assert!(newest.iter().all(|(hash, key)| dedup.find(*hash, 600_000) == Some(map[key])));
        let drained = std::iter::from_fn(|| dedup.drain_first(queue)).flatten();
        assert_eq!(drained.collect::<Vec<_>>(), expected);
        assert_eq!(dedup.count(), 0);
    }

    #[test]
    fn an_id_takes_about_twenty_four_bytes() {
        let mut ids = Minute::default();
        let mut entropy = Entropy(1);
        for sequence in 0..100_000 {
            let hash = DedupHash { high: entropy.draw() as u32, low: entropy.draw() };
            ids.insert(hash, DedupRow { sequence, sent: 0, id: None });
        }
        let all: usize = ids.buckets.iter().map(|bucket| size_of_val(&**bucket) + BUCKET_BYTES).sum();
        assert!(all <= 26 * ids.count, "{} bytes an id", all as f64 / ids.count as f64);
        let dedup = Dedup { minutes: [(0, ids)].into() };
        assert_eq!(dedup.bytes(), all);
    }
}

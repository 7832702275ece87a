//! Deduplication ids of the last five minutes, by the minute of the first send: a minute is forgotten at once.

use std::collections::BTreeMap;

use crate::ids::{Millis, QueueId};
use crate::limits::{DEDUPLICATION_INTERVAL, MINUTE};
use crate::rows::{DEDUP_MINUTES, DedupKey, DedupRow, Row};

/// The deduplication ids of one queue.
#[derive(Debug, Default)]
pub struct Dedup {
    minutes: BTreeMap<u64, BTreeMap<u128, DedupRow>>,
}

impl Dedup {
    /// The first send of this id, if it was within the interval before `now`.
    pub fn find(&self, hash: u128, now: Millis) -> Option<&DedupRow> {
        let found = self.minutes.values().rev().find_map(|minute| minute.get(&hash))?;
        (now < found.sent + DEDUPLICATION_INTERVAL).then_some(found)
    }

    /// Remembers an id.
    pub fn put(&mut self, key: &DedupKey, row: DedupRow) {
        self.minutes.entry(key.minute).or_default().insert(key.hash, row);
    }

    /// Forgets one id.
    pub fn remove(&mut self, key: &DedupKey) {
        if let Some(minute) = self.minutes.get_mut(&key.minute) {
            minute.remove(&key.hash);
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
        self.minutes.values().map(BTreeMap::len).sum()
    }

    /// Every row in key order.
    pub fn rows(&self, queue: QueueId) -> impl Iterator<Item = Row> {
        self.minutes.iter().flat_map(move |(&minute, ids)| {
            ids.iter().map(move |(&hash, &row)| Row::Dedup(DedupKey { queue, minute, hash }, row))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_exactly_five_minutes() {
        for sent in [0, 1, 59_999, 60_000, 61_234] {
            let mut dedup = Dedup::default();
            let key = DedupKey { queue: QueueId(1), minute: sent / MINUTE, hash: 5 };
            dedup.put(&key, DedupRow { sequence: 9, sent, id: None });
            dedup.advance(sent + DEDUPLICATION_INTERVAL - 1);
            assert!(dedup.find(5, sent + DEDUPLICATION_INTERVAL - 1).is_some(), "{sent}");
            assert!(dedup.find(5, sent + DEDUPLICATION_INTERVAL).is_none(), "{sent}");
            assert!(dedup.find(6, sent).is_none());
        }
    }
}

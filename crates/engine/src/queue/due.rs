//! How many messages are delayed: counts per second, exact without a record for time that passes.
//!
//! Standard queues count untouched messages by the second they fall due. On FIFO queues the delay is the
//! queue's and retroactive, so they are counted by the second they came, sent or moved, for as long as any delay may last.

use std::collections::BTreeMap;

use crate::ids::Millis;
use crate::limits::{DELAY_SECONDS, SECOND};

/// Counts per second of one queue.
#[derive(Debug, Default)]
pub struct Due {
    counts: BTreeMap<u64, u32>,
}

impl Due {
    /// The second a count belongs to: rounded up for due times, so that a second that is past has none left.
    pub fn second_of_due(due: Millis) -> u64 {
        due.div_ceil(SECOND)
    }

    /// The second a FIFO message came in.
    pub fn second_of_arrival(came: Millis) -> u64 {
        came / SECOND
    }

    /// The count of a second.
    pub fn count(&self, second: u64) -> u32 {
        self.counts.get(&second).copied().unwrap_or(0)
    }

    /// The count is now so; 0 forgets it.
    pub fn put(&mut self, second: u64, count: u32) {
        match count {
            0 => self.counts.remove(&second),
            _ => self.counts.insert(second, count),
        };
    }

    /// Memory that the counts take, bytes, about: an entry of a tree and half of another one.
    pub fn bytes(&self) -> usize {
        self.counts.len() * 24
    }

    /// Every count, in order of seconds.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u32)> {
        self.counts.iter().map(|(second, count)| (*second, *count))
    }

    /// Messages counted in seconds after `second`.
    pub fn after(&self, second: u64) -> u64 {
        self.counts.range(second + 1..).map(|(_, count)| u64::from(*count)).sum()
    }

    /// The first second after `second` that counts any message.
    pub fn next_after(&self, second: u64) -> Option<u64> {
        self.counts.range(second + 1..).next().map(|(second, _)| *second)
    }

    /// Forgets the seconds before `second`, and names them.
    pub fn forget_before(&mut self, second: u64) -> Vec<u64> {
        let kept = self.counts.split_off(&second);
        std::mem::replace(&mut self.counts, kept).into_keys().collect()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.clear();
    }

    /// The first second that FIFO counts are kept for at `now`.
    pub fn fifo_horizon(now: Millis) -> u64 {
        (now / SECOND).saturating_sub(*DELAY_SECONDS.end() as u64)
    }
}

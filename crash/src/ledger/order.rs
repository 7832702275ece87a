//! Who must come out before whom.

use std::collections::{BTreeSet, HashMap};

use super::message::Micros;
use crate::queues::Queue;

/// A message group of one queue.
type Group = (Queue, u32);

/// The messages that are certainly there, by group, and how far each group was received.
#[derive(Debug, Default)]
pub struct Order {
    there: HashMap<Group, BTreeSet<u64>>,
    group_of: HashMap<u64, Group>,
    /// The highest number received from a group, and when its reply was there.
    reached: HashMap<Group, (u64, Micros)>,
}

impl Order {
    /// A message is in this queue, and in no other.
    pub fn enter(&mut self, queue: Queue, group: u32, number: u64) {
        let group = (queue, group);
        if self.group_of.insert(number, group).is_some_and(|before| before != group) {
            self.there.values_mut().for_each(|there| _ = there.remove(&number));
        }
        self.there.entry(group).or_default().insert(number);
    }

    /// It may be gone.
    pub fn leave(&mut self, number: u64) {
        if let Some(group) = self.group_of.remove(&number)
            && let Some(there) = self.there.get_mut(&group)
        {
            there.remove(&number);
        }
    }

    /// Those that come before it.
    pub fn before(&self, queue: Queue, group: u32, number: u64) -> Vec<u64> {
        let there = self.there.get(&(queue, group));
        there.map(|there| there.range(..number).copied().collect()).unwrap_or_default()
    }

    /// A message that should have come later and was there before `start`.
    pub fn overtaker(&self, queue: Queue, group: u32, number: u64, start: Micros) -> Option<u64> {
        let (highest, end) = *self.reached.get(&(queue, group))?;
        (highest > number && end < start).then_some(highest)
    }

    /// It was received; the reply was there at `end`.
    pub fn reach(&mut self, queue: Queue, group: u32, number: u64, end: Micros) {
        let reached = self.reached.entry((queue, group)).or_insert((number, end));
        if number > reached.0 {
            *reached = (number, end);
        }
    }
}

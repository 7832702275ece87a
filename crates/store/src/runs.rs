//! Messages in key order, in runs of up to [`RUN`]: nearly every message comes behind the last one of its queue, where a
//! run takes it without a search among others and without moving any.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, RangeInclusive};

use engine::MessageKey;

use crate::table::Entry;

/// Messages of a run at most. A message that comes or goes in the middle moves at most half as many.
const RUN: usize = 64;

type Run = VecDeque<(MessageKey, Entry)>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// Each under a key at or before its first one, and behind the last one of the run before. None is empty.
    runs: BTreeMap<MessageKey, Run>,
}

impl Runs {
    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Puts a message; what was there under its key.
    pub fn insert(&mut self, key: MessageKey, entry: Entry) -> Option<Entry> {
        let Some((_, run)) = self.runs.range_mut(..=key).next_back() else {
            self.runs.insert(key, Run::from([(key, entry)]));
            return None;
        };
        if run.back().is_some_and(|(last, _)| *last < key) {
            if run.len() < RUN {
                make_room(run);
                run.push_back((key, entry));
            } else {
                let mut next = Run::with_capacity(RUN);
                next.push_back((key, entry));
                self.runs.insert(key, next);
            }
            return None;
        }
        match place(run, &key) {
            Ok(at) => return Some(std::mem::replace(&mut run[at].1, entry)),
            Err(at) if run.len() < RUN => {
                make_room(run);
                run.insert(at, (key, entry));
            }
            Err(at) => {
                let rest = run.split_off(at);
                run.push_back((key, entry));
                run.shrink_to(2 * run.len());
                let first = rest.front().expect("the run's last message lies behind the new one").0;
                self.runs.insert(first, rest);
            }
        }
        None
    }

    /// Removes a message.
    pub fn remove(&mut self, key: &MessageKey) -> Option<Entry> {
        let (under, run) = self.runs.range_mut(..=key).next_back()?;
        let at = place(run, key).ok()?;
        let (_, entry) = run.remove(at)?;
        if run.is_empty() {
            let under = *under;
            self.runs.remove(&under);
        } else if run.len() < run.capacity() / 4 {
            run.shrink_to(run.capacity() / 2);
        }
        Some(entry)
    }

    /// Removes those of a range that `goes` says, which sees each of them once; there may be very many.
    pub fn remove_range(
        &mut self,
        range: RangeInclusive<MessageKey>,
        mut goes: impl FnMut(&MessageKey, &Entry) -> bool,
    ) {
        let from = self.run_of(range.start());
        let emptied = self.runs.extract_if(from..=*range.end(), |_, run| {
            run.retain(|(key, entry)| !(range.contains(key) && goes(key, entry)));
            run.is_empty()
        });
        emptied.for_each(drop);
    }

    /// A message.
    pub fn get(&self, key: &MessageKey) -> Option<&Entry> {
        let (_, run) = self.runs.range(..=key).next_back()?;
        place(run, key).ok().map(|at| &run[at].1)
    }

    /// The messages after a place, up to and including `to`, in key order.
    pub fn after(
        &self,
        after: Bound<MessageKey>,
        to: MessageKey,
    ) -> impl Iterator<Item = (&MessageKey, &Entry)> {
        let first = match after {
            Bound::Included(from) | Bound::Excluded(from) => self.run_of(&from),
            Bound::Unbounded => MessageKey::default(),
        };
        let is_before = move |key: &MessageKey| match after {
            Bound::Included(from) => *key < from,
            Bound::Excluded(from) => *key <= from,
            Bound::Unbounded => false,
        };
        let mut runs = self.runs.range(first..).map(|(_, run)| run);
        let begun = runs.next().map(|run| run.range(run.partition_point(|(key, _)| is_before(key))..));
        let messages = begun.into_iter().flatten().chain(runs.flatten());
        messages.map(|(key, entry)| (key, entry)).take_while(move |(key, _)| **key <= to)
    }

    /// What the run is under that may hold this key, or the key.
    fn run_of(&self, key: &MessageKey) -> MessageKey {
        self.runs.range(..=key).next_back().map_or(*key, |(under, _)| *under)
    }
}

impl IntoIterator for Runs {
    type Item = (MessageKey, Entry);
    type IntoIter = std::iter::Flatten<std::collections::btree_map::IntoValues<MessageKey, Run>>;

    fn into_iter(self) -> Self::IntoIter {
        self.runs.into_values().flatten()
    }
}

/// A run grows as vectors do, but to no more room than it ever takes.
fn make_room(run: &mut Run) {
    if run.len() == run.capacity() {
        run.reserve_exact(run.len().min(RUN - run.len()));
    }
}

/// Where a run has this key, or would have it.
fn place(run: &Run, key: &MessageKey) -> Result<usize, usize> {
    run.binary_search_by_key(key, |(key, _)| *key)
}

#[cfg(test)]
mod tests {
    use engine::{Entropy, QueueId};

    use super::*;

    fn key(number: u64) -> MessageKey {
        MessageKey { queue: QueueId(number / 1_000), rank: number / 500 % 2, sequence: number }
    }

    fn entry(lsn: u64) -> Entry {
        Entry { lsn, row: Default::default(), blob: Default::default() }
    }

    /// Every operation beside a map, with keys that come in order, at random, and again.
    #[test]
    fn runs_are_a_map() {
        for seed in 0..40 {
            let mut entropy = Entropy(seed);
            let (mut runs, mut map) = (Runs::default(), BTreeMap::new());
            let (span, mut next) = ([100, 3_000][seed as usize % 2], 0);
            for step in 0..3_000 {
                let at = key(entropy.draw() % span);
                let to = key(entropy.draw() % span);
                match entropy.draw() % 100 {
                    0..40 => {
                        next = (next + 1) % span;
                        assert_eq!(runs.insert(key(next), entry(step)), map.insert(key(next), entry(step)));
                    }
                    40..60 => assert_eq!(runs.insert(at, entry(step)), map.insert(at, entry(step))),
                    60..95 => assert_eq!(runs.remove(&at), map.remove(&at)),
                    95..97 if at <= to => {
                        let goes = |key: &MessageKey, entry: &Entry| (key.sequence ^ entry.lsn) & 3 > 0;
                        runs.remove_range(at..=to, goes);
                        map.extract_if(at..=to, |key, entry| goes(key, entry)).for_each(drop);
                    }
                    _ => {
                        let from = [Bound::Unbounded, Bound::Included(at), Bound::Excluded(at)];
                        for from in from.into_iter().filter(|_| at < to) {
                            let expected = map.range((from, Bound::Included(to)));
                            assert!(runs.after(from, to).eq(expected), "seed {seed}: {from:?} to {to:?}");
                        }
                        assert_eq!(runs.after(Bound::Excluded(at), key(0)).count(), 0);
                    }
                }
                assert_eq!((runs.get(&at), runs.is_empty()), (map.get(&at), map.is_empty()));
                assert!(runs.runs.values().all(|run| !run.is_empty() && run.len() <= RUN));
            }
            assert!(runs.into_iter().eq(map), "seed {seed}");
        }
    }

    /// Sends to many queues in turn split runs all the time.
    #[test]
    fn runs_of_many_queues_take_little_more_room_than_messages() {
        let mut runs = Runs::default();
        for round in 0..20 {
            for queue in 0..2_000 {
                runs.insert(MessageKey { queue: QueueId(queue), rank: 0, sequence: round }, entry(1));
            }
            let room: usize = runs.runs.values().map(VecDeque::capacity).sum();
            assert!(room <= 4_000 * (round as usize + 1), "round {round}: {room}");
        }
        assert!(runs.runs.values().all(|run| run.capacity() <= RUN));
    }

    #[test]
    fn a_run_that_was_emptied_takes_little_memory() {
        let mut runs = Runs::default();
        (0..640).for_each(|number| drop(runs.insert(key(number), entry(1))));
        let room = |runs: &Runs| runs.runs.values().map(VecDeque::capacity).sum::<usize>();
        assert!(room(&runs) < 700, "runs that fill up have no room to spare: {}", room(&runs));
        (0..640).filter(|number| number % 64 > 0).for_each(|number| drop(runs.remove(&key(number))));
        assert!(room(&runs) <= 50, "{}", room(&runs));
    }
}

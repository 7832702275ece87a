//! Long polls: parked receives by queue, oldest first, and by when they end. No task and no timer each:
//! everything is O(log n) in the number of waiters.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Millis, QueueId};

use crate::RequestId;
use crate::job::Job;

/// A receive that waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub job: Box<Job>,
    /// `None` waits for a load alone.
    pub until: Option<Millis>,
}

/// All receives that wait. Request ids rise, so their order is that of arrival.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_queue: BTreeMap<(QueueId, RequestId), Waiter>,
    by_time: BTreeSet<(Millis, QueueId, RequestId)>,
    /// Those that wait for a load alone.
    for_load: BTreeSet<(QueueId, RequestId)>,
}

impl Waiters {
    pub(crate) fn len(&self) -> usize {
        self.by_queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_queue.is_empty()
    }

    /// Whether any would end by itself.
    pub(crate) fn any_timed(&self) -> bool {
        !self.by_time.is_empty()
    }

    /// Whether any waits at this queue.
    pub(crate) fn any_at(&self, queue: QueueId) -> bool {
        self.oldest(queue).is_some()
    }

    pub(crate) fn contains(&self, queue: QueueId, id: RequestId) -> bool {
        self.by_queue.contains_key(&(queue, id))
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.by_time.first().map(|(until, ..)| *until)
    }

    pub(crate) fn insert(&mut self, queue: QueueId, id: RequestId, waiter: Waiter) {
        match waiter.until {
            Some(until) => self.by_time.insert((until, queue, id)),
            None => self.for_load.insert((queue, id)),
        };
        let before = self.by_queue.insert((queue, id), waiter);
        assert!(before.is_none(), "a request waits once");
    }

    pub(crate) fn remove(&mut self, queue: QueueId, id: RequestId) -> Option<Waiter> {
        let waiter = self.by_queue.remove(&(queue, id))?;
        match waiter.until {
            Some(until) => self.by_time.remove(&(until, queue, id)),
            None => self.for_load.remove(&(queue, id)),
        };
        Some(waiter)
    }

    pub(crate) fn oldest(&self, queue: QueueId) -> Option<RequestId> {
        let range = (queue, RequestId(0))..=(queue, RequestId(u64::MAX));
        self.by_queue.range(range).next().map(|((_, id), _)| *id)
    }

    /// The oldest of those that wait for a load alone.
    pub(crate) fn oldest_for_load(&self, queue: QueueId) -> Option<RequestId> {
        let range = (queue, RequestId(0))..=(queue, RequestId(u64::MAX));
        self.for_load.range(range).next().map(|(_, id)| *id)
    }

    /// Takes out all that end by `now`, in the order they end.
    pub(crate) fn take_ended(&mut self, now: Millis) -> Vec<Waiter> {
        let mut ended = Vec::new();
        while let Some((until, queue, id)) = self.by_time.first().copied().filter(|(until, ..)| *until <= now)
        {
            self.by_time.remove(&(until, queue, id));
            ended.extend(self.by_queue.remove(&(queue, id)));
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Origin;
    use engine::command::{Command, Internal};

    fn waiter(id: u64, until: Option<Millis>) -> Waiter {
        let origin = Origin::Client { id: RequestId(id), route: 0 };
        let command = Command::Internal(Internal::Tick);
        Waiter { job: Box::new(Job { slot: 0, command, origin, needs: 0 }), until }
    }

    #[test]
    fn the_oldest_of_a_queue_is_first_whatever_the_order_of_parking() {
        let mut waiters = Waiters::default();
        for (queue, id) in [(2, 1), (1, 9), (1, 4), (1, 7)] {
            waiters.insert(QueueId(queue), RequestId(id), waiter(id, Some(100)));
        }
        assert_eq!(waiters.oldest(QueueId(1)), Some(RequestId(4)));
        waiters.remove(QueueId(1), RequestId(4)).unwrap();
        assert_eq!(waiters.oldest(QueueId(1)), Some(RequestId(7)));
        assert!(!waiters.any_at(QueueId(3)));
        assert!(waiters.remove(QueueId(3), RequestId(1)).is_none());
    }

    #[test]
    fn those_that_wait_for_a_load_are_found_behind_a_long_poll() {
        let mut waiters = Waiters::default();
        for (id, until) in [(1, Some(100)), (2, None), (3, None)] {
            waiters.insert(QueueId(1), RequestId(id), waiter(id, until));
        }
        assert_eq!(waiters.oldest_for_load(QueueId(1)), Some(RequestId(2)));
        waiters.remove(QueueId(1), RequestId(2)).unwrap();
        assert_eq!(waiters.oldest_for_load(QueueId(1)), Some(RequestId(3)));
        waiters.remove(QueueId(1), RequestId(3)).unwrap();
        assert_eq!(waiters.oldest_for_load(QueueId(1)), None);
    }

    #[test]
    fn those_that_end_are_taken_once_and_in_order() {
        let mut waiters = Waiters::default();
        for (id, until) in [(1, Some(30)), (2, Some(10)), (3, None), (4, Some(20))] {
            waiters.insert(QueueId(1), RequestId(id), waiter(id, until));
        }
        assert_eq!(waiters.next_deadline(), Some(10));
        let ended: Vec<_> = waiters.take_ended(20).into_iter().map(|waiter| waiter.until).collect();
        assert_eq!(ended, [Some(10), Some(20)]);
        assert_eq!((waiters.len(), waiters.next_deadline()), (2, Some(30)));
        assert!(waiters.take_ended(20).is_empty());
    }
}

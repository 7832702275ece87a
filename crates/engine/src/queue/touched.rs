//! Messages that were received: in flight, returned, or leaving for another queue.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{MessageKey, Millis};
use crate::limits;
use crate::rows::Touched;

/// The touched messages of one queue, by where they stand at `now`.
#[derive(Debug, Default)]
pub struct TouchedSet {
    rows: BTreeMap<MessageKey, Touched>,
    /// Deadline ahead.
    in_flight: BTreeSet<(Millis, MessageKey)>,
    /// Deadline past: offered before unread messages, in order of their return.
    returned: BTreeSet<(Millis, MessageKey)>,
    /// Deadline past, received [`limits::BACK_OF_QUEUE`] times or more: offered behind unread messages.
    /// Standard queues only.
    back: BTreeSet<(Millis, MessageKey)>,
    leaving: BTreeSet<MessageKey>,
}

/// Where a touched message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Invisible until its deadline.
    InFlight,
    /// Visible again.
    Returned,
    /// On its way to another queue.
    Leaving,
}

impl TouchedSet {
    /// The row of a touched message.
    pub fn get(&self, key: &MessageKey) -> Option<&Touched> {
        // A page of a backlog asks about each of its messages, and nearly all lie behind those that were received.
        let (last, _) = self.rows.last_key_value()?;
        if key <= last { self.rows.get(key) } else { None }
    }

    /// Every row in key order.
    pub fn rows(&self) -> impl Iterator<Item = (&MessageKey, &Touched)> {
        self.rows.iter()
    }

    /// How many there are, leaving ones included.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Messages in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Messages on their way to another queue, in key order.
    pub fn leaving(&self) -> &BTreeSet<MessageKey> {
        &self.leaving
    }

    /// Visible messages to offer before unread ones, in order of their return.
    pub fn returned(&self) -> impl Iterator<Item = MessageKey> {
        self.returned.iter().map(|(_, key)| *key)
    }

    /// Visible messages to offer behind unread ones.
    pub fn back(&self) -> impl Iterator<Item = MessageKey> {
        self.back.iter().map(|(_, key)| *key)
    }

    /// When the next message in flight returns, ms.
    pub fn next_return(&self) -> Option<Millis> {
        self.in_flight.first().map(|(deadline, _)| *deadline)
    }

    /// The row is now so; answers where the message stood before, and where it stands.
    pub fn put(
        &mut self,
        key: MessageKey,
        row: Touched,
        now: Millis,
        fifo: bool,
    ) -> (Option<Standing>, Standing) {
        let before = self.remove(&key).map(|(_, standing)| standing);
        self.rows.insert(key, row);
        let standing = if row.leaving.is_some() {
            self.leaving.insert(key);
            Standing::Leaving
        } else if row.deadline > now {
            self.in_flight.insert((row.deadline, key));
            Standing::InFlight
        } else {
            self.shelf(&row, fifo).insert((row.deadline, key));
            Standing::Returned
        };
        (before, standing)
    }

    /// The row is gone.
    pub fn remove(&mut self, key: &MessageKey) -> Option<(Touched, Standing)> {
        let row = self.rows.remove(key)?;
        let place = (row.deadline, *key);
        if self.in_flight.remove(&place) {
            return Some((row, Standing::InFlight));
        }
        if self.returned.remove(&place) || self.back.remove(&place) {
            return Some((row, Standing::Returned));
        }
        self.leaving.remove(key);
        Some((row, Standing::Leaving))
    }

    /// Moves what returns at or before `now` out of flight, and names it.
    pub fn advance(&mut self, now: Millis, fifo: bool) -> Vec<MessageKey> {
        let mut back_again = Vec::new();
        while let Some(&(deadline, key)) = self.in_flight.first() {
            if deadline > now {
                break;
            }
            self.in_flight.pop_first();
            let row = self.rows[&key];
            self.shelf(&row, fifo).insert((deadline, key));
            back_again.push(key);
        }
        back_again
    }

    fn shelf(&mut self, row: &Touched, fifo: bool) -> &mut BTreeSet<(Millis, MessageKey)> {
        let received_here = row.receive_count - row.received_before.min(row.receive_count);
        if !fifo && received_here >= limits::BACK_OF_QUEUE { &mut self.back } else { &mut self.returned }
    }
}

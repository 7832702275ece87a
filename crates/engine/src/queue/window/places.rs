//! What laws 2 and 3 are checked by, as far as memory tells: what is untouched, and that each live message is in exactly
//! one place.

use super::Window;
use crate::ids::MessageKey;
use crate::queue::lanes::Lanes;
use crate::rows::MessageRow;

impl Window {
    /// Looks for a message in two places; an error says which. The number looked at.
    pub fn check_places(
        &self,
        lanes: &Lanes,
        touched: impl Fn(&MessageKey) -> bool,
    ) -> Result<usize, String> {
        for (key, entry) in &self.entries {
            let parked = lanes.parked(entry.row.lane).filter(|_| self.fifo);
            let elsewhere = [
                (touched(key), "touched"),
                (self.place_in_pending(key).is_some(), "not durable"),
                (self.late.contains_key(key), "late"),
                (key.rank == 0 && *key >= self.arrived.next, "at or after the cursor"),
                (parked.is_some_and(|parked| parked.first <= key.sequence), "in a parked lane"),
            ];
            if let Some((_, place)) = elsewhere.into_iter().find(|(there, _)| *there) {
                return Err(format!("Law 3: {key:?} is in the window, and {place}"));
            }
        }
        Ok(self.entries.len())
    }

    /// The untouched messages in memory.
    pub fn untouched(&self) -> impl Iterator<Item = (&MessageKey, &MessageRow)> {
        let entries = self.entries.iter().map(|(key, entry)| (key, &entry.row));
        let pending = self.pending.iter().map(|(key, _, entry)| (key, &entry.row));
        let late = self.late.iter().map(|(key, (_, entry))| (key, &entry.row));
        entries.chain(pending).chain(late)
    }

    /// How many untouched messages there are, if all of them are in memory: nothing is parked, and nothing lies at
    /// or after a cursor but what is not durable yet. `None` where some may be on disk only.
    pub fn all_untouched(&self, lanes: &Lanes) -> Option<usize> {
        let is_whole = !self.arrived.unread
            && !self.delayed.unread
            && self.out.is_empty()
            && !self.is_damaged()
            && lanes.first_parked().is_none();
        is_whole.then(|| self.entries.len() + self.pending.len() + self.late.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Settings;
    use crate::ids::{MessageKey, QueueId};
    use crate::queue::Queue;
    use crate::rows::{Blob, MessageRow, QueueRow, Record, Row, RowKey, Touched};

    fn key(sequence: u64) -> MessageKey {
        MessageKey { queue: QueueId(1), rank: 0, sequence }
    }

    /// Three durable messages, the first of them in flight.
    fn queue() -> Queue {
        let row = QueueRow { id: QueueId(1), ..QueueRow::default() };
        let mut queue = Queue::new(row, &Settings::default(), 0);
        for sequence in 1..=3 {
            let put = Record::Put(Row::Message(key(sequence), MessageRow::default(), Blob::new()));
            queue.apply(&put, 1, 0);
        }
        queue.durable(1, 0);
        queue.apply(&Record::Put(Row::Touched(key(1), Touched { deadline: 9, ..Touched::default() })), 2, 0);
        queue
    }

    #[test]
    fn each_message_has_one_place() {
        let mut queue = queue();
        assert_eq!(queue.check_places(), Ok(2));
        queue.apply(&Record::Delete(RowKey::Message(key(2))), 3, 0);
        assert_eq!(queue.check_places(), Ok(1));
    }

    #[test]
    fn a_message_without_a_place_is_found() {
        let mut queue = queue();
        queue.window.removed(&key(2), &mut queue.lanes);
        let error = queue.check_places().expect_err("one is nowhere");
        assert!(error.contains("3 live messages, 2 in a place"), "{error}");
    }

    #[test]
    fn a_message_in_two_places_is_found() {
        let mut queue = queue();
        let entry = queue.window.entry(&key(2)).expect("it is in the window").clone();
        queue.window.sent(key(2), entry, 3);
        let error = queue.check_places().expect_err("it is in two places");
        assert!(error.contains("in the window, and not durable"), "{error}");
    }
}

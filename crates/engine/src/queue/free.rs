//! Where a FIFO queue's free groups begin. With many groups in flight a restart would else read all their messages
//! before it finds one that may be received.
//!
//! Below `Head::free_from` every untouched message is of a group with a received one that is not leaving. It falls in
//! the batch that takes a group's last such message, and rises when a head is written anyway or a receive moved it.

use crate::ids::{Lane, MessageKey};
use crate::queue::Queue;
use crate::queue::touched::Standing;

impl Queue {
    /// A received message stood so before it was written anew, or went: its group may be free now.
    pub(super) fn received_left(&mut self, key: &MessageKey, lane: Lane, before: Option<Standing>) {
        if !self.is_fifo() {
            return;
        }
        // Every change of what is received may move the number.
        self.dirty = true;
        let was_received = before.is_some_and(|before| before != Standing::Leaving);
        if was_received && !self.lanes.has_received(lane) {
            // What is parked may begin before it, with messages that are gone.
            let parked = self.lanes.parked(lane).map_or(key.sequence, |parked| parked.first);
            self.head.free_from = self.head.free_from.min(key.sequence).min(parked);
        }
    }

    /// The head is about to be written: what is known by now.
    pub fn raise_free_from(&mut self) {
        if self.is_fifo() {
            let known = self.lanes.free_from(self.window.cursor());
            self.head.free_from = self.head.free_from.max(known);
        }
    }

    /// All rows that survived were taken over: what the groups with received messages have below the number counts as
    /// parked, and the cursor begins there.
    pub fn begin_at_free(&mut self) {
        let from = self.head.free_from;
        if !self.is_fifo() || from == 0 {
            return;
        }
        self.window.begin_at(from);
        let received = self.touched.rows().filter(|(_, row)| row.leaving.is_none());
        for (key, row) in received.filter(|(key, _)| key.sequence + 1 < from) {
            self.lanes.park(row.lane, key.sequence + 1, from - 1);
        }
    }

    /// Whether the messages below the number that are in the window are of groups with received ones. What is parked
    /// tells nothing: it may begin with messages that are gone.
    pub(super) fn check_free_from(&self) -> Result<(), String> {
        if !self.is_fifo() {
            return Ok(());
        }
        let mut ready = self.window.untouched_lanes();
        let is_free = |(lane, at): &(Lane, u64)| *at < self.head.free_from && !self.lanes.has_received(*lane);
        match ready.find(is_free) {
            Some((_, at)) => {
                Err(format!("{:?}: message {at} is free, below {}", self.id(), self.head.free_from))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks::{Found, Page};
    use crate::command::{LoadId, Settings};
    use crate::counts::Counts;
    use crate::ids::QueueId;
    use crate::queue::window::Want;
    use crate::rows::{Blob, Cut, MessageRow, QueueRow, Record, Row, RowKey, Touched};

    fn key(sequence: u64) -> MessageKey {
        MessageKey { queue: QueueId(1), rank: 0, sequence }
    }

    fn row() -> QueueRow {
        let mut row = QueueRow { id: QueueId(1), ..QueueRow::default() };
        row.name.name = "groups.fifo".to_owned();
        row
    }

    fn touched(lane: u128) -> Touched {
        Touched { lane: Lane(lane), deadline: 9, receive_count: 1, ..Touched::default() }
    }

    fn put(queue: &mut Queue, row: Row) {
        queue.apply(&Record::Put(row), 1, 0);
    }

    /// Messages 1 and 2 of lane 1, 3 and 4 of lane 2, 5 of lane 3; the first of the first two lanes are in flight.
    fn queue() -> Queue {
        let mut queue = Queue::new(row(), &Settings::default(), 0);
        for (sequence, lane) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)] {
            let row = MessageRow { lane: Lane(lane), ..MessageRow::default() };
            put(&mut queue, Row::Message(key(sequence), row, Blob::new()));
        }
        queue.durable(1, 0);
        put(&mut queue, Row::Touched(key(1), touched(1)));
        put(&mut queue, Row::Touched(key(3), touched(2)));
        queue.raise_free_from();
        queue
    }

    #[test]
    fn it_is_the_first_message_of_a_free_group() {
        let mut queue = queue();
        assert_eq!(queue.head.free_from, 5);
        put(&mut queue, Row::Touched(key(5), touched(3)));
        queue.raise_free_from();
        assert_eq!(queue.head.free_from, 6);
        assert!(queue.check_places().is_ok());
    }

    #[test]
    fn it_falls_when_a_group_has_no_received_message_left() {
        let mut queue = queue();
        queue.apply(&Record::Delete(RowKey::Message(key(3))), 2, 0);
        assert_eq!(queue.head.free_from, 3);
        queue.raise_free_from();
        assert_eq!(queue.head.free_from, 4);
        let leaving = crate::rows::Leaving { target: QueueId(2), renewed: false };
        put(&mut queue, Row::Touched(key(1), Touched { leaving: Some(leaving), ..touched(1) }));
        assert_eq!(queue.head.free_from, 1);
        assert!(queue.check_places().is_ok());
        queue.head.free_from = 3;
        assert!(queue.check_places().expect_err("message 2 is free").contains("message 2 is free, below 3"));
    }

    /// A page may show the first message of a skipped lane after the lane's received ones are gone: what is parked
    /// then begins before the free group does.
    #[test]
    fn what_is_parked_may_begin_before_it() {
        let head = queue().head;
        let mut queue = Queue::new(row(), &Settings::default(), 1);
        put(&mut queue, Row::Head(QueueId(1), head));
        put(&mut queue, Row::Touched(key(3), touched(2)));
        put(&mut queue, Row::Touched(key(4), touched(2)));
        queue.window.out(Want::Arrived(key(0)), LoadId(1));
        queue.apply(&Record::Delete(RowKey::Message(key(3))), 2, 1);
        queue.apply(&Record::Delete(RowKey::Message(key(4))), 2, 1);
        let skipped =
            Found { key: key(3), row: MessageRow { lane: Lane(2), ..MessageRow::default() }, blob: None };
        let page = Page { rows: vec![skipped], ..Page::default() };
        queue.window.loaded(LoadId(1), page, 1, &mut queue.lanes, &mut Counts::default(), |_| None);
        assert_eq!((queue.lanes.parked_firsts().next(), queue.head.free_from), (Some((Lane(2), 3)), 4));
        assert!(queue.check_places().is_ok());
    }

    /// What a purge takes is not looked for afterwards, however many groups were in flight.
    #[test]
    fn what_a_purge_takes_is_parked_no_more() {
        let head = queue().head;
        let mut queue = Queue::new(row(), &Settings::default(), 1);
        put(&mut queue, Row::Head(QueueId(1), head));
        put(&mut queue, Row::Touched(key(1), touched(1)));
        put(&mut queue, Row::Touched(key(3), touched(2)));
        queue.begin_at_free();
        queue.lanes.park(Lane(2), 4, 8);
        let cut = Cut { queue: QueueId(1), arrived_below: Some(6), delayed_below: Some(6) };
        queue.apply(&Record::Cut(cut), 2, 1);
        assert_eq!(queue.lanes.parked_firsts().collect::<Vec<_>>(), [(Lane(2), 6)]);
    }

    /// After a start the free group is looked for behind the others, whose messages are parked until they are free.
    #[test]
    fn a_start_begins_there() {
        let head = queue().head;
        let mut queue = Queue::new(row(), &Settings::default(), 1);
        put(&mut queue, Row::Head(QueueId(1), head));
        put(&mut queue, Row::Touched(key(1), touched(1)));
        put(&mut queue, Row::Touched(key(3), touched(2)));
        queue.begin_at_free();
        assert_eq!(queue.window.wants(1, &mut queue.lanes), [Want::Arrived(key(5))]);
        queue.apply(&Record::Delete(RowKey::Message(key(3))), 2, 1);
        let wants = queue.window.wants(1, &mut queue.lanes);
        let lane = |want: &Want| matches!(want, Want::Lane { lane, parked, before } if (lane.0, parked.first, *before) == (2, 4, 5));
        assert!(wants.iter().all(lane) && wants.len() == 1, "{wants:?}");
    }
}

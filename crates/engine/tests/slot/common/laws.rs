//! What must hold after every turn.

use std::collections::BTreeMap;

use engine::ids::{MessageKey, Millis, QueueId};
use engine::rows::{DEDUP_MINUTES, Head, MessageRow, Row, Touched};
use engine::slot::Slot;

use super::store::Store;
use super::{MINUTE, SECOND, SECRET, World};

#[derive(Default)]
struct Rows {
    messages: BTreeMap<MessageKey, MessageRow>,
    touched: BTreeMap<MessageKey, Touched>,
    head: Head,
    fifo: bool,
    delay: Millis,
}

impl World {
    /// Law 1: the view rebuilt from the rows is the live one. The head counts what is there, and the counters
    /// are those of the rows, a second being the finest they know.
    pub fn check_laws(&self) {
        let small = Store::small_rows(&self.store.appended);
        let mut rebuilt = Slot::new(SECRET, self.settings);
        rebuilt.recover(small, self.now);
        let live: Vec<Row> = self.slot.small_rows().into_iter().filter(|row| self.matters(row)).collect();
        let again: Vec<Row> = rebuilt.small_rows().into_iter().filter(|row| self.matters(row)).collect();
        assert_eq!(live, again, "Law 1: the view is not what the rows say");
        for (id, rows) in self.rows_by_queue() {
            rows.check_head(id);
            let counters = rebuilt.counters(id, self.now).expect("the queue");
            let (early, exact) = (rows.count(self.now + SECOND - 1), rows.count(self.now));
            let late = rows.count(self.now.saturating_sub(SECOND - 1));
            assert_eq!(counters.in_flight, exact.1, "in flight of {id:?}");
            let all = exact.0 + exact.2;
            assert_eq!(counters.visible + counters.delayed, all, "visible and delayed of {id:?}");
            assert!(
                (early.2..=late.2).contains(&counters.delayed),
                "{id:?} counts {} delayed, exactly {} are",
                counters.delayed,
                exact.2
            );
        }
    }

    /// Rows that time has made meaningless may be there still, or not.
    fn matters(&self, row: &Row) -> bool {
        let second = self.now / SECOND;
        match row {
            Row::Due(queue, at, _) => match self.is_fifo(*queue) {
                true => *at >= second.saturating_sub(900),
                false => *at > second,
            },
            Row::Attempt(_, row) => row.received + 5 * MINUTE > self.now,
            Row::Dedup(key, _) => key.minute + DEDUP_MINUTES > self.now / MINUTE,
            _ => true,
        }
    }

    fn is_fifo(&self, queue: QueueId) -> bool {
        self.ids.iter().any(|(name, id)| *id == queue && name.ends_with(".fifo"))
    }

    fn rows_by_queue(&self) -> BTreeMap<QueueId, Rows> {
        let mut queues: BTreeMap<QueueId, Rows> = BTreeMap::new();
        for row in self.store.appended.values() {
            let Some(id) = row.key().queue() else { continue };
            let rows = queues.entry(id).or_default();
            match row {
                Row::Queue(_, row) => {
                    rows.fifo = row.name.is_fifo();
                    let delay = row.attributes.get("DelaySeconds");
                    rows.delay = delay.map_or(0, |text| text.parse::<Millis>().expect("a number") * SECOND);
                }
                Row::Head(_, head) => rows.head = *head,
                Row::Message(key, row, _) => drop(rows.messages.insert(*key, row.clone())),
                Row::Touched(key, row) => drop(rows.touched.insert(*key, *row)),
                _ => {}
            }
        }
        queues
    }
}

impl Rows {
    fn check_head(&self, id: QueueId) {
        assert_eq!(self.head.live, self.messages.len() as u64, "{id:?}: the head's count");
        for key in self.touched.keys() {
            assert!(self.messages.contains_key(key), "{id:?}: {key:?} is touched and not there");
        }
        let last = self.messages.keys().map(|key| key.sequence).max().unwrap_or(0);
        assert!(self.head.next_sequence > last, "{id:?}: numbers rise");
    }

    /// Visible, in flight and delayed messages, delayed ones as of `now`.
    fn count(&self, now: Millis) -> (u64, u64, u64) {
        let mut counts = (0, 0, 0);
        for (key, row) in &self.messages {
            let due = if self.fifo { row.sent + self.delay } else { key.rank };
            match self.touched.get(key) {
                Some(touched) if touched.leaving.is_some() => {}
                Some(touched) if touched.deadline > now => counts.1 += 1,
                None if due > now => counts.2 += 1,
                _ => counts.0 += 1,
            }
        }
        counts
    }
}

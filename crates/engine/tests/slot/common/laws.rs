//! What must hold after every turn.

use std::collections::{BTreeMap, BTreeSet};

use engine::command::{Answer, Command, Delivery, Done};
use engine::handle::Handle;
use engine::ids::{MessageKey, Millis, QueueId};
use engine::rows::{Batch, DEDUP_MINUTES, Head, MessageRow, Record, Row, RowKey, Touched};
use engine::slot::Slot;
use engine::{Lane, Request};

use super::store::Store;
use super::{MINUTE, SECOND, SECRET, World};

#[derive(Default)]
struct Rows {
    messages: BTreeMap<MessageKey, MessageRow>,
    touched: BTreeMap<MessageKey, Touched>,
    head: Head,
    fifo: bool,
    delay: Millis,
    /// ms
    retention: Millis,
}

impl World {
    /// What a receive may answer, judged by the rows before its turn: durable, visible messages, of a FIFO group
    /// the first ones; and nothing only if there are none.
    pub fn check_decided(&self, command: &Command, done: &Done, batch: &Batch) {
        let Command::Client { queue, request: Request::ReceiveMessage(get), .. } = command else { return };
        let Ok(Answer::Deliver(deliveries)) = &done.answer else { return };
        let mut rows = self.rows_by_queue().remove(queue).expect("the queue's rows");
        // What the same turn expires or moves to a dead-letter queue is not there for the receive.
        for record in &batch.records {
            match record {
                Record::Delete(RowKey::Message(key)) => drop(rows.messages.remove(key)),
                Record::Put(Row::Touched(key, row)) if row.leaving.is_some() => {
                    rows.messages.remove(key);
                }
                _ => {}
            }
        }
        let keys: Vec<MessageKey> = deliveries.iter().map(|one| self.check_delivery(&rows, one)).collect();
        assert_eq!(
            keys.iter().collect::<BTreeSet<_>>().len(),
            keys.len(),
            "one message twice in one receive"
        );
        assert!(keys.len() <= get.max_number_of_messages.unwrap_or(1) as usize);
        if rows.fifo && get.receive_request_attempt_id.is_none() {
            rows.check_groups(&keys, self.now);
        }
        if keys.is_empty() && rows.touched.len() < 1_000 {
            let on_disk = |key: &MessageKey| self.store.on_disk.contains_key(&RowKey::Message(*key));
            let missed = rows.receivable(self.now).into_iter().find(on_disk);
            assert_eq!(missed, None, "an empty receive, and this one was there");
        }
    }

    fn check_delivery(&self, rows: &Rows, delivery: &Delivery) -> MessageKey {
        let handle = Handle::decode(&SECRET, &delivery.receipt_handle).expect("our handle");
        let key = handle.key;
        let row = rows.messages.get(&key).unwrap_or_else(|| panic!("{key:?} is not there, and delivered"));
        let Some(Row::Message(_, _, blob)) = self.store.on_disk.get(&RowKey::Message(key)) else {
            panic!("{key:?} is not durable, and delivered")
        };
        assert_eq!(*blob, delivery.blob, "{key:?}");
        assert!(row.retained_from + rows.retention > self.now, "{key:?} is expired");
        let touched = rows.touched.get(&key);
        if touched.is_none_or(|row| row.nonce != handle.nonce) {
            assert!(rows.is_visible(&key, self.now), "{key:?} is in flight, leaving or delayed");
            let before = touched.map_or(row.receive_count, |touched| touched.receive_count);
            assert_eq!(delivery.receive_count, before + 1, "{key:?}");
        }
        assert_eq!(delivery.sent, row.sent);
        key
    }

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
                    let seconds = |name: &str, default: u64| {
                        let text = row.attributes.get(name);
                        text.map_or(default, |text| text.parse().expect("a number")) * SECOND
                    };
                    rows.delay = seconds("DelaySeconds", 0);
                    rows.retention = seconds("MessageRetentionPeriod", 345_600);
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

    fn due(&self, key: &MessageKey) -> Millis {
        if self.fifo { self.messages[key].retained_from + self.delay } else { key.rank }
    }

    fn is_visible(&self, key: &MessageKey, now: Millis) -> bool {
        match self.touched.get(key) {
            Some(touched) => touched.leaving.is_none() && touched.deadline <= now,
            None => self.due(key) <= now,
        }
    }

    /// Live messages of each group in order, those that are leaving apart.
    fn groups(&self) -> BTreeMap<Lane, Vec<MessageKey>> {
        let mut groups: BTreeMap<Lane, Vec<MessageKey>> = BTreeMap::new();
        for (key, row) in &self.messages {
            if self.touched.get(key).is_none_or(|touched| touched.leaving.is_none()) {
                groups.entry(row.lane).or_default().push(*key);
            }
        }
        groups
    }

    /// Of each group the first ones are received, and only while none of it is in flight.
    fn check_groups(&self, keys: &[MessageKey], now: Millis) {
        for (lane, group) in self.groups() {
            let received: Vec<_> =
                keys.iter().filter(|key| self.messages[key].lane == lane).copied().collect();
            assert_eq!(received, group[..received.len()], "the first of group {lane:?}, in order");
            let flies = group.iter().any(|key| self.touched.get(key).is_some_and(|one| one.deadline > now));
            assert!(!flies || received.is_empty(), "group {lane:?} has a message in flight");
        }
    }

    /// A message that a receive could be given now, if there is any; of a FIFO group its first.
    fn receivable(&self, now: Millis) -> Vec<MessageKey> {
        let kept = |key: &MessageKey| self.messages[key].retained_from + self.retention > now;
        let free = |key: &MessageKey| self.is_visible(key, now) && kept(key);
        if !self.fifo {
            return self.messages.keys().copied().filter(free).collect();
        }
        let flies = |key: &MessageKey| self.touched.get(key).is_some_and(|touched| touched.deadline > now);
        let groups = self.groups();
        let unlocked = groups.values().filter(|group| !group.iter().any(flies));
        // A delay holds up what was sent later: one moved here with an old time may wait behind it.
        let first_delayed =
            self.messages.keys().find(|key| !self.touched.contains_key(key) && self.due(key) > now);
        let reached = |key: &MessageKey| first_delayed.is_none_or(|first| key < first);
        unlocked.filter_map(|group| group.first().copied()).filter(free).filter(reached).collect()
    }

    /// Visible, in flight and delayed messages, delayed ones as of `now`.
    fn count(&self, now: Millis) -> (u64, u64, u64) {
        let mut counts = (0, 0, 0);
        for key in self.messages.keys() {
            let due = self.due(key);
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

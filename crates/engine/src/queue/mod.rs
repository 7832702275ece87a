//! One queue: the view of its rows, and the window over its messages.
//!
//! [`Queue::apply`] is the only way the view changes. What time alone changes (a return, a message falling due)
//! is derived in [`Queue::advance`] and written nowhere.

pub mod dedup;
pub mod due;
pub mod free;
pub mod gone;
pub mod lanes;
pub mod mover;
pub mod offer;
pub mod touched;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};

use crate::attributes::{Counters, QueueSettings};
use crate::command::{LoadId, Settings};
use crate::ids::{Lsn, MessageKey, Millis, QueueId};
use crate::limits::{self, ATTEMPT_INTERVAL, SECOND};
use crate::rows::*;

use dedup::Dedup;
use due::Due;
use gone::Gone;
use lanes::Lanes;
use mover::Mover;
use touched::{Standing, TouchedSet};
use window::{Entry, Window};

/// The view of one queue's rows.
#[derive(Debug)]
pub struct Queue {
    /// What the catalogue told of it.
    pub row: QueueRow,
    /// The same, typed.
    pub settings: QueueSettings,
    /// Counters that are written at the end of a turn.
    pub head: Head,
    /// Received messages.
    pub touched: TouchedSet,
    /// Counts of delayed messages.
    pub due: Due,
    /// Deduplication ids.
    pub dedup: Dedup,
    /// Receive attempts that can be repeated.
    pub attempts: BTreeMap<AttemptKey, AttemptRow>,
    /// Moved messages whose source may still ask.
    pub arrived: BTreeMap<ArrivedKey, ArrivedRow>,
    /// It is being removed: nothing moves in any more.
    pub removing: bool,
    /// Message move tasks out of this queue.
    pub tasks: BTreeMap<TaskKey, TaskRow>,
    /// Untouched messages in memory.
    pub window: Window,
    /// FIFO groups.
    pub lanes: Lanes,
    /// Messages removed lately, to judge older pages by.
    pub gone: Gone,
    /// Messages on their way to another queue.
    pub mover: Mover,
    /// Expired messages found on disk, to be deleted by the next tick; with what `Due` needs to know.
    pub expired: BTreeMap<MessageKey, MessageRow>,
    /// The search for expired messages that is out.
    pub expiry_load: Option<LoadId>,
    /// The load of returned messages' contents that is out.
    pub body_load: Option<LoadId>,
    /// Returned messages whose contents lie in damaged bytes: not offered until the store is repaired.
    pub unreadable: BTreeSet<MessageKey>,
    /// Bytes of the window that the slot has counted.
    pub counted_bytes: usize,
    /// When expired messages are next looked for, ms.
    pub next_expiry: Millis,
    /// When a running move task may next move something, ms.
    pub next_task_step: Millis,
    /// It waits for a message under way.
    pub task_waits: bool,
    /// When the latest look found that the next FIFO message falls due, ms.
    pub next_due: Option<Millis>,
    /// Up to when time has been seen to pass, ms.
    pub advanced: Millis,
    /// The last batch that changed or was read from this view.
    pub last_lsn: Lsn,
    /// Rows that time has made meaningless: deleted with the next change.
    pub stale: Vec<RowKey>,
    /// Whether the turn changed what the head says.
    pub dirty: bool,
    /// Whether something may have become receivable.
    pub stirred: bool,
    /// Whether a receive was not given all it asked for.
    pub wanted: bool,
    /// Whether a receive was told to wait for a load alone, and nothing has stirred the queue since.
    pub waits_for_load: bool,
}

impl Queue {
    /// The view of a queue just made; `recovered` is 0, or for one that may hold messages the time of the start.
    pub fn new(row: QueueRow, settings: &Settings, recovered: Millis) -> Queue {
        let typed = QueueSettings::of(&row, settings);
        Queue {
            window: Window::new(
                row.id,
                typed.fifo.is_some(),
                settings.window_low,
                typed.delay,
                recovered > 0,
            ),
            row,
            settings: typed,
            head: Head { next_sequence: 1, ..Head::default() },
            touched: TouchedSet::default(),
            due: Due::default(),
            dedup: Dedup::default(),
            attempts: BTreeMap::new(),
            arrived: BTreeMap::new(),
            removing: false,
            tasks: BTreeMap::new(),
            lanes: Lanes::default(),
            gone: Gone::default(),
            mover: Mover::default(),
            expired: BTreeMap::new(),
            expiry_load: None,
            body_load: None,
            unreadable: BTreeSet::new(),
            counted_bytes: 0,
            next_expiry: recovered,
            next_task_step: 0,
            task_waits: false,
            next_due: None,
            advanced: 0,
            last_lsn: 0,
            stale: Vec::new(),
            dirty: false,
            stirred: false,
            wanted: false,
            waits_for_load: false,
        }
    }

    /// The queue's number.
    pub fn id(&self) -> QueueId {
        self.row.id
    }

    /// Whether it is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.settings.fifo.is_some()
    }

    /// Its configuration is now so.
    pub fn configure(&mut self, row: QueueRow, settings: &Settings) {
        self.row = row;
        self.settings = QueueSettings::of(&self.row, settings);
        self.window.set_delay(self.settings.delay, &mut self.lanes);
        self.next_expiry = 0;
        self.stirred = true;
    }

    /// Takes over a record about this queue. `now` is the moment of its batch, or of the start.
    pub fn apply(&mut self, record: &Record, lsn: Lsn, now: Millis) {
        self.last_lsn = self.last_lsn.max(lsn);
        match record {
            Record::Put(row) => self.put(row, lsn, now),
            Record::Delete(RowKey::Message(key)) => self.delete_message(key, lsn),
            Record::Delete(key) => self.delete(key),
            Record::Cut(cut) => self.cut(cut, lsn),
            Record::Drop(_) => {}
        }
    }

    fn put(&mut self, row: &Row, lsn: Lsn, now: Millis) {
        match row {
            Row::Message(key, row, blob) => {
                self.head.next_sequence = self.head.next_sequence.max(key.sequence + 1);
                self.head.live += 1;
                self.head.has_moved |= row.origin.is_some() || row.id.is_some();
                self.dirty = true;
                self.window.sent(*key, Entry { row: row.clone(), blob: blob.clone() }, lsn);
            }
            Row::Touched(key, row) => self.put_touched(*key, *row, now),
            Row::Head(_, head) => {
                self.head = *head;
                self.window.numbered(head.next_sequence);
                self.dirty = true;
            }
            Row::Due(id, second, count) => {
                self.due.put(*second, *count);
                self.means_something(RowKey::Due(*id, *second));
            }
            Row::Dedup(key, row) => self.dedup.put(key, *row),
            Row::Attempt(key, row) => {
                self.attempts.insert(*key, row.clone());
                self.means_something(RowKey::Attempt(*key));
            }
            Row::Arrived(key, row) => drop(self.arrived.insert(*key, *row)),
            Row::Task(key, row) => drop(self.tasks.insert(*key, row.clone())),
            Row::Catalogue(..) | Row::Queue(..) | Row::LastQueue(_) => {}
        }
    }

    /// A row that time had made meaningless is written anew.
    fn means_something(&mut self, key: RowKey) {
        self.stale.retain(|stale| *stale != key);
    }

    fn put_touched(&mut self, key: MessageKey, row: Touched, now: Millis) {
        let entry = self.window.touched(&key, &mut self.lanes);
        let (before, standing) = self.touched.put(key, row, now, self.is_fifo());
        if self.is_fifo() {
            self.leave_lane(&key, row.lane, before);
            match standing {
                Standing::InFlight => self.lanes.fly(row.lane),
                Standing::Returned => self.lanes.give_back(row.lane, key.sequence),
                Standing::Leaving => {}
            }
        }
        match (standing, entry) {
            (Standing::InFlight, _) => drop(self.window.drop_body(&key)),
            (_, Some(entry)) => self.window.keep_body_if_room(key, entry),
            (_, None) => {}
        }
        self.received_left(&key, row.lane, before);
        self.mover.put(key, row.leaving);
        // A receive may wait for the content of one that was visible until now.
        self.stirred |= standing != Standing::InFlight || before == Some(Standing::Returned);
    }

    fn leave_lane(&mut self, key: &MessageKey, lane: crate::Lane, standing: Option<Standing>) {
        match standing {
            Some(Standing::InFlight) => {
                self.lanes.land(lane);
                self.stirred = true;
            }
            Some(Standing::Returned) => self.lanes.take_back(lane, key.sequence),
            Some(Standing::Leaving) | None => {}
        }
    }

    fn remove_touched(&mut self, key: &MessageKey) {
        // At a limit nothing more was offered; below it there may be.
        let at_limit =
            self.touched.in_flight() >= limits::IN_FLIGHT || self.touched.count() >= limits::TOUCHED;
        if let Some((row, standing)) = self.touched.remove(key) {
            // A receive may wait for the content of one that was visible until now.
            self.stirred |= at_limit || standing == Standing::Returned;
            if self.is_fifo() {
                self.leave_lane(key, row.lane, Some(standing));
            }
            self.received_left(key, row.lane, Some(standing));
            self.mover.put(*key, None);
        }
    }

    fn delete_message(&mut self, key: &MessageKey, lsn: Lsn) {
        assert!(self.head.live > 0, "a message is deleted once");
        self.head.live -= 1;
        if self.head.live == 0 {
            self.head.has_moved = false;
        }
        self.dirty = true;
        self.remove_touched(key);
        self.window.removed(key, &mut self.lanes);
        self.expired.remove(key);
        self.unreadable.remove(key);
        self.gone.removed(*key, lsn);
    }

    fn delete(&mut self, key: &RowKey) {
        match key {
            RowKey::Touched(key) => self.remove_touched(key),
            RowKey::Due(_, second) => self.due.put(*second, 0),
            RowKey::Dedup(key) => self.dedup.remove(key),
            RowKey::Attempt(key) => drop(self.attempts.remove(key)),
            RowKey::Arrived(key) => drop(self.arrived.remove(key)),
            RowKey::Task(key) => drop(self.tasks.remove(key)),
            RowKey::Message(_) | RowKey::Head(_) => {}
            RowKey::Catalogue(_) | RowKey::Queue(_) | RowKey::LastQueue => {}
        }
    }

    /// The counters do not follow from a cut: whoever writes one writes the head beside it.
    fn cut(&mut self, cut: &Cut, lsn: Lsn) {
        let taken: Vec<MessageKey> = self
            .touched
            .rows()
            .filter(|(key, row)| cut.takes(key) && row.leaving.is_none())
            .map(|(key, _)| *key)
            .collect();
        for key in &taken {
            self.remove_touched(key);
        }
        let leaving = self.touched.leaving();
        self.window.cut(cut, &mut self.lanes, |key| leaving.contains(key));
        if cut.arrived_below.is_some() && cut.delayed_below.is_some() {
            self.due.clear();
            self.attempts.clear();
        }
        self.expired.retain(|key, _| !cut.takes(key));
        self.unreadable.retain(|key| !cut.takes(key));
        self.gone.cut(*cut, lsn);
        self.stirred = true;
    }

    /// Time is now `now`.
    pub fn advance(&mut self, now: Millis) {
        // Every request says so, and many are of one millisecond: what they do falls due later, at the next one at least.
        if now == self.advanced {
            return;
        }
        let fifo = self.is_fifo();
        for key in self.touched.advance(now, fifo) {
            self.stirred = true;
            if fifo {
                let lane = self.touched.get(&key).map_or(crate::Lane::NONE, |row| row.lane);
                self.lanes.land(lane);
                self.lanes.give_back(lane, key.sequence);
            }
        }
        self.forget_due(now);
        self.stirred |= self.window.fell_due(self.advanced, now);
        self.stirred |= self.next_due.is_some_and(|at| at > self.advanced && at <= now);
        self.advanced = self.advanced.max(now);
        self.dedup.advance(now);
        let id = self.id();
        let old = self.attempts.extract_if(.., |_, row| row.received + ATTEMPT_INTERVAL <= now);
        self.stale.extend(old.map(|(key, _)| RowKey::Attempt(key)));
        debug_assert!(self.stale.iter().all(|key| key.queue() == Some(id)));
    }

    fn forget_due(&mut self, now: Millis) {
        let id = self.id();
        let first_kept = match self.is_fifo() {
            true => Due::fifo_horizon(now),
            false => now / SECOND + 1,
        };
        // What falls due in the running second is read from disk once, at its beginning.
        if !self.is_fifo() && self.due.next_after(0).is_some_and(|second| second <= first_kept) {
            self.window.delayed_may_be_due(now);
        }
        let past = self.due.forget_before(first_kept);
        self.stirred |= !past.is_empty();
        self.stale.extend(past.into_iter().map(|second| RowKey::Due(id, second)));
    }

    /// Every batch up to `lsn` is durable.
    pub fn durable(&mut self, lsn: Lsn, now: Millis) {
        self.stirred |= self.window.durable(lsn, now, &mut self.lanes);
    }

    /// The record that takes an untouched message out of the delayed count, if it is counted there. `came`: its
    /// `retained_from`, which on a FIFO queue is when it came here.
    pub fn leave_due(&self, key: &MessageKey, came: Millis) -> Option<Record> {
        let second = match key.rank {
            0 if self.is_fifo() => Due::second_of_arrival(came),
            0 => return None,
            due => Due::second_of_due(due),
        };
        match self.due.count(second) {
            0 => None,
            1 => Some(Record::Delete(RowKey::Due(self.id(), second))),
            count => Some(Record::Put(Row::Due(self.id(), second, count - 1))),
        }
    }

    /// The record that counts a message among the delayed ones.
    pub fn enter_due(&self, key: &MessageKey, came: Millis) -> Option<Record> {
        let second = match key.rank {
            0 if self.is_fifo() => Due::second_of_arrival(came),
            0 => return None,
            due => Due::second_of_due(due),
        };
        Some(Record::Put(Row::Due(self.id(), second, self.due.count(second) + 1)))
    }

    /// Messages by where they stand at `now`, exact to the second.
    pub fn counters(&self, now: Millis) -> Counters {
        let delayed = match self.is_fifo() {
            true if self.settings.delay == 0 => 0,
            true => self.due.after(now.saturating_sub(self.settings.delay) / SECOND),
            false => self.due.after(now / SECOND),
        };
        let in_flight = self.touched.in_flight() as u64;
        let leaving = self.touched.leaving().len() as u64;
        let visible = self.head.live.saturating_sub(in_flight + leaving + delayed);
        Counters { visible, in_flight, delayed }
    }

    /// When something becomes receivable by time alone, ms.
    pub fn next_offer(&self, now: Millis) -> Option<Millis> {
        let due = match self.is_fifo() {
            true => None,
            // A second's messages are read at its beginning; those of the running one are in the window.
            false => self.due.next_after(now / SECOND + 1).map(|second| (second - 1) * SECOND),
        };
        [self.touched.next_return(), self.window.next_offer(now), due, self.next_due.filter(|at| *at > now)]
            .into_iter()
            .flatten()
            .map(|at| at.max(now + 1))
            .min()
    }

    /// Law 3, as far as memory tells: no message is in two places, and where all of them are in memory there are as
    /// many as the head counts. An error says what is wrong; otherwise how many messages were looked at.
    pub fn check_places(&self) -> Result<usize, String> {
        let looks = self.window.check_places(&self.lanes, |key| self.touched.get(key).is_some())?;
        self.check_free_from()?;
        // What falls due later lies at or after the delayed cursor.
        let delayed = !self.is_fifo() && self.due.rows().next().is_some();
        let untouched = self.window.all_untouched(&self.lanes).filter(|_| !delayed);
        let found = untouched.map(|untouched| (untouched + self.touched.count()) as u64);
        match found.filter(|found| *found != self.head.live) {
            Some(found) => Err(format!(
                "Law 3: {:?} has {} live messages, {found} in a place",
                self.id(),
                self.head.live
            )),
            None => Ok(looks),
        }
    }

    /// The small rows of the view, in key order.
    pub fn small_rows(&self) -> Vec<Row> {
        let id = self.id();
        let mut rows = vec![Row::Queue(id, self.row.clone()), Row::Head(id, self.head)];
        rows.extend(self.touched.rows().map(|(key, row)| Row::Touched(*key, *row)));
        rows.extend(self.due.rows().map(|(second, count)| Row::Due(id, second, count)));
        rows.extend(self.dedup.rows(id));
        rows.extend(self.attempts.iter().map(|(key, row)| Row::Attempt(*key, row.clone())));
        rows.extend(self.arrived.iter().map(|(key, row)| Row::Arrived(*key, *row)));
        rows.extend(self.tasks.iter().map(|(key, row)| Row::Task(*key, row.clone())));
        rows
    }
}

//! The window: untouched messages held ready in memory. A cache, never journalled, empty after a start.
//!
//! Law 3: each live message is in exactly one place: not yet durable (`pending`), touched, in the window, in a
//! parked lane at or after its key, or at or after a cursor.

mod pages;
mod places;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::command::LoadId;
use crate::counts::Count;
use crate::ids::{Lane, Lsn, MessageKey, Millis, QueueId};
use crate::limits::SECOND;
use crate::queue::lanes::{Lanes, Parked};
use crate::rows::{Blob, Cut, MessageRow};

/// Bytes of one queue's window at most; the slot bounds their sum.
const QUEUE_BYTES: usize = 4 << 20;
/// Bytes of contents that are kept of touched messages before they are asked for.
const BODY_BYTES: usize = 1 << 20;
/// Messages not yet durable that a queue keeps room for.
const PENDING_KEPT: usize = 32;
/// Loads of parked lanes out at once.
const LANE_LOADS: usize = 16;
/// What an entry takes beside its blob, bytes.
const ENTRY_BYTES: usize = 256;

/// A message with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its row.
    pub row: MessageRow,
    /// Its sealed content.
    pub blob: Blob,
}

impl Entry {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.blob.len()
    }
}

/// How far one rank of the queue was read.
#[derive(Debug)]
struct Cursor {
    /// Messages from this key on were not read.
    next: MessageKey,
    /// Whether a durable one may be there. If not, what becomes durable enters the window at once.
    unread: bool,
    load: Option<LoadId>,
    /// The next messages lie in damaged bytes.
    damaged: bool,
}

impl Cursor {
    fn new(next: MessageKey, unread: bool) -> Cursor {
        Cursor { next, unread, load: None, damaged: false }
    }

    fn may_load(&self) -> bool {
        self.unread && !self.damaged
    }
}

/// A load that is out, and what happened to its range meanwhile.
#[derive(Debug)]
struct Out {
    what: Want,
    /// Messages of it removed since.
    removed: BTreeSet<MessageKey>,
    cuts: Vec<Cut>,
    /// Delayed cursor: the first message of the range that became durable since.
    missed: Option<MessageKey>,
    /// The cursor went back before the range: the page would leave a gap.
    stale: bool,
}

impl Out {
    fn lane(&self) -> Option<Lane> {
        match self.what {
            Want::Lane { lane, .. } if !self.stale => Some(lane),
            _ => None,
        }
    }

    /// Why the page is not to show this message, if it is not.
    fn hides(&self, key: &MessageKey) -> Option<Count> {
        if self.removed.contains(key) {
            return Some(Count::FilteredDeleted);
        }
        self.cuts.iter().any(|cut| cut.takes(key)).then_some(Count::FilteredCut)
    }
}

/// The window of one queue.
#[derive(Debug)]
pub struct Window {
    queue: QueueId,
    fifo: bool,
    /// See [`crate::command::Settings::window_low`].
    low: usize,
    /// FIFO queues: how long after it came a message is offered, ms.
    delay: Millis,
    entries: BTreeMap<MessageKey, Entry>,
    /// Contents of touched messages that are to be offered or moved.
    bodies: BTreeMap<MessageKey, Entry>,
    bytes: usize,
    /// The part of `bytes` that is in `bodies`.
    body_bytes: usize,
    /// In the order they were sent in: numbers and batches rise.
    pending: VecDeque<(MessageKey, Lsn, Entry)>,
    /// What became durable while the arrived cursor's load was out.
    late: BTreeMap<MessageKey, (Lsn, Entry)>,
    arrived: Cursor,
    delayed: Cursor,
    /// The second whose delayed messages were last looked for.
    second_seen: u64,
    /// Every message is numbered below this.
    end: u64,
    /// FIFO queues: the message at the arrived cursor is not offered before, ms.
    gate: Millis,
    out: BTreeMap<LoadId, Out>,
    damaged_lanes: BTreeSet<Lane>,
    /// Standard queues: what a cursor has passed over because it cannot be read, from and to at most. The messages
    /// there count as the queue's, and are not offered until the store is repaired.
    passed: BTreeMap<MessageKey, MessageKey>,
}

/// What the window wants from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The arrived cursor's next messages, from this key on.
    Arrived(MessageKey),
    /// The delayed cursor's next messages, from the first key up to and including the second.
    Delayed(MessageKey, MessageKey),
    /// Messages of a parked lane, numbered below `before`.
    Lane {
        /// Which lane.
        lane: Lane,
        /// What was parked of it.
        parked: Parked,
        /// Where the arrived cursor stood.
        before: u64,
    },
}

impl Want {
    /// Whether it asks about this message.
    fn covers(&self, key: &MessageKey) -> bool {
        match self {
            Want::Arrived(from) => key.rank == 0 && key.sequence >= from.sequence,
            Want::Delayed(from, to) => (from..=to).contains(&key),
            Want::Lane { parked, before, .. } => {
                key.rank == 0 && (parked.first..*before).contains(&key.sequence)
            }
        }
    }

    /// Whether a message it finds may be offered at `now`.
    fn may_offer(&self, now: Millis) -> bool {
        match self {
            Want::Delayed(from, _) => from.rank <= now,
            Want::Arrived(_) | Want::Lane { .. } => true,
        }
    }
}

/// The last key of rank 0.
fn end_of_arrived(queue: QueueId) -> MessageKey {
    MessageKey { queue, rank: 0, sequence: u64::MAX }
}

impl Window {
    /// The window of a queue that may hold messages on disk (`unread`), or of a new one.
    pub fn new(queue: QueueId, fifo: bool, low: usize, delay: Millis, unread: bool) -> Window {
        let arrived = MessageKey { queue, rank: 0, sequence: 0 };
        let delayed = MessageKey { queue, rank: 1, sequence: 0 };
        Window {
            queue,
            fifo,
            low,
            delay,
            entries: BTreeMap::new(),
            bodies: BTreeMap::new(),
            bytes: 0,
            body_bytes: 0,
            pending: VecDeque::new(),
            late: BTreeMap::new(),
            arrived: Cursor::new(arrived, unread),
            delayed: Cursor::new(delayed, unread && !fifo),
            second_seen: 0,
            end: 0,
            gate: 0,
            out: BTreeMap::new(),
            damaged_lanes: BTreeSet::new(),
            passed: BTreeMap::new(),
        }
    }

    /// A queue that was recovered is read from this number on: what lies before it is touched or parked.
    pub fn begin_at(&mut self, sequence: u64) {
        self.arrived.next.sequence = sequence;
    }

    /// The number from which on messages were not read.
    pub fn cursor(&self) -> u64 {
        self.arrived.next.sequence
    }

    /// The lanes and numbers of the messages it holds.
    pub fn untouched_lanes(&self) -> impl Iterator<Item = (Lane, u64)> {
        self.entries.iter().map(|(key, entry)| (entry.row.lane, key.sequence))
    }

    /// Whether any message is not durable yet.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes it takes, those not yet durable apart (the store bounds them).
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of untouched messages: contents kept of touched ones take none of their place.
    fn entry_bytes(&self) -> usize {
        self.bytes - self.body_bytes
    }

    /// An untouched message of the window.
    pub fn entry(&self, key: &MessageKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The content of a touched message, if it was loaded.
    pub fn body(&self, key: &MessageKey) -> Option<&Entry> {
        self.bodies.get(key)
    }

    /// The window's messages in the order they are offered on a standard queue: by time of arrival, or of
    /// falling due, which is at or before `now`.
    pub fn in_order(&self, now: Millis) -> impl Iterator<Item = (&MessageKey, &Entry)> {
        let queue = self.queue;
        let due = MessageKey { queue, rank: now, sequence: u64::MAX };
        let mut arrived = self.entries.range(..=end_of_arrived(queue)).peekable();
        let mut delayed = self
            .entries
            .range(MessageKey { queue, rank: 1, sequence: 0 }..=due.max(end_of_arrived(queue)))
            .peekable();
        std::iter::from_fn(move || match (arrived.peek(), delayed.peek()) {
            (Some((_, entry)), Some((key, _))) if key.rank < entry.row.sent => delayed.next(),
            (Some(_), _) => arrived.next(),
            (None, _) => delayed.next(),
        })
    }

    /// A message was sent: it waits here until it is durable.
    pub fn sent(&mut self, key: MessageKey, entry: Entry, lsn: Lsn) {
        let rises = self.pending.back().is_none_or(|(last, ..)| last.sequence < key.sequence);
        debug_assert!(rises, "messages are numbered in the order they are sent in");
        self.numbered(key.sequence + 1);
        self.pending.push_back((key, lsn, entry));
    }

    /// The queue's next message is numbered this or higher.
    pub fn numbered(&mut self, next: u64) {
        self.end = self.end.max(next);
    }

    /// A message became touched: it is in the window no more. Its content, if it was here.
    pub fn touched(&mut self, key: &MessageKey, lanes: &mut Lanes) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.bytes();
        if self.fifo {
            lanes.unready(entry.row.lane, key.sequence);
        }
        Some(entry)
    }

    /// The content of a touched message is kept for its next receive or its move.
    pub fn keep_body(&mut self, key: MessageKey, entry: Entry) {
        self.drop_body(&key);
        self.bytes += entry.bytes();
        self.body_bytes += entry.bytes();
        self.bodies.insert(key, entry);
    }

    /// Keeps the content of a touched message if that takes nobody's place: it can be loaded again.
    pub fn keep_body_if_room(&mut self, key: MessageKey, entry: Entry) {
        if self.body_bytes + entry.bytes() <= BODY_BYTES {
            self.keep_body(key, entry);
        }
    }

    /// The content of a touched message is needed no more.
    pub fn drop_body(&mut self, key: &MessageKey) -> Option<Entry> {
        let entry = self.bodies.remove(key)?;
        self.bytes -= entry.bytes();
        self.body_bytes -= entry.bytes();
        Some(entry)
    }

    /// A message is gone. Its row, if it was here untouched.
    pub fn removed(&mut self, key: &MessageKey, lanes: &mut Lanes) {
        for out in self.out.values_mut().filter(|out| out.what.covers(key)) {
            out.removed.insert(*key);
        }
        self.touched(key, lanes);
        self.drop_body(key);
        if let Some(at) = self.place_in_pending(key) {
            self.pending.remove(at);
        }
        self.late.remove(key);
    }

    /// A range of messages is gone. `keeps` tells which contents of touched messages stay (leaving ones).
    pub fn cut(&mut self, cut: &Cut, lanes: &mut Lanes, keeps: impl Fn(&MessageKey) -> bool) {
        for out in self.out.values_mut() {
            out.cuts.push(*cut);
        }
        self.pending.retain(|(key, ..)| !cut.takes(key));
        self.late.retain(|key, _| !cut.takes(key));
        let end = self.end;
        self.passed.retain(|from, to| {
            let below = if from.rank == 0 { cut.arrived_below } else { cut.delayed_below };
            !cut.takes(to) && below.is_none_or(|below| below < end)
        });
        if let Some(below) = cut.arrived_below {
            lanes.cut_parked(below);
        }
        let gone: Vec<_> = self.entries.keys().filter(|key| cut.takes(key)).copied().collect();
        for key in gone {
            self.touched(&key, lanes);
        }
        let gone: Vec<_> = self.bodies.keys().filter(|key| cut.takes(key) && !keeps(key)).copied().collect();
        for key in gone {
            self.drop_body(&key);
        }
    }

    /// Every batch up to `lsn` is durable. Whether a message entered the window.
    pub fn durable(&mut self, lsn: Lsn, now: Millis, lanes: &mut Lanes) -> bool {
        let mut entered = false;
        while let Some((key, at, entry)) = self.pending.pop_front_if(|(_, at, _)| *at <= lsn) {
            if key.rank != 0 {
                self.delay(key, now);
            } else if self.arrived.load.is_some() {
                self.late.insert(key, (at, entry));
            } else {
                entered |= self.arrive(key, entry, now, lanes);
            }
        }
        // A quiet queue keeps no room for the most it ever had under way.
        if self.pending.is_empty() && self.pending.capacity() > PENDING_KEPT {
            self.pending = VecDeque::new();
        }
        entered
    }

    fn place_in_pending(&self, key: &MessageKey) -> Option<usize> {
        self.pending.binary_search_by_key(&key.sequence, |(key, ..)| key.sequence).ok()
    }

    /// A durable message lies at or after the delayed cursor, which perhaps has passed it while it was not durable.
    fn delay(&mut self, key: MessageKey, now: Millis) {
        self.delayed.unread |= key <= self.end_of_second(now);
        self.delayed.next = self.delayed.next.min(key);
        // A page that is out was perhaps made before this message was durable.
        if let Some(out) = self.delayed.load.and_then(|load| self.out.get_mut(&load)) {
            out.missed = Some(out.missed.map_or(key, |missed| missed.min(key)));
        }
    }

    /// A durable message stands at the arrived cursor: it enters the window if nothing unread is before it.
    fn arrive(&mut self, key: MessageKey, entry: Entry, now: Millis, lanes: &mut Lanes) -> bool {
        if self.arrived.unread {
            return false;
        }
        self.arrived.next = key;
        if !self.take(key, entry, now, lanes) {
            self.arrived.unread = true;
            return false;
        }
        self.arrived.next.sequence += 1;
        true
    }

    /// Takes a message at the cursor into the window or its parked lane; `false` leaves it to the cursor.
    fn take(&mut self, key: MessageKey, entry: Entry, now: Millis, lanes: &mut Lanes) -> bool {
        // Keys rise with the time messages came at, so behind one that is held back all are.
        if self.fifo && entry.row.retained_from + self.delay > now {
            self.gate = entry.row.retained_from + self.delay;
            return false;
        }
        let lane = entry.row.lane;
        if self.fifo && !lanes.admits(lane) {
            lanes.park(lane, key.sequence, key.sequence);
            return true;
        }
        if self.entry_bytes() + entry.bytes() > QUEUE_BYTES && !self.entries.is_empty() {
            return false;
        }
        self.admit(key, entry, lanes);
        true
    }

    fn admit(&mut self, key: MessageKey, entry: Entry, lanes: &mut Lanes) {
        if self.fifo {
            lanes.ready(entry.row.lane, key.sequence);
        }
        self.bytes += entry.bytes();
        if let Some(old) = self.entries.insert(key, entry) {
            self.bytes -= old.bytes();
        }
    }

    /// A delayed message may fall due within the running second: it is read once, at its beginning.
    pub fn delayed_may_be_due(&mut self, now: Millis) {
        if self.second_seen == now / SECOND {
            return;
        }
        self.second_seen = now / SECOND;
        self.delayed.unread |= self.delayed.next <= self.end_of_second(now);
    }

    /// When a delayed message of the window is next offered, or the arrived cursor may go on, ms.
    pub fn next_offer(&self, now: Millis) -> Option<Millis> {
        let after = MessageKey { queue: self.queue, rank: now.max(1), sequence: u64::MAX };
        let due = self.entries.range(after..).next().map(|(key, _)| key.rank);
        let gate = (self.arrived.unread && self.gate > now).then_some(self.gate);
        [due, gate].into_iter().flatten().min()
    }

    /// Whether a delayed message of the window fell due after `since`, up to and including `now`.
    pub fn fell_due(&self, since: Millis, now: Millis) -> bool {
        let after = MessageKey { queue: self.queue, rank: since + 1, sequence: 0 };
        self.entries.range(after..).next().is_some_and(|(key, _)| key.rank <= now)
    }

    /// The last key of the running second; `Due` counts what falls due on a full second in the one that ends there.
    fn end_of_second(&self, now: Millis) -> MessageKey {
        MessageKey { queue: self.queue, rank: now / SECOND * SECOND + SECOND, sequence: u64::MAX }
    }

    /// Whether a load that is out, or that will be wished for, could still find something to offer at `now`. Whoever
    /// waits for that waits for nothing else, so the two are the same question.
    pub fn is_cold(&mut self, now: Millis, lanes: &mut Lanes) -> bool {
        self.out.values().any(|out| !out.stale)
            || self.wants(now, lanes).iter().any(|want| want.may_offer(now))
    }

    fn loadable<'a>(&'a self, lanes: &'a Lanes) -> impl Iterator<Item = Lane> + 'a {
        lanes.to_load().filter(|lane| !self.damaged_lanes.contains(lane))
    }

    fn arrived_wants_load(&self, now: Millis) -> bool {
        self.arrived.may_load() && self.gate <= now
    }

    /// Whether it holds so few messages of a rank that reading on is worth it.
    fn is_low(&self, delayed: bool) -> bool {
        let all_arrived = self.entries.last_key_value().is_none_or(|(key, _)| key.rank == 0);
        let few = match delayed {
            _ if self.entries.len() <= self.low => true,
            // Most queues hold nothing delayed: they are not counted each time.
            _ if all_arrived => delayed,
            false => self.entries.range(..=end_of_arrived(self.queue)).nth(self.low).is_none(),
            true => self.entries.range(end_of_arrived(self.queue)..).nth(self.low).is_none(),
        };
        few && self.entry_bytes() < QUEUE_BYTES / 2
    }

    /// Makes room for other groups: what is ready of blocked ones goes back to the disk, parked.
    fn park_blocked(&mut self, lanes: &mut Lanes) {
        for lane in lanes.blocked_and_ready() {
            let ready = lanes.ready_of(lane);
            for sequence in &ready {
                self.touched(&MessageKey { queue: self.queue, rank: 0, sequence: *sequence }, lanes);
            }
            if let (Some(first), Some(last)) = (ready.first(), ready.last()) {
                lanes.park(lane, *first, *last);
            }
        }
    }

    /// What is worth loading now. Each is out until its page comes.
    pub fn wants(&mut self, now: Millis, lanes: &mut Lanes) -> Vec<Want> {
        let mut wants = Vec::new();
        let loading: BTreeSet<Lane> = self.out.values().filter_map(Out::lane).collect();
        let free = LANE_LOADS.saturating_sub(loading.len());
        for lane in self.loadable(lanes).filter(|lane| !loading.contains(lane)).take(free) {
            if let Some(parked) = lanes.parked(lane) {
                wants.push(Want::Lane { lane, parked, before: self.arrived.next.sequence });
            }
        }
        let free_lanes = !loading.is_empty() || !wants.is_empty();
        let arrived = self.arrived_wants_load(now) && self.arrived.load.is_none() && !free_lanes;
        if arrived && self.fifo && !self.is_low(false) {
            self.park_blocked(lanes);
        }
        if arrived && self.is_low(false) {
            wants.push(Want::Arrived(self.arrived.next));
        }
        let to = self.end_of_second(now);
        let delayed = self.delayed.may_load() && self.delayed.load.is_none() && self.delayed.next <= to;
        if delayed && self.is_low(true) {
            wants.push(Want::Delayed(self.delayed.next, to));
        }
        wants
    }

    /// A want is out under this number.
    pub fn out(&mut self, what: Want, load: LoadId) {
        match what {
            Want::Arrived(_) => self.arrived.load = Some(load),
            Want::Delayed(..) => self.delayed.load = Some(load),
            Want::Lane { .. } => {}
        }
        let out = Out { what, removed: BTreeSet::new(), cuts: Vec::new(), missed: None, stale: false };
        self.out.insert(load, out);
    }

    /// A load found damaged bytes: nothing behind them is offered until the store is repaired.
    pub fn damaged(&mut self, load: LoadId) {
        let Some(out) = self.out.remove(&load) else { return };
        match out.what {
            Want::Arrived(_) => self.arrived.damaged = true,
            Want::Delayed(..) => self.delayed.damaged = true,
            Want::Lane { lane, .. } => drop(self.damaged_lanes.insert(lane)),
        }
    }

    /// Whether anything could not be read.
    pub fn is_damaged(&self) -> bool {
        self.arrived.damaged
            || self.delayed.damaged
            || !self.damaged_lanes.is_empty()
            || !self.passed.is_empty()
    }

    /// Gives memory back: everything untouched leaves the window, the cursors go back to it.
    pub fn evict(&mut self, lanes: &mut Lanes) {
        let rank_0 = self.entries.range(..=end_of_arrived(self.queue)).next().map(|(key, _)| key.sequence);
        let delayed = self.entries.range(MessageKey { queue: self.queue, rank: 1, sequence: 0 }..).next();
        if let Some(key) = delayed.map(|(key, _)| *key) {
            self.delayed.next = self.delayed.next.min(key);
            self.delayed.unread = true;
            self.delayed.load = None;
            self.let_go(|what| matches!(what, Want::Delayed(..)));
        }
        if let Some(sequence) = rank_0 {
            self.arrived_back_to(sequence, lanes);
        }
        for key in self.entries.keys().copied().collect::<Vec<_>>() {
            self.touched(&key, lanes);
        }
        for key in self.bodies.keys().copied().collect::<Vec<_>>() {
            self.drop_body(&key);
        }
    }

    /// The arrived cursor goes back: all from this number on is unread again, and pages that are out for what
    /// lies there or behind it would leave a gap.
    fn arrived_back_to(&mut self, sequence: u64, lanes: &mut Lanes) {
        self.arrived.next.sequence = self.arrived.next.sequence.min(sequence);
        self.arrived.unread = true;
        self.arrived.load = None;
        self.gate = 0;
        self.late.clear();
        lanes.unpark_from(sequence);
        self.let_go(|what| !matches!(what, Want::Delayed(..)));
    }

    fn let_go(&mut self, which: impl Fn(&Want) -> bool) {
        for out in self.out.values_mut().filter(|out| which(&out.what)) {
            out.stale = true;
        }
    }

    /// Whether a page is on its way here.
    pub fn is_loading(&self) -> bool {
        !self.out.is_empty()
    }

    /// The queue's delay changed: what is held is read again under the new one.
    pub fn set_delay(&mut self, delay: Millis, lanes: &mut Lanes) {
        if self.delay != delay {
            self.delay = delay;
            self.gate = 0;
            if self.fifo {
                // What is parked is not held up by the cursor's gate, so it is given back to the cursor.
                let first = lanes.first_parked().unwrap_or(self.arrived.next.sequence);
                self.evict(lanes);
                self.arrived_back_to(first, lanes);
            }
        }
    }
}

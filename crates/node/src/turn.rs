//! The turn: time passes, what became durable takes effect, inputs are decided in order, and all records are
//! appended as one batch.

use std::sync::Arc;

use engine::command::{Command, Facts, Internal, Moment};
use engine::limits::{MINUTE, SECOND};
use engine::message::Md5;
use engine::rows::Batch;
use engine::{Code, Count, Entropy, Error, Millis, QueueId, Record, Request, Row};
use store::{Event, Store};

use crate::held::Pending;
use crate::job::{Job, Origin};
use crate::waiters::Waiters;
use crate::{Input, Node, Output, RequestId, send};

/// How long a request waits for room before it is throttled, ms.
pub(crate) const PATIENCE: Millis = SECOND;
/// A step is taken at least this often, ms, so that a jump of the clock is told from an idle time.
pub(crate) const HEARTBEAT: Millis = 30 * SECOND;
/// While sends are refused for want of space, the store looks for some this often, ms.
const LOOK_FOR_SPACE: Millis = SECOND;
/// A step in which this many rounds always brought something new leaves the rest to the next step.
const ROUNDS: usize = 32;
/// Likewise for deliveries and other things that are due.
const DUES: usize = 20_000;
/// A batch this large is appended before anything more is decided; the largest request comes on top.
const BATCH_BYTES: usize = 1 << 20;
/// A row without its blob, in the count of a batch's bytes.
const ROW_BYTES: usize = 160;
/// Batches between two checks of the laws in debug builds, at least.
#[cfg(debug_assertions)]
const CHECK_EVERY: u64 = 64;
/// And a batch for each so many rows that were looked at, so that the cost of a batch does not grow with the rows.
#[cfg(debug_assertions)]
const ROWS_A_BATCH: u64 = 100;

/// A client's request as it came in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub id: RequestId,
    pub identity: Arc<auth::Identity>,
    pub request: Request,
    /// ms
    pub arrived: Millis,
}

impl<S: Store> Node<S> {
    /// Takes the inputs in order as of `now` (ms; taken as it was before if it goes backwards), drives the
    /// store, and returns what comes out. `entropy` seeds all that is drawn. Call it with no inputs when
    /// [`Node::next_deadline`] has passed and when the store may have something to tell.
    pub fn step(&mut self, inputs: Vec<Input>, now: Millis, entropy: u64) -> Vec<Output> {
        if self.dead {
            return Vec::new();
        }
        self.entropy = Entropy(entropy);
        self.pass_time(now);
        let mut inputs = inputs.into_iter();
        let mut dues = DUES;
        self.unfinished = true;
        for _ in 0..ROUNDS {
            let mut news = self.poll();
            if self.dead {
                break;
            }
            self.turn(&mut inputs, &mut dues);
            news |= self.append();
            news |= self.fulfil();
            if !news && self.ready.is_empty() {
                self.unfinished = false;
                break;
            }
        }
        std::mem::take(&mut self.outputs)
    }

    fn pass_time(&mut self, now: Millis) {
        if now > self.now + MINUTE {
            self.counters.clock_jumps += 1;
            let text = format!("the clock went ahead by {} ms since the last step", now - self.now);
            self.outputs.push(Output::Warning(text));
        }
        self.counters.clock_backwards += u64::from(now < self.now);
        self.now = self.now.max(now);
        self.batch.now = self.now;
        for slot in 0..self.slots.len() {
            let due = self.slots[slot].next_deadline().is_some_and(|at| at <= self.now);
            self.slots[slot].advance(self.now);
            if due {
                let command = Command::Internal(Internal::Tick);
                let job = Job { slot, command, origin: Origin::Server { flow: None }, needs: 0 };
                self.decide(job, &Facts::default());
            }
        }
    }

    /// What the store has to tell; whether it was anything.
    fn poll(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.store.poll() {
            any = true;
            match event {
                Event::Durable(lsn) => self.now_durable(lsn),
                Event::Loaded(token, page) => self.loaded(token, page),
                Event::Damaged(token, place) => self.damaged(token, &place),
                Event::Stopped(why) => {
                    self.outputs.push(Output::Fatal(why));
                    self.dead = true;
                    return true;
                }
            }
        }
        self.look_for_space();
        self.room = self.store.room();
        any
    }

    /// Space that others free is found without anything being appended.
    fn look_for_space(&mut self) {
        if self.look_at <= self.now && self.store.room().sends_refused {
            self.look_at = self.now + LOOK_FOR_SPACE;
            self.store.look_for_space();
        }
    }

    fn turn(&mut self, inputs: &mut std::vec::IntoIter<Input>, dues: &mut usize) {
        self.settle(dues);
        self.end_waiters();
        self.admit_crowd();
        let digests = send::digests(inputs.as_slice());
        let mut digests = digests.as_slice();
        for input in inputs {
            let (own, others) = digests.split_at(send::bodies(&input).count());
            digests = others;
            self.input(input, own);
        }
        self.settle(dues);
    }

    /// Does what is due and wakes whom it stirs, until nothing more happens.
    fn settle(&mut self, dues: &mut usize) {
        loop {
            while *dues > 0
                && let Some(due) = self.ready.pop_front()
            {
                *dues -= 1;
                self.perform(due);
            }
            let woken = self.stir();
            if *dues == 0 || (!woken && self.ready.is_empty()) {
                return;
            }
        }
    }

    /// Decides the waiters of stirred queues again, as far as there is room. Whether any was.
    pub(crate) fn stir(&mut self) -> bool {
        for slot in &mut self.slots {
            self.stirred.extend(slot.stirred());
        }
        if self.waiters.is_empty() {
            self.stirred.clear();
        }
        let mut woken = false;
        while self.has_room()
            && let Some(queue) = self.stirred.pop_first()
        {
            woken |= self.wake(queue);
        }
        woken
    }

    /// Decides the waiters of a queue again. Behind a long poll that found nothing, those that wait for a load alone
    /// may find that there is none to wait for any more.
    fn wake(&mut self, queue: QueueId) -> bool {
        let mut woken = self.wake_each(queue, Waiters::oldest);
        if self.waiters.oldest(queue) != self.waiters.oldest_for_load(queue) {
            woken |= self.wake_each(queue, Waiters::oldest_for_load);
        }
        woken
    }

    /// Decides waiters again, the oldest first, up to one that goes on waiting.
    fn wake_each(&mut self, queue: QueueId, next: fn(&Waiters, QueueId) -> Option<RequestId>) -> bool {
        let mut woken = false;
        while let Some(id) = next(&self.waiters, queue) {
            if !self.has_room() {
                self.stirred.insert(queue);
                break;
            }
            let Some(waiter) = self.waiters.remove(queue, id) else { break };
            self.counts.add(Count::Woken);
            self.decide(*waiter.job, &Facts::default());
            if self.waiters.contains(queue, id) {
                break;
            }
            woken = true;
        }
        woken
    }

    /// Decides those again whose wait is over; all of them when the node stops.
    fn end_waiters(&mut self) {
        let end = if self.draining { Millis::MAX } else { self.now };
        for waiter in self.waiters.take_ended(end) {
            self.decide(*waiter.job, &Facts::default());
        }
    }

    /// Takes one input; the MD5s are those of the bodies it sends.
    fn input(&mut self, input: Input, digests: &[Md5]) {
        match input {
            Input::Request { id, identity, request } => {
                let arrived = self.now;
                self.counters.requests += 1;
                self.arrive(Arrival { id, identity, request, arrived }, digests);
            }
            Input::Gone(id) => self.gone(id),
            Input::Undo(undo) if undo.is_empty() => {}
            Input::Undo(undo) => self.undo(undo),
        }
    }

    fn arrive(&mut self, arrival: Arrival, digests: &[Md5]) {
        if self.crowded.is_empty() && self.fits(weight(&arrival.request)) {
            self.request(arrival, digests);
        } else {
            self.remember(arrival.id);
            self.crowded.push_back((arrival, digests.to_vec()));
        }
    }

    /// Admits those that wait for room, in order of arrival; who has waited too long is throttled.
    fn admit_crowd(&mut self) {
        while let Some((first, _)) = self.crowded.front() {
            let fits = self.fits(weight(&first.request));
            if !fits && self.now < first.arrived + PATIENCE {
                return;
            }
            let Some((first, digests)) = self.crowded.pop_front() else { return };
            if self.drop_if_gone(first.id) {
                continue;
            }
            if fits {
                self.request(first, &digests);
            } else {
                self.throttle(first.id);
            }
        }
    }

    fn throttle(&mut self, id: RequestId) {
        self.counters.throttled += 1;
        let text = "The server has more undurable data than it takes. Slow down and try again.";
        let result = Err(Error::new(Code::RequestThrottled, text));
        // Nothing was read for this answer.
        self.reply_after(Pending { id, result, undo: Vec::new() }, 0, Vec::new());
    }

    fn gone(&mut self, id: RequestId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.gone = true;
        if let Some(queue) = live.waits_at {
            self.waiters.remove(queue, id);
            self.live.remove(&id);
        }
    }

    /// Whether this many more bytes may be decided upon.
    fn fits(&self, bytes: usize) -> bool {
        self.batch_bytes + bytes <= self.room.bytes
    }

    /// Whether anything may be decided that is not a client's new request.
    pub(crate) fn has_room(&self) -> bool {
        self.fits(ROW_BYTES)
    }

    pub(crate) fn moment(&mut self) -> Moment {
        Moment { now: self.now, entropy: Entropy(self.entropy.draw()), lsn: self.store.next_lsn() }
    }

    /// Looks at the records that were decided since the last look.
    pub(crate) fn weigh(&mut self) {
        let lsn = self.store.next_lsn();
        for record in &self.batch.records[self.batch_weighed..] {
            self.batch_bytes += record_bytes(record);
            self.loads.note(lsn, record);
        }
        self.batch_weighed = self.batch.records.len();
    }

    pub(crate) fn keep_batch_small(&mut self) {
        if self.batch_bytes >= BATCH_BYTES {
            self.append();
        }
    }

    /// Ends a turn: everything decided becomes one batch. Whether there was anything.
    pub(crate) fn append(&mut self) -> bool {
        let lsn = self.store.next_lsn();
        self.slots.iter_mut().for_each(|slot| slot.close(&mut self.batch, lsn));
        if self.batch.records.is_empty() {
            self.rest_before(lsn);
            return false;
        }
        self.weigh();
        let batch = Batch { now: self.now, records: Vec::with_capacity(self.batch.records.len()) };
        let batch = std::mem::replace(&mut self.batch, batch);
        (self.batch_bytes, self.batch_weighed) = (0, 0);
        self.counters.batches += 1;
        let appended = self.store.append(batch);
        assert_eq!(appended, lsn, "the store numbers batches as it said");
        self.room = self.store.room();
        #[cfg(debug_assertions)]
        self.check_laws_now_and_then();
        true
    }

    #[cfg(debug_assertions)]
    fn check_laws_now_and_then(&mut self) {
        if self.counters.batches >= self.next_check {
            let rows = self.check_laws().expect("the laws hold") as u64;
            self.next_check = self.counters.batches + CHECK_EVERY.max(rows / ROWS_A_BATCH);
        }
    }
}

/// About how many bytes a record takes.
fn record_bytes(record: &Record) -> usize {
    match record {
        Record::Put(Row::Message(_, _, blob)) => ROW_BYTES + blob.len(),
        _ => ROW_BYTES,
    }
}

/// About how many bytes a request will append.
fn weight(request: &Request) -> usize {
    let of = |message: &engine::request::Message| {
        let attributes = message.message_attributes.values();
        let values = attributes.map(|value| {
            value.string_value.as_ref().map_or(0, String::len)
                + value.binary_value.as_ref().map_or(0, bytes::Bytes::len)
                + ROW_BYTES
        });
        message.message_body.len() + values.sum::<usize>() + 2 * ROW_BYTES
    };
    match request {
        Request::SendMessage { message, .. } => of(message),
        Request::SendMessageBatch { entries, .. } => entries.iter().map(|entry| of(&entry.message)).sum(),
        _ => 8 * ROW_BYTES,
    }
}

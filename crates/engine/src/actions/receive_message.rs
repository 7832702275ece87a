//! ReceiveMessage: short and long polls, receive attempts, and taking a receive back that nobody saw.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>

use std::ops::RangeInclusive;

use crate::asks::Ask;
use crate::command::{Answer, Decision, Delivery, Done, Undo};
use crate::counts::Count;
use crate::errors::{Code, Error};
use crate::handle::Handle;
use crate::ids::{MessageKey, Millis, Purpose};
use crate::limits::{
    ATTEMPT_INTERVAL, ID_LENGTH, IN_FLIGHT, MAX_NUMBER_OF_MESSAGES, SECOND, VISIBILITY_TIMEOUT,
    WAIT_TIME_SECONDS,
};
use crate::queue::Queue;
use crate::queue::window::Entry;
use crate::request::ReceiveMessage;
use crate::rows::{AttemptKey, AttemptRow, Leaving, Record, Row, RowKey, Touched};
use crate::turn::{Turn, answer};

/// A request whose members are in range, with the queue's defaults filled in.
struct Poll {
    most: usize,
    /// ms
    visibility: Millis,
    /// ms; 0 is a short poll.
    wait: Millis,
    attempt: Option<AttemptKey>,
}

/// Decides a receive that came in at `arrived` (ms).
pub fn decide(queue: &mut Queue, turn: &mut Turn, request: &ReceiveMessage, arrived: Millis) -> Decision {
    let poll = match poll(queue, turn, request) {
        Ok(poll) => poll,
        Err(error) => return answer(queue, Err(error)),
    };
    if let Some(repeat) = repeat_attempt(queue, turn, &poll) {
        return repeat;
    }
    let ends = arrived + poll.wait;
    let free = IN_FLIGHT.saturating_sub(queue.touched.in_flight());
    if free == 0 && !queue.is_fifo() && poll.wait == 0 {
        let text =
            "The maximum number of in flight messages is reached. Delete messages before receiving more.";
        return answer(queue, Err(Error::new(Code::OverLimit, text)));
    }
    let picks = pick(queue, turn, poll.most.min(free));
    if !picks.is_empty() {
        return deliver(queue, turn, &poll, picks);
    }
    if turn.now < ends {
        return Decision::Wait { until: Some(ends) };
    }
    if free > 0 && queue.is_cold(turn.now) {
        (queue.wanted, queue.waits_for_load) = (true, true);
        return Decision::Wait { until: None };
    }
    if queue.window.is_damaged() {
        let text = "The next messages of this queue lie in a damaged part of the store.";
        return answer(queue, Err(Error::new(Code::InternalFailure, text)));
    }
    done(queue, Vec::new(), Vec::new())
}

/// Errors, first that applies: MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds, ReceiveRequestAttemptId.
fn poll(queue: &Queue, turn: &Turn, request: &ReceiveMessage) -> Result<Poll, Error> {
    let most = request.max_number_of_messages.unwrap_or(1);
    in_range("MaxNumberOfMessages", most, MAX_NUMBER_OF_MESSAGES)?;
    let visibility = match request.visibility_timeout {
        None => queue.settings.visibility_timeout,
        Some(seconds) => {
            in_range("VisibilityTimeout", seconds, VISIBILITY_TIMEOUT)?;
            seconds as Millis * SECOND
        }
    };
    let wait = match request.wait_time_seconds {
        None => queue.settings.wait,
        Some(seconds) => {
            in_range("WaitTimeSeconds", seconds, WAIT_TIME_SECONDS)?;
            seconds as Millis * SECOND
        }
    };
    let attempt = attempt(queue, turn, request.receive_request_attempt_id.as_deref())?;
    Ok(Poll { most: most as usize, visibility, wait, attempt })
}

/// `InvalidParameterValue` unless the number is in range.
pub fn in_range(parameter: &str, value: i64, range: RangeInclusive<i64>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let reason = format!("Must be >= {} and <= {}, if provided.", range.start(), range.end());
    Err(Error::invalid_parameter(parameter, value, &reason))
}

fn attempt(queue: &Queue, turn: &Turn, id: Option<&str>) -> Result<Option<AttemptKey>, Error> {
    let Some(id) = id else { return Ok(None) };
    let parameter = "ReceiveRequestAttemptId";
    if !queue.is_fifo() {
        let reason = "The request include parameter that is not valid for this queue type";
        return Err(Error::invalid_parameter(parameter, id, reason));
    }
    if !ID_LENGTH.contains(&id.chars().count()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "It can only include alphanumeric and punctuation characters. 1 to 128 in length.";
        return Err(Error::invalid_parameter(parameter, id, reason));
    }
    let hash = turn.secret.hash(Purpose::Attempt, &[id.as_bytes()]);
    Ok(Some(AttemptKey { queue: queue.id(), hash }))
}

type Pick = (MessageKey, Option<Touched>, Entry);

/// Chooses messages to hand out; on the way it expires and dead-letters what may not be.
fn pick(queue: &mut Queue, turn: &mut Turn, most: usize) -> Vec<Pick> {
    let redrive = queue.settings.redrive.as_ref();
    let target = redrive.and_then(|redrive| Some((turn.catalogue.named(&redrive.target)?.0.id, redrive)));
    let (target, dead_after) = target.map(|(id, redrive)| (id, redrive.max_receive_count)).unzip();
    loop {
        let plan = queue.plan(turn.now, most, dead_after, u64::MAX);
        queue.next_due = plan.undue;
        for (key, sent) in plan.expired {
            expire(queue, turn, key, sent);
        }
        for (key, touched) in plan.dead {
            let leaving = target.map(|target| Leaving { target, renewed: false });
            turn.emit(queue, Record::Put(Row::Touched(key, Touched { leaving, ..touched })));
            turn.counts.add(Count::LeftForDeadLetters);
        }
        if !plan.bounded || !plan.picks.is_empty() {
            return plan.picks;
        }
    }
}

/// Deletes an expired message; when it came is known of an untouched one.
pub fn expire(queue: &mut Queue, turn: &mut Turn, key: MessageKey, came: Option<Millis>) {
    turn.leave_due(queue, &key, came);
    turn.emit(queue, Record::Delete(RowKey::Message(key)));
    turn.counts.add(Count::Expired);
    if queue.window.is_loading() {
        turn.counts.add(Count::ExpiredMeanwhile);
    }
}

fn deliver(queue: &mut Queue, turn: &mut Turn, poll: &Poll, picks: Vec<Pick>) -> Decision {
    let deadline = turn.now + poll.visibility;
    let mut deliveries = Vec::with_capacity(picks.len());
    let mut undo = Vec::with_capacity(picks.len());
    for (key, before, entry) in picks {
        let nonce = turn.entropy.draw();
        let came = before.is_none().then_some(entry.row.retained_from);
        turn.leave_due(queue, &key, came);
        let before = before.unwrap_or_else(|| untouched(&entry));
        let touched = received(turn.now, deadline, nonce, before);
        turn.emit(queue, Record::Put(Row::Touched(key, touched)));
        undo.push(Undo { key, nonce, before });
        deliveries.push(delivery(queue, turn, key, &touched, entry));
    }
    if let Some(key) = poll.attempt {
        let messages = undo.iter().map(|one| (one.key, one.nonce)).collect();
        let row = AttemptRow { received: turn.now, deadline, messages };
        turn.emit(queue, Record::Put(Row::Attempt(key, row)));
        // Its retry is to get the same messages, so it is never taken back.
        undo.clear();
    }
    done(queue, deliveries, undo)
}

/// What a message is before its first receive here.
pub fn untouched(entry: &Entry) -> Touched {
    let row = &entry.row;
    Touched {
        receive_count: row.receive_count,
        received_before: row.receive_count,
        first_received: row.first_received,
        lane: row.lane,
        retained_from: row.retained_from,
        ..Touched::default()
    }
}

fn received(now: Millis, deadline: Millis, nonce: u64, before: Touched) -> Touched {
    let first_received = if before.first_received == 0 { now } else { before.first_received };
    Touched {
        receive_count: before.receive_count.saturating_add(1),
        first_received,
        last_received: now,
        deadline,
        nonce,
        ..before
    }
}

fn delivery(queue: &Queue, turn: &Turn, key: MessageKey, touched: &Touched, entry: Entry) -> Delivery {
    let handle = Handle { key, received: touched.last_received, nonce: touched.nonce };
    let message_id = entry.row.id.unwrap_or_else(|| turn.secret.message_id(key.queue, key.sequence));
    let moved_fifo = queue.is_fifo() && entry.row.id.is_some();
    Delivery {
        message_id,
        receipt_handle: handle.encode(turn.secret),
        blob: entry.blob,
        sent: entry.row.sent,
        receive_count: touched.receive_count,
        first_received: touched.first_received,
        sequence_number: queue.is_fifo().then_some(key.sequence),
        origin_arn: entry.row.origin.map(|origin| origin.arn),
        renamed_deduplication_id: moved_fifo.then(|| message_id.to_string()),
    }
}

/// A standard queue's receive rests on nothing: it offers durable messages only, and its own record may be
/// forgotten by a crash. A FIFO queue's order does rest on it.
fn done(queue: &mut Queue, deliveries: Vec<Delivery>, undo: Vec<Undo>) -> Decision {
    let rests = if queue.is_fifo() { queue.last_lsn } else { 0 };
    queue.wanted = true;
    Decision::Done(Done { answer: Ok(Answer::Deliver(deliveries)), rests, undo, then: Vec::new() })
}

/// A repeated attempt gets the same messages and handles, while all of them are in flight and unmodified. One that has
/// expired may still be in flight for a while: it is gone for receives.
fn repeat_attempt(queue: &mut Queue, turn: &mut Turn, poll: &Poll) -> Option<Decision> {
    let key = poll.attempt?;
    let attempt = queue.attempts.get(&key).filter(|row| turn.now < row.received + ATTEMPT_INTERVAL)?.clone();
    let rows: Vec<Touched> = attempt
        .messages
        .iter()
        .map(|(key, nonce)| queue.touched.get(key).filter(|row| row.nonce == *nonce).copied())
        .collect::<Option<_>>()?;
    let in_flight = |row: &Touched| row.deadline > turn.now && row.deadline == attempt.deadline;
    let retention = queue.settings.retention;
    let is_there = |row: &Touched| row.leaving.is_none() && row.retained_from + retention > turn.now;
    if !rows.iter().all(|row| in_flight(row) && is_there(row)) {
        return None;
    }
    let keys: Vec<MessageKey> = attempt.messages.iter().map(|(key, _)| *key).collect();
    let facts = turn.facts;
    let Some(page) = facts.pages.first() else { return Some(Decision::Need(vec![Ask::Body(keys)])) };
    // The page is in key order, as an attempt's messages need not be.
    let entry = |key| {
        page.rows
            .iter()
            .find(|found| found.key == key)
            .and_then(|found| Some(Entry { row: found.row.clone(), blob: found.blob.clone()? }))
    };
    let entries: Vec<Entry> = keys.iter().map(|key| entry(*key)).collect::<Option<_>>()?;
    let deadline = turn.now + poll.visibility;
    let mut deliveries = Vec::with_capacity(rows.len());
    for ((message, row), entry) in keys.into_iter().zip(rows).zip(entries) {
        let touched = Touched { deadline, ..row };
        turn.emit(queue, Record::Put(Row::Touched(message, touched)));
        deliveries.push(delivery(queue, turn, message, &touched, entry));
    }
    turn.emit(queue, Record::Put(Row::Attempt(key, AttemptRow { deadline, ..attempt })));
    Some(done(queue, deliveries, Vec::new()))
}

/// Takes back what nobody saw: the row is put back as it was, count included.
pub fn undo(queue: &mut Queue, turn: &mut Turn, undo: &[Undo]) {
    for one in undo {
        let Some(touched) = queue.touched.get(&one.key).copied() else { continue };
        if touched.nonce != one.nonce || touched.leaving.is_some() {
            turn.counts.add(Count::UndoneTooLate);
            continue;
        }
        turn.counts.add(Count::Undone);
        let before = Touched { deadline: one.before.deadline.min(turn.now), ..one.before };
        turn.emit(queue, Record::Put(Row::Touched(one.key, before)));
    }
}

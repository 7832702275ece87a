//! SendMessage and SendMessageBatch.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use crate::attributes::Fifo;
use crate::command::{Decision, Sealed};
use crate::errors::{Code, Error};
use crate::ids::{Lane, MessageKey, Millis, Purpose, Secret};
use crate::limits::{DELAY_SECONDS, MINUTE, SECOND};
use crate::queue::Queue;
use crate::reply::{BatchReply, Reply, SentMessage};
use crate::rows::{DedupHash, DedupKey, DedupRow, MessageRow, Record, Row};
use crate::turn::{Turn, answer};

/// Decides the entries one by one, each applied before the next.
pub fn decide(
    queue: &mut Queue,
    turn: &mut Turn,
    entries: &[(String, Result<Sealed, Error>)],
    batch: bool,
) -> Decision {
    let mut outcomes = Vec::with_capacity(entries.len());
    for (id, sealed) in entries {
        let outcome = sealed.as_ref().map_err(Clone::clone).and_then(|sealed| send(queue, turn, sealed));
        outcomes.push((id.clone(), outcome));
    }
    if batch {
        return answer(queue, Ok(Reply::SendMessageBatch(BatchReply { entries: outcomes })));
    }
    let single = outcomes.pop().map(|(_, outcome)| outcome);
    let single = single.unwrap_or_else(|| Err(Error::missing_parameter("MessageBody")));
    answer(queue, single.map(Reply::SendMessage))
}

/// Sends one message. Errors, first that applies: too long; on FIFO queues no group, a delay of its own, neither
/// id nor content to deduplicate by; on standard queues a deduplication id; a delay out of range.
fn send(queue: &mut Queue, turn: &mut Turn, sealed: &Sealed) -> Result<SentMessage, Error> {
    check_size(queue, sealed)?;
    let delay = delay(queue, sealed)?;
    let hash = match queue.settings.fifo {
        Some(fifo) => Some(deduplication_hash(&fifo, turn.secret, sealed)?),
        None if sealed.deduplication_id.is_some() => return Err(not_for_standard(sealed)),
        None => None,
    };
    let duplicate = hash.and_then(|hash| queue.dedup.find(hash, turn.now));
    if let Some(first) = duplicate {
        let id = first.id.unwrap_or_else(|| turn.secret.message_id(queue.id(), first.sequence));
        return Ok(sent(sealed, id, Some(first.sequence)));
    }
    let key = put(queue, turn, sealed, delay);
    if let Some(hash) = hash {
        remember(queue, turn, hash, key.sequence);
    }
    let id = turn.secret.message_id(key.queue, key.sequence);
    Ok(sent(sealed, id, hash.map(|_| key.sequence)))
}

fn sent(sealed: &Sealed, message_id: crate::MessageId, sequence_number: Option<u64>) -> SentMessage {
    SentMessage {
        message_id,
        md5_of_message_body: sealed.digests.md5_of_message_body,
        md5_of_message_attributes: sealed.digests.md5_of_message_attributes,
        md5_of_message_system_attributes: sealed.digests.md5_of_message_system_attributes,
        sequence_number,
    }
}

fn check_size(queue: &Queue, sealed: &Sealed) -> Result<(), Error> {
    let most = queue.settings.maximum_message_size;
    if sealed.size > most {
        let text =
            format!("One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.");
        return Err(Error::new(Code::InvalidParameterValue, text));
    }
    Ok(())
}

/// The delay in ms: the message's, or on standard queues else the queue's. FIFO messages have none of their own.
fn delay(queue: &Queue, sealed: &Sealed) -> Result<Millis, Error> {
    let fifo = queue.is_fifo();
    if fifo && sealed.group.is_none() {
        return Err(Error::missing_parameter("MessageGroupId"));
    }
    match sealed.delay_seconds {
        None | Some(0) if fifo => Ok(0),
        Some(seconds) if fifo => {
            let reason = "The request include parameter that is not valid for this queue type";
            Err(Error::invalid_parameter("DelaySeconds", seconds, reason))
        }
        None => Ok(queue.settings.delay),
        Some(seconds) if DELAY_SECONDS.contains(&seconds) => Ok(seconds as Millis * SECOND),
        Some(seconds) => {
            let reason = "DelaySeconds must be >= 0 and <= 900.";
            Err(Error::invalid_parameter("DelaySeconds", seconds, reason))
        }
    }
}

fn not_for_standard(sealed: &Sealed) -> Error {
    let id = sealed.deduplication_id.as_deref().unwrap_or_default();
    let reason = "The request include parameter that is not valid for this queue type";
    Error::invalid_parameter("MessageDeduplicationId", id, reason)
}

/// What a FIFO message is deduplicated by: its id, or else its content, within the queue or the group.
fn deduplication_hash(fifo: &Fifo, secret: &Secret, sealed: &Sealed) -> Result<DedupHash, Error> {
    let content = sealed.content_hash.as_deref().filter(|_| fifo.content_based_deduplication);
    let id = sealed.deduplication_id.as_deref().or(content).ok_or_else(|| {
        let text = "The queue should either have ContentBasedDeduplication enabled or \
                    MessageDeduplicationId provided explicitly";
        Error::new(Code::InvalidParameterValue, text)
    })?;
    Ok(hash(fifo, secret, sealed.group.as_deref().map_or(Lane::NONE, |group| secret.lane(group)), id))
}

/// The hash of a deduplication id in its scope.
pub fn hash(fifo: &Fifo, secret: &Secret, lane: Lane, id: &str) -> DedupHash {
    let scope = if fifo.deduplication_per_group { lane.0 } else { 0 };
    secret.hash(Purpose::Dedup, &[&scope.to_le_bytes(), id.as_bytes()]).into()
}

/// Remembers the id of a message sent now.
pub fn remember(queue: &mut Queue, turn: &mut Turn, hash: DedupHash, sequence: u64) {
    let key = DedupKey { queue: queue.id(), minute: turn.now / MINUTE, hash };
    let row = DedupRow { sequence, sent: turn.now, id: None };
    turn.emit(queue, Record::Put(Row::Dedup(key, row)));
}

fn put(queue: &mut Queue, turn: &mut Turn, sealed: &Sealed, delay: Millis) -> MessageKey {
    let rank = if delay == 0 { 0 } else { turn.now + delay };
    let key = MessageKey { queue: queue.id(), rank, sequence: queue.head.next_sequence };
    let row = MessageRow {
        lane: sealed.group.as_deref().map_or(Lane::NONE, |group| turn.secret.lane(group)),
        sent: turn.now,
        retained_from: turn.now,
        size: sealed.size as u32,
        ..MessageRow::default()
    };
    turn.emit(queue, Record::Put(Row::Message(key, row, sealed.blob.clone())));
    if let Some(record) = queue.enter_due(&key, turn.now) {
        turn.emit(queue, record);
    }
    key
}

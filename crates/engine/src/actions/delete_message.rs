//! DeleteMessage and DeleteMessageBatch.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>

use crate::asks::Ask;
use crate::batch::check_ids;
use crate::command::Decision;
use crate::errors::{Code, Error};
use crate::handle::Handle;
use crate::ids::{MessageKey, Millis};
use crate::limits::VISIBILITY_TOTAL;
use crate::queue::Queue;
use crate::reply::{BatchReply, Reply};
use crate::request::DeleteEntry;
use crate::rows::{MessageRow, Record, RowKey};
use crate::turn::{Turn, answer};

/// Decides a single delete.
pub fn decide(queue: &mut Queue, turn: &mut Turn, receipt_handle: &str) -> Decision {
    let handle = read(queue, turn, receipt_handle);
    if let Some(need) = needs_exists(queue, turn, [&handle]) {
        return need;
    }
    let outcome = handle.and_then(|handle| delete(queue, turn, &handle));
    answer(queue, outcome.map(|()| Reply::DeleteMessage))
}

/// Decides a batch entry by entry; what is wrong with the batch as a whole comes first.
pub fn decide_batch(queue: &mut Queue, turn: &mut Turn, entries: &[DeleteEntry]) -> Decision {
    let ids = entries.iter().map(|entry| entry.id.as_str());
    if let Err(error) = check_ids("DeleteMessageBatchRequestEntry", ids) {
        return answer(queue, Err(error));
    }
    let handles: Vec<_> = entries.iter().map(|entry| read(queue, turn, &entry.receipt_handle)).collect();
    if let Some(need) = needs_exists(queue, turn, &handles) {
        return need;
    }
    let mut outcomes = Vec::with_capacity(entries.len());
    for (entry, handle) in entries.iter().zip(handles) {
        outcomes.push((entry.id.clone(), handle.and_then(|handle| delete(queue, turn, &handle))));
    }
    answer(queue, Ok(Reply::DeleteMessageBatch(BatchReply { entries: outcomes })))
}

/// Reads a handle of this queue; nonsense and another queue's handle are `ReceiptHandleIsInvalid`.
pub fn read(queue: &Queue, turn: &Turn, text: &str) -> Result<Handle, Error> {
    if text.is_empty() {
        return Err(Error::missing_parameter("ReceiptHandle"));
    }
    let handle = Handle::decode(turn.secret, text)?;
    if handle.key.queue != queue.id() {
        let text = "The input receipt handle is invalid: it is another queue's.";
        return Err(Error::new(Code::ReceiptHandleIsInvalid, text));
    }
    Ok(handle)
}

/// A standard receive may have been forgotten by a crash. Whether its message is there, untouched, only the store
/// knows.
pub fn needs_exists<'a>(
    queue: &Queue,
    turn: &Turn,
    handles: impl IntoIterator<Item = &'a Result<Handle, Error>>,
) -> Option<Decision> {
    let unknown: Vec<MessageKey> = handles
        .into_iter()
        .flatten()
        .filter(|handle| forgotten(queue, handle) && judge(queue, turn, &handle.key).is_none())
        .map(|handle| handle.key)
        .collect();
    (!unknown.is_empty()).then(|| Decision::Need(vec![Ask::Exists(unknown)]))
}

/// Whether the receive behind a handle may have been forgotten by a crash. No time can tell: after a crash the
/// clock may stand before the receive. A message deleted lately is known to be; else it is asked for, which only a
/// delete long after another one needs.
pub fn forgotten(queue: &Queue, handle: &Handle) -> bool {
    !queue.is_fifo() && queue.touched.get(&handle.key).is_none() && !queue.gone.holds(&handle.key)
}

/// What the fetched page says of an untouched message: its row if it is there, or that it is not. `None` if there is
/// no page, or one too old to judge by.
fn judge<'a>(queue: &Queue, turn: &'a Turn, key: &MessageKey) -> Option<Option<&'a MessageRow>> {
    let page = turn.facts.pages.first()?;
    let found = page.rows.iter().find(|found| found.key == *key).map(|found| &found.row);
    if found.is_some() && queue.gone.since(page.lsn, key)? {
        return Some(None);
    }
    Some(found)
}

/// The row of an untouched message whose receive was forgotten, if the message is there.
pub fn found_forgotten<'a>(queue: &Queue, turn: &'a Turn, handle: &Handle) -> Option<&'a MessageRow> {
    match forgotten(queue, handle) {
        true => judge(queue, turn, &handle.key).flatten(),
        false => None,
    }
}

/// Deletes by a handle. On standard queues any handle of the message does; what is gone or leaving is a success.
fn delete(queue: &mut Queue, turn: &mut Turn, handle: &Handle) -> Result<(), Error> {
    if turn.now >= handle.received + VISIBILITY_TOTAL {
        return Err(expired(handle));
    }
    let Some(touched) = queue.touched.get(&handle.key).copied() else {
        if let Some(sent) = found_forgotten(queue, turn, handle).map(|row| row.sent) {
            super::receive_message::expire(queue, turn, handle.key, Some(sent));
        }
        return Ok(());
    };
    if touched.leaving.is_some() {
        return Ok(());
    }
    if queue.is_fifo() && !holds(&touched, handle, turn.now) {
        return Err(expired(handle));
    }
    turn.emit(queue, Record::Delete(RowKey::Message(handle.key)));
    Ok(())
}

/// Whether the message is in flight under this very handle.
pub fn holds(touched: &crate::rows::Touched, handle: &Handle, now: Millis) -> bool {
    touched.nonce == handle.nonce && touched.deadline > now
}

/// The handle no longer stands for its message.
pub fn expired(_handle: &Handle) -> Error {
    let text = "Value for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.";
    Error::new(Code::InvalidParameterValue, text)
}

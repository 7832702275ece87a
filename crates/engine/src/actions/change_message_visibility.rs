//! ChangeMessageVisibility and ChangeMessageVisibilityBatch.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>

use crate::actions::delete_message::{expired, found_forgotten, holds, needs_exists, read};
use crate::actions::receive_message::in_range;
use crate::batch::check_ids;
use crate::command::Decision;
use crate::errors::{Code, Error};
use crate::handle::Handle;
use crate::ids::Millis;
use crate::limits::{SECOND, VISIBILITY_TIMEOUT, VISIBILITY_TOTAL};
use crate::queue::Queue;
use crate::reply::{BatchReply, Reply};
use crate::request::VisibilityEntry;
use crate::rows::{Record, Row, Touched};
use crate::turn::{Turn, answer};

/// Decides a single change.
pub fn decide(queue: &mut Queue, turn: &mut Turn, receipt_handle: &str, seconds: i64) -> Decision {
    let handle = read(queue, turn, receipt_handle);
    if let Some(need) = needs_exists(queue, turn, [&handle]) {
        return need;
    }
    let outcome = handle.and_then(|handle| change(queue, turn, &handle, Some(seconds)));
    answer(queue, outcome.map(|()| Reply::ChangeMessageVisibility))
}

/// Decides a batch entry by entry; what is wrong with the batch as a whole comes first.
pub fn decide_batch(queue: &mut Queue, turn: &mut Turn, entries: &[VisibilityEntry]) -> Decision {
    let ids = entries.iter().map(|entry| entry.id.as_str());
    if let Err(error) = check_ids("ChangeMessageVisibilityBatchRequestEntry", ids) {
        return answer(queue, Err(error));
    }
    let handles: Vec<_> = entries.iter().map(|entry| read(queue, turn, &entry.receipt_handle)).collect();
    if let Some(need) = needs_exists(queue, turn, &handles) {
        return need;
    }
    let mut outcomes = Vec::with_capacity(entries.len());
    for (entry, handle) in entries.iter().zip(handles) {
        let outcome = handle.and_then(|handle| change(queue, turn, &handle, entry.visibility_timeout));
        outcomes.push((entry.id.clone(), outcome));
    }
    answer(queue, Ok(Reply::ChangeMessageVisibilityBatch(BatchReply { entries: outcomes })))
}

/// Errors, first that applies: the handle, no timeout, the timeout's range, 12 hours in all, a message that is gone
/// or has a newer handle, on FIFO queues one that is visible again.
fn change(queue: &mut Queue, turn: &mut Turn, handle: &Handle, seconds: Option<i64>) -> Result<(), Error> {
    let seconds = seconds.ok_or_else(|| Error::missing_parameter("VisibilityTimeout"))?;
    in_range("VisibilityTimeout", seconds, VISIBILITY_TIMEOUT)?;
    let deadline = turn.now + seconds as Millis * SECOND;
    if deadline > handle.received + VISIBILITY_TOTAL {
        let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        return Err(Error::invalid_parameter("VisibilityTimeout", seconds, reason));
    }
    let forgotten = found_forgotten(queue, turn, handle).map(|row| Touched {
        receive_count: row.receive_count + 1,
        received_before: row.receive_count,
        first_received: if row.first_received == 0 { handle.received } else { row.first_received },
        last_received: handle.received,
        nonce: handle.nonce,
        lane: row.lane,
        retained_from: row.retained_from,
        ..Touched::default()
    });
    let touched = queue.touched.get(&handle.key).copied().or(forgotten);
    let touched =
        touched.filter(|row| row.nonce == handle.nonce && row.leaving.is_none()).ok_or_else(gone)?;
    if queue.is_fifo() && !holds(&touched, handle, turn.now) {
        return Err(expired(handle));
    }
    turn.emit(queue, Record::Put(Row::Touched(handle.key, Touched { deadline, ..touched })));
    Ok(())
}

fn gone() -> Error {
    let text = "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
                for visibility timeout change.";
    Error::new(Code::InvalidParameterValue, text)
}

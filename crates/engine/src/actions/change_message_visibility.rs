//! ChangeMessageVisibility and ChangeMessageVisibilityBatch.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>

use crate::actions::by_handle::{self, expired, found_forgotten, holds};
use crate::actions::receive_message::in_range;
use crate::command::Decision;
use crate::errors::{Code, Error};
use crate::handle::Handle;
use crate::ids::Millis;
use crate::limits::{SECOND, VISIBILITY_TIMEOUT, VISIBILITY_TOTAL};
use crate::queue::Queue;
use crate::reply::Reply;
use crate::request::VisibilityEntry;
use crate::rows::{MessageRow, Record, Row, Touched};
use crate::turn::Turn;

/// Decides a single change.
pub fn decide(queue: &mut Queue, turn: &mut Turn, receipt_handle: &str, seconds: i64) -> Decision {
    by_handle::single(queue, turn, receipt_handle, Some(seconds), change, Reply::ChangeMessageVisibility)
}

/// Decides a batch entry by entry.
pub fn decide_batch(queue: &mut Queue, turn: &mut Turn, entries: &[VisibilityEntry]) -> Decision {
    let name = "ChangeMessageVisibilityBatchRequestEntry";
    let entries = entries.iter().map(|entry| (&*entry.id, &*entry.receipt_handle, entry.visibility_timeout));
    by_handle::batch(queue, turn, name, entries, change, Reply::ChangeMessageVisibilityBatch)
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
    let forgotten = found_forgotten(queue, turn, handle);
    let came = forgotten.map(|row| row.retained_from);
    let forgotten = forgotten.map(|row| received_by(handle, row));
    let touched = queue.touched.get(&handle.key).copied().or(forgotten);
    let touched =
        touched.filter(|row| row.nonce == handle.nonce && row.leaving.is_none()).ok_or_else(gone)?;
    if queue.is_fifo() && !holds(&touched, handle, turn.now) {
        return Err(expired());
    }
    turn.leave_due(queue, &handle.key, came);
    turn.emit(queue, Record::Put(Row::Touched(handle.key, Touched { deadline, ..touched })));
    Ok(())
}

/// What the receive that a crash forgot had made of its message.
fn received_by(handle: &Handle, row: &MessageRow) -> Touched {
    Touched {
        receive_count: row.receive_count + 1,
        received_before: row.receive_count,
        first_received: if row.first_received == 0 { handle.received } else { row.first_received },
        last_received: handle.received,
        nonce: handle.nonce,
        lane: row.lane,
        retained_from: row.retained_from,
        ..Touched::default()
    }
}

fn gone() -> Error {
    let text = "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
                for visibility timeout change.";
    Error::new(Code::InvalidParameterValue, text)
}

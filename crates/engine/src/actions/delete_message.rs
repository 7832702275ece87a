//! DeleteMessage and DeleteMessageBatch.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>

use crate::actions::by_handle::{self, expired, found_forgotten, holds};
use crate::command::Decision;
use crate::errors::Error;
use crate::handle::Handle;
use crate::limits::VISIBILITY_TOTAL;
use crate::queue::Queue;
use crate::reply::Reply;
use crate::request::DeleteEntry;
use crate::rows::{Record, RowKey};
use crate::turn::Turn;

/// Decides a single delete.
pub fn decide(queue: &mut Queue, turn: &mut Turn, receipt_handle: &str) -> Decision {
    by_handle::single(queue, turn, receipt_handle, (), delete, Reply::DeleteMessage)
}

/// Decides a batch entry by entry.
pub fn decide_batch(queue: &mut Queue, turn: &mut Turn, entries: &[DeleteEntry]) -> Decision {
    let name = "DeleteMessageBatchRequestEntry";
    let entries = entries.iter().map(|entry| (&*entry.id, &*entry.receipt_handle, ()));
    by_handle::batch(queue, turn, name, entries, delete, Reply::DeleteMessageBatch)
}

/// Deletes by a handle. On standard queues any handle of the message does; what is gone or leaving is a success.
fn delete(queue: &mut Queue, turn: &mut Turn, handle: &Handle, (): ()) -> Result<(), Error> {
    if turn.now >= handle.received + VISIBILITY_TOTAL {
        return Err(expired());
    }
    let Some(touched) = queue.touched.get(&handle.key).copied() else {
        if let Some(came) = found_forgotten(queue, turn, handle).map(|row| row.retained_from) {
            super::receive_message::expire(queue, turn, handle.key, Some(came));
        }
        return Ok(());
    };
    if touched.leaving.is_some() {
        return Ok(());
    }
    if queue.is_fifo() && !holds(&touched, handle, turn.now) {
        return Err(expired());
    }
    turn.emit(queue, Record::Delete(RowKey::Message(handle.key)));
    Ok(())
}

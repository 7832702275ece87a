//! CancelMessageMoveTask.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html>

use crate::command::Decision;
use crate::errors::Error;
use crate::handle::{decode_task, no_such_task};
use crate::queue::Queue;
use crate::reply::Reply;
use crate::rows::{Record, Row, TaskRow, TaskStatus};
use crate::turn::{Turn, answer};

/// Stops a running task; messages already leaving still arrive.
pub fn decide(queue: &mut Queue, turn: &mut Turn, task_handle: &str) -> Decision {
    let cancelled = cancel(queue, turn, task_handle);
    answer(
        queue,
        cancelled.map(|moved| Reply::CancelMessageMoveTask { approximate_number_of_messages_moved: moved }),
    )
}

fn cancel(queue: &mut Queue, turn: &mut Turn, task_handle: &str) -> Result<u64, Error> {
    let key = decode_task(turn.secret, task_handle)?;
    let running = queue.tasks.get(&key).filter(|task| task.status == TaskStatus::Running);
    let task = running.cloned().ok_or_else(no_such_task)?;
    let moved = task.moved;
    let row = TaskRow { status: TaskStatus::Cancelling, ..task };
    turn.emit(queue, Record::Put(Row::Task(key, row)));
    queue.next_task_step = turn.now;
    Ok(moved)
}

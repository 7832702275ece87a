//! ListMessageMoveTasks.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html>

use crate::actions::receive_message::in_range;
use crate::command::Decision;
use crate::handle::encode_task;
use crate::limits::MOVE_TASK_RESULTS;
use crate::queue::Queue;
use crate::reply::{MoveTask, Reply};
use crate::rows::{TaskKey, TaskRow, TaskStatus};
use crate::turn::{Turn, answer};

/// The newest tasks of a source, newest first; one if the request does not say how many.
pub fn decide(queue: &Queue, turn: &Turn, max_results: Option<i64>) -> Decision {
    let most = max_results.unwrap_or(1);
    if let Err(error) = in_range("MaxResults", most, MOVE_TASK_RESULTS) {
        return answer(queue, Err(error));
    }
    let newest = queue.tasks.iter().rev().take(most as usize);
    let results = newest.map(|(key, task)| show(queue, turn, key, task)).collect();
    answer(queue, Ok(Reply::ListMessageMoveTasks { results }))
}

fn show(queue: &Queue, turn: &Turn, key: &TaskKey, task: &TaskRow) -> MoveTask {
    let running = task.status == TaskStatus::Running;
    MoveTask {
        task_handle: running.then(|| encode_task(turn.secret, key)),
        status: task.status.as_str(),
        source_arn: queue.row.name.arn(),
        destination_arn: task.destination.as_ref().map(|origin| origin.arn.clone()),
        max_number_of_messages_per_second: task.rate,
        approximate_number_of_messages_moved: task.moved,
        approximate_number_of_messages_to_move: Some(task.to_move),
        failure_reason: task.failure.clone(),
        started_timestamp: task.started,
    }
}

//! StartMessageMoveTask, and the steps of a running task.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>

use crate::actions::receive_message::{expire, in_range, untouched};
use crate::catalogue::Catalogue;
use crate::command::Decision;
use crate::counts::Count;
use crate::errors::{Code, Error};
use crate::handle::encode_task;
use crate::ids::{Millis, QueueId, QueueName};
use crate::limits::{MOVE_TASK_DURATION, MOVE_TASK_RATE, MOVE_TASK_RESULTS, MOVE_TASKS_PER_ACCOUNT, SECOND};
use crate::queue::Queue;
use crate::queue::window::Entry;
use crate::reply::Reply;
use crate::rows::{Leaving, Origin, Record, Row, RowKey, TaskKey, TaskRow, TaskStatus, Touched};
use crate::turn::{Turn, answer};

/// Messages a task without a rate moves in one step.
const STEP: usize = 100;
/// Messages under way at most before a task marks more.
const UNDER_WAY: usize = 1_000;
/// Steps a second of a task with a rate, at most.
const STEPS_A_SECOND: u64 = 10;
/// How long a task waits for a load, ms.
const PAUSE: Millis = 10;
/// How long a task waits at most for a message under way, ms: others may have become visible.
const WAIT: Millis = SECOND;

/// Starts a task out of `queue`. `running` counts the account's running tasks.
pub fn decide(
    queue: &mut Queue,
    turn: &mut Turn,
    destination_arn: Option<&str>,
    rate: Option<i64>,
    running: usize,
) -> Decision {
    match task(queue, turn, destination_arn, rate, running) {
        Ok(row) => {
            let number =
                queue.tasks.keys().next_back().map_or(turn.now, |last| turn.now.max(last.number + 1));
            let key = TaskKey { queue: queue.id(), number };
            turn.emit(queue, Record::Put(Row::Task(key, row)));
            forget_old(queue, turn);
            queue.next_task_step = turn.now;
            let task_handle = encode_task(turn.secret, &key);
            answer(queue, Ok(Reply::StartMessageMoveTask { task_handle }))
        }
        Err(error) => answer(queue, Err(error)),
    }
}

/// Errors, first that applies: the rate's range; a source that is no dead-letter queue; a destination that is not
/// there, is the source, or is of the other type; a task running already; too many running tasks.
fn task(
    queue: &Queue,
    turn: &Turn,
    destination_arn: Option<&str>,
    rate: Option<i64>,
    running: usize,
) -> Result<TaskRow, Error> {
    if let Some(rate) = rate {
        in_range("MaxNumberOfMessagesPerSecond", rate, MOVE_TASK_RATE)?;
    }
    if !is_dead_letter_queue(turn.catalogue, &queue.row.name) {
        let reason = "Source queue must be configured as a Dead Letter Queue.";
        return Err(Error::invalid_parameter("SourceArn", queue.row.name.arn(), reason));
    }
    let destination = destination_arn.map(|arn| destination(queue, turn.catalogue, arn)).transpose()?;
    if queue.tasks.values().any(is_active) {
        let reason = "There is already a task running. Only one active task is allowed for a source queue arn \
                      at a given time.";
        return Err(Error::invalid_parameter("SourceArn", queue.row.name.arn(), reason));
    }
    if running >= MOVE_TASKS_PER_ACCOUNT {
        let text = "An account runs at most 100 message movement tasks at a time.";
        return Err(Error::new(Code::RequestThrottled, text));
    }
    let counters = queue.counters(turn.now);
    Ok(TaskRow {
        destination,
        rate: rate.map(|rate| rate as u32),
        status: TaskStatus::Running,
        started: turn.now,
        moved: 0,
        to_move: counters.visible,
        until_sequence: queue.head.next_sequence,
        failure: None,
    })
}

fn is_dead_letter_queue(catalogue: &Catalogue, name: &QueueName) -> bool {
    let targets = |row: &crate::rows::QueueRow| {
        let policy = row.attributes.get("RedrivePolicy");
        policy.and_then(|text| crate::redrive::RedrivePolicy::parse(text).ok()).map(|policy| policy.target)
    };
    catalogue.queues().any(|row| row.id != QueueId(0) && targets(row).as_ref() == Some(name))
}

fn destination(queue: &Queue, catalogue: &Catalogue, arn: &str) -> Result<Origin, Error> {
    let name = QueueName::from_arn(arn)
        .ok_or_else(|| Error::invalid_parameter("DestinationArn", arn, "It is not the ARN of a queue."))?;
    let row = catalogue.named(&name).map(|(row, _)| row).ok_or_else(|| {
        Error::new(
            Code::ResourceNotFound,
            "The resource that you specified for the DestinationArn parameter doesn't exist.",
        )
    })?;
    if row.id == queue.id() {
        return Err(Error::invalid_parameter("DestinationArn", arn, "It must differ from SourceArn."));
    }
    if name.is_fifo() != queue.is_fifo() {
        return Err(Error::invalid_parameter(
            "DestinationArn",
            arn,
            "It must be of the same type as the source.",
        ));
    }
    Ok(Origin { queue: row.id, arn: arn.to_owned() })
}

/// Whether a task may still move messages.
pub fn is_active(task: &TaskRow) -> bool {
    matches!(task.status, TaskStatus::Running | TaskStatus::Cancelling)
}

/// Only as many finished tasks are kept as ListMessageMoveTasks can show.
fn forget_old(queue: &mut Queue, turn: &mut Turn) {
    let kept = *MOVE_TASK_RESULTS.end() as usize;
    while queue.tasks.len() > kept {
        let Some(oldest) = queue.tasks.keys().next().copied() else { return };
        turn.emit(queue, Record::Delete(RowKey::Task(oldest)));
    }
}

/// Takes the running task of a queue a step further.
pub fn step(queue: &mut Queue, turn: &mut Turn) {
    let active = queue.tasks.iter().next_back().filter(|(_, task)| is_active(task));
    let Some((key, task)) = active.map(|(key, task)| (*key, task.clone())) else {
        queue.next_task_step = Millis::MAX;
        return;
    };
    if turn.now < queue.next_task_step {
        return;
    }
    queue.task_waits = false;
    let stepped = match task.status {
        TaskStatus::Cancelling => cancel(queue, turn.now, task),
        _ if turn.now >= task.started + MOVE_TASK_DURATION => fail(task, "The task ran for 36 hours."),
        _ => mark(queue, turn, task),
    };
    if queue.tasks.get(&key) != Some(&stepped) {
        match stepped.status {
            TaskStatus::Completed => turn.counts.add(Count::TaskCompleted),
            TaskStatus::Failed => turn.counts.add(Count::TaskFailed),
            _ => {}
        }
        turn.emit(queue, Record::Put(Row::Task(key, stepped)));
    }
}

/// Nothing can be done until a message under way has arrived, or has come back.
fn wait(queue: &mut Queue, now: Millis) {
    queue.task_waits = true;
    queue.next_task_step = now + WAIT;
}

/// A message is no longer under way: a task that waits for that goes on.
pub fn go_on(queue: &mut Queue, now: Millis) {
    if std::mem::take(&mut queue.task_waits) {
        queue.next_task_step = now;
    }
}

fn cancel(queue: &mut Queue, now: Millis, task: TaskRow) -> TaskRow {
    if queue.touched.leaving().is_empty() {
        return TaskRow { status: TaskStatus::Cancelled, ..task };
    }
    wait(queue, now);
    task
}

fn fail(task: TaskRow, reason: &str) -> TaskRow {
    TaskRow { status: TaskStatus::Failed, failure: Some(reason.to_owned()), ..task }
}

/// Marks the next visible messages as leaving, oldest first.
fn mark(queue: &mut Queue, turn: &mut Turn, mut task: TaskRow) -> TaskRow {
    let (most, pause) = pace(&task);
    queue.next_task_step = turn.now + pause;
    if queue.touched.leaving().len() >= UNDER_WAY {
        wait(queue, turn.now);
        return task;
    }
    let plan = queue.plan(turn.now, most, None, task.until_sequence);
    let nothing = plan.picks.is_empty() && plan.expired.is_empty();
    for (key, came) in plan.expired {
        expire(queue, turn, key, came);
    }
    for (key, touched, entry) in plan.picks {
        let target = match target(turn.catalogue, &task, &entry) {
            Ok(target) => target,
            Err(reason) => return fail(task, reason),
        };
        let came = touched.is_none().then_some(entry.row.retained_from);
        turn.leave_due(queue, &key, came);
        let row = leaving(touched, &entry, target);
        turn.emit(queue, Record::Put(Row::Touched(key, row)));
        turn.counts.add(Count::LeftByTask);
        task.moved += 1;
    }
    if nothing && queue.is_cold(turn.now) {
        queue.wanted = true;
        queue.next_task_step = turn.now + PAUSE;
    } else if nothing && queue.touched.leaving().is_empty() {
        return TaskRow { status: TaskStatus::Completed, ..task };
    } else if nothing {
        wait(queue, turn.now);
    }
    task
}

/// Messages of a step, and ms until the next.
fn pace(task: &TaskRow) -> (usize, Millis) {
    let Some(rate) = task.rate.map(u64::from).filter(|rate| *rate > 0) else { return (STEP, 1) };
    let messages = rate.div_ceil(STEPS_A_SECOND);
    (messages as usize, (messages * SECOND).div_ceil(rate))
}

fn target(catalogue: &Catalogue, task: &TaskRow, entry: &Entry) -> Result<QueueId, &'static str> {
    let origin = task.destination.as_ref().or(entry.row.origin.as_ref());
    let origin = origin.ok_or("CouldNotDetermineMessageSource")?;
    match catalogue.by_id(origin.queue) {
        Some(_) => Ok(origin.queue),
        None => Err("AWS.SimpleQueueService.NonExistentQueue"),
    }
}

fn leaving(touched: Option<Touched>, entry: &Entry, target: QueueId) -> Touched {
    let before = touched.unwrap_or_else(|| untouched(entry));
    Touched { leaving: Some(Leaving { target, renewed: true }), ..before }
}

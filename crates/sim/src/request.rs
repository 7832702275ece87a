//! The model's words as the service's requests.

use engine::Request;
use engine::request::{DeleteEntry, Message, Pairs, ReceiveMessage, SendEntry, VisibilityEntry};

use crate::model::{
    BY_CONTENT, Body, Call, Change, HandleAt, MessageAt, Model, Policy, QueueAt, Shape, group_id,
};

/// The account of every client.
pub const ACCOUNT: &str = "000000000000";
/// The region of every request.
pub const REGION: &str = "us-east-1";

/// The request that makes this call.
pub fn request(model: &Model, call: &Call) -> Request {
    let url = |queue: QueueAt| format!("/{ACCOUNT}/{}", model.queues[queue].name);
    let arn = |queue: QueueAt| arn(model, queue);
    match call {
        Call::Create { shape, .. } => create(model, shape),
        Call::Remove { queue } => Request::DeleteQueue { queue_url: url(*queue) },
        Call::Purge { queue } => Request::PurgeQueue { queue_url: url(*queue) },
        Call::Set { queue, change } => {
            Request::SetQueueAttributes { queue_url: url(*queue), attributes: changed(model, change) }
        }
        Call::Counters { queue } => {
            Request::GetQueueAttributes { queue_url: url(*queue), attribute_names: vec!["All".into()] }
        }
        Call::Locate { queue } => Request::GetQueueUrl {
            queue_name: model.queues[*queue].name.clone(),
            queue_owner_aws_account_id: None,
        },
        Call::Send { queue, messages, batch } => send(model, url(*queue), messages, *batch),
        Call::Receive { queue, most, timeout, wait, attempt } => Request::ReceiveMessage(ReceiveMessage {
            queue_url: url(*queue),
            message_system_attribute_names: vec!["All".into()],
            message_attribute_names: vec!["All".into()],
            max_number_of_messages: Some(*most as i64),
            visibility_timeout: timeout.map(|seconds| seconds as i64),
            wait_time_seconds: Some(*wait as i64),
            receive_request_attempt_id: attempt.map(|attempt| format!("attempt-{attempt}")),
        }),
        Call::Delete { queue, handles, batch } => delete(model, url(*queue), handles, *batch),
        Call::Change { queue, entries, batch } => change(model, url(*queue), entries, *batch),
        Call::Forge { queue } => {
            let receipt_handle = forged(model);
            Request::DeleteMessage { queue_url: url(*queue), receipt_handle }
        }
        Call::Move { source, destination } => Request::StartMessageMoveTask {
            source_arn: arn(*source),
            destination_arn: destination.map(arn),
            max_number_of_messages_per_second: None,
        },
        Call::Moves { source } => {
            Request::ListMessageMoveTasks { source_arn: arn(*source), max_results: None }
        }
    }
}

fn arn(model: &Model, queue: QueueAt) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", model.queues[queue].name)
}

/// A handle that was given out, with one character changed; or nonsense.
fn forged(model: &Model) -> String {
    let Some(held) = model.handles.last() else { return "nonsense".into() };
    let mut text = held.text.clone().into_bytes();
    let at = model.handles.len() % text.len();
    text[at] = if text[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8_lossy(&text).into_owned()
}

fn create(model: &Model, shape: &Shape) -> Request {
    let mut attributes: Pairs = [
        ("VisibilityTimeout", shape.timeout),
        ("DelaySeconds", shape.delay),
        ("MessageRetentionPeriod", shape.retention),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_string()))
    .collect();
    if let Some(policy) = shape.policy {
        attributes.insert("RedrivePolicy".into(), redrive(model, policy));
    }
    if shape.name.ends_with(".fifo") {
        let scope = if shape.per_group { "messageGroup" } else { "queue" };
        attributes.insert("FifoQueue".into(), "true".into());
        attributes.insert("ContentBasedDeduplication".into(), shape.by_content.to_string());
        attributes.insert("DeduplicationScope".into(), scope.into());
    }
    Request::CreateQueue { queue_name: shape.name.clone(), attributes, tags: Pairs::new() }
}

fn redrive(model: &Model, policy: Policy) -> String {
    let target = arn(model, policy.target);
    format!("{{\"deadLetterTargetArn\":\"{target}\",\"maxReceiveCount\":{}}}", policy.most)
}

fn changed(model: &Model, change: &Change) -> Pairs {
    let (name, value) = match change {
        Change::Timeout(value) => ("VisibilityTimeout", value.to_string()),
        Change::Delay(value) => ("DelaySeconds", value.to_string()),
        Change::Retention(value) => ("MessageRetentionPeriod", value.to_string()),
        Change::Policy(None) => ("RedrivePolicy", String::new()),
        Change::Policy(Some(policy)) => ("RedrivePolicy", redrive(model, *policy)),
    };
    [(name.to_owned(), value)].into()
}

fn message(model: &Model, at: MessageAt) -> Message {
    let message = &model.messages[at];
    let body = Body { message: at, size: message.size };
    let fifo = model.queues[message.home].fifo;
    let explicit = fifo && message.dedup < BY_CONTENT;
    Message {
        message_body: body.text(),
        delay_seconds: message.own_delay.map(|delay| (delay / 1_000) as i64),
        message_attributes: body.attributes(),
        message_system_attributes: Default::default(),
        message_deduplication_id: explicit.then(|| format!("dedup-{}", message.dedup)),
        message_group_id: (message.group > 0).then(|| group_id(message.group)),
    }
}

fn send(model: &Model, queue_url: String, messages: &[MessageAt], batch: bool) -> Request {
    if !batch {
        return Request::SendMessage { queue_url, message: message(model, messages[0]) };
    }
    let entry = |(at, message_at): (usize, &MessageAt)| SendEntry {
        id: at.to_string(),
        message: message(model, *message_at),
    };
    Request::SendMessageBatch { queue_url, entries: messages.iter().enumerate().map(entry).collect() }
}

fn delete(model: &Model, queue_url: String, handles: &[HandleAt], batch: bool) -> Request {
    let text = |handle: HandleAt| model.handles[handle].text.clone();
    if !batch {
        return Request::DeleteMessage { queue_url, receipt_handle: text(handles[0]) };
    }
    let entry =
        |(at, handle): (usize, &HandleAt)| DeleteEntry { id: at.to_string(), receipt_handle: text(*handle) };
    Request::DeleteMessageBatch { queue_url, entries: handles.iter().enumerate().map(entry).collect() }
}

fn change(model: &Model, queue_url: String, entries: &[(HandleAt, u64)], batch: bool) -> Request {
    let text = |handle: HandleAt| model.handles[handle].text.clone();
    if !batch {
        let (handle, seconds) = entries[0];
        return Request::ChangeMessageVisibility {
            queue_url,
            receipt_handle: text(handle),
            visibility_timeout: seconds as i64,
        };
    }
    let entry = |(at, (handle, seconds)): (usize, &(HandleAt, u64))| VisibilityEntry {
        id: at.to_string(),
        receipt_handle: text(*handle),
        visibility_timeout: Some(*seconds as i64),
    };
    let entries = entries.iter().enumerate().map(entry).collect();
    Request::ChangeMessageVisibilityBatch { queue_url, entries }
}

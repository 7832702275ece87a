//! The one conversion from a reply to its members, for all protocols.

use std::borrow::Cow;

use engine::message::Md5;
use engine::reply::{
    BatchReply, MoveTask, ReceivedMessage, SentMessage, StoredValue, Value as AttributeValue,
};
use engine::request::Pairs;
use engine::{Action, Error, Reply};

use crate::UrlBase;
use crate::shapes::{
    self, CHANGED_ENTRY, DELETED_ENTRY, FAILED_ENTRY, MESSAGE, MESSAGE_ATTRIBUTE_VALUE, MOVE_TASK,
    SENT_ENTRY, Structure,
};
use crate::value::{Fields, Value};

/// The action that a reply answers.
pub fn action(reply: &Reply) -> Action {
    match reply {
        Reply::AddPermission => Action::AddPermission,
        Reply::CancelMessageMoveTask { .. } => Action::CancelMessageMoveTask,
        Reply::ChangeMessageVisibility => Action::ChangeMessageVisibility,
        Reply::ChangeMessageVisibilityBatch(_) => Action::ChangeMessageVisibilityBatch,
        Reply::CreateQueue { .. } => Action::CreateQueue,
        Reply::DeleteMessage => Action::DeleteMessage,
        Reply::DeleteMessageBatch(_) => Action::DeleteMessageBatch,
        Reply::DeleteQueue => Action::DeleteQueue,
        Reply::GetQueueAttributes { .. } => Action::GetQueueAttributes,
        Reply::GetQueueUrl { .. } => Action::GetQueueUrl,
        Reply::ListDeadLetterSourceQueues { .. } => Action::ListDeadLetterSourceQueues,
        Reply::ListMessageMoveTasks { .. } => Action::ListMessageMoveTasks,
        Reply::ListQueueTags { .. } => Action::ListQueueTags,
        Reply::ListQueues { .. } => Action::ListQueues,
        Reply::PurgeQueue => Action::PurgeQueue,
        Reply::ReceiveMessage { .. } => Action::ReceiveMessage,
        Reply::RemovePermission => Action::RemovePermission,
        Reply::SendMessage(_) => Action::SendMessage,
        Reply::SendMessageBatch(_) => Action::SendMessageBatch,
        Reply::SetQueueAttributes => Action::SetQueueAttributes,
        Reply::StartMessageMoveTask { .. } => Action::StartMessageMoveTask,
        Reply::TagQueue => Action::TagQueue,
        Reply::UntagQueue => Action::UntagQueue,
    }
}

/// The members of a reply; none for an action without output.
pub fn convert<'a>(reply: &'a Reply, base: &UrlBase) -> Option<Fields<'a>> {
    let output = shapes::of(action(reply)).output.as_ref()?;
    let fields = Fields::of(output);
    Some(match reply {
        Reply::SendMessage(sent) => sent_message(fields, sent),
        Reply::ReceiveMessage { messages } => fields.with("Messages", list(messages, received_message)),
        Reply::SendMessageBatch(batch) => batch_reply(fields, batch, &SENT_ENTRY, sent_message),
        Reply::DeleteMessageBatch(batch) => batch_reply(fields, batch, &DELETED_ENTRY, |entry, ()| entry),
        Reply::ChangeMessageVisibilityBatch(batch) => {
            batch_reply(fields, batch, &CHANGED_ENTRY, |entry, ()| entry)
        }
        Reply::CancelMessageMoveTask { approximate_number_of_messages_moved: moved } => {
            fields.with("ApproximateNumberOfMessagesMoved", number(*moved))
        }
        Reply::CreateQueue { queue } | Reply::GetQueueUrl { queue } => {
            fields.with("QueueUrl", Value::Text(Cow::Owned(base.queue_url(queue))))
        }
        Reply::GetQueueAttributes { attributes } => fields.with("Attributes", pairs(attributes)),
        Reply::ListDeadLetterSourceQueues { queues, next_token } => fields
            .with("queueUrls", list(queues, |queue| Value::Text(Cow::Owned(base.queue_url(queue)))))
            .with_some("NextToken", next_token.as_deref().map(text)),
        Reply::ListMessageMoveTasks { results } => fields.with("Results", list(results, move_task)),
        Reply::ListQueueTags { tags } => fields.with("Tags", pairs(tags)),
        Reply::ListQueues { queues, next_token } => fields
            .with("QueueUrls", list(queues, |queue| Value::Text(Cow::Owned(base.queue_url(queue)))))
            .with_some("NextToken", next_token.as_deref().map(text)),
        Reply::StartMessageMoveTask { task_handle } => fields.with("TaskHandle", text(task_handle)),
        Reply::AddPermission
        | Reply::ChangeMessageVisibility
        | Reply::DeleteMessage
        | Reply::DeleteQueue
        | Reply::PurgeQueue
        | Reply::RemovePermission
        | Reply::SetQueueAttributes
        | Reply::TagQueue
        | Reply::UntagQueue => unreachable!("has no output"),
    })
}

fn sent_message<'a>(fields: Fields<'a>, sent: &'a SentMessage) -> Fields<'a> {
    fields
        .with("MessageId", Value::Text(Cow::Owned(sent.message_id.to_string())))
        .with("MD5OfMessageBody", md5(&sent.md5_of_message_body))
        .with_some("MD5OfMessageAttributes", sent.md5_of_message_attributes.as_ref().map(md5))
        .with_some("MD5OfMessageSystemAttributes", sent.md5_of_message_system_attributes.as_ref().map(md5))
        .with_some("SequenceNumber", sent.sequence_number.map(sequence_number))
}

/// SQS writes sequence numbers with twenty digits, and clients compare them as text.
fn sequence_number<'a>(number: u64) -> Value<'a> {
    Value::Text(Cow::Owned(format!("{number:020}")))
}

fn received_message(message: &ReceivedMessage) -> Value<'_> {
    let values = message.message_attributes.iter();
    let values = values.map(|(name, value)| (Cow::Borrowed(name.as_str()), stored_value(value)));
    Value::Structure(
        Fields::of(&MESSAGE)
            .with("MessageId", Value::Text(Cow::Owned(message.message_id.to_string())))
            .with("ReceiptHandle", text(&message.receipt_handle))
            .with("MD5OfBody", md5(&message.md5_of_body))
            .with("Body", text(&message.body))
            .with("Attributes", pairs(&message.attributes))
            .with_some("MD5OfMessageAttributes", message.md5_of_message_attributes.as_ref().map(md5))
            .with("MessageAttributes", Value::Map(values.collect())),
    )
}

fn stored_value(value: &StoredValue) -> Value<'_> {
    let fields = Fields::of(&MESSAGE_ATTRIBUTE_VALUE);
    let fields = match &value.value {
        AttributeValue::String(string) => fields.with("StringValue", text(string)),
        AttributeValue::Binary(bytes) => fields.with("BinaryValue", Value::Blob(bytes.clone())),
    };
    Value::Structure(fields.with("DataType", text(&value.data_type)))
}

fn move_task(task: &MoveTask) -> Value<'_> {
    let rate = task.max_number_of_messages_per_second.map(|rate| number(rate.into()));
    Value::Structure(
        Fields::of(&MOVE_TASK)
            .with_some("TaskHandle", task.task_handle.as_deref().map(text))
            .with("Status", text(task.status))
            .with("SourceArn", text(&task.source_arn))
            .with_some("DestinationArn", task.destination_arn.as_deref().map(text))
            .with_some("MaxNumberOfMessagesPerSecond", rate)
            .with("ApproximateNumberOfMessagesMoved", number(task.approximate_number_of_messages_moved))
            .with_some(
                "ApproximateNumberOfMessagesToMove",
                task.approximate_number_of_messages_to_move.map(number),
            )
            .with_some("FailureReason", task.failure_reason.as_deref().map(text))
            .with("StartedTimestamp", number(task.started_timestamp)),
    )
}

fn batch_reply<'a, T>(
    fields: Fields<'a>,
    batch: &'a BatchReply<T>,
    shape: &'static Structure,
    convert: impl Fn(Fields<'a>, &'a T) -> Fields<'a>,
) -> Fields<'a> {
    let mut successful = Vec::new();
    let mut failed = Vec::new();
    for (id, outcome) in &batch.entries {
        match outcome {
            Ok(done) => {
                let entry = Fields::of(shape).with("Id", text(id));
                successful.push(Value::Structure(convert(entry, done)));
            }
            Err(error) => failed.push(failed_entry(id, error)),
        }
    }
    fields.with("Successful", Value::List(successful)).with("Failed", Value::List(failed))
}

fn failed_entry<'a>(id: &'a str, error: &'a Error) -> Value<'a> {
    let row = error.code.row();
    Value::Structure(
        Fields::of(&FAILED_ENTRY)
            .with("Id", text(id))
            .with("SenderFault", Value::Boolean(row.fault == engine::errors::Fault::Sender))
            .with("Code", text(row.query))
            .with("Message", text(&error.message)),
    )
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn number<'a>(number: u64) -> Value<'a> {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn list<'a, T>(items: &'a [T], convert: impl Fn(&'a T) -> Value<'a>) -> Value<'a> {
    Value::List(items.iter().map(convert).collect())
}

fn pairs(pairs: &Pairs) -> Value<'_> {
    let pairs = pairs.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), text(value)));
    Value::Map(pairs.collect())
}

fn md5<'a>(md5: &Md5) -> Value<'a> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * md5.0.len());
    for byte in md5.0 {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    Value::Text(Cow::Owned(text))
}

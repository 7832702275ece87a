//! The one conversion from a request's members to its type, for both protocols.
//!
//! A missing required member is `MissingParameter`, with these exceptions that the engine answers:
//! - `QueueUrl` is an empty string (`QueueDoesNotExist`), `QueueName` too (`InvalidParameterValue`);
//! - `MessageBody` is an empty string (`MissingParameter`, as for a body that is present and empty);
//! - `Entries` of a batch is an empty list (`EmptyBatchRequest`);
//! - within an entry all but `Id` are empty, so that its entry fails and not the request.
//!
//! The query protocol cannot say an empty list or map, so one that is required is missing when it is empty.

use std::borrow::Cow;
use std::collections::BTreeMap;

use engine::request::{
    AttributeValue, BODY_ROOM, DeleteEntry, Message, Pairs, ReceiveMessage, SendEntry, VisibilityEntry,
};
use engine::{Action, Error, Request};

use crate::value::{Fields, Value};

type Converted<T> = Result<T, Error>;

/// The request that these members make.
///
/// # Errors
/// `MissingParameter` that names the member.
pub fn convert(action: Action, f: &mut Fields<'_>) -> Converted<Request> {
    match action {
        Action::ReceiveMessage => Ok(Request::ReceiveMessage(receive_message(f))),
        Action::SendMessage => {
            Ok(Request::SendMessage { queue_url: f.text("QueueUrl"), message: message(f) })
        }
        Action::SendMessageBatch => {
            Ok(Request::SendMessageBatch { queue_url: f.text("QueueUrl"), entries: f.entries(send_entry)? })
        }
        Action::DeleteMessage => Ok(Request::DeleteMessage {
            queue_url: f.text("QueueUrl"),
            receipt_handle: f.required("ReceiptHandle")?,
        }),
        Action::DeleteMessageBatch => Ok(Request::DeleteMessageBatch {
            queue_url: f.text("QueueUrl"),
            entries: f.entries(delete_entry)?,
        }),
        Action::ChangeMessageVisibility => Ok(Request::ChangeMessageVisibility {
            queue_url: f.text("QueueUrl"),
            receipt_handle: f.required("ReceiptHandle")?,
            visibility_timeout: f.required_integer("VisibilityTimeout")?,
        }),
        Action::ChangeMessageVisibilityBatch => Ok(Request::ChangeMessageVisibilityBatch {
            queue_url: f.text("QueueUrl"),
            entries: f.entries(visibility_entry)?,
        }),
        Action::CancelMessageMoveTask | Action::ListMessageMoveTasks | Action::StartMessageMoveTask => {
            of_move_task(action, f)
        }
        _ => of_queue(action, f),
    }
}

fn of_move_task(action: Action, f: &mut Fields<'_>) -> Converted<Request> {
    match action {
        Action::CancelMessageMoveTask => {
            Ok(Request::CancelMessageMoveTask { task_handle: f.required("TaskHandle")? })
        }
        Action::ListMessageMoveTasks => Ok(Request::ListMessageMoveTasks {
            source_arn: f.required("SourceArn")?,
            max_results: f.integer("MaxResults"),
        }),
        Action::StartMessageMoveTask => Ok(Request::StartMessageMoveTask {
            source_arn: f.required("SourceArn")?,
            destination_arn: f.optional("DestinationArn"),
            max_number_of_messages_per_second: f.integer("MaxNumberOfMessagesPerSecond"),
        }),
        _ => unreachable!("{action:?} is converted by convert"),
    }
}

fn of_queue(action: Action, f: &mut Fields<'_>) -> Converted<Request> {
    Ok(match action {
        Action::AddPermission => Request::AddPermission {
            queue_url: f.text("QueueUrl"),
            label: f.required("Label")?,
            aws_account_ids: f.required_texts("AWSAccountIds")?,
            actions: f.required_texts("Actions")?,
        },
        Action::CreateQueue => Request::CreateQueue {
            queue_name: f.text("QueueName"),
            attributes: f.pairs("Attributes"),
            tags: f.pairs("tags"),
        },
        Action::DeleteQueue => Request::DeleteQueue { queue_url: f.text("QueueUrl") },
        Action::GetQueueAttributes => Request::GetQueueAttributes {
            queue_url: f.text("QueueUrl"),
            attribute_names: f.texts("AttributeNames"),
        },
        Action::GetQueueUrl => Request::GetQueueUrl {
            queue_name: f.text("QueueName"),
            queue_owner_aws_account_id: f.optional("QueueOwnerAWSAccountId"),
        },
        Action::ListDeadLetterSourceQueues => Request::ListDeadLetterSourceQueues {
            queue_url: f.text("QueueUrl"),
            next_token: f.optional("NextToken"),
            max_results: f.integer("MaxResults"),
        },
        Action::ListQueueTags => Request::ListQueueTags { queue_url: f.text("QueueUrl") },
        Action::ListQueues => Request::ListQueues {
            queue_name_prefix: f.optional("QueueNamePrefix"),
            next_token: f.optional("NextToken"),
            max_results: f.integer("MaxResults"),
        },
        Action::PurgeQueue => Request::PurgeQueue { queue_url: f.text("QueueUrl") },
        Action::RemovePermission => {
            Request::RemovePermission { queue_url: f.text("QueueUrl"), label: f.required("Label")? }
        }
        Action::SetQueueAttributes => Request::SetQueueAttributes {
            queue_url: f.text("QueueUrl"),
            attributes: f.required_pairs("Attributes")?,
        },
        Action::TagQueue => {
            Request::TagQueue { queue_url: f.text("QueueUrl"), tags: f.required_pairs("Tags")? }
        }
        Action::UntagQueue => {
            Request::UntagQueue { queue_url: f.text("QueueUrl"), tag_keys: f.required_texts("TagKeys")? }
        }
        _ => unreachable!("{action:?} is converted by convert"),
    })
}

fn receive_message(f: &mut Fields<'_>) -> ReceiveMessage {
    let mut names = f.texts("AttributeNames");
    for name in f.texts("MessageSystemAttributeNames") {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    ReceiveMessage {
        queue_url: f.text("QueueUrl"),
        message_system_attribute_names: names,
        message_attribute_names: f.texts("MessageAttributeNames"),
        max_number_of_messages: f.integer("MaxNumberOfMessages"),
        visibility_timeout: f.integer("VisibilityTimeout"),
        wait_time_seconds: f.integer("WaitTimeSeconds"),
        receive_request_attempt_id: f.optional("ReceiveRequestAttemptId"),
    }
}

fn message(f: &mut Fields<'_>) -> Message {
    Message {
        message_body: f.take("MessageBody").map(body).unwrap_or_default(),
        delay_seconds: f.integer("DelaySeconds"),
        message_attributes: f.values("MessageAttributes"),
        message_system_attributes: f.values("MessageSystemAttributes"),
        message_deduplication_id: f.optional("MessageDeduplicationId"),
        message_group_id: f.optional("MessageGroupId"),
    }
}

fn send_entry(id: String, f: &mut Fields<'_>) -> SendEntry {
    SendEntry { id, message: message(f) }
}

fn delete_entry(id: String, f: &mut Fields<'_>) -> DeleteEntry {
    DeleteEntry { id, receipt_handle: f.text("ReceiptHandle") }
}

fn visibility_entry(id: String, f: &mut Fields<'_>) -> VisibilityEntry {
    let visibility_timeout = f.integer("VisibilityTimeout");
    VisibilityEntry { id, receipt_handle: f.text("ReceiptHandle"), visibility_timeout }
}

fn attribute_value(f: &mut Fields<'_>) -> AttributeValue {
    AttributeValue {
        data_type: f.text("DataType"),
        string_value: f.optional("StringValue"),
        binary_value: f.take("BinaryValue").map(|value| match value {
            Value::Blob(bytes) => bytes,
            other => unreachable!("a blob by its shape: {other:?}"),
        }),
        has_list_values: !f.list("StringListValues").is_empty() | !f.list("BinaryListValues").is_empty(),
    }
}

/// Members by name. A decoder gives each member a value of its shape's kind or none at all.
impl<'a> Fields<'a> {
    fn optional(&mut self, name: &str) -> Option<String> {
        self.take(name).map(text)
    }

    fn text(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_default()
    }

    fn required(&mut self, name: &str) -> Converted<String> {
        self.optional(name).ok_or_else(|| Error::missing_parameter(name))
    }

    fn integer(&mut self, name: &str) -> Option<i64> {
        self.take(name).map(|value| match value {
            Value::Integer(number) => number,
            other => unreachable!("a number by its shape: {other:?}"),
        })
    }

    fn required_integer(&mut self, name: &str) -> Converted<i64> {
        self.integer(name).ok_or_else(|| Error::missing_parameter(name))
    }

    fn list(&mut self, name: &str) -> Vec<Value<'a>> {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::List(items)) => items,
            Some(other) => unreachable!("a list by its shape: {other:?}"),
        }
    }

    fn texts(&mut self, name: &str) -> Vec<String> {
        self.list(name).into_iter().map(text).collect()
    }

    fn required_texts(&mut self, name: &str) -> Converted<Vec<String>> {
        let texts = self.texts(name);
        if texts.is_empty() { Err(Error::missing_parameter(name)) } else { Ok(texts) }
    }

    fn map<T>(&mut self, name: &str, convert: impl Fn(Value<'a>) -> T) -> BTreeMap<String, T> {
        match self.take(name) {
            None => BTreeMap::new(),
            Some(Value::Map(pairs)) => {
                pairs.into_iter().map(|(name, value)| (name.into_owned(), convert(value))).collect()
            }
            Some(other) => unreachable!("a map by its shape: {other:?}"),
        }
    }

    fn pairs(&mut self, name: &str) -> Pairs {
        self.map(name, text)
    }

    fn required_pairs(&mut self, name: &str) -> Converted<Pairs> {
        let pairs = self.pairs(name);
        if pairs.is_empty() { Err(Error::missing_parameter(name)) } else { Ok(pairs) }
    }

    fn values(&mut self, name: &str) -> BTreeMap<String, AttributeValue> {
        self.map(name, |value| attribute_value(&mut structure(value)))
    }

    fn entries<T>(&mut self, convert: impl Fn(String, &mut Fields<'a>) -> T) -> Converted<Vec<T>> {
        let mut entries = Vec::new();
        for (at, entry) in self.list("Entries").into_iter().enumerate() {
            let mut entry = structure(entry);
            let id = entry.optional("Id");
            let id = id.ok_or_else(|| Error::missing_parameter(&format!("Entries.{}.Id", at + 1)))?;
            entries.push(convert(id, &mut entry));
        }
        Ok(entries)
    }
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.into_owned(),
        other => unreachable!("text by its shape: {other:?}"),
    }
}

fn body(value: Value<'_>) -> String {
    match value {
        Value::Text(Cow::Borrowed(text)) => {
            let mut body = String::with_capacity(text.len() + BODY_ROOM);
            body.push_str(text);
            body
        }
        other => text(other),
    }
}

fn structure(value: Value<'_>) -> Fields<'_> {
    match value {
        Value::Structure(fields) => fields,
        other => unreachable!("a structure by its shape: {other:?}"),
    }
}

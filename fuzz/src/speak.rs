//! Requests as clients write them, in JSON and as a form: made from the typed request, so that what a decoder
//! took for a request can be said again and read again.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::Request;
use engine::request::{AttributeValue, DeleteEntry, Message, ReceiveMessage, SendEntry, VisibilityEntry};
use serde_json::{Map, Value, json};
use wire::shapes::{self, Kind, Structure};

/// The body of a JSON request.
pub fn body(request: &Request) -> String {
    json_of(request).to_string()
}

/// The same as form parameters, decoded, `Action` first.
pub fn parameters(request: &Request) -> Vec<(String, String)> {
    let action = request.action();
    let mut parameters = vec![("Action".to_owned(), action.row().name.to_owned())];
    structure("", &shapes::of(action).input, &json_of(request), &mut parameters);
    parameters
}

/// Parameters as a form.
pub fn form(parameters: &[(String, String)]) -> String {
    let parameters = parameters.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    parameters.collect::<Vec<_>>().join("&")
}

fn escape(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let escaped = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escaped).collect()
}

fn structure(prefix: &str, shape: &Structure, value: &Value, out: &mut Vec<(String, String)>) {
    for member in shape.members {
        if let Some(value) = value.get(member.name) {
            put(format!("{prefix}{}", member.query), member.kind, value, out);
        }
    }
}

/// Lists and maps are flat: the item's number follows the member's name.
fn put(name: String, kind: Kind, value: &Value, out: &mut Vec<(String, String)>) {
    match (kind, value) {
        (Kind::Structure(shape), value) => structure(&format!("{name}."), shape, value, out),
        (Kind::List(kind), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                put(format!("{name}.{}", at + 1), *kind, item, out);
            }
        }
        (Kind::Map(map), Value::Object(pairs)) => {
            for (at, (key, value)) in pairs.iter().enumerate() {
                out.push((format!("{name}.{}.{}", at + 1, map.key), key.clone()));
                put(format!("{name}.{}.{}", at + 1, map.value), map.kind, value, out);
            }
        }
        (_, Value::String(text)) => out.push((name, text.clone())),
        (_, scalar) => out.push((name, scalar.to_string())),
    }
}

/// The members that are there.
fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

fn with(queue_url: &str, mut members: Value) -> Value {
    members["QueueUrl"] = json!(queue_url);
    members
}

fn maybe<T: Clone + Into<Value>>(value: &Option<T>) -> Option<Value> {
    value.clone().map(Into::into)
}

fn json_of(request: &Request) -> Value {
    use Request as R;
    match request {
        R::AddPermission { queue_url, label, aws_account_ids, actions } => {
            with(queue_url, json!({"Label": label, "AWSAccountIds": aws_account_ids, "Actions": actions}))
        }
        R::CancelMessageMoveTask { task_handle } => json!({ "TaskHandle": task_handle }),
        R::ChangeMessageVisibility { queue_url, receipt_handle, visibility_timeout } => {
            with(queue_url, json!({"ReceiptHandle": receipt_handle, "VisibilityTimeout": visibility_timeout}))
        }
        R::ChangeMessageVisibilityBatch { queue_url, entries } => {
            with(queue_url, list("Entries", entries, visibility_entry))
        }
        R::CreateQueue { queue_name, attributes, tags } => {
            json!({"QueueName": queue_name, "Attributes": attributes, "tags": tags})
        }
        R::DeleteMessage { queue_url, receipt_handle } => {
            with(queue_url, json!({ "ReceiptHandle": receipt_handle }))
        }
        R::DeleteMessageBatch { queue_url, entries } => {
            with(queue_url, list("Entries", entries, delete_entry))
        }
        R::SendMessage { queue_url, message } => with(queue_url, message_of(message)),
        R::SendMessageBatch { queue_url, entries } => with(queue_url, list("Entries", entries, send_entry)),
        R::ReceiveMessage(receive) => receive_of(receive),
        R::SetQueueAttributes { queue_url, attributes } => {
            with(queue_url, json!({ "Attributes": attributes }))
        }
        R::TagQueue { queue_url, tags } => with(queue_url, json!({ "Tags": tags })),
        R::UntagQueue { queue_url, tag_keys } => with(queue_url, json!({ "TagKeys": tag_keys })),
        R::DeleteQueue { queue_url } | R::ListQueueTags { queue_url } | R::PurgeQueue { queue_url } => {
            json!({ "QueueUrl": queue_url })
        }
        R::RemovePermission { queue_url, label } => with(queue_url, json!({ "Label": label })),
        other => question(other),
    }
}

fn question(request: &Request) -> Value {
    use Request as R;
    match request {
        R::GetQueueAttributes { queue_url, attribute_names } => {
            with(queue_url, json!({ "AttributeNames": attribute_names }))
        }
        R::GetQueueUrl { queue_name, queue_owner_aws_account_id } => members([
            ("QueueName", Some(json!(queue_name))),
            ("QueueOwnerAWSAccountId", maybe(queue_owner_aws_account_id)),
        ]),
        R::ListDeadLetterSourceQueues { queue_url, next_token, max_results } => {
            with(queue_url, members([("NextToken", maybe(next_token)), ("MaxResults", maybe(max_results))]))
        }
        R::ListMessageMoveTasks { source_arn, max_results } => {
            members([("SourceArn", Some(json!(source_arn))), ("MaxResults", maybe(max_results))])
        }
        R::ListQueues { queue_name_prefix, next_token, max_results } => members([
            ("QueueNamePrefix", maybe(queue_name_prefix)),
            ("NextToken", maybe(next_token)),
            ("MaxResults", maybe(max_results)),
        ]),
        R::StartMessageMoveTask { source_arn, destination_arn, max_number_of_messages_per_second } => {
            members([
                ("SourceArn", Some(json!(source_arn))),
                ("DestinationArn", maybe(destination_arn)),
                ("MaxNumberOfMessagesPerSecond", maybe(max_number_of_messages_per_second)),
            ])
        }
        other => unreachable!("{:?} is written by json_of", other.action()),
    }
}

fn list<T>(name: &str, items: &[T], one: impl Fn(&T) -> Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), items.iter().map(one).collect())]))
}

fn receive_of(receive: &ReceiveMessage) -> Value {
    // In AttributeNames, where a name may come twice: the other list is united with it.
    members([
        ("QueueUrl", Some(json!(receive.queue_url))),
        ("AttributeNames", Some(json!(receive.message_system_attribute_names))),
        ("MessageAttributeNames", Some(json!(receive.message_attribute_names))),
        ("MaxNumberOfMessages", maybe(&receive.max_number_of_messages)),
        ("VisibilityTimeout", maybe(&receive.visibility_timeout)),
        ("WaitTimeSeconds", maybe(&receive.wait_time_seconds)),
        ("ReceiveRequestAttemptId", maybe(&receive.receive_request_attempt_id)),
    ])
}

fn message_of(message: &Message) -> Value {
    members([
        ("MessageBody", Some(json!(message.message_body))),
        ("DelaySeconds", maybe(&message.delay_seconds)),
        ("MessageAttributes", Some(values(&message.message_attributes))),
        ("MessageSystemAttributes", Some(values(&message.message_system_attributes))),
        ("MessageDeduplicationId", maybe(&message.message_deduplication_id)),
        ("MessageGroupId", maybe(&message.message_group_id)),
    ])
}

fn values(values: &BTreeMap<String, AttributeValue>) -> Value {
    Value::Object(values.iter().map(|(name, value)| (name.clone(), attribute_value(value))).collect())
}

fn attribute_value(value: &AttributeValue) -> Value {
    members([
        ("DataType", Some(json!(value.data_type))),
        ("StringValue", maybe(&value.string_value)),
        ("BinaryValue", value.binary_value.as_ref().map(|bytes| json!(BASE64_STANDARD.encode(bytes)))),
        ("StringListValues", value.has_list_values.then(|| json!(["listed"]))),
    ])
}

fn send_entry(entry: &SendEntry) -> Value {
    let mut members = message_of(&entry.message);
    members["Id"] = json!(entry.id);
    members
}

fn delete_entry(entry: &DeleteEntry) -> Value {
    json!({"Id": entry.id, "ReceiptHandle": entry.receipt_handle})
}

fn visibility_entry(entry: &VisibilityEntry) -> Value {
    members([
        ("Id", Some(json!(entry.id))),
        ("ReceiptHandle", Some(json!(entry.receipt_handle))),
        ("VisibilityTimeout", maybe(&entry.visibility_timeout)),
    ])
}

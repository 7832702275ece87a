//! What a client is answered, typed: what both protocols encode. Member names are the service model's.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::errors::Error;
use crate::ids::{MessageId, QueueName};
use crate::message::Md5;
use crate::request::Pairs;

/// One reply of one of the 23 actions. A queue is named; its URL is made where the client's Host is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is an action of SQS's API reference")]
pub enum Reply {
    AddPermission,
    CancelMessageMoveTask { approximate_number_of_messages_moved: u64 },
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch(BatchReply<()>),
    CreateQueue { queue: QueueName },
    DeleteMessage,
    DeleteMessageBatch(BatchReply<()>),
    DeleteQueue,
    GetQueueAttributes { attributes: Pairs },
    GetQueueUrl { queue: QueueName },
    ListDeadLetterSourceQueues { queues: Vec<QueueName>, next_token: Option<String> },
    ListMessageMoveTasks { results: Vec<MoveTask> },
    ListQueueTags { tags: Pairs },
    ListQueues { queues: Vec<QueueName>, next_token: Option<String> },
    PurgeQueue,
    ReceiveMessage { messages: Vec<ReceivedMessage> },
    RemovePermission,
    SendMessage(SentMessage),
    SendMessageBatch(BatchReply<SentMessage>),
    SetQueueAttributes,
    StartMessageMoveTask { task_handle: String },
    TagQueue,
    UntagQueue,
}

/// The entries of a batch in the order of the request, each with its Id and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchReply<T> {
    /// Id and outcome, an entry each.
    pub entries: Vec<(String, Result<T, Error>)>,
}

/// The answer to one sent message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct SentMessage {
    pub message_id: MessageId,
    pub md5_of_message_body: Md5,
    pub md5_of_message_attributes: Option<Md5>,
    pub md5_of_message_system_attributes: Option<Md5>,
    /// Of FIFO queues only.
    pub sequence_number: Option<u64>,
}

/// A message handed to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct ReceivedMessage {
    pub message_id: MessageId,
    pub receipt_handle: String,
    pub md5_of_body: Md5,
    pub body: String,
    /// System attributes, those the request asked for.
    pub attributes: Pairs,
    /// Over the returned message attributes; none when none are returned.
    pub md5_of_message_attributes: Option<Md5>,
    pub message_attributes: BTreeMap<String, StoredValue>,
}

/// A message attribute's value that has passed the rules: text (String and Number) or bytes (Binary).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// `String`, `Number` or `Binary`, with an optional `.label`.
    pub data_type: String,
    /// The value itself.
    pub value: Value,
}

/// See [`StoredValue`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named by SQS's transport types")]
pub enum Value {
    String(String),
    Binary(Bytes),
}

/// A row of ListMessageMoveTasks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct MoveTask {
    /// Present only while the task runs.
    pub task_handle: Option<String>,
    /// RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED.
    pub status: &'static str,
    pub source_arn: String,
    pub destination_arn: Option<String>,
    pub max_number_of_messages_per_second: Option<u32>,
    pub approximate_number_of_messages_moved: u64,
    pub approximate_number_of_messages_to_move: Option<u64>,
    pub failure_reason: Option<String>,
    /// Milliseconds since the epoch.
    pub started_timestamp: u64,
}

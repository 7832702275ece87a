//! A client's request, typed: what both protocols decode to. Member names are the service model's.
//!
//! Missing required members are refused by the decoder with `MissingParameter`, save `queue_url`, whose
//! absence is an empty string and answers `QueueDoesNotExist`, as SQS does.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Attribute or tag names with their values, in name order.
pub type Pairs = BTreeMap<String, String>;

/// One request of one of the 23 actions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is an action of SQS's API reference")]
pub enum Request {
    AddPermission {
        queue_url: String,
        label: String,
        aws_account_ids: Vec<String>,
        actions: Vec<String>,
    },
    CancelMessageMoveTask {
        task_handle: String,
    },
    ChangeMessageVisibility {
        queue_url: String,
        receipt_handle: String,
        visibility_timeout: i64,
    },
    ChangeMessageVisibilityBatch {
        queue_url: String,
        entries: Vec<VisibilityEntry>,
    },
    CreateQueue {
        queue_name: String,
        attributes: Pairs,
        tags: Pairs,
    },
    DeleteMessage {
        queue_url: String,
        receipt_handle: String,
    },
    DeleteMessageBatch {
        queue_url: String,
        entries: Vec<DeleteEntry>,
    },
    DeleteQueue {
        queue_url: String,
    },
    GetQueueAttributes {
        queue_url: String,
        attribute_names: Vec<String>,
    },
    GetQueueUrl {
        queue_name: String,
        queue_owner_aws_account_id: Option<String>,
    },
    ListDeadLetterSourceQueues {
        queue_url: String,
        next_token: Option<String>,
        max_results: Option<i64>,
    },
    ListMessageMoveTasks {
        source_arn: String,
        max_results: Option<i64>,
    },
    ListQueueTags {
        queue_url: String,
    },
    ListQueues {
        queue_name_prefix: Option<String>,
        next_token: Option<String>,
        max_results: Option<i64>,
    },
    PurgeQueue {
        queue_url: String,
    },
    ReceiveMessage(ReceiveMessage),
    RemovePermission {
        queue_url: String,
        label: String,
    },
    SendMessage {
        queue_url: String,
        message: Message,
    },
    SendMessageBatch {
        queue_url: String,
        entries: Vec<SendEntry>,
    },
    SetQueueAttributes {
        queue_url: String,
        attributes: Pairs,
    },
    StartMessageMoveTask {
        source_arn: String,
        destination_arn: Option<String>,
        max_number_of_messages_per_second: Option<i64>,
    },
    TagQueue {
        queue_url: String,
        tags: Pairs,
    },
    UntagQueue {
        queue_url: String,
        tag_keys: Vec<String>,
    },
}

/// The members of ReceiveMessage.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct ReceiveMessage {
    pub queue_url: String,
    /// `AttributeNames` and `MessageSystemAttributeNames`, united.
    pub message_system_attribute_names: Vec<String>,
    pub message_attribute_names: Vec<String>,
    pub max_number_of_messages: Option<i64>,
    pub visibility_timeout: Option<i64>,
    pub wait_time_seconds: Option<i64>,
    pub receive_request_attempt_id: Option<String>,
}

/// Room that a body is given behind its text, bytes: for what a message without group, attributes and trace header has
/// beside it, so that it need not move to be stored.
pub const BODY_ROOM: usize = 48;

/// What a client sends as one message: the members SendMessage shares with an entry of its batch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct Message {
    /// With [`BODY_ROOM`], where it is made.
    pub message_body: String,
    pub delay_seconds: Option<i64>,
    pub message_attributes: BTreeMap<String, AttributeValue>,
    pub message_system_attributes: BTreeMap<String, AttributeValue>,
    pub message_deduplication_id: Option<String>,
    pub message_group_id: Option<String>,
}

/// A message attribute's value as sent; `message::check` refuses what SQS refuses.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct AttributeValue {
    pub data_type: String,
    pub string_value: Option<String>,
    pub binary_value: Option<Bytes>,
    /// Whether `StringListValues` or `BinaryListValues` was present and not empty; SQS implements neither.
    pub has_list_values: bool,
}

/// An entry of SendMessageBatch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct SendEntry {
    pub id: String,
    pub message: Message,
}

/// An entry of DeleteMessageBatch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct DeleteEntry {
    pub id: String,
    pub receipt_handle: String,
}

/// An entry of ChangeMessageVisibilityBatch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct VisibilityEntry {
    pub id: String,
    pub receipt_handle: String,
    /// Required by the service; its absence fails the entry, not the request.
    pub visibility_timeout: Option<i64>,
}

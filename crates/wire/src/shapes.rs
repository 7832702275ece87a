//! The one table of shapes: per action its input and output members, each with its name in JSON, its name in
//! the query protocol, its kind and whether the service model requires it. Both decoders and all encoders read
//! it, so the protocols cannot drift apart; `clients/model/compare.py` compares it with AWS's service model.
//!
//! In the query protocol every list and map of SQS is flat: the item's number follows the member's name
//! (`AttributeName.1`, `Tag.2.Key`), and in XML the item's element takes the member's place.

use engine::Action;

/// What a member holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text.
    String,
    /// A whole number, 32 bits in the service model.
    Integer,
    /// A whole number, 64 bits in the service model.
    Long,
    /// `true` or `false`; only in replies.
    Boolean,
    /// Bytes, base64 on the wire.
    Blob,
    /// Members of their own.
    Structure(&'static Structure),
    /// Items of one kind.
    List(&'static Kind),
    /// Names with values of one kind.
    Map(&'static Map),
}

/// A map; in the query protocol a numbered list of pairs.
#[derive(Debug)]
pub struct Map {
    /// What the query protocol calls a pair's name.
    pub key: &'static str,
    /// What the query protocol calls a pair's value.
    pub value: &'static str,
    /// The value's kind.
    pub kind: Kind,
}

/// Members in the order of the service model.
#[derive(Debug)]
pub struct Structure {
    /// The service model's name of the shape.
    pub name: &'static str,
    /// Its members.
    pub members: &'static [Member],
}

/// One member of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// In JSON and in the service model.
    pub name: &'static str,
    /// In the query protocol and in XML: the name of one item where it is a list or map.
    pub query: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether the service model requires it.
    pub required: bool,
}

/// A row of the table.
#[derive(Debug)]
pub struct Shape {
    /// The action.
    pub action: Action,
    /// What a request may hold.
    pub input: Structure,
    /// What a reply holds; none where SQS answers an empty body.
    pub output: Option<Structure>,
}

impl Structure {
    /// The position of the member of this JSON name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.name == name)
    }

    /// The position of the member of this query name.
    pub fn queried(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.query == name)
    }
}

/// The shapes of an action.
pub fn of(action: Action) -> &'static Shape {
    let shape = &SHAPES[action as usize];
    assert!(shape.action == action, "SHAPES is in the order of Action::ALL");
    shape
}

const fn required(name: &'static str, kind: Kind) -> Member {
    Member { name, query: name, kind, required: true }
}

const fn optional(name: &'static str, kind: Kind) -> Member {
    Member { name, query: name, kind, required: false }
}

impl Member {
    const fn queried_as(self, query: &'static str) -> Member {
        Member { query, ..self }
    }
}

const fn input(name: &'static str, members: &'static [Member]) -> Structure {
    Structure { name, members }
}

const fn output(name: &'static str, members: &'static [Member]) -> Option<Structure> {
    Some(Structure { name, members })
}

const QUEUE_URL: Member = required("QueueUrl", Kind::String);
const RECEIPT_HANDLE: Member = required("ReceiptHandle", Kind::String);
const ID: Member = required("Id", Kind::String);
const NEXT_TOKEN: Member = optional("NextToken", Kind::String);
const MAX_RESULTS: Member = optional("MaxResults", Kind::Integer);
const VISIBILITY_TIMEOUT: Member = optional("VisibilityTimeout", Kind::Integer);
const MESSAGE_BODY: Member = required("MessageBody", Kind::String);
const DELAY_SECONDS: Member = optional("DelaySeconds", Kind::Integer);
const MESSAGE_DEDUPLICATION_ID: Member = optional("MessageDeduplicationId", Kind::String);
const MESSAGE_GROUP_ID: Member = optional("MessageGroupId", Kind::String);
const MESSAGE_ID: &str = "MessageId";
const MD5_OF_BODY: &str = "MD5OfMessageBody";
const MD5_OF_ATTRIBUTES: Member = optional("MD5OfMessageAttributes", Kind::String);
const MD5_OF_SYSTEM_ATTRIBUTES: Member = optional("MD5OfMessageSystemAttributes", Kind::String);
const SEQUENCE_NUMBER: Member = optional("SequenceNumber", Kind::String);

const STRINGS: Kind = Kind::List(&Kind::String);
const BLOBS: Kind = Kind::List(&Kind::Blob);
const ATTRIBUTES: Kind = Kind::Map(&Map { key: "Name", value: "Value", kind: Kind::String });
const TAGS: Kind = Kind::Map(&Map { key: "Key", value: "Value", kind: Kind::String });
const MESSAGE_ATTRIBUTES: Member =
    optional("MessageAttributes", Kind::Map(&MESSAGE_ATTRIBUTE_MAP)).queried_as("MessageAttribute");
const MESSAGE_SYSTEM_ATTRIBUTES: Member =
    optional("MessageSystemAttributes", Kind::Map(&MESSAGE_SYSTEM_ATTRIBUTE_MAP))
        .queried_as("MessageSystemAttribute");

static MESSAGE_ATTRIBUTE_MAP: Map =
    Map { key: "Name", value: "Value", kind: Kind::Structure(&MESSAGE_ATTRIBUTE_VALUE) };
static MESSAGE_SYSTEM_ATTRIBUTE_MAP: Map =
    Map { key: "Name", value: "Value", kind: Kind::Structure(&MESSAGE_SYSTEM_ATTRIBUTE_VALUE) };

const VALUE_MEMBERS: &[Member] = &[
    optional("StringValue", Kind::String),
    optional("BinaryValue", Kind::Blob),
    optional("StringListValues", STRINGS).queried_as("StringListValue"),
    optional("BinaryListValues", BLOBS).queried_as("BinaryListValue"),
    required("DataType", Kind::String),
];

/// A message attribute's value.
pub static MESSAGE_ATTRIBUTE_VALUE: Structure = input("MessageAttributeValue", VALUE_MEMBERS);
/// A message system attribute's value.
pub static MESSAGE_SYSTEM_ATTRIBUTE_VALUE: Structure = input("MessageSystemAttributeValue", VALUE_MEMBERS);

static SEND_ENTRY: Structure = input(
    "SendMessageBatchRequestEntry",
    &[
        ID,
        MESSAGE_BODY,
        DELAY_SECONDS,
        MESSAGE_ATTRIBUTES,
        MESSAGE_SYSTEM_ATTRIBUTES,
        MESSAGE_DEDUPLICATION_ID,
        MESSAGE_GROUP_ID,
    ],
);
static DELETE_ENTRY: Structure = input("DeleteMessageBatchRequestEntry", &[ID, RECEIPT_HANDLE]);
static VISIBILITY_ENTRY: Structure =
    input("ChangeMessageVisibilityBatchRequestEntry", &[ID, RECEIPT_HANDLE, VISIBILITY_TIMEOUT]);

/// A successful entry of SendMessageBatch.
pub static SENT_ENTRY: Structure = input(
    "SendMessageBatchResultEntry",
    &[
        ID,
        required(MESSAGE_ID, Kind::String),
        required(MD5_OF_BODY, Kind::String),
        MD5_OF_ATTRIBUTES,
        MD5_OF_SYSTEM_ATTRIBUTES,
        SEQUENCE_NUMBER,
    ],
);
/// A successful entry of DeleteMessageBatch.
pub static DELETED_ENTRY: Structure = input("DeleteMessageBatchResultEntry", &[ID]);
/// A successful entry of ChangeMessageVisibilityBatch.
pub static CHANGED_ENTRY: Structure = input("ChangeMessageVisibilityBatchResultEntry", &[ID]);
/// A failed entry of any batch.
pub static FAILED_ENTRY: Structure = input(
    "BatchResultErrorEntry",
    &[
        ID,
        required("SenderFault", Kind::Boolean),
        required("Code", Kind::String),
        optional("Message", Kind::String),
    ],
);
/// A received message.
pub static MESSAGE: Structure = input(
    "Message",
    &[
        optional(MESSAGE_ID, Kind::String),
        optional("ReceiptHandle", Kind::String),
        optional("MD5OfBody", Kind::String),
        optional("Body", Kind::String),
        optional("Attributes", ATTRIBUTES).queried_as("Attribute"),
        MD5_OF_ATTRIBUTES,
        MESSAGE_ATTRIBUTES,
    ],
);
/// A row of ListMessageMoveTasks.
pub static MOVE_TASK: Structure = input(
    "ListMessageMoveTasksResultEntry",
    &[
        optional("TaskHandle", Kind::String),
        optional("Status", Kind::String),
        optional("SourceArn", Kind::String),
        optional("DestinationArn", Kind::String),
        optional("MaxNumberOfMessagesPerSecond", Kind::Integer),
        optional("ApproximateNumberOfMessagesMoved", Kind::Long),
        optional("ApproximateNumberOfMessagesToMove", Kind::Long),
        optional("FailureReason", Kind::String),
        optional("StartedTimestamp", Kind::Long),
    ],
);

static FAILED_ITEM: Kind = Kind::Structure(&FAILED_ENTRY);
const FAILED: Member = required("Failed", Kind::List(&FAILED_ITEM)).queried_as("BatchResultErrorEntry");

static SHAPES: [Shape; 23] = [
    Shape {
        action: Action::AddPermission,
        input: input(
            "AddPermissionRequest",
            &[
                QUEUE_URL,
                required("Label", Kind::String),
                required("AWSAccountIds", STRINGS).queried_as("AWSAccountId"),
                required("Actions", STRINGS).queried_as("ActionName"),
            ],
        ),
        output: None,
    },
    Shape {
        action: Action::CancelMessageMoveTask,
        input: input("CancelMessageMoveTaskRequest", &[required("TaskHandle", Kind::String)]),
        output: output(
            "CancelMessageMoveTaskResult",
            &[optional("ApproximateNumberOfMessagesMoved", Kind::Long)],
        ),
    },
    Shape {
        action: Action::ChangeMessageVisibility,
        input: input(
            "ChangeMessageVisibilityRequest",
            &[QUEUE_URL, RECEIPT_HANDLE, required("VisibilityTimeout", Kind::Integer)],
        ),
        output: None,
    },
    Shape {
        action: Action::ChangeMessageVisibilityBatch,
        input: input(
            "ChangeMessageVisibilityBatchRequest",
            &[
                QUEUE_URL,
                required("Entries", Kind::List(&Kind::Structure(&VISIBILITY_ENTRY)))
                    .queried_as("ChangeMessageVisibilityBatchRequestEntry"),
            ],
        ),
        output: output(
            "ChangeMessageVisibilityBatchResult",
            &[
                required("Successful", Kind::List(&Kind::Structure(&CHANGED_ENTRY)))
                    .queried_as("ChangeMessageVisibilityBatchResultEntry"),
                FAILED,
            ],
        ),
    },
    Shape {
        action: Action::CreateQueue,
        input: input(
            "CreateQueueRequest",
            &[
                required("QueueName", Kind::String),
                optional("Attributes", ATTRIBUTES).queried_as("Attribute"),
                // Lower-case in the service model.
                optional("tags", TAGS).queried_as("Tag"),
            ],
        ),
        output: output("CreateQueueResult", &[optional("QueueUrl", Kind::String)]),
    },
    Shape {
        action: Action::DeleteMessage,
        input: input("DeleteMessageRequest", &[QUEUE_URL, RECEIPT_HANDLE]),
        output: None,
    },
    Shape {
        action: Action::DeleteMessageBatch,
        input: input(
            "DeleteMessageBatchRequest",
            &[
                QUEUE_URL,
                required("Entries", Kind::List(&Kind::Structure(&DELETE_ENTRY)))
                    .queried_as("DeleteMessageBatchRequestEntry"),
            ],
        ),
        output: output(
            "DeleteMessageBatchResult",
            &[
                required("Successful", Kind::List(&Kind::Structure(&DELETED_ENTRY)))
                    .queried_as("DeleteMessageBatchResultEntry"),
                FAILED,
            ],
        ),
    },
    Shape { action: Action::DeleteQueue, input: input("DeleteQueueRequest", &[QUEUE_URL]), output: None },
    Shape {
        action: Action::GetQueueAttributes,
        input: input(
            "GetQueueAttributesRequest",
            &[QUEUE_URL, optional("AttributeNames", STRINGS).queried_as("AttributeName")],
        ),
        output: output(
            "GetQueueAttributesResult",
            &[optional("Attributes", ATTRIBUTES).queried_as("Attribute")],
        ),
    },
    Shape {
        action: Action::GetQueueUrl,
        input: input(
            "GetQueueUrlRequest",
            &[required("QueueName", Kind::String), optional("QueueOwnerAWSAccountId", Kind::String)],
        ),
        output: output("GetQueueUrlResult", &[optional("QueueUrl", Kind::String)]),
    },
    Shape {
        action: Action::ListDeadLetterSourceQueues,
        input: input("ListDeadLetterSourceQueuesRequest", &[QUEUE_URL, NEXT_TOKEN, MAX_RESULTS]),
        output: output(
            "ListDeadLetterSourceQueuesResult",
            // Lower-case in the service model.
            &[required("queueUrls", STRINGS).queried_as("QueueUrl"), NEXT_TOKEN],
        ),
    },
    Shape {
        action: Action::ListMessageMoveTasks,
        input: input("ListMessageMoveTasksRequest", &[required("SourceArn", Kind::String), MAX_RESULTS]),
        output: output(
            "ListMessageMoveTasksResult",
            &[optional("Results", Kind::List(&Kind::Structure(&MOVE_TASK)))
                .queried_as("ListMessageMoveTasksResultEntry")],
        ),
    },
    Shape {
        action: Action::ListQueueTags,
        input: input("ListQueueTagsRequest", &[QUEUE_URL]),
        output: output("ListQueueTagsResult", &[optional("Tags", TAGS).queried_as("Tag")]),
    },
    Shape {
        action: Action::ListQueues,
        input: input(
            "ListQueuesRequest",
            &[optional("QueueNamePrefix", Kind::String), NEXT_TOKEN, MAX_RESULTS],
        ),
        output: output(
            "ListQueuesResult",
            &[optional("QueueUrls", STRINGS).queried_as("QueueUrl"), NEXT_TOKEN],
        ),
    },
    Shape { action: Action::PurgeQueue, input: input("PurgeQueueRequest", &[QUEUE_URL]), output: None },
    Shape {
        action: Action::ReceiveMessage,
        input: input(
            "ReceiveMessageRequest",
            &[
                QUEUE_URL,
                optional("AttributeNames", STRINGS).queried_as("AttributeName"),
                optional("MessageSystemAttributeNames", STRINGS).queried_as("MessageSystemAttributeName"),
                optional("MessageAttributeNames", STRINGS).queried_as("MessageAttributeName"),
                optional("MaxNumberOfMessages", Kind::Integer),
                VISIBILITY_TIMEOUT,
                optional("WaitTimeSeconds", Kind::Integer),
                optional("ReceiveRequestAttemptId", Kind::String),
            ],
        ),
        output: output(
            "ReceiveMessageResult",
            &[optional("Messages", Kind::List(&Kind::Structure(&MESSAGE))).queried_as("Message")],
        ),
    },
    Shape {
        action: Action::RemovePermission,
        input: input("RemovePermissionRequest", &[QUEUE_URL, required("Label", Kind::String)]),
        output: None,
    },
    Shape {
        action: Action::SendMessage,
        input: input(
            "SendMessageRequest",
            &[
                QUEUE_URL,
                MESSAGE_BODY,
                DELAY_SECONDS,
                MESSAGE_ATTRIBUTES,
                MESSAGE_SYSTEM_ATTRIBUTES,
                MESSAGE_DEDUPLICATION_ID,
                MESSAGE_GROUP_ID,
            ],
        ),
        output: output(
            "SendMessageResult",
            &[
                optional(MD5_OF_BODY, Kind::String),
                MD5_OF_ATTRIBUTES,
                MD5_OF_SYSTEM_ATTRIBUTES,
                optional(MESSAGE_ID, Kind::String),
                SEQUENCE_NUMBER,
            ],
        ),
    },
    Shape {
        action: Action::SendMessageBatch,
        input: input(
            "SendMessageBatchRequest",
            &[
                QUEUE_URL,
                required("Entries", Kind::List(&Kind::Structure(&SEND_ENTRY)))
                    .queried_as("SendMessageBatchRequestEntry"),
            ],
        ),
        output: output(
            "SendMessageBatchResult",
            &[
                required("Successful", Kind::List(&Kind::Structure(&SENT_ENTRY)))
                    .queried_as("SendMessageBatchResultEntry"),
                FAILED,
            ],
        ),
    },
    Shape {
        action: Action::SetQueueAttributes,
        input: input(
            "SetQueueAttributesRequest",
            &[QUEUE_URL, required("Attributes", ATTRIBUTES).queried_as("Attribute")],
        ),
        output: None,
    },
    Shape {
        action: Action::StartMessageMoveTask,
        input: input(
            "StartMessageMoveTaskRequest",
            &[
                required("SourceArn", Kind::String),
                optional("DestinationArn", Kind::String),
                optional("MaxNumberOfMessagesPerSecond", Kind::Integer),
            ],
        ),
        output: output("StartMessageMoveTaskResult", &[optional("TaskHandle", Kind::String)]),
    },
    Shape {
        action: Action::TagQueue,
        input: input("TagQueueRequest", &[QUEUE_URL, required("Tags", TAGS).queried_as("Tag")]),
        output: None,
    },
    Shape {
        action: Action::UntagQueue,
        input: input("UntagQueueRequest", &[QUEUE_URL, required("TagKeys", STRINGS).queried_as("TagKey")]),
        output: None,
    },
];

//! The attributes of a queue: one table, read by CreateQueue, SetQueueAttributes, GetQueueAttributes, the
//! slot's typed [`QueueSettings`] and the documentation (`docs/attributes.md`).
//!
//! Sources: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>,
//! `API_SetQueueAttributes.html` and `API_GetQueueAttributes.html` beside it, and the service model's
//! `QueueAttributeName`.

mod read;
mod render;
mod rules;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use crate::limits;

pub use read::{Counters, Fifo, QueueSettings, effective, get_queue_attributes, same_value};
pub use render::markdown;
pub use rules::{Change, at_creation, merged, on_change};
pub(crate) use rules::{invalid_value, unknown_attribute};

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// SQS's name.
    pub name: &'static str,
    /// What a value may be.
    pub kind: Kind,
    /// What a queue that does not set it has.
    pub default: Default,
    /// Who may set it, and when.
    pub set: Set,
    /// Whether only FIFO queues know it.
    pub fifo_only: bool,
    /// Whether setting it to the empty text removes it.
    pub removable: bool,
    /// Whether `All` returns it.
    pub shown: Shown,
    /// For the documentation.
    pub about: &'static str,
}

/// What a value may be.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A whole number in decimal digits, in a range and of a unit.
    Number(RangeInclusive<i64>, &'static str),
    /// `true` or `false`, in any case; kept in lower case.
    Boolean,
    /// One of these.
    Choice(&'static [&'static str]),
    /// See [`crate::redrive::RedrivePolicy`].
    RedrivePolicy,
    /// See [`crate::redrive::RedriveAllowPolicy`].
    RedriveAllowPolicy,
    /// See [`crate::policy`].
    Policy,
    /// A key's id, ARN, alias or alias ARN.
    Key,
    /// Computed, never set.
    Computed,
}

/// What a queue that does not set an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing.
    None,
    /// This.
    Text(&'static str),
    /// What the server's setting `--default-maximum-message-size` says, now and not when it was created.
    ServerMaximumMessageSize,
}

/// Who may set an attribute, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Nobody: to the setting actions the name is unknown.
    Never,
    /// CreateQueue only.
    AtCreation,
    /// CreateQueue and SetQueueAttributes.
    Anytime,
}

/// Whether `All` returns an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Always (an attribute of FIFO queues: always on those).
    Always,
    /// Only when it was set.
    WhenSet,
    /// Always on a queue with a `KmsMasterKeyId`, never on others.
    WithKey,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, default: Default, about: &'static str) -> Attribute {
        let shown = Shown::Always;
        Attribute { name, kind, default, set: Set::Anytime, fifo_only: false, removable: false, shown, about }
    }

    const fn computed(name: &'static str, about: &'static str) -> Attribute {
        Attribute { set: Set::Never, ..Attribute::new(name, Kind::Computed, Default::None, about) }
    }

    const fn number(
        name: &'static str,
        (range, unit): (RangeInclusive<i64>, &'static str),
        default: &'static str,
        about: &'static str,
    ) -> Attribute {
        Attribute::new(name, Kind::Number(range, unit), Default::Text(default), about)
    }

    const fn removable(name: &'static str, kind: Kind, about: &'static str) -> Attribute {
        Attribute {
            removable: true,
            shown: Shown::WhenSet,
            ..Attribute::new(name, kind, Default::None, about)
        }
    }

    const fn fifo(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Attribute {
        Attribute { fifo_only: true, ..Attribute::new(name, kind, Default::Text(default), about) }
    }
}

/// Every attribute, alphabetical.
pub static TABLE: [Attribute; 21] = [
    Attribute::computed("ApproximateNumberOfMessages", "Messages that can be received now."),
    Attribute::computed("ApproximateNumberOfMessagesDelayed", "Messages whose delay has not ended."),
    Attribute::computed("ApproximateNumberOfMessagesNotVisible", "Messages in flight."),
    Attribute::fifo(
        "ContentBasedDeduplication",
        Kind::Boolean,
        "false",
        "A message without a deduplication id gets the SHA-256 of its body as one.",
    ),
    Attribute::computed("CreatedTimestamp", "When the queue was created, seconds since 1970."),
    Attribute::fifo(
        "DeduplicationScope",
        Kind::Choice(&["queue", "messageGroup"]),
        "queue",
        "Where a deduplication id is unique.",
    ),
    Attribute::number(
        "DelaySeconds",
        (limits::DELAY_SECONDS, "seconds"),
        "0",
        "How long a sent message stays invisible. A change acts on queued messages of FIFO queues only.",
    ),
    Attribute {
        set: Set::AtCreation,
        ..Attribute::fifo(
            "FifoQueue",
            Kind::Boolean,
            "true",
            "Must be `true` when the name ends with `.fifo`, and is unknown to other queues.",
        )
    },
    Attribute::fifo(
        "FifoThroughputLimit",
        Kind::Choice(&["perQueue", "perMessageGroupId"]),
        "perQueue",
        "`perMessageGroupId` needs DeduplicationScope `messageGroup`. This server throttles neither.",
    ),
    Attribute {
        shown: Shown::WithKey,
        ..Attribute::number(
            "KmsDataKeyReusePeriodSeconds",
            (limits::KMS_DATA_KEY_REUSE_PERIOD, "seconds"),
            "300",
            "How long a data key is used before a new one is asked for.",
        )
    },
    Attribute::removable("KmsMasterKeyId", Kind::Key, "The key that seals message bodies."),
    Attribute::computed("LastModifiedTimestamp", "When an attribute was last set, seconds since 1970."),
    Attribute::new(
        "MaximumMessageSize",
        Kind::Number(limits::MAXIMUM_MESSAGE_SIZE, "bytes"),
        Default::ServerMaximumMessageSize,
        "The longest message accepted, attributes included. A queue that does not set it follows the server's \
         setting `--default-maximum-message-size` (262144 unless changed).",
    ),
    Attribute::number(
        "MessageRetentionPeriod",
        (limits::MESSAGE_RETENTION_PERIOD, "seconds"),
        "345600",
        "How long a message is kept.",
    ),
    Attribute::removable("Policy", Kind::Policy, "Who else may use the queue."),
    Attribute::computed("QueueArn", "The queue's ARN."),
    Attribute::number(
        "ReceiveMessageWaitTimeSeconds",
        (limits::WAIT_TIME_SECONDS, "seconds"),
        "0",
        "How long a receive that names no time waits for a message.",
    ),
    Attribute::removable(
        "RedriveAllowPolicy",
        Kind::RedriveAllowPolicy,
        "Which queues may use this one as their dead-letter queue; read when a source sets its RedrivePolicy.",
    ),
    Attribute::removable(
        "RedrivePolicy",
        Kind::RedrivePolicy,
        "The dead-letter queue, and after how many receives a message goes there.",
    ),
    Attribute::new(
        "SqsManagedSseEnabled",
        Kind::Boolean,
        Default::Text("true"),
        "Message bodies are sealed with the server's own key. `false` while there is a KmsMasterKeyId.",
    ),
    Attribute::number(
        "VisibilityTimeout",
        (limits::VISIBILITY_TIMEOUT, "seconds"),
        "30",
        "How long a received message stays invisible unless the receive says otherwise.",
    ),
];

/// The attribute of this exact name.
pub fn named(name: &str) -> Option<&'static Attribute> {
    TABLE.binary_search_by(|attribute| attribute.name.cmp(name)).ok().map(|i| &TABLE[i])
}

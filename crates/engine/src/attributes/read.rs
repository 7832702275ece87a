//! What a queue's attributes are: as text for clients, typed for the slot.

use super::{Attribute, Default, Kind, Shown, TABLE, named, rules::unknown_attribute};
use crate::command::Settings;
use crate::errors::Error;
use crate::ids::Millis;
use crate::limits::SECOND;
use crate::redrive::{RedriveAllowPolicy, RedrivePolicy};
use crate::request::Pairs;
use crate::rows::QueueRow;

/// Messages of a queue by where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Receivable now.
    pub visible: u64,
    /// Received and neither deleted nor visible again.
    pub in_flight: u64,
    /// Whose delay has not ended.
    pub delayed: u64,
}

/// What a queue's attributes say, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// ms
    pub visibility_timeout: Millis,
    /// ms
    pub delay: Millis,
    /// ms
    pub retention: Millis,
    /// Bytes.
    pub maximum_message_size: usize,
    /// How long a receive that names no time waits, ms.
    pub wait: Millis,
    /// Of FIFO queues only.
    pub fifo: Option<Fifo>,
    /// Where messages go that were received too often.
    pub redrive: Option<RedrivePolicy>,
    /// Who may use it as a dead-letter queue.
    pub redrive_allow: RedriveAllowPolicy,
    /// The key that seals bodies, if it is the client's choice.
    pub kms_master_key_id: Option<String>,
    /// ms; meaningful with `kms_master_key_id`.
    pub kms_data_key_reuse_period: Millis,
    /// Whether bodies are sealed with the server's own key.
    pub managed_sse: bool,
}

/// What only FIFO queues have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fifo {
    /// `ContentBasedDeduplication`
    pub content_based_deduplication: bool,
    /// `DeduplicationScope` is `messageGroup`.
    pub deduplication_per_group: bool,
    /// `FifoThroughputLimit` is `perMessageGroupId`.
    pub throughput_per_group: bool,
}

impl QueueSettings {
    /// The settings of this queue under this configuration. A text that is not in normal form, which no
    /// action stores, reads as the default.
    pub fn of(row: &QueueRow, settings: &Settings) -> QueueSettings {
        let text = |name: &str| value_or_default(row, settings, name);
        let number = |name: &str| text(name).parse::<u64>().unwrap_or(0);
        let set = |name: &str| row.attributes.get(name);
        let fifo = Fifo {
            content_based_deduplication: text("ContentBasedDeduplication") == "true",
            deduplication_per_group: text("DeduplicationScope") == "messageGroup",
            throughput_per_group: text("FifoThroughputLimit") == "perMessageGroupId",
        };
        QueueSettings {
            visibility_timeout: number("VisibilityTimeout") * SECOND,
            delay: number("DelaySeconds") * SECOND,
            retention: number("MessageRetentionPeriod") * SECOND,
            maximum_message_size: number("MaximumMessageSize") as usize,
            wait: number("ReceiveMessageWaitTimeSeconds") * SECOND,
            fifo: row.name.is_fifo().then_some(fifo),
            redrive: set("RedrivePolicy").and_then(|text| RedrivePolicy::parse(text).ok()),
            redrive_allow: set("RedriveAllowPolicy")
                .and_then(|text| RedriveAllowPolicy::parse(text).ok())
                .unwrap_or(RedriveAllowPolicy::AllowAll),
            kms_master_key_id: set("KmsMasterKeyId").cloned(),
            kms_data_key_reuse_period: number("KmsDataKeyReusePeriodSeconds") * SECOND,
            managed_sse: text("SqsManagedSseEnabled") == "true",
        }
    }
}

/// The attributes of a queue that these names ask for: `All` is every one the table shows, a name that is
/// not set is left out, an unknown one is `InvalidAttributeName`, no names are no attributes.
pub fn get_queue_attributes(
    row: &QueueRow,
    settings: &Settings,
    counters: Counters,
    names: &[String],
) -> Result<Pairs, Error> {
    let mut asked = Vec::new();
    for name in names {
        match named(name) {
            Some(attribute) => asked.push(attribute),
            None if name == "All" => asked.extend(&TABLE),
            None => return Err(unknown_attribute(name)),
        }
    }
    let value = |attribute: &Attribute| match attribute.kind {
        Kind::Computed => Some(computed(attribute.name, row, counters)),
        _ => effective(attribute, row, settings),
    };
    Ok(asked.into_iter().filter_map(|one| Some((one.name.to_owned(), value(one)?))).collect())
}

fn computed(name: &str, row: &QueueRow, counters: Counters) -> String {
    match name {
        "ApproximateNumberOfMessages" => counters.visible.to_string(),
        "ApproximateNumberOfMessagesDelayed" => counters.delayed.to_string(),
        "ApproximateNumberOfMessagesNotVisible" => counters.in_flight.to_string(),
        "CreatedTimestamp" => (row.created / SECOND).to_string(),
        "LastModifiedTimestamp" => (row.modified / SECOND).to_string(),
        "QueueArn" => row.name.arn(),
        other => unreachable!("{other} is in the table and computed nowhere"),
    }
}

/// What a client reads of an attribute that can be set; `None` where this queue shows none.
pub fn effective(attribute: &Attribute, row: &QueueRow, settings: &Settings) -> Option<String> {
    let has_key = row.attributes.contains_key("KmsMasterKeyId");
    let shown = match attribute.shown {
        Shown::Always => !attribute.fifo_only || row.name.is_fifo(),
        Shown::WhenSet => row.attributes.contains_key(attribute.name),
        Shown::WithKey => has_key,
    };
    shown.then(|| value_or_default(row, settings, attribute.name))
}

fn value_or_default(row: &QueueRow, settings: &Settings, name: &str) -> String {
    // One kind of encryption per queue: a key switches the server's own off while it is there.
    if name == "SqsManagedSseEnabled" && row.attributes.contains_key("KmsMasterKeyId") {
        return "false".to_owned();
    }
    let default = || match named(name).map(|attribute| attribute.default) {
        Some(Default::Text(text)) => text.to_owned(),
        Some(Default::ServerMaximumMessageSize) => settings.default_maximum_message_size.to_string(),
        Some(Default::None) | None => String::new(),
    };
    row.attributes.get(name).cloned().unwrap_or_else(default)
}

/// Whether a queue already has this value of an attribute (in normal form; `None` is "not set"), as
/// CreateQueue compares them. Policies are compared as JSON.
pub fn same_value(name: &str, value: Option<&str>, row: &QueueRow, settings: &Settings) -> bool {
    let Some(attribute) = named(name) else { return false };
    if attribute.removable {
        let is = row.attributes.get(name).map(String::as_str);
        return match (&attribute.kind, value, is) {
            (Kind::Policy, Some(value), Some(is)) => crate::policy::same(value, is),
            (_, value, is) => value == is,
        };
    }
    value == Some(value_or_default(row, settings, name).as_str())
}

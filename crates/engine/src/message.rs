//! The rules a message's content keeps, its size as SQS counts it, and its MD5s. Stateless: the state
//! machines never see a body.
//!
//! Sources: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html> and
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>.

mod digest;
mod filter;
mod lanes;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::errors::Error;
use crate::request::{AttributeValue, Message};

pub use digest::{content_hash, md5, md5_of_attributes, md5_of_each};
pub use filter::{SYSTEM_ATTRIBUTES, check_system_names, select_attributes, wants_system_attribute};
pub use rules::check_id;

/// The one message system attribute that can be sent.
pub const TRACE_HEADER: &str = "AWSTraceHeader";

/// An MD5 digest; shown as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Md5(pub [u8; 16]);

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The MD5s a sender is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a member of the API reference")]
pub struct Digests {
    pub md5_of_message_body: Md5,
    pub md5_of_message_attributes: Option<Md5>,
    pub md5_of_message_system_attributes: Option<Md5>,
}

/// What is known of a message that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Bytes of the body and of the names, types and values of the message attributes.
    pub size: usize,
    /// For the reply.
    pub digests: Digests,
}

/// Checks all that can be told of a message without its queue, and measures it. First to last: the body, the
/// message attributes by name (name, type, value), the system attributes, `DelaySeconds`,
/// `MessageDeduplicationId`, `MessageGroupId`. `body` is the body's MD5.
pub fn check(message: &Message, body: Md5) -> Result<Measured, Error> {
    rules::check(message)?;
    let attributes = &message.message_attributes;
    let digests = Digests {
        md5_of_message_body: body,
        md5_of_message_attributes: digest::md5_of_sent(attributes),
        md5_of_message_system_attributes: digest::md5_of_sent(&message.message_system_attributes),
    };
    Ok(Measured { size: message.message_body.len() + size_of(attributes), digests })
}

fn size_of(attributes: &BTreeMap<String, AttributeValue>) -> usize {
    let value = |value: &AttributeValue| {
        let (text, bytes) = (value.string_value.as_ref(), value.binary_value.as_ref());
        text.map_or(0, String::len) + bytes.map_or(0, |bytes| bytes.len())
    };
    attributes.iter().map(|(name, one)| name.len() + one.data_type.len() + value(one)).sum()
}

//! What is sent: a body and attributes that follow from the message's number, so that what comes back can be
//! compared without having been kept.

use std::collections::BTreeMap;

use engine::message::Md5;
use engine::reply::{ReceivedMessage, StoredValue, Value};
use engine::request::AttributeValue;
use md5::Digest;

use super::{MessageAt, Violation};

/// The content of the message of this number.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// Its number.
    pub message: MessageAt,
    /// Bytes of its body; shorter bodies are as long as the number needs.
    pub size: usize,
}

const FILL: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 <";

/// The MD5s of a body and of its attributes.
pub type Digests = (Md5, Option<Md5>);

impl Body {
    /// The body's text.
    pub fn text(self) -> String {
        let mut text = format!("{}:", self.message);
        text.reserve(self.size.saturating_sub(text.len()));
        let mut at = (self.message.wrapping_mul(7) + text.len()) % FILL.len();
        while text.len() < self.size {
            let end = FILL.len().min(at + self.size - text.len());
            text.push_str(&FILL[at..end]);
            at = 0;
        }
        text
    }

    /// The message's number, from its body.
    pub fn number(text: &str) -> Option<MessageAt> {
        text.split_once(':')?.0.parse().ok()
    }

    /// The message attributes: one message in five has some.
    pub fn attributes(self) -> BTreeMap<String, AttributeValue> {
        let stored = self.stored().into_iter();
        stored
            .map(|(name, StoredValue { data_type, value })| {
                let (string_value, binary_value) = match value {
                    Value::String(text) => (Some(text), None),
                    Value::Binary(bytes) => (None, Some(bytes)),
                };
                (name, AttributeValue { data_type, string_value, binary_value, has_list_values: false })
            })
            .collect()
    }

    fn stored(self) -> BTreeMap<String, StoredValue> {
        let mut all = BTreeMap::new();
        if self.message.is_multiple_of(5) {
            let number = self.message.to_string();
            let text = |data_type: &str, text: String| StoredValue {
                data_type: data_type.into(),
                value: Value::String(text),
            };
            all.insert("count".into(), text("Number", number.clone()));
            all.insert("name.of".into(), text("String.kind", format!("n{number}")));
            let value = Value::Binary(number.into_bytes().into());
            all.insert("raw".into(), StoredValue { data_type: "Binary".into(), value });
        }
        all
    }

    /// Both MD5s.
    pub fn digests(self) -> Digests {
        (self.digest(), self.attributes_digest())
    }

    /// MD5 of the body.
    pub fn digest(self) -> Md5 {
        Md5(md5::Md5::digest(self.text()).into())
    }

    /// MD5 of the attributes, where there are any:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
    pub fn attributes_digest(self) -> Option<Md5> {
        let stored = self.stored();
        let mut bytes = Vec::new();
        let part = |to: &mut Vec<u8>, bytes: &[u8]| {
            to.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            to.extend_from_slice(bytes);
        };
        for (name, value) in &stored {
            part(&mut bytes, name.as_bytes());
            part(&mut bytes, value.data_type.as_bytes());
            match &value.value {
                Value::String(text) => {
                    bytes.push(1);
                    part(&mut bytes, text.as_bytes());
                }
                Value::Binary(binary) => {
                    bytes.push(2);
                    part(&mut bytes, binary);
                }
            }
        }
        (!stored.is_empty()).then(|| Md5(md5::Md5::digest(bytes).into()))
    }

    /// Whether this is the message that was sent, whole; these are its digests.
    pub fn check(self, received: &ReceivedMessage, digests: Digests) -> Result<(), Violation> {
        let wrong = if received.body != self.text() {
            "body"
        } else if received.md5_of_body != digests.0 {
            "MD5 of the body"
        } else if received.message_attributes != self.stored() {
            "attributes"
        } else if received.md5_of_message_attributes != digests.1 {
            "MD5 of the attributes"
        } else {
            return Ok(());
        };
        Err(format!("message {} came back with a wrong {wrong}", self.message))
    }
}

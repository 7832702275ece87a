//! What CreateQueue and SetQueueAttributes accept.

use std::collections::BTreeMap;

use super::{Attribute, Kind, Set, named};
use crate::errors::{Code, Error};
use crate::policy;
use crate::redrive::{RedriveAllowPolicy, RedrivePolicy};
use crate::request::Pairs;

/// Attributes to set, in normal form; `None` removes one.
pub type Change = BTreeMap<&'static str, Option<String>>;

/// Checks the attributes of a CreateQueue and brings them to normal form. The order of errors: a name that
/// is unknown or no standard queue's, then a value that is wrong, each alphabetical; then what does not go
/// together.
pub fn at_creation(attributes: &Pairs, fifo: bool) -> Result<Change, Error> {
    let change = normalised(attributes, fifo)?;
    merged(&Pairs::new(), &change)?;
    Ok(change)
}

/// Checks the attributes of a SetQueueAttributes. Beside what [`at_creation`] refuses, `FifoQueue`: it is fixed.
pub fn on_change(attributes: &Pairs, fifo: bool) -> Result<Change, Error> {
    let change = normalised(attributes, fifo)?;
    match change.keys().find(|name| named(name).is_some_and(|row| row.set == Set::AtCreation)) {
        Some(fixed) => Err(invalid_value(fixed, "it can only be set when the queue is created")),
        None => Ok(change),
    }
}

/// The attributes of a queue after a change, if the outcome is one SQS allows.
pub fn merged(before: &Pairs, change: &Change) -> Result<Pairs, Error> {
    let is = |name: &str, value: &str| change.get(name).is_some_and(|to| to.as_deref() == Some(value));
    let key_given = change.get("KmsMasterKeyId").is_some_and(Option::is_some);
    let managed_given = is("SqsManagedSseEnabled", "true");
    if key_given && managed_given {
        let text = "You can use one type of server-side encryption (SSE) at one time. \
                    You can either enable KMS SSE or SQS SSE.";
        return Err(Error::new(Code::InvalidAttributeValue, text));
    }
    let mut after = before.clone();
    for (name, value) in change {
        match value {
            Some(value) => after.insert((*name).to_owned(), value.clone()),
            None => after.remove(*name),
        };
    }
    if managed_given {
        after.remove("KmsMasterKeyId");
    }
    let has = |name: &str, value: &str| after.get(name).is_some_and(|is| is == value);
    if has("FifoThroughputLimit", "perMessageGroupId") && !has("DeduplicationScope", "messageGroup") {
        let reason = "perMessageGroupId is allowed only when DeduplicationScope is messageGroup";
        return Err(invalid_value("FifoThroughputLimit", reason));
    }
    Ok(after)
}

fn normalised(attributes: &Pairs, fifo: bool) -> Result<Change, Error> {
    let known: Vec<(&'static Attribute, &str)> = attributes
        .iter()
        .map(|(name, value)| settable(name, fifo).map(|attribute| (attribute, value.as_str())))
        .collect::<Result<_, _>>()?;
    known.into_iter().map(|(attribute, value)| Ok((attribute.name, attribute.normal(value)?))).collect()
}

fn settable(name: &str, fifo: bool) -> Result<&'static Attribute, Error> {
    named(name)
        .filter(|attribute| attribute.set != Set::Never && (fifo || !attribute.fifo_only))
        .ok_or_else(|| unknown_attribute(name))
}

/// `InvalidAttributeName`, as SQS words it.
pub(crate) fn unknown_attribute(name: &str) -> Error {
    Error::new(Code::InvalidAttributeName, format!("Unknown Attribute {name}."))
}

/// `InvalidAttributeValue`, as SQS words it, with the reason added.
pub(crate) fn invalid_value(name: &str, reason: &str) -> Error {
    let text = format!("Invalid value for the parameter {name}. Reason: {reason}.");
    Error::new(Code::InvalidAttributeValue, text)
}

impl Attribute {
    /// The normal form of a value, so that equal settings are equal texts; `None` where the empty text removes.
    fn normal(&self, value: &str) -> Result<Option<String>, Error> {
        if self.removable && value.is_empty() {
            return Ok(None);
        }
        let wrong = |reason: &str| invalid_value(self.name, reason);
        match &self.kind {
            Kind::Number(range, unit) => decimal(value)
                .filter(|number| range.contains(number))
                .map(|number| number.to_string())
                .ok_or_else(|| {
                    wrong(&format!("it must be from {} to {} {unit}", range.start(), range.end()))
                }),
            Kind::Boolean => Some(value.to_ascii_lowercase())
                .filter(|value| value == "true" || value == "false")
                .ok_or_else(|| wrong("it must be true or false")),
            Kind::Choice(choices) => choices
                .contains(&value)
                .then(|| value.to_owned())
                .ok_or_else(|| wrong(&format!("it must be one of {}", choices.join(", ")))),
            Kind::Key => key(value)
                .then(|| value.to_owned())
                .ok_or_else(|| wrong("it must be the id, ARN, alias or alias ARN of a key")),
            Kind::RedrivePolicy => RedrivePolicy::parse(value).map(|policy| policy.to_string()),
            Kind::RedriveAllowPolicy => RedriveAllowPolicy::parse(value).map(|policy| policy.to_string()),
            Kind::Policy => policy::check(value).map(|()| value.to_owned()),
            Kind::Computed => Err(unknown_attribute(self.name)),
        }
        .map(Some)
    }
}

/// A number in decimal digits; no sign but `-`, no spaces.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Characters and length of KMS's `KeyId` (<https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyListEntry.html>).
fn key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    (1..=2_048).contains(&text.len()) && text.bytes().all(allowed)
}

//! Which attributes a receive asks for.

use std::collections::BTreeMap;

use crate::attributes::unknown_attribute;
use crate::errors::Error;
use crate::reply::StoredValue;

const ALL: &str = "All";

/// The message system attributes of the service model, without `All`.
pub const SYSTEM_ATTRIBUTES: [&str; 9] = [
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// The message attributes that these names ask for: `All` and `.*` every one, `prefix.*` those that begin
/// with the prefix (without the dot: `col.*` asks for `color`), anything else the one of that name.
pub fn select_attributes(
    names: &[String],
    attributes: &BTreeMap<String, StoredValue>,
) -> BTreeMap<String, StoredValue> {
    let wanted = |attribute: &str| names.iter().any(|name| asks_for(name, attribute));
    attributes
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn asks_for(name: &str, attribute: &str) -> bool {
    let prefix = name.strip_suffix(".*");
    name == ALL || name == attribute || prefix.is_some_and(|prefix| attribute.starts_with(prefix))
}

/// Whether a receive asks for this message system attribute.
pub fn wants_system_attribute(names: &[String], attribute: &str) -> bool {
    names.iter().any(|name| name == ALL || name == attribute)
}

/// `InvalidAttributeName` for the first name that is no message system attribute.
pub fn check_system_names(names: &[String]) -> Result<(), Error> {
    let known = |name: &String| name == ALL || SYSTEM_ATTRIBUTES.contains(&name.as_str());
    match names.iter().find(|name| !known(name)) {
        Some(unknown) => Err(unknown_attribute(unknown)),
        None => Ok(()),
    }
}

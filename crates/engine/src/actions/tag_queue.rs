//! TagQueue: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html>

use crate::catalogue::{Decided, Outcome, Scene};
use crate::errors::{Code, Error};
use crate::limits::{TAG_KEY_LENGTH, TAG_VALUE_LENGTH, TAGS};
use crate::reply::Reply;
use crate::request::Pairs;
use crate::rows::QueueRow;

/// Errors, first to last: the queue, no tags, a key, a value, too many in all.
pub(super) fn decide(scene: &Scene, queue_url: &str, tags: &Pairs) -> Decided {
    let (row, lsn) = scene.resolve(queue_url)?;
    let refuse = |error| (error, lsn);
    if tags.is_empty() {
        return Err(refuse(Error::missing_parameter("Tags")));
    }
    check(tags).map_err(refuse)?;
    let mut all = row.tags.clone();
    all.extend(tags.clone());
    check_number(&all).map_err(refuse)?;
    let row = QueueRow { tags: all, version: row.version + 1, ..row.clone() };
    Ok(Outcome::relabelled(Reply::TagQueue, row))
}

/// The rules of tags that are set together: `InvalidParameterValue`.
pub(super) fn check(tags: &Pairs) -> Result<(), Error> {
    for key in tags.keys() {
        check_key(key)?;
    }
    for value in tags.values() {
        if !TAG_VALUE_LENGTH.contains(&value.chars().count()) {
            return Err(invalid("Tag values must be between 0 and 256 characters in length."));
        }
        check_characters(value)?;
    }
    check_number(tags)
}

fn check_number(tags: &Pairs) -> Result<(), Error> {
    if tags.len() > TAGS {
        return Err(invalid(format!("Too many tags: a queue can have {TAGS}.")));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Error> {
    if !TAG_KEY_LENGTH.contains(&key.chars().count()) {
        return Err(invalid("Tag keys must be between 1 and 128 characters in length."));
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(invalid("Tag keys cannot start with reserved prefixes ['aws:']."));
    }
    check_characters(key)
}

/// Unicode letters, digits, spaces and `_ . : / = + - @`
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html>).
fn check_characters(text: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    if !text.chars().all(allowed) {
        return Err(invalid(
            "Tag keys and values can only contain letters, digits, spaces and _ . : / = + - @",
        ));
    }
    Ok(())
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidParameterValue, text)
}

//! CreateQueue: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
//!
//! Errors, first to last: the name, a name and a FifoQueue that disagree, the attributes' names, their values, what does not go together, the tags;
//! then what stands in the catalogue: a queue with another value, a name that rests, too many queues, a
//! dead-letter queue that is not there or not willing.

use super::tag_queue;
use crate::attributes::{self, Change};
use crate::catalogue::{Decided, Outcome, Scene, named_row};
use crate::command::Internal;
use crate::errors::{Code, Error};
use crate::ids::{Lsn, QueueName};
use crate::limits::QUEUE_NAME_LENGTH;
use crate::redrive::{RedriveAllowPolicy, RedrivePolicy};
use crate::reply::Reply;
use crate::request::Pairs;
use crate::rows::QueueRow;

pub(super) fn decide(
    scene: &Scene,
    queue_name: &str,
    attributes: &Pairs,
    tags: &Pairs,
    made: Option<&QueueRow>,
) -> Decided {
    let name = QueueName {
        account: scene.caller.account.clone(),
        region: scene.caller.region.clone(),
        name: queue_name.to_owned(),
    };
    let change = check(&name, attributes, tags).map_err(|error| (error, 0))?;
    let reply = Reply::CreateQueue { queue: name.clone() };
    if let Some((row, lsn)) = scene.catalogue.named(&name) {
        compare(scene, row, &change).map_err(|error| (error, lsn))?;
        // If another request was quicker, what was made in the slot for this one is not needed.
        let then = made.map(|row| Internal::Remove(row.id)).into_iter().collect();
        return Ok(Outcome::Read { reply, rests: lsn, then });
    }
    let attributes = room_for(scene, &name, &change)?;
    match made {
        Some(made) => {
            let row = QueueRow { tags: tags.clone(), ..made.clone() };
            Ok(Outcome::Write { reply, records: vec![named_row(row)], then: Vec::new() })
        }
        None => {
            let (id, now) = (scene.catalogue.next_queue(), scene.now);
            let tags = Pairs::new();
            let row = QueueRow { id, name, attributes, tags, version: 1, created: now, modified: now };
            Ok(Outcome::First(Box::new(row)))
        }
    }
}

/// What can be told from the request alone.
fn check(name: &QueueName, attributes: &Pairs, tags: &Pairs) -> Result<Change, Error> {
    check_name(&name.name)?;
    let says_fifo = attributes.get("FifoQueue").map(|value| value.to_ascii_lowercase());
    match (name.is_fifo(), says_fifo.as_deref()) {
        (true, None | Some("false")) | (false, Some("true")) => return Err(fifo_name()),
        _ => {}
    }
    let change = attributes::at_creation(attributes, name.is_fifo())?;
    tag_queue::check(tags)?;
    Ok(change)
}

/// The rules of a queue's name. The dot is `.fifo`'s alone.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !stem.is_empty() && QUEUE_NAME_LENGTH.contains(&name.len()) && stem.bytes().all(allowed) {
        return Ok(());
    }
    let text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
    Err(Error::new(Code::InvalidParameterValue, text))
}

fn fifo_name() -> Error {
    let text = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
                must end with .fifo suffix and be 1 to 80 in length; it goes with the attribute FifoQueue=true.";
    Error::new(Code::InvalidParameterValue, text)
}

/// AWS compares only the attributes the request names.
fn compare(scene: &Scene, row: &QueueRow, change: &Change) -> Result<(), Error> {
    let differs = |(name, value): &(&&str, &Option<String>)| {
        !attributes::same_value(name, value.as_deref(), row, scene.settings)
    };
    match change.iter().find(differs) {
        None => Ok(()),
        Some((name, _)) => Err(Error::new(
            Code::QueueNameExists,
            format!("A queue already exists with the same name and a different value for attribute {name}"),
        )),
    }
}

/// The attributes of the new queue, if it may be made.
fn room_for(scene: &Scene, name: &QueueName, change: &Change) -> Result<Pairs, (Error, Lsn)> {
    let catalogue = scene.catalogue;
    if let Some(lsn) = catalogue.deleted_recently(name, scene.now, scene.settings) {
        let text = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        return Err((Error::new(Code::QueueDeletedRecently, text), lsn));
    }
    if catalogue.len() >= scene.settings.queues {
        let text = format!("The maximum number of queues, {}, is reached.", scene.settings.queues);
        return Err((Error::new(Code::OverLimit, text), catalogue.last_change()));
    }
    let attributes = attributes::merged(&Pairs::new(), change).map_err(|error| (error, 0))?;
    check_redrive(scene, name, &attributes)?;
    Ok(attributes)
}

/// Whether the RedrivePolicy of a queue that is to have these attributes is one its target accepts.
pub(super) fn check_redrive(scene: &Scene, name: &QueueName, attributes: &Pairs) -> Result<(), (Error, Lsn)> {
    let Some(text) = attributes.get("RedrivePolicy") else { return Ok(()) };
    let policy = RedrivePolicy::parse(text).map_err(|error| (error, 0))?;
    let (allow, rests) = match scene.catalogue.named(&policy.target) {
        // A queue that is its own target is judged by what it is to be.
        Some((_, lsn)) if policy.target == *name => (Some(allowed_by(attributes)), lsn),
        Some((target, lsn)) => (Some(allowed_by(&target.attributes)), lsn),
        None => (None, scene.catalogue.last_removal()),
    };
    policy.check_target(name, allow.as_ref()).map_err(|error| (error, rests))
}

fn allowed_by(attributes: &Pairs) -> RedriveAllowPolicy {
    let policy = attributes.get("RedriveAllowPolicy").and_then(|text| RedriveAllowPolicy::parse(text).ok());
    policy.unwrap_or(RedriveAllowPolicy::AllowAll)
}

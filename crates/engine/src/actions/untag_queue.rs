//! UntagQueue: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html>

use crate::catalogue::{Decided, Outcome, Scene};
use crate::errors::Error;
use crate::reply::Reply;
use crate::rows::QueueRow;

/// Errors, first to last: the queue, no keys. A key that is not there is no error.
pub(super) fn decide(scene: &Scene, queue_url: &str, tag_keys: &[String]) -> Decided {
    let (row, lsn) = scene.resolve(queue_url)?;
    if tag_keys.is_empty() {
        return Err((Error::missing_parameter("TagKeys"), lsn));
    }
    let mut tags = row.tags.clone();
    tags.retain(|key, _| !tag_keys.contains(key));
    let row = QueueRow { tags, version: row.version + 1, ..row.clone() };
    Ok(Outcome::relabelled(Reply::UntagQueue, row))
}

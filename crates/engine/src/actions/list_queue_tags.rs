//! ListQueueTags: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html>

use crate::catalogue::{Decided, Outcome, Scene};
use crate::reply::Reply;

pub(super) fn decide(scene: &Scene, queue_url: &str) -> Decided {
    let (row, rests) = scene.resolve(queue_url)?;
    Ok(Outcome::read(Reply::ListQueueTags { tags: row.tags.clone() }, rests))
}

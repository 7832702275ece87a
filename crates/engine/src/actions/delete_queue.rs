//! DeleteQueue: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>

use crate::catalogue::{Decided, Outcome, Scene};
use crate::command::Internal;
use crate::reply::Reply;
use crate::rows::{CatalogueRow, Record, Row};

/// The name is gone first; its messages then, in the queue's slot.
pub(super) fn decide(scene: &Scene, queue_url: &str) -> Decided {
    let (row, _) = scene.resolve(queue_url)?;
    let deleted = Row::Catalogue(row.name.clone(), CatalogueRow::Deleted(scene.now));
    let then = vec![Internal::Remove(row.id)];
    Ok(Outcome::Write { reply: Reply::DeleteQueue, records: vec![Record::Put(deleted)], then })
}

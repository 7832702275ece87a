//! SetQueueAttributes:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>

use super::create_queue::check_redrive;
use crate::attributes;
use crate::catalogue::{Decided, Outcome, Scene};
use crate::reply::Reply;
use crate::request::Pairs;
use crate::rows::QueueRow;

/// Errors, first to last: the queue; the attributes' names, their values, one that is fixed; what does not go
/// together, also with what the queue has; a dead-letter queue that is not there or not willing. All or none
/// of the attributes are set.
pub(super) fn decide(scene: &Scene, queue_url: &str, attributes: &Pairs) -> Decided {
    let (row, lsn) = scene.resolve(queue_url)?;
    let change = attributes::on_change(attributes, row.name.is_fifo()).map_err(|error| (error, lsn))?;
    let attributes = attributes::merged(&row.attributes, &change).map_err(|error| (error, lsn))?;
    if change.contains_key("RedrivePolicy") {
        check_redrive(scene, &row.name, &attributes).map_err(|(error, rests)| (error, rests.max(lsn)))?;
    }
    Ok(Outcome::changed(Reply::SetQueueAttributes, modified(scene, row, attributes)))
}

/// The row with other attributes.
pub(super) fn modified(scene: &Scene, row: &QueueRow, attributes: Pairs) -> QueueRow {
    QueueRow { attributes, version: row.version + 1, modified: scene.now, ..row.clone() }
}

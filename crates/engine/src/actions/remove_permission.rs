//! RemovePermission:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html>

use super::add_permission::{check_label, with_policy};
use crate::catalogue::{Decided, Outcome, Scene};
use crate::policy;
use crate::reply::Reply;

/// Errors, first to last: the queue, the label's form, a label that is not there.
pub(super) fn decide(scene: &Scene, queue_url: &str, label: &str) -> Decided {
    let (row, lsn) = scene.resolve(queue_url)?;
    let before = row.attributes.get("Policy").map(String::as_str);
    let policy = check_label(label)
        .and_then(|()| policy::remove_permission(before, label))
        .map_err(|error| (error, lsn))?;
    Ok(Outcome::changed(Reply::RemovePermission, with_policy(scene, row, policy)))
}

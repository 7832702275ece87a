//! GetQueueUrl: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html>

use super::create_queue::check_name;
use crate::catalogue::{Decided, Outcome, Scene};
use crate::errors::Error;
use crate::ids::QueueName;
use crate::reply::Reply;

/// Errors, first to last: the name, then that it leads nowhere.
pub(super) fn decide(scene: &Scene, queue_name: &str, owner: Option<&str>) -> Decided {
    check_name(queue_name).map_err(|error| (error, 0))?;
    let queue = QueueName {
        account: owner.unwrap_or(&scene.caller.account).to_owned(),
        region: scene.caller.region.clone(),
        name: queue_name.to_owned(),
    };
    match scene.catalogue.named(&queue) {
        Some((_, rests)) => Ok(Outcome::read(Reply::GetQueueUrl { queue }, rests)),
        None => Err((Error::no_such_queue(), scene.catalogue.last_removal())),
    }
}

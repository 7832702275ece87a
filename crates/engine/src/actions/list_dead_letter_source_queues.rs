//! ListDeadLetterSourceQueues:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html>

use crate::catalogue::page::{Paging, Token};
use crate::catalogue::{Decided, Outcome, Scene};
use crate::reply::Reply;

/// Errors, first to last: the queue, MaxResults, NextToken.
pub(super) fn decide(
    scene: &Scene,
    queue_url: &str,
    next_token: Option<&str>,
    max_results: Option<i64>,
) -> Decided {
    let (row, lsn) = scene.resolve(queue_url)?;
    let token = Token { list: "ListDeadLetterSourceQueues", of: &row.name.arn() };
    let paging = Paging::read(&token, next_token, max_results).map_err(|error| (error, lsn))?;
    let (queues, next_token) = paging.page(&token, scene.catalogue.sources_of(&row.name, &paging.after));
    let reply = Reply::ListDeadLetterSourceQueues { queues, next_token };
    Ok(Outcome::read(reply, scene.catalogue.last_change()))
}

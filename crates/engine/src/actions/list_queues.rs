//! ListQueues: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>

use crate::catalogue::page::{Paging, Token};
use crate::catalogue::{Decided, Outcome, Scene};
use crate::reply::Reply;

/// Errors, first to last: MaxResults, NextToken.
pub(super) fn decide(
    scene: &Scene,
    prefix: &str,
    next_token: Option<&str>,
    max_results: Option<i64>,
) -> Decided {
    let token = Token { list: "ListQueues", of: prefix };
    let paging = Paging::read(&token, next_token, max_results).map_err(|error| (error, 0))?;
    let (account, region) = (&scene.caller.account, &scene.caller.region);
    let found = scene.catalogue.list(account, region, prefix, &paging.after);
    let (queues, next_token) = paging.page(&token, found);
    let reply = Reply::ListQueues { queues, next_token };
    Ok(Outcome::read(reply, scene.catalogue.last_change()))
}

//! GetQueueAttributes.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>

use crate::attributes::get_queue_attributes;
use crate::command::Decision;
use crate::queue::Queue;
use crate::reply::Reply;
use crate::turn::{Turn, answer};

/// The attributes asked for, counters exact to the second.
pub fn decide(queue: &Queue, turn: &Turn, names: &[String]) -> Decision {
    let counters = queue.counters(turn.now);
    let attributes = get_queue_attributes(&queue.row, turn.settings, counters, names);
    answer(queue, attributes.map(|attributes| Reply::GetQueueAttributes { attributes }))
}

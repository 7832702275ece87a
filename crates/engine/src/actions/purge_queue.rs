//! PurgeQueue.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html>

use crate::command::Decision;
use crate::counts::Count;
use crate::errors::{Code, Error};
use crate::limits::REST_AFTER_DELETE_OR_PURGE;
use crate::queue::Queue;
use crate::reply::Reply;
use crate::rows::{Cut, Head, Record, Row};
use crate::turn::{Turn, answer};

/// Every message is gone at once, in flight and delayed ones too; not those already leaving for another queue.
pub fn decide(queue: &mut Queue, turn: &mut Turn) -> Decision {
    let rests_until = queue.head.last_purge + REST_AFTER_DELETE_OR_PURGE;
    if turn.settings.rest_after_delete_or_purge && queue.head.last_purge > 0 && turn.now < rests_until {
        let name = &queue.row.name.name;
        let text = format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
        return answer(queue, Err(Error::new(Code::PurgeQueueInProgress, text)));
    }
    let leaving = queue.touched.leaving().len();
    if queue.window.is_loading() {
        turn.counts.add(Count::PurgedMeanwhile);
    }
    if leaving > 0 {
        turn.counts.add(Count::PurgedMoving);
    }
    if queue.counters(turn.now).in_flight > 0 {
        turn.counts.add(Count::PurgedInFlight);
    }
    let below = Some(queue.head.next_sequence);
    let cut = Cut { queue: queue.id(), arrived_below: below, delayed_below: below };
    turn.emit(queue, Record::Cut(cut));
    let head = Head { live: leaving as u64, last_purge: turn.now, ..queue.head };
    turn.emit(queue, Record::Put(Row::Head(queue.id(), head)));
    answer(queue, Ok(Reply::PurgeQueue))
}

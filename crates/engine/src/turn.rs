//! What an action has at hand while it decides.

use crate::catalogue::Catalogue;
use crate::command::{Answer, Decision, Done, Facts, Internal, Settings, Undo};
use crate::counts::Counts;
use crate::errors::Error;
use crate::ids::{Entropy, Lsn, MessageKey, Millis, Secret};
use crate::queue::Queue;
use crate::reply::Reply;
use crate::rows::{Batch, Record};

/// One decision: time and randomness as values, and the batch its records go to.
pub struct Turn<'a> {
    /// ms
    pub now: Millis,
    /// The batch's number.
    pub lsn: Lsn,
    /// For receipt handles.
    pub entropy: &'a mut Entropy,
    /// Keys of the hashes.
    pub secret: &'a Secret,
    /// The configuration.
    pub settings: &'a Settings,
    /// All names.
    pub catalogue: &'a Catalogue,
    /// Pages the node fetched for this decision.
    pub facts: &'a Facts,
    /// What changes.
    pub batch: &'a mut Batch,
    /// What happens.
    pub counts: &'a mut Counts,
}

impl Turn<'_> {
    /// Writes a record: the view changes by `apply` and by nothing else.
    pub fn emit(&mut self, queue: &mut Queue, record: Record) {
        queue.apply(&record, self.lsn, self.now);
        self.batch.records.push(record);
    }

    /// Takes a message that is touched or removed now out of the delayed count; `came` is known of an untouched one.
    pub fn leave_due(&mut self, queue: &mut Queue, key: &MessageKey, came: Option<Millis>) {
        if let Some(record) = came.and_then(|came| queue.leave_due(key, came)) {
            self.emit(queue, record);
        }
    }
}

/// A client's answer that rests on everything its queue has seen.
pub fn answer(queue: &Queue, reply: Result<Reply, Error>) -> Decision {
    Decision::Done(Done {
        answer: reply.map(Answer::Reply),
        rests: queue.last_lsn,
        undo: Vec::new(),
        then: Vec::new(),
    })
}

/// The end of a request of the node's own.
pub fn settled(rests: Lsn, then: Vec<Internal>) -> Decision {
    Decision::Done(Done { answer: Ok(Answer::Nothing), rests, undo: Vec::<Undo>::new(), then })
}

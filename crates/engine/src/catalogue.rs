//! The catalogue: names, attributes, tags and policies of all queues. A state machine of its own.

use crate::command::{Caller, Internal, Settings};
use crate::errors::Error;
use crate::ids::{Lsn, Millis, QueueId, QueueName};
use crate::reply::Reply;
use crate::request::Request;
use crate::rows::{QueueRow, Record};

/// The view of the catalogue rows.
#[derive(Debug, Default)]
pub struct Catalogue {}

/// What the catalogue decided.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Decided; `then` is delivered once `rests` is durable, and the reply waits for it.
    Done {
        /// For the client.
        reply: Result<Reply, Error>,
        /// What changes. Already applied to the view.
        records: Vec<Record>,
        /// The last `Lsn` of what was read or written.
        rests: Lsn,
        /// For the queue's slot.
        then: Vec<Internal>,
    },
    /// This queue must be durable in its slot before it may be named: install it, then decide again with
    /// `made` set to it.
    First(Box<QueueRow>),
}

impl Catalogue {
    /// Takes over one row, at a start or as part of a decision.
    pub fn apply(&mut self, _record: &Record, _lsn: Lsn) {
        todo!()
    }

    /// Decides a request about names, attributes, tags or permissions, and applies what it decided.
    pub fn execute(
        &mut self,
        _now: Millis,
        _lsn: Lsn,
        _settings: &Settings,
        _caller: &Caller,
        _request: &Request,
        _made: Option<&QueueRow>,
    ) -> Verdict {
        todo!()
    }

    /// The queue a `QueueUrl` names for this caller, with the `Lsn` of its row's last change.
    /// `/account/name`, `/queue/name` and a bare name are understood, with or without scheme and host.
    /// An unknown queue is an error that rests on the last `Lsn` of any removal.
    pub fn resolve(&self, _caller: &Caller, _queue_url: &str) -> Result<(&QueueRow, Lsn), (Error, Lsn)> {
        todo!()
    }

    /// The queue of this address.
    pub fn named(&self, _name: &QueueName) -> Option<(&QueueRow, Lsn)> {
        todo!()
    }

    /// The named queue of this number.
    pub fn by_id(&self, _id: QueueId) -> Option<(&QueueRow, Lsn)> {
        todo!()
    }

    /// Every named queue, in order of account, region and name.
    pub fn queues(&self) -> impl Iterator<Item = &QueueRow> {
        std::iter::empty()
    }
}

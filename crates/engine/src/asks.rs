//! What the engine asks of the store, and the pages it gets back.
//!
//! A page shows a message once it is durable, hides what a `Delete`, `Cut` or `Drop` removed from the moment
//! that was appended, and names the `Lsn` it is true at. Rows come in key order.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ids::{Lane, Lsn, MessageKey, Millis, QueueId};
use crate::rows::{Blob, MessageRow};

/// A question to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The next messages of a queue from `from` on, up to and including `to`, in key order and at most
    /// `limit` of them (and about 1 MiB of blobs, but at least one). Of a lane in `skip` only its first
    /// message's key comes back, as a row without a blob, even if that message was removed meanwhile: others of
    /// the lane may follow it.
    Run {
        /// Where to begin; its queue is the queue that is read.
        from: MessageKey,
        /// Where to end, inclusive.
        to: MessageKey,
        /// Lanes to pass over.
        skip: Arc<BTreeSet<Lane>>,
        /// Rows at most.
        limit: usize,
        /// Whether to go on behind what cannot be read, which the page then names. Otherwise it ends there.
        past_damage: bool,
    },
    /// The next messages of one lane, ranks 0 only, from sequence `from` up to but excluding `to`.
    Lane {
        /// The queue.
        queue: QueueId,
        /// The lane.
        lane: Lane,
        /// First sequence.
        from: u64,
        /// Sequence to stop before.
        to: u64,
        /// Rows at most.
        limit: usize,
    },
    /// Whether these messages are there: their rows come back without blobs. Those of which damage keeps it open are
    /// named as damage.
    Exists(Vec<MessageKey>),
    /// These messages with their blobs, those that are there. Those that cannot be read are named as damage.
    Body(Vec<MessageKey>),
    /// Messages retained from before `cutoff`, without blobs, in key order per rank, at most `limit`.
    /// With `sorted` the times rise with the sequence within rank 0, and the search stops at the first younger one.
    Expired {
        /// The queue.
        queue: QueueId,
        /// ms; a message is expired if its `retained_from` is before this.
        cutoff: Millis,
        /// Whether times rise with sequences in rank 0.
        sorted: bool,
        /// Rows at most.
        limit: usize,
    },
}

impl Ask {
    /// The queue that is asked about.
    pub fn queue(&self) -> QueueId {
        match self {
            Ask::Run { from, .. } => from.queue,
            Ask::Lane { queue, .. } | Ask::Expired { queue, .. } => *queue,
            Ask::Exists(keys) | Ask::Body(keys) => keys.first().map_or(QueueId(0), |key| key.queue),
        }
    }
}

/// An answer of the store.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// True as of this batch.
    pub lsn: Lsn,
    /// In key order.
    pub rows: Vec<Found>,
    /// Whether the range was read to its end; otherwise the next read begins behind the last row.
    pub ran_out: bool,
    /// What could not be read and was passed over, for an ask that goes on behind it (a `Run` if it says so, `Exists`,
    /// `Body`). A message of which only the content could not be read is in `rows`, without a blob.
    pub damage: Vec<Damage>,
}

/// Messages that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The first one.
    pub from: MessageKey,
    /// Where they end at most.
    pub to: MessageKey,
    /// The file, and where in it.
    pub place: String,
}

/// A message of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: MessageKey,
    /// Its row.
    pub row: MessageRow,
    /// Its blob, where the ask is for blobs and the lane is not skipped.
    pub blob: Option<Blob>,
}

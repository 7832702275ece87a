//! What the node asks of the two state machines, [`crate::catalogue::Catalogue`] and [`crate::slot::Slot`],
//! and what they decide.

use crate::asks::{Ask, Page};
use crate::errors::Error;
use crate::ids::{Entropy, Lsn, MessageId, MessageKey, Millis, QueueId};
use crate::message::Digests;
use crate::reply::Reply;
use crate::request::Request;
use crate::rows::{Blob, MessageRow, Origin, QueueRow, Touched};

/// What every decision is given beside the request.
#[derive(Clone, Debug)]
pub struct Moment {
    /// ms; never goes backwards.
    pub now: Millis,
    /// Seed for what the decision draws.
    pub entropy: Entropy,
    /// The `Lsn` of the batch the records will be part of.
    pub lsn: Lsn,
}

/// What of the configuration the engine reads.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `MaximumMessageSize` of a queue that does not set it, bytes.
    pub default_maximum_message_size: u32,
    /// Whether a deleted name and a purged queue rest for 60 seconds.
    pub rest_after_delete_or_purge: bool,
    /// Queues at most.
    pub queues: usize,
    /// Bytes of all windows; of a node, which gives each of its slots a share.
    pub window_bytes: usize,
    /// With more messages of a rank than this at hand, a window reads no more of them. A page takes as long as a few
    /// receives of ten by many consumers: with fewer they would wait for it.
    pub window_low: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            default_maximum_message_size: 262_144,
            rest_after_delete_or_purge: true,
            queues: 1_000_000,
            window_bytes: 64 << 20,
            window_low: 1024,
        }
    }
}

/// Who sends a request, as far as the engine cares.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Caller {
    /// Twelve digits.
    pub account: String,
    /// The region the request is for.
    pub region: String,
    /// `SenderId` of the messages it sends.
    pub sender_id: String,
}

/// A request to a slot.
#[derive(Clone, Debug)]
pub enum Command {
    /// Anything but a send, about this queue (or for move tasks, about the queue its ARN or handle names).
    Client {
        /// The queue it was resolved to.
        queue: QueueId,
        /// When it came in, ms: a long poll's wait counts from here.
        arrived: Millis,
        /// What is asked.
        request: Request,
    },
    /// SendMessage or SendMessageBatch: an outcome an entry, in order.
    Send {
        /// The queue it was resolved to.
        queue: QueueId,
        /// The entries with their Ids; a single send has one with an empty Id.
        entries: Vec<(String, Result<Sealed, Error>)>,
        /// Whether the reply is a batch's.
        batch: bool,
    },
    /// From the server itself.
    Internal(Internal),
}

/// A checked message whose content is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The sealed content.
    pub blob: Blob,
    /// Bytes as SQS counts them.
    pub size: usize,
    /// MD5s for the reply.
    pub digests: Digests,
    /// `DelaySeconds`, if sent.
    pub delay_seconds: Option<i64>,
    /// `MessageGroupId`, if sent.
    pub group: Option<String>,
    /// `MessageDeduplicationId`, if sent.
    pub deduplication_id: Option<String>,
    /// Hex SHA-256 of the body: needed where the queue may deduplicate by content.
    pub content_hash: Option<String>,
}

/// A request between slots, or from a slot to itself. Delivered once what it rests on is durable, and
/// harmless when it comes twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Internal {
    /// Time has passed: expire, step move tasks.
    Tick,
    /// The queue is now so: made, or changed.
    Install(Box<QueueRow>),
    /// The queue is gone.
    Remove(QueueId),
    /// Messages move in. In key order of their source.
    Arrive {
        /// Where to.
        target: QueueId,
        /// What.
        messages: Vec<Moved>,
    },
    /// These messages of `source` have arrived at `target`: delete them, then have them forgotten there.
    Depart {
        /// The queue they leave.
        source: QueueId,
        /// Where they are now.
        target: QueueId,
        /// What they were.
        keys: Vec<MessageKey>,
    },
    /// The target of these messages is gone: they stay.
    Withdraw {
        /// The queue they stay in.
        source: QueueId,
        /// Which.
        keys: Vec<MessageKey>,
    },
    /// The source has deleted these: their arrival need not be remembered.
    Forget {
        /// The queue they came to.
        target: QueueId,
        /// What they were in their source.
        keys: Vec<MessageKey>,
    },
    /// A decided receive whose client is gone before the reply was written.
    Undo(Vec<Undo>),
}

impl Internal {
    /// The queue whose slot it is for; a tick is for every slot.
    pub fn queue(&self) -> Option<QueueId> {
        match self {
            Internal::Tick => None,
            Internal::Install(row) => Some(row.id),
            Internal::Remove(queue) => Some(*queue),
            Internal::Arrive { target, .. } | Internal::Forget { target, .. } => Some(*target),
            Internal::Depart { source, .. } | Internal::Withdraw { source, .. } => Some(*source),
            Internal::Undo(undo) => undo.first().map(|one| one.key.queue),
        }
    }
}

/// A message on its way between queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What it is in its source.
    pub source: MessageKey,
    /// Its id, kept unless `renewed`.
    pub id: MessageId,
    /// Its row in the source.
    pub row: MessageRow,
    /// The receive count and first receive it leaves with.
    pub touched: Touched,
    /// Where it came from: the source, or where that had it from if it is renewed.
    pub origin: Option<Origin>,
    /// Its sealed content.
    pub blob: Blob,
    /// A redrive gives a new id and send time; a dead letter keeps them.
    pub renewed: bool,
}

/// What a receive did to one message, so that it can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The message.
    pub key: MessageKey,
    /// The nonce of the handle nobody saw. If a newer one exists, nothing is undone.
    pub nonce: u64,
    /// The row before; of an untouched message, one that says what its message row says.
    pub before: Touched,
}

/// What the engine decided. Records were applied to the view and belong to the moment's batch.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Decided.
    Done(Done),
    /// Nothing to receive yet. Decide again when the queue is stirred, or at `until`;
    /// `None` waits for a load alone.
    Wait {
        /// ms
        until: Option<Millis>,
    },
    /// Decide again with the pages that answer these.
    Need(Vec<Ask>),
}

/// A decision's outcome.
#[derive(Clone, Debug)]
pub struct Done {
    /// For the client.
    pub answer: Result<Answer, Error>,
    /// The last `Lsn` of what was read or written: the answer is held until it is durable.
    pub rests: Lsn,
    /// What can be undone while the reply is not yet written.
    pub undo: Vec<Undo>,
    /// To be delivered once `rests` is durable. Where a client waits, its reply waits for these as well.
    pub then: Vec<Internal>,
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it is.
    Reply(Reply),
    /// Messages whose blobs the node opens.
    Deliver(Vec<Delivery>),
    /// To the node's own requests.
    Nothing,
}

/// A message handed to a consumer, still sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its `MessageId`.
    pub message_id: MessageId,
    /// The new handle.
    pub receipt_handle: String,
    /// The sealed content.
    pub blob: Blob,
    /// ms
    pub sent: Millis,
    /// This receive included.
    pub receive_count: u32,
    /// ms
    pub first_received: Millis,
    /// Of FIFO queues.
    pub sequence_number: Option<u64>,
    /// `DeadLetterQueueSourceArn`
    pub origin_arn: Option<String>,
    /// The deduplication id replaced by a move between FIFO queues.
    pub renamed_deduplication_id: Option<String>,
}

/// Pages that answer a `Need`, in the order of its asks.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The pages.
    pub pages: Vec<Page>,
}

/// What a state machine wishes done.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Load this; the page comes back with the number.
    Load(LoadId, Ask),
    /// Deliver this once `rests` is durable.
    Send {
        /// The `Lsn` it rests on.
        rests: Lsn,
        /// What.
        internal: Internal,
    },
}

/// Names a load of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);

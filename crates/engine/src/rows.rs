//! Rows: what must survive. The state *is* a set of rows; memory holds a view of the small ones.
//!
//! A row says how things are, never how they changed, so the last value of each row rebuilds the state
//! (Law 1: after every turn the view rebuilt from the store's rows equals the live one).

use bytes::Bytes;

use crate::ids::{Lane, Lsn, MessageId, MessageKey, Millis, QueueId, QueueName};
use crate::request::Pairs;

/// A message's body and attributes as the node's `Sealer` left them: opaque to engine and store.
pub type Blob = Bytes;

/// A row with its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// The truth about a queue's name, attributes and tags. Slot 0.
    Catalogue(QueueName, CatalogueRow),
    /// The slot's copy of what the catalogue says.
    Queue(QueueId, QueueRow),
    /// Counters of a queue; closes every turn that touched it.
    Head(QueueId, Head),
    /// A message and its sealed content. The only row that is not small.
    Message(MessageKey, MessageRow, Blob),
    /// A message that was received, or is leaving for another queue.
    Touched(MessageKey, Touched),
    /// How many untouched messages fall due in this second (on FIFO queues: came in it).
    Due(QueueId, u64, u32),
    /// A deduplication id.
    Dedup(DedupKey, DedupRow),
    /// A ReceiveRequestAttemptId and the messages it was answered with.
    Attempt(AttemptKey, AttemptRow),
    /// A moved message has arrived; kept until its source has forgotten it.
    Arrived(ArrivedKey, ArrivedRow),
    /// A message move task, in its source queue's slot.
    Task(TaskKey, TaskRow),
    /// The highest number any queue was given. Slot 0; there is one such row, and it precedes that queue's own.
    LastQueue(QueueId),
}

/// The key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "as in `Row`")]
pub enum RowKey {
    Catalogue(QueueName),
    Queue(QueueId),
    Head(QueueId),
    Message(MessageKey),
    Touched(MessageKey),
    Due(QueueId, u64),
    Dedup(DedupKey),
    Attempt(AttemptKey),
    Arrived(ArrivedKey),
    Task(TaskKey),
    LastQueue,
}

/// A change to the rows. `apply` and the store understand it alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// This row is now so.
    Put(Row),
    /// This row is gone. A message takes its `Touched` row with it.
    Delete(RowKey),
    /// Every message below a sequence is gone, in one or both ranks.
    Cut(Cut),
    /// Every row of this queue is gone, save its catalogue row.
    Drop(QueueId),
}

/// A range of messages that is gone: purged, expired, or their queue deleted.
/// It takes their `Touched` rows along, save those that are leaving, and their `Due` and `Attempt` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Whose messages.
    pub queue: QueueId,
    /// Messages of rank 0 numbered below this.
    pub arrived_below: Option<u64>,
    /// Messages of any other rank numbered below this.
    pub delayed_below: Option<u64>,
}

impl Cut {
    /// Whether the cut takes this message.
    pub fn takes(&self, key: &MessageKey) -> bool {
        let below = if key.rank == 0 { self.arrived_below } else { self.delayed_below };
        key.queue == self.queue && below.is_some_and(|below| key.sequence < below)
    }
}

/// All records of one turn: durable together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Batch {
    /// When the turn was, in ms. Never goes backwards.
    pub now: Millis,
    /// In the order they were applied.
    pub records: Vec<Record>,
}

/// See [`Row::Catalogue`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CatalogueRow {
    /// The name leads to this queue.
    Named(QueueRow),
    /// The queue of this name was deleted at this ms; the name rests for 60 s.
    Deleted(Millis),
}

/// What is told of a queue when it is made or set, in the catalogue and in its slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct QueueRow {
    /// The queue's number.
    pub id: QueueId,
    /// Its address.
    pub name: QueueName,
    /// Attributes that were set, by SQS's names, as text; the others have the table's default.
    pub attributes: Pairs,
    /// Tags. Only the catalogue's row has them.
    pub tags: Pairs,
    /// Rises with every change; the older copy yields.
    pub version: u64,
    /// ms
    pub created: Millis,
    /// ms
    pub modified: Millis,
}

/// See [`Row::Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Head {
    /// The number the next message gets.
    pub next_sequence: u64,
    /// Messages that are there: visible, in flight, delayed or leaving.
    pub live: u64,
    /// Whether a moved message was ever here since the queue was last empty: then the original send times
    /// do not rise with the sequence.
    pub has_moved: bool,
    /// When the queue was last purged, ms; 0 if never.
    pub last_purge: Millis,
    /// FIFO queues: every untouched message numbered below this is of a group with a received one that is not leaving,
    /// so that a restart looks for free groups from here on. 0 if nothing is known.
    pub free_from: u64,
}

/// See [`Row::Message`]. Fixed for the life of the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct MessageRow {
    /// Only of a moved message, which keeps its id; otherwise the id is a function of the key.
    pub id: Option<MessageId>,
    /// The message group's lane.
    pub lane: Lane,
    /// Where a moved message came from.
    pub origin: Option<Origin>,
    /// `SentTimestamp`, ms; kept through a move to a dead-letter queue.
    pub sent: Millis,
    /// What retention counts from, ms: `sent`, or on FIFO queues the time of the move.
    pub retained_from: Millis,
    /// Bytes as SQS counts them.
    pub size: u32,
    /// Receives before it came here.
    pub receive_count: u32,
    /// First receive before it came here, ms; 0 if none.
    pub first_received: Millis,
}

/// The queue a moved message came from first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Its number.
    pub queue: QueueId,
    /// Its ARN: `DeadLetterQueueSourceArn`.
    pub arn: String,
}

/// See [`Row::Touched`]. Law 2: a message without this row is exactly what its message row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Touched {
    /// `ApproximateReceiveCount`.
    pub receive_count: u32,
    /// The receive count it came to this queue with: `maxReceiveCount` counts the receives since.
    pub received_before: u32,
    /// `ApproximateFirstReceiveTimestamp`, ms; 0 if never received.
    pub first_received: Millis,
    /// The latest receive, ms.
    pub last_received: Millis,
    /// Invisible until then, ms.
    pub deadline: Millis,
    /// Of the newest receipt handle.
    pub nonce: u64,
    /// The message's lane.
    pub lane: Lane,
    /// The message's `retained_from`, ms.
    pub retained_from: Millis,
    /// Set while the message moves to another queue: not offered, not counted.
    pub leaving: Option<Leaving>,
}

/// Where a message is going, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leaving {
    /// The queue it goes to.
    pub target: QueueId,
    /// A redrive gives it a new id and send time; a dead letter keeps them.
    pub renewed: bool,
}

/// See [`Row::Dedup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupKey {
    /// The queue.
    pub queue: QueueId,
    /// The minute since the epoch of the first send: whole minutes are forgotten at once, by the engine's
    /// view and by the store alike, [`DEDUP_MINUTES`] after.
    pub minute: u64,
    /// Of scope and id.
    pub hash: DedupHash,
}

/// 96 bits of a keyed hash. Among ten million ids within five minutes two have the same once in 10^15 times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupHash {
    /// The upper 32 bits.
    pub high: u32,
    /// The lower 64 bits.
    pub low: u64,
}

impl From<u128> for DedupHash {
    /// The lower 96 bits of a hash.
    fn from(hash: u128) -> DedupHash {
        DedupHash { high: (hash >> 64) as u32, low: hash as u64 }
    }
}

/// A minute of deduplication ids may be forgotten when this many minutes have begun after it.
pub const DEDUP_MINUTES: u64 = 6;

/// See [`Row::Dedup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DedupRow {
    /// The first message's number.
    pub sequence: u64,
    /// When it was sent, ms.
    pub sent: Millis,
    /// Its id, if that is no function of the number (a moved message).
    pub id: Option<MessageId>,
}

/// See [`Row::Attempt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// The queue.
    pub queue: QueueId,
    /// Keyed hash of the ReceiveRequestAttemptId.
    pub hash: u128,
}

/// See [`Row::Attempt`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttemptRow {
    /// When the receive was, ms.
    pub received: Millis,
    /// When its messages return, ms: one that returns at another time was modified since.
    pub deadline: Millis,
    /// Its messages and the nonces of their handles, in order.
    pub messages: Vec<(MessageKey, u64)>,
}

/// See [`Row::Arrived`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrivedKey {
    /// The queue it came to.
    pub queue: QueueId,
    /// What it was in its source.
    pub source: MessageKey,
}

/// See [`Row::Arrived`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArrivedRow {
    /// What it is here.
    pub key: MessageKey,
}

/// See [`Row::Task`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// The source queue.
    pub queue: QueueId,
    /// Start time (ms), which orders them, made unique.
    pub number: u64,
}

/// See [`Row::Task`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskRow {
    /// Where to; none means back to each message's origin.
    pub destination: Option<Origin>,
    /// Messages a second; none means as fast as it goes.
    pub rate: Option<u32>,
    /// RUNNING and so on.
    pub status: TaskStatus,
    /// ms
    pub started: Millis,
    /// Messages marked as leaving so far.
    pub moved: u64,
    /// Messages there were at the start.
    pub to_move: u64,
    /// The source's `next_sequence` at the start: later messages stay.
    pub until_sequence: u64,
    /// Why it failed.
    pub failure: Option<String>,
}

/// The states of a message move task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in ListMessageMoveTasks")]
pub enum TaskStatus {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

impl TaskStatus {
    /// As in ListMessageMoveTasks.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskStatus::Running => "RUNNING",
            TaskStatus::Completed => "COMPLETED",
            TaskStatus::Cancelling => "CANCELLING",
            TaskStatus::Cancelled => "CANCELLED",
            TaskStatus::Failed => "FAILED",
        }
    }
}

impl Row {
    /// The row's key.
    pub fn key(&self) -> RowKey {
        match self {
            Row::Catalogue(name, _) => RowKey::Catalogue(name.clone()),
            Row::Queue(id, _) => RowKey::Queue(*id),
            Row::Head(id, _) => RowKey::Head(*id),
            Row::Message(key, ..) => RowKey::Message(*key),
            Row::Touched(key, _) => RowKey::Touched(*key),
            Row::Due(id, second, _) => RowKey::Due(*id, *second),
            Row::Dedup(key, _) => RowKey::Dedup(*key),
            Row::Attempt(key, _) => RowKey::Attempt(*key),
            Row::Arrived(key, _) => RowKey::Arrived(*key),
            Row::Task(key, _) => RowKey::Task(*key),
            Row::LastQueue(_) => RowKey::LastQueue,
        }
    }
}

impl RowKey {
    /// The queue a row belongs to; the catalogue's rows belong to none.
    pub fn queue(&self) -> Option<QueueId> {
        match self {
            RowKey::Catalogue(_) | RowKey::LastQueue => None,
            RowKey::Queue(id) | RowKey::Head(id) | RowKey::Due(id, _) => Some(*id),
            RowKey::Message(key) | RowKey::Touched(key) => Some(key.queue),
            RowKey::Dedup(key) => Some(key.queue),
            RowKey::Attempt(key) => Some(key.queue),
            RowKey::Arrived(key) => Some(key.queue),
            RowKey::Task(key) => Some(key.queue),
        }
    }
}

impl Record {
    /// The queue a record belongs to; the catalogue's rows belong to none.
    pub fn queue(&self) -> Option<QueueId> {
        match self {
            Record::Put(row) => row.key().queue(),
            Record::Delete(key) => key.queue(),
            Record::Cut(cut) => Some(cut.queue),
            Record::Drop(id) => Some(*id),
        }
    }
}

/// The last `Lsn` that a reply rests on; 0 rests on nothing.
pub type Rests = Lsn;

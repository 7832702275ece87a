//! What is known of one message.

use engine::MessageId;

use super::body::{Body, Digests};
use super::{HandleAt, MessageAt, Model, QueueAt, Span};

/// Whether it was ever in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Its request is out.
    Pending,
    /// Its request ended without a reply: it came before the crash, or never.
    Maybe,
    /// Acknowledged, or seen.
    Sure,
    /// Refused, or a duplicate.
    Never,
}

/// Whether it was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gone {
    /// Certainly not.
    No,
    /// A removal is out, or ended without a reply, or did not name the newest receive.
    Maybe,
    /// A removal was acknowledged.
    Yes,
}

/// One message, from its first sending on.
#[derive(Clone, Debug)]
pub struct Message {
    /// The queue it was last known to be in.
    pub home: QueueAt,
    /// Its group; 0 for none.
    pub group: u32,
    /// Its deduplication id on a FIFO queue.
    pub dedup: u64,
    /// Bytes of its body.
    pub size: usize,
    /// Whether it was ever there.
    pub sent: Sent,
    /// Whether it was removed.
    pub gone: Gone,
    /// Why, for messages about violations.
    pub removal: &'static str,
    /// Send requests that are out.
    pub sending: u32,
    /// When it was sent, ms.
    pub sent_at: Span,
    /// Its own DelaySeconds, ms.
    pub own_delay: Option<u64>,
    /// The delay it was sent with, ms; on FIFO queues the queue's present one counts.
    pub delay: Span,
    /// Its `MessageId`, once known.
    pub id: Option<MessageId>,
    /// Its `SequenceNumber` where it is now, once known.
    pub sequence: Option<u64>,
    /// Its `SentTimestamp`, once seen.
    pub timestamp: Option<u64>,
    /// Its `ApproximateFirstReceiveTimestamp`, once certain.
    pub first_received: Option<u64>,
    /// Whether it was delivered, in this queue or before it came here.
    pub touched: bool,
    /// Whether a receive nobody saw may have taken it: the delay of a FIFO queue holds it back no more then.
    pub taken_unseen: bool,
    /// From when on it can be received again, ms: not before `lo`, certainly from `hi` on.
    pub visible: Span,
    /// Until when a crash that forgets the latest deliveries may hide it again, ms: a visibility change that nobody
    /// was told of may have let them have it, and is forgotten with them.
    pub hidden_before: u64,
    /// Deliveries so far, as the server counts them.
    pub count: Span,
    /// The least count that is durable.
    pub solid: u64,
    /// The turn of the latest delivery.
    pub delivered_turn: u64,
    /// The turn from which its presence was acknowledged.
    pub known_turn: u64,
    /// The turn in which its send ended without a reply.
    pub ended_turn: u64,
    /// The number of the next unseen receive when that of the latest delivery began.
    pub forgotten_seen: u64,
    /// Deletes and visibility changes of it that are out.
    pub busy: u32,
    /// Rises with each operation on it.
    pub version: u64,
    /// The handle of the latest known delivery.
    pub newest: Option<HandleAt>,
    /// The attempt id of the latest known delivery.
    pub attempt: Option<u64>,
    /// How often it came to another queue, or back: a handle stands for one stay.
    pub stays: u64,
    /// Dead-letter queues it may have gone to in a life of its queue that has ended.
    pub exits: Vec<QueueAt>,
    /// Whether it was moved and given a new id: its age is not known then.
    pub moved: bool,
    /// Whether a purge or deletion may have taken it: after a deletion a retry of its send is a new message.
    pub purged: bool,
}

impl Message {
    /// A message that is about to be sent.
    pub fn new(home: QueueAt, group: u32, dedup: u64, size: usize) -> Message {
        Message {
            home,
            group,
            dedup,
            size,
            sent: Sent::Pending,
            gone: Gone::No,
            removal: "",
            sending: 0,
            sent_at: Span::default(),
            own_delay: None,
            delay: Span::default(),
            id: None,
            sequence: None,
            timestamp: None,
            first_received: None,
            touched: false,
            taken_unseen: false,
            visible: Span::default(),
            hidden_before: 0,
            count: Span::default(),
            solid: 0,
            delivered_turn: 0,
            known_turn: 0,
            ended_turn: 0,
            forgotten_seen: 0,
            busy: 0,
            version: 0,
            newest: None,
            attempt: None,
            stays: 0,
            exits: Vec::new(),
            moved: false,
            purged: false,
        }
    }

    /// Certainly in some queue.
    pub fn surely_there(&self) -> bool {
        self.sent == Sent::Sure && self.gone == Gone::No
    }

    /// Possibly in some queue.
    pub fn maybe_there(&self) -> bool {
        self.sent != Sent::Never && self.gone != Gone::Yes
    }

    /// Possibly removed.
    pub fn maybe_gone(&mut self, removal: &'static str) {
        if self.gone == Gone::No {
            self.gone = Gone::Maybe;
            self.removal = removal;
        }
    }

    /// Certainly removed.
    pub fn surely_gone(&mut self, removal: &'static str) {
        self.gone = Gone::Yes;
        self.removal = removal;
    }

    /// Whether a crash may have forgotten its latest delivery.
    pub fn is_forgotten(&self) -> bool {
        self.touched && self.first_received.is_none()
    }

    /// It is about to be delivered; `durable` says whether a crash can't forget the delivery before.
    pub fn before_delivery(&mut self, durable: bool) {
        if durable {
            (self.solid, self.hidden_before) = (self.count.lo, 0);
        }
        if self.touched {
            self.hidden_before = self.hidden_before.max(self.visible.hi);
        }
    }

    /// The latest deliveries may never have been, for all the server knows.
    pub fn forget_receives(&mut self) {
        self.count.lo = self.solid.min(self.count.lo);
        self.visible = Span { lo: 0, hi: self.visible.hi.max(self.hidden_before) };
        self.first_received = None;
    }
}

impl Model {
    /// The MD5s of a message: worked out once.
    pub(super) fn digests(&mut self, at: MessageAt) -> Digests {
        let size = self.messages[at].size;
        if self.digests.len() <= at {
            self.digests.resize(at + 1, None);
        }
        *self.digests[at].get_or_insert_with(|| Body { message: at, size }.digests())
    }

    /// Whether it may have left its queue for another by itself.
    pub(super) fn may_have_left(&self, message: &Message) -> bool {
        let queue = &self.queues[message.home];
        if message.visible.lo > self.now().hi {
            return false;
        }
        if !queue.moves.is_empty() || !message.exits.is_empty() {
            return true;
        }
        let count = message.count.hi + self.uncounted(message);
        queue.redrives.iter().any(|policy| count >= policy.most)
    }

    /// Deliveries nobody saw that may have been counted since the latest known one.
    pub(super) fn uncounted(&self, message: &Message) -> u64 {
        let queue = &self.queues[message.home];
        queue.unseen.since(message.forgotten_seen) + queue.receiving
    }

    /// Whether retention may have taken it, here or where it may have gone.
    pub fn may_have_expired(&self, message: &Message) -> bool {
        let from =
            if message.moved { message.sent_at.lo } else { message.timestamp.unwrap_or(message.sent_at.lo) };
        let mut retention = self.queues[message.home].shortest_retention;
        if self.may_have_left(message) {
            let there = (0..self.queues.len()).filter(|&queue| self.may_have_gone_to(message, queue));
            let shortest = there.map(|queue| self.queues[queue].shortest_retention).min();
            retention = retention.min(shortest.unwrap_or(u64::MAX));
        }
        self.now().hi >= from.saturating_add(retention)
    }

    /// When its delay ends, ms.
    pub(super) fn due(&self, message: &Message) -> Span {
        let queue = &self.queues[message.home];
        message.sent_at.plus(if queue.fifo { queue.delay() } else { message.delay })
    }

    /// From when on a receive may find it, ms: not before `lo`, certainly from `hi` on.
    pub(super) fn receivable(&self, message: &Message) -> Span {
        let due = self.due(message);
        if message.touched {
            message.visible
        } else if message.taken_unseen {
            Span { lo: message.sent_at.lo, ..due }
        } else {
            due
        }
    }
}

//! A naive SQS. It keeps no state machine: of every message and queue it knows what is *certain* and what is
//! *possible*, from the requests that began and the replies that came, and refuses a reply that is neither.
//!
//! - An operation takes effect once, somewhere between its beginning and its reply.
//! - One whose reply never came (a crash) took effect before the crash, or never.
//! - Time is a span, since after a crash the server may know less of it than we do.
//!
//! Nothing here uses the engine's code, only its requests, replies and published limits.

mod admin;
mod body;
mod clock;
mod counters;
mod deliver;
mod fifo;
mod handles;
mod message;
mod queue;
mod send;
#[cfg(test)]
mod tests;
mod unseen;

use std::collections::{BTreeMap, HashMap};

use engine::{Error, Reply};

pub use body::Body;
pub use clock::Span;
pub use deliver::claimed;
pub use handles::Held;
pub use message::{Gone, Message, Sent};
pub use queue::{Change, Exists, Policy, Queue, Shape};

/// Why a reply, or its absence, is not allowed.
pub type Violation = String;

/// A queue by its place in the seed's list of names.
pub type QueueAt = usize;
/// A message by its place in the list of all that were ever sent; its body says it.
pub type MessageAt = usize;
/// A receipt handle by its place in the list of all that were ever given out.
pub type HandleAt = usize;

/// A request in the model's words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members are those of the action")]
pub enum Call {
    /// CreateQueue with these settings.
    Create { queue: QueueAt, shape: Shape },
    /// DeleteQueue.
    Remove { queue: QueueAt },
    /// PurgeQueue.
    Purge { queue: QueueAt },
    /// SetQueueAttributes.
    Set { queue: QueueAt, change: Change },
    /// GetQueueAttributes of everything.
    Counters { queue: QueueAt },
    /// GetQueueUrl.
    Locate { queue: QueueAt },
    /// SendMessage, or SendMessageBatch of several.
    Send { queue: QueueAt, messages: Vec<MessageAt>, batch: bool },
    /// ReceiveMessage; times in seconds.
    Receive { queue: QueueAt, most: usize, timeout: Option<u64>, wait: u64, attempt: Option<u64> },
    /// DeleteMessage or its batch.
    Delete { queue: QueueAt, handles: Vec<HandleAt>, batch: bool },
    /// ChangeMessageVisibility or its batch; times in seconds.
    Change { queue: QueueAt, entries: Vec<(HandleAt, u64)>, batch: bool },
    /// DeleteMessage with a handle nobody was given.
    Forge { queue: QueueAt },
    /// StartMessageMoveTask.
    Move { source: QueueAt, destination: Option<QueueAt> },
    /// ListMessageMoveTasks.
    Moves { source: QueueAt },
}

impl Call {
    /// The queue it addresses.
    pub fn queue(&self) -> QueueAt {
        match self {
            Call::Create { queue, .. }
            | Call::Remove { queue }
            | Call::Purge { queue }
            | Call::Set { queue, .. }
            | Call::Counters { queue }
            | Call::Locate { queue }
            | Call::Send { queue, .. }
            | Call::Receive { queue, .. }
            | Call::Delete { queue, .. }
            | Call::Change { queue, .. }
            | Call::Forge { queue } => *queue,
            Call::Move { source, .. } | Call::Moves { source } => *source,
        }
    }
}

/// A request that has begun and has no reply yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What it is.
    pub call: Call,
    /// When it began.
    began: Span,
    /// The turn in which it began.
    turn: u64,
    /// The queue's [`Queue::stirs`] when it began.
    stirs: u64,
    /// What the queue's visibility timeout, ms, could be when it began.
    timeout: Span,
    /// What the queue's delay, ms, could be when it began.
    delay: Span,
    /// Of an entry each: what was known of the message before.
    before: Vec<Before>,
    /// Whether nothing else was out at the queue when it began.
    alone: bool,
    /// The queue's [`Queue::lives`] when it began.
    lives: u64,
    /// Whether the queue existed when it began.
    existed: Exists,
    /// The highest sequence number acknowledged before it began.
    sequence: u64,
    /// The next unseen receive of its queue when it began: it came after those before.
    unseen: u64,
}

/// What was known of a message before an operation on it began.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// Its version right after the beginning.
    version: u64,
    gone: Gone,
    visible: Span,
}

/// From here on a deduplication id stands for the hash of a body.
pub const BY_CONTENT: u64 = 1 << 63;

/// The `MessageGroupId` of a group.
pub fn group_id(group: u32) -> String {
    format!("group-{group}")
}

/// What may be wrong with the world just now: it excuses some errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Excuses {
    /// Stored bytes are, or were a moment ago, not what was written.
    pub damage: bool,
    /// The disk is, or was, full.
    pub full: bool,
    /// The disk is so slow that undurable bytes may have piled up.
    pub slow: bool,
}

/// The model of one server.
#[derive(Debug, Default)]
pub struct Model {
    /// Queues by place.
    pub queues: Vec<Queue>,
    /// Messages by place.
    pub messages: Vec<Message>,
    /// Handles by place.
    pub handles: Vec<Held>,
    /// What excuses errors now.
    pub excuses: Excuses,
    /// How late a waiting receive may be answered after its message became visible, ms.
    pub slack: u64,
    clock: clock::Clock,
    turn: u64,
    pending: BTreeMap<u64, Pending>,
    /// The MD5s of messages by place, once they were asked for.
    digests: Vec<Option<body::Digests>>,
    /// Every MessageId that was acknowledged.
    ids: HashMap<u128, MessageAt>,
}

impl Model {
    /// A server without queues; `shapes` are the queues that may come to be.
    pub fn new(shapes: Vec<Shape>) -> Model {
        let queues = shapes.into_iter().map(Queue::new).collect();
        Model { queues, ..Model::default() }
    }

    /// Time is now `now`, in ms.
    pub fn pass(&mut self, now: u64) {
        self.clock.at(now);
    }

    /// A turn begins at `now`, in ms.
    pub fn turn(&mut self, now: u64) {
        self.turn += 1;
        self.pass(now);
    }

    /// Now, as far as is known.
    pub fn now(&self) -> Span {
        self.clock.now()
    }

    /// Requests without a reply.
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// What all outstanding requests are.
    pub fn pending_calls(&self) -> Vec<&Call> {
        self.pending.values().map(|pending| &pending.call).collect()
    }

    /// What an outstanding request is.
    pub fn call(&self, id: u64) -> Option<&Call> {
        self.pending.get(&id).map(|pending| &pending.call)
    }

    /// Whether a request is out that makes, removes, empties or changes this queue.
    pub fn is_governed(&self, queue: QueueAt) -> bool {
        self.pending.values().any(|pending| {
            let governs = matches!(
                pending.call,
                Call::Create { .. } | Call::Remove { .. } | Call::Purge { .. } | Call::Set { .. }
            );
            governs && pending.call.queue() == queue
        })
    }

    /// A request begins.
    pub fn begin(&mut self, id: u64, call: Call) {
        let now = self.now();
        let queue = &mut self.queues[call.queue()];
        queue.outstanding += 1;
        if !matches!(call, Call::Counters { .. } | Call::Locate { .. } | Call::Moves { .. }) {
            queue.stirs += 1;
        }
        let mut pending = Pending {
            began: now,
            turn: self.turn,
            stirs: queue.stirs,
            timeout: queue.timeout(),
            delay: queue.delay(),
            before: Vec::new(),
            alone: queue.outstanding == 1,
            lives: queue.lives,
            existed: queue.exists,
            sequence: queue.highest_sequence,
            unseen: queue.unseen.number(),
            call,
        };
        self.begin_effects(&mut pending);
        self.pending.insert(id, pending);
    }

    fn begin_effects(&mut self, pending: &mut Pending) {
        match &pending.call {
            Call::Send { queue, messages, .. } => self.begin_send(*queue, messages),
            Call::Receive { queue, .. } => self.queues[*queue].receiving += 1,
            Call::Delete { handles, .. } => pending.before = self.begin_delete(handles),
            Call::Change { entries, .. } => pending.before = self.begin_change(entries),
            Call::Purge { queue } => self.begin_purge(*queue),
            Call::Remove { queue } => self.begin_remove(*queue),
            Call::Create { queue, shape } => self.begin_create(*queue, shape.clone()),
            Call::Set { queue, change } => self.queues[*queue].begin_set(change),
            Call::Move { source, destination } => self.begin_move(*source, *destination),
            Call::Counters { .. } | Call::Locate { .. } | Call::Forge { .. } | Call::Moves { .. } => {}
        }
    }

    /// A reply came out.
    pub fn reply(&mut self, id: u64, result: &Result<Reply, Error>) -> Result<(), Violation> {
        let pending = self.pending.remove(&id).ok_or_else(|| format!("request {id} was answered twice"))?;
        let queue = pending.call.queue();
        self.queues[queue].outstanding -= 1;
        let settles = matches!(pending.call, Call::Create { .. } | Call::Remove { .. } | Call::Set { .. });
        if settles {
            self.queues[queue].settled_turn = self.turn;
        }
        let outcome = match result {
            Ok(reply) => self.accept(&pending, reply),
            Err(error) => self.refuse(&pending, error),
        };
        if outcome.is_ok() && result.is_ok() {
            self.learn_durable(&pending);
        }
        outcome.map_err(|why| format!("{why}; {:?} was answered {result:?}", pending.call))
    }

    fn accept(&mut self, pending: &Pending, reply: &Reply) -> Result<(), Violation> {
        match (&pending.call, reply) {
            (Call::Create { queue, shape }, Reply::CreateQueue { .. }) => {
                self.created(pending, *queue, shape)
            }
            (Call::Remove { queue }, Reply::DeleteQueue) => self.removed(pending, *queue),
            (Call::Purge { queue }, Reply::PurgeQueue) => self.purged(pending, *queue),
            (Call::Set { queue, change }, Reply::SetQueueAttributes) => {
                self.queues[*queue].set(change);
                Ok(())
            }
            (Call::Counters { queue }, Reply::GetQueueAttributes { attributes }) => {
                self.check_attributes(pending, *queue, attributes)
            }
            (Call::Locate { queue }, Reply::GetQueueUrl { .. }) => self.located(*queue),
            (Call::Send { queue, messages, .. }, _) => self.sent(pending, *queue, messages, reply),
            (Call::Receive { queue, .. }, Reply::ReceiveMessage { messages }) => {
                self.received(pending, *queue, messages)
            }
            (Call::Delete { handles, .. }, _) => self.deleted(pending, handles, reply),
            (Call::Change { entries, .. }, _) => self.changed(pending, entries, reply),
            (Call::Forge { .. }, _) => Err("a forged receipt handle was accepted".into()),
            (Call::Move { .. }, Reply::StartMessageMoveTask { .. }) => Ok(()),
            (Call::Moves { .. }, Reply::ListMessageMoveTasks { .. }) => Ok(()),
            _ => Err("the reply is another action's".into()),
        }
    }

    /// A reply that waits for durability proves that what its queue did before it began is durable.
    fn learn_durable(&mut self, pending: &Pending) {
        let now = self.now().hi;
        let queue = &mut self.queues[pending.call.queue()];
        // GetQueueUrl and CreateQueue are answered by the catalogue alone.
        let of_catalogue = matches!(pending.call, Call::Locate { .. } | Call::Create { .. });
        let before = pending.turn.saturating_sub(1);
        if !of_catalogue {
            queue.unseen.learn_due(before, self.turn);
        }
        let waits = !of_catalogue && (queue.fifo || !matches!(pending.call, Call::Receive { .. }));
        if waits {
            queue.durable_turn = queue.durable_turn.max(before);
            queue.unseen.learn_durable(queue.durable_turn, now);
        }
        // Only what was written carries time to the disk; a duplicate's answer on a FIFO queue does not.
        if matches!(pending.call, Call::Send { .. }) && !queue.fifo {
            self.clock.acknowledged(pending.began);
        }
    }

    /// The client hung up, and the server was told: a reply that still comes says nothing.
    pub fn hung_up(&mut self, id: u64) {
        self.give_up(id, false);
    }

    /// A receive whose reply came out, was seen by nobody and was taken back.
    pub fn undone(&mut self, id: u64) {
        self.give_up(id, true);
    }

    fn give_up(&mut self, id: u64, was_due: bool) {
        let Some(pending) = self.pending.remove(&id) else { return };
        self.queues[pending.call.queue()].outstanding -= 1;
        match pending.call {
            Call::Receive { queue, attempt, .. } => self.ghost(&pending, queue, attempt, was_due),
            _ => self.unanswered(&pending),
        }
    }

    /// A receive that may have been decided and is taken back, as it was already if its reply was due: as if it had
    /// never been, unless its messages became visible meanwhile, or a retry is to get them.
    fn ghost(&mut self, pending: &Pending, queue: QueueAt, attempt: Option<u64>, was_due: bool) {
        self.taken_unseen(pending, queue);
        let lasted = self.now().hi.saturating_sub(pending.began.lo);
        let timeout = self.timeout_of(pending);
        let queue = &mut self.queues[queue];
        queue.receiving -= 1;
        if attempt.is_some() || timeout.lo <= lasted + 1 {
            queue.unseen.forgotten();
            queue.hidden_until = queue.hidden_until.max(self.clock.now().hi + timeout.hi);
        } else {
            queue.unseen.taken_back(self.turn, pending.began.lo + timeout.lo, was_due);
            queue.ghosts_until = queue.ghosts_until.max(self.clock.now().hi + timeout.hi);
        }
        queue.hidden_turn = self.turn + 1;
    }

    /// A receive nobody saw may have taken what was receivable: taken back or forgotten, it has been received, and a
    /// longer delay of its FIFO queue does not hide it again.
    fn taken_unseen(&mut self, pending: &Pending, queue: QueueAt) {
        let now = self.now();
        let to = &self.queues[queue];
        let delay = pending.delay.union(to.delay());
        for &at in &to.live {
            let message = &mut self.messages[at];
            message.taken_unseen |= to.fifo && message.sent_at.lo + delay.lo <= now.hi;
        }
    }

    /// What the server did about this is not known and will not be.
    fn unanswered(&mut self, pending: &Pending) {
        match &pending.call {
            Call::Send { queue, messages, .. } => self.send_unanswered(*queue, messages),
            Call::Receive { queue, .. } => {
                self.taken_unseen(pending, *queue);
                let timeout = self.timeout_of(pending);
                let until = self.now().hi + timeout.hi;
                let queue = &mut self.queues[*queue];
                queue.receiving -= 1;
                queue.unseen.forgotten();
                queue.hidden_until = queue.hidden_until.max(until);
            }
            Call::Delete { handles, .. } => self.delete_unanswered(handles),
            Call::Change { entries, .. } => self.change_unanswered(entries),
            Call::Purge { queue } => self.purge_unanswered(*queue),
            Call::Remove { queue } => self.remove_unanswered(*queue),
            Call::Set { queue, .. } => self.queues[*queue].setting -= 1,
            _ => {}
        }
    }

    /// The server is gone, with all it did not make durable.
    pub fn crashed(&mut self) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            self.queues[pending.call.queue()].outstanding -= 1;
            self.unanswered(&pending);
        }
        for at in 0..self.queues.len() {
            self.forget_receives(at);
        }
    }

    /// The server starts, and its clock says `now` ms: what it acknowledged before cannot lie ahead.
    pub fn restarted(&mut self, now: u64) -> Result<(), Violation> {
        self.clock.restarted(now)
    }

    /// Of a standard queue, receives that nothing durable rests on may be forgotten; of any queue, that a receive was
    /// taken back.
    fn forget_receives(&mut self, at: QueueAt) {
        let queue = &mut self.queues[at];
        if queue.unseen.has_ghosts() {
            queue.hidden_until = queue.hidden_until.max(queue.ghosts_until);
        }
        queue.unseen.crashed();
        if queue.fifo {
            return;
        }
        let durable = queue.durable_turn;
        for &message in &queue.live {
            let message = &mut self.messages[message];
            if message.delivered_turn > durable {
                message.forget_receives();
            }
        }
    }

    /// What the visibility timeout of this receive may be, ms.
    fn timeout_of(&self, pending: &Pending) -> Span {
        match pending.call {
            Call::Receive { timeout: Some(seconds), .. } => Span::at(seconds * 1_000),
            _ => pending.timeout.union(self.queues[pending.call.queue()].timeout()),
        }
    }

    /// When a message that is not receivable now next is, ms.
    pub fn next_receivable(&self, now: u64) -> Option<u64> {
        let live = self.queues.iter().flat_map(|queue| &queue.live).map(|&at| &self.messages[at]);
        let there = live.filter(|message| message.maybe_there());
        let times = there
            .map(|message| self.receivable(message).hi)
            .chain(self.queues.iter().map(|queue| queue.hidden_until));
        times.filter(|&at| at > now).min()
    }

    /// Messages of a queue that nobody received though they were certainly there to be had for a while.
    pub fn overdue(&self, queue: QueueAt) -> Vec<MessageAt> {
        let now = self.now().lo;
        let to = &self.queues[queue];
        let is_overdue = |message: &Message| {
            message.surely_there()
                && !message.touched
                && !message.moved
                && message.busy == 0
                && message.home == queue
                && self.receivable(message).hi + self.slack < now
                && !self.may_have_expired(message)
                && !self.may_have_left(message)
        };
        let live = to.live.iter().copied().filter(|_| to.is_settled() && to.hidden_until < now);
        live.filter(|&at| is_overdue(&self.messages[at])).collect()
    }

    /// Messages that may still be in a queue, for a message about a violation.
    pub fn leftovers(&self, queue: QueueAt) -> String {
        let live = self.queues[queue].live.iter().filter(|&&at| self.messages[at].maybe_there());
        let each = live.take(12).map(|&at| {
            let message = &self.messages[at];
            let (there, again) = (message.surely_there(), self.receivable(message));
            format!("{at} (sure: {there}, received: {}, {} to {})", message.touched, again.lo, again.hi)
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// After the drain: every message that was acknowledged and not removed must have been seen.
    pub fn finish(&self) -> Result<(), Violation> {
        for (at, message) in self.messages.iter().enumerate() {
            let queue = &self.queues[message.home];
            if message.sent == Sent::Sure && message.gone == Gone::No && !self.may_have_expired(message) {
                return Err(format!("message {at} of queue {} was lost: {message:?}", queue.name));
            }
        }
        Ok(())
    }
}

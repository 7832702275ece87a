//! Queues that come, go, are emptied and feed each other; and which errors are allowed.

use engine::limits::REST_AFTER_DELETE_OR_PURGE;
use engine::{Code, Error};

use super::message::Sent;
use super::queue::Exists;
use super::{Call, MessageAt, Model, Pending, QueueAt, Shape, Violation};

impl Model {
    pub(super) fn begin_create(&mut self, queue: QueueAt, shape: Shape) {
        if self.queues[queue].exists == Exists::No {
            // A new life: what left in the one before went where that one's policies led.
            for at in self.queues[queue].live.clone() {
                self.messages[at].exits = self.dead_letters(&self.messages[at]).collect();
            }
        }
        self.queues[queue].begin_create(shape);
    }

    pub(super) fn created(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        shape: &Shape,
    ) -> Result<(), Violation> {
        let to = &mut self.queues[queue];
        if pending.existed == Exists::No && to.setting == 0 && pending.lives == to.lives {
            to.created(shape);
        }
        to.exists = Exists::Yes;
        Ok(())
    }

    pub(super) fn located(&mut self, queue: QueueAt) -> Result<(), Violation> {
        if self.queues[queue].exists == Exists::No {
            return Err("a queue that was never made, or is gone, was found".into());
        }
        if !self.is_governed(queue) {
            self.queues[queue].exists = Exists::Yes;
        }
        Ok(())
    }

    pub(super) fn begin_purge(&mut self, queue: QueueAt) {
        self.queues[queue].purging += 1;
        for at in self.queues[queue].live.clone() {
            self.may_be_purged(at);
        }
        self.purge_reaches(queue);
    }

    /// A purge or deletion of this queue is over: a receive that was answered while it was out proves only that its
    /// messages were elsewhere when it was decided. They may have come here after that, and in time to be taken.
    fn end_purge(&mut self, queue: QueueAt) {
        self.queues[queue].purging -= 1;
        self.purge_reaches(queue);
    }

    /// A purge of this queue that is out may take what may have left for it.
    fn purge_reaches(&mut self, queue: QueueAt) {
        let others = self.queues.iter().enumerate().filter(|(other, _)| *other != queue);
        let there = |at: &MessageAt| {
            let message = &self.messages[*at];
            self.may_have_left(message) && self.may_have_gone_to(message, queue)
        };
        let reached: Vec<MessageAt> =
            others.flat_map(|(_, from)| from.live.iter().copied().filter(there)).collect();
        for at in reached {
            self.may_be_purged(at);
        }
    }

    fn may_be_purged(&mut self, at: MessageAt) {
        let message = &mut self.messages[at];
        message.maybe_gone("a purge");
        message.purged = true;
        message.version += 1;
    }

    /// What was there before the purge began is gone now. What may have left, or came meanwhile, may remain.
    pub(super) fn purged(&mut self, pending: &Pending, queue: QueueAt) -> Result<(), Violation> {
        self.end_purge(queue);
        self.queues[queue].purged_at = self.now().hi;
        self.empty(pending, queue, "an acknowledged purge");
        Ok(())
    }

    fn empty(&mut self, pending: &Pending, queue: QueueAt, removal: &'static str) {
        for at in self.queues[queue].live.clone() {
            let message = &self.messages[at];
            let before = match message.sent {
                Sent::Sure => message.known_turn < pending.turn,
                Sent::Maybe | Sent::Never => message.sending == 0 && message.ended_turn < pending.turn,
                Sent::Pending => false,
            };
            let seen = message.delivered_turn >= pending.turn;
            if before && !seen && !self.may_have_left(message) {
                self.remove(at, removal);
            }
        }
    }

    pub(super) fn begin_remove(&mut self, queue: QueueAt) {
        self.begin_purge(queue);
        let to = &mut self.queues[queue];
        if to.exists == Exists::Yes {
            to.exists = Exists::Maybe;
        }
        to.lives += 1;
        to.highest_sequence = 0;
        // A deletion forgets the deduplication ids, a purge does not.
        to.firsts.values_mut().for_each(|first| first.unsure = true);
    }

    pub(super) fn removed(&mut self, pending: &Pending, queue: QueueAt) -> Result<(), Violation> {
        let now = self.now();
        self.end_purge(queue);
        self.empty(pending, queue, "an acknowledged deletion of its queue");
        let to = &mut self.queues[queue];
        to.removed_at = now.hi;
        to.removed();
        Ok(())
    }

    pub(super) fn purge_unanswered(&mut self, queue: QueueAt) {
        let now = self.now();
        self.end_purge(queue);
        let to = &mut self.queues[queue];
        to.purged_at = to.purged_at.max(now.hi);
    }

    pub(super) fn remove_unanswered(&mut self, queue: QueueAt) {
        let now = self.now();
        self.end_purge(queue);
        let to = &mut self.queues[queue];
        to.removed_at = to.removed_at.max(now.hi);
    }

    pub(super) fn begin_move(&mut self, source: QueueAt, destination: Option<QueueAt>) {
        let moves = &mut self.queues[source].moves;
        if !moves.contains(&destination) {
            moves.push(destination);
        }
    }

    /// A request failed as a whole.
    pub(super) fn refuse(&mut self, pending: &Pending, error: &Error) -> Result<(), Violation> {
        match &pending.call {
            Call::Send { queue, messages, .. } => {
                for &at in messages {
                    self.refuse_send(pending, *queue, at, error)?;
                }
                return Ok(());
            }
            Call::Receive { queue, .. } => self.queues[*queue].receiving -= 1,
            Call::Delete { handles, .. } => return self.delete_refused_whole(pending, handles, error),
            Call::Change { entries, .. } => return self.change_refused_whole(pending, entries, error),
            Call::Purge { queue } => self.queues[*queue].purge_refused(),
            Call::Remove { queue } => self.remove_refused(*queue, error),
            Call::Create { queue, .. } => self.create_refused(*queue, pending),
            Call::Set { queue, change } => self.queues[*queue].set_refused(change, pending.lives),
            Call::Locate { queue } => self.not_found(*queue, error),
            _ => {}
        }
        self.excuse(pending, error)
    }

    fn remove_refused(&mut self, queue: QueueAt, error: &Error) {
        let to = &mut self.queues[queue];
        to.purging -= 1;
        if error.code == Code::QueueDoesNotExist && to.exists == Exists::Maybe {
            to.removed();
        }
    }

    /// A doubtful queue is not there, and nothing is out that may yet make it.
    fn not_found(&mut self, queue: QueueAt, error: &Error) {
        let doubtful = self.queues[queue].exists == Exists::Maybe && !self.is_governed(queue);
        if doubtful && error.code == Code::QueueDoesNotExist {
            self.queues[queue].removed();
        }
    }

    fn create_refused(&mut self, queue: QueueAt, pending: &Pending) {
        let to = &mut self.queues[queue];
        if pending.existed == Exists::No && pending.lives == to.lives {
            to.exists = Exists::No;
        }
    }

    /// Whether an error is one that could come: of the state of things, or of what the world did to the disk.
    pub(super) fn excuse(&self, pending: &Pending, error: &Error) -> Result<(), Violation> {
        let queue = &self.queues[pending.call.queue()];
        let unsure = queue.exists != Exists::Yes || pending.existed != Exists::Yes;
        let rests = |since: u64| pending.began.lo < since + REST_AFTER_DELETE_OR_PURGE;
        let stale = |handle: &usize| self.handles[*handle].lives != queue.lives;
        let allowed = match error.code {
            Code::InternalFailure => self.excuses.damage,
            Code::ServiceUnavailable => self.excuses.full,
            Code::RequestThrottled => self.excuses.slow,
            Code::QueueDoesNotExist => unsure || pending.lives != queue.lives,
            Code::QueueDeletedRecently => rests(queue.removed_at) || queue.exists == Exists::Maybe,
            Code::QueueNameExists => pending.existed != Exists::No || queue.exists != Exists::No,
            Code::PurgeQueueInProgress => rests(queue.purged_at) || queue.purging > 0,
            Code::ReceiptHandleIsInvalid => match &pending.call {
                Call::Forge { .. } => true,
                Call::Delete { handles, .. } => handles.iter().any(stale),
                Call::Change { entries, .. } => entries.iter().any(|(handle, _)| stale(handle)),
                _ => false,
            },
            Code::InvalidParameterValue => match &pending.call {
                Call::Move { .. } => true,
                Call::Set { .. } | Call::Create { .. } => self.names_a_doubtful_queue(&pending.call),
                _ => false,
            },
            Code::ResourceNotFound => {
                matches!(pending.call, Call::Move { .. } | Call::Moves { .. }) && self.any_doubtful_queue()
            }
            _ => false,
        };
        if allowed { Ok(()) } else { Err(format!("the error {error} could not come")) }
    }

    fn any_doubtful_queue(&self) -> bool {
        self.queues.iter().any(|queue| queue.exists != Exists::Yes)
    }

    /// A redrive policy must name a queue that is there.
    fn names_a_doubtful_queue(&self, call: &Call) -> bool {
        let policy = match call {
            Call::Set { change: super::Change::Policy(policy), .. } => *policy,
            Call::Create { shape, .. } => shape.policy,
            _ => None,
        };
        policy.is_some_and(|policy| self.queues[policy.target].exists != Exists::Yes)
    }
}

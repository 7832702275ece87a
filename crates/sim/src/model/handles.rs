//! Deletes and visibility changes, by receipt handle.

use engine::limits::VISIBILITY_TOTAL;
use engine::{Error, Reply};

use super::message::Gone;
use super::{Before, HandleAt, MessageAt, Model, Pending, QueueAt, Span, Violation};

/// A receipt handle somebody was given.
#[derive(Clone, Debug)]
pub struct Held {
    /// The handle.
    pub text: String,
    /// Of which message.
    pub message: MessageAt,
    /// In which queue.
    pub queue: QueueAt,
    /// In which of the queue's lives.
    pub lives: u64,
    /// In which of the message's stays.
    pub stay: u64,
    /// When the receive was decided at the earliest, ms.
    pub received: u64,
}

impl Model {
    fn before(&mut self, handle: HandleAt) -> Before {
        let message = &mut self.messages[self.handles[handle].message];
        message.version += 1;
        message.busy += 1;
        Before { version: message.version, gone: message.gone, visible: message.visible }
    }

    pub(super) fn begin_delete(&mut self, handles: &[HandleAt]) -> Vec<Before> {
        let mut before = Vec::with_capacity(handles.len());
        for &handle in handles {
            before.push(self.before(handle));
            let message = self.handles[handle].message;
            self.messages[message].maybe_gone("a delete");
        }
        before
    }

    pub(super) fn deleted(
        &mut self,
        pending: &Pending,
        handles: &[HandleAt],
        reply: &Reply,
    ) -> Result<(), Violation> {
        let outcomes = outcomes(reply, handles.len())?;
        for ((&handle, before), outcome) in handles.iter().zip(&pending.before).zip(outcomes) {
            self.messages[self.handles[handle].message].busy -= 1;
            match outcome {
                Ok(()) if self.has_expired(pending, handle, before) => {
                    return Err(format!(
                        "an expired handle deleted message {}",
                        self.handles[handle].message
                    ));
                }
                Ok(()) => self.delete_acknowledged(handle),
                Err(error) => self.delete_refused(pending, handle, before, error)?,
            }
        }
        Ok(())
    }

    /// Whether a FIFO message was certainly there and visible again, so that this handle stood for nothing any more.
    fn has_expired(&self, pending: &Pending, handle: HandleAt, before: &Before) -> bool {
        let held = &self.handles[handle];
        let (queue, message) = (&self.queues[held.queue], &self.messages[held.message]);
        let here = held.stay == message.stays && held.lives == queue.lives && message.home == held.queue;
        let alone = message.version == before.version && message.busy == 0 && queue.purging == 0;
        let there = message.sent == super::Sent::Sure && before.gone == Gone::No;
        queue.fifo
            && here
            && alone
            && there
            && message.newest == Some(handle)
            && before.visible.hi < pending.began.lo
            && !self.may_have_left(message)
            && !self.may_have_expired(message)
    }

    /// Any handle of a message deletes it from the queue it was received from.
    fn delete_acknowledged(&mut self, handle: HandleAt) {
        let held = &self.handles[handle];
        let at = held.message;
        let message = &self.messages[at];
        let here = held.stay == message.stays && held.lives == self.queues[held.queue].lives;
        if here && !self.may_have_left(message) {
            self.remove(at, "an acknowledged delete");
        }
    }

    /// A message is certainly gone.
    pub(super) fn remove(&mut self, at: MessageAt, removal: &'static str) {
        let message = &mut self.messages[at];
        message.surely_gone(removal);
        let queue = &mut self.queues[message.home];
        if let Some(place) = queue.live.iter().position(|&other| other == at) {
            queue.live.swap_remove(place);
        }
        if let (Some(sequence), Some(group)) = (message.sequence, queue.groups.get_mut(&message.group)) {
            group.remove(&sequence);
        }
    }

    fn delete_refused(
        &mut self,
        pending: &Pending,
        handle: HandleAt,
        before: &Before,
        error: &Error,
    ) -> Result<(), Violation> {
        let excused = self.handle_excused(handle);
        let message = &mut self.messages[self.handles[handle].message];
        if message.version == before.version && message.gone != Gone::Yes {
            message.gone = before.gone;
        }
        let fifo = self.queues[pending.call.queue()].fifo;
        let expired =
            (fifo || self.is_old(handle, 0)) && error.code == engine::Code::InvalidParameterValue && excused;
        if expired { Ok(()) } else { self.excuse(pending, error) }
    }

    /// The whole request was refused: every entry was.
    pub(super) fn delete_refused_whole(
        &mut self,
        pending: &Pending,
        handles: &[HandleAt],
        error: &Error,
    ) -> Result<(), Violation> {
        for (&handle, before) in handles.iter().zip(&pending.before) {
            self.messages[self.handles[handle].message].busy -= 1;
            self.delete_refused(pending, handle, before, error)?;
        }
        Ok(())
    }

    /// Whether a handle stands for nothing any more, or would have to beyond 12 hours.
    fn is_old(&self, handle: HandleAt, seconds: u64) -> bool {
        self.now().hi + seconds * 1_000 + 1 >= self.handles[handle].received + VISIBILITY_TOTAL
    }

    /// Whether a handle may have lost its power: its message may be visible again, delivered anew, or gone.
    fn handle_excused(&self, handle: HandleAt) -> bool {
        let held = &self.handles[handle];
        let message = &self.messages[held.message];
        let elsewhere = held.stay != message.stays || held.lives != self.queues[held.queue].lives;
        elsewhere
            || self.is_old(handle, 0)
            || message.newest != Some(handle)
            || message.gone != Gone::No
            || message.visible.lo <= self.now().hi
            || self.uncounted(message) > 0 && !self.queues[held.queue].fifo
            || self.may_have_expired(message)
            || message.busy > 0
    }

    pub(super) fn delete_unanswered(&mut self, handles: &[HandleAt]) {
        for &handle in handles {
            self.messages[self.handles[handle].message].busy -= 1;
        }
    }

    pub(super) fn begin_change(&mut self, entries: &[(HandleAt, u64)]) -> Vec<Before> {
        let now = self.now();
        let mut before = Vec::with_capacity(entries.len());
        for &(handle, seconds) in entries {
            before.push(self.before(handle));
            let message = &mut self.messages[self.handles[handle].message];
            if message.newest == Some(handle) {
                message.visible = message.visible.union(now.plus(Span::at(seconds * 1_000)));
            }
        }
        before
    }

    pub(super) fn changed(
        &mut self,
        pending: &Pending,
        entries: &[(HandleAt, u64)],
        reply: &Reply,
    ) -> Result<(), Violation> {
        let outcomes = outcomes(reply, entries.len())?;
        for ((&entry, before), outcome) in entries.iter().zip(&pending.before).zip(outcomes) {
            self.end_change(pending, entry, before, outcome)?;
        }
        Ok(())
    }

    /// The whole request was refused: every entry was.
    pub(super) fn change_refused_whole(
        &mut self,
        pending: &Pending,
        entries: &[(HandleAt, u64)],
        error: &Error,
    ) -> Result<(), Violation> {
        for (&entry, before) in entries.iter().zip(&pending.before) {
            self.end_change(pending, entry, before, Err(error))?;
        }
        Ok(())
    }

    fn end_change(
        &mut self,
        pending: &Pending,
        (handle, seconds): (HandleAt, u64),
        before: &Before,
        outcome: Result<(), &Error>,
    ) -> Result<(), Violation> {
        let now = self.now();
        let excused = self.change_excused(handle, before) || self.is_old(handle, seconds);
        let message = &mut self.messages[self.handles[handle].message];
        message.busy -= 1;
        let deadline = Span { lo: pending.began.lo, hi: now.hi }.plus(Span::at(seconds * 1_000));
        let alone = message.version == before.version && message.newest == Some(handle);
        match outcome {
            Ok(()) if alone => message.visible = deadline,
            Ok(()) => message.visible = message.visible.union(deadline),
            Err(error) => {
                if alone {
                    message.visible = before.visible;
                }
                if !(excused && error.code == engine::Code::InvalidParameterValue) {
                    self.excuse(pending, error)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a change may be refused: only the newest handle of a message that is there may change it, on
    /// FIFO queues only while in flight.
    fn change_excused(&self, handle: HandleAt, before: &Before) -> bool {
        let held = &self.handles[handle];
        let message = &self.messages[held.message];
        let elsewhere = held.stay != message.stays || held.lives != self.queues[held.queue].lives;
        let visible = before.visible.lo.min(message.visible.lo) <= self.now().hi;
        elsewhere
            || message.newest != Some(handle)
            || message.gone != Gone::No
            || message.busy > 1
            || visible && (self.queues[held.queue].fifo || self.uncounted(message) > 0)
            || message.is_forgotten()
            || self.may_have_expired(message)
            || self.may_have_left(message)
    }

    pub(super) fn change_unanswered(&mut self, entries: &[(HandleAt, u64)]) {
        let now = self.now();
        for &(handle, seconds) in entries {
            let held = &self.handles[handle];
            let message = &mut self.messages[held.message];
            message.busy -= 1;
            // Where a crash forgot the receive of the newest handle, the one before it is the newest.
            let newest = message.newest == Some(handle);
            if newest || message.is_forgotten() && held.stay == message.stays {
                message.visible.hi = message.visible.hi.max(now.hi + seconds * 1_000);
            }
        }
    }
}

/// What became of each entry: a single's reply has one outcome, and it is a success.
fn outcomes(reply: &Reply, entries: usize) -> Result<Vec<Result<(), &Error>>, Violation> {
    match reply {
        Reply::DeleteMessage | Reply::ChangeMessageVisibility if entries == 1 => Ok(vec![Ok(())]),
        Reply::DeleteMessageBatch(batch) | Reply::ChangeMessageVisibilityBatch(batch) => {
            let ordered = batch.entries.iter().enumerate().all(|(at, (id, _))| *id == at.to_string());
            if batch.entries.len() != entries || !ordered {
                return Err("the entries of a batch reply are not those of the request".into());
            }
            Ok(batch.entries.iter().map(|(_, outcome)| outcome.as_ref().copied()).collect())
        }
        _ => Err("the reply is another action's".into()),
    }
}

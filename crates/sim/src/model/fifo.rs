//! Order within a message group.

use super::{MessageAt, Model, Pending, QueueAt, Violation};

impl Model {
    /// Every earlier message of the group that is certainly there must stand before it in the same reply: whether
    /// it is in flight or visible, nothing behind it may be handed out.
    pub(super) fn check_order(
        &self,
        queue: QueueAt,
        at: MessageAt,
        before: &[MessageAt],
    ) -> Result<(), Violation> {
        let message = &self.messages[at];
        let (Some(group), Some(sequence)) = (self.queues[queue].groups.get(&message.group), message.sequence)
        else {
            return Ok(());
        };
        for (_, &earlier) in group.range(..sequence) {
            if self.holds_back(queue, earlier) && !before.contains(&earlier) {
                return Err(format!(
                    "it came before message {earlier} of its group: {:?}",
                    self.messages[earlier]
                ));
            }
        }
        Ok(())
    }

    fn holds_back(&self, queue: QueueAt, at: MessageAt) -> bool {
        let message = &self.messages[at];
        message.surely_there()
            && message.home == queue
            && self.queues[queue].purging == 0
            && !self.may_have_expired(message)
            && !self.may_have_left(message)
    }

    /// Whether no other message of its group may be there; on standard queues groups block nothing.
    pub(super) fn is_alone_in_its_group(&self, queue: QueueAt, at: MessageAt) -> bool {
        let group = self.messages[at].group;
        let to = &self.queues[queue];
        let same = |&&other: &&MessageAt| other != at && self.messages[other].group == group;
        !to.fifo || !to.live.iter().filter(same).any(|&other| self.messages[other].maybe_there())
    }

    /// Whether no message that may be before it in its group can block it.
    pub(super) fn leads_its_group(&self, pending: &Pending, queue: QueueAt, at: MessageAt) -> bool {
        let group = self.messages[at].group;
        let others = self.queues[queue].live.iter().filter(|&&other| other != at);
        let since = pending.began.lo;
        let mut blockers = others.map(|&other| &self.messages[other]).filter(|other| other.group == group);
        blockers.all(|other| other.surely_there() && other.busy == 0 && self.receivable(other).hi < since)
    }
}

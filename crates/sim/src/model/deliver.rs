//! Receives: is each message one that may be handed out, now, here, with these numbers?

use base64::Engine as _;
use engine::reply::ReceivedMessage;

use super::message::{Gone, Sent};
use super::{Body, Call, Held, Message, MessageAt, Model, Pending, QueueAt, Span, Violation};

impl Model {
    pub(super) fn received(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        messages: &[ReceivedMessage],
    ) -> Result<(), Violation> {
        self.queues[queue].receiving -= 1;
        let Call::Receive { most, attempt, .. } = pending.call else { unreachable!("it is a receive") };
        if messages.len() > most {
            return Err(format!("{} messages where {most} were asked for", messages.len()));
        }
        if messages.is_empty() {
            return self.check_missed(pending, queue);
        }
        let mut before = Vec::with_capacity(messages.len());
        for received in messages {
            let at = self.identify(received)?;
            if before.contains(&at) {
                return Err(format!("message {at} is twice in one reply"));
            }
            self.deliver(pending, queue, at, received, attempt, &before)
                .map_err(|why| format!("message {at}: {why}; known of it: {:?}", self.messages[at]))?;
            before.push(at);
        }
        Ok(())
    }

    fn identify(&mut self, received: &ReceivedMessage) -> Result<MessageAt, Violation> {
        let at = Body::number(&received.body).filter(|&at| at < self.messages.len());
        let at = at.ok_or_else(|| format!("nobody sent the body {:?}", received.body))?;
        let digests = self.digests(at);
        Body { message: at, size: self.messages[at].size }.check(received, digests)?;
        Ok(at)
    }

    fn deliver(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        received: &ReceivedMessage,
        attempt: Option<u64>,
        before: &[MessageAt],
    ) -> Result<(), Violation> {
        let message = &self.messages[at];
        if message.home != queue || message.id.is_some_and(|id| id != received.message_id) {
            self.arrive(at, queue, received)?;
        }
        self.check_presence(at)?;
        let repeat = self.is_repeat(at, received, attempt);
        let decided = self.decided(pending, received, attempt)?;
        self.check_age(pending, queue, at, decided)?;
        if !repeat {
            self.check_time(pending, queue, at, decided)?;
        }
        self.check_attributes_of(pending, queue, at, received, decided, repeat)?;
        if self.queues[queue].fifo && !repeat {
            self.check_order(queue, at, before)?;
        }
        self.note_delivery(pending, queue, at, received, attempt, decided, repeat);
        Ok(())
    }

    /// When the receive was decided. The handle says it to the ms; it may not say what cannot be.
    fn decided(
        &self,
        pending: &Pending,
        received: &ReceivedMessage,
        attempt: Option<u64>,
    ) -> Result<Span, Violation> {
        let possible = Span { lo: pending.began.lo, hi: self.now().hi };
        match claimed(&received.receipt_handle) {
            Some(claimed) if attempt.is_some() && claimed <= possible.hi => {
                Ok(Span { lo: claimed.min(possible.lo), hi: possible.hi })
            }
            Some(claimed) if possible.holds(claimed) => Ok(Span::at(claimed)),
            Some(claimed) => Err(format!("it says it was received at {claimed}, outside {possible:?}")),
            None => Ok(possible),
        }
    }

    /// Whether this is the repeated answer of a receive attempt.
    fn is_repeat(&self, at: MessageAt, received: &ReceivedMessage, attempt: Option<u64>) -> bool {
        let message = &self.messages[at];
        let newest = message.newest.map(|handle| &self.handles[handle].text);
        attempt.is_some() && message.attempt == attempt && newest == Some(&received.receipt_handle)
    }

    /// Was it sent, and may it still be there?
    fn check_presence(&mut self, at: MessageAt) -> Result<(), Violation> {
        let message = &mut self.messages[at];
        match message.sent {
            Sent::Never => return Err("it was refused, or was a duplicate".into()),
            Sent::Pending | Sent::Maybe => {
                message.sent = Sent::Sure;
                message.sent_at.hi = self.clock.now().hi;
                message.known_turn = self.turn;
            }
            Sent::Sure => {}
        }
        if message.gone == Gone::Yes {
            return Err(format!("it came back after {}", message.removal));
        }
        if message.busy == 0 && self.queues[message.home].purging == 0 {
            message.gone = Gone::No;
        }
        Ok(())
    }

    fn check_time(
        &self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        decided: Span,
    ) -> Result<(), Violation> {
        let message = &self.messages[at];
        let mut receivable = self.receivable(message);
        if self.queues[queue].fifo && !message.touched {
            // The delay of a FIFO queue is what it was when the receive was decided.
            receivable.lo = receivable.lo.min(message.sent_at.lo + pending.delay.lo);
        }
        if decided.hi < receivable.lo {
            return Err(format!("received at {decided:?}, before {receivable:?}"));
        }
        self.check_late(pending, queue, at, decided)
    }

    /// What has expired is not handed out, be it to a receive attempt that was decided before.
    fn check_age(
        &self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        decided: Span,
    ) -> Result<(), Violation> {
        let message = &self.messages[at];
        let expires = message.sent_at.hi.saturating_add(self.queues[queue].retention().hi);
        if decided.lo.max(pending.began.lo) >= expires && !message.moved {
            return Err(format!("received at {decided:?}, after it expired at {expires}"));
        }
        Ok(())
    }

    /// A receive that waited must have been answered as soon as the message could be received.
    fn check_late(
        &self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        decided: Span,
    ) -> Result<(), Violation> {
        let ready = self.receivable(&self.messages[at]).hi.max(pending.began.hi);
        let late = decided.lo > ready + self.slack && self.is_alone_in_its_group(queue, at);
        if late && !self.excuses.damage && self.was_free(pending, queue, at) {
            return Err(format!("received at {decided:?}, though it was there from {ready}: a lost wake-up"));
        }
        Ok(())
    }

    /// Whether nothing else can explain that a message was not handed out between a receive's beginning and now.
    fn was_free(&self, pending: &Pending, queue: QueueAt, at: MessageAt) -> bool {
        let (to, message) = (&self.queues[queue], &self.messages[at]);
        let alone = to.receiving == 0 && to.stirs == pending.stirs;
        let nothing_hidden = to.hidden_turn < pending.turn && to.unseen.settled_before(pending.turn);
        let known = message.surely_there() && message.known_turn < pending.turn && message.busy == 0;
        let settled = to.is_settled() && to.hidden_until < pending.began.lo;
        alone
            && nothing_hidden
            && known
            && settled
            && message.home == queue
            && message.delivered_turn < pending.turn
            && !self.may_have_expired(message)
            && !self.may_have_left(message)
    }

    /// An empty answer is wrong where a message was certainly there to be had all the time.
    fn check_missed(&self, pending: &Pending, queue: QueueAt) -> Result<(), Violation> {
        if self.excuses.damage {
            return Ok(());
        }
        let free = |&at: &MessageAt| {
            self.was_free(pending, queue, at)
                && self.receivable(&self.messages[at]).hi <= pending.began.lo
                && (!self.queues[queue].fifo || self.leads_its_group(pending, queue, at))
        };
        match self.queues[queue].live.iter().copied().find(free) {
            Some(at) => {
                Err(format!("nothing was received, though message {at} was there: {:?}", self.messages[at]))
            }
            None => Ok(()),
        }
    }

    /// A message received as often as its redrive policy allows has left.
    fn check_redriven(
        &self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        count: u64,
    ) -> Result<(), Violation> {
        let [Some(policy)] = self.queues[queue].policies[..] else { return Ok(()) };
        let certain = |queue: QueueAt| {
            let queue = &self.queues[queue];
            queue.is_settled() && queue.settled_turn < pending.turn
        };
        let spent = count > policy.most && !self.messages[at].moved;
        if spent && certain(queue) && certain(policy.target) {
            return Err(format!("it was received {count} times and should have left after {}", policy.most));
        }
        Ok(())
    }

    fn check_attributes_of(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        received: &ReceivedMessage,
        decided: Span,
        repeat: bool,
    ) -> Result<(), Violation> {
        let number = |name: &str| {
            let value = received.attributes.get(name).and_then(|text| text.parse::<u64>().ok());
            value.ok_or_else(|| format!("no number {name}: {:?}", received.attributes))
        };
        let (count, sent, first) = (
            number("ApproximateReceiveCount")?,
            number("SentTimestamp")?,
            number("ApproximateFirstReceiveTimestamp")?,
        );
        // The answer to a receive attempt may have been decided before.
        if decided.lo >= pending.began.lo {
            self.check_redriven(pending, queue, at, count)?;
        }
        let message = &self.messages[at];
        let most = message.count.hi + 1 + self.uncounted(message);
        let least = message.count.lo + u64::from(!repeat);
        if count < least || count > most {
            return Err(format!("its receive count is {count}, not from {least} to {most}"));
        }
        if message.id.is_some_and(|id| id != received.message_id) {
            return Err("its MessageId is another one now: it is in the queue twice".into());
        }
        if message.timestamp.is_some_and(|known| known != sent) || !message.sent_at.holds(sent) {
            return Err(format!("its SentTimestamp is {sent}"));
        }
        if message.first_received.is_some_and(|known| known != first) {
            return Err(format!("its first receive is now {first}"));
        }
        self.check_fifo_attributes(queue, at, received)
    }

    fn check_fifo_attributes(
        &self,
        queue: QueueAt,
        at: MessageAt,
        received: &ReceivedMessage,
    ) -> Result<(), Violation> {
        let message = &self.messages[at];
        let text = |name: &str| received.attributes.get(name).map(String::as_str);
        let group = (message.group > 0).then(|| super::group_id(message.group));
        if text("MessageGroupId") != group.as_deref() {
            return Err("its MessageGroupId is not the one it was sent with".into());
        }
        let sequence = text("SequenceNumber").and_then(|text| text.parse::<u64>().ok());
        if sequence.is_some() != self.queues[queue].fifo {
            return Err("a SequenceNumber belongs to FIFO queues, and to every message of them".into());
        }
        if message.sequence.is_some() && message.sequence != sequence {
            return Err(format!("its SequenceNumber is now {sequence:?}"));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of one delivery")]
    fn note_delivery(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        received: &ReceivedMessage,
        attempt: Option<u64>,
        decided: Span,
        repeat: bool,
    ) {
        let text = |name: &str| received.attributes.get(name).and_then(|text| text.parse::<u64>().ok());
        let timeout = self.timeout_of(pending);
        let now = self.now();
        if self.messages[at].sequence.is_none() {
            self.number(at, text("SequenceNumber"));
        }
        self.learn_first(queue, at, received);
        let handle = self.hold(pending, queue, at, received, decided);
        let to = &self.queues[queue];
        let message = &mut self.messages[at];
        message.before_delivery(message.delivered_turn <= to.durable_turn);
        message.version += 1;
        message.touched = true;
        message.count = Span::at(text("ApproximateReceiveCount").unwrap_or(0));
        // A receive that ended unseen while this one was out may have come after it.
        message.forgotten_seen = message.forgotten_seen.max(pending.unseen);
        message.delivered_turn = self.turn;
        message.first_received = text("ApproximateFirstReceiveTimestamp");
        message.timestamp = text("SentTimestamp");
        message.id = Some(received.message_id);
        message.newest = Some(handle);
        message.attempt = attempt;
        let from = if repeat { Span { lo: pending.began.lo, hi: now.hi } } else { decided };
        message.visible = from.plus(timeout);
        if message.busy > 0 {
            message.visible.lo = 0;
        }
    }

    fn hold(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        received: &ReceivedMessage,
        decided: Span,
    ) -> usize {
        self.handles.push(Held {
            text: received.receipt_handle.clone(),
            message: at,
            queue,
            // A receive that was out when a deletion began was of the life before it.
            lives: pending.lives,
            stay: self.messages[at].stays,
            received: decided.lo,
        });
        self.handles.len() - 1
    }

    /// A send that had no reply turns out to have happened: a retry is its duplicate.
    fn learn_first(&mut self, queue: QueueAt, at: MessageAt, received: &ReceivedMessage) {
        let message = &self.messages[at];
        if !self.queues[queue].fifo || message.moved {
            return;
        }
        let scope = self.scope(queue, message);
        let known = (received.message_id, message.sequence);
        if let Some(first) = self.queues[queue].firsts.get_mut(&scope)
            && first.message == at
            && first.known.is_none()
        {
            first.known = Some(known);
        }
    }

    /// A message known to be elsewhere turns up here: only a redrive policy or a move task may have brought it.
    fn arrive(&mut self, at: MessageAt, queue: QueueAt, received: &ReceivedMessage) -> Result<(), Violation> {
        let message = &self.messages[at];
        let renewed = message.id.is_some_and(|id| id != received.message_id);
        let by_policy = !renewed && self.dead_letters(message).any(|target| target == queue);
        if !by_policy && !self.may_be_moved_to(message, queue) {
            return Err(format!("it is in queue {}, and nothing took it there", self.queues[queue].name));
        }
        if message.visible.lo > self.now().hi {
            return Err("it left its queue while it was in flight there".into());
        }
        self.leave(at);
        let renewed = renewed || !by_policy;
        let now = self.now();
        let unseen = self.counted_unseen(queue);
        self.queues[queue].live.push(at);
        let uncounted = self.uncounted(&self.messages[at]);
        let message = &mut self.messages[at];
        message.home = queue;
        message.stays += 1;
        message.exits.clear();
        message.sequence = None;
        message.newest = None;
        message.attempt = None;
        message.visible = Span { lo: 0, hi: now.hi };
        message.count.hi += uncounted;
        message.forgotten_seen = 0;
        message.touched = true;
        message.moved = true;
        if renewed {
            message.count = Span { lo: 0, hi: unseen };
            message.id = None;
            message.timestamp = None;
            message.first_received = None;
            message.sent_at.hi = now.hi;
        }
        (message.solid, message.hidden_before) = (message.count.lo, 0);
        Ok(())
    }

    /// Receives nobody saw in queues that feed this one: a message that was moved to one of those, received there
    /// unseen and came on as a dead letter brings them with it.
    fn counted_unseen(&self, queue: QueueAt) -> u64 {
        let feeds = |from: &&super::Queue| from.redrives.iter().any(|policy| policy.target == queue);
        self.queues.iter().filter(feeds).map(|from| from.unseen.since(0) + from.receiving).sum()
    }

    /// The dead-letter queues it may have gone to.
    pub(super) fn dead_letters<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = QueueAt> + 'a {
        let count = message.count.hi + self.uncounted(message);
        let policies = self.queues[message.home].redrives.iter();
        let now = policies.filter(move |policy| count >= policy.most).map(|policy| policy.target);
        now.chain(message.exits.iter().copied())
    }

    /// Whether move tasks may have taken it there, from where it was or from a dead-letter queue it may have
    /// gone to in between. Where one took it, receives nobody saw may have made it a dead letter again.
    fn may_be_moved_to(&self, message: &Message, queue: QueueAt) -> bool {
        let mut sources: Vec<QueueAt> = self.dead_letters(message).chain([message.home]).collect();
        let (mut moved, mut next) = (Vec::new(), 0);
        while let Some(&from) = sources.get(next) {
            next += 1;
            for to in &self.queues[from].moves {
                let Some(to) = *to else { return true };
                for at in [to].into_iter().chain(self.dead_letters_unseen(to)) {
                    if !moved.contains(&at) {
                        moved.push(at);
                        sources.push(at);
                    }
                }
            }
            if moved.contains(&queue) {
                return true;
            }
        }
        false
    }

    /// The dead-letter queues that a message may have gone to which came to this one without a receive count.
    fn dead_letters_unseen(&self, queue: QueueAt) -> impl Iterator<Item = QueueAt> {
        let from = &self.queues[queue];
        let count = from.unseen.since(0) + from.receiving;
        from.redrives.iter().filter(move |policy| count >= policy.most).map(|policy| policy.target)
    }

    /// Whether it may be in this other queue by now.
    pub(super) fn may_have_gone_to(&self, message: &Message, queue: QueueAt) -> bool {
        self.dead_letters(message).any(|target| target == queue) || self.may_be_moved_to(message, queue)
    }

    fn leave(&mut self, at: MessageAt) {
        let message = &self.messages[at];
        let queue = &mut self.queues[message.home];
        queue.live.retain(|&other| other != at);
        // Until it left, which only now is known, it held up its group.
        queue.hidden_turn = queue.hidden_turn.max(self.turn);
        if let (Some(sequence), Some(group)) = (message.sequence, queue.groups.get_mut(&message.group)) {
            group.remove(&sequence);
        }
    }
}

/// When a receive was decided, ms, as its handle says. Only the layout of the handle's first version is known.
pub fn claimed(handle: &str) -> Option<u64> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(handle).ok()?;
    let received = (bytes.first() == Some(&1)).then(|| bytes.get(25..33)).flatten()?;
    received.try_into().ok().map(u64::from_le_bytes)
}

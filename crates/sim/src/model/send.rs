//! Sends, their acknowledgements and deduplication.

use engine::limits::DEDUPLICATION_INTERVAL;
use engine::reply::SentMessage;
use engine::{Error, MessageId, Reply};

use super::message::{Gone, Sent};
use super::{MessageAt, Model, Pending, QueueAt, Span, Violation};

/// The first message of a deduplication id.
#[derive(Clone, Debug)]
pub struct First {
    /// Which, or which it may be.
    pub message: MessageAt,
    /// Its id and sequence number, once known.
    pub known: Option<(MessageId, Option<u64>)>,
    /// When it was sent, ms.
    pub at: Span,
    /// Whether a later send without a reply may have taken its place, or a deletion of the queue may have forgotten it.
    pub unsure: bool,
    /// Sends with this id that are out.
    pub sending: u32,
}

impl Model {
    /// The deduplication entry a message falls under.
    pub fn scope(&self, queue: QueueAt, message: &super::Message) -> (u32, u64) {
        let group = if self.queues[queue].per_group { message.group } else { 0 };
        (group, message.dedup)
    }

    pub(super) fn begin_send(&mut self, queue: QueueAt, messages: &[MessageAt]) {
        let now = self.now();
        for &at in messages {
            let scope = self.scope(queue, &self.messages[at]);
            let to = &mut self.queues[queue];
            let message = &mut self.messages[at];
            if message.version == 0 {
                message.sent_at = now;
                message.delay = message.own_delay.map_or(to.delay(), Span::at);
                to.live.push(at);
            }
            // A crash may have set the clock back since the attempt before.
            message.sent_at.lo = message.sent_at.lo.min(now.lo);
            message.version += 1;
            message.sending += 1;
            if to.purging > 0 {
                message.purged = true;
            }
            if to.fifo {
                let first = First { message: at, known: None, at: now, unsure: false, sending: 0 };
                let first = to.firsts.entry(scope).or_insert(first);
                first.sending += 1;
                if first.known.is_none() {
                    first.at.lo = first.at.lo.min(now.lo);
                }
            }
        }
    }

    pub(super) fn sent(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        messages: &[MessageAt],
        reply: &Reply,
    ) -> Result<(), Violation> {
        match reply {
            Reply::SendMessage(sent) if messages.len() == 1 => {
                self.acknowledge(pending, queue, messages[0], sent)
            }
            Reply::SendMessageBatch(batch) if batch.entries.len() == messages.len() => {
                for (at, ((id, outcome), &message)) in batch.entries.iter().zip(messages).enumerate() {
                    if *id != at.to_string() {
                        return Err(format!("entry {at} of the batch came back as {id}"));
                    }
                    match outcome {
                        Ok(sent) => self.acknowledge(pending, queue, message, sent)?,
                        Err(error) => self.refuse_send(pending, queue, message, error)?,
                    }
                }
                Ok(())
            }
            _ => Err("the reply has not one outcome for each message".into()),
        }
    }

    fn acknowledge(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        sent: &SentMessage,
    ) -> Result<(), Violation> {
        if (sent.md5_of_message_body, sent.md5_of_message_attributes) != self.digests(at) {
            return Err(format!("the MD5s of message {at} are wrong"));
        }
        if self.queues[queue].fifo != sent.sequence_number.is_some() {
            return Err("a SequenceNumber belongs to FIFO queues, and to every message of them".into());
        }
        self.end_send(queue, at);
        if self.queues[queue].fifo && self.is_duplicate(pending, queue, at, sent)? {
            return Ok(());
        }
        self.accept_new(pending, queue, at, sent)
    }

    /// Whether the reply is the first message's, and whether it may or must be.
    fn is_duplicate(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        sent: &SentMessage,
    ) -> Result<bool, Violation> {
        let now = self.now();
        let scope = self.scope(queue, &self.messages[at]);
        let Some(first) = self.queues[queue].firsts.get_mut(&scope) else { return Ok(false) };
        let reply = (sent.message_id, sent.sequence_number);
        let Some(known) = first.known else {
            first.known = Some(reply);
            first.message = at;
            first.at = Span { lo: first.at.lo, hi: now.hi };
            return Ok(false);
        };
        if known == reply {
            let over = pending.began.lo >= first.at.hi.saturating_add(DEDUPLICATION_INTERVAL);
            if first.message != at {
                self.messages[at].sent = Sent::Never;
            }
            if over && !first.unsure {
                return Err(format!("message {at} was taken for a duplicate after more than 5 minutes"));
            }
            return Ok(true);
        }
        if known.0 == sent.message_id {
            return Err(format!("a duplicate's SequenceNumber is not the first one's, {known:?}"));
        }
        if now.hi < first.at.lo + DEDUPLICATION_INTERVAL && !first.unsure {
            return Err(format!(
                "message {at} duplicates message {} within 5 minutes and was taken again",
                first.message
            ));
        }
        let at_span = Span { lo: pending.began.lo, hi: now.hi };
        *first =
            First { message: at, known: Some(reply), at: at_span, unsure: false, sending: first.sending };
        Ok(false)
    }

    fn accept_new(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        sent: &SentMessage,
    ) -> Result<(), Violation> {
        let same_life = pending.lives == self.queues[queue].lives;
        if let Some(sequence) = sent.sequence_number {
            let retried = self.messages[at].version > 1;
            if same_life && !retried && sequence <= pending.sequence {
                return Err(format!(
                    "the sequence number {sequence} does not rise over {}",
                    pending.sequence
                ));
            }
            let to = &mut self.queues[queue];
            if same_life {
                to.highest_sequence = to.highest_sequence.max(sequence);
            }
        }
        if let Some(other) = self.ids.insert(sent.message_id.0, at).filter(|&other| other != at) {
            return Err(format!("messages {other} and {at} have the same MessageId"));
        }
        let (turn, delay) = (self.turn, self.queues[queue].delay());
        let message = &mut self.messages[at];
        if message.sent == Sent::Sure {
            // It was delivered before its acknowledgement: what is known of it stays.
            let same = message.id == Some(sent.message_id) || message.home != queue || message.moved;
            return if same { Ok(()) } else { Err(format!("message {at} is in the queue twice")) };
        }
        message.sent = Sent::Sure;
        message.sent_at.hi = self.clock.now().hi;
        if message.own_delay.is_none() {
            message.delay = message.delay.union(delay);
        }
        message.known_turn = turn;
        message.id = Some(sent.message_id);
        if message.home == queue && same_life {
            self.number(at, sent.sequence_number);
        }
        Ok(())
    }

    /// A message's place in its group is known.
    pub(super) fn number(&mut self, at: MessageAt, sequence: Option<u64>) {
        let message = &mut self.messages[at];
        message.sequence = sequence;
        if let Some(sequence) = sequence.filter(|_| message.gone != Gone::Yes) {
            let group = self.queues[message.home].groups.entry(message.group).or_default();
            group.insert(sequence, at);
        }
    }

    fn end_send(&mut self, queue: QueueAt, at: MessageAt) {
        let scope = self.scope(queue, &self.messages[at]);
        if let Some(first) = self.queues[queue].firsts.get_mut(&scope) {
            first.sending = first.sending.saturating_sub(1);
        }
        self.messages[at].sending -= 1;
    }

    /// A send, or an entry of a batch, was refused: it is not there.
    pub(super) fn refuse_send(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        at: MessageAt,
        error: &Error,
    ) -> Result<(), Violation> {
        self.end_send(queue, at);
        let message = &mut self.messages[at];
        if message.sent == Sent::Pending && message.sending == 0 {
            message.sent = Sent::Never;
        }
        self.excuse(pending, error)
    }

    pub(super) fn send_unanswered(&mut self, queue: QueueAt, messages: &[MessageAt]) {
        let now = self.now();
        for &at in messages {
            self.end_send(queue, at);
            let scope = self.scope(queue, &self.messages[at]);
            let message = &mut self.messages[at];
            message.ended_turn = self.turn;
            if message.sent == Sent::Pending {
                message.sent = Sent::Maybe;
                message.sent_at.hi = now.hi;
                if message.own_delay.is_none() {
                    message.delay = message.delay.union(self.queues[queue].delay());
                }
            }
            let Some(first) = self.queues[queue].firsts.get_mut(&scope) else { continue };
            if first.known.is_none() {
                first.at.hi = now.hi;
            } else if first.message != at {
                let over = now.hi >= first.at.lo + DEDUPLICATION_INTERVAL;
                first.unsure |= over;
                if !over && message.sent == Sent::Maybe {
                    message.sent = Sent::Never;
                }
            }
        }
    }

    /// Whether sending this message again is certainly a retry, not a second message: the workload asks.
    pub fn may_retry(&self, at: MessageAt) -> bool {
        let message = &self.messages[at];
        let queue = &self.queues[message.home];
        let young = self.now().hi + DEDUPLICATION_INTERVAL / 10 < message.sent_at.lo + DEDUPLICATION_INTERVAL;
        queue.fifo && !message.purged && !message.moved && young && message.sent == Sent::Maybe
    }

    /// The first message of a deduplication id that may be sent again with another body, if it is certain
    /// what must come of that.
    pub fn certain_first(&self, queue: QueueAt, scope: (u32, u64)) -> Option<&First> {
        let first = self.queues[queue].firsts.get(&scope)?;
        (first.known.is_some() && !first.unsure && first.sending == 0).then_some(first)
    }
}

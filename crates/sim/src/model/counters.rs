//! GetQueueAttributes: the three counters and the settings.

use engine::limits::SECOND;
use engine::request::Pairs;

use super::message::Message;
use super::{MessageAt, Model, Pending, QueueAt, Span, Violation};

impl Model {
    /// While nothing else was out, the counters are those of the messages that are there.
    pub(super) fn check_attributes(
        &mut self,
        pending: &Pending,
        queue: QueueAt,
        attributes: &Pairs,
    ) -> Result<(), Violation> {
        let number = |name: &str| {
            let value = attributes.get(name).and_then(|text| text.parse::<u64>().ok());
            value.ok_or_else(|| format!("no number {name}: {attributes:?}"))
        };
        let visible = number("ApproximateNumberOfMessages")?;
        let hidden = number("ApproximateNumberOfMessagesNotVisible")?;
        let delayed = number("ApproximateNumberOfMessagesDelayed")?;
        self.queues[queue].counted = visible + hidden + delayed;
        self.check_setting(queue, number("VisibilityTimeout")? * 1_000)?;
        let to = &self.queues[queue];
        let disturbed = to.stirs != pending.stirs || to.outstanding > 0 || !pending.alone;
        if disturbed || !to.is_settled() || self.is_fed(queue) {
            return Ok(());
        }
        let when = Span { lo: pending.began.lo, hi: self.now().hi };
        let expected = self.expected(queue, when);
        let check = |name: &str, found: u64, expected: Span| {
            let wrong = !expected.holds(found);
            let live = || self.leftovers(queue);
            if wrong { Err(format!("{found} messages {name}, not {expected:?}: {}", live())) } else { Ok(()) }
        };
        check("in all", visible + hidden + delayed, expected.all)?;
        check("visible", visible, expected.visible)?;
        check("in flight", hidden, expected.hidden)?;
        check("delayed", delayed, expected.delayed)
    }

    fn check_setting(&self, queue: QueueAt, timeout: u64) -> Result<(), Violation> {
        let possible = self.queues[queue].timeout();
        let fits = possible.holds(timeout);
        if fits { Ok(()) } else { Err(format!("VisibilityTimeout is {timeout} ms, not {possible:?}")) }
    }

    /// Whether messages may come to it by themselves.
    fn is_fed(&self, queue: QueueAt) -> bool {
        self.queues.iter().enumerate().any(|(other, from)| {
            let feeds = from.redrives.iter().any(|policy| policy.target == queue)
                || from.moves.iter().any(|to| to.is_none_or(|to| to == queue));
            other != queue && feeds && (!from.live.is_empty() || self.may_have_been_reached(other))
        })
    }

    /// Whether a message may have come to it that the model still holds for another queue's, be it one of an
    /// earlier life of that queue.
    fn may_have_been_reached(&self, queue: QueueAt) -> bool {
        let there = |message: &Message| {
            message.home != queue && self.may_have_left(message) && self.may_have_gone_to(message, queue)
        };
        self.messages.iter().any(|message| message.maybe_there() && there(message))
    }

    fn expected(&self, queue: QueueAt, when: Span) -> Expected {
        let mut expected = Expected::default();
        for &at in &self.queues[queue].live {
            self.expect(queue, at, when, &mut expected);
        }
        expected
    }

    fn expect(&self, queue: QueueAt, at: MessageAt, when: Span, expected: &mut Expected) {
        let message = &self.messages[at];
        if !message.maybe_there() {
            return;
        }
        let mut receivable = self.receivable(message);
        // Without its receive it counts as delayed again, until the second it fell due in is over.
        let forgotten = message.is_forgotten() && !message.moved;
        if forgotten {
            receivable.hi = receivable.hi.max(self.due(message).hi);
        }
        let sure = message.surely_there()
            && message.busy == 0
            && !self.may_have_expired(message)
            && !self.may_have_left(message);
        let hidden_by_others =
            self.queues[queue].hidden_until >= when.lo || self.queues[queue].unseen.has_ghosts();
        // Delayed messages are counted by the second in which they fall due.
        let grain = if message.touched && !forgotten { 0 } else { SECOND };
        let waits = when.hi + grain < receivable.lo;
        let ready = receivable.hi + grain <= when.lo && !hidden_by_others;
        let add = |span: &mut Span, surely: bool, maybe: bool| {
            span.lo += u64::from(sure && surely);
            span.hi += u64::from(maybe);
        };
        add(&mut expected.all, true, true);
        add(&mut expected.visible, ready, !waits);
        let (touched, untouched) = (message.touched, !message.touched);
        let taken = hidden_by_others || self.uncounted(message) > 0;
        add(&mut expected.hidden, touched && waits, taken || touched && !ready);
        add(&mut expected.delayed, untouched && waits, !ready && (untouched || receivable.lo == 0));
    }
}

#[derive(Default)]
struct Expected {
    all: Span,
    visible: Span,
    hidden: Span,
    delayed: Span,
}

//! What the clients know, and whether what they see is allowed.
//!
//! Times are taken before a request is written and after its reply is read, so every check allows for all that
//! may have happened between the two. What has no reply may be done or not. A crash may make a standard queue
//! forget a receive, unless a later reply of the same queue made it durable.

mod message;
mod order;
mod receive;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

pub use message::{Micros, Sent};
pub use receive::Receive;

use crate::queues::{QUEUES, Queue, dead_letters_of};
use message::{Event, Message, after, milliseconds};
use order::Order;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// An acknowledged message is nowhere.
    Lost,
    /// A deleted message was received.
    Returned,
    /// FIFO order or exclusiveness is broken.
    Disorder,
    /// Anything else.
    Other,
}

/// Totals of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Acknowledged sends.
    pub sent: u64,
    /// Messages received, each time counted.
    pub received: u64,
    /// Acknowledged deletes.
    pub deleted: u64,
    /// Requests without reply.
    pub unknown: u64,
    /// Refused sends.
    pub refused: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Ledger {
    messages: HashMap<u64, Message>,
    next: u64,
    /// Messages below were drained and are forgotten: none may be seen again.
    forgotten: u64,
    order: Order,
    /// When the process was killed or started again.
    crashes: Vec<Micros>,
    /// For each life of the process and each queue: the latest begin of an acknowledged write.
    durable: Vec<[Micros; QUEUES.len()]>,
    open_receives: [u64; QUEUES.len()],
    lost_receives: [u64; QUEUES.len()],
    live: [u64; QUEUES.len()],
    /// Totals so far.
    pub totals: Totals,
    /// What went wrong, with the evidence.
    pub wrongs: Vec<(Wrong, String)>,
}

/// Handles are long; their hashes tell them apart.
pub fn hashed(handle: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    handle.hash(&mut hasher);
    hasher.finish()
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Ledger {
        Ledger {
            messages: HashMap::new(),
            next: 1,
            forgotten: 1,
            order: Order::default(),
            crashes: Vec::new(),
            durable: vec![[0; QUEUES.len()]],
            open_receives: [0; QUEUES.len()],
            lost_receives: [0; QUEUES.len()],
            live: [0; QUEUES.len()],
            totals: Totals::default(),
            wrongs: Vec::new(),
        }
    }

    /// The present life of the process.
    pub fn epoch(&self) -> usize {
        self.crashes.len()
    }

    /// The process is dead.
    pub fn crashed(&mut self, at: Micros) {
        self.crashes.push(at);
        self.durable.push([0; QUEUES.len()]);
    }

    /// Messages sent to `queue` and not known to be deleted.
    pub fn live(&self, queue: Queue) -> u64 {
        self.live[queue]
    }

    /// A write that began at `start` is acknowledged: so is everything before it on its queue.
    fn wrote(&mut self, queue: Queue, start: Micros) {
        let epoch = self.epoch();
        let durable = &mut self.durable[epoch][queue];
        *durable = start.max(*durable);
    }

    /// A new message is about to be sent; its number.
    pub fn sending(&mut self, queue: Queue, group: Option<u32>, delay: u64, now: Micros) -> u64 {
        let number = self.next;
        self.next += 1;
        let lost = self.lost_for(queue);
        let mut message = Message::new(queue, group, after(now, delay), lost);
        message.note(now, Event::Sending);
        self.messages.insert(number, message);
        number
    }

    /// The same message is about to be sent once more, with the same deduplication id.
    pub fn sending_again(&mut self, number: u64, now: Micros) {
        self.message(number).note(now, Event::Sending);
    }

    /// A send that began at `start` ended at `end`; with its MessageId if it is acknowledged.
    pub fn sent(&mut self, number: u64, sent: Sent, id: Option<u128>, start: Micros, end: Micros) {
        let message = self.message(number);
        message.note(end, Event::Sent(sent));
        // A second try that is refused says nothing about the first.
        let sent = if sent == Sent::Refused { message.sent.or_refused() } else { sent };
        message.sent = sent;
        let queue = message.queue;
        let before = message.id;
        message.id = id.or(before);
        if id.is_some() && before.is_some() && id != before {
            self.wrong(Wrong::Disorder, "two MessageIds for one deduplication id", &[number]);
        }
        match sent {
            Sent::Acknowledged => {
                self.totals.sent += 1;
                self.live[queue] += 1;
                self.wrote(queue, start);
                self.enter_order(queue, number);
            }
            Sent::Refused => {
                self.totals.refused += 1;
                if self.message(number).last.is_some() {
                    self.wrong(Wrong::Other, "a refused message was received", &[number]);
                }
            }
            Sent::Unknown => self.totals.unknown += 1,
            Sent::Open => {}
        }
    }

    /// A delete is about to be tried.
    pub fn deleting(&mut self, number: u64, now: Micros) {
        let message = self.message(number);
        message.note(now, Event::Deleting);
        message.deletes.open += 1;
        self.order.leave(number);
    }

    /// A delete by the handle of a receive from `queue` was acknowledged.
    pub fn deleted(&mut self, number: u64, queue: Queue, handle: u64, start: Micros, end: Micros) {
        // Where messages leave for a dead-letter queue, only the one who holds the message knows it to be there.
        let certain = QUEUES[queue].dead_letter.is_none() || self.holds(number, handle, end);
        self.wrote(queue, start);
        let message = self.message(number);
        message.deletes.open -= 1;
        message.note(end, if certain { Event::Deleted } else { Event::DeletedPerhaps });
        if !certain {
            message.deletes.unknown = true;
            return;
        }
        if message.deletes.acknowledged.is_none() {
            message.deletes.acknowledged = Some(end);
            let home = message.queue;
            self.live[home] = self.live[home].saturating_sub(1);
            self.totals.deleted += 1;
        }
    }

    /// A delete has no reply.
    pub fn delete_unknown(&mut self, number: u64, now: Micros) {
        let message = self.message(number);
        message.note(now, Event::DeleteUnknown);
        message.deletes.open -= 1;
        message.deletes.unknown = true;
        self.totals.unknown += 1;
    }

    /// A delete was refused: only an outdated handle of a FIFO queue may be.
    pub fn delete_refused(&mut self, number: u64, queue: Queue, handle: u64, why: &str, end: Micros) {
        let message = self.message(number);
        message.note(end, Event::DeleteRefused);
        message.deletes.open -= 1;
        let back = message.deletes.none().then_some(message.last).flatten();
        if let Some(last) = back {
            self.enter_order(last.queue, number);
        }
        if !QUEUES[queue].fifo || self.holds(number, handle, end) {
            self.wrong(Wrong::Other, &format!("a delete was refused: {why}"), &[number]);
        }
    }

    /// A change of visibility to `seconds` is about to be tried.
    pub fn changing(&mut self, number: u64, handle: u64, seconds: u64, now: Micros) {
        let message = self.message(number);
        message.note(now, Event::Changing(seconds));
        if let Some(last) = message.last.as_mut().filter(|last| last.handle == handle) {
            last.hidden_until = last.hidden_until.min(after(now, seconds));
        }
    }

    /// Such a change, begun at `start`, was acknowledged.
    pub fn changed(&mut self, number: u64, queue: Queue, handle: u64, seconds: u64, times: (Micros, Micros)) {
        self.wrote(queue, times.0);
        let message = self.message(number);
        message.note(times.1, Event::Changed(seconds));
        if let Some(last) = message.last.as_mut().filter(|last| last.handle == handle) {
            last.hidden_until = after(times.0, seconds);
        }
    }

    /// Such a change was refused, as it may be once the handle is outdated.
    pub fn change_refused(&mut self, number: u64, end: Micros) {
        self.message(number).note(end, Event::ChangeRefused);
    }

    /// Whether this handle's receive certainly hides the message at `end`.
    fn holds(&self, number: u64, handle: u64, end: Micros) -> bool {
        let epoch = self.epoch();
        self.messages[&number].last.is_some_and(|last| {
            let remembered = last.epoch == epoch || QUEUES[last.queue].fifo;
            last.handle == handle && end < last.hidden_until && remembered
        })
    }

    /// All queues were drained: whatever was not received and deleted is lost.
    pub fn drained(&mut self) {
        let certain = |message: &Message| message.existed() && message.deletes.none();
        let mut lost: Vec<u64> =
            self.messages.iter().filter(|(_, message)| certain(message)).map(|(number, _)| *number).collect();
        lost.sort_unstable();
        for number in &lost {
            self.wrong(Wrong::Lost, "an acknowledged message is nowhere", &[*number]);
        }
        self.messages.clear();
        self.order = Order::default();
        self.live = [0; QUEUES.len()];
        self.forgotten = self.next;
    }

    /// Notes a wrong with the history of these messages.
    pub fn wrong(&mut self, wrong: Wrong, what: &str, numbers: &[u64]) {
        let mut text = format!("{wrong:?}: {what}\n");
        for number in numbers {
            match self.messages.get(number) {
                Some(message) => text.push_str(&message.tell(*number)),
                None => text.push_str(&format!("  message {number}\n")),
            }
        }
        let crashes: Vec<String> =
            self.crashes.iter().rev().take(5).rev().map(|at| milliseconds(*at)).collect();
        text.push_str(&format!("  the last crashes: {}\n", crashes.join(", ")));
        self.wrongs.push((wrong, text));
    }

    /// How many wrongs of this kind.
    pub fn count(&self, wrong: Wrong) -> usize {
        self.wrongs.iter().filter(|(kind, _)| *kind == wrong).count()
    }

    fn message(&mut self, number: u64) -> &mut Message {
        self.messages.get_mut(&number).expect("a message of this run")
    }

    /// Receives without reply that may have been of messages sent to `queue`.
    fn lost_for(&self, queue: Queue) -> u64 {
        self.lost_receives[queue] + dead_letters_of(queue).map_or(0, |dead| self.lost_receives[dead])
    }

    /// From now on what is behind it in its group waits for it.
    fn enter_order(&mut self, queue: Queue, number: u64) {
        let message = &self.messages[&number];
        if let Some(group) = message.group
            && QUEUES[queue].fifo
            && message.deletes.none()
        {
            self.order.enter(queue, group, number);
        }
    }
}

//! What a receive may bring.

use std::collections::HashMap;

use super::message::{Event, Last, Message, Micros, Sent, after};
use super::{Ledger, Wrong, hashed};
use crate::body;
use crate::queues::{QUEUES, Queue, dead_letters_of};
use crate::sqs::Delivery;

/// A receive.
#[derive(Clone, Copy, Debug)]
pub struct Receive {
    /// From where.
    pub queue: Queue,
    /// Seconds that what it brings is hidden.
    pub visibility: u64,
    /// When it began.
    pub start: Micros,
}

impl Ledger {
    /// A receive is about to be tried.
    pub fn receiving(&mut self, queue: Queue) {
        self.open_receives[queue] += 1;
    }

    /// It has no reply.
    pub fn receive_unknown(&mut self, queue: Queue) {
        self.open_receives[queue] -= 1;
        self.lost_receives[queue] += 1;
        self.totals.unknown += 1;
    }

    /// It was refused.
    pub fn receive_refused(&mut self, queue: Queue) {
        self.open_receives[queue] -= 1;
    }

    /// Its reply was there at `end`; the numbers of the messages, `None` for one that is none of ours.
    pub fn received(&mut self, receive: &Receive, deliveries: &[Delivery], end: Micros) -> Vec<Option<u64>> {
        self.open_receives[receive.queue] -= 1;
        let numbers: Vec<Option<u64>> = deliveries.iter().map(|one| self.known(receive, one)).collect();
        let places: HashMap<u64, usize> =
            numbers.iter().enumerate().filter_map(|(place, number)| Some(((*number)?, place))).collect();
        for (delivery, number) in deliveries.iter().zip(&numbers) {
            let Some(number) = *number else { continue };
            self.check(receive, delivery, number, end);
            self.check_order(receive, number, &places);
            self.note_delivery(receive, delivery, number, end);
        }
        for number in numbers.iter().flatten() {
            if let Some(group) = self.messages[number].group {
                self.order.reach(receive.queue, group, *number, end);
            }
        }
        numbers
    }

    /// Which message it is, if it can be here at all.
    fn known(&mut self, receive: &Receive, delivery: &Delivery) -> Option<u64> {
        let Some(number) = body::number(&delivery.body) else {
            let start: String = delivery.body.chars().take(200).collect();
            self.wrong(Wrong::Other, &format!("a body that nobody sent: {start:?}"), &[]);
            return None;
        };
        if number < self.forgotten {
            self.wrong(Wrong::Returned, "a message came after everything was drained", &[number]);
            return None;
        }
        let Some(message) = self.messages.get(&number) else {
            self.wrong(Wrong::Other, "a message that nobody sent", &[number]);
            return None;
        };
        let at_home = message.queue == receive.queue || dead_letters_of(message.queue) == Some(receive.queue);
        if !at_home || message.group != delivery.group {
            let what = format!("received from {} as {:?}", QUEUES[receive.queue].name, delivery.group);
            self.wrong(Wrong::Other, &what, &[number]);
        }
        Some(number)
    }

    fn check(&mut self, receive: &Receive, delivery: &Delivery, number: u64, end: Micros) {
        let message = &self.messages[&number];
        let mut wrongs = Vec::new();
        if message.sent == Sent::Refused {
            wrongs.push((Wrong::Other, "a refused message was received"));
        }
        if message.deletes.acknowledged.is_some_and(|at| at < receive.start) {
            wrongs.push((Wrong::Returned, "received after its delete was acknowledged"));
        }
        if end < message.due {
            wrongs.push((Wrong::Other, "received before its delay was over"));
        }
        if message.id.is_some_and(|id| id != delivery.id) {
            wrongs.push((Wrong::Other, "received with another MessageId"));
        }
        wrongs.extend(self.check_last(message, receive, delivery, end));
        wrongs.extend(self.check_count(message, receive, delivery));
        wrongs.extend(self.check_place(message, receive));
        for (wrong, what) in wrongs {
            self.note_delivery(receive, delivery, number, end);
            self.wrong(wrong, what, &[number]);
        }
    }

    /// Against the delivery before it: not while that one hides it, and with a higher count.
    fn check_last(
        &self,
        message: &Message,
        receive: &Receive,
        delivery: &Delivery,
        end: Micros,
    ) -> Option<(Wrong, &'static str)> {
        let last = message.last.filter(|last| last.queue == receive.queue)?;
        let fifo = QUEUES[receive.queue].fifo;
        let durable = last.end <= self.durable[last.epoch][last.queue];
        if last.epoch != self.epoch() && !fifo && !durable {
            return None;
        }
        // Of two receives at the same time either may be the first.
        let hidden = end < last.hidden_until && last.end < after(receive.start, receive.visibility);
        if hidden {
            let wrong = if fifo { Wrong::Disorder } else { Wrong::Other };
            return Some((wrong, "received although an earlier receive hides it"));
        }
        let counted = delivery.count > last.count || last.end >= receive.start;
        (!counted).then_some((Wrong::Other, "its receive count did not rise"))
    }

    /// No more receives counted than there can have been.
    fn check_count(
        &self,
        message: &Message,
        receive: &Receive,
        delivery: &Delivery,
    ) -> Option<(Wrong, &'static str)> {
        let known = u64::from(message.deliveries + message.dead_deliveries) + 1;
        if u64::from(delivery.count) > known + self.perhaps(message) {
            return Some((Wrong::Other, "its receive count is above its receives"));
        }
        let (_, most) = QUEUES[receive.queue].dead_letter?;
        (delivery.count > most).then_some((Wrong::Other, "received more often than maxReceiveCount"))
    }

    /// Receives that may have been of this message without our knowing.
    fn perhaps(&self, message: &Message) -> u64 {
        let open = self.open_receives[message.queue]
            + dead_letters_of(message.queue).map_or(0, |dead| self.open_receives[dead]);
        open + self.lost_for(message.queue) - message.lost_before
    }

    /// Dead letters: moved after so many receives, and never back.
    fn check_place(&self, message: &Message, receive: &Receive) -> Option<(Wrong, &'static str)> {
        if receive.queue == message.queue {
            let left = message.dead_since.is_some_and(|since| since < receive.start);
            return left.then_some((Wrong::Other, "received from where it had left"));
        }
        let (_, most) = QUEUES[message.queue].dead_letter?;
        let received = u64::from(message.deliveries) + self.perhaps(message);
        (received < u64::from(most)).then_some((Wrong::Other, "moved before maxReceiveCount"))
    }

    /// Nothing of its group that must come first may be left behind.
    fn check_order(&mut self, receive: &Receive, number: u64, places: &HashMap<u64, usize>) {
        if !QUEUES[receive.queue].fifo {
            return;
        }
        let Some(group) = self.messages[&number].group else { return };
        for earlier in self.order.before(receive.queue, group, number) {
            let first = match places.get(&earlier) {
                Some(place) => *place < places[&number],
                None => self.may_have_left(earlier, receive.queue),
            };
            if !first {
                self.wrong(Wrong::Disorder, "received past an earlier one of its group", &[number, earlier]);
            }
        }
        let first_time = self.messages[&number].last.is_none_or(|last| last.queue != receive.queue);
        if let Some(later) = self.order.overtaker(receive.queue, group, number, receive.start)
            && first_time
        {
            self.wrong(Wrong::Disorder, "a later one of its group came first", &[number, later]);
        }
    }

    /// Whether a message may be on its way to the dead-letter queue.
    fn may_have_left(&self, number: u64, queue: Queue) -> bool {
        let message = &self.messages[&number];
        let Some((_, most)) = QUEUES[queue].dead_letter else { return false };
        u64::from(message.deliveries) + self.perhaps(message) >= u64::from(most)
    }

    fn note_delivery(&mut self, receive: &Receive, delivery: &Delivery, number: u64, end: Micros) {
        let handle = hashed(&delivery.handle);
        let epoch = self.epoch();
        let message = self.message(number);
        if message.last.is_some_and(|last| last.handle == handle) {
            return; // A wrong was told, with this delivery in its history.
        }
        message.note(end, Event::Received(receive.queue, receive.start, delivery.count, receive.visibility));
        message.id = Some(delivery.id);
        if message.queue == receive.queue {
            message.deliveries += 1;
        } else {
            message.dead_deliveries += 1;
            message.dead_since.get_or_insert(end);
        }
        let hidden_until = after(receive.start, receive.visibility);
        message.last =
            Some(Last { queue: receive.queue, end, epoch, count: delivery.count, handle, hidden_until });
        self.totals.received += 1;
        self.enter_order(receive.queue, number);
    }
}

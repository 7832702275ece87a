//! What a receive is offered, and in which order.
//!
//! Standard queues: returned messages, unread ones, then those received three times or more. FIFO queues: the
//! group with the oldest message first, each group in order.

use crate::ids::{Lane, MessageKey, Millis};
use crate::limits::{self, LANE_WINDOW};
use crate::queue::Queue;
use crate::queue::window::Entry;
use crate::rows::Touched;

/// A visible message.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its key.
    pub key: MessageKey,
    /// Its touched row, if it was received before.
    pub touched: Option<Touched>,
    /// Its content, if memory holds it.
    pub entry: Option<&'a Entry>,
}

impl Candidate<'_> {
    fn retained_from(&self) -> Millis {
        match (self.touched, self.entry) {
            (Some(touched), _) => touched.retained_from,
            (None, Some(entry)) => entry.row.retained_from,
            (None, None) => Millis::MAX,
        }
    }

    fn lane(&self) -> Lane {
        match (self.touched, self.entry) {
            (Some(touched), _) => touched.lane,
            (None, entry) => entry.map_or(Lane::NONE, |entry| entry.row.lane),
        }
    }

    /// Receives in this queue.
    fn received_here(&self) -> u32 {
        self.touched.map_or(0, |touched| touched.receive_count.saturating_sub(touched.received_before))
    }
}

/// What a receive does with the visible messages it looked at.
#[derive(Debug, Default)]
pub struct Plan {
    /// To hand out, in order.
    pub picks: Vec<(MessageKey, Option<Touched>, Entry)>,
    /// Past their retention: to delete, with their `retained_from` if untouched.
    pub expired: Vec<(MessageKey, Option<Millis>)>,
    /// Received too often: to move to the dead-letter queue.
    pub dead: Vec<(MessageKey, Touched)>,
    /// FIFO queues: when the next message that stood at the head of its group falls due, ms.
    pub undue: Option<Millis>,
    /// Whether the look ended early because it had found enough to do.
    pub bounded: bool,
}

/// Contents of returned messages loaded at once.
pub const BODIES: usize = 16;
/// Messages one decision may expire or move before it looks again.
const CLEARED_AT_ONCE: usize = 100;

impl Queue {
    /// Looks through the visible messages for `most` to hand out. With `dead_after` those received that often
    /// are to be moved. Only numbers below `before` are looked at.
    pub fn plan(&self, now: Millis, most: usize, dead_after: Option<u32>, before: u64) -> Plan {
        let mut plan = Plan::default();
        // How many more messages may have a receive count.
        let mut room = limits::TOUCHED.saturating_sub(self.touched.count());
        // A FIFO group whose next message is not at hand offers nothing behind it.
        let mut held_back = None;
        for candidate in self.candidates(now) {
            if plan.picks.len() == most {
                break;
            }
            if plan.expired.len() + plan.dead.len() == CLEARED_AT_ONCE {
                plan.bounded = true;
                break;
            }
            let lane = Some(candidate.lane());
            if self.is_fifo() && held_back == lane || candidate.key.sequence >= before {
                continue;
            }
            if candidate.retained_from() + self.settings.retention <= now {
                let untouched = candidate.entry.filter(|_| candidate.touched.is_none());
                plan.expired.push((candidate.key, untouched.map(|entry| entry.row.retained_from)));
                continue;
            }
            if let Some(due) = self.undue(&candidate, now) {
                plan.undue = Some(plan.undue.map_or(due, |before| before.min(due)));
                held_back = lane;
                continue;
            }
            match (candidate.touched, dead_after, candidate.entry) {
                (Some(touched), Some(limit), _) if candidate.received_here() >= limit => {
                    plan.dead.push((candidate.key, touched));
                }
                (None, _, Some(_)) if room == 0 => held_back = lane,
                (touched, _, Some(entry)) => {
                    room -= usize::from(touched.is_none());
                    plan.picks.push((candidate.key, touched, entry.clone()));
                }
                (_, _, None) => held_back = lane,
            }
        }
        plan
    }

    /// When an untouched FIFO message falls due, if that is ahead: a page that passes over a group may have taken
    /// the cursor past it.
    fn undue(&self, candidate: &Candidate, now: Millis) -> Option<Millis> {
        let entry = candidate.entry.filter(|_| self.is_fifo() && candidate.touched.is_none())?;
        Some(entry.row.retained_from + self.settings.delay).filter(|due| *due > now)
    }

    fn candidates(&self, now: Millis) -> Box<dyn Iterator<Item = Candidate<'_>> + '_> {
        if self.is_fifo() {
            return Box::new(self.lanes.offering().flat_map(|lane| self.lane_candidates(lane)));
        }
        let more = self.touched.count() < limits::TOUCHED;
        let unread = self.window.in_order(now).filter(move |_| more).map(|(key, entry)| Candidate {
            key: *key,
            touched: None,
            entry: Some(entry),
        });
        let returned = self.touched.returned().map(|key| self.returned_candidate(key));
        Box::new(returned.chain(unread).chain(self.touched.back().map(|key| self.returned_candidate(key))))
    }

    fn lane_candidates(&self, lane: Lane) -> impl Iterator<Item = Candidate<'_>> {
        let id = self.id();
        let more = self.touched.count() < limits::TOUCHED;
        let offers = self.lanes.offers(lane).filter(move |(touched, _)| *touched || more);
        offers.map(move |(touched, sequence)| {
            let key = MessageKey { queue: id, rank: 0, sequence };
            match touched {
                true => self.returned_candidate(key),
                false => Candidate { key, touched: None, entry: self.window.entry(&key) },
            }
        })
    }

    fn returned_candidate(&self, key: MessageKey) -> Candidate<'_> {
        Candidate { key, touched: self.touched.get(&key).copied(), entry: self.window.body(&key) }
    }

    /// The next returned messages whose contents must be loaded before they can be offered.
    pub fn bodies_to_load(&self, most: usize) -> Vec<MessageKey> {
        let without = |key: &MessageKey| self.window.body(key).is_none() && !self.unreadable.contains(key);
        if self.is_fifo() {
            // Of a group as much as one receive may take: it fills from one group first.
            let returned =
                |lane| self.lanes.offers(lane).take_while(|(touched, _)| *touched).take(LANE_WINDOW);
            let lanes = self.lanes.offering().take(4 * most);
            let keys = lanes.flat_map(returned).map(|(_, sequence)| MessageKey {
                queue: self.id(),
                rank: 0,
                sequence,
            });
            return keys.filter(without).take(most).collect();
        }
        let returned = self.touched.returned().take(4 * most).filter(without).take(most);
        let mut keys: Vec<_> = returned.collect();
        if keys.is_empty() {
            keys = self.touched.back().take(4 * most).filter(without).take(most).collect();
        }
        keys
    }

    /// Whether a load that is out, or that will be wished for, could still find something to offer.
    pub fn is_cold(&mut self, now: Millis) -> bool {
        self.window.is_cold(now, &mut self.lanes) || !self.bodies_to_load(BODIES).is_empty()
    }

    /// Whether a page is on its way whose coming stirs the queue.
    pub fn is_loading(&self) -> bool {
        self.window.is_loading() || self.body_load.is_some()
    }
}

//! What a slot does when nobody asks: loads, moves, expiry, move tasks.

use super::{Purpose, Slot};
use crate::actions::receive_message::expire;
use crate::actions::start_message_move_task;
use crate::asks::{Ask, Page};
use crate::command::{Internal, LoadId, Wish};
use crate::counts::{Count, Counts};
use crate::ids::{MessageKey, Millis, QueueId};
use crate::limits::{LANE_WINDOW, MINUTE};
use crate::queue::Queue;
use crate::queue::offer::BODIES;
use crate::queue::window::{Entry, Want};
use crate::transfer;
use crate::turn::Turn;

/// Rows of one page of a cursor.
const RUN_ROWS: usize = 768;
/// Expired messages looked for, and deleted by one tick.
const EXPIRED_AT_ONCE: usize = 1_000;
/// How often a queue's expired messages are looked for: SQS promises minutes, we keep one.
pub(super) const EXPIRY_INTERVAL: Millis = MINUTE;

/// When the queue is next worth a look, ms.
pub fn next_timer(queue: &Queue, now: Millis) -> Option<Millis> {
    let offer = if queue.wanted { queue.next_offer(now) } else { None };
    let expiry = (queue.head.live > 0 && queue.expiry_load.is_none()).then_some(queue.next_expiry);
    let expired = (!queue.expired.is_empty()).then_some(now);
    let task = queue.tasks.values().any(start_message_move_task::is_active).then_some(queue.next_task_step);
    [offer, expiry, expired, task].into_iter().flatten().min()
}

/// Whether a look at the queue is to be a tick, which writes.
pub fn tick_is_due(queue: &Queue, now: Millis) -> bool {
    let expiry = queue.head.live > 0 && queue.expiry_load.is_none() && queue.next_expiry <= now;
    let task = queue.next_task_step <= now && queue.tasks.values().any(start_message_move_task::is_active);
    expiry || task || !queue.expired.is_empty()
}

/// Time has passed: deletes expired messages and steps the move task. Whether to look for more expired ones.
pub fn tick(queue: &mut Queue, turn: &mut Turn) -> bool {
    let found: Vec<_> =
        queue.expired.iter().take(EXPIRED_AT_ONCE).map(|(key, row)| (*key, row.retained_from)).collect();
    for (key, came) in found {
        queue.expired.remove(&key);
        let touched = queue.touched.get(&key);
        if touched.is_none_or(|row| row.leaving.is_none()) {
            let untouched = touched.is_none().then_some(came);
            expire(queue, turn, key, untouched);
        }
    }
    start_message_move_task::step(queue, turn);
    queue.expired.is_empty()
        && queue.head.live > 0
        && queue.expiry_load.is_none()
        && queue.next_expiry <= turn.now
}

impl Purpose {
    fn count(&self, ask: &Ask) -> Count {
        match (self, ask) {
            (Purpose::Window, Ask::Lane { .. }) => Count::LoadLane,
            (Purpose::Window, Ask::Run { from, .. }) if from.rank > 0 => Count::LoadDelayed,
            (Purpose::Window, _) => Count::LoadArrived,
            (Purpose::Bodies(_), _) => Count::LoadReturned,
            (Purpose::Move, _) => Count::LoadMoving,
            (Purpose::Expiry, _) => Count::LoadExpiry,
        }
    }
}

impl Slot {
    /// What is to be loaded or sent; each wish is yielded once.
    pub fn wishes(&mut self) -> Vec<Wish> {
        let mut wishes = std::mem::take(&mut self.sends);
        for id in std::mem::take(&mut self.busy) {
            self.wish_for_window(id, &mut wishes);
            self.wish_for_bodies(id, &mut wishes);
            self.wish_for_moves(id, &mut wishes);
            if let Some(queue) = self.queues.get_mut(&id) {
                let waits = std::mem::take(&mut queue.waits_for_load);
                assert!(!waits || queue.is_loading(), "a receive waits for a load, and none is out");
            }
        }
        wishes
    }

    fn load(&mut self, queue: QueueId, purpose: Purpose, ask: Ask, wishes: &mut Vec<Wish>) -> LoadId {
        self.next_load += 1;
        let load = LoadId(self.next_load);
        self.counts.add(purpose.count(&ask));
        self.loads.insert(load, (queue, purpose));
        wishes.push(Wish::Load(load, ask));
        load
    }

    fn wish_for_window(&mut self, id: QueueId, wishes: &mut Vec<Wish>) {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id).filter(|queue| queue.wanted) else { return };
        let wants = queue.window.wants(now, &mut queue.lanes);
        for want in wants {
            let skip = self.queues[&id].lanes.skip();
            // Which groups lie in damaged bytes is not known: a FIFO queue does not go on behind them.
            let past_damage = !self.queues[&id].is_fifo();
            let ask = match &want {
                Want::Arrived(from) => {
                    let to = MessageKey { sequence: u64::MAX, ..*from };
                    Ask::Run { from: *from, to, skip, limit: RUN_ROWS, past_damage }
                }
                Want::Delayed(from, to) => {
                    Ask::Run { from: *from, to: *to, skip: Default::default(), limit: RUN_ROWS, past_damage }
                }
                Want::Lane { lane, parked, before } => {
                    Ask::Lane { queue: id, lane: *lane, from: parked.first, to: *before, limit: LANE_WINDOW }
                }
            };
            let load = self.load(id, Purpose::Window, ask, wishes);
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.window.out(want, load);
            }
        }
    }

    fn wish_for_bodies(&mut self, id: QueueId, wishes: &mut Vec<Wish>) {
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.wanted && queue.body_load.is_none())
        else {
            return;
        };
        let keys = queue.bodies_to_load(BODIES);
        if !keys.is_empty() {
            let load = self.load(id, Purpose::Bodies(keys.clone()), Ask::Body(keys), wishes);
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.body_load = Some(load);
            }
        }
    }

    fn wish_for_moves(&mut self, id: QueueId, wishes: &mut Vec<Wish>) {
        let Some((keys, target)) = self.queues.get(&id).and_then(|queue| queue.mover.next_group()) else {
            return;
        };
        let at_hand = keys.iter().all(|key| self.queues[&id].window.body(key).is_some());
        let load = match at_hand {
            true => None,
            false => Some(self.load(id, Purpose::Move, Ask::Body(keys.clone()), wishes)),
        };
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.mover.start(keys.clone(), target, load);
        if at_hand {
            let (messages, _) = transfer::pack(queue, &self.secret, &keys, None);
            wishes
                .push(Wish::Send { rests: queue.last_lsn, internal: Internal::Arrive { target, messages } });
        }
    }

    pub(super) fn look_for_expired(&mut self, id: QueueId, now: Millis) {
        let Some(queue) = self.queues.get(&id) else { return };
        let cutoff = now.saturating_sub(queue.settings.retention) + 1;
        let sorted = !queue.head.has_moved;
        let ask = Ask::Expired { queue: id, cutoff, sorted, limit: EXPIRED_AT_ONCE };
        let mut sends = std::mem::take(&mut self.sends);
        let load = self.load(id, Purpose::Expiry, ask, &mut sends);
        self.sends = sends;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.expiry_load = Some(load);
        }
    }

    /// The answer to a load that was wished for.
    pub fn loaded(&mut self, load: LoadId, page: Page) {
        let Some((id, purpose)) = self.loads.remove(&load) else {
            return self.counts.add(Count::DroppedOrphan);
        };
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let counts = &mut self.counts;
        match purpose {
            Purpose::Window => {
                let touched = &queue.touched;
                let touched = |key: &MessageKey| {
                    let row = touched.get(key)?;
                    let leaves = row.leaving.is_some();
                    Some(if leaves { Count::FilteredLeaving } else { Count::FilteredReceived })
                };
                queue.window.loaded(load, page, now, &mut queue.lanes, counts, touched);
            }
            Purpose::Bodies(keys) => loaded_bodies(queue, &keys, page, now, counts),
            Purpose::Move => {
                let send = loaded_move(queue, &self.secret, load, &page);
                self.sends.extend(send);
            }
            Purpose::Expiry => loaded_expired(queue, page, now, counts),
        }
        queue.stirred = true;
        self.settle(id);
    }

    /// The load lies in damaged bytes.
    pub fn damaged(&mut self, load: LoadId) {
        let Some((id, purpose)) = self.loads.remove(&load) else { return };
        let Some(queue) = self.queues.get_mut(&id) else { return };
        match purpose {
            Purpose::Window => queue.window.damaged(load),
            Purpose::Bodies(keys) => {
                loaded_bodies(queue, &keys, Page::default(), self.now, &mut self.counts);
            }
            Purpose::Move => {
                if let Some(keys) = queue.mover.loaded(load).map(|group| group.keys.clone()) {
                    queue.mover.stick(keys);
                }
            }
            Purpose::Expiry => {
                queue.expiry_load = None;
                queue.next_expiry = self.now + EXPIRY_INTERVAL;
            }
        }
        queue.stirred = true;
        self.settle(id);
    }
}

/// Contents of returned messages; those that are not in the page cannot be read.
fn loaded_bodies(queue: &mut Queue, keys: &[MessageKey], page: Page, now: Millis, counts: &mut Counts) {
    queue.body_load = None;
    let mut found: std::collections::BTreeMap<_, _> = page
        .rows
        .into_iter()
        .filter_map(|row| Some((row.key, Entry { row: row.row, blob: row.blob? })))
        .collect();
    for key in keys {
        let Some(touched) = queue.touched.get(key).filter(|row| row.leaving.is_none()) else {
            counts.add(Count::FilteredReturned);
            continue;
        };
        match found.remove(key) {
            Some(entry) if touched.deadline <= now => {
                queue.window.keep_body(*key, entry);
            }
            Some(_) => counts.add(Count::FilteredReturned),
            None => drop(queue.unreadable.insert(*key)),
        }
    }
}

fn loaded_move(queue: &mut Queue, secret: &crate::Secret, load: LoadId, page: &Page) -> Option<Wish> {
    let (keys, target) = queue.mover.loaded(load).map(|group| (group.keys.clone(), group.target))?;
    let (messages, missing) = transfer::pack(queue, secret, &keys, Some(page));
    if !missing.is_empty() {
        queue.mover.stick(missing);
        return None;
    }
    let rests = queue.last_lsn;
    Some(Wish::Send { rests, internal: Internal::Arrive { target, messages } })
}

fn loaded_expired(queue: &mut Queue, page: Page, now: Millis, counts: &mut Counts) {
    queue.expiry_load = None;
    let leaving = |key: &MessageKey| queue.touched.get(key).is_some_and(|row| row.leaving.is_some());
    // A page of nothing but messages on their way elsewhere, cut short by damage, would be the same again.
    let again = !page.ran_out && page.rows.iter().any(|found| !leaving(&found.key));
    queue.next_expiry = if again { now } else { now + EXPIRY_INTERVAL };
    for found in page.rows {
        if !leaving(&found.key) && queue.gone.since(page.lsn, &found.key) == Some(false) {
            queue.expired.insert(found.key, found.row);
        } else {
            counts.add(Count::FilteredExpired);
        }
    }
}

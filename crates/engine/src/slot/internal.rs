//! Requests of the node's own: making and removing queues, moving messages, time passing.

use super::{Slot, background};
use crate::catalogue::Catalogue;
use crate::command::{Decision, Facts, Internal, Moment, Undo, Wish};
use crate::counts::{Count, Counts};
use crate::ids::{Millis, QueueId};
use crate::queue::Queue;
use crate::queue::dedup::Dedup;
use crate::rows::{Batch, QueueRow, Record, Row};
use crate::turn::{Turn, settled};
use crate::{actions::receive_message, transfer};

impl Slot {
    /// Takes over the small rows that survived, in any order, as of `now`; called once, before anything else.
    pub fn recover(&mut self, rows: Vec<Row>, now: Millis) {
        let (queues, rest): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| matches!(row, Row::Queue(..)));
        queues.into_iter().chain(rest).for_each(|row| self.recover_row(row, now));
        self.recovered(now);
    }

    /// Takes over one small row that survived. A queue comes before what it holds.
    pub fn recover_row(&mut self, row: Row, now: Millis) {
        if let Row::Queue(id, row) = &row {
            // A recovered queue may hold messages on disk, so `recovered` is never 0.
            self.queues.insert(*id, Queue::new(row.clone(), &self.settings, now.max(1)));
        }
        let Some(queue) = row.key().queue().and_then(|id| self.queues.get_mut(&id)) else { return };
        queue.apply(&Record::Put(row), 0, now);
        queue.dirty = false;
    }

    /// Takes over all deduplication ids of a queue, which comes before.
    pub fn recover_ids(&mut self, queue: QueueId, ids: Dedup) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.dedup = ids;
        }
    }

    /// All rows that survived were taken over.
    pub fn recovered(&mut self, now: Millis) {
        self.now = now;
        for queue in self.queues.values_mut() {
            queue.begin_at_free();
            queue.advance(now);
            queue.next_expiry = now;
        }
        for id in self.queues.keys().copied().collect::<Vec<_>>() {
            self.tell_sources(id);
            self.settle(id);
        }
    }

    /// Sources delete what had arrived here before the start: they may be removed before it leaves them once more.
    fn tell_sources(&mut self, target: QueueId) {
        for internal in transfer::departs(&self.queues[&target]) {
            self.counts.add(Count::ToldAtStart);
            self.sends.push(Wish::Send { rests: 0, internal });
        }
    }

    pub(super) fn internal(
        &mut self,
        moment: &mut Moment,
        catalogue: &Catalogue,
        internal: &Internal,
        facts: &Facts,
        batch: &mut Batch,
    ) -> Decision {
        match internal {
            Internal::Install(row) => return self.install(moment, row, batch),
            Internal::Remove(id) => return self.remove(moment, *id, batch),
            _ => {}
        }
        let (secret, settings) = (self.secret, self.settings);
        let mut counts = Counts::default();
        let mut turn = Turn {
            now: moment.now,
            lsn: moment.lsn,
            entropy: &mut moment.entropy,
            secret: &secret,
            settings: &settings,
            catalogue,
            facts,
            batch,
            counts: &mut counts,
        };
        let decision = match internal.queue() {
            None => self.tick(&mut turn),
            Some(id) => self.deliver(id, &mut turn, internal),
        };
        self.counts.absorb(&counts);
        decision
    }

    fn deliver(&mut self, id: QueueId, turn: &mut Turn, internal: &Internal) -> Decision {
        let removed = self.removed_lsn;
        let decision = match self.queues.get_mut(&id) {
            Some(queue) => {
                queue.advance(turn.now);
                transfer(queue, turn, internal)
            }
            None => without_queue(internal, removed),
        };
        self.settle(id);
        decision
    }

    fn install(&mut self, moment: &Moment, row: &QueueRow, batch: &mut Batch) -> Decision {
        let known = self.queues.get_mut(&row.id);
        if known.as_ref().is_none_or(|queue| queue.row.version < row.version) {
            batch.records.push(Record::Put(Row::Queue(row.id, row.clone())));
            match known {
                Some(queue) => queue.configure(row.clone(), &self.settings),
                None => drop(self.queues.insert(row.id, Queue::new(row.clone(), &self.settings, 0))),
            }
            let Some(queue) = self.queues.get_mut(&row.id) else { return settled(moment.lsn, Vec::new()) };
            queue.last_lsn = moment.lsn;
            queue.dirty = true;
            queue.next_expiry = moment.now + background::EXPIRY_INTERVAL;
        }
        let rests = self.queues.get(&row.id).map_or(0, |queue| queue.last_lsn);
        self.settle(row.id);
        settled(rests, Vec::new())
    }

    /// Removes a queue, once the sources of what moved into it have deleted that.
    fn remove(&mut self, moment: &Moment, id: QueueId, batch: &mut Batch) -> Decision {
        if let Some(queue) = self.queues.get_mut(&id).filter(|queue| !queue.arrived.is_empty()) {
            return settled(queue.last_lsn, transfer::before_removal(queue));
        }
        if let Some(queue) = self.queues.remove(&id) {
            batch.records.push(Record::Drop(id));
            self.removed_lsn = moment.lsn;
            self.window_bytes -= queue.counted_bytes;
            self.set_timer(id, None);
            self.loads.retain(|_, (queue, _)| *queue != id);
            for set in
                [&mut self.pending, &mut self.dirty, &mut self.busy, &mut self.ticks, &mut self.holding]
            {
                set.remove(&id);
            }
            // Those who wait there are told that it is gone.
            self.stirred.insert(id);
        }
        settled(self.removed_lsn, Vec::new())
    }

    fn tick(&mut self, turn: &mut Turn) -> Decision {
        let now: Millis = turn.now;
        for id in std::mem::take(&mut self.ticks) {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.advance(now);
            if background::tick(queue, turn) {
                self.look_for_expired(id, now);
            }
            self.settle(id);
        }
        settled(0, Vec::new())
    }
}

fn transfer(queue: &mut Queue, turn: &mut Turn, internal: &Internal) -> Decision {
    match internal {
        Internal::Arrive { messages, .. } => transfer::arrive(queue, turn, messages),
        Internal::Depart { target, keys, .. } => transfer::depart(queue, turn, *target, keys),
        Internal::Withdraw { keys, .. } => transfer::withdraw(queue, turn, keys),
        Internal::Forget { keys, .. } => transfer::forget(queue, turn, keys),
        Internal::Undo(undo) => take_back(queue, turn, undo),
        Internal::Tick | Internal::Install(_) | Internal::Remove(_) => settled(0, Vec::new()),
    }
}

fn take_back(queue: &mut Queue, turn: &mut Turn, undo: &[Undo]) -> Decision {
    receive_message::undo(queue, turn, undo);
    settled(queue.last_lsn, Vec::new())
}

/// The queue is gone: what was on its way to it goes back, what came from it is forgotten.
fn without_queue(internal: &Internal, removed: crate::Lsn) -> Decision {
    let then = match internal {
        Internal::Arrive { messages, .. } => {
            let source = messages.first().map_or(QueueId(0), |moved| moved.source.queue);
            let keys = messages.iter().map(|moved| moved.source).collect();
            vec![Internal::Withdraw { source, keys }]
        }
        Internal::Depart { target, keys, .. } => {
            vec![Internal::Forget { target: *target, keys: keys.clone() }]
        }
        _ => Vec::new(),
    };
    settled(removed, then)
}

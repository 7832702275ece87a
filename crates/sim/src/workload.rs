//! What clients do next, drawn from the seed and from what they hold.

use crate::model::{BY_CONTENT, Call, Change, Exists, HandleAt, Message, MessageAt, Model, QueueAt, Sent};
use crate::options::{Habits, Options};
use crate::rng::Rng;

/// A short body's bytes at most.
const SHORT: usize = 200;

/// Handles that were given out lately.
const LATELY: usize = 40;

/// What a client remembers.
#[derive(Clone, Debug, Default)]
pub struct Hands {
    /// Handles it was given and has not deleted.
    pub handles: Vec<HandleAt>,
    /// Messages of sends that had no reply, to be sent again.
    pub unanswered: Vec<MessageAt>,
    /// A receive with an attempt id that had no reply, to be tried again.
    pub attempt: Option<Call>,
}

/// Draws calls.
#[derive(Debug)]
pub struct Workload {
    rng: Rng,
    habits: Habits,
    body: usize,
    groups: u32,
    timeouts: Vec<u64>,
    shapes: Vec<crate::model::Shape>,
    next_dedup: u64,
    next_attempt: u64,
    /// The latest delete of anyone.
    deleted: Option<Call>,
    /// What the next clients do, the last first.
    planned: Vec<Call>,
}

impl Workload {
    /// The calls of a seed.
    pub fn new(options: &Options) -> Workload {
        Workload {
            rng: Rng::new(options.seed, 2),
            habits: options.habits.clone(),
            body: options.body,
            groups: options.groups,
            timeouts: options.timeouts.clone(),
            shapes: options.queues.clone(),
            next_dedup: 1,
            next_attempt: 1,
            deleted: None,
            planned: Vec::new(),
        }
    }

    /// What this client does next; `moving` tells that messages are on their way between queues just now.
    pub fn next(&mut self, model: &mut Model, hands: &mut Hands, moving: bool) -> Call {
        if let Some(call) = self.make_queue(model) {
            return call;
        }
        if let Some(call) = self.planned.pop().filter(|call| !model.is_governed(call.queue())) {
            return call;
        }
        if let Some(call) = self.retry(model, hands) {
            return call;
        }
        let queue = self.rng.index(model.queues.len());
        if let Some(call) = self.cross(model, queue).filter(|_| moving) {
            return call;
        }
        let habits = &self.habits;
        let weights = [
            habits.send,
            habits.receive,
            habits.delete,
            habits.change,
            habits.set,
            habits.purge,
            habits.remove,
            habits.counters,
            habits.moves,
            habits.rest,
        ];
        match self.weighted(&weights) {
            0 => self.send(model, queue),
            1 => self.receive(model, queue),
            2 => self.delete(hands, model).unwrap_or_else(|| self.receive(model, queue)),
            3 => self.change(hands, model).unwrap_or_else(|| self.receive(model, queue)),
            4 if !model.is_governed(queue) => Call::Set { queue, change: self.setting(model, queue) },
            5 if !model.is_governed(queue) => Call::Purge { queue },
            6 if !model.is_governed(queue) => Call::Remove { queue },
            8 => self.moves(model, queue),
            9 if self.rng.one_in(2) => Call::Locate { queue },
            9 => Call::Forge { queue },
            _ => Call::Counters { queue },
        }
    }

    /// Something that crosses a move, where the seed has it at all.
    fn cross(&mut self, model: &Model, queue: QueueAt) -> Option<Call> {
        let (purge, remove) = (self.habits.purge > 0, self.habits.remove > 0);
        match self.rng.below(25) {
            0 if purge && !model.is_governed(queue) => Some(Call::Purge { queue }),
            1 | 2 if remove => {
                let dead = self.rng.one_in(2);
                let target = |at: &QueueAt| {
                    model.queues[*at].name.starts_with("dead") == dead && !model.is_governed(*at)
                };
                self.one_of(model, target).map(|queue| Call::Remove { queue })
            }
            _ => None,
        }
    }

    fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut draw = self.rng.below(weights.iter().sum());
        for (at, &weight) in weights.iter().enumerate() {
            if draw < weight {
                return at;
            }
            draw -= weight;
        }
        unreachable!("the draw is below the sum")
    }

    /// A queue that is not there is soon made.
    fn make_queue(&mut self, model: &Model) -> Option<Call> {
        let lacking = |at: &QueueAt| model.queues[*at].exists != Exists::Yes && !model.is_governed(*at);
        let queue = (0..model.queues.len()).find(lacking)?;
        let now = self.rng.one_in(3);
        now.then(|| Call::Create { queue, shape: self.shapes[queue].clone() })
    }

    fn retry(&mut self, model: &Model, hands: &mut Hands) -> Option<Call> {
        if let Some(call) = hands.attempt.take() {
            return Some(call);
        }
        hands.unanswered.retain(|&at| model.may_retry(at));
        let first = *hands.unanswered.first()?;
        let queue = model.messages[first].home;
        let same = |at: &MessageAt| model.messages[*at].home == queue;
        let messages: Vec<_> = hands.unanswered.iter().copied().filter(same).take(10).collect();
        hands.unanswered.retain(|at| !messages.contains(at));
        let batch = messages.len() > 1 || self.rng.one_in(2);
        Some(Call::Send { queue, messages, batch })
    }

    /// Draws a send to this queue.
    pub fn send(&mut self, model: &mut Model, queue: QueueAt) -> Call {
        let batch = self.rng.one_in(3);
        let count = if batch { self.rng.between(1, 10) } else { 1 };
        let group = self.group(model, queue);
        let mut messages: Vec<MessageAt> = Vec::new();
        for _ in 0..count {
            let group = if self.rng.one_in(2) { group } else { self.group(model, queue) };
            let message = self.message(model, queue, group);
            // Two messages of one deduplication id in one batch: which is the first is certain, but simpler not.
            let scope = model.scope(queue, &message);
            let clash = |&at: &MessageAt| model.scope(queue, &model.messages[at]) == scope;
            if model.queues[queue].fifo && messages.iter().any(clash) {
                continue;
            }
            model.messages.push(message);
            messages.push(model.messages.len() - 1);
        }
        Call::Send { queue, messages, batch }
    }

    fn group(&mut self, model: &Model, queue: QueueAt) -> u32 {
        let plain = !model.queues[queue].fifo && self.rng.one_in(2);
        if plain { 0 } else { self.rng.between(1, u64::from(self.groups)) as u32 }
    }

    fn message(&mut self, model: &Model, queue: QueueAt, group: u32) -> Message {
        let size = self.size();
        let at = model.messages.len();
        let mut message = Message::new(queue, group, self.dedup(model, queue, group, at), size);
        if !model.queues[queue].fifo && self.rng.one_in(6) {
            message.own_delay = Some(1_000 * self.rng.pick(&[0, 1, 2, 60]));
        }
        message
    }

    /// Most bodies are short, as most are; the long ones are as long as the seed has them.
    fn size(&mut self) -> usize {
        let most = if self.rng.one_in(8) { self.body } else { self.body.min(SHORT) };
        self.rng.between(1, most as u64) as usize
    }

    /// A deduplication id: new, or one that was used before, if what must come of that is certain.
    fn dedup(&mut self, model: &Model, queue: QueueAt, group: u32, at: MessageAt) -> u64 {
        if model.queues[queue].by_content && self.rng.one_in(2) {
            return BY_CONTENT + at as u64;
        }
        if self.next_dedup > 1 && self.rng.one_in(4) {
            let used = self.next_dedup - 1 - self.rng.below(self.next_dedup.min(20) - 1).min(19);
            let scope = (if model.queues[queue].per_group { group } else { 0 }, used);
            if model.certain_first(queue, scope).is_some_and(|first| first.message != at) {
                return used;
            }
        }
        self.next_dedup += 1;
        self.next_dedup - 1
    }

    fn receive(&mut self, model: &Model, queue: QueueAt) -> Call {
        let attempt = (model.queues[queue].fifo && self.rng.one_in(4)).then(|| {
            self.next_attempt += 1;
            self.next_attempt
        });
        let timeout = self.rng.one_in(2).then(|| self.rng.pick(&self.timeouts));
        Call::Receive {
            queue,
            most: self.rng.pick(&[1, 2, 10]),
            timeout,
            wait: self.rng.pick(&[0, 0, 1, 20]),
            attempt,
        }
    }

    /// Handles of one queue, in hand; `keep` says whether they stay there.
    fn take(
        &mut self,
        hands: &mut Hands,
        model: &Model,
        keep: bool,
    ) -> Option<(QueueAt, Vec<HandleAt>, bool)> {
        if hands.handles.is_empty() {
            return None;
        }
        let own = hands.handles[self.rng.index(hands.handles.len())];
        // Handles are passed on: some requests name one that another client has, or that was used long ago.
        let lately = self.rng.below(model.handles.len().min(LATELY) as u64) as usize;
        let first = if self.rng.one_in(15) { model.handles.len() - 1 - lately } else { own };
        let queue = model.handles[first].queue;
        let batch = self.rng.one_in(3);
        let most = if batch { self.rng.between(1, 10) as usize } else { 1 };
        let mut taken = vec![first];
        for &handle in &hands.handles {
            let message = model.handles[handle].message;
            let fits = model.handles[handle].queue == queue
                && taken.iter().all(|&other| model.handles[other].message != message);
            if taken.len() < most && fits {
                taken.push(handle);
            }
        }
        if !keep {
            hands.handles.retain(|handle| !taken.contains(handle));
        }
        Some((queue, taken, batch))
    }

    fn delete(&mut self, hands: &mut Hands, model: &Model) -> Option<Call> {
        if let Some(call) = self.deleted.take().filter(|_| self.rng.one_in(8)) {
            return Some(call);
        }
        // Some deletes are repeated, by the same client later or by another one at once.
        let keep = self.rng.one_in(10);
        let (queue, handles, batch) = self.take(hands, model, keep)?;
        let call = Call::Delete { queue, handles, batch };
        self.deleted = Some(call.clone());
        Some(call)
    }

    fn change(&mut self, hands: &mut Hands, model: &Model) -> Option<Call> {
        let (queue, handles, batch) = self.take(hands, model, true)?;
        let entries = handles.into_iter().map(|handle| (handle, self.rng.pick(&self.timeouts))).collect();
        Some(Call::Change { queue, entries, batch })
    }

    fn setting(&mut self, model: &Model, queue: QueueAt) -> Change {
        match self.rng.below(4) {
            0 => Change::Timeout(self.rng.pick(&[0, 1, 30])),
            1 => Change::Delay(self.rng.pick(&[0, 0, 2, 60])),
            2 => Change::Retention(self.rng.pick(&[60, 345_600, 345_600])),
            _ => {
                let like = |at: &QueueAt| {
                    model.queues[*at].name.starts_with("dead")
                        && *at != queue
                        && model.queues[*at].fifo == model.queues[queue].fifo
                };
                let target = (0..model.queues.len()).find(like).filter(|_| self.rng.one_in(2));
                let most = self.rng.pick(&[1, 3]);
                Change::Policy(target.map(|target| crate::model::Policy { target, most }))
            }
        }
    }

    fn moves(&mut self, model: &Model, queue: QueueAt) -> Call {
        let dead = |at: &QueueAt| model.queues[*at].name.starts_with("dead");
        let source = self.one_of(model, dead).unwrap_or(queue);
        if self.rng.one_in(3) {
            return Call::Moves { source };
        }
        let like = |at: &QueueAt| *at != source && model.queues[*at].fifo == model.queues[source].fifo;
        let destination = self.one_of(model, like).filter(|_| self.rng.one_in(2));
        Call::Move { source, destination }
    }

    fn one_of(&mut self, model: &Model, fits: impl Fn(&QueueAt) -> bool) -> Option<QueueAt> {
        let all: Vec<QueueAt> = (0..model.queues.len()).filter(fits).collect();
        (!all.is_empty()).then(|| self.rng.pick(&all))
    }

    /// The server has crashed. Of a message whose receive it may have forgotten only the store knows whether it is
    /// there: two clients may ask for its deletion at once, and a third for a purge.
    pub fn crashed(&mut self, model: &Model) {
        self.planned.clear();
        let lately = model.handles.len().saturating_sub(LATELY)..model.handles.len();
        let fits = |at: &HandleAt| {
            let held = &model.handles[*at];
            !model.queues[held.queue].fifo && model.messages[held.message].surely_there()
        };
        let Some(handle) = lately.rev().find(fits).filter(|_| self.rng.one_in(3)) else { return };
        let queue = model.handles[handle].queue;
        let delete = Call::Delete { queue, handles: vec![handle], batch: false };
        self.planned = vec![delete.clone(), delete];
        if self.habits.purge > 0 {
            self.planned.insert(0, Call::Purge { queue });
        }
    }

    /// A call had no reply: what the client will try again.
    pub fn no_reply(&mut self, model: &Model, hands: &mut Hands, call: &Call) {
        match call {
            Call::Send { messages, .. } => {
                let lost = messages.iter().copied().filter(|&at| model.messages[at].sent == Sent::Maybe);
                hands.unanswered.extend(lost);
            }
            Call::Receive { attempt: Some(_), .. } => hands.attempt = Some(call.clone()),
            Call::Delete { handles, .. } => hands.handles.extend(handles),
            _ => {}
        }
    }
}

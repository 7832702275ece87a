//! A slot: the state machine of the queues it holds. One owner, no clock, no randomness, no I/O.

mod background;
mod internal;

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::{
    cancel_message_move_task, change_message_visibility, delete_message, get_queue_attributes,
    list_message_move_tasks, purge_queue, receive_message, send_message, start_message_move_task,
};
use crate::attributes::Counters;
use crate::catalogue::Catalogue;
use crate::command::{Command, Decision, Done, Facts, LoadId, Moment, Settings, Wish};
use crate::counts::{Count, Counts};
use crate::errors::{Code, Error};
use crate::ids::{Lsn, MessageKey, Millis, QueueId, Secret};
use crate::queue::Queue;
use crate::request::Request;
use crate::rows::{Batch, MessageRow, Record, Row};
use crate::turn::{Turn, answer};

/// Bytes that windows may take over their budget while receives ask at their queues: evicting one in demand for
/// another would have both read the same pages for ever.
const DEMAND_SLACK: usize = 16 << 20;

/// The view of a slot's rows.
#[derive(Debug)]
pub struct Slot {
    secret: Secret,
    settings: Settings,
    now: Millis,
    queues: BTreeMap<QueueId, Queue>,
    /// When a queue is next worth a look, ms; each queue has one entry at most.
    timers: BTreeSet<(Millis, QueueId)>,
    timer_of: BTreeMap<QueueId, Millis>,
    /// Queues with messages that are not durable yet.
    pending: BTreeSet<QueueId>,
    /// Queues whose head is to be written.
    dirty: BTreeSet<QueueId>,
    stirred: BTreeSet<QueueId>,
    /// Queues that may wish for something.
    busy: BTreeSet<QueueId>,
    /// Queues a tick is due for.
    ticks: BTreeSet<QueueId>,
    loads: BTreeMap<LoadId, (QueueId, Purpose)>,
    next_load: u64,
    sends: Vec<Wish>,
    /// The last batch that removed a queue: what rests on an absence rests on it.
    removed_lsn: Lsn,
    window_bytes: usize,
    /// Queues whose window holds anything.
    holding: BTreeSet<QueueId>,
    /// The queue whose window was given up last.
    evicted: QueueId,
    counts: Counts,
}

/// What a load is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Window,
    Bodies(Vec<MessageKey>),
    Move,
    Expiry,
}

impl Slot {
    /// An empty slot.
    pub fn new(secret: Secret, settings: Settings) -> Slot {
        Slot {
            secret,
            settings,
            now: 0,
            queues: BTreeMap::new(),
            timers: BTreeSet::new(),
            timer_of: BTreeMap::new(),
            pending: BTreeSet::new(),
            dirty: BTreeSet::new(),
            stirred: BTreeSet::new(),
            busy: BTreeSet::new(),
            ticks: BTreeSet::new(),
            loads: BTreeMap::new(),
            next_load: 0,
            sends: Vec::new(),
            removed_lsn: 0,
            window_bytes: 0,
            holding: BTreeSet::new(),
            evicted: QueueId(0),
            counts: Counts::default(),
        }
    }

    /// Memory of all windows, bytes, about.
    pub fn window_bytes(&self) -> usize {
        self.window_bytes
    }

    /// Time is now `now`: what was in flight or delayed until then is visible. Called at the start of a turn.
    pub fn advance(&mut self, now: Millis) {
        self.now = self.now.max(now);
        let later = self.timers.split_off(&(self.now + 1, QueueId(0)));
        // Each queue that is due is looked at once: what it finds may set its timer again at once.
        for (_, id) in std::mem::replace(&mut self.timers, later) {
            self.timer_of.remove(&id);
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.advance(self.now);
            if background::tick_is_due(queue, self.now) {
                self.ticks.insert(id);
            }
            // Those who still wait after they were looked at say so again.
            queue.wanted &= !queue.stirred;
            self.settle(id);
        }
    }

    /// Decides a command and applies what it decided; the records are added to `batch`.
    pub fn execute(
        &mut self,
        moment: &mut Moment,
        catalogue: &Catalogue,
        command: &Command,
        facts: &Facts,
        batch: &mut Batch,
    ) -> Decision {
        let id = match command {
            Command::Client { queue, .. } | Command::Send { queue, .. } => *queue,
            Command::Internal(internal) => return self.internal(moment, catalogue, internal, facts, batch),
        };
        let running = self.running_tasks(id, command);
        let settings = self.settings;
        let secret = self.secret;
        // A queue that lost its name while a receive waited is on its way out: that receive would be refused when it is
        // answered, with what it had taken counted as received.
        if !catalogue.is_named(id) {
            return no_such_queue(catalogue.last_removal());
        }
        let removed = self.removed_lsn;
        let Some(queue) = self.queues.get_mut(&id) else { return no_such_queue(removed) };
        queue.advance(moment.now);
        let mut turn = Turn {
            now: moment.now,
            lsn: moment.lsn,
            entropy: &mut moment.entropy,
            secret: &secret,
            settings: &settings,
            catalogue,
            facts,
            batch,
            counts: &mut self.counts,
        };
        let decision = decide(queue, &mut turn, command, running);
        self.settle(id);
        decision
    }

    /// Running move tasks of the account that a start would add to.
    fn running_tasks(&self, id: QueueId, command: &Command) -> usize {
        let Command::Client { request: Request::StartMessageMoveTask { .. }, .. } = command else { return 0 };
        let account = self.queues.get(&id).map(|queue| &queue.row.name.account);
        let same = self.queues.values().filter(|queue| Some(&queue.row.name.account) == account);
        same.filter(|queue| queue.tasks.values().any(start_message_move_task::is_active)).count()
    }

    /// Ends a turn: the heads of all queues it touched are added to `batch`.
    pub fn close(&mut self, batch: &mut Batch, lsn: Lsn) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.dirty = false;
            queue.raise_free_from();
            queue.last_lsn = queue.last_lsn.max(lsn);
            batch.records.extend(queue.stale.drain(..).map(Record::Delete));
            batch.records.push(Record::Put(Row::Head(id, queue.head)));
        }
    }

    /// Every batch up to `lsn` is durable.
    pub fn durable(&mut self, lsn: Lsn) {
        for id in self.pending.iter().copied().collect::<Vec<_>>() {
            let Some(queue) = self.queues.get_mut(&id) else {
                self.pending.remove(&id);
                continue;
            };
            queue.durable(lsn, self.now);
            self.settle(id);
        }
    }

    /// A receive waits at this queue: what it could be given is worth loading.
    pub fn want(&mut self, queue: QueueId) {
        if let Some(wanted) = self.queues.get_mut(&queue) {
            wanted.wanted = true;
            self.settle(queue);
        }
    }

    /// Queues where something may have become receivable since the last call.
    pub fn stirred(&mut self) -> Vec<QueueId> {
        std::mem::take(&mut self.stirred).into_iter().collect()
    }

    /// When `advance` and a tick are next worth a turn, ms.
    pub fn next_deadline(&self) -> Option<Millis> {
        match self.ticks.is_empty() {
            true => self.timers.first().map(|(at, _)| *at),
            false => Some(self.now),
        }
    }

    /// What happened since it was made.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The small rows of the view, queue by queue: what a restart must find (Law 1).
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.queues.values().flat_map(Queue::small_rows)
    }

    /// The same in key order.
    pub fn small_rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows().collect();
        rows.sort_by_key(Row::key);
        rows
    }

    /// Law 3, of every queue. An error says what is wrong; otherwise how many messages were looked at.
    pub fn check_places(&self) -> Result<usize, String> {
        self.queues.values().map(Queue::check_places).sum()
    }

    /// The untouched messages in memory.
    pub fn untouched(&self) -> impl Iterator<Item = (&MessageKey, &MessageRow)> {
        self.queues.values().flat_map(|queue| queue.window.untouched())
    }

    /// The queues it holds, brought up to `now`.
    pub fn queues(&mut self, now: Millis) -> impl Iterator<Item = &Queue> {
        self.now = self.now.max(now);
        let now = self.now;
        self.queues.values_mut().map(move |queue| {
            queue.advance(now);
            &*queue
        })
    }

    /// The counters of a queue at `now`.
    pub fn counters(&mut self, id: QueueId, now: Millis) -> Option<Counters> {
        let queue = self.queues.get_mut(&id)?;
        queue.advance(now);
        Some(queue.counters(now))
    }

    /// Puts right what the slot derives from a queue that has changed.
    fn settle(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.dirty {
            self.dirty.insert(id);
        }
        if std::mem::take(&mut queue.stirred) {
            self.stirred.insert(id);
            queue.waits_for_load = false;
        }
        match queue.window.has_pending() {
            true => self.pending.insert(id),
            false => self.pending.remove(&id),
        };
        self.busy.insert(id);
        // A tick that is due sets the timer anew when it has run.
        let timer = background::next_timer(queue, self.now).filter(|_| !self.ticks.contains(&id));
        let bytes = queue.window.bytes();
        self.window_bytes = self.window_bytes + bytes - std::mem::replace(&mut queue.counted_bytes, bytes);
        match bytes {
            0 => self.holding.remove(&id),
            _ => self.holding.insert(id),
        };
        self.set_timer(id, timer);
        self.bound_windows(id);
    }

    fn set_timer(&mut self, id: QueueId, at: Option<Millis>) {
        let before = match at {
            Some(at) => self.timer_of.insert(id, at),
            None => self.timer_of.remove(&id),
        };
        if before != at {
            before.map(|before| self.timers.remove(&(before, id)));
            at.map(|at| self.timers.insert((at, id)));
        }
    }

    /// Gives up the windows of other queues, one after the other, until all take no more than they may. One that
    /// waits for a page keeps its place while there is slack, or two queues would undo each other's reading.
    fn bound_windows(&mut self, current: QueueId) {
        for _ in 0..self.holding.len() {
            if self.window_bytes <= self.settings.window_bytes {
                return;
            }
            let spares_wanted = self.window_bytes <= self.settings.window_bytes + DEMAND_SLACK;
            let after = QueueId(self.evicted.0.saturating_add(1));
            let next = self.holding.range(after..).next().or_else(|| self.holding.first());
            let Some(id) = next.copied() else { return };
            self.evicted = id;
            let Some(queue) = self.queues.get_mut(&id).filter(|_| id != current) else { continue };
            if spares_wanted && (queue.wanted || queue.window.is_loading()) {
                continue;
            }
            queue.window.evict(&mut queue.lanes);
            self.counts.add(Count::Evicted);
            self.holding.remove(&id);
            let bytes = queue.window.bytes();
            self.window_bytes =
                self.window_bytes + bytes - std::mem::replace(&mut queue.counted_bytes, bytes);
        }
    }
}

fn decide(queue: &mut Queue, turn: &mut Turn, command: &Command, running: usize) -> Decision {
    let (arrived, request) = match command {
        Command::Send { entries, batch, .. } => return send_message::decide(queue, turn, entries, *batch),
        Command::Client { arrived, request, .. } => (*arrived, request),
        Command::Internal(_) => unreachable!("internal commands are decided apart"),
    };
    match request {
        Request::ReceiveMessage(request) => receive_message::decide(queue, turn, request, arrived),
        Request::DeleteMessage { receipt_handle, .. } => delete_message::decide(queue, turn, receipt_handle),
        Request::DeleteMessageBatch { entries, .. } => delete_message::decide_batch(queue, turn, entries),
        Request::ChangeMessageVisibility { receipt_handle, visibility_timeout, .. } => {
            change_message_visibility::decide(queue, turn, receipt_handle, *visibility_timeout)
        }
        Request::ChangeMessageVisibilityBatch { entries, .. } => {
            change_message_visibility::decide_batch(queue, turn, entries)
        }
        Request::PurgeQueue { .. } => purge_queue::decide(queue, turn),
        Request::GetQueueAttributes { attribute_names, .. } => {
            get_queue_attributes::decide(queue, turn, attribute_names)
        }
        Request::StartMessageMoveTask { destination_arn, max_number_of_messages_per_second, .. } => {
            let rate = *max_number_of_messages_per_second;
            start_message_move_task::decide(queue, turn, destination_arn.as_deref(), rate, running)
        }
        Request::CancelMessageMoveTask { task_handle } => {
            cancel_message_move_task::decide(queue, turn, task_handle)
        }
        Request::ListMessageMoveTasks { max_results, .. } => {
            list_message_move_tasks::decide(queue, turn, *max_results)
        }
        other => {
            let text = format!("{} is not about one queue's messages.", other.action().row().name);
            answer(queue, Err(Error::new(Code::InternalFailure, text)))
        }
    }
}

/// The name led to a queue that its slot has removed meanwhile.
fn no_such_queue(rests: Lsn) -> Decision {
    let answer = Err(Error::no_such_queue());
    Decision::Done(Done { answer, rests, undo: Vec::new(), then: Vec::new() })
}

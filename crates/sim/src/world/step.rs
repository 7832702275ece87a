//! One event after another: time jumps to the next, clients act, the node steps, replies are judged.

use auth::Identity;
use engine::command::Caller;
use engine::queue::offer::BODIES;
use engine::reply::{ReceivedMessage, Reply};
use engine::{Error, Request};
use node::{Input, Output, RequestId};
use store::Store;

use super::World;
use crate::disk::Crash;
use crate::faults::Fault;
use crate::model::{Call, Excuses, Violation, claimed};
use crate::request::{ACCOUNT, REGION, request};
use crate::searches::READS_PER_SEGMENT;

/// The longest time between two steps, us.
const TICK: u64 = 60_000_000;
/// Steps in [`SPAN`] us without anything new of a server that does not spin, beside those that searches and jobs take.
const SPINS: u64 = 600;
/// Operations that a job takes for a segment, about: its index and a leaf are read, a bitmap is written, and what is
/// not needed any more is removed.
const JOB_STEPS_PER_SEGMENT: u64 = 4;
/// See [`SPINS`].
const SPAN: u64 = 1_000_000;
/// Stops of a node that gets anywhere.
const STOPS: u64 = 300;
/// Rows that Law 1 compares a step, on average: where there are many, it does so more rarely, or nothing else would
/// be done.
const ROWS_PER_STEP: u64 = 5;
/// A check with few rows costs as much as this many.
const FIXED_ROWS: u64 = 10;
/// Steps between two looks at how many segments there are.
const STEPS_PER_LOOK: u64 = 64;
/// A search through all segments that takes longer, ms, can keep a flush from its end for as long as a request waits for
/// room: it looks for what was deleted.
const PATIENCE: u64 = 1_000;
/// Blocks of a segment that are read to look for one message: its index, a leaf.
const READS_PER_MESSAGE: u64 = 2;
/// An idle store is told so after this long, us.
const IDLE: u64 = 10_000;

thread_local! {
    /// Whether every step and reply is printed: for one seed, by hand.
    pub static TRACE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl World {
    /// Time jumps to whatever happens next, and it happens.
    pub(super) fn next_event(&mut self) -> Result<(), Violation> {
        let next = self.next_time();
        self.now = self.now.max(next);
        self.befall()?;
        // Clients decide by the time of the step: the clock may just have been put ahead by minutes.
        let wall = self.time();
        self.model.pass(wall);
        self.act();
        self.step()
    }

    /// When something happens next.
    pub(super) fn next_time(&self) -> u64 {
        if !self.inputs.is_empty() || !self.hanging_up.is_empty() {
            return self.now;
        }
        let clients = self.clients.iter().filter_map(|client| match client.waits {
            Some(_) => client.hangs_up,
            None => (!self.calm && !self.waiting).then_some(client.wakes),
        });
        let deadline = self.node.as_ref().and_then(|node| node.next_deadline());
        let deadline = deadline.map(|at| (self.clock.steady_at(at) * 1_000).max(self.now + 1));
        let idle = (!self.idled).then_some(self.last_input.max(self.now) + IDLE);
        let room = self.full_until.map(|until| until.max(self.now));
        let page = self.node.as_ref().and_then(|node| node.store().next_due());
        let all = [deadline, self.disk.next_due(), page, idle, room, Some(self.now + TICK)];
        clients.chain(all.into_iter().flatten()).min().expect("a tick is always due")
    }

    /// Clients whose time has come act; while they wait for all replies, they hang up but ask for nothing more.
    pub(super) fn act(&mut self) {
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            match client.waits {
                None if !self.calm && !self.waiting && client.wakes <= self.now => self.ask(at),
                Some(id) if client.hangs_up.is_some_and(|when| when <= self.now) => {
                    client.hangs_up = None;
                    self.hanging_up.push(id);
                    self.report.faults.add(Fault::HangUp);
                }
                _ => {}
            }
        }
    }

    fn ask(&mut self, at: usize) {
        let mut hands = std::mem::take(&mut self.clients[at].hands);
        let call = self.workload.next(&mut self.model, &mut hands, self.is_moving);
        self.clients[at].hands = hands;
        let lets_go = matches!(
            call,
            Call::Receive { .. } | Call::Send { .. } | Call::Delete { .. } | Call::Change { .. }
        );
        let hangs_up = lets_go && self.options.faults.has(Fault::HangUp) && self.rng.one_in(20);
        let patience = self.rng.pick(&[0, 1_000, 100_000, 5_000_000]);
        let id = self.send(call, Some(at));
        self.clients[at].waits = Some(id);
        self.clients[at].hangs_up = hangs_up.then_some(self.now + patience);
    }

    /// Has a request in the next step; returns its number.
    pub(super) fn send(&mut self, call: Call, client: Option<usize>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.report.ops += 1;
        let request = request(&self.model, &call);
        self.pending_calls.push((id, call));
        self.inputs.push(input(id, request));
        if let Some(client) = client {
            self.asked.insert(id, client);
        }
        id
    }

    /// The node takes a step.
    pub(super) fn step(&mut self) -> Result<(), Violation> {
        self.disk.advance(self.now);
        let wall = self.time();
        self.model.turn(wall);
        self.excuse();
        self.report.steps += 1;
        self.watch_spinning()?;
        if TRACE.get() {
            let outstanding = self.model.outstanding();
            eprintln!(
                "step {} at {} ({wall}), {outstanding} out, {:?}",
                self.report.steps, self.now, self.pending_calls
            );
        }
        for (id, call) in std::mem::take(&mut self.pending_calls) {
            self.model.begin(id, call);
        }
        let mut inputs = std::mem::take(&mut self.inputs);
        let gone = std::mem::take(&mut self.hanging_up);
        inputs.extend(gone.iter().map(|id| Input::Gone(RequestId(*id))));
        if !inputs.is_empty() {
            self.last_input = self.now;
            self.idled = false;
        }
        let entropy = self.rng.draw();
        let node = self.node.as_mut().expect("a node is up between events");
        node.store_mut().advance(self.now);
        let outputs = node.step(inputs, wall, entropy);
        if !self.idled && self.now >= self.last_input + IDLE {
            node.store_mut().idle();
            self.idled = true;
        }
        for id in std::mem::take(&mut self.undoing) {
            self.answered(id);
            self.model.undone(id);
        }
        self.take(outputs, &gone)?;
        self.check_laws()
    }

    /// A step is called for by a client, a completion or a deadline: not hundreds of times with nothing new, beside
    /// those in which searches and jobs get on. A server that was just opened has all of them before it.
    fn watch_spinning(&mut self) -> Result<(), Violation> {
        let Some(node) = &mut self.node else { return Ok(()) };
        let (since, steps) = self.spinning;
        let news = !self.pending_calls.is_empty() || !self.inputs.is_empty();
        if news || self.now > since + SPAN {
            node.store_mut().count_anew(news);
            self.spinning = (self.now, 0);
            return Ok(());
        }
        self.spinning = (since, steps + 1);
        if steps > SPINS {
            let store = node.store();
            let honest = SPINS + store.honest_reads() + JOB_STEPS_PER_SEGMENT * store.segments();
            if steps > honest {
                let out = self.model.pending_calls();
                let time = self.now - since;
                return Err(format!(
                    "the node spins: {steps} steps in {time} us with nothing new, not {honest}; out are {out:?}"
                ));
            }
        }
        Ok(())
    }

    fn excuse(&mut self) {
        let faults = self.options.faults;
        let reads = faults.has(Fault::ReadError) || faults.has(Fault::ReadRot);
        self.was_wounded |= self.disk.is_wounded();
        self.model.excuses = Excuses {
            damage: (!self.calm || self.amid_damage) && (reads || self.was_wounded),
            full: !self.calm && faults.has(Fault::Full),
            slow: !self.calm && (faults.has(Fault::Slow) || self.search_time > PATIENCE),
        };
        if self.report.steps.is_multiple_of(STEPS_PER_LOOK) {
            self.allow_for_segments();
        }
    }

    /// A queue that is not in memory is read from every segment, one block after the other, and so are the contents of
    /// returned messages, one message after the other.
    pub(super) fn allow_for_segments(&mut self) {
        let segments = self.node.as_ref().map_or(0, |node| node.store().segments());
        let slow = if self.options.faults.has(Fault::Slow) { 30_000 } else { 0 };
        let reads = 50 + READS_PER_SEGMENT * segments;
        let latency = self.options.disk.latency.1 + self.options.page_delay.1;
        self.search_time = self.search_time.max(reads * latency / 1_000);
        let contents = READS_PER_MESSAGE * BODIES as u64 * segments;
        let slack = 100 + (reads + contents) * latency / 1_000 + slow;
        self.model.slack = self.model.slack.max(slack);
    }

    /// Judges what came out. Receives first, in the order they were decided: nothing in one step says which of
    /// two replies came first.
    fn take(&mut self, outputs: Vec<Output>, gone: &[u64]) -> Result<(), Violation> {
        let mut replies = Vec::with_capacity(outputs.len());
        for output in outputs {
            match output {
                Output::Reply { id, result, undo } => replies.push((id.0, result, undo)),
                Output::Warning(_) => self.mark("warning"),
                Output::Fatal(why) => return self.stopped(&why),
            }
        }
        replies.sort_by_key(|(id, result, _)| (order(result), *id));
        for at in 1..replies.len() {
            for back in (1..=at).rev() {
                if !precedes(&replies[back].1, &replies[back - 1].1) {
                    break;
                }
                replies.swap(back, back - 1);
            }
        }
        for (id, result, undo) in replies {
            if TRACE.get() {
                eprintln!("  {id}: {}", brief(&result));
            }
            self.trace_reply(id, &result);
            let received = matches!(&result, Ok(Reply::ReceiveMessage { messages }) if !messages.is_empty());
            let unseen = gone.contains(&id)
                || received && !self.calm && self.options.faults.has(Fault::Undo) && self.rng.one_in(10);
            if unseen && received {
                self.report.faults.add(Fault::Undo);
                self.inputs.push(Input::Undo(undo));
                self.undoing.push(id);
                continue;
            }
            self.judge(id, &result, undo.is_empty())?;
        }
        for id in gone {
            if !self.undoing.contains(id) {
                self.hang_up(*id);
            }
        }
        Ok(())
    }

    fn judge(
        &mut self,
        id: u64,
        result: &Result<Reply, Error>,
        nothing_to_undo: bool,
    ) -> Result<(), Violation> {
        let first = self.model.handles.len();
        if self.model.call(id).is_none() {
            // What the server did for a client that is gone must either be undone or need nobody to know of it.
            return match self.left.remove(&id) && nothing_to_undo {
                true => Ok(()),
                false => {
                    Err(format!("request {id} was answered twice, or a client that is gone has messages"))
                }
            };
        }
        self.model.reply(id, result)?;
        if let Some(client) = self.answered(id) {
            self.clients[client].hands.handles.extend(first..self.model.handles.len());
        }
        Ok(())
    }

    fn hang_up(&mut self, id: u64) {
        let Some(call) = self.model.call(id).cloned() else { return };
        self.model.hung_up(id);
        self.left.insert(id);
        if let Some(client) = self.answered(id) {
            self.workload.no_reply(&self.model, &mut self.clients[client].hands, &call);
        }
    }

    /// A client's request is over, one way or the other; it pauses. Returns which client.
    fn answered(&mut self, id: u64) -> Option<usize> {
        let at = self.asked.remove(&id)?;
        let (low, high) = self.options.pause;
        let mut pause = self.rng.between(low, high);
        if self.options.faults.has(Fault::Stall) && self.rng.one_in(50) {
            self.report.faults.add(Fault::Stall);
            pause += self.rng.between(1_000_000, 400_000_000);
        }
        let client = &mut self.clients[at];
        client.waits = None;
        client.hangs_up = None;
        client.wakes = self.now + pause;
        Some(at)
    }

    /// The node said it must stop: only a failing disk is a reason.
    fn stopped(&mut self, why: &str) -> Result<(), Violation> {
        self.mark("stopped");
        let faults = self.options.faults;
        let failing = [Fault::WriteError, Fault::SyncError, Fault::ReadError, Fault::Rot, Fault::Lost];
        let cause = failing.into_iter().chain([Fault::Misdirected, Fault::ReadRot]).any(|it| faults.has(it));
        let often = self.report.marks.get("stopped").is_some_and(|times| *times > STOPS);
        // An operation may have failed just before the calm, and be told of in it.
        let late = self.calm && self.report.marks.contains_key("stopped in the calm");
        if self.calm {
            self.mark("stopped in the calm");
        }
        if late || !cause || often {
            return Err(format!("the node stopped without cause: {why}"));
        }
        self.crash(Crash::Power)
    }

    fn check_laws(&mut self) -> Result<(), Violation> {
        let Some(node) = self.node.as_ref().filter(|_| self.report.steps >= self.next_check) else {
            return Ok(());
        };
        let batches = Some(node.counters().batches);
        if self.checked == batches {
            return Ok(());
        }
        let rows = node.check_laws()? as u64;
        self.checked = batches;
        let pause = self.options.steps_per_check.max((rows + FIXED_ROWS) / ROWS_PER_STEP);
        self.next_check = self.report.steps + pause;
        Ok(())
    }

    fn trace_reply(&mut self, id: u64, result: &Result<Reply, Error>) {
        self.trace(id ^ self.now << 20);
        match result {
            Ok(Reply::ReceiveMessage { messages }) => {
                for message in messages {
                    self.trace(message.message_id.0 as u64);
                    let handle = message.receipt_handle.as_bytes();
                    self.trace(
                        handle
                            .iter()
                            .fold(0_u64, |word, byte| word.wrapping_mul(31).wrapping_add(u64::from(*byte))),
                    );
                }
            }
            Ok(Reply::SendMessage(sent)) => self.trace(sent.message_id.0 as u64),
            Ok(_) => self.trace(1),
            Err(error) => self.trace(error.code as u64),
        }
    }
}

fn brief(result: &Result<Reply, Error>) -> String {
    match result {
        Ok(Reply::ReceiveMessage { messages }) => {
            let each = messages.iter().map(|message| {
                let body: String = message.body.chars().take(8).collect();
                format!("{body} x{:?}", message.attributes.get("ApproximateReceiveCount"))
            });
            format!("received {:?}", each.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

fn input(id: u64, request: Request) -> Input {
    let caller = Caller { account: ACCOUNT.into(), region: REGION.into(), sender_id: "client".into() };
    let identity = Identity { caller, arn: format!("arn:aws:iam::{ACCOUNT}:root") };
    Input::Request { id: RequestId(id), identity: identity.into(), request }
}

/// Receives come before everything else, in the order their handles claim.
fn order(result: &Result<Reply, Error>) -> (bool, u64) {
    match result {
        Ok(Reply::ReceiveMessage { messages }) if !messages.is_empty() => {
            (false, claimed(&messages[0].receipt_handle).unwrap_or(0))
        }
        _ => (true, 0),
    }
}

/// Two receives of one ms: the one with the lower count of a message both have was decided first.
fn precedes(one: &Result<Reply, Error>, other: &Result<Reply, Error>) -> bool {
    let (Ok(Reply::ReceiveMessage { messages: one }), Ok(Reply::ReceiveMessage { messages: other })) =
        (one, other)
    else {
        return false;
    };
    let count = |message: &ReceivedMessage| {
        let text = message.attributes.get("ApproximateReceiveCount");
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    one.iter().any(|mine| {
        let same = other.iter().find(|theirs| theirs.body == mine.body);
        same.is_some_and(|theirs| count(mine) < count(theirs))
    })
}

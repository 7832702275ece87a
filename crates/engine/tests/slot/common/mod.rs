//! A slot with made-up time over a plain store. After every turn the slot is rebuilt from its rows and compared
//! (Law 1), and its counters are compared with a count of the rows.

pub mod client;
pub mod laws;
pub mod store;

use std::collections::BTreeMap;

use engine::catalogue::{Catalogue, Verdict};
use engine::command::{Caller, Command, Decision, Done, Facts, Internal, LoadId, Moment, Settings, Wish};
use engine::rows::{Batch, QueueRow, Record};
use engine::slot::Slot;
use engine::{Ask, Entropy, Error, Lsn, Millis, Page, QueueId, QueueName, Reply, Request, Secret};

pub use client::{Get, bodies, get, msg};
use store::Store;

pub const SECRET: Secret = Secret([9; 16]);
pub const ACCOUNT: &str = "000000000000";
pub const REGION: &str = "us-east-1";
/// A whole second, minute and hour.
pub const START: Millis = 1_699_999_200_000;
pub const SECOND: Millis = 1_000;
pub const MINUTE: Millis = 60_000;
pub const HOUR: Millis = 3_600_000;

/// What the harness keeps back until the test lets it go.
#[derive(Default, Clone, Copy)]
pub struct Hold {
    /// Batches stay un-durable until `sync`.
    pub durable: bool,
    /// Loads stay out until `read` and `deliver`.
    pub pages: bool,
    /// Requests between queues stay until `deliver_sends`.
    pub sends: bool,
}

/// A load that is out, with its page once that was read.
pub struct Load {
    pub id: LoadId,
    pub ask: Ask,
    pub page: Option<Page>,
}

struct Waiter {
    ticket: usize,
    queue: QueueId,
    command: Command,
    until: Option<Millis>,
}

/// See the module.
pub struct World {
    pub slot: Slot,
    pub catalogue: Catalogue,
    pub settings: Settings,
    pub now: Millis,
    pub store: Store,
    pub hold: Hold,
    /// Whether the laws are checked after every turn.
    pub check: bool,
    pub loads: Vec<Load>,
    pub sends: Vec<(Lsn, Internal)>,
    waiters: Vec<Waiter>,
    outcomes: BTreeMap<usize, Done>,
    tickets: usize,
    draws: u64,
    pub ids: BTreeMap<String, QueueId>,
    /// The groups of the bodies that were sent with one.
    pub groups: BTreeMap<String, String>,
    /// Batches that were appended.
    pub turns: u64,
    /// The batch of the last turn, and of the last one of `run`.
    decided_now: Lsn,
    pub decided: Lsn,
}

pub fn name_of(queue: &str) -> QueueName {
    QueueName { account: ACCOUNT.into(), region: REGION.into(), name: queue.into() }
}

pub fn caller() -> Caller {
    Caller { account: ACCOUNT.into(), region: REGION.into(), sender_id: "AIDA".into() }
}

impl World {
    pub fn new() -> World {
        World::with(Settings::default())
    }

    pub fn with(settings: Settings) -> World {
        World {
            slot: Slot::new(SECRET, settings),
            catalogue: Catalogue::default(),
            settings,
            now: START,
            store: Store::default(),
            hold: Hold::default(),
            check: true,
            loads: Vec::new(),
            sends: Vec::new(),
            waiters: Vec::new(),
            outcomes: BTreeMap::new(),
            tickets: 0,
            draws: 0,
            ids: BTreeMap::new(),
            groups: BTreeMap::new(),
            turns: 0,
            decided_now: 0,
            decided: 0,
        }
    }

    /// A world with one queue.
    pub fn one(queue: &str, attributes: &[(&str, &str)]) -> World {
        let mut world = World::new();
        world.queue(queue, attributes);
        world
    }

    // --- time ---

    /// Time goes by; whatever is due on the way happens at its ms.
    pub fn pass(&mut self, by: Millis) {
        let end = self.now + by;
        let mut turns = 0;
        loop {
            let ends = self.waiters.iter().filter_map(|waiter| waiter.until).min();
            let next = [self.slot.next_deadline(), ends].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            turns = if at > self.now { 0 } else { turns + 1 };
            assert!(turns < 1_000, "the slot asks for turns without end at {}", self.now);
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    /// Time jumps: what was due on the way is noticed late.
    pub fn leap(&mut self, by: Millis) {
        self.now += by;
        self.tick();
    }

    /// A turn without a request.
    pub fn tick(&mut self) {
        let due = self.slot.next_deadline().is_some_and(|at| at <= self.now);
        self.slot.advance(self.now);
        if due {
            self.turn(&Command::Internal(Internal::Tick), &Facts::default());
        }
        self.settle();
    }

    // --- the store ---

    /// The next batch becomes durable.
    pub fn sync_one(&mut self) -> bool {
        let Some(lsn) = self.store.sync() else { return false };
        self.slot.durable(lsn);
        true
    }

    /// Every batch becomes durable.
    pub fn sync(&mut self) {
        while self.sync_one() {}
        self.settle();
    }

    /// The pages of all loads that are out are read as of now.
    pub fn read(&mut self) {
        for load in &mut self.loads {
            load.page.get_or_insert_with(|| self.store.page(&load.ask));
        }
    }

    /// The first load's page comes, read now unless it was read before.
    pub fn deliver_one(&mut self, index: usize) {
        let load = self.loads.remove(index);
        let page = load.page.unwrap_or_else(|| self.store.page(&load.ask));
        self.slot.loaded(load.id, page);
    }

    /// All pages come.
    pub fn deliver(&mut self) {
        while !self.loads.is_empty() {
            self.deliver_one(0);
        }
        self.settle();
    }

    /// Requests between queues come, as far as what they rest on is durable.
    pub fn deliver_sends(&mut self) -> bool {
        let durable = self.store.durable;
        let (ready, rest) = std::mem::take(&mut self.sends).into_iter().partition(|(lsn, _)| *lsn <= durable);
        self.sends = rest;
        let ready: Vec<(Lsn, Internal)> = ready;
        for (_, internal) in &ready {
            self.internal(internal.clone());
        }
        !ready.is_empty()
    }

    pub fn internal(&mut self, internal: Internal) -> Done {
        match self.turn(&Command::Internal(internal), &Facts::default()) {
            Decision::Done(done) => {
                let then = done.then.iter().map(|one| (done.rests, one.clone()));
                self.sends.extend(then);
                done
            }
            other => panic!("an internal request waits: {other:?}"),
        }
    }

    // --- restarts ---

    /// A crash: what was not durable is gone, then a start.
    pub fn crash(&mut self) {
        self.store.crash();
        self.start();
    }

    /// A stop after everything is durable, then a start.
    pub fn restart(&mut self) {
        while self.sync_one() {}
        self.start();
    }

    fn start(&mut self) {
        self.now += 1;
        self.loads.clear();
        self.sends.clear();
        self.waiters.clear();
        let rows = Store::small_rows(&self.store.on_disk);
        self.catalogue = Catalogue::default();
        for row in rows.iter().filter(|row| row.key().queue().is_none()) {
            self.catalogue.apply(&Record::Put(row.clone()), 0);
        }
        self.slot = Slot::new(SECRET, self.settings);
        self.slot.recover(rows, self.now);
        self.settle();
    }

    // --- turns ---

    /// One decision in a batch of its own.
    pub fn turn(&mut self, command: &Command, facts: &Facts) -> Decision {
        let mut decisions = self.turn_of(&[command], facts);
        decisions.remove(0)
    }

    /// Decisions that share a batch.
    pub fn turn_of(&mut self, commands: &[&Command], facts: &Facts) -> Vec<Decision> {
        let lsn = self.store.next_lsn();
        self.decided_now = lsn;
        let mut batch = Batch { now: self.now, records: Vec::new() };
        self.slot.advance(self.now);
        let mut decisions = Vec::new();
        for command in commands {
            self.draws += 1;
            let mut moment = Moment { now: self.now, entropy: Entropy(self.draws), lsn };
            decisions.push(self.slot.execute(&mut moment, &self.catalogue, command, facts, &mut batch));
        }
        self.slot.close(&mut batch, lsn);
        if let (true, [command], [Decision::Done(done)]) = (self.check, commands, decisions.as_slice()) {
            self.check_decided(command, done, &batch);
        }
        self.append(batch);
        decisions
    }

    fn append(&mut self, batch: Batch) {
        if !batch.records.is_empty() {
            self.turns += 1;
            self.store.append(batch);
        }
        if self.check {
            self.check_laws();
        }
        if !self.hold.durable {
            while self.sync_one() {}
        }
    }

    /// Wishes, pages, requests between queues and waiters, until nothing more happens.
    pub fn settle(&mut self) {
        for _ in 0..3_000 {
            for wish in self.slot.wishes() {
                match wish {
                    Wish::Load(id, ask) => self.loads.push(Load { id, ask, page: None }),
                    Wish::Send { rests, internal } => self.sends.push((rests, internal)),
                }
            }
            let mut busy = false;
            if !self.hold.pages && !self.loads.is_empty() {
                self.deliver_one(0);
                busy = true;
            }
            busy |= !self.hold.sends && self.deliver_sends();
            busy |= self.wake();
            if !busy {
                return;
            }
        }
        panic!("the slot never comes to rest");
    }

    /// Decides those again who may now be given something, the oldest first, up to one that goes on waiting.
    fn wake(&mut self) -> bool {
        let stirred = self.slot.stirred();
        let mut any = false;
        for queue in stirred {
            while let Some(at) = self.waiters.iter().position(|waiter| waiter.queue == queue) {
                if !self.retry(at) {
                    break;
                }
                any = true;
            }
        }
        while let Some(at) = self.waiters.iter().position(|one| one.until.is_some_and(|at| at <= self.now)) {
            if !self.retry(at) {
                break;
            }
            any = true;
        }
        any
    }

    /// Decides a waiter again; whether it is answered.
    fn retry(&mut self, at: usize) -> bool {
        let waiter = self.waiters.remove(at);
        match self.decide(&waiter.command) {
            Ok(done) => {
                self.outcomes.insert(waiter.ticket, done);
                true
            }
            Err(until) => {
                self.slot.want(waiter.queue);
                self.waiters.insert(at, Waiter { until, ..waiter });
                false
            }
        }
    }

    /// Decides a command, fetching what it needs; or when it is to be decided again.
    pub fn decide(&mut self, command: &Command) -> Result<Done, Option<Millis>> {
        let mut facts = Facts::default();
        for _ in 0..4 {
            match self.turn(command, &facts) {
                Decision::Done(done) => {
                    let then = done.then.iter().map(|one| (done.rests, one.clone()));
                    self.sends.extend(then);
                    return Ok(done);
                }
                Decision::Wait { until } => return Err(until),
                Decision::Need(asks) => {
                    facts = Facts { pages: asks.iter().map(|ask| self.store.page(ask)).collect() };
                }
            }
        }
        panic!("{command:?} needs page after page");
    }

    /// Runs a command that never waits.
    pub fn run(&mut self, command: &Command) -> Done {
        self.tick();
        let done = self.decide(command).unwrap_or_else(|_| panic!("{command:?} waits"));
        self.decided = self.decided_now;
        self.settle();
        done
    }

    /// Begins a command that may wait; its outcome comes under the ticket.
    pub fn begin(&mut self, queue: QueueId, command: Command) -> usize {
        self.tick();
        self.tickets += 1;
        let ticket = self.tickets;
        match self.decide(&command) {
            Ok(done) => drop(self.outcomes.insert(ticket, done)),
            Err(until) => {
                self.slot.want(queue);
                self.waiters.push(Waiter { ticket, queue, command, until });
            }
        }
        self.settle();
        ticket
    }

    /// What a command that was begun came to, if it did.
    pub fn outcome(&mut self, ticket: usize) -> Option<Done> {
        self.outcomes.remove(&ticket)
    }

    /// The client of a waiting request is gone.
    pub fn hang_up(&mut self, ticket: usize) {
        self.waiters.retain(|waiter| waiter.ticket != ticket);
    }

    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    // --- the catalogue ---

    /// Runs a request of the catalogue, with what it asks of the slot.
    pub fn administer(&mut self, request: &Request) -> Result<Reply, Error> {
        let (reply, then) = self.catalogue_alone(request);
        then.into_iter().for_each(|one| drop(self.internal(one)));
        self.settle();
        reply
    }

    /// Runs a request of the catalogue; returns what the slot is to be told.
    pub fn catalogue_alone(&mut self, request: &Request) -> (Result<Reply, Error>, Vec<Internal>) {
        let mut made: Option<QueueRow> = None;
        loop {
            let lsn = self.store.next_lsn();
            let (now, settings) = (self.now, self.settings);
            match self.catalogue.execute(now, lsn, &settings, &caller(), request, made.as_ref()) {
                Verdict::First { row, numbered } => {
                    self.append(Batch { now, records: vec![numbered] });
                    self.internal(Internal::Install(row.clone()));
                    made = Some(*row);
                }
                Verdict::Done { reply, records, then, .. } => {
                    self.append(Batch { now, records });
                    return (reply, then);
                }
            }
        }
    }
}

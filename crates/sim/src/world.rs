//! The world of one seed: the production node over the production store over a simulated disk, its clients, its
//! clock, and everything that befalls them.
//!
//! A *safety phase* of so many operations with all the seed's faults, then a *calm phase* without any, in which
//! everything must drain and the counters must return to zero.

mod calm;
mod life;
mod step;
mod tally;

use std::collections::BTreeSet;

use engine::ids::Secret;
use node::clock::Clock;
use node::{Input, Node};

use crate::disk::{Micros, SimDisk};
use crate::faults::FaultCounts;
use crate::late::LateStore;
use crate::model::{Call, Model, Violation};
use crate::options::Options;
use crate::rng::Rng;
use crate::workload::{Hands, Workload};

/// The virtual clock begins here, ms.
const EPOCH: u64 = 1_700_000_000_000;

/// Whether this thread's worlds print every step and reply.
pub fn trace(on: bool) {
    step::TRACE.set(on);
}

/// Whether they do.
pub fn is_traced() -> bool {
    step::TRACE.get()
}

/// What a seed came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations begun, those of the calm phase included.
    pub ops: u64,
    /// Steps of the node.
    pub steps: u64,
    /// Crashes of either kind.
    pub crashes: u64,
    /// Faults by kind.
    pub faults: FaultCounts,
    /// Whatever else happened, by name.
    pub marks: std::collections::BTreeMap<&'static str, u64>,
    /// A hash of everything that came out, in order.
    pub trace: u64,
    /// The hash of the disk at the end.
    pub disk: u64,
}

/// A client: one request at a time.
#[derive(Debug, Default)]
struct Client {
    /// When it acts next, if it is not waiting for a reply.
    wakes: Micros,
    /// The request it waits for.
    waits: Option<u64>,
    /// When it hangs up on it.
    hangs_up: Option<Micros>,
    hands: Hands,
}

/// The world.
pub struct World {
    options: Options,
    rng: Rng,
    disk: SimDisk,
    node: Option<Node<LateStore>>,
    secret: Secret,
    model: Model,
    workload: Workload,
    clients: Vec<Client>,
    /// Virtual microseconds since the beginning.
    now: Micros,
    /// How far the machine's clock is off, ms.
    skew: i64,
    /// What the node is told of it.
    clock: Clock,
    /// Request ids rise through all lives of the server.
    next_id: u64,
    /// Which client asked.
    asked: std::collections::BTreeMap<u64, usize>,
    /// Calls of those inputs, which begin when the step does.
    pending_calls: Vec<(u64, Call)>,
    /// What the next step is given.
    inputs: Vec<Input>,
    /// Receives whose reply nobody saw: taken back by the next step.
    undoing: Vec<u64>,
    /// Requests whose client hangs up in the next step.
    hanging_up: Vec<u64>,
    /// Requests whose client hung up before a reply came.
    left: BTreeSet<u64>,
    /// When something was last new, and how many steps without anything new followed.
    spinning: (u64, u64),
    /// The store was told it is idle since its last append.
    idled: bool,
    /// When the last step with inputs was.
    last_input: Micros,
    /// When the disk has room again.
    full_until: Option<Micros>,
    calm: bool,
    /// Faults have ended, and the damage they did is still there.
    amid_damage: bool,
    /// Stored bytes were damaged at some time.
    was_wounded: bool,
    /// Steps of moves that the node had counted in the last step but one.
    moves: u64,
    /// The last step but one took a move further.
    is_moving: bool,
    /// How long a search through all segments has taken at most in this life of the server, ms.
    search_time: u64,
    /// The step in which the laws are checked next.
    next_check: u64,
    /// How many batches there had been at the last check; `None` before the first of a server's life.
    checked: Option<u64>,
    /// Clients wait until all requests that are out are answered.
    waiting: bool,
    report: Report,
}

impl World {
    /// The world of these options, before anything happened.
    pub fn new(options: Options) -> World {
        let disk = SimDisk::new(options.disk.clone(), Rng::new(options.seed, 3));
        let clients = (0..options.clients).map(|_| Client::default()).collect();
        World {
            rng: Rng::new(options.seed, 4),
            secret: Secret(u128::from(options.seed).to_le_bytes()),
            model: Model::new(options.queues.clone()),
            workload: Workload::new(&options),
            disk,
            node: None,
            clients,
            now: 0,
            skew: 0,
            clock: Clock::default(),
            next_id: 1,
            asked: Default::default(),
            pending_calls: Vec::new(),
            inputs: Vec::new(),
            undoing: Vec::new(),
            hanging_up: Vec::new(),
            left: BTreeSet::new(),
            spinning: (0, 0),
            idled: true,
            last_input: 0,
            full_until: None,
            calm: false,
            amid_damage: false,
            was_wounded: false,
            moves: 0,
            is_moving: false,
            search_time: 0,
            next_check: 0,
            checked: None,
            waiting: false,
            report: Report::default(),
            options,
        }
    }

    /// Lives through both phases.
    pub fn run(mut self) -> (Report, Result<(), Violation>) {
        let outcome = self.live();
        self.tally();
        self.report.faults.absorb(&self.disk.counts());
        self.report.disk = self.disk.digest();
        (self.report, outcome)
    }

    fn live(&mut self) -> Result<(), Violation> {
        let time = self.time();
        self.model.turn(time);
        self.open()?;
        while self.report.ops < self.options.ops {
            self.next_event()?;
        }
        self.calm_down()?;
        self.drain()
    }

    /// What the machine's clock says, ms.
    fn wall(&self) -> u64 {
        (EPOCH + self.now / 1_000).saturating_add_signed(self.skew)
    }

    /// The time the node is told, ms.
    fn time(&mut self) -> u64 {
        self.clock.read(self.wall(), self.now / 1_000)
    }

    fn mark(&mut self, name: &'static str) {
        self.mark_many(name, 1);
    }

    fn mark_many(&mut self, name: &'static str, times: u64) {
        *self.report.marks.entry(name).or_insert(0) += times;
    }

    fn trace(&mut self, word: u64) {
        self.report.trace = (self.report.trace.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

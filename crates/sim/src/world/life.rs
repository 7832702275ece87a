//! The server's life: opening, crashes, and what befalls the machine.

use engine::Count;
use node::clock::Clock;
use node::sealer::PlainSealer;
use node::{Node, NodeConfig};
use store::Store;
use store::disk::Failure;
use store::log::{LogStore, OpenError};

use super::World;
use crate::disk::Crash;
use crate::faults::Fault;
use crate::late::LateStore;
use crate::model::Violation;
use crate::rng::Rng;

/// A crash once in so many steps that took a move further.
const MOVES_PER_CRASH: u64 = 15;

/// Attempts to open before the disk is mended.
const PATIENCE: u32 = 5;

/// The steps of moves.
const MOVES: [Count; 6] = [
    Count::LeftForDeadLetters,
    Count::LeftByTask,
    Count::ArrivedAsDeadLetter,
    Count::ArrivedByTask,
    Count::Departed,
    Count::Forgotten,
];

impl World {
    /// Opens the store and puts a node over it. Damage may be refused; healed, everything must be there.
    pub(super) fn open(&mut self) -> Result<(), Violation> {
        for attempt in 0.. {
            if self.disk.lost_its_tail() {
                self.mark("tail lost and healed");
                self.disk.heal();
            }
            let options = self.store_options();
            self.disk.spare_tail(true);
            let outcome = LogStore::open(self.disk.clone(), options, self.secret);
            self.disk.spare_tail(false);
            match outcome {
                Ok(opened) => return self.start(opened),
                Err(error) => self.opening_refused(&error, attempt)?,
            }
        }
        unreachable!("it opens or it is a violation")
    }

    fn store_options(&self) -> store::log::Options {
        let sizes = &self.options.store;
        store::log::Options {
            journal_file: sizes.journal_file,
            first_journal_file: sizes.journal_file,
            table: sizes.table,
            recovery_bytes: sizes.recovery_bytes,
            recovery_records: sizes.recovery_records,
            cache: sizes.cache,
            segment: sizes.segment,
            reserve: sizes.reserve(),
            keep_dedup: true,
        }
    }

    fn start(&mut self, opened: store::log::Opened<crate::disk::SimDisk>) -> Result<(), Violation> {
        self.clock = Clock::starting(self.wall().max(opened.now + 1), self.now / 1_000);
        self.tally_moves(&opened.store.small_rows());
        let now = self.time();
        self.model.restarted(now)?;
        let config = NodeConfig {
            slots: self.options.slots,
            settings: engine::command::Settings {
                window_bytes: self.options.window_bytes,
                window_low: self.options.window_low,
                rest_after_delete_or_purge: self.options.rests,
                ..Default::default()
            },
            secret: opened.secret,
        };
        let delay = if self.calm { (0, 0) } else { self.options.page_delay };
        let store = LateStore::new(opened.store, Rng::new(self.rng.draw(), 5), delay);
        self.node = Some(Node::open(store, opened.rows, config, Box::new(PlainSealer), now));
        self.idled = true;
        self.spinning = (self.now, 0);
        (self.model.slack, self.search_time) = (0, 0);
        self.allow_for_segments();
        // What recovery made of the rows is looked at at once.
        (self.next_check, self.checked, self.moves) = (0, None, 0);
        Ok(())
    }

    /// An opening may be refused where the disk gave cause, and must then succeed once the cause is gone.
    fn opening_refused(&mut self, error: &OpenError, attempt: u32) -> Result<(), Violation> {
        self.mark("opening refused");
        let faults = self.options.faults;
        let disk_failed = matches!(error, OpenError::Disk(_, Failure::Broken(_)));
        let disk_full = matches!(error, OpenError::Disk(_, Failure::Full));
        let damaged = self.disk.is_wounded() || faults.has(Fault::ReadRot);
        if attempt > PATIENCE + 2 {
            return Err(format!("the store cannot be opened: {error}"));
        }
        // What was in the air when the opening failed is not waited for.
        self.disk.crash(Crash::Kill);
        if attempt == PATIENCE {
            self.disk.mend();
        }
        if disk_full {
            self.disk.limit(None);
            return Ok(());
        }
        if disk_failed {
            return Ok(());
        }
        if !damaged {
            return Err(format!("an undamaged store was refused: {error}"));
        }
        if self.disk.is_wounded() {
            self.mark("damage refused");
        }
        self.disk.heal();
        Ok(())
    }

    /// The process ends without warning, and starts again.
    pub(super) fn crash(&mut self, how: Crash) -> Result<(), Violation> {
        self.report.crashes += 1;
        self.tally();
        self.node = None;
        self.inputs.clear();
        self.disk.crash(how);
        if super::is_traced() {
            eprintln!("crash: {how:?}");
        }
        let asked = std::mem::take(&mut self.asked);
        let calls: Vec<_> =
            asked.iter().filter_map(|(id, client)| Some((*client, self.model.call(*id)?.clone()))).collect();
        self.undoing.clear();
        self.hanging_up.clear();
        self.left.clear();
        if !self.calm && self.options.faults.has(Fault::ClockBack) && self.rng.one_in(2) {
            self.report.faults.add(Fault::ClockBack);
            self.skew -= self.rng.pick(&[10, 2_000, 100_000]);
        }
        self.model.crashed();
        for (client, call) in calls {
            let hands = &mut self.clients[client].hands;
            self.workload.no_reply(&self.model, hands, &call);
        }
        self.workload.crashed(&self.model);
        for client in &mut self.clients {
            if client.waits.take().is_some() {
                client.hangs_up = None;
                client.wakes = self.now + self.rng.between(0, 2_000);
            }
        }
        self.trace(0xdead);
        self.open()
    }

    /// Draws what befalls the machine between two steps.
    pub(super) fn befall(&mut self) -> Result<(), Violation> {
        let faults = self.options.faults;
        self.make_room();
        if faults.has(Fault::Full) && self.full_until.is_none() && self.rng.one_in(500) {
            let reserve = self.options.store.reserve();
            self.disk.limit(Some(self.rng.between(0, 2 * reserve)));
            self.full_until = Some(self.now + self.rng.between(1_000, 3_000_000));
        }
        let crashes = faults.has(Fault::PowerCut) || faults.has(Fault::Kill);
        // Crashes are fond of the moments between two steps of a move.
        self.is_moving = self.has_moved();
        let most = if self.is_moving { MOVES_PER_CRASH } else { u64::MAX };
        let odds = self.options.steps_per_crash.min(most);
        if crashes && self.rng.one_in(odds) {
            let power = faults.has(Fault::PowerCut) && (!faults.has(Fault::Kill) || self.rng.one_in(2));
            return self.crash(if power { Crash::Power } else { Crash::Kill });
        }
        if self.model.outstanding() == 0 && self.rng.one_in(200) {
            self.move_clock();
        }
        Ok(())
    }

    /// Whether the last step took a move between queues further.
    fn has_moved(&mut self) -> bool {
        let Some(node) = &self.node else { return false };
        let counts = node.counts();
        let moves = MOVES.into_iter().map(|count| counts.of(count)).sum();
        std::mem::replace(&mut self.moves, moves) < moves
    }

    /// A full disk has room again when its time has come.
    pub(super) fn make_room(&mut self) {
        if self.full_until.is_some_and(|until| until <= self.now) {
            self.disk.limit(None);
            self.full_until = None;
        }
    }

    fn move_clock(&mut self) {
        let faults = self.options.faults;
        if faults.has(Fault::ClockAhead) && self.rng.one_in(2) {
            self.report.faults.add(Fault::ClockAhead);
            self.skew += self.rng.pick(&[1_000, 70_000, 400_000, 90_000_000]);
        } else if faults.has(Fault::ClockBack) && self.rng.one_in(2) {
            self.report.faults.add(Fault::ClockBack);
            self.skew -= self.rng.pick(&[10, 2_000, 100_000]);
        }
    }
}

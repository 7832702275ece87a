//! The store on a local disk: a journal, a table, segments. docs/format.md has its bytes.
//!
//! A state machine over [`Disk`]: `append` encodes into the gathering group, `poll` takes completions and
//! submits what comes next.

mod background;
#[doc(hidden)]
pub mod bitmap;
mod blocks;
mod cache;
mod check;
mod cursor;
pub mod group;
mod job;
mod journal;
mod load;
#[doc(hidden)]
pub mod manifest;
mod open;
mod repair;
mod replay;
#[doc(hidden)]
pub mod rowfile;
#[doc(hidden)]
pub mod segment;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod upkeep;

pub use check::{Checked, Finding, Lost, check};
pub use open::{CutTail, OpenError, Report};
pub use repair::{Repaired, repair};
pub use snapshot::{Reader, Snapshot};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engine::ids::Secret;
use engine::{Ask, Batch, Lsn, MessageKey, Millis, Record, Row};

use crate::disk::{Completion, Disk, Failure, FileName, Op, Ticket};
use crate::layer::Layer;
use crate::{Event, Known, Room, Stats, Store, Survivors, Token, UNDURABLE_BYTES};
use background::{Commit, Counters, Frozen, Running};
use blocks::{Blocks, Stop, Waiter};
use job::Kind;
use journal::{File, Journal};
use load::{Load, Step};
use manifest::Manifest;
use open::Files;
use replay::JournalReader;
use segment::Segment;
use state::State;

/// Sizes. The defaults are what a server runs with; tests shrink them.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a journal file.
    pub journal_file: u64,
    /// Bytes of the first journal file of a new directory, so that a first start is quick.
    pub first_journal_file: u64,
    /// Bytes of messages and deletions in memory before they are flushed.
    pub table: usize,
    /// Bytes of journal that a recovery reads at most, beside what was not durable yet.
    pub recovery_bytes: u64,
    /// Records that a recovery replays at most, beside those of it.
    pub recovery_records: u64,
    /// Bytes of the block cache.
    pub cache: usize,
    /// Bytes of a merged segment at most.
    pub segment: u64,
    /// Bytes free below which sends are refused.
    pub reserve: u64,
    /// Whether `small_rows` is to show every deduplication id: they are then all kept in memory.
    pub keep_dedup: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            journal_file: 64 << 20,
            first_journal_file: 16 << 20,
            table: 48 << 20,
            recovery_bytes: 256 << 20,
            recovery_records: 1_000_000,
            cache: 32 << 20,
            segment: 64 << 20,
            reserve: (2 * 48 + 2 * 64) << 20,
            keep_dedup: cfg!(debug_assertions),
        }
    }
}

/// An opened data directory.
#[derive(Debug)]
pub struct Opened<D> {
    /// The store.
    pub store: LogStore<D>,
    /// The directory's secret: the fresh one if it was new.
    pub secret: Secret,
    /// The small rows, last value each, in key order.
    pub rows: Survivors,
    /// The latest time the directory knows, ms: the clock must not run behind it.
    pub now: Millis,
    /// What was found.
    pub report: Report,
}

/// The store.
#[derive(Debug)]
pub struct LogStore<D> {
    disk: D,
    options: Options,
    manifest: Manifest,
    journal: Journal,
    state: State,
    /// Oldest first; `manifest.segments` in memory.
    segments: Arc<Vec<Arc<Segment>>>,
    frozen: Option<Frozen>,
    blocks: Blocks,
    next: Lsn,
    durable: Lsn,
    tokens: u64,
    loads: BTreeMap<Token, Load>,
    /// Loads that can go on.
    ready: VecDeque<Token>,
    /// Loads that gave way to other work.
    yielded: BTreeMap<Ticket, Token>,
    events: VecDeque<Event>,
    job: Option<Running>,
    commit: Option<(Ticket, Commit)>,
    /// The journal file that is being made; none while one is being removed.
    creating: Option<(Ticket, Option<File>)>,
    /// Journal files no longer needed.
    retired: VecDeque<File>,
    /// Segments no longer named, whose file stays while a load reads it.
    doomed: Vec<Arc<FileName>>,
    /// Layers that are flushed: their memory is given back when no load reads them any more.
    buried: Vec<Arc<Layer>>,
    /// Those whose memory is being given back, and how many bytes that is, about.
    releasing: BTreeMap<Ticket, usize>,
    free: Option<u64>,
    asking_free: Option<Ticket>,
    /// Files on their way out: each may make room.
    removing: BTreeSet<Ticket>,
    /// Jobs that found the disk full, with the bytes that were thought to be free: none is begun again before
    /// there is more.
    short: BTreeMap<Kind, u64>,
    /// There was no space for another journal file.
    lacks_file: bool,
    /// Segments changed since none were found worth merging.
    may_merge: bool,
    /// A flush is due though nothing is full: it frees space.
    wants_flush: bool,
    counters: Counters,
    stopping: bool,
    failed: bool,
}

impl<D: Disk> LogStore<D> {
    /// Opens a data directory, or makes one with `fresh` as its secret. Blocks until it is read.
    pub fn open(disk: D, options: Options, fresh: Secret) -> Result<Opened<D>, OpenError> {
        LogStore::open_any(disk, options, fresh, false)
    }

    /// The same, also where the journal does not reach what it must: a repair is about to add that.
    fn open_any(
        mut disk: D,
        options: Options,
        fresh: Secret,
        is_repair: bool,
    ) -> Result<Opened<D>, OpenError> {
        let mut report = Report::default();
        let mut files = Files::new(&mut disk);
        let mut listed = files.list()?;
        let mut manifest = match open::read_manifest(&mut files, &listed)? {
            Some(manifest) => manifest,
            None => {
                report.created = true;
                let manifest = open::create(&mut files, fresh, options.first_journal_file)?;
                listed = files.list()?;
                manifest
            }
        };
        manifest.generation += 1;
        report.generation = manifest.generation;
        let mut state = State::new(&manifest);
        state.read_files(&mut files, &manifest, &mut report)?;
        let segments = open::read_segments(&mut files, &manifest)?;
        report.segments = segments.len() as u64;
        let mut reader = JournalReader::open(&mut files, &manifest, &listed)?;
        // A journal that was just made need not be read back.
        if !report.created {
            reader.read_groups(&mut state, &mut report)?;
        }
        if state.last < manifest.needs && !is_repair {
            let at = reader.position();
            let what = format!("it ends with batch {} and must reach {}", state.last, manifest.needs);
            return Err(OpenError::Damaged { file: journal::file_name(at.file), offset: at.offset, what });
        }
        manifest.end_journal_at(reader.position());
        open::require_named(&manifest, &listed)?;
        // Nothing was changed so far, so that a directory that is refused is left as it was found.
        let mut resume = if report.created { reader.resume() } else { reader.finish(&mut report)? };
        write_manifest(&mut files, &manifest)?;
        open::remove_unnamed(&mut files, &manifest, &listed, &mut report)?;
        let rows = state.hand_over(options.keep_dedup);
        let (now, secret) = (state.now, Secret(manifest.secret));
        resume.drop_odd_spares(&mut files, options.journal_file)?;
        let journal = Journal::new(disk.block(), resume);
        let mut store = LogStore::new(disk, options, manifest, journal, state, segments);
        store.counters.records = report.records;
        store.retire_old_files(&listed);
        Ok(Opened { store, secret, rows, now, report })
    }

    fn new(
        disk: D,
        options: Options,
        manifest: Manifest,
        journal: Journal,
        state: State,
        segments: Vec<Arc<Segment>>,
    ) -> LogStore<D> {
        LogStore {
            disk,
            options,
            manifest,
            journal,
            segments: Arc::new(segments),
            frozen: None,
            blocks: Blocks::new(options.cache),
            next: state.last + 1,
            durable: state.last,
            state,
            tokens: 0,
            loads: BTreeMap::new(),
            ready: VecDeque::new(),
            yielded: BTreeMap::new(),
            events: VecDeque::new(),
            job: None,
            commit: None,
            creating: None,
            retired: VecDeque::new(),
            doomed: Vec::new(),
            buried: Vec::new(),
            releasing: BTreeMap::new(),
            free: None,
            asking_free: None,
            removing: BTreeSet::new(),
            short: BTreeMap::new(),
            lacks_file: false,
            may_merge: true,
            wants_flush: false,
            counters: Counters::default(),
            stopping: false,
            failed: false,
        }
    }

    fn take(&mut self, completion: Completion) {
        if self.failed {
            // Nothing further: what an operation did after one failed is not known either.
            return;
        }
        let Completion { ticket, result } = completion;
        if self.journal.is_flying(ticket) {
            return match result {
                Ok(_) => self.landed(ticket),
                Err(failure) => self.fail("journal", &failure),
            };
        }
        if let Some(token) = self.yielded.remove(&ticket) {
            return self.ready.push_back(token);
        }
        let block = self.disk.block();
        if let Some((waiters, read)) = self.blocks.take(ticket, &result, block) {
            return waiters.into_iter().for_each(|waiter| self.arrived(waiter, &read));
        }
        for (token, load) in &mut self.loads {
            if load.take(ticket, &result, block) {
                return self.ready.push_back(*token);
            }
        }
        self.take_background(ticket, result);
    }

    /// A block has come, or cannot.
    fn arrived(&mut self, waiter: Waiter, read: &Result<(), String>) {
        match (waiter, read) {
            (Waiter::Load(token), Ok(())) => {
                // At once: the block is surely still there.
                self.drive(token);
            }
            (Waiter::Load(token), Err(what)) => self.damaged(token, what.clone()),
            (Waiter::Job, Ok(())) => self.wake_job(),
            (Waiter::Job, Err(_)) => self.job_met_damage(),
        }
    }

    fn damaged(&mut self, token: Token, what: String) {
        let Some(load) = self.loads.get_mut(&token) else { return };
        // What lies before the damage, or behind it, can still be answered.
        if load.bears_damage(&what) {
            return self.ready.push_back(token);
        }
        self.counters.damaged += 1;
        self.loads.remove(&token);
        self.events.push_back(Event::Damaged(token, what));
    }

    fn drive(&mut self, token: Token) {
        let Some(load) = self.loads.get_mut(&token) else { return };
        let view = load::View { active: &self.state.active, blocks: &mut self.blocks };
        match load.drive(&mut self.disk, view) {
            Step::Done(page) => {
                self.loads.remove(&token);
                self.counters.damaged += page.damage.len() as u64;
                self.events.push_back(Event::Loaded(token, page));
            }
            Step::Stop(Stop::Need(need)) => {
                self.blocks.read(&mut self.disk, need, Waiter::Load(token));
            }
            Step::Stop(Stop::Damaged(what)) => self.damaged(token, what),
            Step::Fetching => {}
            Step::Yield => {
                // Any operation serves: its completion comes when it is this load's turn again.
                let ticket = self.disk.submit(Op::Free);
                self.yielded.insert(ticket, token);
            }
        }
    }

    fn landed(&mut self, ticket: Ticket) {
        let before = self.journal.undurable();
        let Some(lsn) = self.journal.landed(ticket) else { return };
        self.earn(before - self.journal.undurable());
        if lsn > self.durable {
            self.durable = lsn;
            self.events.push_back(Event::Durable(lsn));
        }
    }

    fn fail(&mut self, what: &str, failure: &Failure) {
        if !self.failed {
            self.failed = true;
            self.events.push_back(Event::Stopped(format!("{what}: {failure:?}")));
        }
    }

    /// Submits whatever can go on.
    fn pump(&mut self) {
        if self.failed {
            return;
        }
        self.journal.write(&mut self.disk);
        if self.stopping {
            self.journal.seal(&mut self.disk);
        }
        while let Some(token) = self.ready.pop_front() {
            self.drive(token);
        }
        self.work_in_background();
    }
}

fn write_manifest<D: Disk>(files: &mut Files<'_, D>, manifest: &Manifest) -> Result<(), OpenError> {
    let op = Op::Replace { file: manifest::NAME, data: manifest.encode() };
    files.run(manifest::NAME, op).map(drop)
}

impl<D: Disk> Store for LogStore<D> {
    fn room(&self) -> Room {
        let sends_refused = self.lacks_reserve();
        let left = UNDURABLE_BYTES.saturating_sub(self.journal.undurable());
        // Where there is no space to flush into, deletions must go on all the same.
        let bytes = if self.is_overrun() && !sends_refused { 0 } else { left };
        Room { bytes, sends_refused }
    }

    fn next_lsn(&self) -> Lsn {
        self.next
    }

    fn append(&mut self, batch: Batch) -> Lsn {
        let lsn = self.next;
        self.next += 1;
        self.counters.records += batch.records.len() as u64;
        self.journal.begin(lsn, batch.now, batch.records.len());
        for record in batch.records {
            let spared = match &record {
                Record::Cut(cut) => self.state.small.spared_by(cut),
                _ => Vec::new(),
            };
            self.journal.record(&record, &spared);
            self.tell_job(&record);
            self.state.apply(record, &spared, lsn);
        }
        self.journal.end();
        self.state.end_batch(lsn, batch.now);
        self.pump();
        lsn
    }

    fn load(&mut self, ask: Ask) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        let frozen = self.frozen.as_ref().map(|frozen| frozen.layer.clone());
        self.loads.insert(token, Load::new(ask, self.durable, self.segments.clone(), frozen));
        self.ready.push_back(token);
        token
    }

    fn poll(&mut self) -> Option<Event> {
        self.pump();
        while self.events.is_empty() {
            let Some(completion) = self.disk.poll() else { break };
            self.take(completion);
            self.pump();
        }
        self.events.pop_front()
    }

    fn idle(&mut self) {
        if !self.failed {
            self.journal.seal(&mut self.disk);
            self.ask_free_if_short();
            self.flush_if_it_frees();
        }
    }

    fn look_for_space(&mut self) {
        if !self.failed {
            self.try_short_jobs();
            self.ask_free_if_short();
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.pump();
    }

    fn is_quiet(&self) -> bool {
        self.journal.is_quiet() && (!self.stopping || self.journal.is_sealed())
    }

    fn stats(&self) -> Stats {
        self.statistics()
    }

    fn known(&self, key: &MessageKey) -> Known<'_> {
        let layers = [Some(&self.state.active), self.frozen.as_ref().map(|frozen| &*frozen.layer)];
        let mut known = layers.into_iter().flatten().map(|layer| layer.known(key));
        known.find(|known| *known != Known::Nothing).unwrap_or(Known::Nothing)
    }

    fn small_rows(&self) -> Vec<Row> {
        self.state.small.rows().collect()
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot {
            lsn: self.state.last,
            segments: self.segments.clone(),
            frozen: self.frozen.as_ref().map(|frozen| frozen.layer.clone()),
            active: self.state.active.clone(),
        })
    }
}

//! The store on a local disk: a journal, a table, segments. docs/format.md has its bytes.
//!
//! A state machine over [`Disk`]: `append` encodes into the gathering group, `poll` takes completions and
//! submits what comes next.

pub mod group;
mod journal;
mod manifest;
mod open;
#[cfg(test)]
mod tests;

pub use open::{CutTail, OpenError, Report};

use std::collections::VecDeque;

use engine::ids::Secret;
use engine::{Ask, Batch, Lsn, MessageKey, Millis, Record, Row, RowKey};

use crate::codec::Logged;
use crate::disk::{Completion, Disk, Failure, Op, Ticket};
use crate::rows::SmallRows;
use crate::table::{Entry, Table};
use crate::{Event, Room, Stats, Store, Token, UNDURABLE_BYTES};
use journal::{File, Journal};
use manifest::Manifest;
use open::{Files, JournalReader, Replay};

/// Sizes. The defaults are what a server runs with; tests shrink them.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a journal file.
    pub journal_file: u64,
    /// Bytes of the first journal file of a new directory, so that a first start is quick.
    pub first_journal_file: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { journal_file: 64 << 20, first_journal_file: 16 << 20 }
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
    pub rows: Vec<Row>,
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
    journal: Journal,
    rows: Rows,
    next: Lsn,
    durable: Lsn,
    tokens: u64,
    loads: VecDeque<(Token, Ask)>,
    events: VecDeque<Event>,
    creating: Option<(Ticket, File)>,
    stopping: bool,
    failed: bool,
}

/// What is in memory.
#[derive(Debug, Default)]
struct Rows {
    small: SmallRows,
    table: Table,
    last: Lsn,
    now: Millis,
}

impl Rows {
    fn apply(&mut self, record: Record, spared: &[MessageKey], lsn: Lsn) {
        match record {
            Record::Put(row) => {
                if let Some(Row::Message(key, row, blob)) = self.small.put(row) {
                    self.table.put(key, Entry { lsn, row, blob });
                }
            }
            Record::Delete(key) => {
                self.small.delete(&key);
                if let RowKey::Message(key) = key {
                    self.table.remove(&key);
                }
            }
            Record::Cut(cut) => {
                self.small.cut(&cut, spared);
                self.table.cut(&cut, spared);
            }
            Record::Drop(queue) => {
                self.small.drop_queue(queue);
                self.table.drop_queue(queue);
            }
        }
    }

    fn end_batch(&mut self, lsn: Lsn, now: Millis) {
        self.small.forget(now);
        self.last = lsn;
        self.now = self.now.max(now);
    }
}

impl Replay for Rows {
    fn batch(&mut self, lsn: Lsn, now: Millis, records: Vec<Logged>) {
        for Logged { record, spared } in records {
            self.apply(record, &spared, lsn);
        }
        self.end_batch(lsn, now);
    }
}

impl<D: Disk> LogStore<D> {
    /// Opens a data directory, or makes one with `fresh` as its secret. Blocks until it is read.
    pub fn open(mut disk: D, options: Options, fresh: Secret) -> Result<Opened<D>, OpenError> {
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
        let mut rows = Rows { last: manifest.journal.lsn - 1, now: manifest.now, ..Rows::default() };
        let reader = JournalReader::open(&mut files, &manifest, &listed)?;
        let resume = reader.replay(&mut rows, &mut report)?;
        write_manifest(&mut files, &manifest)?;
        let (journal, secret) = (Journal::new(disk.block(), resume), Secret(manifest.secret));
        let store = LogStore::new(disk, options, journal, rows);
        let (rows, now) = (store.small_rows(), store.rows.now);
        Ok(Opened { store, secret, rows, now, report })
    }

    fn new(disk: D, options: Options, journal: Journal, rows: Rows) -> LogStore<D> {
        LogStore {
            disk,
            options,
            journal,
            next: rows.last + 1,
            durable: rows.last,
            rows,
            tokens: 0,
            loads: VecDeque::new(),
            events: VecDeque::new(),
            creating: None,
            stopping: false,
            failed: false,
        }
    }

    fn take(&mut self, completion: Completion) {
        let Completion { ticket, result } = completion;
        if self.journal.is_flying(ticket) {
            return match result {
                Ok(_) => self.landed(ticket),
                Err(failure) => self.fail("journal", &failure),
            };
        }
        if let Some((_, file)) = self.creating.take_if(|(creating, _)| *creating == ticket) {
            match result {
                Ok(_) => self.journal.add_spare(file),
                // A full disk is not a failed one: the file is tried again when it is needed.
                Err(Failure::Full) => {}
                Err(failure) => self.fail(&file.name().to_string(), &failure),
            }
        }
    }

    fn landed(&mut self, ticket: Ticket) {
        let Some(lsn) = self.journal.landed(ticket) else { return };
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
        if self.journal.spares() == 0 && self.creating.is_none() {
            self.create_spare();
        }
        if self.stopping {
            self.journal.seal(&mut self.disk);
        }
        while let Some((token, ask)) = self.loads.pop_front() {
            let page = self.rows.table.answer(&ask, self.durable);
            self.events.push_back(Event::Loaded(token, page));
        }
    }

    fn create_spare(&mut self) {
        let size = self.options.journal_file.max(self.journal.wanted_size());
        let file = File { number: self.journal.next_file_number(), size };
        let ticket = self.disk.submit(Op::Create { file: file.name(), size });
        self.creating = Some((ticket, file));
    }
}

fn write_manifest<D: Disk>(files: &mut Files<'_, D>, manifest: &Manifest) -> Result<(), OpenError> {
    let op = Op::Replace { file: manifest::NAME, data: manifest.encode() };
    files.run(manifest::NAME, op).map(drop)
}

impl<D: Disk> Store for LogStore<D> {
    fn room(&self) -> Room {
        let bytes = UNDURABLE_BYTES.saturating_sub(self.journal.undurable());
        Room { bytes, sends_refused: false }
    }

    fn next_lsn(&self) -> Lsn {
        self.next
    }

    fn append(&mut self, batch: Batch) -> Lsn {
        let lsn = self.next;
        self.next += 1;
        self.journal.begin(lsn, batch.now, batch.records.len());
        for record in batch.records {
            let spared = match &record {
                Record::Cut(cut) => self.rows.small.spared_by(cut),
                _ => Vec::new(),
            };
            self.journal.record(&record, &spared);
            self.rows.apply(record, &spared, lsn);
        }
        self.journal.end();
        self.rows.end_batch(lsn, batch.now);
        self.pump();
        lsn
    }

    fn load(&mut self, ask: Ask) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.loads.push_back((token, ask));
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
        let written = self.journal.written();
        Stats {
            groups: written.groups,
            journal_bytes: written.bytes,
            payload_bytes: written.payload,
            undurable_bytes: self.journal.undurable() as u64,
            table_bytes: self.rows.table.bytes() as u64,
            ..Stats::default()
        }
    }

    fn small_rows(&self) -> Vec<Row> {
        self.rows.small.rows().collect()
    }
}

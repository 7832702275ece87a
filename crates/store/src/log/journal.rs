//! The journal's writer: one group in the air while the next gathers.

use std::collections::VecDeque;

use engine::{Lsn, MessageKey, Millis, Record};

use crate::codec::{Malformed, Reader, checksum, put_number, put_record};
use crate::disk::{Disk, FileKind, FileName, Op, Ticket};

use super::group::{GROUP_BYTES, HEADER, Header, Kind, round_up};
use super::open::{Files, OpenError};

/// A journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub size: u64,
}

impl File {
    /// Its name.
    pub fn name(&self) -> FileName {
        file_name(self.number)
    }
}

/// A journal file's name.
pub fn file_name(number: u64) -> FileName {
    FileName { kind: FileKind::Journal, number }
}

/// A place between two groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The file of the next group.
    pub file: u64,
    /// That file's bytes: a shorter one has lost its end.
    pub size: u64,
    /// Its offset there.
    pub offset: u64,
    /// The next group's number.
    pub group: u64,
    /// The next batch.
    pub lsn: Lsn,
}

impl Position {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        for number in [self.file, self.size, self.offset, self.group, self.lsn] {
            put_number(out, number);
        }
    }

    /// Reads what `put` wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<Position, Malformed> {
        Ok(Position {
            file: reader.number()?,
            size: reader.number()?,
            offset: reader.number()?,
            group: reader.number()?,
            lsn: reader.number()?,
        })
    }
}

/// Batches that become one group.
#[derive(Debug)]
struct Gathered {
    /// Space for the header, then the batches.
    bytes: Vec<u8>,
    first: Lsn,
    last: Lsn,
}

/// A group that is being written.
#[derive(Debug)]
struct Flying {
    ticket: Ticket,
    number: u64,
    last: Lsn,
    bytes: usize,
}

/// What the journal has done, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Groups, seals included; each is one synchronous write.
    pub groups: u64,
    /// Bytes, padding included.
    pub bytes: u64,
    /// Bytes of batches.
    pub payload: u64,
}

/// The writer.
#[derive(Debug)]
pub struct Journal {
    block: usize,
    stamp: u64,
    generation: u64,
    next: Position,
    gathering: Option<Gathered>,
    /// Where the batch at hand begins in it.
    begun: usize,
    /// Bytes of the groups of late: the next one is given as much at once.
    usual: usize,
    ready: VecDeque<Gathered>,
    flying: Option<Flying>,
    spares: VecDeque<File>,
    /// Files before the current one, oldest first, that a recovery may still need.
    full: VecDeque<File>,
    undurable: usize,
    sealed: bool,
    written: Written,
}

/// Where the journal goes on after an open.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Of the data directory.
    pub stamp: u64,
    /// Of this open.
    pub generation: u64,
    /// Where the next group goes.
    pub next: Position,
    /// Earlier files that a recovery may still need, oldest first.
    pub full: VecDeque<File>,
    /// Files ready for use, all numbered above the current one.
    pub spares: VecDeque<File>,
    /// Whether the last group is a seal, or there is none.
    pub sealed: bool,
}

impl Resume {
    /// Removes the spares that are not of this size: a crash may have left them unfinished. Those behind the
    /// first odd one go too, as numbers must go on rising. Done before anything else may use a number again.
    pub(super) fn drop_odd_spares<D: Disk>(
        &mut self,
        files: &mut Files<'_, D>,
        size: u64,
    ) -> Result<(), OpenError> {
        let sound = self.spares.iter().take_while(|file| file.size == size).count();
        for file in self.spares.drain(sound..) {
            files.run(file.name(), Op::Remove { file: file.name() })?;
        }
        Ok(())
    }
}

impl Journal {
    /// A writer that goes on from `resume`.
    pub fn new(block: usize, resume: Resume) -> Journal {
        Journal {
            block,
            stamp: resume.stamp,
            generation: resume.generation,
            next: resume.next,
            gathering: None,
            begun: 0,
            usual: 4 << 10,
            ready: VecDeque::new(),
            flying: None,
            spares: resume.spares,
            full: resume.full,
            undurable: 0,
            sealed: resume.sealed,
            written: Written::default(),
        }
    }

    /// Bytes not yet durable.
    pub fn undurable(&self) -> usize {
        self.undurable
    }

    /// Bytes of the groups of late.
    pub fn usual_group(&self) -> usize {
        self.usual
    }

    /// What was written since the open.
    pub fn written(&self) -> Written {
        self.written
    }

    /// Where the group after those submitted goes.
    pub fn position(&self) -> Position {
        self.next
    }

    /// Whether every group before this place, which `position` told, is durable.
    pub fn is_durable_to(&self, place: &Position) -> bool {
        self.flying.as_ref().is_none_or(|flying| flying.number >= place.group)
    }

    /// Whether nothing is gathering or in the air.
    pub fn is_quiet(&self) -> bool {
        self.flying.is_none() && self.ready.is_empty() && self.gathering.is_none()
    }

    /// Whether the last group is a seal.
    pub fn is_sealed(&self) -> bool {
        self.sealed && self.is_quiet()
    }

    /// Files ready for use.
    pub fn spares(&self) -> usize {
        self.spares.len()
    }

    /// The number that a new file gets.
    pub fn next_file_number(&self) -> u64 {
        self.spares.back().map_or(self.next.file, |file| file.number) + 1
    }

    /// Adds a file for later use.
    pub fn add_spare(&mut self, file: File) {
        assert!(
            file.number >= self.next_file_number(),
            "journal files are used in the order of their numbers"
        );
        self.spares.push_back(file);
    }

    /// The last file ready for use, which is so no longer.
    pub fn give_up_spare(&mut self) -> Option<File> {
        self.spares.pop_back()
    }

    /// The files before `from`, which no recovery needs any more.
    pub fn release(&mut self, from: &Position) -> Vec<File> {
        let count = self.full.iter().take_while(|file| file.number < from.file).count();
        self.full.drain(..count).collect()
    }

    /// Bytes of groups from `from` to the journal's end.
    pub fn bytes_since(&self, from: &Position) -> u64 {
        let whole: u64 = self.full.iter().filter(|file| file.number >= from.file).map(|file| file.size).sum();
        (whole + self.next.offset).saturating_sub(from.offset)
    }

    /// Begins a batch; its records follow through `record`, then `end`.
    pub fn begin(&mut self, lsn: Lsn, now: Millis, records: usize) {
        let space = self.usual + self.block;
        let gathering = self.gathering.get_or_insert_with(|| {
            let mut bytes = Vec::with_capacity(space);
            bytes.resize(HEADER, 0);
            Gathered { bytes, first: lsn, last: lsn }
        });
        self.begun = gathering.bytes.len();
        gathering.last = lsn;
        put_number(&mut gathering.bytes, now);
        put_number(&mut gathering.bytes, records as u64);
    }

    /// Adds a record; `spared` are the messages that a cut passes over.
    pub fn record(&mut self, record: &Record, spared: &[MessageKey]) {
        let gathering = self.gathering.as_mut().expect("a batch was begun");
        put_record(&mut gathering.bytes, record, spared);
    }

    /// Ends a batch.
    pub fn end(&mut self) {
        let gathering = self.gathering.as_mut().expect("a batch was begun");
        self.undurable += gathering.bytes.len() - self.begun;
        if self.begun > HEADER && gathering.bytes.len() > GROUP_BYTES {
            // The group was full before this batch: the batch begins the next one.
            let mut bytes = vec![0; HEADER];
            bytes.extend_from_slice(&gathering.bytes[self.begun..]);
            let next = Gathered { bytes, first: gathering.last, last: gathering.last };
            gathering.bytes.truncate(self.begun);
            gathering.last -= 1;
            self.ready.extend(self.gathering.replace(next));
        }
    }

    /// Writes the next group if none is in the air. For want of a file nothing is written until `add_spare`.
    pub fn write<D: Disk>(&mut self, disk: &mut D) {
        if self.flying.is_some() {
            return;
        }
        let Some(group) = self.ready.pop_front().or_else(|| self.gathering.take()) else { return };
        if self.has_space(round_up(group.bytes.len() as u64, self.block)) {
            self.submit(disk, Kind::Batches, group);
        } else {
            self.ready.push_front(group);
            self.switch(disk);
        }
    }

    /// The size of file that every waiting group fits into.
    pub fn wanted_size(&self) -> u64 {
        let waiting = self.ready.iter().chain(&self.gathering).map(|group| group.bytes.len()).max();
        round_up(waiting.unwrap_or(0) as u64, self.block) + self.block as u64
    }

    /// Writes an empty group: damage to anything before it will be told from a torn tail.
    pub fn seal<D: Disk>(&mut self, disk: &mut D) {
        if self.sealed || !self.is_quiet() {
            return;
        }
        if self.has_space(self.block as u64) {
            self.submit(disk, Kind::Seal, self.empty());
        } else {
            self.switch(disk);
        }
    }

    /// Whether a group fits into the current file and leaves a block for the switch to the next.
    fn has_space(&self, length: u64) -> bool {
        self.next.offset + length + self.block as u64 <= self.next.size
    }

    fn empty(&self) -> Gathered {
        Gathered { bytes: vec![0; HEADER], first: self.next.lsn, last: self.next.lsn - 1 }
    }

    /// Ends the file with a group that names the next one, if there is one.
    fn switch<D: Disk>(&mut self, disk: &mut D) {
        let Some(next) = self.spares.pop_front() else { return };
        let mut group = self.empty();
        group.bytes.extend_from_slice(&next.number.to_le_bytes());
        group.bytes.extend_from_slice(&next.size.to_le_bytes());
        self.submit(disk, Kind::Switch, group);
        self.full.push_back(File { number: self.next.file, size: self.next.size });
        self.next = Position { file: next.number, size: next.size, offset: 0, ..self.next };
    }

    fn submit<D: Disk>(&mut self, disk: &mut D, kind: Kind, group: Gathered) {
        let Gathered { mut bytes, first, last } = group;
        let payload = bytes.len() - HEADER;
        self.usual = bytes.len().max(self.usual / 2);
        let header = Header {
            kind,
            stamp: self.stamp,
            generation: self.generation,
            file: self.next.file,
            offset: self.next.offset,
            number: self.next.group,
            first,
            last,
            length: u32::try_from(payload).expect("a batch is far below 4 GiB"),
            checksum: checksum(&bytes[HEADER..]),
        };
        bytes.resize(round_up(bytes.len() as u64, self.block) as usize, 0);
        header.seal_into(&mut bytes);
        self.next.offset += bytes.len() as u64;
        self.next.group += 1;
        self.next.lsn = last + 1;
        self.sealed = kind != Kind::Batches;
        self.written.groups += 1;
        self.written.bytes += bytes.len() as u64;
        let batches = if self.sealed { 0 } else { payload };
        self.written.payload += batches as u64;
        let op = Op::Write { file: file_name(header.file), offset: header.offset, data: bytes, sync: true };
        self.flying = Some(Flying { ticket: disk.submit(op), number: header.number, last, bytes: batches });
    }

    /// Whether this completion is the flying group's; then it is durable, up to the batch returned.
    pub fn landed(&mut self, ticket: Ticket) -> Option<Lsn> {
        let flying = self.flying.take_if(|flying| flying.ticket == ticket)?;
        self.undurable -= flying.bytes;
        Some(flying.last)
    }

    /// Whether this ticket is the flying group's.
    pub fn is_flying(&self, ticket: Ticket) -> bool {
        self.flying.as_ref().is_some_and(|flying| flying.ticket == ticket)
    }
}

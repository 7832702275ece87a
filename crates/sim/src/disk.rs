//! A disk in memory that keeps the contract of [`store::disk`] to the letter and shows every fault it allows.
//!
//! The world owns time: an operation takes effect when the world's clock reaches its completion, so two
//! operations in the air take effect in seeded order. What each fault may cost the store:
//!
//! | fault | may cost |
//! |---|---|
//! | power cut, kill, torn | nothing that was acknowledged |
//! | write error, sync error | nothing acknowledged; the store stops and is opened again |
//! | read error, rotted read | an answer, never its correctness; an opening may be refused and tried again |
//! | full | sends are refused until there is room; nothing acknowledged |
//! | slow | time |
//! | rot, lost, misdirected | at most the unsealed last group; otherwise every sealed byte is readable or loudly refused |
//!
//! The last three leave *wounds*: the disk remembers the true bytes, so that the world can heal them after a
//! refusal and require everything back.

mod file;
#[cfg(test)]
mod tests;
mod wounds;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use store::disk::{Completion, Disk, Failure, FileKind, FileName, Op, Output, SECTOR, Ticket};

use crate::faults::{Fault, FaultCounts, FaultSet};
use crate::rng::Rng;
use file::File;
use wounds::Wounds;

/// Microseconds of virtual time.
pub type Micros = u64;

/// How a disk behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// [`Disk::block`].
    pub block: usize,
    /// Shortest and longest time of an operation, in microseconds.
    pub latency: (Micros, Micros),
    /// The faults it may show.
    pub faults: FaultSet,
    /// Parts in a million of the operations that meet each fault that is on.
    pub rate: u32,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Any subset of what was not synced survives.
    Power,
    /// What was completed can be read, but is as little synced as before.
    Kill,
}

/// A disk. Clones are the same disk: one is the store's, one is the world's.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    options: DiskOptions,
    rng: Rng,
    now: Micros,
    next_ticket: u64,
    capacity: Option<u64>,
    files: BTreeMap<FileName, File>,
    wounds: Wounds,
    last_journal_write: Option<(FileName, u64, u64)>,
    /// The latest write to a journal does not rot: a store is being opened, and takes a rotten last group for torn.
    spares_tail: bool,
    /// A read of that write went wrong since: not twice, or a store that reads it again had to take it for torn.
    misread_tail: bool,
    flights: Vec<Flight>,
    ready: VecDeque<Completion>,
    counts: FaultCounts,
}

#[derive(Debug)]
struct Flight {
    due: Micros,
    ticket: Ticket,
    /// Writes that were completed when a sync was submitted: the sync covers these.
    covers: u64,
    op: Op,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(options: DiskOptions, rng: Rng) -> SimDisk {
        assert!(options.block.is_power_of_two() && options.block >= SECTOR);
        SimDisk(Arc::new(Mutex::new(Platter {
            options,
            rng,
            now: 0,
            next_ticket: 0,
            capacity: None,
            files: BTreeMap::new(),
            wounds: Wounds::default(),
            last_journal_write: None,
            spares_tail: false,
            misread_tail: false,
            flights: Vec::new(),
            ready: VecDeque::new(),
            counts: FaultCounts::default(),
        })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// When the next operation completes.
    pub fn next_due(&self) -> Option<Micros> {
        self.platter().flights.iter().map(|flight| flight.due).min()
    }

    /// Time is now `now`: what is due completes. Returns whether there is anything to poll.
    pub fn advance(&self, now: Micros) -> bool {
        let mut platter = self.platter();
        platter.now = now;
        while platter.next_flight().is_some_and(|at| platter.flights[at].due <= now) {
            platter.complete_next();
        }
        !platter.ready.is_empty()
    }

    /// The process is gone: operations in the air happened in part, or not.
    pub fn crash(&self, how: Crash) {
        self.platter().crash(how);
    }

    /// From now on nothing goes wrong any more, and quickly.
    pub fn calm(&self) {
        let mut platter = self.platter();
        platter.options.faults = FaultSet::NONE;
        platter.options.latency.1 = platter.options.latency.0;
        platter.capacity = None;
        let soon = platter.now + platter.options.latency.0;
        platter.flights.iter_mut().for_each(|flight| flight.due = flight.due.min(soon));
    }

    /// What an opening does, reading and syncing, does not fail any more.
    pub fn mend(&self) {
        let faults = &mut self.platter().options.faults;
        let failures = [Fault::ReadError, Fault::ReadRot, Fault::Rot, Fault::SyncError];
        failures.into_iter().for_each(|fault| faults.remove(fault));
    }

    /// Leaves room for `more` bytes beyond what is used now, or for anything again.
    pub fn limit(&self, more: Option<u64>) {
        let mut platter = self.platter();
        platter.capacity = more.map(|more| platter.used() + more);
        if more.is_some() {
            platter.counts.add(Fault::Full);
        }
    }

    /// Whether some stored bytes are not what was written.
    pub fn is_wounded(&self) -> bool {
        !self.platter().wounds.is_empty()
    }

    /// Whether the latest write to a journal is among them: nothing after it can betray it.
    pub fn lost_its_tail(&self) -> bool {
        self.platter().lost_its_tail()
    }

    /// Whether the latest write to a journal is safe from rot for now.
    pub fn spare_tail(&self, spares: bool) {
        let mut platter = self.platter();
        (platter.spares_tail, platter.misread_tail) = (spares, false);
    }

    /// Every stored byte is again what was written.
    pub fn heal(&self) {
        self.platter().heal();
    }

    /// Another disk with the same files as they can be read now, on which nothing goes wrong.
    pub fn copy(&self) -> SimDisk {
        let platter = self.platter();
        let options = DiskOptions { faults: FaultSet::NONE, ..platter.options.clone() };
        let copy = SimDisk::new(options, Rng::new(0, 0));
        let files = platter.files.iter().map(|(name, file)| (*name, File::synced(file.data.clone())));
        copy.platter().files = files.collect();
        copy
    }

    /// How often each fault happened.
    pub fn counts(&self) -> FaultCounts {
        self.platter().counts.clone()
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.platter().used()
    }

    /// A number that differs where the content of two disks does.
    pub fn digest(&self) -> u64 {
        let platter = self.platter();
        platter.files.iter().fold(0, |hash, (name, file)| {
            let mut hash = mix(hash, name.number ^ (name.kind as u64) << 56);
            hash = mix(hash, file.data.len() as u64);
            file.data.chunks(8).fold(hash, |hash, chunk| {
                mix(hash, chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)))
            })
        })
    }
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

impl Disk for SimDisk {
    fn block(&self) -> usize {
        self.platter().options.block
    }

    fn submit(&mut self, op: Op) -> Ticket {
        self.platter().submit(op)
    }

    fn poll(&mut self) -> Option<Completion> {
        self.platter().ready.pop_front()
    }

    fn wait(&mut self) -> Completion {
        let mut platter = self.platter();
        if platter.ready.is_empty() {
            platter.complete_next();
        }
        platter.ready.pop_front().expect("wait is called only while an operation is out")
    }
}

impl Platter {
    fn used(&self) -> u64 {
        self.files.values().map(|file| file.data.len() as u64).sum()
    }

    /// Whether this fault happens now.
    fn strikes(&mut self, fault: Fault) -> bool {
        // Few operations are syncs: nearly all writes are durable by themselves.
        let rate = if fault == Fault::SyncError { 10 * self.options.rate } else { self.options.rate };
        let strikes = self.options.faults.has(fault) && self.rng.chance(rate);
        if strikes {
            self.counts.add(fault);
        }
        strikes
    }

    fn submit(&mut self, op: Op) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let (low, high) = self.options.latency;
        let mut due = self.now + self.rng.between(low, high);
        if self.strikes(Fault::Slow) {
            due += self.rng.between(50_000, 5_000_000);
        }
        let covers = match &op {
            Op::Sync { file } => self.files.get(file).map_or(0, File::writes),
            _ => 0,
        };
        self.flights.push(Flight { due, ticket, covers, op });
        ticket
    }

    fn check_alignment(&self, op: &Op) {
        let (offset, length) = match op {
            Op::Write { offset, data, .. } => (*offset, data.len()),
            Op::Read { offset, length, .. } => (*offset, *length),
            _ => return,
        };
        let block = self.options.block;
        assert!(offset % block as u64 == 0 && length % block == 0, "unaligned: {offset} + {length}");
    }

    fn next_flight(&self) -> Option<usize> {
        (0..self.flights.len()).min_by_key(|&at| (self.flights[at].due, self.flights[at].ticket))
    }

    fn complete_next(&mut self) {
        let at = self.next_flight().expect("an operation is out");
        let flight = self.flights.swap_remove(at);
        let op = flight.op.made();
        self.check_alignment(&op);
        let summary = crate::world::is_traced().then(|| summary(&op));
        let result = self.perform(op, flight.covers);
        if let Some(summary) = summary {
            let failed = result.as_ref().err();
            eprintln!("    disk: {summary} {}", failed.map_or(String::new(), |why| format!("{why:?}")));
        }
        self.ready.push_back(Completion { ticket: flight.ticket, result });
    }

    fn perform(&mut self, op: Op, covers: u64) -> Result<Output, Failure> {
        match op {
            Op::Create { file, size } => {
                let old = self.length(file);
                self.need_room(size.saturating_sub(old))?;
                self.fail_by(Fault::WriteError)?;
                self.wounds.forget(file);
                self.files.insert(file, File::synced(vec![0; size as usize]));
            }
            Op::Write { file, offset, data, sync } => {
                let length = data.len() as u64;
                self.write(file, offset, data, sync)?;
                return Ok(Output::Written(length));
            }
            Op::WriteFrom { .. } => unreachable!("its bytes are made"),
            Op::Release(memory) => memory.release(&mut || ()),
            Op::Sync { file } => {
                self.fail_by(Fault::SyncError)?;
                self.files.get_mut(&file).ok_or(Failure::NotFound)?.sync(covers);
            }
            Op::Read { file, offset, length } => return self.read(file, offset, length),
            Op::Replace { file, data } => {
                // Written aside, so the old and the new content are on the disk at once.
                self.need_room(data.len() as u64)?;
                self.fail_by(Fault::WriteError)?;
                self.wounds.forget(file);
                let length = data.len() as u64;
                self.files.insert(file, File::synced(data));
                return Ok(Output::Written(length));
            }
            Op::Rename { from, to } => self.rename(from, to)?,
            Op::Remove { file } => {
                self.wounds.forget(file);
                self.files.remove(&file).ok_or(Failure::NotFound)?;
            }
            Op::List => {
                let files = self.files.iter().map(|(name, file)| (*name, file.data.len() as u64));
                return Ok(Output::Files(files.collect()));
            }
            Op::Free => {
                let room = self.capacity.unwrap_or(u64::MAX / 2);
                return Ok(Output::Free(room.saturating_sub(self.used())));
            }
        }
        Ok(Output::Done)
    }

    fn length(&self, file: FileName) -> u64 {
        self.files.get(&file).map_or(0, |file| file.data.len() as u64)
    }

    fn need_room(&self, more: u64) -> Result<(), Failure> {
        let fits = self.capacity.is_none_or(|capacity| more == 0 || self.used() + more <= capacity);
        if fits { Ok(()) } else { Err(Failure::Full) }
    }

    fn fail_by(&mut self, fault: Fault) -> Result<(), Failure> {
        if self.strikes(fault) { Err(Failure::Broken(format!("simulated {}", fault.name()))) } else { Ok(()) }
    }

    fn rename(&mut self, from: FileName, to: FileName) -> Result<(), Failure> {
        let file = self.files.remove(&from).ok_or(Failure::NotFound)?;
        self.wounds.rename(from, to);
        self.files.insert(to, file);
        Ok(())
    }

    fn write(&mut self, name: FileName, offset: u64, data: Vec<u8>, sync: bool) -> Result<(), Failure> {
        let length = self.length(name);
        let end = offset + data.len() as u64;
        self.need_room(end.saturating_sub(length))?;
        self.files.entry(name).or_insert_with(|| File::synced(Vec::new()));
        if self.strikes(Fault::WriteError) {
            self.write_in_part(name, offset, &data);
            return Err(Failure::Broken("simulated write-error".into()));
        }
        if name.kind == FileKind::Journal {
            self.last_journal_write = Some((name, offset, data.len() as u64));
        }
        if self.strikes(Fault::Lost) {
            self.wounds.inflict(name, offset, &data, sync);
        } else if self.strikes(Fault::Misdirected) {
            self.wounds.inflict(name, offset, &data, sync);
            self.misdirect(name, offset, &data);
        } else {
            self.wounds.close(name, offset, data.len());
            self.files.get_mut(&name).expect("looked up above").write(offset, data, sync);
        }
        Ok(())
    }

    /// Some sectors of a failed or interrupted write, none of them synced.
    fn write_in_part(&mut self, name: FileName, offset: u64, data: &[u8]) {
        let whole = !self.options.faults.has(Fault::Torn);
        let all = self.rng.one_in(2);
        let (mut some_kept, mut some_lost) = (false, false);
        for (at, piece) in data.chunks(SECTOR).enumerate() {
            let kept = if whole { all } else { self.rng.one_in(2) };
            (some_kept, some_lost) = (some_kept | kept, some_lost | !kept);
            if let Some(file) = self.files.get_mut(&name).filter(|_| kept) {
                file.write(offset + (at * SECTOR) as u64, piece.to_vec(), false);
                self.wounds.close(name, offset + (at * SECTOR) as u64, piece.len());
            }
        }
        if some_kept && some_lost {
            self.counts.add(Fault::Torn);
        }
    }

    fn misdirect(&mut self, name: FileName, offset: u64, data: &[u8]) {
        let target = if self.rng.one_in(2) {
            name
        } else {
            let at = self.rng.index(self.files.len());
            *self.files.keys().nth(at).expect("an index below the length")
        };
        let block = self.options.block as u64;
        let blocks = self.length(target) / block;
        if blocks == 0 {
            return;
        }
        let place = self.rng.below(blocks) * block;
        let room = (self.length(target) - place) as usize;
        let data = &data[..data.len().min(room)];
        let truth = self.files[&target].data[place as usize..][..data.len()].to_vec();
        if target != name || place != offset {
            self.wounds.spoil(target, place, &truth);
            let file = self.files.get_mut(&target).expect("chosen from the files");
            file.data[place as usize..][..data.len()].copy_from_slice(data);
        }
    }

    fn read(&mut self, name: FileName, offset: u64, length: usize) -> Result<Output, Failure> {
        let size = self.length(name);
        if !self.files.contains_key(&name) {
            return Err(Failure::NotFound);
        }
        self.fail_by(Fault::ReadError)?;
        let start = offset.min(size) as usize;
        let end = (start + length).min(size as usize);
        if end > start && self.strikes(Fault::Rot) {
            let at = self.rng.between(start as u64, end as u64 - 1);
            self.rot(name, at);
        }
        let mut bytes = self.files[&name].data[start..end].to_vec();
        if end > start && self.strikes(Fault::ReadRot) {
            let at = self.rng.index(bytes.len());
            let in_tail = self.is_spared(name, start as u64 + at as u64);
            if !(in_tail && std::mem::replace(&mut self.misread_tail, true)) {
                bytes[at] ^= 1 << self.rng.below(8);
            }
        }
        Ok(Output::Bytes(bytes))
    }

    /// Whether this byte is of the latest write to a journal, while that is spared.
    fn is_spared(&self, name: FileName, at: u64) -> bool {
        let tail = self.last_journal_write.filter(|_| self.spares_tail);
        tail.is_some_and(|(file, from, length)| file == name && (from..from + length).contains(&at))
    }

    /// Flips a bit of the byte at `at`.
    fn rot(&mut self, name: FileName, at: u64) {
        if self.is_spared(name, at) {
            return;
        }
        let bit = 1 << self.rng.below(8);
        let file = self.files.get_mut(&name).expect("the caller looked it up");
        let start = at as usize / SECTOR * SECTOR;
        let end = (start + SECTOR).min(file.data.len());
        self.wounds.spoil(name, start as u64, &file.data[start..end]);
        file.data[at as usize] ^= bit;
    }

    fn lost_its_tail(&self) -> bool {
        let Some((name, offset, length)) = self.last_journal_write else { return false };
        self.wounds.touch(name, offset, length as usize)
    }

    fn heal(&mut self) {
        for (name, offset, wound) in self.wounds.take() {
            if let Some(file) = self.files.get_mut(&name) {
                file.restore(offset, wound);
            }
        }
    }

    fn crash(&mut self, how: Crash) {
        self.counts.add(if how == Crash::Power { Fault::PowerCut } else { Fault::Kill });
        self.ready.clear();
        let mut flights = std::mem::take(&mut self.flights);
        flights.sort_by_key(|flight| flight.ticket);
        for flight in flights {
            self.interrupt(flight.op.made());
        }
        if how == Crash::Power {
            self.lose_unsynced();
        }
        if self.options.faults.has(Fault::Rot) && self.rng.one_in(8) {
            self.rot_somewhere();
        }
    }

    /// An operation the crash met in the air. None of these is durable, even where it happened wholly.
    fn interrupt(&mut self, op: Op) {
        let happened = self.rng.one_in(2);
        match op {
            Op::Write { file, offset, data, .. } => self.write_in_part(file, offset, &data),
            Op::Create { file, size } if happened && !self.files.contains_key(&file) => {
                let sectors = self.rng.between(0, size / SECTOR as u64);
                self.files.insert(file, File::synced(vec![0; sectors as usize * SECTOR]));
            }
            Op::Replace { file, data } if happened => {
                self.wounds.forget(file);
                self.files.insert(file, File::synced(data));
            }
            Op::Rename { from, to } if happened => {
                // A rename of what is not there would have failed: nothing happens here either.
                let _ = self.rename(from, to);
            }
            Op::Remove { file } => {
                self.wounds.forget(file);
                let removed = self.files.remove(&file).map(|file| file.data);
                if let Some(mut left) = removed.filter(|_| !happened) {
                    let sectors = self.rng.between(0, left.len() as u64 / SECTOR as u64);
                    left.truncate(sectors as usize * SECTOR);
                    self.files.insert(file, File::synced(left));
                }
            }
            _ => {}
        }
    }

    fn lose_unsynced(&mut self) {
        let torn = self.options.faults.has(Fault::Torn);
        for (name, file) in &mut self.files {
            for (offset, length) in file.unsynced() {
                self.wounds.forget_unsynced(*name, offset, length);
            }
            if file.lose_unsynced(&mut self.rng, torn) {
                self.counts.add(Fault::Torn);
            }
        }
    }

    fn rot_somewhere(&mut self) {
        let full: Vec<_> = self.files.iter().filter(|(_, file)| !file.data.is_empty()).collect();
        if full.is_empty() {
            return;
        }
        let (name, file) = full[self.rng.index(full.len())];
        let (name, length) = (*name, file.data.len() as u64);
        // Most of a preallocated file is zeros: aim at its beginning more often than not.
        let reach = if self.rng.one_in(2) { length } else { length.min(16 * SECTOR as u64) };
        let at = self.rng.below(reach);
        self.counts.add(Fault::Rot);
        self.rot(name, at);
    }
}

fn summary(op: &Op) -> String {
    match op {
        Op::Write { file, offset, data, sync } => {
            format!("write {file} {offset} + {}{}", data.len(), if *sync { " synced" } else { "" })
        }
        Op::Replace { file, data } => format!("replace {file} {}", data.len()),
        other => format!("{other:?}"),
    }
}

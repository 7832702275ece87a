//! A small disk in memory for this crate's tests, with crashes: what was not synced survives in part, and what a
//! killed process left in caches only may be seen by its successor and be gone after the next power cut.
//! (`sim` has the large one, with every fault the contract of [`crate::disk`] allows.)

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use engine::Entropy;

use crate::disk::{Completion, Disk, Failure, FileKind, FileName, Op, Output, SECTOR, Ticket};

/// What is on the disk: shared, so that a test can crash it, damage it, and open it again.
#[derive(Debug, Default)]
pub struct Content {
    /// Files by name.
    pub files: BTreeMap<FileName, Vec<u8>>,
    /// Operations performed so far.
    pub done: u64,
    /// Files made with zeros so far.
    pub created: u64,
    /// The disk stops performing after this many.
    pub stop_after: Option<u64>,
    /// Bytes free; `None` for plenty.
    pub free: Option<u64>,
    /// Bytes that all files together may have; `None` for plenty.
    pub capacity: Option<u64>,
    /// The number of an operation that fails with EIO: it may have happened, wholly or in part.
    pub broken: Option<u64>,
    /// As many of the journal's writes are done while one to another file is under way. With none to come it is done at once.
    pub beside_takes: u64,
    /// Writes of the journal so far.
    journal_writes: u64,
    /// A byte that is returned wrong, once.
    pub misread: Option<Misread>,
    /// Bytes read so far, and the most at once.
    pub read: (u64, usize),
    /// What can be read but is not durable, oldest first: how it was before.
    volatile: Vec<Undo>,
}

/// A byte that one read returns wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Its file.
    pub file: FileName,
    /// Its place there.
    pub at: usize,
    /// Reads of it that go well before.
    pub passes: usize,
}

/// What a power cut may bring back.
#[derive(Debug)]
enum Undo {
    /// The bytes of a sector.
    Sector(FileName, u64, Vec<u8>),
    /// Files as they were, or that they were not.
    Entries(Vec<(FileName, Option<Vec<u8>>)>),
}

impl Content {
    fn room(&self) -> u64 {
        let used: u64 = self.files.values().map(|bytes| bytes.len() as u64).sum();
        let room = self.capacity.map_or(1 << 40, |capacity| capacity.saturating_sub(used));
        room.min(self.free.unwrap_or(1 << 40))
    }

    fn need(&self, bytes: u64) -> Result<(), Failure> {
        if bytes > self.room() { Err(Failure::Full) } else { Ok(()) }
    }

    /// A completed operation: what it makes durable.
    fn settle(&mut self, op: &Op) {
        let of = |undo: &Undo, name: FileName| matches!(undo, Undo::Sector(file, ..) if *file == name);
        let is_sector = |undo: &Undo| matches!(undo, Undo::Sector(..));
        match op {
            Op::Write { file, offset, data, sync: true } => {
                let covered = *offset..*offset + data.len() as u64;
                self.volatile.retain(|undo| match undo {
                    Undo::Sector(name, at, _) => name != file || !covered.contains(at),
                    Undo::Entries(entries) => entries.iter().all(|(name, _)| name != file),
                });
            }
            Op::Sync { file } => self.volatile.retain(|undo| !of(undo, *file)),
            // The directory is synced as a whole.
            Op::Rename { from, to } => {
                self.volatile.retain(|undo| is_sector(undo) && !of(undo, *to));
                for undo in &mut self.volatile {
                    if let Undo::Sector(name, ..) = undo
                        && name == from
                    {
                        *name = *to;
                    }
                }
            }
            Op::Create { file, .. } | Op::Replace { file, .. } | Op::Remove { file } => {
                self.volatile.retain(|undo| is_sector(undo) && !of(undo, *file));
            }
            _ => {}
        }
    }

    /// An operation that a kill met in the air, and that is going to happen wholly or in part.
    fn remember(&mut self, op: &Op) {
        let was = |file: &FileName| (*file, self.files.get(file).cloned());
        match op {
            Op::Write { file, offset, data, .. } => {
                let Some(bytes) = self.files.get(file) else { return };
                for at in (*offset..*offset + data.len() as u64).step_by(SECTOR) {
                    if let Some(before) = bytes.get(at as usize..at as usize + SECTOR) {
                        self.volatile.push(Undo::Sector(*file, at, before.to_vec()));
                    }
                }
            }
            Op::Rename { from, to } => self.volatile.push(Undo::Entries(vec![was(from), was(to)])),
            Op::Create { file, .. } | Op::Replace { file, .. } | Op::Remove { file } => {
                self.volatile.push(Undo::Entries(vec![was(file)]));
            }
            _ => {}
        }
    }

    /// The power goes: of what was volatile, any sectors are as before, and the directory is as it was at some time.
    fn lose_volatile(&mut self, entropy: &mut Entropy) {
        let mut directory_is_lost = false;
        for undo in std::mem::take(&mut self.volatile).into_iter().rev() {
            let lost = entropy.draw().is_multiple_of(2);
            match undo {
                Undo::Sector(file, at, before) if lost => {
                    if let Some(place) =
                        self.files.get_mut(&file).and_then(|bytes| bytes.get_mut(at as usize..))
                    {
                        place[..before.len()].copy_from_slice(&before);
                    }
                }
                Undo::Entries(entries) => {
                    directory_is_lost |= lost;
                    for (file, before) in entries.into_iter().filter(|_| directory_is_lost) {
                        match before {
                            Some(bytes) => drop(self.files.insert(file, bytes)),
                            None => drop(self.files.remove(&file)),
                        }
                    }
                }
                Undo::Sector(..) => {}
            }
        }
    }
}

/// A handle on a [`Content`].
#[derive(Clone, Debug)]
pub struct TestDisk {
    /// What is on it.
    pub content: Rc<RefCell<Content>>,
    block: usize,
    tickets: u64,
    /// Each with the number of the journal's writes that come before it is done.
    waiting: VecDeque<(Ticket, Op, u64)>,
    entropy: Entropy,
}

impl TestDisk {
    /// An empty disk.
    pub fn new() -> TestDisk {
        TestDisk::over(Rc::default())
    }

    /// A new handle on the same files, as after a restart.
    pub fn over(content: Rc<RefCell<Content>>) -> TestDisk {
        TestDisk { content, block: SECTOR, tickets: 0, waiting: VecDeque::new(), entropy: Entropy(1) }
    }

    /// The power goes: of the operations not yet completed, any sectors may have reached the disk.
    /// What is left can be opened with the handle that is returned.
    pub fn crash(self, seed: u64) -> TestDisk {
        self.end(seed, true)
    }

    /// The process is killed: as a crash, but what reached a cache and not the disk can still be read.
    pub fn kill(self, seed: u64) -> TestDisk {
        self.end(seed, false)
    }

    fn end(mut self, seed: u64, power: bool) -> TestDisk {
        self.entropy = Entropy(seed);
        let mut content = self.content.borrow_mut();
        if power {
            content.lose_volatile(&mut self.entropy);
        }
        for (_, op, _) in std::mem::take(&mut self.waiting) {
            let op = op.made();
            if !power {
                content.remember(&op);
            }
            tear(&mut content, &op, &mut self.entropy);
        }
        content.stop_after = None;
        drop(content);
        TestDisk { entropy: self.entropy, ..TestDisk::over(self.content) }
    }

    fn perform(&mut self, op: Op) -> Result<Output, Failure> {
        let op = op.made();
        let mut content = self.content.borrow_mut();
        content.done += 1;
        content.journal_writes += u64::from(is_journal_write(&op));
        if content.broken == Some(content.done) {
            tear(&mut content, &op, &mut self.entropy);
            return Err(Failure::Broken("EIO".into()));
        }
        content.settle(&op);
        perform(&mut content, op, self.block)
    }
}

fn is_journal_write(op: &Op) -> bool {
    matches!(op, Op::Write { file, .. } if file.kind == FileKind::Journal)
}

fn is_write_beside(op: &Op) -> bool {
    matches!(op, Op::Write { .. } | Op::WriteFrom { .. }) && !is_journal_write(op)
}

fn tear(content: &mut Content, op: &Op, entropy: &mut Entropy) {
    match op {
        Op::Write { file, offset, data, .. } => {
            for (index, sector) in data.chunks(SECTOR).enumerate() {
                if entropy.draw().is_multiple_of(2) {
                    write(content, *file, *offset + (index * SECTOR) as u64, sector);
                }
            }
        }
        Op::Create { file, size } if entropy.draw().is_multiple_of(2) => {
            let length = entropy.draw() % (size + 1);
            content.files.insert(*file, vec![0; length as usize]);
        }
        Op::Replace { .. } | Op::Rename { .. } | Op::Remove { .. } if entropy.draw().is_multiple_of(2) => {
            let _ = perform(content, op.clone(), SECTOR);
        }
        _ => {}
    }
}

fn write(content: &mut Content, file: FileName, offset: u64, data: &[u8]) {
    let bytes = content.files.entry(file).or_default();
    let end = offset as usize + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset as usize..end].copy_from_slice(data);
}

fn perform(content: &mut Content, op: Op, block: usize) -> Result<Output, Failure> {
    match op {
        Op::Create { file, size } => {
            content.need(size)?;
            content.files.insert(file, vec![0; size as usize]);
            content.created += 1;
        }
        Op::Write { file, offset, data, .. } => {
            assert!(
                offset.is_multiple_of(block as u64) && data.len().is_multiple_of(block),
                "unaligned write to {file}"
            );
            let end = offset + data.len() as u64;
            content
                .need(end.saturating_sub(content.files.get(&file).map_or(0, |bytes| bytes.len() as u64)))?;
            write(content, file, offset, &data);
            return Ok(Output::Written(data.len() as u64));
        }
        Op::WriteFrom { .. } => unreachable!("its bytes are made"),
        Op::Release(memory) => memory.release(&mut || ()),
        Op::Sync { file } => drop(content.files.get(&file).ok_or(Failure::NotFound)?),
        Op::Read { file, offset, length } => {
            assert!(
                offset.is_multiple_of(block as u64) && length.is_multiple_of(block),
                "unaligned read of {file}"
            );
            content.read = (content.read.0 + length as u64, content.read.1.max(length));
            let bytes = content.files.get(&file).ok_or(Failure::NotFound)?;
            let start = (offset as usize).min(bytes.len());
            let end = (start + length).min(bytes.len());
            let mut bytes = bytes[start..end].to_vec();
            let hit = |misread: &mut Misread| {
                let covered = misread.file == file && (start..end).contains(&misread.at);
                let now = covered && misread.passes == 0;
                misread.passes -= usize::from(covered && !now);
                now
            };
            if let Some(misread) = content.misread.take_if(hit) {
                bytes[misread.at - start] ^= 1;
            }
            return Ok(Output::Bytes(bytes));
        }
        Op::Replace { file, data } => {
            // Both are there until the rename; what the tests set as free leaves room for that.
            if content.capacity.is_some() {
                content.need(data.len() as u64)?;
            }
            let length = data.len() as u64;
            content.files.insert(file, data);
            return Ok(Output::Written(length));
        }
        Op::Rename { from, to } => {
            let bytes = content.files.remove(&from).ok_or(Failure::NotFound)?;
            content.files.insert(to, bytes);
        }
        Op::Remove { file } => drop(content.files.remove(&file).ok_or(Failure::NotFound)?),
        Op::List => {
            let files = content.files.iter().map(|(name, bytes)| (*name, bytes.len() as u64));
            return Ok(Output::Files(files.collect()));
        }
        Op::Free => return Ok(Output::Free(content.room())),
    }
    Ok(Output::Done)
}

impl Disk for TestDisk {
    fn block(&self) -> usize {
        self.block
    }

    fn submit(&mut self, op: Op) -> Ticket {
        self.tickets += 1;
        let content = self.content.borrow();
        let takes = if is_write_beside(&op) { content.beside_takes } else { 0 };
        self.waiting.push_back((Ticket(self.tickets), op, content.journal_writes + takes));
        Ticket(self.tickets)
    }

    fn poll(&mut self) -> Option<Completion> {
        {
            let content = self.content.borrow();
            if content.stop_after.is_some_and(|stop| content.done >= stop) {
                return None;
            }
        }
        let writes = self.content.borrow().journal_writes;
        let next = self.waiting.iter().position(|(.., after)| *after <= writes).unwrap_or(0);
        let (ticket, op, _) = self.waiting.remove(next)?;
        let result = self.perform(op);
        Some(Completion { ticket, result })
    }

    fn wait(&mut self) -> Completion {
        self.poll().expect("an operation is out")
    }
}

//! A small disk in memory for this crate's tests, with crashes: what was not synced survives in part.
//! (`sim` has the large one, with every fault the contract of [`crate::disk`] allows.)

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use engine::Entropy;

use crate::disk::{Completion, Disk, Failure, FileName, Op, Output, SECTOR, Ticket};

/// What is on the disk: shared, so that a test can crash it, damage it, and open it again.
#[derive(Debug, Default)]
pub struct Content {
    /// Files by name.
    pub files: BTreeMap<FileName, Vec<u8>>,
    /// Operations performed so far.
    pub done: u64,
    /// The disk stops performing after this many.
    pub stop_after: Option<u64>,
    /// Bytes free; `None` for plenty.
    pub free: Option<u64>,
    /// The number of an operation that fails with EIO.
    pub broken: Option<u64>,
}

/// A handle on a [`Content`].
#[derive(Clone, Debug)]
pub struct TestDisk {
    /// What is on it.
    pub content: Rc<RefCell<Content>>,
    block: usize,
    tickets: u64,
    waiting: VecDeque<(Ticket, Op)>,
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
    pub fn crash(mut self, seed: u64) -> TestDisk {
        self.entropy = Entropy(seed);
        let mut content = self.content.borrow_mut();
        for (_, op) in &self.waiting {
            tear(&mut content, op, &mut self.entropy);
        }
        content.stop_after = None;
        drop(content);
        TestDisk::over(self.content)
    }

    fn perform(&mut self, op: Op) -> Result<Output, Failure> {
        let mut content = self.content.borrow_mut();
        content.done += 1;
        if content.broken == Some(content.done) {
            return Err(Failure::Broken("EIO".into()));
        }
        perform(&mut content, op, self.block)
    }
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
            if content.free.is_some_and(|free| size > free) {
                return Err(Failure::Full);
            }
            content.files.insert(file, vec![0; size as usize]);
        }
        Op::Write { file, offset, data, .. } => {
            assert!(
                offset.is_multiple_of(block as u64) && data.len().is_multiple_of(block),
                "unaligned write to {file}"
            );
            let end = offset + data.len() as u64;
            let grows = end > content.files.get(&file).map_or(0, |bytes| bytes.len() as u64);
            if grows && content.free.is_some_and(|free| data.len() as u64 > free) {
                return Err(Failure::Full);
            }
            write(content, file, offset, &data);
        }
        Op::Sync { file } => drop(content.files.get(&file).ok_or(Failure::NotFound)?),
        Op::Read { file, offset, length } => {
            assert!(
                offset.is_multiple_of(block as u64) && length.is_multiple_of(block),
                "unaligned read of {file}"
            );
            let bytes = content.files.get(&file).ok_or(Failure::NotFound)?;
            let start = (offset as usize).min(bytes.len());
            let end = (start + length).min(bytes.len());
            return Ok(Output::Bytes(bytes[start..end].to_vec()));
        }
        Op::Replace { file, data } => drop(content.files.insert(file, data)),
        Op::Rename { from, to } => {
            let bytes = content.files.remove(&from).ok_or(Failure::NotFound)?;
            content.files.insert(to, bytes);
        }
        Op::Remove { file } => drop(content.files.remove(&file).ok_or(Failure::NotFound)?),
        Op::List => {
            let files = content.files.iter().map(|(name, bytes)| (*name, bytes.len() as u64));
            return Ok(Output::Files(files.collect()));
        }
        Op::Free => return Ok(Output::Free(content.free.unwrap_or(1 << 40))),
    }
    Ok(Output::Done)
}

impl Disk for TestDisk {
    fn block(&self) -> usize {
        self.block
    }

    fn submit(&mut self, op: Op) -> Ticket {
        self.tickets += 1;
        self.waiting.push_back((Ticket(self.tickets), op));
        Ticket(self.tickets)
    }

    fn poll(&mut self) -> Option<Completion> {
        {
            let content = self.content.borrow();
            if content.stop_after.is_some_and(|stop| content.done >= stop) {
                return None;
            }
        }
        let (ticket, op) = self.waiting.pop_front()?;
        let result = self.perform(op);
        Some(Completion { ticket, result })
    }

    fn wait(&mut self) -> Completion {
        self.poll().expect("an operation is out")
    }
}

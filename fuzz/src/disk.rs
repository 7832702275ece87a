//! Files in memory, every operation carried out at once: what a damaged directory is opened from.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use store::disk::{Completion, Disk, Failure, FileName, Op, Output, SECTOR, Ticket};

/// Files by name.
pub type Files = BTreeMap<FileName, Vec<u8>>;

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    /// What is on it; clones are the same disk.
    pub files: Rc<RefCell<Files>>,
    tickets: u64,
    done: VecDeque<Completion>,
}

impl MemoryDisk {
    /// A disk with these files.
    pub fn of(files: Files) -> MemoryDisk {
        MemoryDisk { files: Rc::new(RefCell::new(files)), ..MemoryDisk::default() }
    }

    fn perform(&mut self, op: Op) -> Result<Output, Failure> {
        let mut files = self.files.borrow_mut();
        match op.made() {
            Op::Create { file, size } => drop(files.insert(file, vec![0; size as usize])),
            Op::Write { file, offset, data, .. } => {
                let bytes = files.entry(file).or_default();
                let end = offset as usize + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[offset as usize..end].copy_from_slice(&data);
                return Ok(Output::Written(data.len() as u64));
            }
            Op::WriteFrom { .. } => unreachable!("its bytes are made"),
            Op::Release(memory) => memory.release(&mut || ()),
            Op::Sync { file } => drop(files.get(&file).ok_or(Failure::NotFound)?),
            Op::Read { file, offset, length } => {
                let bytes = files.get(&file).ok_or(Failure::NotFound)?;
                let start = (offset as usize).min(bytes.len());
                let end = start.saturating_add(length).min(bytes.len());
                return Ok(Output::Bytes(bytes[start..end].to_vec()));
            }
            Op::Replace { file, data } => {
                let length = data.len() as u64;
                files.insert(file, data);
                return Ok(Output::Written(length));
            }
            Op::Rename { from, to } => {
                let bytes = files.remove(&from).ok_or(Failure::NotFound)?;
                files.insert(to, bytes);
            }
            Op::Remove { file } => drop(files.remove(&file).ok_or(Failure::NotFound)?),
            Op::List => {
                let listed = files.iter().map(|(name, bytes)| (*name, bytes.len() as u64));
                return Ok(Output::Files(listed.collect()));
            }
            Op::Free => return Ok(Output::Free(1 << 40)),
        }
        Ok(Output::Done)
    }
}

impl Disk for MemoryDisk {
    fn block(&self) -> usize {
        SECTOR
    }

    fn submit(&mut self, op: Op) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let result = self.perform(op);
        self.done.push_back(Completion { ticket, result });
        ticket
    }

    fn poll(&mut self) -> Option<Completion> {
        self.done.pop_front()
    }

    fn wait(&mut self) -> Completion {
        self.poll().expect("every operation is done at once")
    }
}

//! Blocks of segments: from the cache, or read and checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Token;
use crate::codec::checksum;
use crate::disk::{Disk, Failure, FileName, Op, Output, Ticket};

use super::cache::{Block, Cache, Place};
use super::group::round_up;
use super::segment::{Index, LaneIndex, Pointer, Segment};

/// What a block is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A leaf of messages or of lanes.
    Leaf,
    /// An index of leaves.
    Index,
    /// An index of lanes.
    Lanes,
}

/// A block that must be read before work can go on.
#[derive(Clone, Debug)]
pub struct Need {
    /// Its file, which stays while this is held.
    pub file: Arc<FileName>,
    /// Where in it.
    pub pointer: Pointer,
    /// What it is.
    pub shape: Shape,
}

impl Need {
    fn place(&self) -> Place {
        (self.file.number, self.pointer.offset)
    }
}

/// Who waits for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// A load.
    Load(Token),
    /// The background job.
    Job,
}

/// Why work cannot go on now.
#[derive(Clone, Debug)]
pub enum Stop {
    /// A block is missing.
    Need(Need),
    /// A block is damaged; the text names file and place.
    Damaged(String),
}

/// Blocks in memory and on their way.
#[derive(Debug)]
pub struct Blocks {
    /// Those in memory.
    pub cache: Cache,
    reading: BTreeMap<Ticket, Need>,
    waiting: BTreeMap<Place, Vec<Waiter>>,
}

impl Blocks {
    /// With a cache of this many bytes.
    pub fn new(limit: usize) -> Blocks {
        Blocks { cache: Cache::new(limit), reading: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn get(&mut self, segment: &Segment, pointer: Pointer, shape: Shape) -> Result<Block, Stop> {
        let need = || Stop::Need(Need { file: segment.file.clone(), pointer, shape });
        self.cache.get((segment.meta.number, pointer.offset)).ok_or_else(need)
    }

    /// A segment's index.
    pub fn index(&mut self, segment: &Segment) -> Result<Arc<Index>, Stop> {
        match self.get(segment, segment.meta.index, Shape::Index)? {
            Block::Index(index) => Ok(index),
            _ => Err(Stop::Damaged(format!("{}: its index is none", segment.file))),
        }
    }

    /// A segment's index of lanes, if it has one.
    pub fn lanes(&mut self, segment: &Segment) -> Result<Option<Arc<LaneIndex>>, Stop> {
        let Some(pointer) = segment.meta.lanes else { return Ok(None) };
        match self.get(segment, pointer, Shape::Lanes)? {
            Block::Lanes(lanes) => Ok(Some(lanes)),
            _ => Err(Stop::Damaged(format!("{}: its index of lanes is none", segment.file))),
        }
    }

    /// A leaf.
    pub fn leaf(&mut self, segment: &Segment, pointer: Pointer) -> Result<Arc<Vec<u8>>, Stop> {
        match self.get(segment, pointer, Shape::Leaf)? {
            Block::Leaf(leaf) => Ok(leaf),
            _ => Err(Stop::Damaged(format!("{}: a leaf is none", segment.file))),
        }
    }

    /// Begins to read a block for `waiter`, unless it is on its way already.
    pub fn read<D: Disk>(&mut self, disk: &mut D, need: Need, waiter: Waiter) {
        let waiters = self.waiting.entry(need.place()).or_default();
        waiters.push(waiter);
        if waiters.len() == 1 {
            let ticket = disk.submit(read_op(&need.file, &need.pointer, disk.block()));
            self.reading.insert(ticket, need);
        }
    }

    /// Takes a completion, if it is of a block's read: who waited, and what is wrong if something is.
    pub fn take(
        &mut self,
        ticket: Ticket,
        result: &Result<Output, Failure>,
        block: usize,
    ) -> Option<(Vec<Waiter>, Result<(), String>)> {
        let need = self.reading.remove(&ticket)?;
        let waiters = self.waiting.remove(&need.place()).unwrap_or_default();
        let checked = bytes_of(&need.file, &need.pointer, result, block).and_then(|bytes| {
            let (shaped, size) = shape(bytes, need.shape).map_err(|what| {
                format!("{} is damaged at byte {}: {what}", need.file, need.pointer.offset)
            })?;
            self.cache.put(need.place(), shaped, size);
            Ok(())
        });
        Some((waiters, checked))
    }
}

fn shape(bytes: &[u8], shape: Shape) -> Result<(Block, usize), String> {
    let wrong = |malformed: crate::codec::Malformed| malformed.to_string();
    Ok(match shape {
        Shape::Leaf => (Block::Leaf(Arc::new(bytes.to_vec())), bytes.len() + 100),
        Shape::Index => {
            let index = Index::read(bytes).map_err(wrong)?;
            let size = index.leaves.len() * size_of::<super::segment::IndexEntry>();
            (Block::Index(Arc::new(index)), size + 100)
        }
        Shape::Lanes => {
            let lanes = LaneIndex::read(bytes).map_err(wrong)?;
            let size = lanes.leaves.len() * size_of::<(super::segment::LanePlace, Pointer)>();
            (Block::Lanes(Arc::new(lanes)), size + 100)
        }
    })
}

/// The read that covers a block.
pub fn read_op(file: &FileName, pointer: &Pointer, block: usize) -> Op {
    let offset = pointer.offset & !(block as u64 - 1);
    let end = round_up(pointer.offset + u64::from(pointer.length), block);
    Op::Read { file: *file, offset, length: ((end - offset) as usize).max(block) }
}

/// The bytes of a block out of the read that covers it, if they are what its pointer says.
pub fn bytes_of<'a>(
    file: &FileName,
    pointer: &Pointer,
    result: &'a Result<Output, Failure>,
    block: usize,
) -> Result<&'a [u8], String> {
    let damaged = |what: &str| format!("{file} is damaged at byte {}: {what}", pointer.offset);
    let bytes = match result {
        Ok(Output::Bytes(bytes)) => bytes,
        Ok(_) => return Err(damaged("no bytes")),
        Err(failure) => return Err(damaged(&format!("{failure:?}"))),
    };
    let start = (pointer.offset & (block as u64 - 1)) as usize;
    let bytes = bytes.get(start..start + pointer.length as usize).ok_or_else(|| damaged("the file ends"))?;
    if checksum(bytes) == pointer.sum { Ok(bytes) } else { Err(damaged("wrong checksum")) }
}

//! Work in the background, one job at a time, in steps that end with an operation of the disk.

pub mod checkpoint;
pub mod flush;
pub mod merge;
mod writing;

use engine::rows::Cut;
use engine::{Lsn, Record, RowKey};

use crate::disk::{Op, Output};
use crate::rows::{SmallRows, first_of, last_of};

use super::blocks::{Blocks, Stop};
use super::journal::Position;

/// Bytes written by one step, about. Its file is synced once, at the end.
pub const STEP: usize = 128 << 10;
/// Bytes written by one step of a flush beside large groups, or that is to be done with, about.
pub const LARGEST_STEP: usize = 1 << 20;

/// What a step looks at beside the job itself.
pub struct View<'a> {
    /// The small rows as they are now.
    pub small: &'a SmallRows,
    /// Blocks of segments.
    pub blocks: &'a mut Blocks,
    /// The disk's block.
    pub block: usize,
    /// Bytes that a step of a flush is to write, about.
    pub step: usize,
    /// The last batch appended.
    pub last: Lsn,
}

/// What a job needs to go on.
#[derive(Debug)]
pub enum Next {
    /// This operation done; a read's bytes are given to the next step.
    Io(Op),
    /// Another step, when it suits.
    Again,
    /// This batch durable, and every group before this place.
    Durable(Lsn, Position),
    /// Nothing: its files are complete, the manifest may name them.
    Done,
}

/// A job.
#[derive(Debug)]
pub enum Job {
    /// The frozen layer becomes a segment and bitmaps.
    Flush(Box<flush::Flush>),
    /// The small rows become a file.
    Checkpoint(Box<checkpoint::Checkpoint>),
    /// Segments become one.
    Merge(Box<merge::Merge>),
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// See [`Job::Flush`].
    Flush,
    /// See [`Job::Checkpoint`].
    Checkpoint,
    /// See [`Job::Merge`].
    Merge,
}

impl Job {
    /// What it does.
    pub fn kind(&self) -> Kind {
        match self {
            Job::Flush(_) => Kind::Flush,
            Job::Checkpoint(_) => Kind::Checkpoint,
            Job::Merge(_) => Kind::Merge,
        }
    }

    /// Goes on; `read` are the bytes of the read it asked for, if it did.
    pub fn step(&mut self, view: View<'_>, read: Option<Output>) -> Result<Next, Stop> {
        match self {
            Job::Flush(flush) => flush.step(view),
            Job::Checkpoint(checkpoint) => Ok(checkpoint.step(view)),
            Job::Merge(merge) => merge.step(view, read),
        }
    }

    /// The number after those of its files, if it began with `first`.
    pub fn next_file(&self, first: u64) -> u64 {
        match self {
            Job::Flush(flush) => flush.next_file(),
            Job::Checkpoint(checkpoint) => checkpoint.next_file(),
            Job::Merge(_) => first + 1,
        }
    }

    /// Whether this record removes messages that the job works on.
    pub fn meets(&self, record: &Record) -> bool {
        let (first, last) = match record {
            Record::Delete(RowKey::Message(key)) => (*key, *key),
            Record::Cut(Cut { queue, .. }) | Record::Drop(queue) => (first_of(*queue), last_of(*queue)),
            Record::Put(_) | Record::Delete(_) => return false,
        };
        match self {
            Job::Flush(_) => true,
            Job::Checkpoint(_) => false,
            Job::Merge(merge) => merge.touches(first, last),
        }
    }

    /// A block it needed is damaged. Whether it goes on without.
    pub fn pass_over_damage(&mut self) -> bool {
        match self {
            Job::Flush(flush) => {
                flush.pass_over_damage();
                true
            }
            Job::Checkpoint(_) | Job::Merge(_) => false,
        }
    }
}

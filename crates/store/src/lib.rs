//! The store: rows that survive. One door (`Store`), two engines: [`memory`] and [`log`].
//!
//! The store decides nothing about queues and owns no thread: it is driven by `append`, `load` and `poll`,
//! and does its I/O through [`disk::Disk`] by submission and completion.

pub mod disk;

use engine::{Ask, Batch, Lsn, Page, Row};

/// Names one load until its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What has happened in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every batch up to and including this one is durable.
    Durable(Lsn),
    /// The answer to a load.
    Loaded(Token, Page),
    /// The answer to a load lies in damaged bytes; the text names file and offset. Wrong data is never returned.
    Damaged(Token, String),
    /// A write or sync failed: nothing further becomes durable, the process must stop. The text says why.
    Stopped(String),
}

/// How much more the store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that may be appended before the un-durable ones reach their bound. The caller asks before it
    /// decides, so `append` never refuses.
    pub bytes: usize,
    /// The disk is full but for the reserve: sends are refused, everything that frees space goes on.
    pub sends_refused: bool,
}

/// Un-durable bytes at most.
pub const UNDURABLE_BYTES: usize = 32 << 20;

/// Rows that survive. Opening is each engine's own and returns the small rows, last value each.
pub trait Store {
    /// How much more may be appended now.
    fn room(&self) -> Room;
    /// The `Lsn` the next batch will get.
    fn next_lsn(&self) -> Lsn;
    /// Takes a batch: all or nothing, durable when `Event::Durable` says so.
    fn append(&mut self, batch: Batch) -> Lsn;
    /// Begins to answer an ask.
    fn load(&mut self, ask: Ask) -> Token;
    /// What has happened since; `None` when there is nothing more for now. Also drives background steps.
    fn poll(&mut self) -> Option<Event>;
    /// Every row but the messages', in key order, as a restart after this moment would return them if all
    /// were durable. For checks, not for serving.
    fn small_rows(&self) -> Vec<Row>;
}

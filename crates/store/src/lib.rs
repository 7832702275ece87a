//! The store: rows that survive. One door (`Store`), two engines: [`memory`] and [`log`].
//!
//! The store decides nothing about queues and owns no thread: it is driven by `append`, `load` and `poll`,
//! and does its I/O through [`disk::Disk`] by submission and completion.

pub mod codec;
mod dedup;
pub mod disk;
pub mod export;
mod layer;
pub mod log;
pub mod memory;
mod rows;
mod runs;
mod survivors;
mod table;
#[cfg(test)]
mod testing;

use engine::rows::MessageRow;
use engine::{Ask, Batch, Lsn, MessageKey, Page, Row};

pub use survivors::Survivors;

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

/// What a store did since it was opened, and how things are with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups written to the journal; each is one synchronous write.
    pub groups: u64,
    /// Bytes written to the journal, headers and padding included.
    pub journal_bytes: u64,
    /// Bytes of batches among them.
    pub payload_bytes: u64,
    /// Bytes written to segments, checkpoints, bitmaps and manifests.
    pub background_bytes: u64,
    /// Bytes of journal that a recovery would read now.
    pub recovery_bytes: u64,
    /// Records that a recovery would replay now.
    pub recovery_records: u64,
    /// Bytes appended and not yet durable.
    pub undurable_bytes: u64,
    /// Bytes of the messages and deletions not yet in segments.
    pub table_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Messages in segments, deleted ones included while their segment is.
    pub segment_messages: u64,
    /// Messages among them that are deleted.
    pub segment_deleted: u64,
    /// Bytes of segments.
    pub segment_bytes: u64,
    /// Bytes of the block cache.
    pub cache_bytes: u64,
    /// Reads of blocks that were in the cache.
    pub cache_hits: u64,
    /// Reads of blocks that were not.
    pub cache_misses: u64,
    /// Loads answered with `Damaged`, and background steps that met damaged bytes.
    pub damaged: u64,
    /// Bytes free on the disk, as last asked; `None` before the first answer.
    pub free_bytes: Option<u64>,
    /// Flushes, checkpoints and merges completed.
    pub flushes: u64,
    /// See `flushes`.
    pub checkpoints: u64,
    /// See `flushes`.
    pub merges: u64,
    /// Flushes during which messages were removed.
    pub flushes_under_removals: u64,
    /// Merges during which messages of their range were removed.
    pub merges_under_removals: u64,
}

/// See [`Store::known`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// Its row.
    Row(&'a MessageRow),
    /// That it is gone.
    Gone,
    /// Nothing: it may be on disk.
    Nothing,
}

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
    /// Nothing was appended for 10 ms: the store may mark what it wrote as complete.
    fn idle(&mut self) {}
    /// To be called about every second while `room` says that sends are refused: others may have freed space.
    fn look_for_space(&mut self);
    /// Nothing more will be appended: drive `poll` until `is_quiet`.
    fn stop(&mut self) {}
    /// Whether everything appended is durable and, after `stop`, marked as complete.
    fn is_quiet(&self) -> bool;
    /// What was done so far and how things are, for metrics.
    fn stats(&self) -> Stats {
        Stats::default()
    }
    /// Every row but the messages', in key order, as a restart after this moment would return them if all
    /// were durable. For checks, not for serving.
    fn small_rows(&self) -> Vec<Row>;
    /// What memory knows of a message. For checks, not for serving.
    fn known(&self, key: &MessageKey) -> Known<'_>;
    /// Every message as of the last batch, to be read beside the store; `None` where nothing is on disk.
    fn snapshot(&self) -> Option<log::Snapshot> {
        None
    }
}

//! The only door to a disk: submit an operation, poll its completion.
//!
//! Files live in one flat directory and are named by [`FileName`]. Completions may come in any order;
//! an operation that depends on another is submitted after that one's completion. The contract a
//! `Disk` keeps, and the faults it may show:
//!
//! - a completed `Write` with `sync`, a completed `Sync`, `Create`, `Replace` and `Remove` survive a crash, with the
//!   directory entry they rest on;
//! - a write that is not yet synced may after a crash be there wholly, in part (in units of
//!   [`SECTOR`] bytes) or not at all, in any combination with others;
//! - what a killed process had in the air may have happened, be read by its successor, and be gone after the next power
//!   cut, until a `Sync` of that file; directory entries, until the next completed `Create`, `Replace`, `Rename` or `Remove`;
//! - a read may fail, or return bytes that rotted; the store finds that by its own checksums;
//! - after any failed write or sync the store stops: nothing is known about those bytes.

use std::fmt::Debug;
use std::sync::Arc;

/// Torn writes tear at multiples of this many bytes.
pub const SECTOR: usize = 512;

/// A file of the data directory, for example `journal-0000000000000007`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// What kind of file.
    pub kind: FileKind,
    /// Rising within its kind. Only that of a journal file that was never written to is used again.
    pub number: u64,
}

/// The kinds of files. Persisted in file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "described in docs/format.md")]
pub enum FileKind {
    Manifest,
    Journal,
    Checkpoint,
    Segment,
    Bitmap,
    /// What was cut from a journal's tail, kept for a person to look at.
    Cut,
}

impl FileKind {
    /// As in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::Manifest => "manifest",
            FileKind::Journal => "journal",
            FileKind::Checkpoint => "checkpoint",
            FileKind::Segment => "segment",
            FileKind::Bitmap => "bitmap",
            FileKind::Cut => "cut",
        }
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:016x}", self.kind.as_str(), self.number)
    }
}

/// An operation. Offsets and lengths of reads and writes are multiples of [`Disk::block`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each operation's sentence says what its fields are")]
pub enum Op {
    /// Makes a file of `size` zero bytes, written and durable (so that later writes change no metadata).
    Create { file: FileName, size: u64 },
    /// Writes at an offset, growing the file if need be; with `sync` durable on completion.
    Write { file: FileName, offset: u64, data: Vec<u8>, sync: bool },
    /// As `Write`, not synced, of what `source` makes, on the thread that writes it where there are threads.
    WriteFrom { file: FileName, offset: u64, source: Arc<dyn Source> },
    /// Makes earlier completed writes of the file durable.
    Sync { file: FileName },
    /// Reads; fewer bytes come back only at the end of the file.
    Read { file: FileName, offset: u64, length: usize },
    /// The whole file becomes `data`, durably and at once (write aside, sync, rename, sync the directory).
    Replace { file: FileName, data: Vec<u8> },
    /// Renames durably; used to recycle journal files.
    Rename { from: FileName, to: FileName },
    /// Removes durably. Of what a crash meets half removed, a beginning may be left.
    Remove { file: FileName },
    /// Every file with its length.
    List,
    /// Bytes free on the file system.
    Free,
    /// Nothing on the disk: gives back memory, which a disk with threads does little by little.
    Release(Arc<dyn Release>),
}

impl Op {
    /// With its bytes made.
    pub fn made(self) -> Op {
        match self {
            Op::WriteFrom { file, offset, source } => {
                Op::Write { file, offset, data: source.make(), sync: false }
            }
            made => made,
        }
    }
}

/// Makes bytes when they are to be written.
pub trait Source: Debug + Send + Sync {
    /// The bytes: asked for once, by whoever carries out the operation. What a second call gives is not defined.
    fn make(&self) -> Vec<u8>;
}

/// Memory that takes long to give back.
pub trait Release: Debug + Send + Sync {
    /// Gives it back, unless somebody else has a share of it, and calls `pause` now and then.
    fn release(self: Arc<Self>, pause: &mut dyn FnMut());
}

/// What an operation yielded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nothing but its success.
    Done,
    /// Of `Write`, `WriteFrom` and `Replace`, bytes.
    Written(u64),
    /// Of `Read`.
    Bytes(Vec<u8>),
    /// Of `List`, in name order.
    Files(Vec<(FileName, u64)>),
    /// Of `Free`, bytes.
    Free(u64),
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no such file.
    NotFound,
    /// No space left. The file's earlier content is as it was; the bytes of this write are unknown.
    Full,
    /// Anything else (EIO): the text is the system's.
    Broken(String),
}

/// Names one operation until its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A completed operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which one.
    pub ticket: Ticket,
    /// How it went.
    pub result: Result<Output, Failure>,
}

/// A directory of files, by submission and completion.
pub trait Disk {
    /// Offsets and lengths of reads and writes are multiples of this: a power of two, at least [`SECTOR`].
    fn block(&self) -> usize;
    /// Begins an operation.
    fn submit(&mut self, op: Op) -> Ticket;
    /// A completion, if there is one.
    fn poll(&mut self) -> Option<Completion>;
    /// Blocks until there is a completion; only for opening, when nothing else can go on.
    /// Called only while an operation is out.
    fn wait(&mut self) -> Completion;
}

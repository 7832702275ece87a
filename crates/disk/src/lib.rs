//! The real disk: a directory of a real file system behind [`store::disk::Disk`].
//!
//! Five threads do the work, and an idle one costs nothing: one writes the journal, so that its groups never queue
//! behind anything else, one removes files, which takes its time, one gives back memory, which appends may have to wait
//! for and is not to queue behind removals, and two do the rest. A thread is woken only when it sleeps; a busy one takes
//! the next operation by itself.
//!
//! Durable writes use O_DIRECT and O_DSYNC where the file system allows, one system call for data and
//! barrier together, and otherwise `write` and `fdatasync`. Reads go through the page cache, and nothing is read ahead.

mod aligned;
mod beside;
mod files;
mod names;
mod perform;
mod queue;

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use store::disk::{Completion, Disk, Failure, FileKind, Op, Ticket};

pub use crate::beside::Beside;
use crate::files::Files;
use crate::perform::Performer;
use crate::queue::{Completions, Queue};

/// Threads for everything but the journal, removals and memory.
const POOL: usize = 2;
/// Held by flock while a process uses the directory.
const LOCK: &str = "lock";
const PANICKED: &str = "a disk thread panicked; the line above says where";

/// How a directory is opened.
#[derive(Clone)]
pub struct Options {
    /// Called by a disk thread after each completion it has queued, with nothing locked.
    pub waker: Arc<dyn Fn() + Send + Sync>,
    /// Whether O_DIRECT is tried at all; off, durable writes are `write` and `fdatasync`.
    pub direct: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { waker: Arc::new(|| ()), direct: true }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("direct", &self.direct).finish_non_exhaustive()
    }
}

/// Why a directory cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it.
    InUse(PathBuf),
    /// The file system says no.
    Io(PathBuf, io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse(path) => write!(
                f,
                "the data directory {} is in use by another process; stop that one first, or give this one \
                 a directory of its own",
                path.display()
            ),
            OpenError::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// A directory with the threads that serve it. Dropping it finishes the operations that are being done,
/// forgets those that are not begun, and lets another process have the directory.
#[derive(Debug)]
pub struct LocalDisk {
    journal: Arc<Queue>,
    removals: Arc<Queue>,
    releases: Arc<Queue>,
    others: Arc<Queue>,
    completions: Arc<Completions>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
    direct: bool,
    _lock: File,
}

impl LocalDisk {
    /// Opens a directory, making it if need be, and keeps every other process out of it.
    pub fn open(directory: &Path, options: Options) -> Result<LocalDisk, OpenError> {
        let failed = |error| OpenError::Io(directory.to_owned(), error);
        make_directory(directory).map_err(failed)?;
        let lock = lock(directory)?;
        let files = Arc::new(Files::open(directory, options.direct).map_err(failed)?);
        let direct = files.is_direct();
        let completions = Arc::new(Completions::new(options.waker));
        let [journal, removals, releases, others] = std::array::from_fn(|_| Arc::new(Queue::default()));
        let mut disk = LocalDisk {
            journal: journal.clone(),
            removals: removals.clone(),
            releases: releases.clone(),
            others: others.clone(),
            completions,
            threads: Vec::new(),
            next: 0,
            direct,
            _lock: lock,
        };
        disk.spawn("sluice-journal", &journal, &files).map_err(failed)?;
        disk.spawn("sluice-remove", &removals, &files).map_err(failed)?;
        disk.spawn("sluice-memory", &releases, &files).map_err(failed)?;
        for _ in 0..POOL {
            disk.spawn("sluice-disk", &others, &files).map_err(failed)?;
        }
        Ok(disk)
    }

    /// Whether durable writes go past the page cache here.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    fn spawn(&mut self, name: &str, queue: &Arc<Queue>, files: &Arc<Files>) -> io::Result<()> {
        let (queue, completions) = (queue.clone(), self.completions.clone());
        let mut performer = Performer::new(files.clone());
        let work = move || {
            while let Some((ticket, op)) = queue.take() {
                // Without a completion whoever waits for it would wait for ever.
                let result = catch_unwind(AssertUnwindSafe(|| performer.perform(op)));
                let result = result.unwrap_or_else(|_| Err(Failure::Broken(PANICKED.to_owned())));
                completions.push(Completion { ticket, result });
            }
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }
}

impl Disk for LocalDisk {
    fn block(&self) -> usize {
        files::BLOCK
    }

    fn submit(&mut self, op: Op) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        let queue = match op {
            Op::Remove { .. } => &self.removals,
            Op::Release(_) => &self.releases,
            _ if is_journal_write(&op) => &self.journal,
            _ => &self.others,
        };
        queue.put(ticket, op);
        ticket
    }

    fn poll(&mut self) -> Option<Completion> {
        self.completions.pop()
    }

    fn wait(&mut self) -> Completion {
        self.completions.wait()
    }
}

impl Drop for LocalDisk {
    fn drop(&mut self) {
        let queues = [&self.journal, &self.removals, &self.releases, &self.others];
        queues.into_iter().for_each(|queue| queue.close());
        for thread in self.threads.drain(..) {
            // The waker runs on these threads; should it hold the last reference, a thread cannot join itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn is_journal_write(op: &Op) -> bool {
    matches!(op, Op::Write { file, .. } | Op::Sync { file } if file.kind == FileKind::Journal)
}

/// Makes the directory and, where it is new, its entry durable.
fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK);
    let failed = |error| OpenError::Io(path.clone(), error);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::Io(path, error)),
    }
}

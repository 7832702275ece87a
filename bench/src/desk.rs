//! One machine, two kinds of thread that run it: the one that brings work, and the disk's own when something
//! has completed. As in the server, a disk thread that finds someone at work leaves, and whoever was at work
//! looks again; so the journal's next group is under way without a thread being woken for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use disk::LocalDisk;
use server::clock;

/// What runs at a desk.
pub trait Machine: Send + 'static {
    /// The disk may have something to tell.
    fn completed(&mut self);
}

/// Lets time pass: calls `wait` with what is left of it, until nothing is.
pub fn rest(duration: Duration, wait: impl Fn(Duration) -> Result<(), String>) -> Result<(), String> {
    let end = clock::instant() + duration;
    while let Some(left) = end.checked_duration_since(clock::instant()).filter(|left| !left.is_zero()) {
        wait(left)?;
    }
    Ok(())
}

/// See the module. The thread that makes it is the one that brings work.
#[derive(Debug)]
pub struct Desk<M> {
    machine: Mutex<M>,
    kicked: AtomicBool,
    owner: Thread,
}

impl<M: Machine> Desk<M> {
    /// Opens a directory's disk, makes a machine over it, and lets the disk's threads run it.
    pub fn open(
        directory: &Path,
        machine: impl FnOnce(LocalDisk) -> Result<M, String>,
    ) -> Result<Arc<Desk<M>>, String> {
        // The disk's threads wake the desk, which holds the machine, which holds the disk: the desk comes last.
        let late = Arc::new(OnceLock::<Weak<Desk<M>>>::new());
        let waker = late.clone();
        let wake = move || {
            if let Some(desk) = waker.get().and_then(Weak::upgrade) {
                desk.kick();
            }
        };
        let options = disk::Options { waker: Arc::new(wake), ..disk::Options::default() };
        let disk = LocalDisk::open(directory, options).map_err(|error| error.to_string())?;
        let machine = Mutex::new(machine(disk)?);
        let desk = Arc::new(Desk { machine, kicked: AtomicBool::new(false), owner: thread::current() });
        let _ = late.set(Arc::downgrade(&desk));
        // What completed before the waker knew the desk.
        desk.kick();
        Ok(desk)
    }

    /// Does something with the machine, and what the disk's threads had to leave meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut M) -> T) -> T {
        let done = work(&mut self.lock());
        self.run_kicked();
        done
    }

    /// Waits until the disk has told something, or this long.
    pub fn wait(&self, longest: Duration) {
        thread::park_timeout(longest);
    }

    fn lock(&self) -> MutexGuard<'_, M> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kick(&self) {
        self.kicked.store(true, Ordering::SeqCst);
        self.run_kicked();
        self.owner.unpark();
    }

    /// Whoever set `kicked` and finds the lock taken leaves it to its holder, who comes by here afterwards.
    fn run_kicked(&self) {
        while self.kicked.load(Ordering::SeqCst) {
            let mut machine = match self.machine.try_lock() {
                Ok(machine) => machine,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.kicked.store(false, Ordering::SeqCst);
            machine.completed();
        }
    }
}

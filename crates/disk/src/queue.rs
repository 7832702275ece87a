//! Operations on their way to a thread, and completions on their way back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use store::disk::{Completion, Op, Ticket};

/// A panicking disk thread holds no half-changed queue, so a poisoned lock is taken as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Operations for one thread or a pool.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    operations: VecDeque<(Ticket, Op)>,
    asleep: usize,
    closed: bool,
}

impl Queue {
    /// Adds an operation; wakes a thread only if one sleeps, because that is a system call.
    pub fn put(&self, ticket: Ticket, op: Op) {
        let mut state = lock(&self.state);
        state.operations.push_back((ticket, op));
        let anyone = state.asleep > 0;
        drop(state);
        if anyone {
            self.wake.notify_one();
        }
    }

    /// The next operation, waiting for it; `None` once the queue is closed.
    pub fn take(&self) -> Option<(Ticket, Op)> {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.operations.pop_front() {
                return Some(next);
            }
            state.asleep += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
    }

    /// Lets every thread go after what it is doing.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.wake.notify_all();
    }
}

/// What is done and not yet polled.
pub struct Completions {
    state: Mutex<Done>,
    arrived: Condvar,
    waker: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Debug, Default)]
struct Done {
    completions: VecDeque<Completion>,
    someone_waits: bool,
}

impl fmt::Debug for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completions").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Completions {
    /// None yet; `waker` is called after each.
    pub fn new(waker: Arc<dyn Fn() + Send + Sync>) -> Completions {
        Completions { state: Mutex::default(), arrived: Condvar::new(), waker }
    }

    /// Adds one, then calls the waker with nothing locked.
    pub fn push(&self, completion: Completion) {
        let mut state = lock(&self.state);
        state.completions.push_back(completion);
        if state.someone_waits {
            self.arrived.notify_one();
        }
        drop(state);
        (self.waker)();
    }

    /// The oldest, if there is one.
    pub fn pop(&self) -> Option<Completion> {
        lock(&self.state).completions.pop_front()
    }

    /// The oldest, waiting for it.
    pub fn wait(&self) -> Completion {
        let mut state = lock(&self.state);
        loop {
            if let Some(next) = state.completions.pop_front() {
                state.someone_waits = false;
                return next;
            }
            state.someone_waits = true;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

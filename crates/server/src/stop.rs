//! A graceful stop: told to every connection once, and cheap for those that never hear of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;

/// Whether the server is stopping, and whom to tell.
#[derive(Debug, Default)]
pub struct Stop {
    stopping: AtomicBool,
    next: AtomicU64,
    wakers: Mutex<HashMap<u64, Waker>>,
    began: Notify,
    emptied: Notify,
}

impl Stop {
    /// Whether it is stopping; one atomic load.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Begins the stop and wakes every registered connection.
    pub fn begin(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wakers().values().for_each(Waker::wake_by_ref);
        self.began.notify_one();
    }

    /// Waits until the stop begins; for the one task that accepts connections.
    pub async fn begun(&self) {
        if !self.is_stopping() {
            self.began.notified().await;
        }
    }

    /// Registers a connection; its task is woken when the stop begins. A task that registers while it
    /// begins sees either the wake or `is_stopping`.
    pub fn register(&self, waker: Waker) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.wakers().insert(id, waker);
        id
    }

    /// The connection is closed.
    pub fn forget(&self, id: u64) {
        let mut wakers = self.wakers();
        wakers.remove(&id);
        if wakers.is_empty() {
            self.emptied.notify_one();
        }
    }

    /// Waits until no connection is registered.
    pub async fn all_gone(&self) {
        while !self.wakers().is_empty() {
            self.emptied.notified().await;
        }
    }

    fn wakers(&self) -> MutexGuard<'_, HashMap<u64, Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

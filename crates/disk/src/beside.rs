//! Reading a directory that this process has open already.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use store::disk::{Completion, Disk, Failure, Op, Ticket};

use crate::files::{BLOCK, Files};
use crate::perform::Performer;

/// Reads beside a [`crate::LocalDisk`], at once and on the caller's thread: for an export of a running store,
/// which is not to stand in the way of the store's own reads. What is read must be held by the store.
#[derive(Debug)]
pub struct Beside {
    performer: Performer,
    done: VecDeque<Completion>,
    next: u64,
}

impl Beside {
    /// Of this directory.
    pub fn open(directory: &Path) -> io::Result<Beside> {
        let performer = Performer::new(Arc::new(Files::beside(directory)?));
        Ok(Beside { performer, done: VecDeque::new(), next: 0 })
    }
}

impl Disk for Beside {
    fn block(&self) -> usize {
        BLOCK
    }

    fn submit(&mut self, op: Op) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        let result = match op {
            Op::Read { .. } => self.performer.perform(op),
            _ => Err(Failure::Broken("this disk only reads".into())),
        };
        self.done.push_back(Completion { ticket, result });
        ticket
    }

    fn poll(&mut self) -> Option<Completion> {
        self.done.pop_front()
    }

    fn wait(&mut self) -> Completion {
        self.poll().expect("an operation is out")
    }
}

//! Receives of a queue whose reply nobody saw.
//!
//! They are numbered in the order in which they ended, so that of each delivery it can be said which of them may have
//! come after it. One that was forgotten may have been decided for good, and counts. One that was taken back does not
//! count, once that is durable.

use std::collections::BTreeSet;

/// A receive that was taken back.
#[derive(Debug)]
struct Ghost {
    number: u64,
    /// The turn in which its client hung up.
    turn: u64,
    /// Its messages are visible again by themselves from then on, ms, and may be received before they are taken back.
    until: u64,
    /// The turn by which its reply was certainly due: from then on it was taken back.
    due: Option<u64>,
}

/// The receives of one queue that ended without anybody seeing their messages.
#[derive(Debug, Default)]
pub struct Unseen {
    all: u64,
    /// Those a crash may still have happened as if they had not been taken back.
    ghosts: Vec<Ghost>,
    /// Those that have been taken back for good.
    undone: BTreeSet<u64>,
}

impl Unseen {
    /// How many there were: the next one's number.
    pub fn number(&self) -> u64 {
        self.all
    }

    /// Those numbered `first` or higher that may count.
    pub fn since(&self, first: u64) -> u64 {
        let undone = self.undone.range(first..).count() as u64;
        self.all.saturating_sub(first) - undone
    }

    /// Whether a crash may have one happen that was taken back.
    pub fn has_ghosts(&self) -> bool {
        !self.ghosts.is_empty()
    }

    /// One ended that may have been decided for good.
    pub fn forgotten(&mut self) {
        self.all += 1;
    }

    /// One ended in this turn that was taken back, if before `until`.
    pub fn taken_back(&mut self, turn: u64, until: u64) {
        self.ghosts.push(Ghost { number: self.all, turn, until, due: None });
        self.all += 1;
    }

    /// What was decided up to the turn `durable` is durable in this one. A receive is taken back when its reply is due,
    /// which is when what it rests on is durable; what is decided after that becomes durable later.
    pub fn learn_durable(&mut self, durable: u64, turn: u64, now: u64) {
        self.ghosts.retain_mut(|ghost| match ghost.due {
            Some(due) if due <= durable => {
                let in_time = now < ghost.until;
                if in_time {
                    self.undone.insert(ghost.number);
                }
                !in_time
            }
            Some(_) => true,
            None => {
                ghost.due = (ghost.turn <= durable).then_some(turn);
                true
            }
        });
    }

    /// A crash may have forgotten that one was taken back.
    pub fn crashed(&mut self) {
        self.ghosts.clear();
    }
}

//! Receives of a queue whose reply nobody saw.
//!
//! They are numbered in the order in which they ended, so that of each delivery it can be said which of them may have
//! come after it. One that was forgotten may have been decided for good, and counts. One that was taken back hides its
//! messages until its reply is due, and does not count once that it was taken back is durable.

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
    /// The latest turn by which the reply of one was certainly due.
    last_due: u64,
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

    /// Whether those that are taken back were so before this turn, all of them.
    pub fn settled_before(&self, turn: u64) -> bool {
        self.last_due < turn && self.ghosts.iter().all(|ghost| ghost.due.is_some())
    }

    /// Whether a crash may have one happen that was taken back.
    pub fn has_ghosts(&self) -> bool {
        !self.ghosts.is_empty()
    }

    /// One ended that may have been decided for good.
    pub fn forgotten(&mut self) {
        self.all += 1;
    }

    /// One ended in this turn and is taken back, if that is before `until`. It is so already if its reply was due.
    pub fn taken_back(&mut self, turn: u64, until: u64, was_due: bool) {
        self.ghosts.push(Ghost { number: self.all, turn, until, due: was_due.then_some(turn) });
        self.all += 1;
        if was_due {
            self.last_due = self.last_due.max(turn);
        }
    }

    /// A request that began after the turn `before` is answered in this one. A receive given up before it rests on
    /// nothing that this one does not: its own reply is due by now.
    pub fn learn_due(&mut self, before: u64, turn: u64) {
        for ghost in self.ghosts.iter_mut().filter(|ghost| ghost.due.is_none() && ghost.turn <= before) {
            ghost.due = Some(turn);
            self.last_due = self.last_due.max(turn);
        }
    }

    /// What was decided up to the turn `durable` is durable. A receive is taken back when its reply is due.
    pub fn learn_durable(&mut self, durable: u64, now: u64) {
        self.ghosts.retain(|ghost| {
            let for_good = ghost.due.is_some_and(|due| due <= durable) && now < ghost.until;
            if for_good {
                self.undone.insert(ghost.number);
            }
            !for_good
        });
    }

    /// A crash may have forgotten that one was taken back.
    pub fn crashed(&mut self) {
        self.ghosts.clear();
    }
}

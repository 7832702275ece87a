//! Time, and spans of it: a thing happened somewhere between the beginning of its request and its reply.

use super::Violation;

/// From `lo` to `hi`, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// At least.
    pub lo: u64,
    /// At most.
    pub hi: u64,
}

impl Span {
    /// Exactly this.
    pub fn at(value: u64) -> Span {
        Span { lo: value, hi: value }
    }

    /// The least span that holds both.
    pub fn union(self, other: Span) -> Span {
        Span { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// Every sum of the two.
    pub fn plus(self, other: Span) -> Span {
        Span { lo: self.lo.saturating_add(other.lo), hi: self.hi.saturating_add(other.hi) }
    }

    /// Whether it holds this value.
    pub fn holds(self, value: u64) -> bool {
        self.lo <= value && value <= self.hi
    }
}

/// The server's clock: it never goes back while it runs, and over a restart no further than to the last thing that
/// is durable.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: u64,
    /// The latest time at which something began that was acknowledged as durable.
    acknowledged: u64,
}

impl Clock {
    /// The server is told this time.
    pub fn at(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    pub fn now(&self) -> Span {
        Span::at(self.now)
    }

    /// Something that began then is durable, and with it that time.
    pub fn acknowledged(&mut self, began: Span) {
        self.acknowledged = self.acknowledged.max(began.lo);
    }

    /// The server starts again.
    pub fn restarted(&mut self, now: u64) -> Result<(), Violation> {
        if now < self.acknowledged {
            return Err(format!("the clock went back to {now}, before {}", self.acknowledged));
        }
        self.now = now;
        Ok(())
    }
}

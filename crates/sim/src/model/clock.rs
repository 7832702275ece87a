//! Time as a span: between the least and the most the server may take it for.

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

/// The server's clock as seen from outside: it never goes back, but a crash may make it forget how far it was.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Span,
    /// No reply was acknowledged by a server whose clock was later than this... at least.
    acknowledged: u64,
}

impl Clock {
    /// The machine's clock says this.
    pub fn at(&mut self, now: u64) {
        self.now = Span { lo: self.now.lo.max(now), hi: self.now.hi.max(now) };
    }

    pub fn now(&self) -> Span {
        self.now
    }

    /// Something that began then is durable, and with it that time.
    pub fn acknowledged(&mut self, began: Span) {
        self.acknowledged = self.acknowledged.max(began.lo);
    }

    /// The server starts again, when the machine's clock says `now`: later than anything durable, by 1 ms.
    pub fn restarted(&mut self, now: u64) {
        self.now = Span { lo: self.acknowledged.max(now), hi: (self.now.hi + 1).max(now) };
    }
}

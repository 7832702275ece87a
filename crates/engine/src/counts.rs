//! What happened, by kind: counted always, for metrics and for whoever wants to know what a test has reached.

/// A kind of thing that can happen in a slot or in the node around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "`Count::name` says what each is")]
pub enum Count {
    AskRun,
    AskSkippingRun,
    AskLane,
    AskExists,
    AskBody,
    AskExpired,
    NeedExists,
    NeedBody,
    LoadArrived,
    LoadDelayed,
    LoadLane,
    LoadReturned,
    LoadMoving,
    LoadExpiry,
    FilteredDeleted,
    FilteredCut,
    FilteredReceived,
    FilteredLeaving,
    FilteredSkipped,
    FilteredExpired,
    FilteredReturned,
    FilteredFactDeleted,
    FilteredFactCut,
    DroppedStale,
    DroppedOrphan,
    DurableMeanwhile,
    ExpiredMeanwhile,
    DepartedMeanwhile,
    ArrivedMeanwhile,
    PurgedMeanwhile,
    PurgedMoving,
    PurgedInFlight,
    LeftForDeadLetters,
    ArrivedAsDeadLetter,
    LeftByTask,
    ArrivedByTask,
    ArrivedAgain,
    Departed,
    Forgotten,
    Withdrawn,
    ToldAtStart,
    TaskCompleted,
    TaskFailed,
    Expired,
    Evicted,
    LaneResumed,
    Undone,
    UndoneTooLate,
    Woken,
}

impl Count {
    /// Every kind with its name.
    pub const ALL: [(Count, &'static str); 49] = [
        (Count::AskRun, "ask: run"),
        (Count::AskSkippingRun, "ask: run that skips lanes"),
        (Count::AskLane, "ask: lane"),
        (Count::AskExists, "ask: exists"),
        (Count::AskBody, "ask: body"),
        (Count::AskExpired, "ask: expired"),
        (Count::NeedExists, "need: exists"),
        (Count::NeedBody, "need: body"),
        (Count::LoadArrived, "load for the window: arrived"),
        (Count::LoadDelayed, "load for the window: delayed"),
        (Count::LoadLane, "load for the window: a parked lane"),
        (Count::LoadReturned, "load of returned messages"),
        (Count::LoadMoving, "load of moving messages"),
        (Count::LoadExpiry, "load of expired messages"),
        (Count::FilteredDeleted, "page filtered: deleted meanwhile"),
        (Count::FilteredCut, "page filtered: cut meanwhile"),
        (Count::FilteredReceived, "page filtered: received meanwhile"),
        (Count::FilteredLeaving, "page filtered: leaving meanwhile"),
        (Count::FilteredSkipped, "page filtered: a skipped lane's first message"),
        (Count::FilteredExpired, "page filtered: of expired messages"),
        (Count::FilteredReturned, "page filtered: of returned messages"),
        (Count::FilteredFactDeleted, "page filtered: of a need, deleted meanwhile"),
        (Count::FilteredFactCut, "page filtered: of a need, cut meanwhile"),
        (Count::DroppedStale, "page dropped: its cursor went back"),
        (Count::DroppedOrphan, "page dropped: its queue is gone"),
        (Count::DurableMeanwhile, "a message became durable while a page was out"),
        (Count::ExpiredMeanwhile, "a message expired while a page was out"),
        (Count::DepartedMeanwhile, "a message departed while a page was out"),
        (Count::ArrivedMeanwhile, "a message arrived while a page was out"),
        (Count::PurgedMeanwhile, "purge while a page was out"),
        (Count::PurgedMoving, "purge while messages were leaving"),
        (Count::PurgedInFlight, "purge while messages were in flight"),
        (Count::LeftForDeadLetters, "dead letter: leaving"),
        (Count::ArrivedAsDeadLetter, "dead letter: arrived"),
        (Count::LeftByTask, "move task: leaving"),
        (Count::ArrivedByTask, "move task: arrived"),
        (Count::ArrivedAgain, "move: arrived twice, recognised"),
        (Count::Departed, "move: deleted in its source"),
        (Count::Forgotten, "move: forgotten in its target"),
        (Count::Withdrawn, "move: withdrawn, its target is gone"),
        (Count::ToldAtStart, "move: its source told after a start"),
        (Count::TaskCompleted, "move task: completed"),
        (Count::TaskFailed, "move task: failed"),
        (Count::Expired, "a message expired"),
        (Count::Evicted, "a window was given up"),
        (Count::LaneResumed, "a parked lane was resumed"),
        (Count::Undone, "a receive was undone"),
        (Count::UndoneTooLate, "a receive was received again before it was undone"),
        (Count::Woken, "a waiting receive was decided again"),
    ];
}

/// How often each kind happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts([u64; Count::ALL.len()]);

impl Default for Counts {
    fn default() -> Counts {
        Counts([0; Count::ALL.len()])
    }
}

impl Counts {
    /// It happened once more.
    pub fn add(&mut self, count: Count) {
        self.0[count as usize] += 1;
    }

    /// It happened so many times more.
    pub fn add_many(&mut self, count: Count, times: usize) {
        self.0[count as usize] += times as u64;
    }

    /// How often it happened.
    pub fn of(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Adds other counts to these.
    pub fn absorb(&mut self, other: &Counts) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// Every kind's name and number.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Count::ALL.iter().map(|(count, name)| (*name, self.of(*count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_place() {
        for (place, (count, _)) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, place);
        }
    }
}

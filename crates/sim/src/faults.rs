//! The kinds of faults, which of them a seed may show, and how often each happened.

/// What can go wrong. The names are those of `--without`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// The power fails: the process is gone, unsynced writes survive in any subset.
    PowerCut,
    /// The process is killed, the machine stays up: completed writes can still be read but are as little
    /// synced as before.
    Kill,
    /// Only part of an unsynced write survives a power cut, in units of a sector.
    Torn,
    /// A bit of stored bytes flips.
    Rot,
    /// A read returns a flipped bit that is not on the disk.
    ReadRot,
    /// A write is acknowledged and lands elsewhere.
    Misdirected,
    /// A write is acknowledged and lands nowhere.
    Lost,
    /// A write fails.
    WriteError,
    /// A sync fails.
    SyncError,
    /// A read fails.
    ReadError,
    /// The disk is full for a while.
    Full,
    /// A completion takes seconds.
    Slow,
    /// The clock jumps ahead.
    ClockAhead,
    /// The clock goes back.
    ClockBack,
    /// A client hangs up before its reply.
    HangUp,
    /// A client is gone when its reply comes out.
    Undo,
    /// A client stops for long with messages in its hands.
    Stall,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 17] = [
        Fault::PowerCut,
        Fault::Kill,
        Fault::Torn,
        Fault::Rot,
        Fault::ReadRot,
        Fault::Misdirected,
        Fault::Lost,
        Fault::WriteError,
        Fault::SyncError,
        Fault::ReadError,
        Fault::Full,
        Fault::Slow,
        Fault::ClockAhead,
        Fault::ClockBack,
        Fault::HangUp,
        Fault::Undo,
        Fault::Stall,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::PowerCut => "power-cut",
            Fault::Kill => "kill",
            Fault::Torn => "torn",
            Fault::Rot => "rot",
            Fault::ReadRot => "read-rot",
            Fault::Misdirected => "misdirected",
            Fault::Lost => "lost",
            Fault::WriteError => "write-error",
            Fault::SyncError => "sync-error",
            Fault::ReadError => "read-error",
            Fault::Full => "full",
            Fault::Slow => "slow",
            Fault::ClockAhead => "clock-ahead",
            Fault::ClockBack => "clock-back",
            Fault::HangUp => "hang-up",
            Fault::Undo => "undo",
            Fault::Stall => "stall",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultSet(u32);

impl FaultSet {
    /// No kind.
    pub const NONE: FaultSet = FaultSet(0);

    /// Adds a kind.
    pub fn insert(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u32;
    }

    /// Takes a kind out.
    pub fn remove(&mut self, fault: Fault) {
        self.0 &= !(1 << fault as u32);
    }

    /// Whether it has the kind.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// The kinds it has.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |&fault| self.has(fault))
    }
}

/// How often each kind happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl FaultCounts {
    /// It happened once more.
    pub fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often it happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds another count to this.
    pub fn absorb(&mut self, other: &FaultCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_name_and_place() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
            assert_eq!(Fault::named(fault.name()), Some(fault));
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = FaultSet::NONE;
        set.insert(Fault::Rot);
        set.insert(Fault::Stall);
        set.remove(Fault::Rot);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Fault::Stall]);
    }
}

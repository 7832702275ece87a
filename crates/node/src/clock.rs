//! The time a node is told: never backwards, and never standing still.

use engine::Millis;

/// Wall time that goes on at its own pace when the machine's clock is put back, and follows it when it is put
/// ahead. Otherwise every long poll and visibility timeout would wait until the machine's clock had caught up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// How far wall time is ahead of the steady time it was first read with, ms. Only grows.
    ahead: Millis,
}

impl Clock {
    /// A clock whose time is `now` or later from the steady time `steady` on.
    pub fn starting(now: Millis, steady: Millis) -> Clock {
        Clock { ahead: now.saturating_sub(steady) }
    }

    /// The time when the machine's clock says `wall` (ms) and `steady` ms have passed since some moment.
    pub fn read(&mut self, wall: Millis, steady: Millis) -> Millis {
        self.ahead = self.ahead.max(wall.saturating_sub(steady));
        steady + self.ahead
    }

    /// The steady time at which it will be `at`, unless the machine's clock is put ahead before.
    pub fn steady_at(&self, at: Millis) -> Millis {
        at.saturating_sub(self.ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_when_the_clock_is_put_back_and_follows_when_it_is_put_ahead() {
        let mut clock = Clock::default();
        for (wall, steady, now) in [
            (1_000, 10, 1_000),
            (1_005, 15, 1_005),
            (205, 25, 1_015),
            (215, 35, 1_025),
            (9_000, 36, 9_000),
            (9_001, 38, 9_002),
        ] {
            assert_eq!(clock.read(wall, steady), now, "{wall} {steady}");
        }
    }

    #[test]
    fn it_begins_no_earlier_than_what_a_store_remembers() {
        let mut clock = Clock::starting(5_000, 100);
        assert_eq!(clock.read(3_000, 100), 5_000);
        assert_eq!(clock.read(3_020, 120), 5_020);
    }
}

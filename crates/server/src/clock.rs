//! The only place that reads the machine's clock: once a turn, and for log lines and latencies.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use engine::Millis;
use node::clock::Clock;

static CLOCK: Mutex<Option<Clock>> = Mutex::new(None);

/// Milliseconds since the Unix epoch, as [`Clock`] tells them.
pub fn now() -> Millis {
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    clock.get_or_insert_default().read(wall(), steady())
}

/// From now on the time is `now` or later: the store remembers that it was.
pub fn at_least(now: Millis) -> Millis {
    let ahead = Clock::starting(now.max(self::now()), steady());
    *CLOCK.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    self::now()
}

/// What the machine's clock says, ms; 0 on a machine whose clock stands before the epoch.
fn wall() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// Milliseconds since the first call.
fn steady() -> Millis {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_millis() as Millis
}

/// A point to measure a duration from; never goes backwards.
pub fn instant() -> Instant {
    Instant::now()
}

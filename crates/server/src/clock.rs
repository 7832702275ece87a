//! The only place that reads the machine's clock: once a turn, and for log lines and latencies.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use engine::Millis;

/// Milliseconds since the Unix epoch; 0 on a machine whose clock stands before it.
pub fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// A point to measure a duration from; never goes backwards.
pub fn instant() -> Instant {
    Instant::now()
}

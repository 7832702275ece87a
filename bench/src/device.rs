//! When the device under a directory stands still, which no program on it can help: a figure of a run in which it
//! did is one of the device.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(1);
/// A pause in its completions, with something to do, that counts.
const STALL: Duration = Duration::from_millis(8);

/// Looks at the device until it is told to end.
#[derive(Debug)]
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Stalls>,
}

/// How often and how long the device completed nothing though it had something to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// Times.
    pub count: u64,
    /// Together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

impl fmt::Display for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stalls { count, total, longest } = self;
        let (least, total, longest) = (STALL.as_millis(), total.as_millis(), longest.as_millis());
        write!(
            f,
            "the device stood still {count} times for {least} ms and more: {total} ms, at most {longest} ms"
        )
    }
}

impl Watch {
    /// Begins; `None` where the system does not tell of the directory's device.
    pub fn begin(directory: &Path) -> Option<Watch> {
        let device = fs::metadata(directory).ok().map(|it| std::os::unix::fs::MetadataExt::dev(&it))?;
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let stat = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        look(&stat)?;
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let work = move || {
            let mut pauses = Pauses::default();
            while !ends.load(Ordering::Relaxed) {
                let now = Instant::now();
                look(&stat).into_iter().for_each(|seen| pauses.note(now, seen));
                thread::sleep(LOOK);
            }
            pauses.over()
        };
        Some(Watch { over, thread: thread::spawn(work) })
    }

    /// Ends, and tells what was seen.
    pub fn end(self) -> Stalls {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// What the device had done, and whether it had something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    done: u64,
    busy: bool,
}

/// The kernel's counts, `Documentation/block/stat.rst`: reads, writes, discards and flushes that are done, and
/// those in flight.
fn look(stat: &Path) -> Option<Seen> {
    let text = fs::read_to_string(stat).ok()?;
    let counts: Vec<u64> = text.split_whitespace().map_while(|count| count.parse().ok()).collect();
    let done = [0, 4, 11, 15].into_iter().filter_map(|at| counts.get(at)).sum();
    Some(Seen { done, busy: *counts.get(8)? > 0 })
}

/// Pauses, look by look.
#[derive(Debug, Default)]
struct Pauses {
    /// Since when it has done nothing though it was busy each time.
    since: Option<(Instant, Seen)>,
    last: Duration,
    stalls: Stalls,
}

impl Pauses {
    fn note(&mut self, now: Instant, seen: Seen) {
        match self.since {
            Some((began, before)) if seen == before => self.last = now - began,
            _ => {
                self.over();
                self.since = seen.busy.then_some((now, seen));
            }
        }
    }

    /// The pause is over; the stalls with it.
    fn over(&mut self) -> Stalls {
        let pause = std::mem::take(&mut self.last);
        if pause >= STALL {
            self.stalls.count += 1;
            self.stalls.total += pause;
            self.stalls.longest = self.stalls.longest.max(pause);
        }
        self.stalls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_while_there_is_something_to_do() {
        let began = Instant::now();
        let mut pauses = Pauses::default();
        let mut note = |ms, done, busy| pauses.note(began + Duration::from_millis(ms), Seen { done, busy });
        // Busy and getting on, idle for long, busy and short.
        [(0, 1, true), (1, 2, true), (2, 3, false), (90, 3, false), (91, 3, true), (95, 4, true)]
            .into_iter()
            .for_each(|(ms, done, busy)| note(ms, done, busy));
        // Twice for long.
        [(96, 5, true), (100, 5, true), (126, 5, true), (127, 6, true), (137, 6, true), (138, 6, false)]
            .into_iter()
            .for_each(|(ms, done, busy)| note(ms, done, busy));
        let ms = Duration::from_millis;
        assert_eq!(pauses.stalls, Stalls { count: 2, total: ms(40), longest: ms(30) });
        // It ends in the midst of one.
        [(200, 7, true), (220, 7, true)]
            .into_iter()
            .for_each(|(at, done, busy)| pauses.note(began + ms(at), Seen { done, busy }));
        assert_eq!(pauses.over(), Stalls { count: 3, total: ms(60), longest: ms(30) });
    }

    #[test]
    fn the_kernels_counts_are_read() {
        let directory = std::env::temp_dir().join(format!("sluice-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let stat = directory.join("stat");
        fs::write(&stat, "  1 0 0 0  20 0 0 0  3 0 0  300 0 0 0  4000 0\n").unwrap();
        assert_eq!(look(&stat), Some(Seen { done: 4321, busy: true }));
        fs::write(&stat, "1 0 0 0 20 0 0 0 0 0 0\n").unwrap();
        assert_eq!(look(&stat), Some(Seen { done: 21, busy: false }));
        fs::write(&stat, "?").unwrap();
        assert_eq!(look(&stat), None);
        fs::remove_dir_all(&directory).unwrap();
    }
}

//! Runs seeds: one at a time, a panic inside being a failure of that seed, or many on a few threads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::options::{Options, Overrides};
use crate::world::{Report, World};

/// What became of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What happened in it; empty after a panic.
    pub report: Report,
    /// What was wrong, if something was.
    pub failure: Option<String>,
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics are failures of a seed: their text is kept instead of printed.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| PANIC.with_borrow_mut(|text| *text = info.to_string())));
}

/// Runs one seed.
pub fn run(seed: u64, overrides: &Overrides) -> Outcome {
    let options = Options::draw(seed, overrides);
    match catch_unwind(AssertUnwindSafe(|| World::new(options).run())) {
        Ok((report, outcome)) => Outcome { seed, report, failure: outcome.err() },
        Err(_) => {
            let text = PANIC.with_borrow(String::clone);
            Outcome { seed, report: Report::default(), failure: Some(format!("a panic: {text}")) }
        }
    }
}

/// Runs `count` seeds from `from` on `jobs` threads. `each` sees every outcome, in no particular order, and says
/// whether to go on.
pub fn run_all(
    from: u64,
    count: u64,
    jobs: usize,
    overrides: &Overrides,
    each: impl Fn(Outcome) -> bool + Sync,
) {
    let next = AtomicU64::new(0);
    let watch = Watch::default();
    let workers = AtomicU64::new(jobs as u64);
    std::thread::scope(|scope| {
        scope.spawn(|| watch.keep(&workers));
        for job in 0..jobs {
            let (next, watch, workers, each) = (&next, &watch, &workers, &each);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        watch.runs(job, None);
                        workers.fetch_sub(1, Ordering::Relaxed);
                        return;
                    }
                    watch.runs(job, Some(from + at));
                    if !each(run(from + at, overrides)) {
                        next.store(count, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// A seed that runs this long never ends.
const ENDLESS: Duration = Duration::from_secs(60);

/// Which seed each thread runs, and since when.
#[derive(Default)]
struct Watch(Mutex<BTreeMap<usize, (u64, Instant)>>);

impl Watch {
    fn runs(&self, job: usize, seed: Option<u64>) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seed {
            Some(seed) => running.insert(job, (seed, Instant::now())),
            None => running.remove(&job),
        };
    }

    /// A loop without end inside a seed can be told from outside only: the process ends with the seed's name.
    fn keep(&self, workers: &AtomicU64) {
        while workers.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(20));
            let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((seed, _)) = running.values().find(|(_, since)| since.elapsed() > ENDLESS) {
                println!("seed {seed} failed: it never ends (stopped after {} s)", ENDLESS.as_secs());
                println!("0 passed, 1 failed");
                std::process::exit(1);
            }
        }
    }
}

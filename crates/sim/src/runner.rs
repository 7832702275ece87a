//! Runs seeds: one at a time, a panic inside being a failure of that seed, or many on a few threads.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

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
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    if !each(run(from + at, overrides)) {
                        next.store(count, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

//! Whole worlds: the same seed twice is the same to the byte, and a slice of seeds passes.

use std::sync::Mutex;

use sim::options::Overrides;
use sim::runner::{run, run_all};
use sim::shrink::reproduction;

#[test]
fn the_same_seed_twice_gives_the_same_bytes() {
    let overrides = Overrides { ops: Some(300), ..Overrides::default() };
    let mut traces = Vec::new();
    for seed in 1_000..1_020 {
        let (one, other) = (run(seed, &overrides), run(seed, &overrides));
        assert_eq!(one, other, "seed {seed}: trace, disk, counts and outcome");
        traces.push(one.report.trace);
    }
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 20, "different seeds differ");
}

#[test]
fn a_slice_of_seeds_passes() {
    let overrides = Overrides { ops: Some(300), ..Overrides::default() };
    let failures = Mutex::new(Vec::new());
    let crashes = Mutex::new(0);
    // Seeds outside that are known to fail are listed in docs/simulation.md.
    run_all(0, 120, 2, &overrides, |outcome| {
        *crashes.lock().unwrap() += outcome.report.crashes;
        if let Some(why) = outcome.failure {
            let line = reproduction(outcome.seed, &overrides);
            failures.lock().unwrap().push(format!("{line}\n  {why}"));
        }
        true
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(crashes.into_inner().unwrap() > 100, "the slice crashes often enough to mean something");
}

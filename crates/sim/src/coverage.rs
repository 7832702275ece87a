//! What happened over many seeds, and in how many of them.

use std::collections::BTreeMap;
use std::fmt;

use crate::faults::{Fault, FaultCounts};
use crate::runner::Outcome;

/// Sums over seeds.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Seeds that were run.
    pub seeds: u64,
    /// Operations in all of them.
    pub ops: u64,
    crashes: u64,
    faults: FaultCounts,
    failures: u64,
    /// Of each thing that can happen: in how many seeds it did, and how often in all.
    happened: BTreeMap<String, (u64, u64)>,
}

impl Coverage {
    /// One more seed.
    pub fn add(&mut self, outcome: &Outcome) {
        let report = &outcome.report;
        self.seeds += 1;
        self.ops += report.ops;
        self.crashes += report.crashes;
        self.failures += u64::from(outcome.failure.is_some());
        self.faults.absorb(&report.faults);
        for fault in Fault::ALL {
            self.count(format!("fault {}", fault.name()), report.faults.of(fault));
        }
        for (mark, times) in &report.marks {
            self.count((*mark).to_owned(), *times);
        }
    }

    fn count(&mut self, what: String, times: u64) {
        let (seeds, all) = self.happened.entry(what).or_default();
        *seeds += u64::from(times > 0);
        *all += times;
    }

    /// All of it in one line.
    pub fn line(&self) -> String {
        format!(
            "{} seeds, {} operations, {} crashes, {} faults, {} failures",
            self.seeds,
            self.ops,
            self.crashes,
            self.faults.total(),
            self.failures
        )
    }
}

impl fmt::Display for Coverage {
    /// As a table in Markdown, the rarest first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<_> = self.happened.iter().collect();
        all.sort_by_key(|(_, (seeds, _))| *seeds);
        writeln!(f, "| what happened | in seeds | times |\n|---|---:|---:|")?;
        for (what, (seeds, times)) in all {
            writeln!(f, "| {what} | {seeds} | {times} |")?;
        }
        Ok(())
    }
}

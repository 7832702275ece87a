//! Makes a failing seed small: fewer operations, then fewer kinds of faults, then fewer clients.

use crate::faults::Fault;
use crate::options::{Options, Overrides};
use crate::runner::run;

/// The smallest run of this seed that was found to fail still, within so many tries.
pub fn shrink(seed: u64, overrides: &Overrides, mut tries: u32) -> Overrides {
    let mut best = overrides.clone();
    let kind = run(seed, overrides).failure.map(|why| kind(&why));
    let mut fails = |candidate: &Overrides, tries: &mut u32| {
        *tries = tries.saturating_sub(1);
        *tries > 0 && run(seed, candidate).failure.map(|why| self::kind(&why)) == kind
    };
    fewer_ops(seed, &mut best, &mut tries, &mut fails);
    for fault in Fault::ALL {
        let mut candidate = best.clone();
        candidate.without.insert(fault);
        if Options::draw(seed, &best).faults.has(fault) && fails(&candidate, &mut tries) {
            best = candidate;
        }
    }
    let clients = Options::draw(seed, &best).clients;
    for fewer in 1..clients {
        let candidate = Overrides { clients: Some(fewer), ..best.clone() };
        if fails(&candidate, &mut tries) {
            best = candidate;
            break;
        }
    }
    fewer_ops(seed, &mut best, &mut tries, &mut fails);
    best
}

/// The beginning of a failure's text, without numbers: a smaller run must fail for the same reason.
pub fn kind(why: &str) -> String {
    why.chars().filter(|letter| !letter.is_ascii_digit()).take(36).collect()
}

/// A run of fewer operations begins like the longer one, so halving finds the end of the useful part, roughly:
/// whether it fails need not be monotone.
fn fewer_ops(
    seed: u64,
    best: &mut Overrides,
    tries: &mut u32,
    fails: &mut impl FnMut(&Overrides, &mut u32) -> bool,
) {
    let (mut low, mut high) = (0, Options::draw(seed, best).ops);
    while low + 1 < high && *tries > 0 {
        let middle = (low + high) / 2;
        let candidate = Overrides { ops: Some(middle), ..best.clone() };
        if fails(&candidate, tries) {
            *best = candidate;
            high = middle;
        } else {
            low = middle;
        }
    }
}

/// The command line that runs this seed so.
pub fn reproduction(seed: u64, overrides: &Overrides) -> String {
    let ops = Options::draw(seed, overrides).ops;
    let mut line = format!("cargo run --release -p sim -- --seeds 1 --from {seed} --ops {ops}");
    if let Some(clients) = overrides.clients {
        line += &format!(" --clients {clients}");
    }
    let without: Vec<_> = overrides.without.iter().map(Fault::name).collect();
    if !without.is_empty() {
        line += &format!(" --without {}", without.join(","));
    }
    line
}

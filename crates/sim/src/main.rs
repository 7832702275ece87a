//! `sim --seeds N [--from S] [--ops K]`: runs seeds and says what came of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use sim::coverage::Coverage;
use sim::faults::{Fault, FaultSet};
use sim::options::Overrides;
use sim::runner::{Outcome, catch_panics, run_all};
use sim::shrink::{reproduction, shrink};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
sim --seeds N [options]
  --from S          first seed (0)
  --ops K           operations of a seed's safety phase (1000)
  --jobs J          threads (2)
  --clients C       clients at most
  --without A,B     faults that never happen: see --coverage for their names
  --coverage        a table in Markdown: in how many seeds each thing happened
  --no-shrink       failing seeds are not made smaller
  --keep-going F    stop after this many failing seeds (10)
  --expect A|B      stop at the first failure whose text has one of these, and say so; other failures do not count
  --trace           print every step (for one seed)";

/// Tries to make one failing seed smaller.
const SHRINKING: u32 = 60;

#[derive(Default)]
struct Arguments {
    seeds: u64,
    from: u64,
    jobs: usize,
    most_failures: usize,
    coverage: bool,
    shrinks: bool,
    trace: bool,
    expected: Vec<String>,
    overrides: Overrides,
}

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)) {
        Ok(arguments) => campaign(&arguments),
        Err(why) => {
            eprintln!("{why}\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut all = Arguments { jobs: 2, most_failures: 10, shrinks: true, ..Arguments::default() };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--seeds" => all.seeds = number(value()?)?,
            "--from" => all.from = number(value()?)?,
            "--ops" => all.overrides.ops = Some(number(value()?)?),
            "--jobs" => all.jobs = number(value()?)?.max(1) as usize,
            "--clients" => all.overrides.clients = Some(number(value()?)?.max(1) as usize),
            "--without" => all.overrides.without = faults(&value()?)?,
            "--keep-going" => all.most_failures = number(value()?)? as usize,
            "--coverage" => all.coverage = true,
            "--no-shrink" => all.shrinks = false,
            "--trace" => all.trace = true,
            "--expect" => all.expected = value()?.split('|').map(str::to_owned).collect(),
            other => return Err(format!("{other} is not known")),
        }
    }
    if all.seeds == 0 { Err("--seeds is missing".into()) } else { Ok(all) }
}

fn faults(names: &str) -> Result<FaultSet, String> {
    let mut set = FaultSet::NONE;
    for name in names.split(',') {
        set.insert(Fault::named(name).ok_or_else(|| format!("{name} is no fault"))?);
    }
    Ok(set)
}

fn campaign(arguments: &Arguments) -> ExitCode {
    catch_panics();
    if arguments.trace {
        sim::world::trace(true);
        let outcome = sim::runner::run(arguments.from, &arguments.overrides);
        println!("{outcome:#?}");
        return ExitCode::SUCCESS;
    }
    if !arguments.expected.is_empty() {
        return expect(arguments);
    }
    let begun = Instant::now();
    let all = Mutex::new((Coverage::default(), Vec::new()));
    run_all(arguments.from, arguments.seeds, arguments.jobs, &arguments.overrides, |outcome| {
        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.0.add(&outcome);
        if let Some(why) = &outcome.failure {
            eprintln!("seed {} failed: {}", outcome.seed, why.chars().take(100).collect::<String>());
            all.1.push(outcome);
        }
        all.1.len() < arguments.most_failures
    });
    let (coverage, mut failures) = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs_f64();
    failures.sort_by_key(|outcome| outcome.seed);
    failures.iter().for_each(|outcome| report(arguments, outcome));
    if arguments.coverage {
        print!("{coverage}");
    }
    let rate = coverage.ops as f64 / seconds;
    println!("{}, {seconds:.1} s, {rate:.0} operations/s", coverage.line());
    println!("{} passed, {} failed", coverage.seeds - failures.len() as u64, failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks for a failure of a certain kind, as a planted bug causes.
fn expect(arguments: &Arguments) -> ExitCode {
    let found = Mutex::new(None);
    let seeds = Mutex::new(0);
    run_all(arguments.from, arguments.seeds, arguments.jobs, &arguments.overrides, |outcome| {
        *seeds.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        let why = outcome.failure.unwrap_or_default();
        let fits = !why.is_empty() && arguments.expected.iter().any(|text| why.contains(text));
        let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if fits && found.is_none() {
            *found = Some((outcome.seed, why));
        }
        found.is_none()
    });
    let seeds = seeds.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some((seed, why)) => {
            println!("as expected, after {seeds} seeds: seed {seed} failed: {why}");
            ExitCode::SUCCESS
        }
        None => {
            println!("nothing of the kind in {seeds} seeds");
            ExitCode::FAILURE
        }
    }
}

fn report(arguments: &Arguments, outcome: &Outcome) {
    let why = outcome.failure.as_deref().unwrap_or_default();
    let why: String = why.chars().take(1_200).collect();
    println!("seed {} failed: {why}", outcome.seed);
    let smallest = match arguments.shrinks {
        true => shrink(outcome.seed, &arguments.overrides, SHRINKING),
        false => arguments.overrides.clone(),
    };
    println!("  {}", reproduction(outcome.seed, &smallest));
}

//! `fuzz --seconds S [--target NAME] [--seed N]`: runs targets and says what came of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use fuzz::campaign::{Found, Summary, Until, catch_panics, execute, input, run};
use fuzz::{TARGETS, Target, named};

const HELP: &str = "\
fuzz --seconds S [options]
  --seconds S       for each target
  --executions N    inputs of each target, instead of seconds
  --target NAME     only this one; may be given more than once
  --seed N          other inputs (0)
  --failures DIR    where failing inputs are kept (fuzz/failures)
  --input FILE      only this input, of the one target given
  --corpus DIR      write 200 inputs of each target there, for cargo-fuzz to begin with
  --list            the targets";

struct Arguments {
    until: Option<Until>,
    targets: Vec<&'static Target>,
    seed: u64,
    failures: PathBuf,
    input: Option<PathBuf>,
    corpus: Option<PathBuf>,
    lists: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    catch_panics();
    let chosen =
        if arguments.targets.is_empty() { TARGETS.iter().collect() } else { arguments.targets.clone() };
    if arguments.lists {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        return ExitCode::SUCCESS;
    }
    match (&arguments.input, &arguments.corpus, arguments.until) {
        (Some(input), ..) => again(&chosen, input),
        (None, Some(directory), _) => write_corpus(&chosen, arguments.seed, directory),
        (None, None, Some(until)) => campaign(&arguments, &chosen, until),
        (None, None, None) => {
            eprintln!("--seconds is missing\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let failures = PathBuf::from("fuzz/failures");
    let (until, targets, input, corpus) = (None, vec![], None, None);
    let mut all = Arguments { until, targets, seed: 0, failures, input, corpus, lists: false };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--seconds" => all.until = Some(Until::Time(Duration::from_secs(number(value()?)?))),
            "--executions" => all.until = Some(Until::Executions(number(value()?)?)),
            "--target" => {
                let name = value()?;
                all.targets.push(named(&name).ok_or_else(|| format!("there is no target {name}"))?);
            }
            "--seed" => all.seed = number(value()?)?,
            "--failures" => all.failures = value()?.into(),
            "--corpus" => all.corpus = Some(value()?.into()),
            "--input" => all.input = Some(value()?.into()),
            "--list" => all.lists = true,
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(all)
}

fn campaign(arguments: &Arguments, targets: &[&Target], until: Until) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for target in targets {
        let summary = run(target, arguments.seed, until);
        summary.found.iter().for_each(|found| report(target, arguments, found));
        let Summary { executions, accepted, slowest, .. } = summary;
        let share = accepted * 100 / executions.max(1);
        println!(
            "{}: {executions} executions ({share} % accepted, slowest {} ms), {} passed, {} failed",
            target.name,
            slowest.as_millis(),
            executions - summary.failed,
            summary.failed
        );
        passed += executions - summary.failed;
        failed += summary.failed;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(target: &Target, arguments: &Arguments, found: &Found) {
    let why: String = found.why.chars().take(1_200).collect();
    println!("{} failed {} times, first with input {}: {why}", target.name, found.times, found.number);
    let name = format!("{}-{}-{}", target.name, arguments.seed, found.number);
    let path = arguments.failures.join(name);
    let kept = std::fs::create_dir_all(&arguments.failures).and_then(|()| std::fs::write(&path, &found.data));
    match kept {
        Ok(()) => {
            println!("  cargo run --release -p fuzz -- --target {} --input {}", target.name, path.display())
        }
        Err(error) => println!("  not kept ({error}): {:?}", found.data),
    }
}

fn write_corpus(targets: &[&Target], seed: u64, directory: &Path) -> ExitCode {
    for target in targets {
        let directory = directory.join(target.name);
        let write = |number: u64| {
            std::fs::write(directory.join(format!("{seed}-{number}")), input(target, seed, number))
        };
        let written = std::fs::create_dir_all(&directory).and_then(|()| (0..200).try_for_each(write));
        if let Err(error) = written {
            eprintln!("{}: {error}", directory.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn again(targets: &[&Target], input: &Path) -> ExitCode {
    let [target] = targets else {
        eprintln!("--input needs the one --target it is for");
        return ExitCode::from(2);
    };
    let data = std::fs::read(input).map_err(|error| format!("{}: {error}", input.display()));
    match data.and_then(|data| execute(target, &data)) {
        Ok(()) => {
            println!("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

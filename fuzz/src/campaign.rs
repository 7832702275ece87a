//! Inputs by number, each carried out with its panic caught; what fails is made smaller.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::mutate::mutate;
use crate::{Target, memory, take_accepted};

/// The largest piece of memory that an input may make its decoder ask for, bytes, beside [`PER_BYTE`].
const MEMORY: usize = 4 << 20;
/// And this for every byte of the input.
const PER_BYTE: usize = 64;
/// Kinds of failures after which a target is given up.
const KINDS: usize = 10;
/// Inputs tried to make a failing one smaller.
const SHRINKING: usize = 2_000;

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics are failures of an input: their text is kept instead of printed, here and in the simulator.
pub fn catch_panics() {
    sim::runner::catch_panics();
    let of_simulator = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        of_simulator(info);
        PANIC.with_borrow_mut(|text| *text = info.to_string());
    }));
}

/// The input of a seed with this number: a valid one, changed some times, once in eight not at all.
pub fn input(target: &Target, seed: u64, number: u64) -> Vec<u8> {
    let dice = &mut Dice::new(seed, number);
    let mut data = (target.seed)(dice);
    let changes = if dice.one_in(4) { dice.below(12) } else { dice.below(3) };
    if changes > 0 {
        let other = (target.seed)(dice);
        (0..changes).for_each(|_| mutate(dice, &mut data, target.words, &other));
    }
    data
}

/// Carries an input out; what was wrong, if something was.
pub fn execute(target: &Target, data: &[u8]) -> Result<(), String> {
    memory::reset();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(data)));
    let (largest, most) = (memory::largest(), MEMORY + PER_BYTE * data.len());
    match result {
        Err(_) => Err(PANIC.with_borrow(String::clone)),
        // The simulator's own worlds are larger than any input.
        Ok(()) if largest > most && target.name != "operations" => {
            Err(format!("{largest} bytes of memory at once for an input of {} bytes", data.len()))
        }
        Ok(()) => Ok(()),
    }
}

/// When a target has had enough.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so long.
    Time(Duration),
    /// After so many inputs.
    Executions(u64),
}

/// An input that failed.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number under the seed.
    pub number: u64,
    /// The smallest one found that fails in the same way.
    pub data: Vec<u8>,
    /// What is wrong.
    pub why: String,
    /// How many inputs failed like this.
    pub times: u64,
}

/// What came of a target.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Inputs carried out.
    pub executions: u64,
    /// Those after which a decoder had taken something.
    pub accepted: u64,
    /// Inputs that failed.
    pub failed: u64,
    /// The longest an input took.
    pub slowest: Duration,
    /// One of each kind of failure.
    pub found: Vec<Found>,
}

/// Runs a target's inputs from the first on.
pub fn run(target: &Target, seed: u64, until: Until) -> Summary {
    let begun = Instant::now();
    let mut summary = Summary::default();
    let mut kinds: BTreeMap<String, Found> = BTreeMap::new();
    let goes_on = |number| match until {
        Until::Executions(most) => number < most,
        Until::Time(most) => begun.elapsed() < most,
    };
    for number in 0.. {
        if !goes_on(number) || kinds.len() >= KINDS {
            break;
        }
        let data = input(target, seed, number);
        take_accepted();
        let started = Instant::now();
        let result = execute(target, &data);
        summary.slowest = summary.slowest.max(started.elapsed());
        summary.executions += 1;
        summary.accepted += u64::from(take_accepted() > 0);
        if let Err(why) = result {
            summary.failed += 1;
            let found = || Found { number, data: shrink(target, data, &why), why: why.clone(), times: 0 };
            kinds.entry(kind(&why)).or_insert_with(found).times += 1;
        }
    }
    summary.found = kinds.into_values().collect();
    summary
}

/// Failures of one place are of one kind, whatever numbers they tell: a panic's first line says where it was.
fn kind(why: &str) -> String {
    let first = why.lines().next().unwrap_or_default();
    if first.contains("panicked at") {
        first.to_owned()
    } else {
        first.replace(|c: char| c.is_ascii_digit(), "")
    }
}

/// A smaller input that fails in the same place: stretches are left out while it still does.
fn shrink(target: &Target, mut data: Vec<u8>, why: &str) -> Vec<u8> {
    let wanted = kind(why);
    let mut tries = 0;
    let mut length = data.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < data.len() && tries < SHRINKING {
            tries += 1;
            let mut smaller = data.clone();
            smaller.drain(at..(at + length).min(data.len()));
            match execute(target, &smaller) {
                Err(why) if kind(&why) == wanted => data = smaller,
                _ => at += length,
            }
        }
        length /= 2;
    }
    data
}

//! Sequences of operations against the model: the input chooses a seed of the simulator, how many operations,
//! how many clients, and which faults may not happen.

use sim::faults::{Fault, FaultSet};
use sim::options::Overrides;
use sim::runner::run;

use crate::accepted;
use crate::dice::Dice;

/// Eight bytes of seed, one of operations, one of clients, four of faults.
pub fn operations(data: &[u8]) {
    let Some((seed, rest)) = data.split_first_chunk() else { return };
    let [ops, clients, a, b, c, d, ..] = *rest else { return };
    let mask = u32::from_le_bytes([a, b, c, d]);
    let mut without = FaultSet::NONE;
    Fault::ALL
        .into_iter()
        .filter(|fault| mask & 1 << *fault as u32 != 0)
        .for_each(|fault| without.insert(fault));
    let ops = 20 + 2 * u64::from(ops);
    let overrides = Overrides { ops: Some(ops), clients: Some(1 + usize::from(clients % 8)), without };
    let outcome = run(u64::from_le_bytes(*seed), &overrides);
    if let Some(why) = outcome.failure {
        panic!("{why}\n{}", sim::shrink::reproduction(outcome.seed, &overrides));
    }
    accepted();
}

/// Any of them.
pub fn seed(dice: &mut Dice) -> Vec<u8> {
    let mut data = dice.draw().to_le_bytes().to_vec();
    let mask = dice.draw() as u32 & dice.draw() as u32;
    data.extend([dice.draw() as u8, dice.draw() as u8]);
    data.extend(mask.to_le_bytes());
    data
}

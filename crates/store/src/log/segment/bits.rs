//! A set of ordinals below a bound: which messages of a segment are deleted.
//!
//! Messages are deleted in their order, nearly, so that of most runs of 4 096 all or none are: such a run takes 16
//! bytes of memory, another one 528.

/// Words of a run.
const WORDS: usize = 64;
/// Ordinals of a run.
const RUN: u64 = 64 * WORDS as u64;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    runs: Vec<Run>,
    words: usize,
    ones: u64,
}

/// Neighbouring ordinals. `Some` is neither none nor all 4 096, so that equal sets are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    None,
    Some(Box<[u64; WORDS]>),
    All,
}

impl Bits {
    /// The empty set below `count`.
    pub fn new(count: u64) -> Bits {
        let runs = vec![Run::None; count.div_ceil(RUN) as usize];
        Bits { runs, words: count.div_ceil(64) as usize, ones: 0 }
    }

    /// From words as [`Bits::words`] gives them.
    pub fn from_words(words: &[u64]) -> Bits {
        let ones = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Bits { runs: words.chunks(WORDS).map(Run::of).collect(), words: words.len(), ones }
    }

    /// 64 ordinals each, lowest first.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.words).map(|at| match &self.runs[at / WORDS] {
            Run::None => 0,
            Run::Some(words) => words[at % WORDS],
            Run::All => u64::MAX,
        })
    }

    /// How many ordinals are in the set.
    pub fn ones(&self) -> u64 {
        self.ones
    }

    /// Whether an ordinal is in the set.
    pub fn get(&self, ordinal: u64) -> bool {
        match self.runs.get((ordinal / RUN) as usize) {
            None | Some(Run::None) => false,
            Some(Run::Some(words)) => words[(ordinal % RUN / 64) as usize] >> (ordinal % 64) & 1 == 1,
            Some(Run::All) => true,
        }
    }

    /// Adds an ordinal.
    pub fn set(&mut self, ordinal: u64) {
        assert!(ordinal / 64 < self.words as u64, "{ordinal} is not below the bound");
        let run = &mut self.runs[(ordinal / RUN) as usize];
        if *run == Run::None {
            *run = Run::Some(Box::new([0; WORDS]));
        }
        let Run::Some(words) = run else { return };
        let word = &mut words[(ordinal % RUN / 64) as usize];
        let bit = 1 << (ordinal % 64);
        self.ones += u64::from(*word & bit == 0);
        *word |= bit;
        if *word == u64::MAX && words.iter().all(|word| *word == u64::MAX) {
            *run = Run::All;
        }
    }
}

impl Run {
    /// Of up to a run's words; what is missing is not in the set.
    fn of(words: &[u64]) -> Run {
        if words.iter().all(|word| *word == 0) {
            return Run::None;
        }
        if words.len() == WORDS && words.iter().all(|word| *word == u64::MAX) {
            return Run::All;
        }
        let mut some = Box::new([0; WORDS]);
        some[..words.len()].copy_from_slice(words);
        Run::Some(some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::ids::Entropy;

    use super::*;

    /// Beside a set, in order and at random, up to the last ordinal of a run and of the whole.
    #[test]
    fn it_holds_what_a_set_holds() {
        for count in [1, 63, 64, 65, RUN - 1, RUN, RUN + 1, 3 * RUN + 100] {
            let (mut bits, mut set) = (Bits::new(count), BTreeSet::new());
            let mut entropy = Entropy(count);
            let some = (0..count).map(|_| entropy.draw() % count).collect::<Vec<_>>();
            for ordinal in some.into_iter().chain(0..count) {
                bits.set(ordinal);
                set.insert(ordinal);
                assert_eq!(bits.ones(), set.len() as u64);
                if ordinal % 97 == 0 || ordinal + 1 == count {
                    assert!((0..count + 70).all(|at| bits.get(at) == set.contains(&at)), "{count} {ordinal}");
                    let words: Vec<u64> = bits.words().collect();
                    assert_eq!(words.len() as u64, count.div_ceil(64));
                    assert_eq!(Bits::from_words(&words), bits);
                }
            }
        }
    }

    #[test]
    fn what_is_deleted_in_order_takes_little_memory() {
        let bytes = |bits: &Bits| {
            let mixed = bits.runs.iter().filter(|run| matches!(run, Run::Some(_))).count();
            bits.runs.len() * size_of::<Run>() + mixed * size_of::<[u64; WORDS]>()
        };
        let mut bits = Bits::new(200_000);
        for ordinal in 0..200_000 {
            bits.set(ordinal);
            assert!(bytes(&bits) <= 50 * 16 + 512, "{ordinal}");
        }
        assert_eq!(bits.ones(), 200_000);
    }
}

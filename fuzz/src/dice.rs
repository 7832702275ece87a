//! Chance, all of it from one seed.

use engine::Entropy;

/// Numbers at which something ends: of bits, of limits of SQS, of the store's sizes.
pub const EDGES: [u64; 24] = [
    0,
    1,
    2,
    7,
    10,
    11,
    12,
    63,
    64,
    127,
    128,
    255,
    256,
    511,
    512,
    1_023,
    43_200,
    65_535,
    262_144,
    i32::MAX as u64,
    u32::MAX as u64,
    1_700_000_000_000,
    i64::MAX as u64,
    u64::MAX,
];

/// Text that one decoder or another reads as more than letters.
const AWKWARD: [&str; 16] = [
    "",
    "&",
    "a=b",
    "%41",
    "%",
    "+",
    "\r\n",
    "\"\\",
    "\u{0}",
    "\u{2603}",
    "\u{1f600}",
    ".1",
    "/",
    "://",
    "null",
    "\u{feff}",
];

/// A stream of chance.
#[derive(Clone, Debug)]
pub struct Dice(Entropy);

impl Dice {
    /// The stream of this number under a seed.
    pub fn new(seed: u64, stream: u64) -> Dice {
        let mut mixed = Entropy(seed);
        let start = mixed.draw();
        Dice(Entropy(start ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The stream that belongs to these bytes.
    pub fn of(bytes: &[u8]) -> Dice {
        Dice::new(store::codec::checksum(bytes), 0)
    }

    /// Any 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    /// A number below `bound`; 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.draw() % bound as u64) as usize }
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A value or none.
    pub fn maybe<T>(&mut self, value: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        if self.one_in(2) { None } else { Some(value(self)) }
    }

    /// Up to `most` values.
    pub fn some<T>(&mut self, most: usize, mut value: impl FnMut(&mut Dice) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| value(self)).collect()
    }

    /// A number: small, at an edge, or any.
    pub fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => self.pick(&EDGES),
            1 => self.pick(&EDGES).wrapping_add(1),
            2 => self.below(1_000) as u64,
            _ => self.draw() >> self.below(64),
        }
    }

    /// A number that fits 32 bits.
    pub fn small(&mut self) -> u32 {
        self.number() as u32
    }

    /// Up to `most` bytes.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        self.some(most, |dice| dice.draw() as u8)
    }

    /// Text, now and then awkward.
    pub fn text(&mut self) -> String {
        match self.below(4) {
            0 => self.pick(&AWKWARD).to_owned(),
            1 => [self.word(), self.pick(&AWKWARD).to_owned(), self.word()].concat(),
            2 => self
                .some(9, |dice| char::from_u32(dice.draw() as u32 & 0x1f_ffff).unwrap_or('x'))
                .into_iter()
                .collect(),
            _ => self.word(),
        }
    }

    /// Letters, digits, `-`, `_` and `.`.
    pub fn word(&mut self) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
        (0..1 + self.below(12)).map(|_| char::from(self.pick(LETTERS))).collect()
    }
}

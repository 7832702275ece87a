//! MD5 of several texts at once. One MD5 is a chain of steps that each wait for the one before; of several, the same
//! step of all is taken together, in the widest vector registers that this processor has.
//!
//! The algorithm: RFC 1321, section 3.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u32x16};

/// Texts that are hashed side by side.
pub const LANES: usize = 16;

const BLOCK: usize = 64;

/// The state that each hash begins with.
const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// By how much each of the four steps of a round rotates.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The integer part of 2^32 times the sine of 1 to 64.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// Blocks of a text with its padding: at least a byte of it, and eight for the length.
pub fn blocks(text: &[u8]) -> usize {
    (text.len() + 9).div_ceil(BLOCK)
}

/// The MD5 of each text, `LANES` at most. It takes as long as that of the longest.
pub fn digests(texts: &[&[u8]]) -> [[u8; 16]; LANES] {
    digests_at(Level::new(), texts)
}

/// With the registers of this level.
fn digests_at(level: Level, texts: &[&[u8]]) -> [[u8; 16]; LANES] {
    assert!(texts.len() <= LANES, "each text has a lane");
    dispatch!(level, simd => digests_with(simd, texts))
}

/// Compiled once for each level, with all that it calls: a closure would be a function of its own, which is not.
#[inline(always)]
fn digests_with<S: Simd>(simd: S, texts: &[&[u8]]) -> [[u8; 16]; LANES] {
    let ends: [u32; LANES] =
        std::array::from_fn(|lane| texts.get(lane).map_or(0, |text| blocks(text) as u32));
    let mut state = [u32x16::splat(simd, 0); 4];
    for (word, initial) in state.iter_mut().zip(INITIAL) {
        *word = u32x16::splat(simd, initial);
    }
    for at in 0..ends.into_iter().max().unwrap_or(0) {
        let mut words = [u32x16::splat(simd, 0); LANES];
        for (words, text) in words.iter_mut().zip(texts) {
            *words = u32x16::simd_from(simd, block(text, at as usize));
        }
        transpose(&mut words);
        let after = compress(state, &words);
        // One that is done stays as it is.
        let goes_on = u32x16::simd_from(simd, ends).simd_gt(u32x16::splat(simd, at));
        for (word, next) in state.iter_mut().zip(after) {
            *word = goes_on.select(next, *word);
        }
    }
    let state = state.map(<[u32; LANES]>::from);
    std::array::from_fn(|lane| {
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(&state) {
            *bytes = word[lane].to_le_bytes();
        }
        digest
    })
}

/// Of sixteen texts' words, the first words of all, the second ones, and so on.
#[inline(always)]
fn transpose<S: Simd>(words: &mut [u32x16<S>; LANES]) {
    // Each pass moves the highest bit of a row's number to the lowest one of the column's.
    for _ in 0..4 {
        let before = *words;
        for at in 0..LANES / 2 {
            let (low, high) = before[at].interleave(before[at + LANES / 2]);
            (words[2 * at], words[2 * at + 1]) = (low, high);
        }
    }
}

/// The words of a text's block `at`.
#[inline(always)]
fn block(text: &[u8], at: usize) -> [u32; BLOCK / 4] {
    let begin = (at * BLOCK).min(text.len());
    match text[begin..].first_chunk() {
        Some(block) => words(block),
        None => words(&last_block(text, at)),
    }
}

/// A block that the padding reaches into.
fn last_block(text: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = &text[(at * BLOCK).min(text.len())..];
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    if text.len() / BLOCK == at {
        block[rest.len()] = 0x80;
    }
    if at + 1 == blocks(text) {
        block[BLOCK - 8..].copy_from_slice(&(text.len() as u64 * 8).to_le_bytes());
    }
    block
}

#[inline(always)]
fn words(block: &[u8; BLOCK]) -> [u32; BLOCK / 4] {
    let mut words = [0; BLOCK / 4];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

#[inline(always)]
fn compress<S: Simd>(before: [u32x16<S>; 4], words: &[u32x16<S>; 16]) -> [u32x16<S>; 4] {
    let state = round::<S, 0>(before, words);
    let state = round::<S, 1>(state, words);
    let state = round::<S, 2>(state, words);
    let [a, b, c, d] = round::<S, 3>(state, words);
    [before[0] + a, before[1] + b, before[2] + c, before[3] + d]
}

/// Sixteen steps, four of which come back to where they began.
#[inline(always)]
fn round<S: Simd, const ROUND: usize>(state: [u32x16<S>; 4], words: &[u32x16<S>; 16]) -> [u32x16<S>; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    for at in [0, 4, 8, 12] {
        a = step::<S, ROUND, 0>([a, b, c, d], words, at);
        d = step::<S, ROUND, 1>([d, a, b, c], words, at);
        c = step::<S, ROUND, 2>([c, d, a, b], words, at);
        b = step::<S, ROUND, 3>([b, c, d, a], words, at);
    }
    [a, b, c, d]
}

/// `mixed` is known last and added last: the rest of the sum does not wait for it.
#[inline(always)]
fn step<S: Simd, const ROUND: usize, const STEP: usize>(
    [into, x, y, z]: [u32x16<S>; 4],
    words: &[u32x16<S>; 16],
    at: usize,
) -> u32x16<S> {
    let at = at + STEP;
    let (mixed, word) = match ROUND {
        0 => (z ^ (x & (y ^ z)), at),
        1 => (y ^ (z & (x ^ y)), 5 * at + 1),
        2 => (x ^ y ^ z, 3 * at + 5),
        _ => (y ^ (x | !z), 7 * at),
    };
    let sum = into + words[word % 16] + SINES[16 * ROUND + at] + mixed;
    let by = ROTATIONS[ROUND][STEP];
    ((sum << by) | (sum >> (32 - by))) + x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::md5;

    /// Every length around the ends of blocks, beside others.
    #[test]
    fn it_is_what_one_alone_gives() {
        let bytes: Vec<u8> = (0..1_200u32).map(|at| (at * at % 251) as u8).collect();
        for first in 0..200 {
            let lengths = [first, 0, 55, 56, 63 + first, 64, 3 * first, 300 - first];
            let lengths: Vec<usize> = lengths.into_iter().chain(lengths.map(|length| length / 2)).collect();
            let texts: Vec<&[u8]> = lengths.iter().map(|length| &bytes[*length..2 * length]).collect();
            for count in 1..=LANES {
                for level in [Level::new(), Level::baseline()] {
                    for (text, digest) in texts.iter().zip(digests_at(level, &texts[..count])).take(count) {
                        assert_eq!(digest, md5(text).0, "{level:?}: {} bytes beside {lengths:?}", text.len());
                    }
                }
            }
        }
    }
}

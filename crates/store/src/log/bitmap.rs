//! The file that says which messages of a segment are deleted.

use crate::codec::checksum;
use crate::disk::{FileKind, FileName};

use super::segment::Bits;

const MAGIC: [u8; 4] = *b"SLBM";
const VERSION: u32 = 1;
const HEADER: usize = 32;

/// A bitmap file's name.
pub fn file_name(number: u64) -> FileName {
    FileName { kind: FileKind::Bitmap, number }
}

/// The file's length, for a segment of `count` messages.
pub fn length(count: u64) -> u64 {
    HEADER as u64 + count.div_ceil(64) * 8
}

/// The file's bytes.
pub fn encode(segment: u64, bits: &Bits) -> Vec<u8> {
    let words: Vec<u8> = bits.words().flat_map(u64::to_le_bytes).collect();
    let mut out = Vec::with_capacity(HEADER + words.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&segment.to_le_bytes());
    out.extend_from_slice(&bits.ones().to_le_bytes());
    let sum = checksum(&[&out[..], &words].concat());
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&words);
    out
}

/// Reads the bitmap of a segment of `count` messages; what is wrong otherwise.
pub fn decode(bytes: &[u8], segment: u64, count: u64) -> Result<Bits, &'static str> {
    let (head, words) = bytes.split_at_checked(HEADER).ok_or("length")?;
    let word = |at: usize| head[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or(0);
    if head[..4] != MAGIC || head[4..8] != VERSION.to_le_bytes() || word(8) != segment {
        return Err("header");
    }
    if word(24) != checksum(&[&head[..24], words].concat()) {
        return Err("checksum");
    }
    let words: Vec<u64> =
        words.chunks_exact(8).map(|word| word.try_into().map(u64::from_le_bytes).unwrap_or(0)).collect();
    let bits = Bits::from_words(&words);
    // Behind the last message of the last word there is nothing to delete.
    let used = count % 64;
    let beyond = used != 0 && words.last().is_some_and(|last| last >> used != 0);
    let fits = words.len() as u64 == count.div_ceil(64) && bits.ones() == word(16) && !beyond;
    if fits { Ok(bits) } else { Err("size") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_is_read_back_and_no_flipped_bit_is() {
        let mut bits = Bits::new(130);
        [0, 64, 129, 129].into_iter().for_each(|ordinal| bits.set(ordinal));
        assert_eq!(bits.ones(), 3);
        let bytes = encode(7, &bits);
        assert_eq!(decode(&bytes, 7, 130), Ok(bits));
        assert!(decode(&bytes, 8, 130).is_err() && decode(&bytes, 7, 64).is_err());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], 7, 130).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&wrong, 7, 130).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn no_message_behind_the_last_is_deleted() {
        for ordinal in [130, 131, 191] {
            let mut bits = Bits::new(192);
            bits.set(ordinal);
            let bytes = encode(7, &bits);
            assert_eq!(decode(&bytes, 7, 130), Err("size"));
            assert_eq!(decode(&bytes, 7, ordinal), Err("size"));
            assert_eq!(decode(&bytes, 7, ordinal + 1), Ok(bits));
        }
    }
}

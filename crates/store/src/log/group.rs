//! A journal group: a header, the batches of one write, padding to the disk's block.

use engine::Lsn;

use crate::codec::checksum;

/// Bytes of a group's header.
pub const HEADER: usize = 88;
/// A group is closed when it holds this much, unless one batch alone is larger.
pub const GROUP_BYTES: usize = 4 << 20;

const MAGIC: [u8; 4] = *b"SLGR";
const VERSION: u16 = 1;
const SEALED: usize = 80;

/// What a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It holds batches.
    Batches = 1,
    /// It is empty: everything before it was complete.
    Seal = 2,
    /// The last of its file: the next group is at the start of the file it names. Also a seal.
    Switch = 3,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Random, of the data directory: no body a client sends can pass for a group.
    pub stamp: u64,
    /// How often the directory was opened.
    pub generation: u64,
    /// The file's number: groups left in a recycled file bear another.
    pub file: u64,
    /// Where in the file.
    pub offset: u64,
    /// Rising by one from group to group.
    pub number: u64,
    /// The first batch; where there is none, the one after the last.
    pub first: Lsn,
    /// The last batch.
    pub last: Lsn,
    /// Bytes that follow the header.
    pub length: u32,
    /// Of those bytes.
    pub checksum: u64,
}

impl Header {
    /// Writes the header to the front of a group whose payload is in place.
    pub fn seal_into(&self, group: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            group[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&[self.kind as u8, 0]);
        let words = [self.stamp, self.generation, self.file, self.offset, self.number, self.first, self.last];
        words.iter().for_each(|word| put(&word.to_le_bytes()));
        put(&self.length.to_le_bytes());
        put(&[0; 4]);
        put(&self.checksum.to_le_bytes());
        let sum = checksum(&group[..SEALED]);
        group[SEALED..HEADER].copy_from_slice(&sum.to_le_bytes());
    }

    /// Whether these bytes may have begun with a header of this directory before something went wrong with them.
    pub fn resembles(bytes: &[u8], stamp: u64) -> bool {
        bytes.starts_with(&MAGIC) || bytes.get(8..16) == Some(&stamp.to_le_bytes())
    }

    /// Reads a header, if these bytes begin with one of this directory.
    pub fn read(bytes: &[u8], stamp: u64) -> Option<Header> {
        let bytes = bytes.get(..HEADER)?;
        let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or(0);
        let plain = bytes[..4] == MAGIC && bytes[4..6] == VERSION.to_le_bytes() && word(8) == stamp;
        if !plain || word(SEALED) != checksum(&bytes[..SEALED]) {
            return None;
        }
        let kind = match bytes[6] {
            1 => Kind::Batches,
            2 => Kind::Seal,
            3 => Kind::Switch,
            _ => return None,
        };
        Some(Header {
            kind,
            stamp,
            generation: word(16),
            file: word(24),
            offset: word(32),
            number: word(40),
            first: word(48),
            last: word(56),
            length: word(64) as u32,
            checksum: word(72),
        })
    }
}

/// `length` rounded up to a multiple of `block`, a power of two.
pub fn round_up(length: u64, block: usize) -> u64 {
    let block = block as u64;
    (length + block - 1) & !(block - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: Kind::Batches,
            stamp: 1,
            generation: 2,
            file: 3,
            offset: 4096,
            number: 5,
            first: 6,
            last: 7,
            length: 8,
            checksum: 9,
        }
    }

    #[test]
    fn a_header_is_read_back_and_no_flipped_bit_is() {
        let mut bytes = [0; HEADER];
        header().seal_into(&mut bytes);
        assert_eq!(Header::read(&bytes, 1), Some(header()));
        assert_eq!(Header::read(&bytes, 2), None);
        assert_eq!(Header::read(&bytes[..HEADER - 1], 1), None);
        for bit in 0..HEADER * 8 {
            let mut wrong = bytes;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&wrong, 1), None, "bit {bit}");
            assert!(Header::resembles(&wrong, 1), "bit {bit}");
        }
    }

    #[test]
    fn lengths_round_up_to_blocks() {
        assert_eq!([0, 1, 512, 513].map(|length| round_up(length, 512)), [0, 512, 512, 1024]);
    }
}

//! The manifest: which files count, and where the journal begins. Always replaced whole.

use engine::{Lsn, Millis};

use crate::codec::{Malformed, Reader, checksum, put_number};
use crate::disk::{FileKind, FileName};

use super::journal::Position;

/// The format of the data directory. Another is refused, in words.
pub const FORMAT: u32 = 1;
/// The manifest's name.
pub const NAME: FileName = FileName { kind: FileKind::Manifest, number: 0 };

const MAGIC: [u8; 8] = *b"SLUICEMF";
const PREFIX: usize = 8 + 4 + 4 + 8;

/// What the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The data directory's secret.
    pub secret: [u8; 16],
    /// In every journal group of this directory.
    pub stamp: u64,
    /// How often the directory was opened.
    pub generation: u64,
    /// The latest time known when this was written, ms.
    pub now: Millis,
    /// Where a recovery begins to read the journal.
    pub journal: Position,
    /// Small rows up to this batch are in the checkpoint.
    pub small: Lsn,
    /// Messages and their deletions up to this batch are in segments.
    pub messages: Lsn,
    /// The journal must reach this batch at least: the files here show what it did.
    pub needs: Lsn,
    /// The number that the next checkpoint, segment or bitmap file gets.
    pub next_file: u64,
}

/// Why a manifest cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Of another format.
    Format(u32),
    /// Damaged, with what is wrong.
    Damaged(&'static str),
}

impl From<Malformed> for Unreadable {
    fn from(malformed: Malformed) -> Unreadable {
        Unreadable::Damaged(malformed.0)
    }
}

impl Manifest {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.secret);
        body.extend_from_slice(&self.stamp.to_le_bytes());
        let Position { file, size, offset, group, lsn } = self.journal;
        let words = [self.generation, self.now, file, size, offset, group, lsn];
        for word in words.into_iter().chain([self.small, self.messages, self.needs, self.next_file]) {
            put_number(&mut body, word);
        }
        let mut out = Vec::with_capacity(PREFIX + body.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        let sum = checksum(&[&out[..], &body].concat());
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&body);
        out
    }

    /// Reads a manifest: exactly these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, Unreadable> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(Unreadable::Damaged("magic"));
        }
        let (format, length, sum) = (reader.u32()?, reader.u32()?, reader.u64()?);
        // The format is told first: another one may compute everything else otherwise.
        if format != FORMAT {
            return Err(Unreadable::Format(format));
        }
        let body = reader.take(length as usize)?;
        if !reader.is_empty() {
            return Err(Unreadable::Damaged("length"));
        }
        if checksum(&[&bytes[..MAGIC.len() + 8], body].concat()) != sum {
            return Err(Unreadable::Damaged("checksum"));
        }
        Manifest::read(&mut Reader::new(body)).map_err(Unreadable::from)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Manifest, Malformed> {
        let secret = reader.u128()?.to_le_bytes();
        let stamp = reader.u64()?;
        let (generation, now) = (reader.number()?, reader.number()?);
        let journal = Position {
            file: reader.number()?,
            size: reader.number()?,
            offset: reader.number()?,
            group: reader.number()?,
            lsn: reader.number()?,
        };
        let (small, messages) = (reader.number()?, reader.number()?);
        let (needs, next_file) = (reader.number()?, reader.number()?);
        let manifest =
            Manifest { secret, stamp, generation, now, journal, small, messages, needs, next_file };
        if reader.is_empty() { Ok(manifest) } else { Err(Malformed("manifest")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            secret: [9; 16],
            stamp: 8,
            generation: 7,
            now: 1_700_000_000_000,
            journal: Position { file: 1, size: 8192, offset: 4096, group: 2, lsn: 3 },
            small: 4,
            messages: 5,
            needs: 6,
            next_file: 10,
        }
    }

    #[test]
    fn a_manifest_is_read_back_and_no_flipped_bit_is() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
        for length in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&wrong).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_format_is_named() {
        let mut bytes = manifest().encode();
        bytes[8] = 2;
        assert_eq!(Manifest::decode(&bytes), Err(Unreadable::Format(2)));
    }
}

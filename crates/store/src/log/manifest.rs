//! The manifest: which files count, and where the journal begins. Always replaced whole.

use engine::{Lsn, Millis};

use crate::codec::{Logged, Malformed, Reader, checksum, put_number, put_record};
use crate::disk::{FileKind, FileName};

use super::bitmap;
use super::journal::Position;
use super::rowfile::{self, RowFile};
use super::segment::{self, Meta};

/// The format of the data directory. Another is refused, in words.
pub const FORMAT: u32 = 2;
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
    /// Small rows of the batches before this place are in the checkpoint.
    pub small: Position,
    /// Where the journal has the messages and deletions that are not in segments.
    pub messages: Position,
    /// Messages and deletions up to this batch are in segments: the group at `messages` may begin before.
    pub flushed: Lsn,
    /// The journal must reach this batch at least: the files here show what it did.
    pub needs: Lsn,
    /// The number that the next checkpoint, segment or bitmap file gets.
    pub next_file: u64,
    /// The small rows, save deduplication ids.
    pub checkpoint: Option<RowFile>,
    /// Deduplication ids, oldest first.
    pub dedup: Vec<RowFile>,
    /// Messages, oldest first.
    pub segments: Vec<Meta>,
    /// Deletions of messages that could not be found in their segment, because it is damaged there.
    pub unresolved: Vec<Logged>,
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
        put_number(&mut body, self.generation);
        put_number(&mut body, self.now);
        self.small.put(&mut body);
        self.messages.put(&mut body);
        put_number(&mut body, self.flushed);
        put_number(&mut body, self.needs);
        put_number(&mut body, self.next_file);
        body.push(self.checkpoint.is_some().into());
        self.checkpoint.iter().for_each(|file| file.put(&mut body));
        put_number(&mut body, self.dedup.len() as u64);
        self.dedup.iter().for_each(|file| file.put(&mut body));
        put_number(&mut body, self.segments.len() as u64);
        self.segments.iter().for_each(|segment| segment.put(&mut body));
        put_number(&mut body, self.unresolved.len() as u64);
        for Logged { record, spared } in &self.unresolved {
            put_record(&mut body, record, spared);
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

    /// Where a recovery begins to read the journal.
    pub fn journal(&self) -> Position {
        if self.small.group <= self.messages.group { self.small } else { self.messages }
    }

    /// The journal ends at `end` and goes on there. A place behind it was never reached: between them were groups that
    /// say nothing (a seal, a switch) and are lost, or ones that a repair gave up.
    pub fn end_journal_at(&mut self, end: Position) {
        for place in [&mut self.small, &mut self.messages] {
            if place.group > end.group {
                *place = end;
            }
        }
        self.flushed = self.flushed.min(end.lsn - 1);
    }

    /// The checkpoint and the files of deduplication ids.
    pub fn row_files(&self) -> impl Iterator<Item = &RowFile> {
        self.checkpoint.iter().chain(&self.dedup)
    }

    /// Every file it names with its length, itself and the journal's apart.
    pub fn files(&self) -> Vec<(FileName, u64)> {
        let mut files: Vec<_> =
            self.row_files().map(|file| (rowfile::file_name(file.number), file.length)).collect();
        for segment in &self.segments {
            files.push((segment::file_name(segment.number), segment.length));
            let length = bitmap::length(segment.count);
            files.extend(segment.bitmap.map(|bitmap| (bitmap::file_name(bitmap.number), length)));
        }
        files
    }

    fn read(reader: &mut Reader<'_>) -> Result<Manifest, Malformed> {
        let manifest = Manifest {
            secret: reader.u128()?.to_le_bytes(),
            stamp: reader.u64()?,
            generation: reader.number()?,
            now: reader.number()?,
            small: Position::read(reader)?,
            messages: Position::read(reader)?,
            flushed: reader.number()?,
            needs: reader.number()?,
            next_file: reader.number()?,
            checkpoint: if reader.flag()? { Some(RowFile::read(reader)?) } else { None },
            dedup: list(reader, RowFile::read)?,
            segments: list(reader, Meta::read)?,
            unresolved: list(reader, Reader::record)?,
        };
        if reader.is_empty() { Ok(manifest) } else { Err(Malformed("manifest")) }
    }
}

fn list<'a, T>(
    reader: &mut Reader<'a>,
    one: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.count()?;
    (0..count).map(|_| one(reader)).collect()
}

#[cfg(test)]
mod tests {
    use engine::MessageKey;

    use super::super::segment::{BitmapRef, Pointer, Span};
    use super::*;

    fn segment() -> Meta {
        let key = |sequence| MessageKey { queue: engine::QueueId(4), rank: 0, sequence };
        let pointer = Pointer { offset: 5, length: 6, sum: 7 };
        Meta {
            number: 2,
            length: 4096,
            count: 3,
            first: key(1),
            last: key(9),
            lsns: (1, 2),
            index: pointer,
            lanes: Some(pointer),
            spans: [Span { first: key(1), last: key(9), highest: 9, ordinal: 0, count: 3 }].into(),
            bitmap: Some(BitmapRef { number: 6, ones: 1 }),
        }
    }

    fn manifest() -> Manifest {
        Manifest {
            secret: [9; 16],
            stamp: 8,
            generation: 7,
            now: 1_700_000_000_000,
            small: Position { file: 1, size: 8192, offset: 4096, group: 2, lsn: 3 },
            messages: Position { file: 1, size: 8192, offset: 0, group: 1, lsn: 3 },
            flushed: 4,
            needs: 6,
            next_file: 10,
            checkpoint: Some(RowFile { number: 3, length: 512, records: 2, last_minute: 0 }),
            dedup: vec![RowFile { number: 4, length: 1024, records: 3, last_minute: 28_333_333 }],
            segments: vec![segment()],
            unresolved: vec![Logged { record: engine::Record::Drop(engine::QueueId(4)), spared: vec![] }],
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
        for format in [1, FORMAT as u8 + 1] {
            bytes[8] = format;
            assert_eq!(Manifest::decode(&bytes), Err(Unreadable::Format(format.into())));
        }
    }
}

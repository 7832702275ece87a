//! A file of records: the small rows of a checkpoint, or the deduplication ids since the one before.
//! Chunks of whole blocks, each with its checksum; the last one says so.

use crate::codec::{Logged, Malformed, Reader, checksum, put_number, put_record};
use crate::disk::{FileKind, FileName};

use super::group::round_up;

/// Bytes of a chunk's header.
const HEADER: usize = 48;
/// A chunk is closed when it holds this much.
pub const CHUNK: usize = 256 << 10;

const MAGIC: [u8; 4] = *b"SLRW";
const VERSION: u16 = 1;

/// A row file's name.
pub fn file_name(number: u64) -> FileName {
    FileName { kind: FileKind::Checkpoint, number }
}

/// What the manifest says of a row file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowFile {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub length: u64,
    /// Records in it.
    pub records: u64,
    /// Of deduplication ids: the last minute there is.
    pub last_minute: u64,
}

impl RowFile {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        for number in [self.number, self.length, self.records, self.last_minute] {
            put_number(out, number);
        }
    }

    /// Reads what `put` wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<RowFile, Malformed> {
        Ok(RowFile {
            number: reader.number()?,
            length: reader.number()?,
            records: reader.number()?,
            last_minute: reader.number()?,
        })
    }
}

/// Writes a row file, chunk by chunk.
#[derive(Debug)]
pub struct Writer {
    /// What the manifest will say.
    pub file: RowFile,
    chunk: Vec<u8>,
    records: u32,
    index: u32,
    block: usize,
}

impl Writer {
    /// An empty file.
    pub fn new(number: u64, block: usize) -> Writer {
        let file = RowFile { number, ..RowFile::default() };
        Writer { file, chunk: vec![0; HEADER], records: 0, index: 0, block }
    }

    /// Adds a record.
    pub fn add(&mut self, record: &engine::Record) {
        put_record(&mut self.chunk, record, &[]);
        self.records += 1;
    }

    /// Whether the chunk at hand should be closed.
    pub fn is_full(&self) -> bool {
        self.chunk.len() >= CHUNK
    }

    /// Closes the chunk at hand: where it goes, and its bytes.
    pub fn close(&mut self, last: bool) -> (u64, Vec<u8>) {
        let mut chunk = std::mem::replace(&mut self.chunk, vec![0; HEADER]);
        let mut head = Vec::with_capacity(HEADER);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&[last.into(), 0]);
        head.extend_from_slice(&self.file.number.to_le_bytes());
        head.extend_from_slice(&self.index.to_le_bytes());
        head.extend_from_slice(&self.records.to_le_bytes());
        head.extend_from_slice(&((chunk.len() - HEADER) as u32).to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&checksum(&chunk[HEADER..]).to_le_bytes());
        head.extend_from_slice(&checksum(&head).to_le_bytes());
        chunk[..HEADER].copy_from_slice(&head);
        chunk.resize(round_up(chunk.len() as u64, self.block) as usize, 0);
        let offset = self.file.length;
        self.file.length += chunk.len() as u64;
        self.file.records += u64::from(self.records);
        self.records = 0;
        self.index += 1;
        (offset, chunk)
    }
}

/// Where a row file is damaged, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    /// Byte in the file.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

/// Reads a whole row file; each record is handed on in order. How many there were.
pub fn read(bytes: &[u8], number: u64, block: usize, mut each: impl FnMut(Logged)) -> Result<u64, Damage> {
    let (mut offset, mut index, mut records) = (0, 0, 0);
    loop {
        let chunk = bytes.get(offset..).unwrap_or_default();
        let damage = |what: &str| Damage { offset: offset as u64, what: what.into() };
        let (last, count, payload) =
            read_chunk(chunk, number, index).map_err(|malformed| damage(malformed.0))?;
        let mut reader = Reader::new(payload);
        for _ in 0..count {
            each(reader.record().map_err(|malformed| damage(malformed.0))?);
        }
        if !reader.is_empty() {
            return Err(damage("chunk length"));
        }
        records += u64::from(count);
        offset += round_up((HEADER + payload.len()) as u64, block) as usize;
        index += 1;
        if last {
            let damage = |what: &str| Damage { offset: offset as u64, what: what.into() };
            return if offset == bytes.len() { Ok(records) } else { Err(damage("file length")) };
        }
    }
}

fn read_chunk(chunk: &[u8], number: u64, index: u32) -> Result<(bool, u32, &[u8]), Malformed> {
    let mut reader = Reader::new(chunk);
    let magic = reader.take(4)? == MAGIC && reader.take(2)? == VERSION.to_le_bytes();
    let last = reader.take(2)?[0] == 1;
    let placed = reader.u64()? == number && reader.u32()? == index;
    let (count, length, _) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (sum, head) = (reader.u64()?, reader.u64()?);
    if !magic || !placed || head != checksum(&chunk[..HEADER - 8]) {
        return Err(Malformed("chunk header"));
    }
    let payload = reader.take(length as usize)?;
    if checksum(payload) == sum { Ok((last, count, payload)) } else { Err(Malformed("chunk checksum")) }
}

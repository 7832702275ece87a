//! A file of records: the small rows of a checkpoint, or the deduplication ids since the one before.
//! Chunks of whole blocks, each with its checksum; the last one says so.

use std::io::{self, Read};

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

/// A chunk longer than this is none of ours: one is closed at [`CHUNK`], and a record is at most a message.
const LONGEST: u32 = 16 << 20;

/// Reads a whole row file; each record is handed on in order. How many there were.
pub fn read(bytes: &[u8], number: u64, block: usize, each: impl FnMut(Logged)) -> Result<u64, Damage> {
    read_from(bytes, number, block, each)
}

/// Reads a whole row file chunk by chunk; each record is handed on in order. How many there were.
pub fn read_from(
    mut source: impl Read,
    number: u64,
    block: usize,
    mut each: impl FnMut(Logged),
) -> Result<u64, Damage> {
    let (mut offset, mut index, mut records) = (0, 0, 0);
    loop {
        let damage = |what: String| Damage { offset, what };
        let chunk = read_chunk(&mut source, number, index, block).map_err(damage)?;
        let mut reader = Reader::new(&chunk.payload);
        for _ in 0..chunk.records {
            each(reader.record().map_err(|malformed| damage(malformed.0.into()))?);
        }
        if !reader.is_empty() {
            return Err(damage("chunk length".into()));
        }
        records += u64::from(chunk.records);
        offset += round_up((HEADER + chunk.payload.len()) as u64, block);
        index += 1;
        if chunk.last {
            let damage = |what: String| Damage { offset, what };
            let more = io::copy(&mut source.take(1), &mut io::sink());
            let more = more.map_err(|error| damage(error.to_string()))?;
            return if more == 0 { Ok(records) } else { Err(damage("file length".into())) };
        }
    }
}

struct Chunk {
    last: bool,
    records: u32,
    payload: Vec<u8>,
}

fn read_chunk(source: &mut impl Read, number: u64, index: u32, block: usize) -> Result<Chunk, String> {
    let mut head = [0; HEADER];
    source.read_exact(&mut head).map_err(|error| ends("chunk header", &error))?;
    let (last, records, length, sum) =
        read_header(&head, number, index).map_err(|malformed| malformed.0.to_owned())?;
    let padded = round_up(HEADER as u64 + u64::from(length), block) as usize - HEADER;
    let mut payload = vec![0; padded];
    source.read_exact(&mut payload).map_err(|error| ends("chunk length", &error))?;
    payload.truncate(length as usize);
    if checksum(&payload) != sum {
        return Err("chunk checksum".into());
    }
    Ok(Chunk { last, records, payload })
}

fn ends(what: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("{what}: the file ends"),
        _ => error.to_string(),
    }
}

fn read_header(head: &[u8; HEADER], number: u64, index: u32) -> Result<(bool, u32, u32, u64), Malformed> {
    let mut reader = Reader::new(head);
    let magic = reader.take(4)? == MAGIC && reader.take(2)? == VERSION.to_le_bytes();
    let last = reader.take(2)?[0] == 1;
    let placed = reader.u64()? == number && reader.u32()? == index;
    let (count, length, _) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (sum, own) = (reader.u64()?, reader.u64()?);
    let sound = magic && placed && own == checksum(&head[..HEADER - 8]) && length <= LONGEST;
    if sound { Ok((last, count, length, sum)) } else { Err(Malformed("chunk header")) }
}

//! A store's rows as a stream, and back: to move a data directory, or to keep a copy of it.
//!
//! The stream is a head with the directory's secret, then chunks of records as row files have them. It can be
//! taken from a store in use: each page is true as of its own batch, and the import sets the counters right.

use std::collections::BTreeMap;

use engine::ids::Secret;
use engine::rows::Head;
use engine::{Ask, Batch, MessageKey, Millis, Page, QueueId, Record, Row};

use crate::codec::{Malformed, Reader, checksum};
use crate::log::rowfile::{self, Writer};
use crate::rows::{first_of, last_of};
use crate::{Event, Store};

const MAGIC: [u8; 8] = *b"SLUICEEX";
const VERSION: u32 = 1;
/// Bytes of the stream's head.
pub const HEAD: usize = 8 + 4 + 16 + 8 + 8;
/// Chunks are padded to this; a stream needs no blocks.
const BLOCK: usize = 8;

/// Why a stream cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// It is no export, or of another version.
    Head(&'static str),
    /// It is damaged at this byte.
    Damaged(u64, String),
    /// The directory to import into is not empty.
    NotEmpty,
    /// The store failed while it was filled.
    Stopped(String),
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportError::Head(what) => write!(f, "this is no export of this version: {what}"),
            ImportError::Damaged(at, what) => write!(f, "the export is damaged at byte {at}: {what}"),
            ImportError::NotEmpty => f.write_str("the data directory to import into is not empty"),
            ImportError::Stopped(why) => write!(f, "the store failed: {why}"),
        }
    }
}

impl std::error::Error for ImportError {}

/// Yields an export, page by page.
#[derive(Debug)]
pub struct Exporter {
    writer: Writer,
    queues: Vec<QueueId>,
    from: Option<MessageKey>,
    /// Messages so far.
    pub messages: u64,
}

impl Exporter {
    /// Begins with the small rows; the stream's first bytes.
    pub fn new(secret: Secret, now: Millis, rows: &[Row]) -> (Exporter, Vec<u8>) {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&secret.0);
        out.extend_from_slice(&now.to_le_bytes());
        out.extend_from_slice(&checksum(&out).to_le_bytes());
        let queues = rows.iter().filter_map(|row| match row {
            Row::Queue(id, _) => Some(*id),
            _ => None,
        });
        let queues: Vec<QueueId> = queues.collect();
        let mut exporter = Exporter { writer: Writer::new(0, BLOCK), queues, from: None, messages: 0 };
        for row in rows {
            exporter.add(&Record::Put(row.clone()), &mut out);
        }
        exporter.queues.reverse();
        exporter.next_queue();
        (exporter, out)
    }

    fn next_queue(&mut self) {
        self.from = self.queues.pop().map(first_of);
    }

    fn add(&mut self, record: &Record, out: &mut Vec<u8>) {
        self.writer.add(record);
        if self.writer.is_full() {
            out.extend_from_slice(&self.writer.close(false).1);
        }
    }

    /// What to load next; `None` when everything was.
    pub fn ask(&self) -> Option<Ask> {
        let from = self.from?;
        Some(Ask::Run { from, to: last_of(from.queue), skip: Default::default(), limit: 1_000 })
    }

    /// Takes the answer; the bytes that follow.
    pub fn page(&mut self, page: Page) -> Vec<u8> {
        let mut out = Vec::new();
        let last = page.rows.last().map(|found| found.key);
        for found in page.rows {
            self.messages += 1;
            let blob = found.blob.unwrap_or_default();
            self.add(&Record::Put(Row::Message(found.key, found.row, blob)), &mut out);
        }
        match last {
            Some(key) if !page.ran_out => {
                self.from = Some(MessageKey { sequence: key.sequence + 1, ..key });
            }
            _ => self.next_queue(),
        }
        out
    }

    /// The last bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.writer.close(true).1
    }
}

/// Exports a whole store; `out` takes the bytes, `pause` waits a moment for the disk.
/// The number of messages, or why a page could not be read.
pub fn export<S: Store>(
    store: &mut S,
    (secret, now): (Secret, Millis),
    rows: &[Row],
    mut out: impl FnMut(&[u8]) -> std::io::Result<()>,
    mut pause: impl FnMut(),
) -> std::io::Result<u64> {
    let (mut exporter, head) = Exporter::new(secret, now, rows);
    out(&head)?;
    while let Some(ask) = exporter.ask() {
        let token = store.load(ask);
        let page = loop {
            match store.poll() {
                Some(Event::Loaded(found, page)) if found == token => break page,
                Some(Event::Damaged(_, what) | Event::Stopped(what)) => {
                    return Err(std::io::Error::other(what));
                }
                Some(_) => {}
                None => pause(),
            }
        };
        out(&exporter.page(page))?;
    }
    let messages = exporter.messages;
    out(&exporter.finish())?;
    Ok(messages)
}

/// The secret and the time of an export, from its first [`HEAD`] bytes.
pub fn read_head(bytes: &[u8]) -> Result<(Secret, Millis), ImportError> {
    let head = bytes.get(..HEAD).ok_or(ImportError::Head("it is too short"))?;
    let mut reader = Reader::new(head);
    let mut read = || {
        let magic = reader.take(8)? == MAGIC;
        let (version, secret) = (reader.u32()?, reader.u128()?.to_le_bytes());
        Ok((magic, version, secret, reader.u64()?, reader.u64()?))
    };
    let read: Result<_, Malformed> = read();
    let (magic, version, secret, now, sum) = read.map_err(|malformed| ImportError::Head(malformed.0))?;
    match (magic, version == VERSION, sum == checksum(&head[..HEAD - 8])) {
        (true, true, true) => Ok((Secret(secret), now)),
        (false, ..) => Err(ImportError::Head("magic")),
        (_, false, _) => Err(ImportError::Head("version")),
        _ => Err(ImportError::Head("checksum")),
    }
}

/// Fills an empty store, opened with the export's secret, from the bytes behind its head.
/// Nothing is appended unless the whole export is sound. The number of messages.
pub fn import<S: Store>(
    store: &mut S,
    now: Millis,
    bytes: &[u8],
    mut pause: impl FnMut(),
) -> Result<u64, ImportError> {
    if store.next_lsn() != 1 {
        return Err(ImportError::NotEmpty);
    }
    let damaged = |damage: rowfile::Damage| ImportError::Damaged(HEAD as u64 + damage.offset, damage.what);
    rowfile::read(bytes, 0, BLOCK, |_| ()).map_err(damaged)?;
    let mut heads: BTreeMap<QueueId, Head> = BTreeMap::new();
    let (mut batch, mut size, mut messages) = (Batch { now, records: Vec::new() }, 0, 0);
    let mut failure = None;
    rowfile::read(bytes, 0, BLOCK, |logged| {
        match &logged.record {
            Record::Put(Row::Head(queue, head)) => {
                let known = heads.entry(*queue).or_default();
                *known = Head {
                    live: known.live,
                    next_sequence: known.next_sequence.max(head.next_sequence),
                    ..*head
                };
                return;
            }
            Record::Put(Row::Message(key, _, blob)) => {
                let head = heads.entry(key.queue).or_default();
                head.live += 1;
                head.next_sequence = head.next_sequence.max(key.sequence + 1);
                size += blob.len();
                messages += 1;
            }
            _ => {}
        }
        size += 100;
        batch.records.push(logged.record);
        if size > 1 << 20 {
            size = 0;
            let full = std::mem::replace(&mut batch, Batch { now, records: Vec::new() });
            failure = failure.take().or_else(|| append(store, full, &mut pause).err());
        }
    })
    .map_err(damaged)?;
    batch.records.extend(heads.into_iter().map(|(queue, head)| Record::Put(Row::Head(queue, head))));
    failure.map_or(Ok(()), Err)?;
    append(store, batch, &mut pause)?;
    store.stop();
    while !store.is_quiet() {
        drain(store, &mut pause)?;
    }
    Ok(messages)
}

fn append<S: Store>(store: &mut S, batch: Batch, pause: &mut impl FnMut()) -> Result<(), ImportError> {
    while store.room().bytes < 16 << 20 {
        drain(store, pause)?;
    }
    store.append(batch);
    drain(store, pause)
}

fn drain<S: Store>(store: &mut S, pause: &mut impl FnMut()) -> Result<(), ImportError> {
    let mut any = false;
    while let Some(event) = store.poll() {
        any = true;
        if let Event::Stopped(why) = event {
            return Err(ImportError::Stopped(why));
        }
    }
    if !any {
        pause();
    }
    Ok(())
}

//! A store's rows as a stream, and back: to move a data directory, or to keep a copy of it.
//!
//! The stream is a head with the directory's secret, then chunks of records as row files have them: the small
//! rows, then the messages queue by queue. All of it is true as of one batch, so that a message on its way
//! from one queue to another is in exactly one of them, as after a crash at that moment.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use engine::ids::Secret;
use engine::rows::Head;
use engine::{Ask, Batch, MessageKey, Millis, Page, QueueId, Record, Row};

use crate::codec::{Malformed, Reader, checksum};
use crate::log::rowfile::{self, Writer};
use crate::rows::{first_of, last_of};
use crate::{Event, Store};

const MAGIC: [u8; 8] = *b"SLUICEEX";
/// Rises with [`crate::log::manifest::FORMAT`] where rows or contents change.
const VERSION: u32 = 2;
/// Bytes of the stream's head.
pub const HEAD: usize = 8 + 4 + 16 + 8 + 8;
/// Chunks are padded to this; a stream needs no blocks.
const BLOCK: usize = 8;
/// Messages of one page at most; its bytes are bounded by the store.
const PAGE: usize = 1_000;
/// Bytes of one batch of an import, about.
const BATCH: usize = 1 << 20;

/// Why a stream cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// It is no export, or of another version.
    Head(&'static str),
    /// It is damaged at this byte.
    Damaged(u64, String),
    /// The directory to import into is not empty.
    NotEmpty,
    /// The store cannot be filled.
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

/// What an export was taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The directory's secret: handles and MessageIds given out stay good.
    pub secret: Secret,
    /// The latest time it knew, ms.
    pub now: Millis,
}

/// Exports the small rows and the messages of the queues among them; `load` answers asks as of the moment of
/// the rows, `out` takes the bytes. The number of messages.
pub fn export(
    origin: Origin,
    rows: impl IntoIterator<Item = Row>,
    mut load: impl FnMut(Ask) -> io::Result<Page>,
    mut out: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    out(&head(origin))?;
    let mut chunks = Chunks { writer: Writer::new(0, BLOCK), out: &mut out };
    let mut queues = Vec::new();
    for row in rows {
        if let Row::Queue(queue, _) = &row {
            queues.push(*queue);
        }
        chunks.put(row)?;
    }
    let mut messages = 0;
    for queue in queues {
        let mut next = Some(first_of(queue));
        while let Some(from) = next {
            let page = load(Ask::Run {
                from,
                to: last_of(queue),
                skip: Default::default(),
                limit: PAGE,
                past_damage: false,
            })?;
            next = behind(&page);
            for found in page.rows {
                messages += 1;
                let blob = found.blob.expect("a page that skips no lane has every content");
                chunks.put(Row::Message(found.key, found.row, blob))?;
            }
        }
    }
    chunks.close()?;
    Ok(messages)
}

fn head(origin: Origin) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&origin.secret.0);
    head.extend_from_slice(&origin.now.to_le_bytes());
    head.extend_from_slice(&checksum(&head).to_le_bytes());
    head
}

/// Where the next page begins, if there is one.
fn behind(page: &Page) -> Option<MessageKey> {
    let last = page.rows.last().filter(|_| !page.ran_out)?;
    Some(MessageKey { sequence: last.key.sequence + 1, ..last.key })
}

struct Chunks<F> {
    writer: Writer,
    out: F,
}

impl<F: FnMut(&[u8]) -> io::Result<()>> Chunks<F> {
    fn put(&mut self, row: Row) -> io::Result<()> {
        self.writer.add(&Record::Put(row));
        if self.writer.is_full() { (self.out)(&self.writer.close(false).1) } else { Ok(()) }
    }

    fn close(mut self) -> io::Result<()> {
        (self.out)(&self.writer.close(true).1)
    }
}

/// What an export was taken of, from its head.
fn read_head(source: &mut impl Read) -> Result<Origin, ImportError> {
    let mut head = [0; HEAD];
    source.read_exact(&mut head).map_err(|_| ImportError::Head("it is too short"))?;
    let mut reader = Reader::new(&head);
    let mut read = || {
        let magic = reader.take(8)? == MAGIC;
        let (version, secret) = (reader.u32()?, reader.u128()?.to_le_bytes());
        Ok((magic, version, secret, reader.u64()?, reader.u64()?))
    };
    let read: Result<_, Malformed> = read();
    let (magic, version, secret, now, sum) = read.map_err(|malformed| ImportError::Head(malformed.0))?;
    match (magic, version == VERSION, sum == checksum(&head[..HEAD - 8])) {
        (true, true, true) => Ok(Origin { secret: Secret(secret), now }),
        (false, ..) => Err(ImportError::Head("magic")),
        (_, false, _) => Err(ImportError::Head("version")),
        _ => Err(ImportError::Head("checksum")),
    }
}

/// Imports an export from its beginning. It is read twice: `open` is asked for an empty store with this secret
/// only once the whole export was found sound. The number of messages; `pause` waits a moment for the disk.
pub fn import<S: Store>(
    source: &mut (impl Read + Seek),
    open: impl FnOnce(Origin) -> Result<S, String>,
    mut pause: impl FnMut(),
) -> Result<u64, ImportError> {
    let origin = read_head(source)?;
    read_rows(source, |_| ())?;
    let mut store = open(origin).map_err(ImportError::Stopped)?;
    if store.next_lsn() != 1 {
        return Err(ImportError::NotEmpty);
    }
    let again = source.seek(SeekFrom::Start(HEAD as u64));
    again.map_err(|error| ImportError::Stopped(error.to_string()))?;
    let mut filling = Filling::new(&mut store, origin.now);
    read_rows(source, |record| filling.add(record, &mut pause))?;
    filling.finish(&mut pause)
}

fn read_rows(source: &mut impl Read, mut each: impl FnMut(Record)) -> Result<u64, ImportError> {
    let read = rowfile::read_from(source, 0, BLOCK, |logged| each(logged.record));
    read.map_err(|damage| ImportError::Damaged(HEAD as u64 + damage.offset, damage.what))
}

/// A store that is being filled.
struct Filling<'a, S> {
    store: &'a mut S,
    /// Written last, with the messages counted.
    heads: BTreeMap<QueueId, Head>,
    batch: Batch,
    size: usize,
    messages: u64,
    failure: Option<ImportError>,
}

impl<'a, S: Store> Filling<'a, S> {
    fn new(store: &'a mut S, now: Millis) -> Filling<'a, S> {
        let batch = Batch { now, records: Vec::new() };
        Filling { store, heads: BTreeMap::new(), batch, size: 0, messages: 0, failure: None }
    }

    fn add(&mut self, record: Record, pause: &mut impl FnMut()) {
        match &record {
            Record::Put(Row::Head(queue, head)) => {
                let known = self.heads.entry(*queue).or_default();
                let next_sequence = known.next_sequence.max(head.next_sequence);
                *known = Head { live: known.live, next_sequence, free_from: 0, ..*head };
                return;
            }
            Record::Put(Row::Message(key, _, blob)) => {
                let head = self.heads.entry(key.queue).or_default();
                head.live += 1;
                head.next_sequence = head.next_sequence.max(key.sequence + 1);
                self.size += blob.len();
                self.messages += 1;
            }
            _ => {}
        }
        self.size += 100;
        self.batch.records.push(record);
        if self.size > BATCH && self.failure.is_none() {
            self.failure = self.append(pause).err();
        }
    }

    fn append(&mut self, pause: &mut impl FnMut()) -> Result<(), ImportError> {
        self.size = 0;
        let empty = Batch { now: self.batch.now, records: Vec::new() };
        let batch = std::mem::replace(&mut self.batch, empty);
        while self.store.room().bytes < 16 << 20 {
            drain(self.store, pause)?;
        }
        if self.store.room().sends_refused {
            return Err(ImportError::Stopped("no space left on its disk".into()));
        }
        self.store.append(batch);
        drain(self.store, pause)
    }

    fn finish(mut self, pause: &mut impl FnMut()) -> Result<u64, ImportError> {
        let heads = std::mem::take(&mut self.heads);
        self.batch.records.extend(heads.into_iter().map(|(queue, head)| Record::Put(Row::Head(queue, head))));
        self.failure.take().map_or(Ok(()), Err)?;
        self.append(pause)?;
        self.store.stop();
        while !self.store.is_quiet() {
            drain(self.store, pause)?;
        }
        Ok(self.messages)
    }
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

//! Writing a segment, a stretch at a time.

use engine::rows::MessageRow;
use engine::{Lane, Lsn, MessageKey, Millis};

use crate::codec::checksum;
use crate::log::group::round_up;

use super::index::LanePlace;
use super::{IndexEntry, LEAF_BYTES, LeafEntry, Meta, Pointer, SPANS, Span};

/// At the end of every segment file.
pub const MAGIC: [u8; 8] = *b"SLUICESG";

/// Takes messages in key order and yields the bytes of the file, in order.
#[derive(Debug)]
pub struct Builder {
    number: u64,
    block: usize,
    /// Bytes not yet taken.
    out: Vec<u8>,
    /// Bytes taken.
    taken: u64,
    leaf: Vec<u8>,
    entry: Option<IndexEntry>,
    mixed: bool,
    index: Vec<IndexEntry>,
    lanes: Vec<LanePlace>,
    spans: Vec<Span>,
    count: u64,
    last: MessageKey,
}

/// A whole segment.
#[derive(Debug)]
pub struct Finished {
    /// What the manifest says of it.
    pub meta: Meta,
    /// The file's last bytes.
    pub rest: Vec<u8>,
    /// Where they go.
    pub offset: u64,
}

impl Builder {
    /// An empty segment. `number` names its file.
    pub fn new(number: u64, block: usize) -> Builder {
        Builder {
            number,
            block,
            out: Vec::new(),
            taken: 0,
            leaf: Vec::new(),
            entry: None,
            mixed: false,
            index: Vec::new(),
            lanes: Vec::new(),
            spans: Vec::new(),
            count: 0,
            last: MessageKey::default(),
        }
    }

    /// Messages so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// Bytes taken: where the next ones go.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes waiting to be taken.
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Adds a message, behind all others.
    pub fn add(&mut self, key: MessageKey, row: &MessageRow, blob: &[u8]) {
        assert!(self.count == 0 || key > self.last, "a segment is in key order");
        let pointer = self.append(blob);
        self.extend_leaf(&key, row);
        LeafEntry::put(&key, row, &pointer, &mut self.leaf);
        self.extend_span(&key);
        if row.lane != Lane::NONE && key.rank == 0 {
            self.lanes.push(LanePlace { queue: key.queue, lane: row.lane, sequence: key.sequence });
        }
        self.count += 1;
        self.last = key;
        if self.leaf.len() >= LEAF_BYTES {
            self.close_leaf();
        }
    }

    /// The next whole blocks of the file and where they go.
    pub fn take(&mut self) -> (u64, Vec<u8>) {
        let whole = self.out.len() / self.block * self.block;
        // The next stretch is about as long: growing to that would copy it once more.
        let mut rest = Vec::with_capacity(self.out.len());
        rest.extend_from_slice(&self.out[whole..]);
        let mut bytes = std::mem::replace(&mut self.out, rest);
        bytes.truncate(whole);
        let offset = self.taken;
        self.taken += whole as u64;
        (offset, bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Pointer {
        let offset = self.bytes();
        self.out.extend_from_slice(bytes);
        Pointer { offset, length: bytes.len() as u32, sum: checksum(bytes) }
    }

    fn extend_leaf(&mut self, key: &MessageKey, row: &MessageRow) {
        let none = Pointer { offset: 0, length: 0, sum: 0 };
        let (ordinal, oldest) = (self.count, Millis::MAX);
        let entry =
            self.entry.get_or_insert(IndexEntry { first: *key, leaf: none, ordinal, oldest, lane: None });
        entry.oldest = entry.oldest.min(row.retained_from);
        if self.leaf.is_empty() {
            entry.lane = Some(row.lane);
            self.mixed = key.rank != 0 || row.lane == Lane::NONE;
        }
        // A leaf that spans queues is mixed as well: a lane is the same in every queue.
        self.mixed |= entry.lane != Some(row.lane) || entry.first.queue != key.queue || key.rank != 0;
    }

    fn extend_span(&mut self, key: &MessageKey) {
        let full = self.spans.len() > SPANS;
        match self.spans.last_mut() {
            Some(span) if span.queue() == key.queue && span.is_delayed() == (key.rank != 0) => {
                span.last = *key;
                span.highest = span.highest.max(key.sequence);
                span.count += 1;
            }
            _ if full => {}
            _ => {
                let (highest, ordinal) = (key.sequence, self.count);
                self.spans.push(Span { first: *key, last: *key, highest, ordinal, count: 1 });
            }
        }
    }

    fn close_leaf(&mut self) {
        let Some(mut entry) = self.entry.take() else { return };
        let mut leaf = std::mem::take(&mut self.leaf);
        entry.leaf = self.append(&leaf);
        leaf.clear();
        self.leaf = leaf;
        entry.lane = entry.lane.filter(|_| !self.mixed);
        self.index.push(entry);
    }

    /// Ends the segment. There must be a message.
    pub fn finish(mut self, lsns: (Lsn, Lsn)) -> Finished {
        self.close_leaf();
        let mut bytes = Vec::new();
        self.index.iter().for_each(|entry| entry.put(&mut bytes));
        let index = self.append(&bytes);
        let lanes = (!self.lanes.is_empty()).then(|| self.append_lanes());
        if self.spans.len() > SPANS {
            self.spans.clear();
        }
        let mut meta = Meta {
            number: self.number,
            length: 0,
            count: self.count,
            first: self.index[0].first,
            last: self.last,
            lsns,
            index,
            lanes,
            spans: self.spans.into(),
            bitmap: None,
        };
        let bytes = self.taken + self.out.len() as u64;
        let (length, tail) = tail(&mut meta, bytes, self.block);
        let mut rest = self.out;
        rest.resize((length - self.taken) as usize - tail.len(), 0);
        rest.extend_from_slice(&tail);
        Finished { meta, rest, offset: self.taken }
    }

    fn append_lanes(&mut self) -> Pointer {
        let mut places = std::mem::take(&mut self.lanes);
        places.sort_unstable();
        let mut index = Vec::new();
        for leaf in places.chunks(LEAF_BYTES / super::index::PLACE_BYTES) {
            let mut bytes = Vec::with_capacity(LEAF_BYTES);
            leaf.iter().for_each(|place| place.put(&mut bytes));
            let pointer = self.append(&bytes);
            leaf[0].put(&mut index);
            pointer.put(&mut index);
        }
        self.append(&index)
    }
}

/// The end of the file: what the manifest says, its length, its checksum, a magic. The file is as long as
/// that takes, in whole blocks.
fn tail(meta: &mut Meta, bytes: u64, block: usize) -> (u64, Vec<u8>) {
    // The length is part of what is written, and its digits of what takes the length: a spare block settles it.
    let mut out = Vec::new();
    meta.put(&mut out);
    meta.length = round_up(bytes + out.len() as u64 + 64, block);
    out.clear();
    meta.put(&mut out);
    let (length, sum) = (out.len() as u32, checksum(&out));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&MAGIC);
    (meta.length, out)
}

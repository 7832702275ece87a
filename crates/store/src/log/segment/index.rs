//! Leaves and indexes, read.

use engine::rows::MessageRow;
use engine::{Lane, MessageKey, Millis, QueueId};

use crate::codec::{Malformed, Reader, put_message_key, put_message_row, put_number};

use super::Pointer;

type Result<T> = std::result::Result<T, Malformed>;

/// A message as its leaf has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafEntry {
    /// Its key.
    pub key: MessageKey,
    /// Its row.
    pub row: MessageRow,
    /// Where its blob is.
    pub blob: Pointer,
}

impl LeafEntry {
    /// Appends it.
    pub fn put(key: &MessageKey, row: &MessageRow, blob: &Pointer, out: &mut Vec<u8>) {
        put_message_key(out, key);
        put_message_row(out, row);
        blob.put(out);
    }
}

/// Reads the entry of a leaf that begins at byte `at`, and says where the next one does.
pub fn entry_at(leaf: &[u8], at: usize) -> Result<Option<(LeafEntry, usize)>> {
    let mut reader = Reader::new(leaf.get(at..).unwrap_or_default());
    if reader.is_empty() {
        return Ok(None);
    }
    let (key, row) = (reader.message_key()?, reader.message_row()?);
    let entry = LeafEntry { key, row, blob: Pointer::read(&mut reader)? };
    Ok(Some((entry, leaf.len() - reader.remaining())))
}

/// What the index says of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its first message.
    pub first: MessageKey,
    /// Where it is.
    pub leaf: Pointer,
    /// Its first message's ordinal.
    pub ordinal: u64,
    /// The earliest `retained_from` in it, ms.
    pub oldest: Millis,
    /// The lane that all its messages are in, if they are in one.
    pub lane: Option<Lane>,
}

impl IndexEntry {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_message_key(out, &self.first);
        self.leaf.put(out);
        put_number(out, self.ordinal);
        put_number(out, self.oldest);
        out.push(self.lane.is_some().into());
        if let Some(lane) = self.lane {
            out.extend_from_slice(&lane.0.to_le_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<IndexEntry> {
        Ok(IndexEntry {
            first: reader.message_key()?,
            leaf: Pointer::read(reader)?,
            ordinal: reader.number()?,
            oldest: reader.number()?,
            lane: if reader.flag()? { Some(Lane(reader.u128()?)) } else { None },
        })
    }
}

/// The leaves of a segment, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The entries.
    pub leaves: Vec<IndexEntry>,
}

impl Index {
    /// Reads an index.
    pub fn read(bytes: &[u8]) -> Result<Index> {
        let mut reader = Reader::new(bytes);
        let mut leaves = Vec::new();
        while !reader.is_empty() {
            leaves.push(IndexEntry::read(&mut reader)?);
        }
        if leaves.is_empty() { Err(Malformed("index")) } else { Ok(Index { leaves }) }
    }

    /// The number of the leaf that holds `key`, or would.
    pub fn find(&self, key: &MessageKey) -> usize {
        self.leaves.partition_point(|leaf| leaf.first <= *key).saturating_sub(1)
    }
}

/// A message in the order of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LanePlace {
    /// The queue.
    pub queue: QueueId,
    /// The lane.
    pub lane: Lane,
    /// The message's sequence; its rank is 0.
    pub sequence: u64,
}

/// Bytes of a place in a leaf of lanes.
pub const PLACE_BYTES: usize = 32;

impl LanePlace {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.queue.0.to_le_bytes());
        out.extend_from_slice(&self.lane.0.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<LanePlace> {
        Ok(LanePlace { queue: QueueId(reader.u64()?), lane: Lane(reader.u128()?), sequence: reader.u64()? })
    }
}

/// The places of a leaf of lanes, in order.
pub fn lane_places(bytes: &[u8]) -> Result<Vec<LanePlace>> {
    if !bytes.len().is_multiple_of(PLACE_BYTES) {
        return Err(Malformed("leaf of lanes"));
    }
    let mut reader = Reader::new(bytes);
    (0..bytes.len() / PLACE_BYTES).map(|_| LanePlace::read(&mut reader)).collect()
}

/// The leaves of lanes of a segment: the first place of each, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneIndex {
    /// The entries.
    pub leaves: Vec<(LanePlace, Pointer)>,
}

impl LaneIndex {
    /// Reads an index of lanes.
    pub fn read(bytes: &[u8]) -> Result<LaneIndex> {
        let mut reader = Reader::new(bytes);
        let mut leaves = Vec::new();
        while !reader.is_empty() {
            leaves.push((LanePlace::read(&mut reader)?, Pointer::read(&mut reader)?));
        }
        Ok(LaneIndex { leaves })
    }

    /// The number of the leaf that holds `place`, or would.
    pub fn find(&self, place: &LanePlace) -> usize {
        self.leaves.partition_point(|(first, _)| first <= place).saturating_sub(1)
    }
}

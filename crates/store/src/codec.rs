//! The bytes of rows and records, as docs/format.md describes them. Ordinals are explicit and never reused.
//!
//! Reading never panics and never allocates more than the bytes it was given could fill.

mod read;
#[cfg(test)]
pub(crate) mod tests;

pub use read::Reader;

use std::collections::BTreeMap;

use engine::rows::{
    CatalogueRow, Cut, DedupHash, Leaving, MessageRow, Origin, QueueRow, TaskRow, TaskStatus, Touched,
};
use engine::{Lane, MessageId, MessageKey, QueueId, QueueName, Record, Row, RowKey};

/// Bytes that are not what they should be. They passed their checksum, so this is a fault of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "malformed {}", self.0)
    }
}

/// The checksum of everything on disk: XXH3, 64 bits, seed 0.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Ordinals of rows. Never reused.
mod kind {
    pub const CATALOGUE: u8 = 1;
    pub const QUEUE: u8 = 2;
    pub const HEAD: u8 = 3;
    pub const MESSAGE: u8 = 4;
    pub const TOUCHED: u8 = 5;
    pub const DUE: u8 = 6;
    pub const DEDUP: u8 = 7;
    pub const ATTEMPT: u8 = 8;
    pub const ARRIVED: u8 = 9;
    pub const TASK: u8 = 10;
    pub const LAST_QUEUE: u8 = 11;
}

/// Flags of a touched row, beside how it is leaving. Never reused.
mod touched {
    /// It has no lane.
    pub const NO_LANE: u8 = 4;
    /// Its last receive is its first, and its deadline counts from there.
    pub const ONCE: u8 = 8;
}

/// Ordinals of records. Never reused.
mod verb {
    pub const PUT: u8 = 1;
    pub const DELETE: u8 = 2;
    pub const CUT: u8 = 3;
    pub const DROP: u8 = 4;
}

/// A record as it is journalled: a cut names the leaving messages it spares, so that replaying it needs no
/// other row and each record's effect is the same whenever it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The record.
    pub record: Record,
    /// Of a cut: the messages it spares.
    pub spared: Vec<MessageKey>,
}

/// Appends an unsigned number, seven bits a byte, lowest first.
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes with their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// How many bytes `put_bytes` appends for this many.
pub fn bytes_length(bytes: usize) -> usize {
    let bits = usize::BITS - (bytes | 1).leading_zeros();
    bits.div_ceil(7) as usize + bytes
}

/// Appends queue, rank and sequence.
pub fn put_message_key(out: &mut Vec<u8>, key: &MessageKey) {
    put_number(out, key.queue.0);
    put_number(out, key.rank);
    put_number(out, key.sequence);
}

fn put_u128(out: &mut Vec<u8>, value: u128) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_dedup_hash(out: &mut Vec<u8>, hash: DedupHash) {
    out.extend_from_slice(&hash.low.to_le_bytes());
    out.extend_from_slice(&hash.high.to_le_bytes());
}

fn put_name(out: &mut Vec<u8>, name: &QueueName) {
    put_bytes(out, name.account.as_bytes());
    put_bytes(out, name.region.as_bytes());
    put_bytes(out, name.name.as_bytes());
}

fn put_pairs(out: &mut Vec<u8>, pairs: &BTreeMap<String, String>) {
    put_number(out, pairs.len() as u64);
    for (name, value) in pairs {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn put_queue_row(out: &mut Vec<u8>, row: &QueueRow) {
    put_number(out, row.id.0);
    put_name(out, &row.name);
    put_pairs(out, &row.attributes);
    put_pairs(out, &row.tags);
    put_number(out, row.version);
    put_number(out, row.created);
    put_number(out, row.modified);
}

fn put_origin(out: &mut Vec<u8>, origin: &Origin) {
    put_number(out, origin.queue.0);
    put_bytes(out, origin.arn.as_bytes());
}

/// Bits of a message row's first byte: which of the rarer fields follow.
mod field {
    pub const ID: u8 = 1;
    pub const LANE: u8 = 2;
    pub const ORIGIN: u8 = 4;
    pub const RETAINED: u8 = 8;
    pub const RECEIVED: u8 = 16;
    pub const ALL: u8 = 31;
}

/// Appends a message's row without its blob.
pub fn put_message_row(out: &mut Vec<u8>, row: &MessageRow) {
    let received = row.receive_count != 0 || row.first_received != 0;
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(
        bit(row.id.is_some(), field::ID)
            | bit(row.lane != Lane::NONE, field::LANE)
            | bit(row.origin.is_some(), field::ORIGIN)
            | bit(row.retained_from != row.sent, field::RETAINED)
            | bit(received, field::RECEIVED),
    );
    put_number(out, row.sent);
    put_number(out, row.size.into());
    if let Some(id) = row.id {
        put_u128(out, id.0);
    }
    if row.lane != Lane::NONE {
        put_u128(out, row.lane.0);
    }
    if let Some(origin) = &row.origin {
        put_origin(out, origin);
    }
    if row.retained_from != row.sent {
        put_number(out, row.retained_from);
    }
    if received {
        put_number(out, row.receive_count.into());
        put_number(out, row.first_received);
    }
}

fn put_touched(out: &mut Vec<u8>, row: &Touched) {
    let leaving = match row.leaving {
        None => 0,
        Some(Leaving { renewed: false, .. }) => 1,
        Some(Leaving { renewed: true, .. }) => 2,
    };
    // There is one such row for each message received, and nearly all are like this.
    let plain = row.lane == Lane::NONE;
    let once = row.last_received == row.first_received && row.deadline >= row.last_received;
    let flag = |set, flag| if set { flag } else { 0 };
    out.push(leaving | flag(plain, touched::NO_LANE) | flag(once, touched::ONCE));
    put_number(out, row.receive_count.into());
    put_number(out, row.received_before.into());
    put_number(out, row.first_received);
    if once {
        put_number(out, row.deadline - row.last_received);
    } else {
        put_number(out, row.last_received);
        put_number(out, row.deadline);
    }
    out.extend_from_slice(&row.nonce.to_le_bytes());
    if !plain {
        put_u128(out, row.lane.0);
    }
    put_number(out, row.retained_from);
    if let Some(leaving) = row.leaving {
        put_number(out, leaving.target.0);
    }
}

fn put_id(out: &mut Vec<u8>, id: Option<MessageId>) {
    out.push(id.is_some().into());
    if let Some(id) = id {
        put_u128(out, id.0);
    }
}

fn put_task(out: &mut Vec<u8>, row: &TaskRow) {
    out.push(match row.status {
        TaskStatus::Running => 1,
        TaskStatus::Completed => 2,
        TaskStatus::Cancelling => 3,
        TaskStatus::Cancelled => 4,
        TaskStatus::Failed => 5,
    });
    out.push(row.destination.is_some().into());
    if let Some(destination) = &row.destination {
        put_origin(out, destination);
    }
    put_number(out, row.rate.map_or(0, |rate| u64::from(rate) + 1));
    for value in [row.started, row.moved, row.to_move, row.until_sequence] {
        put_number(out, value);
    }
    out.push(row.failure.is_some().into());
    if let Some(failure) = &row.failure {
        put_bytes(out, failure.as_bytes());
    }
}

/// Appends a row: its kind, its key, its value.
pub fn put_row(out: &mut Vec<u8>, row: &Row) {
    match row {
        Row::Catalogue(name, row) => {
            put_catalogue_key(out, name);
            match row {
                CatalogueRow::Named(row) => {
                    out.push(1);
                    put_queue_row(out, row);
                }
                CatalogueRow::Deleted(at) => {
                    out.push(2);
                    put_number(out, *at);
                }
            }
        }
        Row::Message(key, row, blob) => {
            out.push(kind::MESSAGE);
            put_message_key(out, key);
            put_message_row(out, row);
            put_bytes(out, blob);
        }
        row => put_queue_owned(out, row),
    }
}

fn put_queue_owned(out: &mut Vec<u8>, row: &Row) {
    put_key(out, &row.key());
    match row {
        Row::Queue(_, row) => put_queue_row(out, row),
        Row::Head(_, head) => {
            put_number(out, head.next_sequence);
            put_number(out, head.live);
            out.push(u8::from(head.has_moved) | u8::from(head.free_from > 0) << 1);
            put_number(out, head.last_purge);
            if head.free_from > 0 {
                put_number(out, head.free_from);
            }
        }
        Row::Touched(_, row) => put_touched(out, row),
        Row::Due(_, _, count) => put_number(out, (*count).into()),
        Row::Dedup(_, row) => {
            put_number(out, row.sequence);
            put_number(out, row.sent);
            put_id(out, row.id);
        }
        Row::Attempt(_, row) => {
            put_number(out, row.received);
            put_number(out, row.deadline);
            put_number(out, row.messages.len() as u64);
            for (key, nonce) in &row.messages {
                put_message_key(out, key);
                out.extend_from_slice(&nonce.to_le_bytes());
            }
        }
        Row::Arrived(_, row) => put_message_key(out, &row.key),
        Row::Task(_, row) => put_task(out, row),
        Row::LastQueue(id) => put_number(out, id.0),
        Row::Catalogue(..) | Row::Message(..) => unreachable!("written by put_row"),
    }
}

fn put_catalogue_key(out: &mut Vec<u8>, name: &QueueName) {
    out.push(kind::CATALOGUE);
    put_name(out, name);
}

/// Appends a row's kind and key.
pub fn put_key(out: &mut Vec<u8>, key: &RowKey) {
    match key {
        RowKey::Catalogue(name) => put_catalogue_key(out, name),
        RowKey::Queue(id) => put_head(out, kind::QUEUE, *id),
        RowKey::Head(id) => put_head(out, kind::HEAD, *id),
        RowKey::Message(key) => {
            out.push(kind::MESSAGE);
            put_message_key(out, key);
        }
        RowKey::Touched(key) => {
            out.push(kind::TOUCHED);
            put_message_key(out, key);
        }
        RowKey::Due(id, second) => {
            put_head(out, kind::DUE, *id);
            put_number(out, *second);
        }
        RowKey::Dedup(key) => {
            put_head(out, kind::DEDUP, key.queue);
            put_number(out, key.minute);
            put_dedup_hash(out, key.hash);
        }
        RowKey::Attempt(key) => {
            put_head(out, kind::ATTEMPT, key.queue);
            put_u128(out, key.hash);
        }
        RowKey::Arrived(key) => {
            put_head(out, kind::ARRIVED, key.queue);
            put_message_key(out, &key.source);
        }
        RowKey::Task(key) => {
            put_head(out, kind::TASK, key.queue);
            put_number(out, key.number);
        }
        RowKey::LastQueue => out.push(kind::LAST_QUEUE),
    }
}

fn put_head(out: &mut Vec<u8>, kind: u8, queue: QueueId) {
    out.push(kind);
    put_number(out, queue.0);
}

/// Appends a record; `spared` are the leaving messages a cut passes over.
pub fn put_record(out: &mut Vec<u8>, record: &Record, spared: &[MessageKey]) {
    match record {
        Record::Put(row) => {
            out.push(verb::PUT);
            put_row(out, row);
        }
        Record::Delete(key) => {
            out.push(verb::DELETE);
            put_key(out, key);
        }
        Record::Cut(cut) => put_cut(out, cut, spared),
        Record::Drop(queue) => put_head(out, verb::DROP, *queue),
    }
}

fn put_cut(out: &mut Vec<u8>, cut: &Cut, spared: &[MessageKey]) {
    put_head(out, verb::CUT, cut.queue);
    out.push(u8::from(cut.arrived_below.is_some()) | u8::from(cut.delayed_below.is_some()) << 1);
    for below in [cut.arrived_below, cut.delayed_below].into_iter().flatten() {
        put_number(out, below);
    }
    put_number(out, spared.len() as u64);
    for key in spared {
        put_number(out, key.rank);
        put_number(out, key.sequence);
    }
}

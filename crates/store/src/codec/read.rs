//! Reading what [`super`] wrote.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::queue::dedup::Dedup;
use engine::rows::{
    ArrivedKey, ArrivedRow, AttemptKey, AttemptRow, CatalogueRow, Cut, DedupHash, DedupKey, DedupRow, Head,
    Leaving, MessageRow, Origin, QueueRow, TaskKey, TaskRow, TaskStatus, Touched,
};
use engine::{Lane, MessageId, MessageKey, QueueId, QueueName, Record, Row, RowKey};

use super::{Logged, Malformed, field, kind, touched, verb};

type Result<T> = std::result::Result<T, Malformed>;

/// Reads from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Malformed("length"))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Malformed("length"))?;
        self.rest = rest;
        Ok(*head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Four bytes, lowest first.
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, lowest first.
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Sixteen bytes, lowest first.
    pub fn u128(&mut self) -> Result<u128> {
        self.array().map(u128::from_le_bytes)
    }

    fn dedup_hash(&mut self) -> Result<DedupHash> {
        let low = self.array().map(u64::from_le_bytes)?;
        let high = self.array().map(u32::from_le_bytes)?;
        Ok(DedupHash { high, low })
    }

    /// As `put_number` wrote it; a longer spelling of the same number is refused.
    pub fn number(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (shift == 63 && bits > 1) || (shift > 0 && byte == 0) {
                return Err(Malformed("number"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("number"))
    }

    /// A number that fits 32 bits.
    pub fn small(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| Malformed("number"))
    }

    /// A count of things that take at least a byte each.
    pub fn count(&mut self) -> Result<usize> {
        let count = usize::try_from(self.number()?).map_err(|_| Malformed("count"))?;
        if count <= self.rest.len() { Ok(count) } else { Err(Malformed("count")) }
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    /// UTF-8 with its length.
    pub fn text(&mut self) -> Result<String> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed("text"))
    }

    /// A byte that is 0 or 1.
    pub fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("flag")),
        }
    }

    fn name(&mut self) -> Result<QueueName> {
        Ok(QueueName { account: self.text()?, region: self.text()?, name: self.text()? })
    }

    fn queue(&mut self) -> Result<QueueId> {
        self.number().map(QueueId)
    }

    fn pairs(&mut self) -> Result<BTreeMap<String, String>> {
        let count = self.count()?;
        (0..count).map(|_| Ok((self.text()?, self.text()?))).collect()
    }

    fn queue_row(&mut self) -> Result<QueueRow> {
        Ok(QueueRow {
            id: self.queue()?,
            name: self.name()?,
            attributes: self.pairs()?,
            tags: self.pairs()?,
            version: self.number()?,
            created: self.number()?,
            modified: self.number()?,
        })
    }

    fn origin(&mut self) -> Result<Origin> {
        Ok(Origin { queue: self.queue()?, arn: self.text()? })
    }

    /// A message's key.
    pub fn message_key(&mut self) -> Result<MessageKey> {
        Ok(MessageKey { queue: self.queue()?, rank: self.number()?, sequence: self.number()? })
    }

    /// A message's row without its blob.
    pub fn message_row(&mut self) -> Result<MessageRow> {
        let fields = self.byte()?;
        if fields & !field::ALL != 0 {
            return Err(Malformed("message row"));
        }
        let has = |bit: u8| fields & bit != 0;
        let (sent, size) = (self.number()?, self.small()?);
        let id = if has(field::ID) { Some(MessageId(self.u128()?)) } else { None };
        let lane = if has(field::LANE) { Lane(self.u128()?) } else { Lane::NONE };
        let origin = if has(field::ORIGIN) { Some(self.origin()?) } else { None };
        let retained_from = if has(field::RETAINED) { self.number()? } else { sent };
        let (receive_count, first_received) =
            if has(field::RECEIVED) { (self.small()?, self.number()?) } else { (0, 0) };
        Ok(MessageRow { id, lane, origin, sent, retained_from, size, receive_count, first_received })
    }

    fn touched(&mut self) -> Result<Touched> {
        let flags = self.byte()?;
        let (receive_count, received_before, first_received) = (self.small()?, self.small()?, self.number()?);
        let (last_received, deadline) = if flags & touched::ONCE != 0 {
            let deadline = first_received.checked_add(self.number()?);
            (first_received, deadline.ok_or(Malformed("touched row"))?)
        } else {
            (self.number()?, self.number()?)
        };
        let nonce = self.u64()?;
        let lane = if flags & touched::NO_LANE != 0 { Lane::NONE } else { Lane(self.u128()?) };
        let mut row = Touched {
            receive_count,
            received_before,
            first_received,
            last_received,
            deadline,
            nonce,
            lane,
            retained_from: self.number()?,
            leaving: None,
        };
        row.leaving = match flags & !(touched::ONCE | touched::NO_LANE) {
            0 => None,
            1 => Some(Leaving { target: self.queue()?, renewed: false }),
            2 => Some(Leaving { target: self.queue()?, renewed: true }),
            _ => return Err(Malformed("touched row")),
        };
        Ok(row)
    }

    fn id(&mut self) -> Result<Option<MessageId>> {
        Ok(if self.flag()? { Some(MessageId(self.u128()?)) } else { None })
    }

    fn task(&mut self) -> Result<TaskRow> {
        let status = match self.byte()? {
            1 => TaskStatus::Running,
            2 => TaskStatus::Completed,
            3 => TaskStatus::Cancelling,
            4 => TaskStatus::Cancelled,
            5 => TaskStatus::Failed,
            _ => return Err(Malformed("task row")),
        };
        Ok(TaskRow {
            status,
            destination: if self.flag()? { Some(self.origin()?) } else { None },
            rate: match self.number()? {
                0 => None,
                rate => Some(u32::try_from(rate - 1).map_err(|_| Malformed("task row"))?),
            },
            started: self.number()?,
            moved: self.number()?,
            to_move: self.number()?,
            until_sequence: self.number()?,
            failure: if self.flag()? { Some(self.text()?) } else { None },
        })
    }

    /// A row's kind and key.
    pub fn key(&mut self) -> Result<RowKey> {
        Ok(match self.byte()? {
            kind::CATALOGUE => RowKey::Catalogue(self.name()?),
            kind::QUEUE => RowKey::Queue(self.queue()?),
            kind::HEAD => RowKey::Head(self.queue()?),
            kind::MESSAGE => RowKey::Message(self.message_key()?),
            kind::TOUCHED => RowKey::Touched(self.message_key()?),
            kind::DUE => RowKey::Due(self.queue()?, self.number()?),
            kind::DEDUP => {
                let (queue, minute, hash) = (self.queue()?, self.number()?, self.dedup_hash()?);
                RowKey::Dedup(DedupKey { queue, minute, hash })
            }
            kind::ATTEMPT => RowKey::Attempt(AttemptKey { queue: self.queue()?, hash: self.u128()? }),
            kind::ARRIVED => {
                RowKey::Arrived(ArrivedKey { queue: self.queue()?, source: self.message_key()? })
            }
            kind::TASK => RowKey::Task(TaskKey { queue: self.queue()?, number: self.number()? }),
            kind::LAST_QUEUE => RowKey::LastQueue,
            _ => return Err(Malformed("row kind")),
        })
    }

    fn dedup_row(&mut self, key: &DedupKey) -> Result<DedupRow> {
        let row = DedupRow { sequence: self.number()?, sent: self.number()?, id: self.id()? };
        if Dedup::takes(key, &row) { Ok(row) } else { Err(Malformed("deduplication id")) }
    }

    /// A row: its kind, its key, its value.
    pub fn row(&mut self) -> Result<Row> {
        Ok(match self.key()? {
            RowKey::Catalogue(name) => Row::Catalogue(name, self.catalogue_row()?),
            RowKey::Queue(id) => Row::Queue(id, self.queue_row()?),
            RowKey::Head(id) => Row::Head(id, self.head()?),
            RowKey::Message(key) => {
                let row = self.message_row()?;
                Row::Message(key, row, Bytes::copy_from_slice(self.bytes()?))
            }
            RowKey::Touched(key) => Row::Touched(key, self.touched()?),
            RowKey::Due(id, second) => Row::Due(id, second, self.small()?),
            RowKey::Dedup(key) => Row::Dedup(key, self.dedup_row(&key)?),
            RowKey::Attempt(key) => Row::Attempt(key, self.attempt()?),
            RowKey::Arrived(key) => Row::Arrived(key, ArrivedRow { key: self.message_key()? }),
            RowKey::Task(key) => Row::Task(key, self.task()?),
            RowKey::LastQueue => Row::LastQueue(self.queue()?),
        })
    }

    fn catalogue_row(&mut self) -> Result<CatalogueRow> {
        match self.byte()? {
            1 => self.queue_row().map(CatalogueRow::Named),
            2 => self.number().map(CatalogueRow::Deleted),
            _ => Err(Malformed("catalogue row")),
        }
    }

    fn head(&mut self) -> Result<Head> {
        let (next_sequence, live) = (self.number()?, self.number()?);
        let flags = self.byte()?;
        if flags > 3 {
            return Err(Malformed("head"));
        }
        let last_purge = self.number()?;
        let free_from = if flags & 2 == 0 { 0 } else { self.number()? };
        if flags & 2 != 0 && free_from == 0 {
            return Err(Malformed("head"));
        }
        Ok(Head { next_sequence, live, has_moved: flags & 1 == 1, last_purge, free_from })
    }

    fn attempt(&mut self) -> Result<AttemptRow> {
        let (received, deadline) = (self.number()?, self.number()?);
        let count = self.count()?;
        let messages: Result<Vec<_>> = (0..count).map(|_| Ok((self.message_key()?, self.u64()?))).collect();
        Ok(AttemptRow { received, deadline, messages: messages? })
    }

    /// A record.
    pub fn record(&mut self) -> Result<Logged> {
        let mut spared = Vec::new();
        let record = match self.byte()? {
            verb::PUT => Record::Put(self.row()?),
            verb::DELETE => Record::Delete(self.key()?),
            verb::CUT => Record::Cut(self.cut(&mut spared)?),
            verb::DROP => Record::Drop(self.queue()?),
            _ => return Err(Malformed("record")),
        };
        Ok(Logged { record, spared })
    }

    fn cut(&mut self, spared: &mut Vec<MessageKey>) -> Result<Cut> {
        let queue = self.queue()?;
        let which = self.byte()?;
        if which > 3 {
            return Err(Malformed("cut"));
        }
        let arrived_below = if which & 1 != 0 { Some(self.number()?) } else { None };
        let delayed_below = if which & 2 != 0 { Some(self.number()?) } else { None };
        for _ in 0..self.count()? {
            spared.push(MessageKey { queue, rank: self.number()?, sequence: self.number()? });
        }
        Ok(Cut { queue, arrived_below, delayed_below })
    }
}

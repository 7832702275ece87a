//! What the manifest says of a segment.

use std::sync::Arc;

use engine::{Lsn, MessageKey, QueueId};

use crate::codec::{Malformed, Reader, put_message_key, put_number};

type Result<T> = std::result::Result<T, Malformed>;

/// Where a block is, and the checksum it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
    /// Of the bytes.
    pub sum: u64,
}

impl Pointer {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_number(out, self.offset);
        put_number(out, self.length.into());
        out.extend_from_slice(&self.sum.to_le_bytes());
    }

    /// Reads what `put` wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<Pointer> {
        Ok(Pointer { offset: reader.number()?, length: reader.small()?, sum: reader.u64()? })
    }
}

/// A queue's messages in a segment: those of rank 0, or the others. Their ordinals follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first message.
    pub first: MessageKey,
    /// The last message.
    pub last: MessageKey,
    /// The highest sequence among them.
    pub highest: u64,
    /// The first message's ordinal.
    pub ordinal: u64,
    /// How many.
    pub count: u64,
}

impl Span {
    /// Whether it is of ranks other than 0.
    pub fn is_delayed(&self) -> bool {
        self.first.rank != 0
    }

    /// Whose messages.
    pub fn queue(&self) -> QueueId {
        self.first.queue
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_message_key(out, &self.first);
        put_message_key(out, &self.last);
        put_number(out, self.highest);
        put_number(out, self.ordinal);
        put_number(out, self.count);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Span> {
        Ok(Span {
            first: reader.message_key()?,
            last: reader.message_key()?,
            highest: reader.number()?,
            ordinal: reader.number()?,
            count: reader.number()?,
        })
    }
}

/// The file that says which messages of a segment are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitmapRef {
    /// The file's number.
    pub number: u64,
    /// How many are deleted.
    pub ones: u64,
}

/// What the manifest says of a segment; its file ends with the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The file's number.
    pub number: u64,
    /// The file's bytes.
    pub length: u64,
    /// Messages, deleted ones included.
    pub count: u64,
    /// The first message.
    pub first: MessageKey,
    /// The last message.
    pub last: MessageKey,
    /// The batches whose messages are here: first and last.
    pub lsns: (Lsn, Lsn),
    /// The index of leaves.
    pub index: Pointer,
    /// The index of lanes, if a message of rank 0 has one.
    pub lanes: Option<Pointer>,
    /// By queue and kind of rank, in key order; empty if there are more than [`super::SPANS`].
    pub spans: Arc<[Span]>,
    /// Deletions, if any.
    pub bitmap: Option<BitmapRef>,
}

impl Meta {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        for number in [self.number, self.length, self.count] {
            put_number(out, number);
        }
        put_message_key(out, &self.first);
        put_message_key(out, &self.last);
        put_number(out, self.lsns.0);
        put_number(out, self.lsns.1);
        self.index.put(out);
        out.push(self.lanes.is_some().into());
        if let Some(lanes) = &self.lanes {
            lanes.put(out);
        }
        put_number(out, self.spans.len() as u64);
        self.spans.iter().for_each(|span| span.put(out));
        out.push(self.bitmap.is_some().into());
        if let Some(bitmap) = &self.bitmap {
            put_number(out, bitmap.number);
            put_number(out, bitmap.ones);
        }
    }

    /// Reads what `put` wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<Meta> {
        Ok(Meta {
            number: reader.number()?,
            length: reader.number()?,
            count: reader.number()?,
            first: reader.message_key()?,
            last: reader.message_key()?,
            lsns: (reader.number()?, reader.number()?),
            index: Pointer::read(reader)?,
            lanes: if reader.flag()? { Some(Pointer::read(reader)?) } else { None },
            spans: {
                let count = reader.count()?;
                (0..count).map(|_| Span::read(reader)).collect::<Result<_>>()?
            },
            bitmap: match reader.flag()? {
                true => Some(BitmapRef { number: reader.number()?, ones: reader.number()? }),
                false => None,
            },
        })
    }
}

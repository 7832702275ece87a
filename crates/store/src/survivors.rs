//! The small rows that survived, on their way to the views: millions, maybe, so each takes little while it waits,
//! and nothing once it is handed out.

use std::collections::VecDeque;
use std::fmt;

use engine::{Record, Row};

use crate::codec::{Reader, put_record};
use crate::dedup::Ids;

/// Bytes of rows that are given back at once.
const CHUNK: usize = 256 << 10;

/// Rows in key order, encoded.
#[derive(Debug, Default)]
pub struct Packed {
    chunks: VecDeque<Vec<u8>>,
    at: usize,
}

impl Packed {
    /// Takes rows in.
    pub fn new(rows: impl Iterator<Item = Row>) -> Packed {
        let mut packed = Packed::default();
        let mut chunk = Vec::new();
        for row in rows {
            put_record(&mut chunk, &Record::Put(row), &[]);
            if chunk.len() >= CHUNK {
                packed.chunks.push_back(std::mem::take(&mut chunk));
            }
        }
        packed.chunks.push_back(chunk);
        packed
    }
}

impl Iterator for Packed {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while self.chunks.front()?.len() == self.at {
            self.chunks.pop_front();
            self.at = 0;
        }
        let mut reader = Reader::new(&self.chunks.front()?[self.at..]);
        let before = reader.remaining();
        let logged = reader.record().expect("what was encoded can be decoded");
        self.at += before - reader.remaining();
        match logged.record {
            Record::Put(row) => Some(row),
            other => unreachable!("rows were put, not {other:?}"),
        }
    }
}

/// The small rows that survived, last value each, in key order.
pub struct Survivors(Box<dyn Iterator<Item = Row> + Send>);

impl Survivors {
    /// The deduplication ids come between the other rows.
    pub(crate) fn new(before: Packed, ids: Ids, behind: Packed) -> Survivors {
        Survivors(Box::new(before.chain(ids.into_rows()).chain(behind)))
    }
}

impl Iterator for Survivors {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.0.next()
    }
}

impl fmt::Debug for Survivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Survivors")
    }
}

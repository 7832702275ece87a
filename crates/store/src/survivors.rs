//! The small rows that survived, on their way to the views: millions, maybe, so each takes little while it waits,
//! and nothing once it is handed out.

use std::collections::{BTreeMap, VecDeque};

use engine::queue::dedup::{Dedup, Drain};
use engine::{QueueId, Record, Row};

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
#[derive(Debug)]
pub struct Survivors {
    before: Packed,
    /// The deduplication ids come between the other rows.
    ids: Ids,
    minute: Option<Drain>,
    behind: Packed,
}

impl Survivors {
    pub(crate) fn new(before: Packed, ids: Ids, behind: Packed) -> Survivors {
        Survivors { before, ids, minute: None, behind }
    }

    /// The deduplication ids of each queue as the view has them. They do not come as rows any more: to sort millions,
    /// and to put each in its place once more, would take as long as to read them.
    pub fn take_ids(&mut self) -> BTreeMap<QueueId, Dedup> {
        std::mem::take(&mut self.ids).into_queues()
    }

    fn next_id(&mut self) -> Option<Row> {
        loop {
            match self.minute.as_mut().and_then(Iterator::next) {
                Some(row) => return Some(row),
                None => self.minute = Some(self.ids.drain_first()?),
            }
        }
    }
}

impl From<Vec<Row>> for Survivors {
    /// These rows, in key order.
    fn from(rows: Vec<Row>) -> Survivors {
        Survivors::new(Packed::new(rows.into_iter()), Ids::default(), Packed::default())
    }
}

impl Iterator for Survivors {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let before = self.before.next();
        before.or_else(|| self.next_id()).or_else(|| self.behind.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::samples;
    use crate::rows::SmallRows;

    fn survivors() -> Survivors {
        let mut small = SmallRows::default();
        small.dedup.keep_all();
        samples().into_iter().for_each(|row| small.put(row));
        small.hand_over()
    }

    #[test]
    fn ids_come_as_rows_between_the_others_or_as_tables() {
        let rows: Vec<Row> = survivors().collect();
        assert!(rows.is_sorted_by_key(Row::key));
        let (of_ids, others): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| matches!(row, Row::Dedup(..)));
        let mut survivors = survivors();
        let ids = survivors.take_ids();
        assert_eq!(survivors.collect::<Vec<_>>(), others);
        assert_eq!(ids.iter().flat_map(|(queue, ids)| ids.rows(*queue)).collect::<Vec<_>>(), of_ids);
        assert!(!of_ids.is_empty());
    }
}

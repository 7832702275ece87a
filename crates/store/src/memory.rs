//! The store in memory: for tests, and for `--in-memory`. Nothing survives the process.

use std::collections::VecDeque;

use engine::{Ask, Batch, Lsn, MessageKey, Record, Row, RowKey};

use crate::rows::SmallRows;
use crate::table::{Entry, Table};
use crate::{Event, Known, Room, Store, Token, UNDURABLE_BYTES};

/// Rows in memory. "Durable" is what `poll` has seen.
#[derive(Debug)]
pub struct MemoryStore {
    small: SmallRows,
    table: Table,
    next: Lsn,
    durable: Lsn,
    tokens: u64,
    loads: VecDeque<(Token, Ask)>,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore {
            small: SmallRows::default(),
            table: Table::default(),
            next: 1,
            durable: 0,
            tokens: 0,
            loads: VecDeque::new(),
        }
    }
}

/// Applies a record to the rows in memory; `spared` are the messages a cut passes over.
pub(crate) fn apply(small: &mut SmallRows, table: &mut Table, record: Record, lsn: Lsn) {
    match record {
        Record::Put(Row::Message(key, row, blob)) => table.put(key, Entry { lsn, row, blob }),
        Record::Put(row) => small.put(row),
        Record::Delete(key) => {
            small.delete(&key);
            if let RowKey::Message(key) = key {
                table.remove(&key);
            }
        }
        Record::Cut(cut) => {
            let spared = small.spared_by(&cut);
            small.cut(&cut, &spared);
            table.cut(&cut, &spared);
        }
        Record::Drop(queue) => {
            small.drop_queue(queue);
            table.drop_queue(queue);
        }
    }
}

impl Store for MemoryStore {
    fn room(&self) -> Room {
        Room { bytes: UNDURABLE_BYTES, sends_refused: false }
    }

    fn next_lsn(&self) -> Lsn {
        self.next
    }

    fn append(&mut self, batch: Batch) -> Lsn {
        let lsn = self.next;
        self.next += 1;
        for record in batch.records {
            apply(&mut self.small, &mut self.table, record, lsn);
        }
        self.small.forget(batch.now);
        lsn
    }

    fn load(&mut self, ask: Ask) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.loads.push_back((token, ask));
        token
    }

    fn poll(&mut self) -> Option<Event> {
        if self.durable + 1 < self.next {
            self.durable = self.next - 1;
            return Some(Event::Durable(self.durable));
        }
        let (token, ask) = self.loads.pop_front()?;
        Some(Event::Loaded(token, self.table.answer(&ask, self.durable)))
    }

    fn look_for_space(&mut self) {}

    fn is_quiet(&self) -> bool {
        self.durable + 1 == self.next
    }

    fn known(&self, key: &MessageKey) -> Known<'_> {
        self.table.get(key).map_or(Known::Gone, |entry| Known::Row(&entry.row))
    }

    fn small_rows(&self) -> Vec<Row> {
        self.small.rows().collect()
    }
}

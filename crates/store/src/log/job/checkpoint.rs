//! The small rows become a file. They go on changing meanwhile: a row is written as it is when its turn comes,
//! and whatever changed since the job began is in the journal behind `position`. Rows are absolute and cuts
//! name what they spare, so replaying those records over the file gives the rows as they were.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::queue::dedup::Place;
use engine::{Lsn, QueueId, Record, Row, RowKey};

use crate::dedup::FrozenDedup;
use crate::disk::Op;
use crate::log::journal::Position;
use crate::log::rowfile::{RowFile, Writer, file_name};

use super::{Next, View};

/// The job.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where the journal goes on behind what the file surely has.
    pub position: Position,
    /// The last batch that the file may show.
    pub shows: Lsn,
    /// The small rows, once complete.
    pub rows: Option<RowFile>,
    /// The deduplication ids since the last checkpoint, once complete; none if there were none.
    pub dedup: Option<RowFile>,
    minute: u64,
    frozen: Arc<FrozenDedup>,
    writer: Option<Writer>,
    after: Option<RowKey>,
    gone: usize,
    put: (QueueId, Place),
    stage: Stage,
    ready: VecDeque<Op>,
    next_file: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Rows,
    Dedup,
    Wait,
    Done,
}

impl Checkpoint {
    /// Files are numbered from `next_file` on.
    /// `minute` is the present one.
    pub fn new(
        position: Position,
        frozen: Arc<FrozenDedup>,
        minute: u64,
        next_file: u64,
        block: usize,
    ) -> Checkpoint {
        Checkpoint {
            minute,
            position,
            shows: 0,
            rows: None,
            dedup: None,
            frozen,
            writer: Some(Writer::new(next_file, block)),
            after: None,
            gone: 0,
            put: Default::default(),
            stage: Stage::Rows,
            ready: VecDeque::new(),
            next_file: next_file + 1,
        }
    }

    /// The number for the next file.
    pub fn next_file(&self) -> u64 {
        self.next_file
    }

    pub(super) fn step(&mut self, view: View<'_>) -> Next {
        if let Some(op) = self.ready.pop_front() {
            return Next::Io(op);
        }
        match self.stage {
            Stage::Rows => self.add_rows(&view),
            Stage::Dedup => self.add_dedup(),
            Stage::Wait => {
                self.stage = Stage::Done;
                return Next::Durable(self.shows, self.position);
            }
            Stage::Done => return Next::Done,
        }
        Next::Again
    }

    fn add_rows(&mut self, view: &View<'_>) {
        let mut writer = self.writer.take().expect("there is one in this stage");
        let after = self.after.take();
        for row in view.small.rows_after(after.as_ref()) {
            if writer.is_full() {
                self.write(&mut writer, false);
                self.writer = Some(writer);
                return;
            }
            self.after = Some(row.key());
            writer.add(&Record::Put(row));
        }
        self.write(&mut writer, true);
        self.rows = Some(writer.file);
        self.shows = view.last;
        self.stage = Stage::Wait;
        if !self.frozen.gone.is_empty() || !self.frozen.put.is_empty() {
            let mut writer = Writer::new(self.next_file, view.block);
            // Deletions in it count for as long as any earlier file may.
            writer.file.last_minute = self.minute;
            self.writer = Some(writer);
            self.next_file += 1;
            self.stage = Stage::Dedup;
        }
    }

    fn add_dedup(&mut self) {
        let mut writer = self.writer.take().expect("there is one in this stage");
        while !writer.is_full() {
            if let Some(record) = self.frozen.gone.get(self.gone) {
                writer.add(record);
                self.gone += 1;
                continue;
            }
            let Some((key, row)) = self.frozen.put.next(&mut self.put) else {
                self.write(&mut writer, true);
                self.dedup = Some(writer.file);
                self.stage = Stage::Wait;
                return;
            };
            writer.file.last_minute = writer.file.last_minute.max(key.minute);
            writer.add(&Record::Put(Row::Dedup(key, row)));
        }
        self.write(&mut writer, false);
        self.writer = Some(writer);
    }

    fn write(&mut self, writer: &mut Writer, last: bool) {
        let (offset, data) = writer.close(last);
        let file = file_name(writer.file.number);
        self.ready.push_back(Op::Write { file, offset, data, sync: false });
        self.ready.extend(last.then_some(Op::Sync { file }));
    }
}

//! Neighbouring segments become one without what is deleted.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use engine::MessageKey;

use crate::codec::checksum;
use crate::disk::{Op, Output};
use crate::log::blocks::{Blocks, Stop, read_op};
use crate::log::cursor::Cursor;
use crate::log::segment::{Builder, LeafEntry, Meta, Pointer, Segment, file_name};

use super::{Next, STEP, View};

/// The job.
#[derive(Debug)]
pub struct Merge {
    /// Which segments of the list.
    pub places: Range<usize>,
    /// The segment that was written, if a message was left.
    pub written: Option<Meta>,
    /// The segments.
    pub segments: Vec<Arc<Segment>>,
    inputs: Vec<Input>,
    builder: Option<Builder>,
    number: u64,
    reading: Option<Reading>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Copy,
    Sync,
    Done,
}

#[derive(Debug)]
struct Input {
    cursor: Cursor,
    ready: VecDeque<(LeafEntry, Vec<u8>)>,
    ended: bool,
}

/// Messages whose blobs are on their way.
#[derive(Debug)]
struct Reading {
    input: usize,
    entries: Vec<LeafEntry>,
    covers: Pointer,
}

impl Merge {
    /// Merges the segments at `places` into one with this number.
    pub fn new(places: Range<usize>, segments: &[Arc<Segment>], number: u64, block: usize) -> Merge {
        let segments = segments[places.clone()].to_vec();
        let input = |segment: &Arc<Segment>| Input {
            cursor: Cursor::new(segment.clone(), segment.meta.first, segment.meta.last),
            ready: VecDeque::new(),
            ended: false,
        };
        let inputs = segments.iter().map(input).collect();
        let builder = Some(Builder::new(number, block));
        Merge { places, written: None, segments, inputs, builder, number, reading: None, stage: Stage::Copy }
    }

    /// Whether messages between these keys may be among its own.
    pub fn touches(&self, first: MessageKey, last: MessageKey) -> bool {
        self.segments.iter().any(|segment| segment.meta.first <= last && first <= segment.meta.last)
    }

    /// Whether it waits for messages.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) fn step(&mut self, view: View<'_>, read: Option<Output>) -> Result<Next, Stop> {
        if let Some(reading) = self.reading.take() {
            self.take(reading, read, view.block)?;
        }
        match self.stage {
            Stage::Copy => self.copy(view.blocks, view.block),
            Stage::Sync => {
                self.stage = Stage::Done;
                Ok(Next::Io(Op::Sync { file: file_name(self.number) }))
            }
            Stage::Done => Ok(Next::Done),
        }
    }

    fn take(&mut self, reading: Reading, read: Option<Output>, block: usize) -> Result<(), Stop> {
        let Some(Output::Bytes(bytes)) = read else { return Ok(()) };
        let input = &mut self.inputs[reading.input];
        let shift = reading.covers.offset & !(block as u64 - 1);
        for entry in reading.entries {
            let start = (entry.blob.offset - shift) as usize;
            let blob = bytes.get(start..start + entry.blob.length as usize);
            let whole = blob.filter(|blob| checksum(blob) == entry.blob.sum);
            let blob = whole.ok_or_else(|| {
                let file = &input.cursor.segment.file;
                Stop::Damaged(format!("{file} is damaged at byte {}: a message's content", entry.blob.offset))
            })?;
            input.ready.push_back((entry, blob.to_vec()));
        }
        Ok(())
    }

    fn copy(&mut self, blocks: &mut Blocks, block: usize) -> Result<Next, Stop> {
        for number in 0..self.inputs.len() {
            if let Some(reading) = self.inputs[number].refill(number, blocks)? {
                let op = read_op(&self.inputs[number].cursor.segment.file, &reading.covers, block);
                self.reading = Some(reading);
                return Ok(Next::Io(op));
            }
        }
        let mut builder = self.builder.take().expect("there is one in this stage");
        while builder.waiting() < STEP {
            let fronts = self.inputs.iter().enumerate();
            let fronts = fronts.filter_map(|(at, input)| Some((input.ready.front()?.0.key, at)));
            let Some((_, at)) = fronts.min() else { break };
            let input = &mut self.inputs[at];
            if let Some((entry, blob)) = input.ready.pop_front() {
                builder.add(entry.key, &entry.row, &blob);
            }
            if input.ready.is_empty() {
                break;
            }
        }
        if builder.waiting() >= STEP {
            let (offset, data) = builder.take();
            self.builder = Some(builder);
            return Ok(Next::Io(Op::Write { file: file_name(self.number), offset, data, sync: false }));
        }
        if self.inputs.iter().all(|input| input.ended && input.ready.is_empty()) {
            return Ok(self.finish(builder));
        }
        self.builder = Some(builder);
        Ok(Next::Again)
    }

    fn finish(&mut self, builder: Builder) -> Next {
        if builder.count() == 0 {
            self.stage = Stage::Done;
            return Next::Again;
        }
        self.stage = Stage::Sync;
        let lsns = self.segments.iter().map(|segment| segment.meta.lsns);
        let first = lsns.clone().map(|(first, _)| first).min().unwrap_or(0);
        let finished = builder.finish((first, lsns.map(|(_, last)| last).max().unwrap_or(0)));
        self.written = Some(finished.meta);
        let file = file_name(self.number);
        Next::Io(Op::Write { file, offset: finished.offset, data: finished.rest, sync: false })
    }
}

impl Input {
    /// What to read next, if nothing is at hand and there is more.
    fn refill(&mut self, number: usize, blocks: &mut Blocks) -> Result<Option<Reading>, Stop> {
        if self.ended || !self.ready.is_empty() {
            return Ok(None);
        }
        let mut reading: Option<Reading> = None;
        loop {
            // Messages already gathered are read first; the missing block is asked for again afterwards.
            let front: Option<(MessageKey, Pointer)> = match self.cursor.front(blocks, |_| true) {
                Ok(front) => front.map(|(entry, _)| (entry.key, entry.blob)),
                Err(_) if reading.is_some() => return Ok(reading),
                Err(stop) => return Err(stop),
            };
            let Some((_, blob)) = front else {
                self.ended = reading.is_none();
                return Ok(reading);
            };
            let end = blob.offset + u64::from(blob.length);
            match &mut reading {
                Some(reading) if end - reading.covers.offset > STEP as u64 => break,
                Some(reading) => reading.covers.length = (end - reading.covers.offset) as u32,
                None => reading = Some(Reading { input: number, entries: Vec::new(), covers: blob }),
            }
            if let (Some(reading), Some((entry, _))) = (&mut reading, self.cursor.take()) {
                reading.entries.push(entry);
            }
        }
        Ok(reading)
    }
}

//! The frozen layer becomes durable without the journal: its messages as a segment, its deletions as bitmaps.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::rows::Cut;
use engine::{Lsn, MessageKey, QueueId, Record, RowKey};

use crate::codec::Logged;
use crate::disk::Op;
use crate::layer::{Layer, Mark};
use crate::log::bitmap;
use crate::log::blocks::{Blocks, Stop};
use crate::log::journal::Position;
use crate::log::segment::{BitmapRef, Bits, Index, Meta, Segment, Span, entry_at, file_name};
use crate::rows::{first_of, last_of};

use super::writing::Writing;
use super::{Next, View};

/// The job.
#[derive(Debug)]
pub struct Flush {
    /// What is flushed.
    pub frozen: Arc<Layer>,
    /// The last batch in it.
    pub upto: Lsn,
    /// Where the journal goes on after it.
    pub position: Position,
    stage: Stage,
    writing: Option<Writing>,
    /// The segment that was written, if a message was left.
    pub written: Option<Meta>,
    /// Segments whose deletions are still to be found, oldest first.
    targets: VecDeque<(usize, Arc<Segment>)>,
    target: Option<Target>,
    /// The segments with new deletions.
    pub changed: Vec<Changed>,
    bitmaps: usize,
    next_file: u64,
    /// Deletions whose messages could not be found for damage.
    pub unresolved: Vec<Logged>,
}

/// A segment with new deletions.
#[derive(Debug)]
pub struct Changed {
    /// Its place in the list of segments.
    pub place: usize,
    /// What it was.
    pub segment: Arc<Segment>,
    /// Its deletions, old and new.
    pub bits: Arc<Bits>,
    /// The file that has them; none if everything is deleted.
    pub bitmap: Option<BitmapRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Write,
    Sync,
    Resolve,
    Bitmaps,
    Wait,
    Done,
}

/// A segment whose deletions are being found.
#[derive(Debug)]
struct Target {
    place: usize,
    segment: Arc<Segment>,
    bits: Bits,
    index: Option<Arc<Index>>,
    /// Keys below this are dealt with; `None` when all are.
    from: Option<MessageKey>,
}

impl Flush {
    /// Flushes `frozen`, whose batches are `first` to `upto`. Files are numbered from `next_file` on.
    pub fn new(
        frozen: Arc<Layer>,
        (first, upto): (Lsn, Lsn),
        position: Position,
        segments: &[Arc<Segment>],
        next_file: u64,
        block: usize,
    ) -> Flush {
        let lsns = (first, upto);
        let writing =
            (!frozen.table.is_empty()).then(|| Writing::new(frozen.clone(), lsns, next_file, block));
        let targets = segments.iter().cloned().enumerate();
        Flush {
            upto,
            position,
            stage: if writing.is_some() { Stage::Write } else { Stage::Resolve },
            next_file: next_file + u64::from(writing.is_some()),
            writing,
            written: None,
            targets: targets.filter(|(_, segment)| concerns(&frozen, segment)).collect(),
            target: None,
            changed: Vec::new(),
            bitmaps: 0,
            unresolved: Vec::new(),
            frozen,
        }
    }

    /// The number for the next file.
    pub fn next_file(&self) -> u64 {
        self.next_file
    }

    pub(super) fn step(&mut self, view: View<'_>) -> Result<Next, Stop> {
        match self.stage {
            Stage::Write => Ok(self.write(view.step)),
            Stage::Sync => {
                self.stage = Stage::Resolve;
                let written = self.written.as_ref().expect("it was written");
                Ok(Next::Io(Op::Sync { file: file_name(written.number) }))
            }
            Stage::Resolve => self.resolve(view.blocks),
            Stage::Bitmaps => Ok(self.write_bitmap()),
            Stage::Wait => {
                self.stage = Stage::Done;
                Ok(Next::Durable(self.upto, self.position))
            }
            Stage::Done => Ok(Next::Done),
        }
    }

    fn write(&mut self, step: usize) -> Next {
        let file = file_name(self.next_file - 1);
        let writing = self.writing.take().expect("there is one in this stage");
        self.written = writing.written();
        if self.written.is_some() {
            self.stage = Stage::Sync;
            return Next::Again;
        }
        let op = Op::WriteFrom { file, offset: writing.offset(), source: writing.stretch(step) };
        self.writing = Some(writing);
        Next::Io(op)
    }

    /// Searches one leaf: its some four hundred messages take tens of microseconds.
    fn resolve(&mut self, blocks: &mut Blocks) -> Result<Next, Stop> {
        if self.target.is_none() {
            let Some((place, segment)) = self.targets.pop_front() else {
                self.stage = Stage::Bitmaps;
                return Ok(Next::Again);
            };
            self.target = Some(Target::new(place, segment, &self.frozen));
        }
        let target = self.target.as_mut().expect("set above");
        if target.is_done(&self.frozen, blocks)? {
            let target = self.target.take().expect("set above");
            if target.bits.ones() > target.segment.meta.count - target.segment.live() {
                let Target { place, segment, bits, .. } = target;
                self.changed.push(Changed { place, segment, bits: Arc::new(bits), bitmap: None });
            }
        }
        Ok(Next::Again)
    }

    fn write_bitmap(&mut self) -> Next {
        while let Some(Changed { segment, bits, bitmap: reference, .. }) = self.changed.get_mut(self.bitmaps)
        {
            self.bitmaps += 1;
            if bits.ones() < segment.meta.count {
                *reference = Some(BitmapRef { number: self.next_file, ones: bits.ones() });
                self.next_file += 1;
                let file = bitmap::file_name(self.next_file - 1);
                return Next::Io(Op::Replace { file, data: bitmap::encode(segment.meta.number, bits) });
            }
        }
        self.stage = Stage::Wait;
        Next::Again
    }

    /// A leaf or an index could not be read: the deletions there are remembered as they are.
    pub(super) fn pass_over_damage(&mut self) {
        let Some(target) = &mut self.target else { return };
        let (from, to) = target.skip();
        for key in self.frozen.gone().range(from..=to) {
            let record = Record::Delete(RowKey::Message(*key));
            self.unresolved.push(Logged { record, spared: Vec::new() });
        }
        for (queue, mark) in self.frozen.marks() {
            if first_of(*queue) <= to && last_of(*queue) >= from {
                let (arrived_below, delayed_below) = (Some(mark.arrived_below), Some(mark.delayed_below));
                let record = Record::Cut(Cut { queue: *queue, arrived_below, delayed_below });
                self.unresolved.push(Logged { record, spared: mark.spared.iter().copied().collect() });
            }
        }
    }
}

/// Whether a layer may delete something of a segment.
fn concerns(layer: &Layer, segment: &Segment) -> bool {
    let meta = &segment.meta;
    let marks = layer.marks().range(meta.first.queue..=meta.last.queue);
    layer.gone().range(meta.first..=meta.last).next().is_some() || marks.count() > 0
}

impl Target {
    fn new(place: usize, segment: Arc<Segment>, layer: &Layer) -> Target {
        let none = || Bits::new(segment.meta.count);
        let mut bits = segment.deleted.as_deref().cloned().unwrap_or_else(none);
        for span in segment.meta.spans.iter() {
            if layer.marks().get(&span.queue()).is_some_and(|mark| takes_all(mark, span)) {
                (span.ordinal..span.ordinal + span.count).for_each(|ordinal| bits.set(ordinal));
            }
        }
        let from = Some(segment.meta.first);
        Target { place, segment, bits, index: None, from }
    }

    /// Searches the next leaf; whether there is none left.
    fn is_done(&mut self, layer: &Layer, blocks: &mut Blocks) -> Result<bool, Stop> {
        let Some(key) = self.next_key(layer) else { return Ok(true) };
        self.from = Some(key);
        let index = match &self.index {
            Some(index) => index.clone(),
            None => blocks.index(&self.segment)?,
        };
        self.index = Some(index.clone());
        let number = index.find(&key);
        let leaf = index.leaves.get(number).ok_or_else(|| Stop::Damaged("an empty index".into()))?;
        let bytes = blocks.leaf(&self.segment, leaf.leaf)?;
        let mut hidden = layer.hidden_from(leaf.first);
        let (mut at, mut ordinal) = (0, leaf.ordinal);
        while let Some((entry, after)) =
            entry_at(&bytes, at).map_err(|wrong| Stop::Damaged(format!("{}: {wrong}", self.segment.file)))?
        {
            if hidden.hides(&entry.key) {
                self.bits.set(ordinal);
            }
            (at, ordinal) = (after, ordinal + 1);
        }
        self.from = index.leaves.get(number + 1).map(|leaf| leaf.first);
        Ok(false)
    }

    /// The next key at which a message of this segment may be gone, those apart that `new` has dealt with.
    fn next_key(&self, layer: &Layer) -> Option<MessageKey> {
        let (from, meta) = (self.from?, &self.segment.meta);
        let next = |first: MessageKey, last: MessageKey| {
            let first = first.max(from);
            if first > last {
                return None;
            }
            let gone = layer.gone().range(first..=last).next().copied();
            let cut = layer.marks().range(first.queue..=last.queue).filter_map(|(queue, mark)| {
                let delayed = last.rank != 0 && mark.delayed_below > 0;
                let end = if delayed { last_of(*queue) } else { arrived_end(*queue, mark) };
                let low = first.max(first_of(*queue));
                (low <= last.min(end)).then_some(low)
            });
            gone.into_iter().chain(cut).min()
        };
        if meta.spans.is_empty() {
            return next(meta.first, meta.last);
        }
        let spans = meta.spans.iter();
        let partly =
            spans.filter(|span| !layer.marks().get(&span.queue()).is_some_and(|mark| takes_all(mark, span)));
        partly.filter_map(|span| next(span.first, span.last)).min()
    }

    /// Passes over the leaf that could not be read, or over all of them; the keys that lie there.
    fn skip(&mut self) -> (MessageKey, MessageKey) {
        let meta = &self.segment.meta;
        let (Some(index), Some(from)) = (&self.index, self.from) else {
            self.from = None;
            return (meta.first, meta.last);
        };
        let number = index.find(&from);
        let first = index.leaves.get(number).map_or(meta.first, |leaf| leaf.first);
        self.from = index.leaves.get(number + 1).map(|leaf| leaf.first);
        (first, self.from.unwrap_or(meta.last))
    }
}

/// The last place of rank 0 that a mark may take.
fn arrived_end(queue: QueueId, mark: &Mark) -> MessageKey {
    MessageKey { queue, rank: 0, sequence: mark.arrived_below }
}

/// Whether a mark takes every message of a span.
fn takes_all(mark: &Mark, span: &Span) -> bool {
    let spared = mark.spared.range(span.first..=span.last).next().is_some();
    mark.takes_all(span.is_delayed(), span.highest) && !spared
}

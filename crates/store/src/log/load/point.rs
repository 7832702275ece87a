//! Single messages: what `Exists` and `Body` ask for, and the walk along a lane.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use engine::{Damage, Lane, MessageKey, QueueId};

use crate::log::blocks::{Blocks, Stop};
use crate::log::cursor::Cursor;
use crate::log::segment::{LaneIndex, LanePlace, LeafEntry, Segment, lane_places};
use crate::table::PAGE_BYTES;

use super::{Moment, Picked, View};

/// A search for one key through the segments, newest first.
#[derive(Debug, Default)]
struct Search {
    /// Segments not yet searched, newest last.
    rest: Option<Vec<Arc<Segment>>>,
    cursor: Option<Cursor>,
    /// What could not be searched: the message may lie there.
    damaged: Option<String>,
}

impl Search {
    /// The message, if a segment holds it undeleted.
    fn find(
        &mut self,
        key: MessageKey,
        segments: &[Arc<Segment>],
        blocks: &mut Blocks,
    ) -> Result<Option<(LeafEntry, Arc<Segment>)>, Stop> {
        let may_hold = |segment: &&Arc<Segment>| segment.lower_bound(&key, &key).is_some();
        let rest = self.rest.get_or_insert_with(|| segments.iter().filter(may_hold).cloned().collect());
        loop {
            if let Some(cursor) = &mut self.cursor {
                if cursor.front(blocks, |_| true)?.is_some() {
                    return Ok(cursor.take().map(|(entry, _)| (entry, cursor.segment.clone())));
                }
                self.cursor = None;
            }
            let Some(segment) = rest.pop() else { return Ok(None) };
            self.cursor = Some(Cursor::new(segment, key, key));
        }
    }
}

/// A row found in memory: there, gone, or not known there.
enum Known {
    There(Box<Picked>),
    Gone,
    Unknown,
}

fn in_memory(key: MessageKey, with_blob: bool, moment: &Moment, view: &View<'_>) -> Known {
    for layer in [view.active].into_iter().chain(moment.layers.iter().rev().map(Arc::as_ref)) {
        match layer.table.get(&key) {
            Some(entry) if entry.lsn <= moment.lsn => {
                let blob = with_blob.then_some(&entry.blob);
                return Known::There(Box::new(Picked::in_memory(key, &entry.row, blob)));
            }
            Some(_) => return Known::Gone,
            None if layer.hides(&key) => return Known::Gone,
            None => {}
        }
    }
    Known::Unknown
}

/// Keys that are looked up one after the other.
#[derive(Debug)]
pub struct Keys {
    /// Last first.
    keys: Vec<MessageKey>,
    with_blob: bool,
    search: Search,
}

impl Keys {
    pub fn new(keys: Vec<MessageKey>, with_blob: bool) -> Keys {
        let keys: BTreeSet<MessageKey> = keys.into_iter().collect();
        Keys { keys: keys.into_iter().rev().collect(), with_blob, search: Search::default() }
    }

    /// Passes over a segment that cannot be searched for the key at hand: another one may have it, and only one has.
    pub fn pass_over(&mut self, place: &str) -> bool {
        let was_searching = self.search.cursor.take().is_some();
        if was_searching {
            self.search.damaged = Some(place.into());
        }
        was_searching
    }

    pub fn drive(
        &mut self,
        moment: &Moment,
        view: &mut View<'_>,
        rows: &mut Vec<Picked>,
        damage: &mut Vec<Damage>,
    ) -> Result<Option<bool>, Stop> {
        while let Some(key) = self.keys.last().copied() {
            match in_memory(key, self.with_blob, moment, view) {
                Known::There(picked) => rows.push(*picked),
                Known::Gone => {}
                Known::Unknown => {
                    if let Some((entry, segment)) = self.search.find(key, &moment.segments, view.blocks)? {
                        rows.push(Picked::in_segment(entry, &segment, self.with_blob));
                    } else if let Some(place) = self.search.damaged.take() {
                        damage.push(Damage { from: key, to: key, place });
                    }
                }
            }
            self.keys.pop();
            // A key that was deleted while it was searched leaves its search behind.
            self.search = Search::default();
        }
        Ok(Some(true))
    }
}

/// The messages of one lane, in order of sequence. Segments hold a queue's rank 0 in that order, one after
/// the other.
#[derive(Debug)]
pub struct LaneWalk {
    queue: QueueId,
    lane: Lane,
    next: u64,
    to: u64,
    limit: usize,
    bytes: usize,
    /// Segments not yet walked, first last.
    pending: Vec<Arc<Segment>>,
    part: Option<Part>,
}

/// The walk through one segment.
#[derive(Debug)]
struct Part {
    segment: Arc<Segment>,
    lanes: Option<Arc<LaneIndex>>,
    leaf: usize,
    sequences: VecDeque<u64>,
    search: Option<Cursor>,
}

impl LaneWalk {
    pub fn new(moment: &Moment, queue: QueueId, lane: Lane, from: u64, to: u64, limit: usize) -> LaneWalk {
        let key = |sequence| MessageKey { queue, rank: 0, sequence };
        let mut pending = Vec::new();
        for segment in moment.segments.iter().filter(|_| from < to) {
            if let Some(lower) = segment.lower_bound(&key(from), &key(to - 1))
                && segment.meta.lanes.is_some()
            {
                pending.push((lower, segment.clone()));
            }
        }
        pending.sort_by_key(|(lower, _)| std::cmp::Reverse(*lower));
        let pending = pending.into_iter().map(|(_, segment)| segment).collect();
        LaneWalk { queue, lane, next: from, to, limit, bytes: 0, pending, part: None }
    }

    pub fn drive(
        &mut self,
        moment: &Moment,
        view: &mut View<'_>,
        rows: &mut Vec<Picked>,
    ) -> Result<Option<bool>, Stop> {
        loop {
            if let Some(part) = &mut self.part {
                let place = LanePlace { queue: self.queue, lane: self.lane, sequence: self.next };
                let Some(entry) = part.next(place, self.to, view.blocks)? else {
                    self.part = None;
                    continue;
                };
                let (key, segment) = (entry.key, part.segment.clone());
                if !moment.hides(&key, 0, view.active) {
                    if !self.has_space(rows.len(), entry.blob.length as usize) {
                        return Ok(Some(false));
                    }
                    rows.push(Picked::in_segment(entry, &segment, true));
                }
                self.next = key.sequence + 1;
            } else if let Some(segment) = self.pending.pop() {
                let (sequences, leaf) = (VecDeque::new(), usize::MAX);
                self.part = Some(Part { segment, lanes: None, leaf, sequences, search: None });
            } else {
                return Ok(Some(self.walk_memory(moment, view, rows)));
            }
        }
    }

    fn walk_memory(&mut self, moment: &Moment, view: &View<'_>, rows: &mut Vec<Picked>) -> bool {
        let tables = moment.layers.iter().map(|layer| &layer.table).chain([&view.active.table]);
        for (at, table) in tables.enumerate() {
            for key in table.lane(self.queue, self.lane, self.next, self.to) {
                let Some(entry) = table.get(&key).filter(|entry| entry.lsn <= moment.lsn) else { continue };
                if moment.hides(&key, at + 1, view.active) {
                    continue;
                }
                if !self.has_space(rows.len(), entry.blob.len()) {
                    return false;
                }
                rows.push(Picked::in_memory(key, &entry.row, Some(&entry.blob)));
            }
        }
        true
    }

    fn has_space(&mut self, rows: usize, blob: usize) -> bool {
        if rows >= self.limit || (self.bytes > 0 && self.bytes + blob > PAGE_BYTES) {
            return false;
        }
        self.bytes += blob;
        true
    }
}

impl Part {
    /// The next undeleted message of the lane from `place` on and below `to`.
    fn next(&mut self, place: LanePlace, to: u64, blocks: &mut Blocks) -> Result<Option<LeafEntry>, Stop> {
        loop {
            if let Some(search) = &mut self.search {
                let found = search.front(blocks, |_| true)?.is_some();
                let entry = found.then(|| search.take()).flatten();
                self.search = None;
                self.sequences.pop_front();
                match entry {
                    Some((entry, _)) => return Ok(Some(entry)),
                    None => continue,
                }
            }
            if let Some(sequence) = self.sequences.front().copied() {
                let key = MessageKey { queue: place.queue, rank: 0, sequence };
                self.search = Some(Cursor::new(self.segment.clone(), key, key));
            } else if !self.more(place, to, blocks)? {
                return Ok(None);
            }
        }
    }

    /// Reads the next leaf of places; whether the lane may have more.
    fn more(&mut self, place: LanePlace, to: u64, blocks: &mut Blocks) -> Result<bool, Stop> {
        let lanes = match &self.lanes {
            Some(lanes) => lanes.clone(),
            None => {
                let Some(lanes) = blocks.lanes(&self.segment)? else { return Ok(false) };
                self.leaf = lanes.find(&place);
                self.lanes = Some(lanes.clone());
                lanes
            }
        };
        let end = LanePlace { sequence: to, ..place };
        let Some((_, pointer)) = lanes.leaves.get(self.leaf).filter(|(first, _)| *first < end) else {
            return Ok(false);
        };
        let bytes = blocks.leaf(&self.segment, *pointer)?;
        self.leaf += 1;
        let places =
            lane_places(&bytes).map_err(|wrong| Stop::Damaged(format!("{}: {wrong}", self.segment.file)))?;
        let wanted = places.into_iter().filter(|one| *one >= place && *one < end);
        self.sequences.extend(wanted.map(|one| one.sequence));
        Ok(true)
    }
}

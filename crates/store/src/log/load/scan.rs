//! A range in key order: what `Run` and `Expired` ask for.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use engine::{Damage, Lane, MessageKey, Millis};

use crate::log::blocks::{Blocks, Stop};
use crate::log::cursor::Cursor;
use crate::log::segment::{IndexEntry, Segment};
use crate::table::{Entry, PAGE_BYTES, Table};

use super::{Moment, Picked, STRIDE, View};

/// Which messages of the range are wanted.
#[derive(Debug)]
pub enum Filter {
    /// All, but of the lanes in `skip` only the first, without its blob.
    Run { skip: Arc<BTreeSet<Lane>>, seen: BTreeSet<Lane> },
    /// Those retained from before `cutoff`; if `sorted`, of rank 0 only up to the first younger one.
    Expired { cutoff: Millis, sorted: bool, arrived_done: bool },
}

impl Filter {
    pub fn run(skip: Arc<BTreeSet<Lane>>) -> Filter {
        Filter::Run { skip, seen: BTreeSet::new() }
    }

    pub fn expired(cutoff: Millis, sorted: bool) -> Filter {
        Filter::Expired { cutoff, sorted, arrived_done: false }
    }

    /// Whether a leaf may hold a wanted message.
    fn is_useful(&self, leaf: &IndexEntry) -> bool {
        match self {
            Filter::Run { skip, seen } => {
                !leaf.lane.is_some_and(|lane| skip.contains(&lane) && seen.contains(&lane))
            }
            Filter::Expired { cutoff, .. } => leaf.oldest < *cutoff,
        }
    }

    /// Whether a message is wanted, and if so whether with its blob.
    fn wants(&mut self, key: &MessageKey, row: &engine::rows::MessageRow) -> Option<bool> {
        match self {
            Filter::Run { skip, seen } => match skip.contains(&row.lane) {
                true => seen.insert(row.lane).then_some(false),
                false => Some(true),
            },
            Filter::Expired { cutoff, sorted, arrived_done } => {
                if key.rank == 0 && *arrived_done {
                    return None;
                }
                let is_old = row.retained_from < *cutoff;
                *arrived_done |= *sorted && key.rank == 0 && !is_old;
                is_old.then_some(false)
            }
        }
    }
}

/// A scan that is under way.
#[derive(Debug)]
pub struct Scan {
    from: MessageKey,
    to: MessageKey,
    after: Bound<MessageKey>,
    /// Segments not yet entered, by the first key that may matter, last first.
    pending: Vec<(MessageKey, Arc<Segment>)>,
    open: Vec<Cursor>,
    /// The one of `open` that was last asked for its message.
    asked: usize,
    filter: Filter,
    limit: usize,
    bytes: usize,
}

/// Where the next message is.
enum Next<'a> {
    Memory(&'a Entry),
    Segment(usize),
}

impl Scan {
    pub fn new(moment: &Moment, from: MessageKey, to: MessageKey, filter: Filter, limit: usize) -> Scan {
        let mut pending: Vec<_> = moment
            .segments
            .iter()
            .filter_map(|segment| Some((segment.lower_bound(&from, &to)?, segment.clone())))
            .collect();
        pending.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
        let after = Bound::Included(from);
        Scan { from, to, after, pending, open: Vec::new(), asked: 0, filter, limit, bytes: 0 }
    }

    /// Whether it is a cursor's page, in which a row without a blob stands for a skipped lane.
    pub fn is_run(&self) -> bool {
        matches!(self.filter, Filter::Run { .. })
    }

    /// Passes over what could not be read, and tells of the messages there.
    pub fn pass_over(&mut self, place: &str, damage: &mut Vec<Damage>) -> bool {
        let passed = self.open.get_mut(self.asked).map(Cursor::pass_over);
        damage.extend(passed.map(|(from, to)| Damage { from, to, place: place.into() }));
        passed.is_some()
    }

    /// Finds the rows; whether the range was read to its end, or `None` to go on later.
    pub fn drive(
        &mut self,
        moment: &Moment,
        view: &mut View<'_>,
        rows: &mut Vec<Picked>,
    ) -> Result<Option<bool>, Stop> {
        if self.from > self.to {
            return Ok(Some(true));
        }
        let mut memory = self.next_in_memory(moment, view);
        for _ in 0..STRIDE {
            let best = self.next_in_segments(memory.map(|(key, _)| key), view.blocks)?;
            let (key, next) = match (memory, best) {
                (Some((key, entry)), None) => (key, Next::Memory(entry)),
                (_, Some((key, cursor))) => (key, Next::Segment(cursor)),
                (None, None) => return Ok(Some(true)),
            };
            if !self.pick(key, next, moment, view, rows) {
                return Ok(Some(false));
            }
            self.after = Bound::Excluded(key);
            if best.is_none() {
                memory = self.next_in_memory(moment, view);
            }
        }
        Ok(None)
    }

    /// The next durable message in the layers, with its key.
    fn next_in_memory<'a>(&self, moment: &'a Moment, view: &View<'a>) -> Option<(MessageKey, &'a Entry)> {
        let mut best: Option<(MessageKey, &Entry)> = None;
        let tables = moment.layers.iter().map(|layer| &layer.table).chain([&view.active.table]);
        for (at, table) in tables.enumerate() {
            let shown = |key: &MessageKey| !moment.hides(key, at + 1, view.active);
            if let Some((key, entry)) = next_in(table, self.after, self.to, moment.lsn, shown)
                && best.is_none_or(|(found, _)| *key < found)
            {
                best = Some((*key, entry));
            }
        }
        best
    }

    /// The cursor with the next message, if that comes before `memory`.
    fn next_in_segments(
        &mut self,
        memory: Option<MessageKey>,
        blocks: &mut Blocks,
    ) -> Result<Option<(MessageKey, usize)>, Stop> {
        let mut best: Option<(MessageKey, usize)> = None;
        let mut at = 0;
        loop {
            while at < self.open.len() {
                self.asked = at;
                let filter = &self.filter;
                match self.open[at].front(blocks, |leaf| filter.is_useful(leaf))? {
                    None => drop(self.open.swap_remove(at)),
                    Some((entry, _)) => {
                        if best.is_none_or(|(key, _)| entry.key < key) {
                            best = Some((entry.key, at));
                        }
                        at += 1;
                    }
                }
            }
            let bound = best.map(|(key, _)| key).into_iter().chain(memory).min();
            match self.pending.last() {
                Some((lower, _)) if bound.is_none_or(|bound| *lower <= bound) => {
                    if let Some((_, segment)) = self.pending.pop() {
                        self.open.push(Cursor::new(segment, self.from, self.to));
                    }
                }
                _ => return Ok(best.filter(|(key, _)| memory.is_none_or(|memory| *key < memory))),
            }
        }
    }

    /// Adds a message if it is wanted; `false` if the page is full before it.
    fn pick(
        &mut self,
        key: MessageKey,
        next: Next<'_>,
        moment: &Moment,
        view: &View<'_>,
        rows: &mut Vec<Picked>,
    ) -> bool {
        match next {
            Next::Memory(entry) => {
                if let Some(with_blob) = self.filter.wants(&key, &entry.row) {
                    if !self.has_space(rows.len(), entry.blob.len(), with_blob) {
                        return false;
                    }
                    rows.push(Picked::in_memory(key, &entry.row, with_blob.then_some(&entry.blob)));
                }
            }
            Next::Segment(at) => {
                let Some((entry, _)) = self.open[at].take() else { return true };
                if moment.hides(&key, 0, view.active) {
                    return true;
                }
                if let Some(with_blob) = self.filter.wants(&key, &entry.row) {
                    if !self.has_space(rows.len(), entry.blob.length as usize, with_blob) {
                        return false;
                    }
                    rows.push(Picked::in_segment(entry, &self.open[at].segment, with_blob));
                }
            }
        }
        true
    }

    fn has_space(&mut self, rows: usize, blob: usize, with_blob: bool) -> bool {
        let blob = if with_blob { blob } else { 0 };
        if rows >= self.limit || (self.bytes > 0 && self.bytes + blob > PAGE_BYTES) {
            return false;
        }
        self.bytes += blob;
        true
    }
}

fn next_in(
    table: &Table,
    after: Bound<MessageKey>,
    to: MessageKey,
    lsn: engine::Lsn,
    shown: impl Fn(&MessageKey) -> bool,
) -> Option<(&MessageKey, &Entry)> {
    table.after(after, to).find(|(key, entry)| entry.lsn <= lsn && shown(key))
}

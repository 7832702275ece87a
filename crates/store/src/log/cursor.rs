//! A walk through one segment's messages in key order.

use std::sync::Arc;

use engine::MessageKey;

use super::blocks::{Blocks, Stop};
use super::segment::{Index, IndexEntry, LeafEntry, Segment, entry_at};

/// Where a walk stands. It goes on after a missing block has been read.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// What it walks through.
    pub segment: Arc<Segment>,
    from: MessageKey,
    to: MessageKey,
    index: Option<Arc<Index>>,
    next: usize,
    leaf: Option<Place>,
    front: Option<(LeafEntry, u64)>,
}

/// A place within a leaf.
#[derive(Clone, Debug)]
struct Place {
    bytes: Arc<Vec<u8>>,
    at: usize,
    ordinal: u64,
}

impl Cursor {
    /// Walks through the messages of a range, both ends included.
    pub fn new(segment: Arc<Segment>, from: MessageKey, to: MessageKey) -> Cursor {
        Cursor { segment, from, to, index: None, next: 0, leaf: None, front: None }
    }

    /// The message at hand with its ordinal; deleted ones are passed over, and leaves that are not `useful`.
    /// `None` at the end.
    pub fn front(
        &mut self,
        blocks: &mut Blocks,
        mut useful: impl FnMut(&IndexEntry) -> bool,
    ) -> Result<Option<&(LeafEntry, u64)>, Stop> {
        while self.front.is_none() {
            if self.leaf.is_none() && !self.enter_leaf(blocks, &mut useful)? {
                break;
            }
            let Some((entry, ordinal)) = self.next_in_leaf()? else {
                self.leaf = None;
                continue;
            };
            if entry.key > self.to {
                self.end();
                break;
            }
            if entry.key >= self.from && !self.segment.is_deleted(ordinal) {
                self.front = Some((entry, ordinal));
            }
        }
        Ok(self.front.as_ref())
    }

    fn next_in_leaf(&mut self) -> Result<Option<(LeafEntry, u64)>, Stop> {
        let Some(place) = &mut self.leaf else { return Ok(None) };
        let read = entry_at(&place.bytes, place.at);
        let read = read.map_err(|wrong| Stop::Damaged(format!("{}: {wrong}", self.segment.file)))?;
        Ok(read.map(|(entry, after)| {
            let ordinal = place.ordinal;
            (place.at, place.ordinal) = (after, ordinal + 1);
            (entry, ordinal)
        }))
    }

    fn end(&mut self) {
        self.leaf = None;
        self.next = usize::MAX;
    }

    /// Goes on to the next leaf that is of use.
    fn enter_leaf(
        &mut self,
        blocks: &mut Blocks,
        useful: &mut impl FnMut(&IndexEntry) -> bool,
    ) -> Result<bool, Stop> {
        let index = match &self.index {
            Some(index) => index.clone(),
            None => {
                let index = blocks.index(&self.segment)?;
                self.next = index.find(&self.from);
                self.index = Some(index.clone());
                index
            }
        };
        while let Some(leaf) = index.leaves.get(self.next) {
            if leaf.first > self.to {
                break;
            }
            if !useful(leaf) {
                self.next += 1;
                continue;
            }
            let bytes = blocks.leaf(&self.segment, leaf.leaf)?;
            self.next += 1;
            self.leaf = Some(Place { bytes, at: 0, ordinal: leaf.ordinal });
            return Ok(true);
        }
        Ok(false)
    }

    /// Passes over the leaf that could not be read, or over the whole segment for want of its index: the first and
    /// at most the last of the messages there.
    pub fn pass_over(&mut self) -> (MessageKey, MessageKey) {
        let meta = &self.segment.meta;
        let (first, last) = match &self.index {
            None => {
                self.index = Some(Arc::default());
                (meta.first, meta.last)
            }
            Some(index) => {
                let was_entered = self.leaf.take().is_some();
                let leaf = if was_entered { self.next - 1 } else { self.next };
                self.next = leaf + 1;
                let first_of = |leaf: usize| index.leaves.get(leaf).map(|leaf| leaf.first);
                (first_of(leaf).unwrap_or(meta.first), first_of(leaf + 1).unwrap_or(meta.last))
            }
        };
        (first.max(self.from), last.min(self.to))
    }

    /// Takes the message that `front` showed.
    pub fn take(&mut self) -> Option<(LeafEntry, u64)> {
        self.front.take()
    }
}

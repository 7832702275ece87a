//! A bounded cache of verified blocks, the least lately used leave first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::segment::{Index, LaneIndex};

/// A block, checked against its pointer's checksum.
#[derive(Clone, Debug)]
pub enum Block {
    /// Bytes of a leaf.
    Leaf(Arc<Vec<u8>>),
    /// An index of leaves.
    Index(Arc<Index>),
    /// An index of lanes.
    Lanes(Arc<LaneIndex>),
}

/// Names a block: the segment's number and the offset in it.
pub type Place = (u64, u64);

/// The cache.
#[derive(Debug)]
pub struct Cache {
    limit: usize,
    bytes: usize,
    clock: u64,
    blocks: BTreeMap<Place, (Block, usize, u64)>,
    order: BTreeMap<u64, Place>,
    /// Finds.
    pub hits: u64,
    /// Misses.
    pub misses: u64,
}

impl Cache {
    /// An empty cache of at most `limit` bytes, about.
    pub fn new(limit: usize) -> Cache {
        let (blocks, order) = (BTreeMap::new(), BTreeMap::new());
        Cache { limit, bytes: 0, clock: 0, blocks, order, hits: 0, misses: 0 }
    }

    /// Bytes in it, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A block, if it is here.
    pub fn get(&mut self, place: Place) -> Option<Block> {
        let Some((block, _, used)) = self.blocks.get_mut(&place) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        self.clock += 1;
        self.order.remove(used);
        self.order.insert(self.clock, place);
        *used = self.clock;
        Some(block.clone())
    }

    /// Adds a block of about `bytes` bytes of memory; others make room.
    pub fn put(&mut self, place: Place, block: Block, bytes: usize) {
        self.remove(place);
        self.clock += 1;
        self.bytes += bytes;
        self.blocks.insert(place, (block, bytes, self.clock));
        self.order.insert(self.clock, place);
        while self.bytes > self.limit && self.blocks.len() > 1 {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, place: Place) {
        if let Some((_, bytes, used)) = self.blocks.remove(&place) {
            self.bytes -= bytes;
            self.order.remove(&used);
        }
    }

    /// Forgets the blocks of a segment.
    pub fn forget(&mut self, segment: u64) {
        let places = self.blocks.range((segment, 0)..=(segment, u64::MAX)).map(|(place, _)| *place);
        for place in places.collect::<Vec<_>>() {
            self.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_lately_used_leaves_first() {
        let mut cache = Cache::new(300);
        let block = || Block::Leaf(Arc::new(vec![]));
        for offset in 0..3 {
            cache.put((1, offset), block(), 100);
        }
        assert!(cache.get((1, 0)).is_some());
        cache.put((2, 0), block(), 100);
        assert!(cache.get((1, 1)).is_none() && cache.get((1, 0)).is_some() && cache.get((2, 0)).is_some());
        assert_eq!(cache.bytes(), 300);
        cache.forget(1);
        assert_eq!(cache.bytes(), 100);
        assert_eq!((cache.hits, cache.misses), (3, 1));
    }
}

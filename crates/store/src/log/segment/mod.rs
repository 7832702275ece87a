//! A segment: messages in key order, immutable. docs/format.md has its bytes.
//!
//! Blobs and leaves (runs of keys and rows) alternate; an index names every leaf, a second one the leaves of
//! (queue, lane, sequence). Every block is named by a [`Pointer`] that carries its checksum, so that a block
//! read from the wrong place is found like a damaged one. The manifest holds what leads to the indexes.

mod bits;
mod build;
mod index;
mod meta;

pub use bits::Bits;
pub use build::{Builder, MAGIC as BUILD_MAGIC};
pub use index::{Index, IndexEntry, LaneIndex, LanePlace, LeafEntry, entry_at, lane_places};
pub use meta::{BitmapRef, Meta, Pointer, Span};

use std::sync::Arc;

use engine::MessageKey;

use crate::disk::{FileKind, FileName};

/// Leaves are closed at about this many bytes.
pub const LEAF_BYTES: usize = 16 << 10;
/// Spans of queues kept in memory for one segment; of a segment with more, none are.
pub const SPANS: usize = 32;
// With those of its deletions (see `bits`) a segment takes at most 4 KiB, where it is emptied in order.
const _: () = assert!(SPANS * size_of::<Span>() + 2 * size_of::<Segment>() < 3 << 10);

/// A segment with its deletions.
#[derive(Clone, Debug)]
pub struct Segment {
    /// What it is.
    pub meta: Meta,
    /// Which of its messages are deleted, by ordinal.
    pub deleted: Option<Arc<Bits>>,
    /// The file stays while anybody holds this.
    pub file: Arc<FileName>,
    /// Whether the last flush deleted something here.
    pub warm: bool,
    /// A merge met damage: it is left as it is.
    pub damaged: bool,
}

impl Segment {
    /// A segment without deletions.
    pub fn new(meta: Meta) -> Segment {
        let file = Arc::new(file_name(meta.number));
        Segment { meta, deleted: None, file, warm: false, damaged: false }
    }

    /// Messages that are not deleted.
    pub fn live(&self) -> u64 {
        self.meta.count - self.deleted.as_ref().map_or(0, |bits| bits.ones())
    }

    /// Whether the message of this ordinal is deleted.
    pub fn is_deleted(&self, ordinal: u64) -> bool {
        self.deleted.as_ref().is_some_and(|bits| bits.get(ordinal))
    }

    /// The first key of this range that may be here, if any may.
    pub fn lower_bound(&self, from: &MessageKey, to: &MessageKey) -> Option<MessageKey> {
        if self.meta.spans.is_empty() {
            let here = self.meta.first.max(*from);
            return (here <= self.meta.last.min(*to)).then_some(here);
        }
        let spans = self.meta.spans.iter();
        let bounds = spans.filter(|span| span.last >= *from && span.first <= *to);
        bounds.map(|span| span.first.max(*from)).min()
    }
}

/// A segment file's name.
pub fn file_name(number: u64) -> FileName {
    FileName { kind: FileKind::Segment, number }
}

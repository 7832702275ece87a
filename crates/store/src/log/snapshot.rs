//! The messages as they stand at one moment, to be read beside the store that goes on: for an export.

use std::sync::Arc;

use engine::{Ask, Lsn, Page};

use crate::Token;
use crate::disk::{Completion, Disk};
use crate::layer::Layer;

use super::blocks::{Blocks, Stop, Waiter};
use super::load::{Load, Step, View};
use super::segment::Segment;

/// Bytes of the reader's own block cache: it reads each block once, in order.
const CACHE: usize = 1 << 20;

/// Every message as of one batch. Segments are held, not copied: their files stay until this is dropped.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) lsn: Lsn,
    pub(super) segments: Arc<Vec<Arc<Segment>>>,
    pub(super) frozen: Option<Arc<Layer>>,
    pub(super) active: Layer,
}

impl Snapshot {
    /// The batch it is true at. It may not be durable yet.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Reads it through a disk of its own.
    pub fn reader<D: Disk>(self, disk: D) -> Reader<D> {
        Reader { snapshot: self, disk, blocks: Blocks::new(CACHE) }
    }
}

/// See [`Snapshot::reader`].
#[derive(Debug)]
pub struct Reader<D> {
    snapshot: Snapshot,
    disk: D,
    blocks: Blocks,
}

impl<D: Disk> Reader<D> {
    /// Answers an ask, waiting for the disk. An error names the bytes that are damaged.
    pub fn load(&mut self, ask: Ask) -> Result<Page, String> {
        let Snapshot { lsn, segments, frozen, active } = &self.snapshot;
        let mut load = Load::new(ask, *lsn, segments.clone(), frozen.clone());
        loop {
            match load.drive(&mut self.disk, View { active, blocks: &mut self.blocks }) {
                Step::Done(page) => return Ok(page),
                Step::Yield => continue,
                Step::Fetching => {}
                Step::Stop(Stop::Damaged(what)) if load.bears_damage(&what) => continue,
                Step::Stop(Stop::Damaged(what)) => return Err(what),
                // Who waits is not asked: there is only this load.
                Step::Stop(Stop::Need(need)) => {
                    self.blocks.read(&mut self.disk, need, Waiter::Load(Token(0)));
                }
            }
            let Completion { ticket, result } = self.disk.wait();
            let block = self.disk.block();
            match self.blocks.take(ticket, &result, block) {
                Some((_, Err(what))) if !load.bears_damage(&what) => return Err(what),
                Some(_) => {}
                None => drop(load.take(ticket, &result, block)),
            }
        }
    }
}

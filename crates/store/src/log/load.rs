//! Answering an ask from layers and segments, a step at a time: a missing block is read and the step repeated.
//!
//! A load is true as of the batch that was durable when it began: it keeps the segments of that moment, and
//! the layers frozen since, so that a flush or a merge in between changes nothing. What was deleted in between
//! is hidden.

mod point;
mod scan;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::rows::{Blob, MessageRow};
use engine::{Ask, Damage, Found, Lsn, MessageKey, Page};

use crate::disk::{Disk, FileName, Ticket};
use crate::layer::Layer;
use crate::table::PAGE_BYTES;

use super::blocks::{Blocks, Stop, bytes_of, read_op};
use super::segment::{LeafEntry, Pointer, Segment};

/// Leaf entries looked at before a load gives way to other work.
const STRIDE: usize = 20_000;
/// Blobs no further apart than this are read at once, bytes.
const GAP: u64 = 32 << 10;

/// How a load stands after a step.
#[derive(Debug)]
pub enum Step {
    /// Answered.
    Done(Page),
    /// Waits for a block.
    Stop(Stop),
    /// Waits for its blobs.
    Fetching,
    /// Gives way; to be driven again.
    Yield,
}

/// What a step looks at beside the load itself.
pub struct View<'a> {
    /// Messages and deletions since the last freeze.
    pub active: &'a Layer,
    /// Blocks of segments.
    pub blocks: &'a mut Blocks,
}

/// A row of the page to come.
#[derive(Debug)]
struct Picked {
    found: Found,
    in_memory: bool,
    /// Where its blob is, if that is still to be read.
    blob: Option<(Arc<FileName>, Pointer)>,
}

/// A read of neighbouring blobs.
#[derive(Debug)]
struct Fetch {
    ticket: Ticket,
    file: Arc<FileName>,
    covers: Pointer,
    rows: Vec<usize>,
}

/// What a load knows of its moment.
#[derive(Debug)]
struct Moment {
    lsn: Lsn,
    /// Oldest first.
    segments: Arc<Vec<Arc<Segment>>>,
    /// Not in `segments`; oldest first.
    layers: Vec<Arc<Layer>>,
}

impl Moment {
    /// Whether something newer than the layer numbered `above` says that a message is gone. Layer 0 stands
    /// for the segments, the last for the active one.
    fn hides(&self, key: &MessageKey, above: usize, active: &Layer) -> bool {
        self.layers.iter().skip(above).any(|layer| layer.hides(key))
            || (above <= self.layers.len() && active.hides(key))
    }
}

/// What remains to be found.
#[derive(Debug)]
enum Work {
    Scan(scan::Scan),
    Lane(point::LaneWalk),
    Keys(point::Keys),
}

/// A load that is out.
#[derive(Debug)]
pub struct Load {
    moment: Moment,
    work: Work,
    rows: Vec<Picked>,
    /// What comes next is damaged.
    ends_here: bool,
    /// It goes on behind damage.
    past_damage: bool,
    /// What it has passed over.
    damage: Vec<Damage>,
    /// Known once everything was found.
    ran_out: Option<bool>,
    fetches: Vec<Fetch>,
    /// Rows whose blob could not be read, and why.
    bad: BTreeMap<usize, String>,
}

impl Load {
    /// Begins an answer.
    pub fn new(ask: Ask, lsn: Lsn, segments: Arc<Vec<Arc<Segment>>>, frozen: Option<Arc<Layer>>) -> Load {
        let moment = Moment { lsn, segments, layers: frozen.into_iter().collect() };
        let past_damage = matches!(ask, Ask::Run { past_damage: true, .. } | Ask::Exists(_) | Ask::Body(_));
        let work = match ask {
            Ask::Run { from, to, skip, limit, .. } => {
                Work::Scan(scan::Scan::new(&moment, from, to, scan::Filter::run(skip), limit))
            }
            Ask::Expired { queue, cutoff, sorted, limit } => {
                let (from, to) = (crate::rows::first_of(queue), crate::rows::last_of(queue));
                Work::Scan(scan::Scan::new(&moment, from, to, scan::Filter::expired(cutoff, sorted), limit))
            }
            Ask::Lane { queue, lane, from, to, limit } => {
                Work::Lane(point::LaneWalk::new(&moment, queue, lane, from, to, limit))
            }
            Ask::Exists(keys) => Work::Keys(point::Keys::new(keys, false)),
            Ask::Body(keys) => Work::Keys(point::Keys::new(keys, true)),
        };
        Load {
            moment,
            work,
            rows: Vec::new(),
            ends_here: false,
            past_damage,
            damage: Vec::new(),
            ran_out: None,
            fetches: Vec::new(),
            bad: BTreeMap::new(),
        }
    }

    /// The active layer was frozen: what it says still counts here.
    pub fn froze(&mut self, layer: Arc<Layer>) {
        self.moment.layers.push(layer);
    }

    /// Goes on.
    pub fn drive<D: Disk>(&mut self, disk: &mut D, mut view: View<'_>) -> Step {
        if self.ends_here && self.ran_out.is_none() {
            self.ran_out = Some(false);
            self.fetch(disk);
        }
        if self.ran_out.is_none() {
            let found = match &mut self.work {
                Work::Scan(scan) => scan.drive(&self.moment, &mut view, &mut self.rows),
                Work::Lane(lane) => lane.drive(&self.moment, &mut view, &mut self.rows),
                Work::Keys(keys) => keys.drive(&self.moment, &mut view, &mut self.rows, &mut self.damage),
            };
            match found {
                Ok(Some(ran_out)) => self.ran_out = Some(ran_out),
                Ok(None) => return Step::Yield,
                Err(stop) => return Step::Stop(stop),
            }
            self.fetch(disk);
        }
        if self.fetches.is_empty() { self.finish(view.active) } else { Step::Fetching }
    }

    /// A block it needs is damaged: whether it can be driven on, to end with what it has or to pass over the block.
    pub fn bears_damage(&mut self, place: &str) -> bool {
        if self.ran_out.is_some() {
            return false;
        }
        if self.past_damage {
            let passed = match &mut self.work {
                Work::Scan(scan) => scan.pass_over(place, &mut self.damage),
                Work::Keys(keys) => keys.pass_over(place),
                Work::Lane(_) => false,
            };
            if passed {
                return true;
            }
        }
        self.ends_here = self.is_prefix() && !self.rows.is_empty();
        self.ends_here
    }

    /// Whether part of the answer is an answer.
    fn is_prefix(&self) -> bool {
        !matches!(self.work, Work::Keys(_))
    }

    fn finish(&mut self, active: &Layer) -> Step {
        let (mut rows, mut ran_out) = (std::mem::take(&mut self.rows), self.ran_out == Some(true));
        let mut damage = std::mem::take(&mut self.damage);
        for (row, place) in std::mem::take(&mut self.bad) {
            if self.past_damage {
                let key = rows[row].found.key;
                damage.push(Damage { from: key, to: key, place });
            } else if row == 0 || !self.is_prefix() {
                return Step::Stop(Stop::Damaged(place));
            } else {
                rows.truncate(row);
                ran_out = false;
                break;
            }
        }
        // Some may have been deleted while the load was out. A row that only stands for a skipped lane stays: others
        // of that lane may lie behind it. So does one that cannot be read: it tells how far the page goes.
        let stands_for_lane = matches!(&self.work, Work::Scan(scan) if scan.is_run());
        rows.retain(|picked| {
            let key = &picked.found.key;
            if stands_for_lane && picked.blob.is_none() && picked.found.blob.is_none() {
                return true;
            }
            if picked.in_memory { self.is_in_memory(key, active) } else { !self.moment.hides(key, 0, active) }
        });
        let rows = rows.into_iter().map(|picked| picked.found).collect();
        Step::Done(Page { lsn: self.moment.lsn, rows, ran_out, damage })
    }

    /// Whether the message is in a layer that no newer one hides.
    fn is_in_memory(&self, key: &MessageKey, active: &Layer) -> bool {
        let layers = &self.moment.layers;
        active.table.get(key).is_some()
            || (0..layers.len())
                .rev()
                .any(|at| layers[at].table.get(key).is_some() && !self.moment.hides(key, at + 1, active))
    }

    /// Submits the reads of all blobs that are wanted, neighbours at once.
    fn fetch<D: Disk>(&mut self, disk: &mut D) {
        let blobs = self.rows.iter().enumerate();
        let blobs = blobs.filter_map(|(row, picked)| picked.blob.as_ref().map(|blob| (blob, row)));
        let mut wanted: Vec<_> = blobs.collect();
        wanted.sort_by_key(|((file, pointer), _)| (file.number, pointer.offset));
        let mut rows = wanted.iter().peekable();
        while let Some(((file, first), row)) = rows.next() {
            let (mut covers, mut covered) = (*first, vec![*row]);
            while let Some(((_, pointer), row)) =
                rows.next_if(|((same, pointer), _)| **same == **file && reaches(&covers, pointer))
            {
                let end = pointer.offset + u64::from(pointer.length);
                covers.length = covers.length.max((end - covers.offset) as u32);
                covered.push(*row);
            }
            let ticket = disk.submit(read_op(file, &covers, disk.block()));
            self.fetches.push(Fetch { ticket, file: file.clone(), covers, rows: covered });
        }
    }

    /// Takes a completion, if it is of one of its reads.
    pub fn take(
        &mut self,
        ticket: Ticket,
        result: &Result<crate::disk::Output, crate::disk::Failure>,
        block: usize,
    ) -> bool {
        let Some(at) = self.fetches.iter().position(|fetch| fetch.ticket == ticket) else { return false };
        let fetch = self.fetches.swap_remove(at);
        for row in fetch.rows {
            let picked = &mut self.rows[row];
            let Some((_, pointer)) = picked.blob.take() else { continue };
            // The read began at the block of the first blob.
            let shift = fetch.covers.offset & !(block as u64 - 1);
            match blob_of(&fetch.file, &pointer, result, shift, block) {
                Ok(blob) => picked.found.blob = Some(blob),
                Err(what) => {
                    self.bad.insert(row, what);
                }
            }
        }
        true
    }
}

fn blob_of(
    file: &FileName,
    pointer: &Pointer,
    result: &Result<crate::disk::Output, crate::disk::Failure>,
    shift: u64,
    block: usize,
) -> Result<Blob, String> {
    let Ok(crate::disk::Output::Bytes(bytes)) = result else {
        return bytes_of(file, pointer, result, block).map(Blob::copy_from_slice);
    };
    let start = (pointer.offset - shift) as usize;
    let blob = bytes.get(start..start + pointer.length as usize);
    match blob {
        Some(blob) if crate::codec::checksum(blob) == pointer.sum => Ok(Blob::copy_from_slice(blob)),
        _ => Err(format!("{file} is damaged at byte {}: a message's content", pointer.offset)),
    }
}

fn reaches(covers: &Pointer, pointer: &Pointer) -> bool {
    let end = covers.offset + u64::from(covers.length);
    let whole = pointer.offset + u64::from(pointer.length) - covers.offset;
    pointer.offset <= end + GAP && whole <= 2 * PAGE_BYTES as u64
}

impl Picked {
    fn in_memory(key: MessageKey, row: &MessageRow, blob: Option<&Blob>) -> Picked {
        Picked { found: Found { key, row: row.clone(), blob: blob.cloned() }, in_memory: true, blob: None }
    }

    fn in_segment(entry: LeafEntry, segment: &Segment, with_blob: bool) -> Picked {
        let blob = with_blob.then(|| (segment.file.clone(), entry.blob));
        Picked { found: Found { key: entry.key, row: entry.row, blob: None }, in_memory: false, blob }
    }
}

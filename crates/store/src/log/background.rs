//! When which job runs, what follows when it is done, and what happens to files no longer needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::Lsn;

use crate::Stats;
use crate::disk::{Disk, Failure, FileName, Op, Output, Ticket};
use crate::layer::Layer;

use super::blocks::{Stop, Waiter};
use super::job::checkpoint::Checkpoint;
use super::job::flush::{Changed, Flush};
use super::job::merge::Merge;
use super::job::{Job, Next, View};
use super::journal::{File, Position, file_name};
use super::manifest::{self, Manifest};
use super::segment::{Segment, Span};
use super::{LogStore, bitmap, rowfile, segment};

/// Steps of a job that are taken at once, if they need nothing.
const AT_ONCE: usize = 8;
/// Bytes a job may write for each byte of the journal, while that is busy.
const PACE: i64 = 4;
/// Bytes a job may be ahead of that.
const AHEAD: i64 = 4 << 20;
/// Journal files kept ready.
const SPARES: usize = 2;
/// Segments merged at once, at most.
const MERGED: usize = 8;
/// Entries of a layer freed at once.
const FREED: usize = 2_000;

/// A layer that waits to be flushed, or is.
#[derive(Debug)]
pub struct Frozen {
    /// The layer.
    pub layer: Arc<Layer>,
    lsns: (Lsn, Lsn),
    position: Position,
    records: u64,
}

/// A job that runs.
#[derive(Debug)]
pub struct Running {
    job: Job,
    waiting: Waiting,
    read: Option<Output>,
    /// `Counters::records` when it began.
    records: u64,
}

#[derive(Debug)]
enum Waiting {
    Nothing,
    Io(Ticket),
    Block,
    Durable(Lsn),
}

/// A manifest that is being written, and what is so once it is there.
#[derive(Debug)]
pub struct Commit {
    manifest: Manifest,
    segments: Vec<Arc<Segment>>,
    done: Done,
}

#[derive(Debug)]
enum Done {
    Flush { records: u64, flush: Box<Flush> },
    Checkpoint { records: u64 },
    Merge,
}

/// What was counted since the store was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Records appended or replayed.
    pub records: u64,
    /// Of these, those a checkpoint has.
    in_checkpoint: u64,
    /// Of these, those that segments have.
    in_segments: u64,
    /// See `Stats`.
    pub damaged: u64,
    flushes: u64,
    checkpoints: u64,
    merges: u64,
    background_bytes: u64,
    /// Bytes that jobs may write before the next group has landed.
    credit: i64,
    /// Bytes written since the disk was last asked for what is free.
    unasked: u64,
}

impl<D: Disk> LogStore<D> {
    /// Whether flushes lag so far behind that appends must wait for them.
    pub(super) fn is_overrun(&self) -> bool {
        let far = self.journal.bytes_since(&self.manifest.journal()) > 2 * self.options.recovery_bytes;
        far || (self.frozen.is_some() && self.state.active.bytes() > 2 * self.options.table)
    }

    pub(super) fn lacks_reserve(&self) -> bool {
        self.lacks_space || self.lacks_file || self.free.is_some_and(|free| free < self.options.reserve)
    }

    /// A group of this many bytes has landed.
    pub(super) fn earn(&mut self, bytes: usize) {
        let credit = &mut self.counters.credit;
        *credit = (*credit + bytes as i64 * PACE).min(AHEAD);
        self.counters.unasked += bytes as u64;
        if self.counters.unasked > self.options.journal_file / 4 || self.lacks_reserve() {
            self.ask_free();
        }
    }

    /// When space is short: asks whether that is still so.
    pub(super) fn ask_free_if_short(&mut self) {
        if self.lacks_reserve() {
            self.ask_free();
        }
    }

    fn ask_free(&mut self) {
        if self.asking_free.is_none() {
            self.counters.unasked = 0;
            self.asking_free = Some(self.disk.submit(Op::Free));
        }
    }

    /// Whether jobs go on however busy the journal is.
    fn is_pressed(&self) -> bool {
        self.frozen.is_some() && self.state.active.bytes() > self.options.table
    }

    pub(super) fn work_in_background(&mut self) {
        if self.free.is_none() {
            self.ask_free();
        }
        self.keep_spares();
        self.unlink_doomed();
        self.give_back_memory();
        if self.job.is_none() && self.commit.is_none() {
            self.begin_job();
        }
        for _ in 0..AT_ONCE {
            let may_step = self.journal.is_quiet() || self.counters.credit > 0 || self.is_pressed();
            if !may_step || !self.step_job() {
                return;
            }
        }
        // It could go on at once; others come first.
        if let Some(running) = &mut self.job
            && matches!(running.waiting, Waiting::Nothing)
        {
            running.waiting = Waiting::Io(self.disk.submit(Op::Free));
        }
    }

    /// Takes one step of the job; whether another can follow at once.
    fn step_job(&mut self) -> bool {
        let Some(running) = &mut self.job else { return false };
        match running.waiting {
            Waiting::Nothing => {}
            Waiting::Durable(lsn) if lsn <= self.durable => running.waiting = Waiting::Nothing,
            _ => return false,
        }
        let view = View {
            small: &self.state.small,
            blocks: &mut self.blocks,
            block: self.disk.block(),
            last: self.state.last,
        };
        match running.job.step(view, running.read.take()) {
            Ok(Next::Io(op)) => {
                let bytes = op_bytes(&op);
                self.counters.credit -= bytes as i64;
                self.counters.background_bytes += bytes;
                self.counters.unasked += bytes;
                running.waiting = Waiting::Io(self.disk.submit(op));
            }
            Ok(Next::Durable(lsn)) => running.waiting = Waiting::Durable(lsn),
            Ok(Next::Again) => {}
            Ok(Next::Done) => self.commit_job(),
            Err(Stop::Need(need)) => {
                running.waiting = Waiting::Block;
                self.blocks.read(&mut self.disk, need, Waiter::Job);
            }
            Err(Stop::Damaged(_)) => self.job_met_damage(),
        }
        true
    }

    pub(super) fn wake_job(&mut self) {
        if let Some(running) = &mut self.job {
            running.waiting = Waiting::Nothing;
        }
    }

    pub(super) fn job_met_damage(&mut self) {
        self.counters.damaged += 1;
        let Some(running) = &mut self.job else { return };
        running.waiting = Waiting::Nothing;
        if running.job.pass_over_damage() {
            return;
        }
        if let Job::Merge(merge) = &running.job {
            let mut segments = self.segments.to_vec();
            for place in merge.places.clone() {
                segments[place] = Arc::new(Segment { damaged: true, ..(*segments[place]).clone() });
            }
            self.segments = Arc::new(segments);
        }
        self.give_up_job();
    }

    fn begin_job(&mut self) {
        if self.lacks_space {
            return;
        }
        let unflushed_bytes = self.journal.bytes_since(&self.manifest.messages);
        let unchecked_bytes = self.journal.bytes_since(&self.manifest.small);
        // Both are begun early, so that the bound holds while they run.
        let bytes = self.options.recovery_bytes / 4 * 3;
        let records = self.options.recovery_records / 4 * 3;
        let unflushed = self.counters.records - self.counters.in_segments;
        let unchecked = self.counters.records - self.counters.in_checkpoint;
        let is_full = self.state.active.bytes() >= self.options.table;
        let job = if self.frozen.is_some()
            || is_full
            || unflushed_bytes >= bytes
            || unflushed >= records
            || self.is_worth_flushing()
        {
            self.flush()
        } else if unchecked_bytes >= bytes || unchecked >= records {
            self.checkpoint()
        } else if let Some(merge) = self.merge() {
            merge
        } else {
            return;
        };
        let records = self.counters.records;
        self.job = Some(Running { job, waiting: Waiting::Nothing, read: None, records });
    }

    fn flush(&mut self) -> Job {
        if self.frozen.is_none() {
            let layer = Arc::new(std::mem::take(&mut self.state.active));
            self.loads.values_mut().for_each(|load| load.froze(layer.clone()));
            let lsns = (self.manifest.flushed + 1, self.state.last);
            let position = self.journal.position();
            let records = self.counters.records;
            self.frozen = Some(Frozen { layer, lsns, position, records });
        }
        let frozen = self.frozen.as_ref().expect("frozen above");
        let (layer, next) = (frozen.layer.clone(), self.manifest.next_file);
        let block = self.disk.block();
        let flush = Flush::new(layer, frozen.lsns, frozen.position, &self.segments, next, block);
        Job::Flush(Box::new(flush))
    }

    fn checkpoint(&mut self) -> Job {
        let (dedup, minute) = (self.state.small.freeze_dedup(), self.state.now / 60_000);
        let (position, next) = (self.journal.position(), self.manifest.next_file);
        Job::Checkpoint(Box::new(Checkpoint::new(position, dedup, minute, next, self.disk.block())))
    }

    /// Neighbours worth merging: some are less than half alive, or there are many small ones.
    fn merge(&self) -> Option<Job> {
        let segments = &self.segments;
        let space = |segment: &Segment| segment.meta.length * segment.live() / segment.meta.count.max(1);
        let dead: u64 = segments.iter().map(|segment| segment.meta.length - space(segment)).sum();
        let all: u64 = segments.iter().map(|segment| segment.meta.length).sum();
        // A segment that is being emptied is soon dead: it is left alone unless the dead take half of the space.
        let urgent = dead > all / 2 && dead > 4 * self.options.segment;
        let is_sparse = |segment: &Segment| {
            segment.live() * 2 < segment.meta.count && (urgent || !segment.warm) && !segment.damaged
        };
        let is_small = |segment: &Segment| space(segment) < self.options.segment / 8 && !segment.damaged;
        let mut from = 0;
        while from < segments.len() {
            let (mut to, mut bytes, mut sparse) = (from, 0, 0);
            while to < segments.len() && to - from < MERGED {
                let segment = &segments[to];
                let fits = bytes + space(segment) <= self.options.segment;
                if !fits || !(is_sparse(segment) || is_small(segment)) {
                    break;
                }
                bytes += space(segment);
                sparse += usize::from(is_sparse(segment));
                to += 1;
            }
            if sparse > 0 || to - from == MERGED {
                let next = self.manifest.next_file;
                let merge = Merge::new(from..to, segments, next, self.disk.block());
                return Some(Job::Merge(Box::new(merge)));
            }
            from = to.max(from + 1);
        }
        None
    }

    /// The job's files are complete: the manifest may name them.
    fn commit_job(&mut self) {
        let Some(running) = self.job.take() else { return };
        let mut manifest = self.manifest.clone();
        let mut segments = self.segments.to_vec();
        manifest.now = self.state.now;
        let done = match running.job {
            Job::Flush(flush) => {
                manifest.next_file = flush.next_file();
                manifest.messages = flush.position;
                manifest.flushed = flush.upto;
                manifest.needs = manifest.needs.max(flush.upto);
                manifest.unresolved = flush.unresolved.clone();
                segments = after_flush(&self.segments, &flush);
                let records = self.frozen.as_ref().map_or(0, |frozen| frozen.records);
                Done::Flush { records, flush }
            }
            Job::Checkpoint(checkpoint) => {
                manifest.next_file = checkpoint.next_file();
                manifest.small = checkpoint.position;
                manifest.needs = manifest.needs.max(checkpoint.shows);
                manifest.checkpoint = checkpoint.rows;
                manifest.dedup.extend(checkpoint.dedup);
                let now = self.state.now;
                manifest.dedup.retain(|file| crate::rows::is_remembered(file.last_minute, now));
                Done::Checkpoint { records: running.records }
            }
            Job::Merge(merge) => {
                manifest.next_file += 1;
                let written = merge.written.map(|meta| Arc::new(Segment::new(meta)));
                segments.splice(merge.places, written);
                Done::Merge
            }
        };
        manifest.segments = segments.iter().map(|segment| segment.meta.clone()).collect();
        let op = Op::Replace { file: manifest::NAME, data: manifest.encode() };
        self.counters.background_bytes += op_bytes(&op);
        let ticket = self.disk.submit(op);
        self.commit = Some((ticket, Commit { manifest, segments, done }));
    }

    /// The manifest is there.
    fn committed(&mut self, commit: Commit) {
        let Commit { manifest, segments, done } = commit;
        match done {
            Done::Flush { records, flush } => {
                self.counters.flushes += 1;
                self.counters.in_segments = records;
                self.buried.extend(self.frozen.take().map(|frozen| frozen.layer));
                for logged in flush.unresolved {
                    self.state.apply_to_messages(logged.record, &logged.spared, 0);
                }
            }
            Done::Checkpoint { records } => {
                self.counters.checkpoints += 1;
                self.counters.in_checkpoint = records;
                self.state.small.thaw_dedup(true);
            }
            Done::Merge => self.counters.merges += 1,
        }
        let kept: BTreeSet<FileName> = manifest.files().into_iter().map(|(name, _)| name).collect();
        let before = std::mem::replace(&mut self.manifest, manifest);
        for segment in self.segments.iter() {
            if !kept.contains(&*segment.file) {
                self.doomed.push(segment.file.clone());
            }
        }
        self.segments = Arc::new(segments);
        for (file, _) in before.files() {
            if file.kind != crate::disk::FileKind::Segment && !kept.contains(&file) {
                self.disk.submit(Op::Remove { file });
            }
        }
        let from = self.manifest.journal();
        self.retired.extend(self.journal.release(&from));
    }

    /// The job cannot go on: what it wrote is removed, and its work is done again later.
    fn give_up_job(&mut self) {
        let Some(running) = self.job.take() else { return };
        if matches!(running.job, Job::Checkpoint(_)) {
            self.state.small.thaw_dedup(false);
        }
        self.remove_unnamed(running.job.next_file(self.manifest.next_file));
    }

    /// Removes files that were written for a manifest that never came.
    fn remove_unnamed(&mut self, next_file: u64) {
        for number in self.manifest.next_file..next_file {
            for file in [segment::file_name(number), rowfile::file_name(number), bitmap::file_name(number)] {
                self.disk.submit(Op::Remove { file });
            }
        }
        self.manifest.next_file = next_file;
    }

    /// Takes a completion that concerns no load.
    pub(super) fn take_background(&mut self, ticket: Ticket, result: Result<Output, Failure>) {
        if let Some((_, file)) = self.creating.take_if(|(creating, _)| *creating == ticket) {
            return match result {
                Ok(_) => self.journal.add_spare(file),
                // A full disk is not a failed one: the file is tried again when space is found.
                Err(Failure::Full) => self.lacks_file = true,
                Err(failure) => self.fail(&file.name().to_string(), &failure),
            };
        }
        if self.asking_free.take_if(|asking| *asking == ticket).is_some() {
            if let Ok(Output::Free(free)) = result {
                self.free = Some(free);
                self.lacks_space &= free < self.flush_takes();
                self.lacks_file = false;
            }
            return;
        }
        if let Some((_, commit)) = self.commit.take_if(|(replacing, _)| *replacing == ticket) {
            return match result {
                Ok(_) => self.committed(commit),
                Err(Failure::Full) => {
                    if matches!(commit.done, Done::Checkpoint { .. }) {
                        self.state.small.thaw_dedup(false);
                    }
                    self.remove_unnamed(commit.manifest.next_file);
                    self.found_full();
                }
                Err(failure) => self.fail("manifest", &failure),
            };
        }
        self.take_job(ticket, result);
    }

    fn take_job(&mut self, ticket: Ticket, result: Result<Output, Failure>) {
        let Some(running) = &mut self.job else { return };
        if !matches!(running.waiting, Waiting::Io(waiting) if waiting == ticket) {
            return;
        }
        running.waiting = Waiting::Nothing;
        match (result, &running.job) {
            (Ok(output), _) => running.read = Some(output),
            (Err(Failure::Full), _) => {
                self.give_up_job();
                self.found_full();
            }
            // A merge reads: what it cannot read it leaves alone.
            (Err(_), Job::Merge(merge)) if merge.is_reading() => self.job_met_damage(),
            (Err(failure), _) => self.fail("background write", &failure),
        }
    }

    /// Bytes that a flush may write, about.
    fn flush_takes(&self) -> u64 {
        let layer = self.frozen.as_ref().map_or(&self.state.active, |frozen| &*frozen.layer);
        (layer.bytes() as u64).saturating_mul(5) / 4 + self.options.journal_file / 16
    }

    /// Whether a flush now would make room on the disk: asked when nothing else goes on.
    pub(super) fn flush_if_it_frees(&mut self) {
        let live: u64 = self.segments.iter().map(|segment| segment.live()).sum();
        let gone = self.state.active.gone().len() as u64;
        self.wants_flush |= gone > 0 && (gone > 100_000 || gone * 2 >= live);
    }

    /// Whether a flush is due because of what it frees.
    fn is_worth_flushing(&mut self) -> bool {
        if self.state.active.take_cut() {
            let marks = self.state.active.marks();
            let spans = self.segments.iter().flat_map(|segment| &segment.meta.spans);
            let cut = |span: &Span| {
                marks.get(&span.queue()).is_some_and(|mark| mark.takes_all(span.is_delayed(), span.highest))
            };
            self.wants_flush |= spans.into_iter().any(cut);
        }
        // Under want of space every thousand deletions may empty a segment.
        std::mem::take(&mut self.wants_flush)
            || (self.lacks_reserve() && self.state.active.gone().len() >= 1_000)
    }

    /// A job found the disk full. It is tried again when the disk is next asked what is free: with the next
    /// group, or when nothing goes on.
    fn found_full(&mut self) {
        self.lacks_space = true;
    }

    /// Keeps journal files ready: those no longer needed, else new ones.
    fn keep_spares(&mut self) {
        if self.creating.is_some() {
            return;
        }
        if let Some(file) = self.retired.pop_front() {
            let fits = file.size == self.options.journal_file && file.size >= self.journal.wanted_size();
            if fits && self.journal.spares() < SPARES {
                let to = File { number: self.journal.next_file_number(), size: file.size };
                let ticket = self.disk.submit(Op::Rename { from: file.name(), to: to.name() });
                self.creating = Some((ticket, to));
            } else {
                self.disk.submit(Op::Remove { file: file.name() });
            }
        } else if self.journal.spares() == 0 && !self.lacks_file {
            let size = self.options.journal_file.max(self.journal.wanted_size());
            let file = File { number: self.journal.next_file_number(), size };
            let ticket = self.disk.submit(Op::Create { file: file.name(), size });
            self.creating = Some((ticket, file));
        }
    }

    /// After an open: journal files from before the manifest's place, and spares that are not whole.
    pub(super) fn retire_odd_files(&mut self, listed: &[(FileName, u64)]) {
        let from = self.manifest.journal().file;
        for (name, size) in listed {
            if name.kind == crate::disk::FileKind::Journal && name.number < from {
                self.retired.push_back(File { number: name.number, size: *size });
            }
        }
        for file in self.journal.drop_odd_spares(self.options.journal_file) {
            self.disk.submit(Op::Remove { file: file_name(file.number) });
        }
    }

    fn unlink_doomed(&mut self) {
        let mut at = 0;
        while at < self.doomed.len() {
            if Arc::strong_count(&self.doomed[at]) > 1 {
                at += 1;
                continue;
            }
            let file = *self.doomed.swap_remove(at);
            self.blocks.cache.forget(file.number);
            self.disk.submit(Op::Remove { file });
        }
    }

    /// Freeing a whole layer at once would be seen in the latency of sends.
    fn give_back_memory(&mut self) {
        let Some(layer) = self.buried.last_mut() else { return };
        if let Some(layer) = Arc::get_mut(layer)
            && !layer.shrink(FREED)
        {
            self.buried.pop();
        }
    }

    pub(super) fn statistics(&self) -> Stats {
        let written = self.journal.written();
        let counters = &self.counters;
        let sum = |of: fn(&Segment) -> u64| self.segments.iter().map(|segment| of(segment)).sum();
        Stats {
            groups: written.groups,
            journal_bytes: written.bytes,
            payload_bytes: written.payload,
            background_bytes: counters.background_bytes,
            recovery_bytes: self.journal.bytes_since(&self.manifest.journal()),
            recovery_records: counters.records - counters.in_segments.min(counters.in_checkpoint),
            undurable_bytes: self.journal.undurable() as u64,
            table_bytes: self.table_bytes() as u64,
            segments: self.segments.len() as u64,
            segment_messages: sum(|segment| segment.meta.count),
            segment_deleted: sum(|segment| segment.meta.count - segment.live()),
            segment_bytes: sum(|segment| segment.meta.length),
            cache_bytes: self.blocks.cache.bytes() as u64,
            cache_hits: self.blocks.cache.hits,
            cache_misses: self.blocks.cache.misses,
            damaged: counters.damaged,
            free_bytes: self.free,
            flushes: counters.flushes,
            checkpoints: counters.checkpoints,
            merges: counters.merges,
        }
    }

    fn table_bytes(&self) -> usize {
        self.state.active.bytes() + self.frozen.as_ref().map_or(0, |frozen| frozen.layer.bytes())
    }
}

/// The list of segments when a flush is done.
fn after_flush(segments: &[Arc<Segment>], flush: &Flush) -> Vec<Arc<Segment>> {
    let mut after: Vec<Option<Arc<Segment>>> = segments.iter().cloned().map(Some).collect();
    for segment in after.iter_mut().flatten().filter(|segment| segment.warm) {
        *segment = Arc::new(Segment { warm: false, ..(**segment).clone() });
    }
    for Changed { place, segment, bits, bitmap } in &flush.changed {
        after[*place] = bitmap.map(|reference| {
            let mut segment = Segment { warm: true, deleted: Some(bits.clone()), ..(**segment).clone() };
            segment.meta.bitmap = Some(reference);
            Arc::new(segment)
        });
    }
    let written = flush.written.clone().map(|meta| Arc::new(Segment::new(meta)));
    after.into_iter().flatten().chain(written).collect()
}

fn op_bytes(op: &Op) -> u64 {
    match op {
        Op::Write { data, .. } | Op::Replace { data, .. } => data.len() as u64,
        _ => 0,
    }
}

//! When which job runs, what follows when it is done, and what happens to files no longer needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{Lsn, Record};

use crate::disk::{Disk, Failure, FileName, Op, Output, Ticket};
use crate::layer::{GONE_BYTES, Layer};

use super::blocks::{Stop, Waiter};
use super::job::checkpoint::Checkpoint;
use super::job::flush::{Changed, Flush};
use super::job::merge::Merge;
use super::job::{Job, Kind, LARGEST_STEP, Next, STEP, View};
use super::journal::Position;
use super::manifest::{self, Manifest};
use super::segment::Segment;
use super::{LogStore, bitmap, rowfile, segment};

/// Steps of a job that are taken at once, if they need nothing.
const AT_ONCE: usize = 8;
/// Segments merged at once, at most.
const MERGED: usize = 8;

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
    /// Messages it works on were removed meanwhile.
    met_removals: bool,
}

#[derive(Debug)]
enum Waiting {
    Nothing,
    Io(Ticket),
    Block,
    Durable(Lsn, Position),
}

/// A manifest that is being written, and what is so once it is there.
#[derive(Debug)]
pub struct Commit {
    manifest: Manifest,
    segments: Vec<Arc<Segment>>,
    done: Done,
    met_removals: bool,
}

#[derive(Debug)]
enum Done {
    Flush { records: u64, flush: Box<Flush> },
    Checkpoint { records: u64 },
    Merge,
}

impl Done {
    fn kind(&self) -> Kind {
        match self {
            Done::Flush { .. } => Kind::Flush,
            Done::Checkpoint { .. } => Kind::Checkpoint,
            Done::Merge => Kind::Merge,
        }
    }
}

/// What was counted since the store was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Records appended or replayed.
    pub records: u64,
    /// Of these, those a checkpoint has.
    pub in_checkpoint: u64,
    /// Of these, those that segments have.
    pub in_segments: u64,
    /// See `Stats`.
    pub damaged: u64,
    pub flushes: u64,
    pub checkpoints: u64,
    pub merges: u64,
    pub flushes_under_removals: u64,
    pub merges_under_removals: u64,
    pub background_bytes: u64,
    /// Bytes that jobs may write before the next group has landed.
    pub credit: i64,
    /// Bytes written since the disk was last asked for what is free.
    pub unasked: u64,
}

impl<D: Disk> LogStore<D> {
    /// Whether the job at hand is in the way of the next flush or checkpoint, or nearly: it goes on however busy the
    /// journal is, and a flush in the largest steps.
    fn is_pressed(&self) -> bool {
        self.job.is_some()
            && (self.state.active.bytes() > self.flushed_at() / 4 * 3 || self.recovery_takes(7))
    }

    /// Bytes of messages and deletions at which a flush is due. Deletions that damage hides stay in memory whatever is
    /// flushed.
    pub(super) fn flushed_at(&self) -> usize {
        self.options.table + self.manifest.unresolved.len() * GONE_BYTES
    }

    /// Bytes that a step of a flush is to write, about. Twice as many as a group of the journal, since a step is made and
    /// written while one or two groups are: with less, the table fills faster than it is flushed, and appends come to wait
    /// for a whole flush.
    fn step_bytes(&self) -> usize {
        match self.is_pressed() {
            true => LARGEST_STEP,
            false => (2 * self.journal.usual_group()).clamp(STEP, LARGEST_STEP),
        }
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
        let step = self.step_bytes();
        let Some(running) = &mut self.job else { return false };
        match running.waiting {
            Waiting::Nothing => {}
            Waiting::Durable(lsn, place) if lsn <= self.durable && self.journal.is_durable_to(&place) => {
                running.waiting = Waiting::Nothing;
            }
            _ => return false,
        }
        let view = View {
            small: &self.state.small,
            blocks: &mut self.blocks,
            block: self.disk.block(),
            step,
            last: self.state.last,
        };
        match running.job.step(view, running.read.take()) {
            Ok(Next::Io(op)) => running.waiting = Waiting::Io(self.disk.submit(op)),
            Ok(Next::Durable(lsn, place)) => running.waiting = Waiting::Durable(lsn, place),
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

    /// A record is appended while a job runs.
    pub(super) fn tell_job(&mut self, record: &Record) {
        if let Some(running) = &mut self.job {
            running.met_removals |= running.job.meets(record);
        }
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
        if self.is_short(Kind::Flush) {
            return;
        }
        let unflushed_bytes = self.journal.bytes_since(&self.manifest.messages);
        let unchecked_bytes = self.journal.bytes_since(&self.manifest.small);
        // Both are begun early, so that the bound holds while they run.
        let bytes = self.options.recovery_bytes / 4 * 3;
        let records = self.options.recovery_records / 4 * 3;
        let unflushed = self.counters.records - self.counters.in_segments;
        let unchecked = self.counters.records - self.counters.in_checkpoint;
        let job = if self.frozen.is_some()
            || self.state.active.bytes() >= self.flushed_at()
            || unflushed_bytes >= bytes
            || unflushed >= records
            || self.is_worth_flushing()
        {
            self.flush()
        } else if !self.is_short(Kind::Checkpoint)
            && (unchecked_bytes >= bytes
                || unchecked >= records
                || self.frees_journal_files(&self.manifest.small))
        {
            self.checkpoint()
        } else if self.may_merge && !self.is_short(Kind::Merge) {
            let Some(merge) = self.merge() else {
                self.may_merge = false;
                return;
            };
            merge
        } else {
            return;
        };
        let records = self.counters.records;
        self.job = Some(Running { job, waiting: Waiting::Nothing, read: None, records, met_removals: false });
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
        let (dedup, minute) = (self.state.small.dedup.freeze(), self.state.now / 60_000);
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
        let met_removals = running.met_removals;
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
        // Otherwise a crash could have the journal go on before such a place, and cut it off from there.
        let is_durable = |place: &Position| self.journal.is_durable_to(place);
        assert!(
            is_durable(&manifest.small) && is_durable(&manifest.messages),
            "the journal's places are durable"
        );
        let data = manifest.encode();
        self.counters.background_bytes += data.len() as u64;
        let ticket = self.disk.submit(Op::Replace { file: manifest::NAME, data });
        self.commit = Some((ticket, Commit { manifest, segments, done, met_removals }));
    }

    /// The manifest is there.
    fn committed(&mut self, commit: Commit) {
        let Commit { manifest, segments, done, met_removals } = commit;
        self.may_merge = true;
        match done {
            Done::Flush { records, flush } => {
                self.counters.flushes += 1;
                self.counters.flushes_under_removals += u64::from(met_removals);
                self.counters.in_segments = records;
                self.buried.extend(self.frozen.take().map(|frozen| frozen.layer));
                // A cut that damage keeps from its messages frees nothing: it is no reason for another flush.
                let was_cut = self.state.active.take_cut();
                for logged in flush.unresolved {
                    self.state.apply_to_messages(logged.record, &logged.spared, 0);
                }
                self.state.active.note_cut(was_cut);
            }
            Done::Checkpoint { records } => {
                self.counters.checkpoints += 1;
                self.counters.in_checkpoint = records;
                self.state.small.dedup.thaw(true);
            }
            Done::Merge => {
                self.counters.merges += 1;
                self.counters.merges_under_removals += u64::from(met_removals);
            }
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
                self.remove(file);
            }
        }
        let from = self.manifest.journal();
        self.retired.extend(self.journal.release(&from));
    }

    /// The job cannot go on: what it wrote is removed, and its work is done again later.
    fn give_up_job(&mut self) {
        let Some(running) = self.job.take() else { return };
        if matches!(running.job, Job::Checkpoint(_)) {
            self.state.small.dedup.thaw(false);
        }
        self.remove_unnamed(running.job.next_file(self.manifest.next_file));
    }

    /// Removes files that were written for a manifest that never came.
    fn remove_unnamed(&mut self, next_file: u64) {
        for number in self.manifest.next_file..next_file {
            for file in [segment::file_name(number), rowfile::file_name(number), bitmap::file_name(number)] {
                self.remove(file);
            }
        }
        self.manifest.next_file = next_file;
    }

    /// Takes a completion that concerns no load.
    pub(super) fn take_background(&mut self, ticket: Ticket, result: Result<Output, Failure>) {
        if let Some((_, file)) = self.creating.take_if(|(creating, _)| *creating == ticket) {
            return match (result, file) {
                (_, None) => self.ask_free_if_short(),
                (Ok(_), Some(file)) => self.journal.add_spare(file),
                // A full disk is not a failed one: the file is tried again when space is found.
                (Err(Failure::Full), _) => self.lacks_file = true,
                (Err(failure), Some(file)) => self.fail(&file.name().to_string(), &failure),
            };
        }
        if self.asking_free.take_if(|asking| *asking == ticket).is_some() {
            if let Ok(Output::Free(free)) = result {
                self.found_free(free);
            }
            return;
        }
        if self.removing.remove(&ticket) {
            return self.ask_free_if_short();
        }
        if self.releasing.remove(&ticket).is_some() {
            return;
        }
        if let Some((_, commit)) = self.commit.take_if(|(replacing, _)| *replacing == ticket) {
            return match result {
                Ok(_) => self.committed(commit),
                Err(Failure::Full) => {
                    if matches!(commit.done, Done::Checkpoint { .. }) {
                        self.state.small.dedup.thaw(false);
                    }
                    self.remove_unnamed(commit.manifest.next_file);
                    self.found_full(commit.done.kind());
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
            (Ok(Output::Written(bytes)), _) => {
                self.counters.credit -= bytes as i64;
                self.counters.background_bytes += bytes;
                self.counters.unasked += bytes;
            }
            (Ok(output), _) => running.read = Some(output),
            (Err(Failure::Full), job) => {
                let kind = job.kind();
                self.give_up_job();
                self.found_full(kind);
            }
            // A merge reads: what it cannot read it leaves alone.
            (Err(_), Job::Merge(merge)) if merge.is_reading() => self.job_met_damage(),
            (Err(failure), _) => self.fail("background write", &failure),
        }
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

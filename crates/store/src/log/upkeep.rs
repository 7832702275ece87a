//! What keeps the store going beside its jobs: space on the disk, journal files, files and memory no longer needed.

use std::sync::Arc;

use crate::Stats;
use crate::disk::{Disk, FileName, Op};

use super::LogStore;
use super::job::Kind;
use super::journal::{File, Position};
use super::segment::{Segment, Span};

/// Bytes a job may write for each byte of the journal, while that is busy.
const PACE: i64 = 4;
/// Bytes a job may be ahead of that.
const AHEAD: i64 = 4 << 20;

impl<D: Disk> LogStore<D> {
    /// Whether flushes, checkpoints, or the giving back of memory lag so far behind that appends must wait for them.
    pub(super) fn is_overrun(&self) -> bool {
        let far = self.recovery_takes(8);
        // Also while something else than a flush runs: it is in the way of one.
        let flushes_lag = self.state.active.bytes() > 2 * self.flushed_at();
        far || flushes_lag || self.releasing.values().sum::<usize>() > 2 * self.options.table
    }

    /// Whether a recovery now would read or replay more than so many eighths of what it may.
    pub(super) fn recovery_takes(&self, eighths: u64) -> bool {
        let bytes = self.journal.bytes_since(&self.manifest.journal());
        let records = self.unreplayed();
        bytes > self.options.recovery_bytes / 8 * eighths
            || records > self.options.recovery_records / 8 * eighths
    }

    /// Records that a recovery would replay.
    fn unreplayed(&self) -> u64 {
        self.counters.records - self.counters.in_segments.min(self.counters.in_checkpoint)
    }

    pub(super) fn lacks_reserve(&self) -> bool {
        !self.short.is_empty() || self.lacks_file || self.free.is_some_and(|free| free < self.options.reserve)
    }

    /// Whether the journal waits for a file that the disk has no space for.
    pub(super) fn lacks_journal_space(&self) -> bool {
        self.lacks_file && self.journal.is_durable_to(&self.journal.position())
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

    pub(super) fn ask_free(&mut self) {
        if self.asking_free.is_none() {
            self.counters.unasked = 0;
            self.asking_free = Some(self.disk.submit(Op::Free));
        }
    }

    /// Bytes that a flush may write, about.
    pub(super) fn flush_takes(&self) -> u64 {
        let layer = self.frozen.as_ref().map_or(&self.state.active, |frozen| &*frozen.layer);
        (layer.bytes() as u64).saturating_mul(5) / 4 + self.options.journal_file / 16
    }

    /// Whether a flush now would make room on the disk: asked when nothing else goes on.
    pub(super) fn flush_if_it_frees(&mut self) {
        let live: u64 = self.segments.iter().map(|segment| segment.live()).sum();
        let gone = self.state.active.gone().len() as u64;
        self.wants_flush |= gone > 0 && (gone > 100_000 || gone * 2 >= live);
    }

    /// Removes a file.
    pub(super) fn remove(&mut self, file: FileName) {
        let ticket = self.disk.submit(Op::Remove { file });
        self.removing.insert(ticket);
    }

    /// Whether journal files before the current one wait for a job that ends at `done`, and their space is wanted.
    pub(super) fn frees_journal_files(&self, done: &Position) -> bool {
        self.lacks_reserve() && done.file < self.journal.position().file
    }

    /// Whether a flush is due because of what it frees.
    pub(super) fn is_worth_flushing(&mut self) -> bool {
        if self.state.active.take_cut() {
            let marks = self.state.active.marks();
            let spans = self.segments.iter().flat_map(|segment| segment.meta.spans.iter());
            let cut = |span: &Span| {
                marks.get(&span.queue()).is_some_and(|mark| mark.takes_all(span.is_delayed(), span.highest))
            };
            self.wants_flush |= spans.into_iter().any(cut);
        }
        // Under want of space every thousand deletions may empty a segment; not those that damage hides.
        let hidden = self.manifest.unresolved.len();
        std::mem::take(&mut self.wants_flush)
            || self.frees_journal_files(&self.manifest.messages)
            || (self.lacks_reserve() && self.state.active.gone().len() >= 1_000 + hidden)
    }

    /// A job found the disk full. Begun again with as much free as then it would only do so again, and removing
    /// what it wrote gives back no more than that: it waits for more, or for the next look for space.
    pub(super) fn found_full(&mut self, kind: Kind) {
        self.short.insert(kind, self.free.unwrap_or(0));
    }

    pub(super) fn is_short(&self, kind: Kind) -> bool {
        self.short.contains_key(&kind)
    }

    /// The disk has told what is free.
    pub(super) fn found_free(&mut self, free: u64) {
        self.free = Some(free);
        self.lacks_file = false;
        let flush_takes = self.flush_takes();
        self.short.retain(|kind, had| free <= *had || (*kind == Kind::Flush && free < flush_takes));
    }

    /// What was thought to be free may have been less, and a job may take less by now: each that found the disk
    /// full is tried once more, whatever is free.
    pub(super) fn try_short_jobs(&mut self) {
        self.short.values_mut().for_each(|had| *had = 0);
    }

    /// Journal files kept ready: as many as a checkpoint frees at once, since making one means writing it twice. Where
    /// space is short they are in the way.
    fn spares_kept(&self) -> usize {
        let freed = self.options.recovery_bytes / self.options.journal_file + 1;
        if self.lacks_reserve() { 1 } else { freed as usize }
    }

    /// Keeps journal files ready: those no longer needed, else new ones.
    pub(super) fn keep_spares(&mut self) {
        if self.creating.is_some() {
            return;
        }
        let (spares, kept) = (self.journal.spares(), self.spares_kept());
        if spares > kept
            && let Some(file) = self.journal.give_up_spare()
        {
            // Its number is the next one's: nothing is made until it is gone.
            self.creating = Some((self.disk.submit(Op::Remove { file: file.name() }), None));
        } else if let Some(file) = self.retired.pop_front() {
            let fits = file.size == self.options.journal_file && file.size >= self.journal.wanted_size();
            if fits && spares < kept {
                let to = File { number: self.journal.next_file_number(), size: file.size };
                let ticket = self.disk.submit(Op::Rename { from: file.name(), to: to.name() });
                self.creating = Some((ticket, Some(to)));
            } else {
                self.remove(file.name());
            }
        } else if spares == 0 && !self.lacks_file {
            let size = self.options.journal_file.max(self.journal.wanted_size());
            let file = File { number: self.journal.next_file_number(), size };
            let ticket = self.disk.submit(Op::Create { file: file.name(), size });
            self.creating = Some((ticket, Some(file)));
        }
    }

    /// After an open: journal files from before the manifest's place can be used again.
    pub(super) fn retire_old_files(&mut self, listed: &[(FileName, u64)]) {
        let from = self.manifest.journal().file;
        for (name, size) in listed {
            if name.kind == crate::disk::FileKind::Journal && name.number < from {
                self.retired.push_back(File { number: name.number, size: *size });
            }
        }
    }

    pub(super) fn unlink_doomed(&mut self) {
        let mut at = 0;
        while at < self.doomed.len() {
            if Arc::strong_count(&self.doomed[at]) > 1 {
                at += 1;
                continue;
            }
            let file = *self.doomed.swap_remove(at);
            self.blocks.cache.forget(file.number);
            self.remove(file);
        }
    }

    /// Freeing a layer takes about a microsecond a message, which sends would wait for.
    pub(super) fn give_back_memory(&mut self) {
        for layer in self.buried.extract_if(.., |layer| Arc::strong_count(layer) == 1) {
            let bytes = layer.bytes();
            self.releasing.insert(self.disk.submit(Op::Release(layer)), bytes);
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
            recovery_records: self.unreplayed(),
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
            flushes_under_removals: counters.flushes_under_removals,
            merges_under_removals: counters.merges_under_removals,
        }
    }

    fn table_bytes(&self) -> usize {
        self.state.active.bytes() + self.frozen.as_ref().map_or(0, |frozen| frozen.layer.bytes())
    }
}

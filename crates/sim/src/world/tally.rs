//! What a seed reached, taken down at the end of each life of the server: its own counts, and what a crash met half
//! done.

use std::collections::{BTreeMap, BTreeSet};

use engine::{MessageKey, QueueId, Row};
use store::Store;

use super::World;

impl World {
    /// A node's life ends: what it counted is kept.
    pub(super) fn tally(&mut self) {
        let Some(node) = &self.node else { return };
        let (counts, counters, stats) = (node.counts(), node.counters(), node.store().stats());
        for (name, times) in counts.named() {
            self.mark_many(name, times);
        }
        for (name, times) in [
            ("store: flush", stats.flushes),
            ("store: flush while messages were removed", stats.flushes_under_removals),
            ("store: checkpoint", stats.checkpoints),
            ("store: merge", stats.merges),
            ("store: merge while messages of it were removed", stats.merges_under_removals),
            ("store: a load or a job met damage", stats.damaged),
            ("node: a request was throttled", counters.throttled),
            ("node: a jump of the clock was logged", counters.clock_jumps),
        ] {
            self.mark_many(name, times);
        }
    }

    /// A store was opened after a crash: between which steps of moves that was.
    pub(super) fn tally_moves(&mut self, rows: &[Row]) {
        if self.report.crashes == 0 {
            return;
        }
        let dead: BTreeSet<QueueId> = dead_letter_queues(rows);
        let arrived: BTreeMap<MessageKey, QueueId> = rows.iter().filter_map(arrival).collect();
        let mut leaving = BTreeSet::new();
        for row in rows {
            let Row::Touched(key, touched) = row else { continue };
            let Some(how) = touched.leaving else { continue };
            leaving.insert(*key);
            self.mark(match (how.renewed, arrived.contains_key(key)) {
                (false, false) => "crash: dead letter leaving, not arrived",
                (false, true) => "crash: dead letter arrived, not deleted",
                (true, false) => "crash: move task's message leaving, not arrived",
                (true, true) => "crash: move task's message arrived, not deleted",
            });
        }
        for (_, target) in arrived.iter().filter(|(source, _)| !leaving.contains(source)) {
            self.mark(match dead.contains(target) {
                true => "crash: dead letter deleted, not forgotten",
                false => "crash: move task's message deleted, not forgotten",
            });
        }
    }
}

/// The workload moves messages out of these and into others, so what came to them came as a dead letter.
fn dead_letter_queues(rows: &[Row]) -> BTreeSet<QueueId> {
    let dead = rows.iter().filter_map(|row| match row {
        Row::Queue(id, row) if row.name.name.starts_with("dead") => Some(*id),
        _ => None,
    });
    dead.collect()
}

fn arrival(row: &Row) -> Option<(MessageKey, QueueId)> {
    match row {
        Row::Arrived(key, _) => Some((key.source, key.queue)),
        _ => None,
    }
}

//! The store against plain maps, under random work, with crashes at any operation.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use engine::rows::{
    AttemptKey, AttemptRow, Cut, DedupKey, DedupRow, Head, Leaving, MessageRow, QueueRow, Touched,
};
use engine::{Entropy, Lane, MessageId, MessageKey, QueueId, RowKey};

use super::*;
use crate::memory::apply;
use crate::rows::SmallRows;
use crate::table::Table;

/// Sizes small enough that a few hundred batches see every job.
pub fn tiny() -> Options {
    Options {
        journal_file: 32 << 10,
        first_journal_file: 8 << 10,
        table: 6 << 10,
        recovery_bytes: 64 << 10,
        recovery_records: 1_000,
        cache: 64 << 10,
        segment: 40 << 10,
        reserve: 0,
        keep_dedup: true,
    }
}

/// What the rows should be.
#[derive(Default)]
pub struct Model {
    pub small: SmallRows,
    pub table: Table,
}

impl Model {
    pub fn of(batches: &[Batch]) -> Model {
        let mut model = Model::default();
        model.small.dedup.keep_all();
        for (index, batch) in batches.iter().enumerate() {
            for record in &batch.records {
                apply(&mut model.small, &mut model.table, record.clone(), index as u64 + 1);
            }
            model.small.forget(batch.now);
        }
        model
    }
}

/// Random work that keeps the engine's side of the contract: sequences rise, queues are never reused.
pub struct Work {
    entropy: Entropy,
    now: u64,
    queues: Vec<(QueueId, u64)>,
    live: Vec<MessageKey>,
    made: u64,
}

impl Work {
    pub fn new(seed: u64) -> Work {
        let mut work =
            Work { entropy: Entropy(seed), now: 1_700_000_000_000, queues: vec![], live: vec![], made: 0 };
        (0..3).for_each(|_| work.make_queue());
        work
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.entropy.draw() % bound
    }

    fn make_queue(&mut self) {
        self.made += 1;
        self.queues.push((QueueId(1_000 + self.made), 0));
    }

    fn lane(&mut self) -> Lane {
        Lane(self.below(6).into())
    }

    fn pick(&mut self) -> Option<MessageKey> {
        let count = self.live.len() as u64;
        (count > 0).then(|| self.below(count) as usize).map(|at| self.live[at])
    }

    fn send(&mut self) -> Row {
        let at = self.below(self.queues.len() as u64) as usize;
        let (queue, sequence) = self.queues[at];
        self.queues[at].1 += 1;
        let rank = if self.below(4) == 0 { self.now + self.below(900_000) } else { 0 };
        let key = MessageKey { queue, rank, sequence };
        self.live.push(key);
        let moved = self.below(10) == 0;
        let row = MessageRow {
            lane: if at == 0 { Lane::NONE } else { self.lane() },
            sent: self.now,
            retained_from: self.now,
            id: moved.then_some(MessageId(5)),
            size: 10,
            ..MessageRow::default()
        };
        let length = self.below(700) as usize;
        Row::Message(key, row, Bytes::from(vec![sequence as u8; length]))
    }

    fn record(&mut self) -> Vec<Record> {
        match self.below(100) {
            0..45 => vec![Record::Put(self.send())],
            45..75 => self.delete(),
            75..85 => self.touch(),
            85..88 => self.cut(),
            88 => self.drop_queue(),
            89 => vec![Record::Delete(RowKey::Message(self.live.last().copied().unwrap_or_default()))],
            _ => self.small_row(),
        }
    }

    fn delete(&mut self) -> Vec<Record> {
        // Mostly the oldest, as a healthy queue does.
        let at = if self.below(3) == 0 { self.below(self.live.len().max(1) as u64) as usize } else { 0 };
        if at >= self.live.len() {
            return vec![];
        }
        vec![Record::Delete(RowKey::Message(self.live.remove(at)))]
    }

    fn touch(&mut self) -> Vec<Record> {
        let Some(key) = self.pick() else { return vec![] };
        let leaving =
            (self.below(3) == 0).then_some(Leaving { target: QueueId(7), renewed: self.below(2) == 0 });
        let touched = Touched { receive_count: 1, nonce: self.entropy.draw(), leaving, ..Touched::default() };
        vec![Record::Put(Row::Touched(key, touched))]
    }

    fn cut(&mut self) -> Vec<Record> {
        let at = self.below(self.queues.len() as u64) as usize;
        let (queue, next) = self.queues[at];
        let below = self.below(next + 1);
        let (arrived_below, delayed_below) = match self.below(3) {
            0 => (Some(below), None),
            1 => (None, Some(below)),
            _ => (Some(next), Some(next)),
        };
        // What is left is looked up in the model; a key that is gone may be deleted again.
        vec![Record::Cut(Cut { queue, arrived_below, delayed_below })]
    }

    fn drop_queue(&mut self) -> Vec<Record> {
        let at = self.below(self.queues.len() as u64) as usize;
        let (queue, _) = self.queues.remove(at);
        self.live.retain(|key| key.queue != queue);
        self.make_queue();
        vec![Record::Drop(queue)]
    }

    fn small_row(&mut self) -> Vec<Record> {
        let at = self.below(self.queues.len() as u64) as usize;
        let (queue, next_sequence) = self.queues[at];
        let hash = u128::from(self.below(50));
        let dedup = DedupKey { queue, minute: self.now / 60_000, hash: hash.into() };
        let attempt = AttemptRow { received: self.now, deadline: 1, messages: vec![] };
        let row = match self.below(6) {
            0 => Row::Dedup(dedup, DedupRow { sequence: 1, sent: self.now, id: None }),
            1 => return vec![Record::Delete(RowKey::Dedup(dedup))],
            2 => Row::Head(queue, Head { next_sequence, live: 1, ..Head::default() }),
            3 => Row::Due(queue, self.now / 1_000, 3),
            4 => Row::Attempt(AttemptKey { queue, hash }, attempt),
            _ => Row::Queue(queue, QueueRow { id: queue, version: self.now, ..QueueRow::default() }),
        };
        vec![Record::Put(row)]
    }

    pub fn batch(&mut self) -> Batch {
        self.now += self.below(2_000);
        let count = 1 + self.below(6);
        Batch { now: self.now, records: (0..count).flat_map(|_| self.record()).collect() }
    }

    fn ask(&mut self) -> Ask {
        let at = self.below(self.queues.len() as u64) as usize;
        let (queue, next) = self.queues[at];
        let key = |rank, sequence| MessageKey { queue, rank, sequence };
        let limit = 1 + self.below(40) as usize;
        match self.below(6) {
            0 | 1 => {
                let from = key(0, self.below(next + 1));
                let skip: BTreeSet<Lane> = (0..self.below(4)).map(|_| self.lane()).collect();
                let skip = skip.into_iter().filter(|lane| *lane != Lane::NONE).collect();
                let to = [key(0, u64::MAX), key(u64::MAX, u64::MAX), key(self.now, 5)];
                Ask::Run {
                    from,
                    to: to[self.below(3) as usize],
                    skip: Arc::new(skip),
                    limit,
                    past_damage: false,
                }
            }
            2 => {
                let (from, to) = (self.below(next + 1), self.below(next + 1));
                Ask::Lane { queue, lane: Lane(1 + u128::from(self.below(5))), from, to, limit }
            }
            3 | 4 => {
                let keys: Vec<MessageKey> = (0..limit).filter_map(|_| self.pick()).collect();
                if self.below(2) == 0 { Ask::Exists(keys) } else { Ask::Body(keys) }
            }
            _ => {
                let cutoff = self.now - self.below(300_000);
                Ask::Expired { queue, cutoff, sorted: self.below(2) == 0, limit }
            }
        }
    }
}

/// Journal files that a few groups fill, so that a crash often meets the switch from one to the next.
fn switching() -> Options {
    Options { journal_file: 4 << 10, first_journal_file: 2 << 10, ..tiny() }
}

fn open_tiny(disk: TestDisk) -> Opened<TestDisk> {
    LogStore::open(disk, tiny(), Secret([1; 16])).expect("opens")
}

fn answer(store: &mut LogStore<TestDisk>, ask: Ask) -> Page {
    let token = store.load(ask.clone());
    let mut pages = settle(store).into_iter().filter_map(|event| match event {
        Event::Loaded(found, page) if found == token => Some(page),
        Event::Damaged(_, what) => panic!("{ask:?}: {what}"),
        _ => None,
    });
    pages.next().unwrap_or_else(|| panic!("{ask:?} is answered"))
}

fn check(store: &mut LogStore<TestDisk>, batches: &[Batch], work: &mut Work, context: &str) {
    let model = Model::of(batches);
    assert_eq!(store.small_rows(), model.small.rows().collect::<Vec<_>>(), "{context}");
    for _ in 0..20 {
        let ask = work.ask();
        let page = answer(store, ask.clone());
        assert_eq!(page, model.table.answer(&ask, batches.len() as u64), "{context}: {ask:?}");
    }
}

#[test]
fn the_store_is_a_map() {
    let mut seen = Stats::default();
    for seed in 0..env_seeds(12) {
        let mut work = Work::new(seed);
        let mut batches = Vec::new();
        let mut store = open_tiny(TestDisk::new()).store;
        for round in 0..40 {
            for _ in 0..25 {
                let batch = work.batch();
                batches.push(batch.clone());
                assert_eq!(store.append(batch), batches.len() as u64);
            }
            settle(&mut store);
            check(&mut store, &batches, &mut work, &format!("seed {seed} round {round}"));
        }
        let stats = store.stats();
        seen.flushes += stats.flushes;
        seen.checkpoints += stats.checkpoints;
        seen.merges += stats.merges;
        assert!(stats.recovery_records <= 2 * tiny().recovery_records, "{stats:?}");
    }
    assert!(seen.flushes > 100 && seen.checkpoints > 50 && seen.merges > 10, "{seen:?}");
}

/// Whatever operation is the last before the process is killed or the power goes: a prefix of the batches is there,
/// with all that was reported durable.
#[test]
fn a_crash_leaves_a_prefix_that_holds_all_that_was_durable() {
    for seed in 0..env_seeds(60) {
        crash_often(seed, 8, 400, tiny());
    }
}

/// As above, with lives of a few groups over journal files of a few groups.
#[test]
fn crashes_around_the_switch_to_another_journal_file_leave_such_a_prefix() {
    for seed in 10_000..10_000 + env_seeds(60) {
        crash_often(seed, 40, 30, switching());
    }
}

fn crash_often(seed: u64, crashes: u64, operations: u64, options: Options) {
    let mut work = Work::new(1_000 + seed);
    let mut batches: Vec<Batch> = Vec::new();
    let mut disk = TestDisk::new();
    let mut durable = 0;
    for crash in 0..crashes {
        let context = format!("seed {seed} crash {crash}");
        let opened = LogStore::open(disk, options, Secret([1; 16]));
        let mut store = opened.unwrap_or_else(|error| panic!("{context}: {error}")).store;
        let recovered = store.next_lsn() as usize - 1;
        assert!(recovered as u64 >= durable, "{context}: {recovered} of {durable}");
        batches.truncate(recovered);
        check(&mut store, &batches, &mut work, &context);
        // What an opening shows is durable from then on.
        durable = recovered as u64;
        let done = store.disk.content.borrow().done;
        let stop = done + 1 + work.below(operations);
        store.disk.content.borrow_mut().stop_after = Some(stop);
        loop {
            let batch = work.batch();
            batches.push(batch.clone());
            store.append(batch);
            // What the last batch set off is in the air when the end comes.
            if store.disk.content.borrow().done >= stop {
                break;
            }
            for event in settle(&mut store) {
                if let Event::Durable(lsn) = event {
                    durable = lsn;
                }
            }
        }
        let seed = seed * 100 + crash;
        disk = if work.below(2) == 0 { store.disk.kill(seed) } else { store.disk.crash(seed) };
    }
}

/// A load is true as of its batch, whatever is flushed and merged while it is out.
#[test]
fn a_load_keeps_its_moment() {
    for seed in 0..env_seeds(10) {
        let mut work = Work::new(2_000 + seed);
        let mut batches = Vec::new();
        let mut store = open_tiny(TestDisk::new()).store;
        for _ in 0..60 {
            let mut loads = Vec::new();
            for step in 0..20 {
                let batch = work.batch();
                batches.push(batch.clone());
                store.append(batch);
                if step % 5 == 0 {
                    let at = work.below(3) as usize;
                    let (queue, _) = work.queues[at];
                    let key = |rank, sequence| MessageKey { queue, rank, sequence };
                    let (from, to) = (key(0, 0), key(u64::MAX, u64::MAX));
                    let ask = Ask::Run { from, to, skip: Arc::default(), limit: 100_000, past_damage: false };
                    loads.push((store.load(ask.clone()), ask));
                }
                // One completion at a time, so that jobs and loads interleave.
                if let Some(completion) = store.disk.poll() {
                    store.take(completion);
                    store.pump();
                }
            }
            let events = settle(&mut store);
            for event in events {
                let Event::Loaded(token, page) = event else { continue };
                let Some((_, ask)) = loads.iter().find(|(load, _)| *load == token) else { continue };
                let then = Model::of(&batches[..page.lsn as usize]).table.answer(ask, page.lsn);
                let now = Model::of(&batches).table;
                // What was deleted since may be hidden; nothing else is missing, nothing else is there.
                let shown: BTreeSet<_> = page.rows.iter().map(|found| found.key).collect();
                let before: BTreeSet<_> = then.rows.iter().map(|found| found.key).collect();
                assert!(shown.is_subset(&before), "seed {seed}");
                assert!(before.difference(&shown).all(|key| now.get(key).is_none()), "seed {seed}");
                assert!(page.ran_out);
            }
        }
    }
}

/// How many seeds to try: `STORE_SEEDS` times as many as usual.
fn env_seeds(usual: u64) -> u64 {
    let factor = std::env::var("STORE_SEEDS").ok().and_then(|factor| factor.parse().ok());
    usual * factor.unwrap_or(1)
}

//! A disk that fills up, and one that fails in the background.

use super::model::{Model, Work, tiny};
use super::*;
use crate::disk::FileKind;

fn options() -> Options {
    Options { reserve: 60 << 10, ..tiny() }
}

/// What the disk has left when it holds at most `limit` bytes.
fn set_free(store: &LogStore<TestDisk>, limit: u64) -> u64 {
    let mut content = store.disk.content.borrow_mut();
    let used: u64 = content.files.values().map(|bytes| bytes.len() as u64).sum();
    content.free = Some(limit.saturating_sub(used));
    limit.saturating_sub(used)
}

fn message(sequence: u64) -> Record {
    Record::Put(Row::Message(key(sequence), MessageRow::default(), Bytes::from(vec![1; 900])))
}

fn delete(sequence: u64) -> Record {
    Record::Delete(RowKey::Message(key(sequence)))
}

/// Fills the disk until sends are refused, drains it, and fills it again.
#[test]
fn a_full_disk_refuses_sends_drains_and_recovers() {
    const LIMIT: u64 = 400 << 10;
    let mut store = LogStore::open(TestDisk::new(), options(), Secret([1; 16])).unwrap().store;
    let (mut first, mut next) = (0, 0);
    for round in 0..3 {
        while !store.room().sends_refused {
            store.append(Batch { now: 0, records: vec![message(next)] });
            next += 1;
            set_free(&store, LIMIT);
            settle(&mut store);
            assert!(next - first < 2_000, "the disk is far larger than told");
        }
        assert!(next - first > 50, "round {round}: {first} to {next}");
        while first < next {
            store.append(Batch { now: 0, records: (first..next.min(first + 5)).map(delete).collect() });
            first = next.min(first + 5);
            set_free(&store, LIMIT);
            let events = settle(&mut store);
            assert!(!events.iter().any(|event| matches!(event, Event::Stopped(_))), "{events:?}");
        }
        for _ in 0..5 {
            store.idle();
            set_free(&store, LIMIT);
            settle(&mut store);
        }
        assert!(!store.room().sends_refused, "round {round}: {:?}", store.stats());
    }
    let content = store.disk.content.clone();
    let segments = content.borrow().files.keys().filter(|name| name.kind == FileKind::Segment).count();
    assert!(segments <= 1, "a drained queue keeps no segments");
}

/// As the defaults are to each other, on a disk a little larger than the least that serves.
fn scaled() -> (Options, u64) {
    let options = Options {
        journal_file: 32 << 10,
        first_journal_file: 8 << 10,
        table: 24 << 10,
        recovery_bytes: 128 << 10,
        recovery_records: 1_000_000,
        segment: 32 << 10,
        reserve: 112 << 10,
        ..tiny()
    };
    (options, 256 << 10)
}

fn append_all(store: &mut LogStore<TestDisk>, records: Vec<Record>) {
    store.append(Batch { now: 0, records });
    let events = settle(store);
    assert!(!events.iter().any(|event| matches!(event, Event::Stopped(_))), "{events:?}");
}

/// A disk on which the journal has most of the space: once all is deleted its files are given back, and sends are
/// taken again without anything else being appended.
#[test]
fn a_drained_store_gives_back_journal_files() {
    let (options, capacity) = scaled();
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).unwrap().store;
    store.disk.content.borrow_mut().capacity = Some(capacity);
    let mut next = 0;
    for round in 0..4 {
        let first = next;
        while !store.room().sends_refused {
            append_all(&mut store, vec![message(next)]);
            next += 1;
            assert!(next - first < 2_000, "the disk is far larger than told");
        }
        assert!(next - first > 20, "round {round}: {first} to {next}");
        for sequence in first..next {
            append_all(&mut store, vec![delete(sequence)]);
        }
        store.idle();
        settle(&mut store);
        store.look_for_space();
        settle(&mut store);
        assert!(!store.room().sends_refused, "round {round}: {:?}", store.stats());
    }
}

/// Making a journal file means writing it twice. The most that a checkpoint frees is kept for use, until space is short.
#[test]
fn journal_files_are_used_again() {
    let options = scaled().0;
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).unwrap().store;
    let content = store.disk.content.clone();
    for sequence in 0..1_000 {
        append_all(&mut store, vec![message(sequence)]);
    }
    let made = content.borrow().created;
    for sequence in 1_000..4_000 {
        append_all(&mut store, vec![message(sequence), delete(sequence - 500)]);
    }
    assert_eq!(content.borrow().created, made, "{:?}", store.stats());
    content.borrow_mut().free = Some(options.reserve - 1);
    for sequence in 3_500..3_600 {
        append_all(&mut store, vec![delete(sequence)]);
    }
    assert!(store.room().sends_refused && store.journal.spares() == 1, "{}", store.journal.spares());
    let current = journal::file_name(store.journal.position().file);
    let is_spare = |name: &&FileName| name.kind == FileKind::Journal && **name > current;
    assert_eq!(content.borrow().files.keys().filter(is_spare).count(), 1, "the others are gone");
    content.borrow_mut().free = None;
    store.look_for_space();
    for sequence in 4_000..4_500 {
        append_all(&mut store, vec![message(sequence)]);
    }
    assert!(!store.room().sends_refused);
}

/// Somebody else takes the last byte, so that there is no next journal file, and gives it back.
#[test]
fn space_that_others_free_is_found() {
    let (options, capacity) = scaled();
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).unwrap().store;
    append_all(&mut store, vec![message(0)]);
    store.disk.content.borrow_mut().capacity = Some(0);
    for sequence in 1..100 {
        append_all(&mut store, vec![message(sequence)]);
    }
    assert!(
        store.room().sends_refused && !store.is_quiet(),
        "the journal has a next file: {:?}",
        store.stats()
    );
    store.disk.content.borrow_mut().capacity = Some(4 * capacity);
    assert_eq!(settle(&mut store), []);
    store.look_for_space();
    assert!(settle(&mut store).contains(&Event::Durable(100)));
    assert!(!store.room().sends_refused);
}

/// A checkpoint takes more than is free, though a flush would not: it is tried once a look and not again and again,
/// and written when there is space.
#[test]
fn a_job_without_space_waits_for_more() {
    const ENOUGH: u64 = 1_000;
    let options = Options { recovery_records: 1_600, ..scaled().0 };
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).unwrap().store;
    let content = store.disk.content.clone();
    let attempts = |store: &mut LogStore<TestDisk>| {
        let before = store.manifest.next_file;
        let end = content.borrow().done + ENOUGH;
        content.borrow_mut().stop_after = Some(end);
        assert_eq!(settle(store).iter().filter(|event| matches!(event, Event::Stopped(_))).count(), 0);
        assert!(content.borrow().done < end, "the store spins");
        store.manifest.next_file - before
    };
    let row = |id| Record::Put(Row::Queue(QueueId(id), Default::default()));
    append_all(&mut store, (1..1_200).map(row).collect());
    assert_eq!((store.stats().checkpoints, attempts(&mut store)), (0, 0));
    content.borrow_mut().free = Some(10_000);
    store.append(Batch { now: 0, records: vec![row(1_200)] });
    // What is free was known before: the second attempt is the first with what the disk says after one.
    assert!((1..=2).contains(&attempts(&mut store)));
    store.idle();
    assert_eq!(attempts(&mut store), 0);
    for _ in 0..3 {
        store.look_for_space();
        assert_eq!(attempts(&mut store), 1);
    }
    assert_eq!(store.stats().checkpoints, 0);
    content.borrow_mut().free = Some(300_000);
    store.idle();
    assert!(attempts(&mut store) > 0);
    assert!(store.stats().checkpoints == 1 && !store.room().sends_refused);
}

/// With no byte left for any job, deletions are still taken and nothing durable is lost.
#[test]
fn without_any_space_nothing_is_lost() {
    for seed in 0..10 {
        let mut work = Work::new(3_000 + seed);
        let mut batches = Vec::new();
        let mut store = LogStore::open(TestDisk::new(), options(), Secret([1; 16])).unwrap().store;
        let mut durable = 0;
        for round in 0..120 {
            // Space comes and goes.
            store.disk.content.borrow_mut().free = Some([1 << 30, 0, 3_000, 20_000][round / 5 % 4]);
            let batch = work.batch();
            batches.push(batch.clone());
            store.append(batch);
            store.idle();
            for event in settle(&mut store) {
                match event {
                    Event::Durable(lsn) => durable = lsn,
                    Event::Stopped(why) => panic!("seed {seed} round {round}: {why}"),
                    _ => {}
                }
            }
        }
        let disk = store.disk.crash(seed);
        disk.content.borrow_mut().free = None;
        let again = LogStore::open(disk, options(), Secret([1; 16])).unwrap().store;
        let recovered = again.next_lsn() as usize - 1;
        assert!(recovered as u64 >= durable, "seed {seed}");
        batches.truncate(recovered);
        let model = Model::of(&batches);
        assert_eq!(again.small_rows(), model.small.rows().collect::<Vec<_>>(), "seed {seed}");
    }
}

/// Any operation may fail for good: the store says so at once or was not touched by it, and a restart finds
/// what was durable.
#[test]
fn any_failing_operation_stops_the_store_or_is_harmless() {
    let mut stopped = 0;
    for fail in 1..160 {
        let mut work = Work::new(4_000);
        let mut store = LogStore::open(TestDisk::new(), tiny(), Secret([1; 16])).unwrap().store;
        let done = store.disk.content.borrow().done;
        store.disk.content.borrow_mut().broken = Some(done + fail);
        let (mut durable, mut has_stopped, mut batches) = (0, false, Vec::new());
        for _ in 0..80 {
            let batch = work.batch();
            batches.push(batch.clone());
            store.append(batch);
            for event in settle(&mut store) {
                match event {
                    Event::Durable(lsn) => {
                        assert!(!has_stopped, "durable after it stopped");
                        durable = lsn;
                    }
                    Event::Stopped(_) => has_stopped = true,
                    _ => {}
                }
            }
        }
        stopped += usize::from(has_stopped);
        let disk = store.disk.crash(fail);
        disk.content.borrow_mut().broken = None;
        let again = LogStore::open(disk, tiny(), Secret([1; 16])).unwrap().store;
        assert!(again.next_lsn() > durable, "operation {fail}");
        batches.truncate(again.next_lsn() as usize - 1);
        let model = Model::of(&batches);
        assert_eq!(again.small_rows(), model.small.rows().collect::<Vec<_>>(), "operation {fail}");
    }
    assert!(stopped > 100, "{stopped}");
}

/// A flush that meets a damaged leaf remembers the deletions it could not place, also over a restart.
#[test]
fn deletions_in_a_damaged_leaf_are_remembered() {
    let mut store = LogStore::open(TestDisk::new(), tiny(), Secret([1; 16])).unwrap().store;
    for sequence in 0..12 {
        store.append(Batch { now: 0, records: vec![message(sequence)] });
        settle(&mut store);
    }
    let segment = store.segments[0].clone();
    assert!(segment.meta.first == key(0) && segment.meta.count > 2);
    let damage = |store: &LogStore<TestDisk>| {
        let mut content = store.disk.content.borrow_mut();
        let bytes = content.files.get_mut(&*segment.file).unwrap();
        // The only leaf lies before the index.
        bytes[segment.meta.index.offset as usize - 1] ^= 1;
    };
    damage(&store);
    store.append(Batch { now: 0, records: vec![delete(1)] });
    for sequence in 12..40 {
        store.append(Batch { now: 0, records: vec![message(sequence)] });
        settle(&mut store);
    }
    assert!(store.stats().damaged > 0 && store.stats().flushes > 1);
    assert_eq!(store.manifest.unresolved.len(), 1);
    damage(&store);
    let content = store.disk.content.clone();
    let mut again = LogStore::open(TestDisk::over(content), tiny(), Secret([1; 16])).unwrap().store;
    again.load(Ask::Exists(vec![key(0), key(1), key(2)]));
    let page = settle(&mut again).into_iter().find_map(|event| match event {
        Event::Loaded(_, page) => Some(page),
        _ => None,
    });
    let found: Vec<u64> = page.expect("answered").rows.iter().map(|found| found.key.sequence).collect();
    assert_eq!(found, [0, 2]);
}

/// Groups of 16 messages of this size, as many as `groups`: none of them waits for a flush.
fn flushes_keep_up(store: &mut LogStore<TestDisk>, size: usize, groups: u64) {
    for group in 0..groups {
        let message = |sequence| {
            let row = MessageRow { sent: 1_000, retained_from: 1_000, ..MessageRow::default() };
            Record::Put(Row::Message(key(sequence), row, Bytes::from(vec![b'x'; size])))
        };
        let records = (group * 16..(group + 1) * 16).map(message).collect();
        let lsn = store.append(Batch { now: 1_000, records });
        while store.poll() != Some(Event::Durable(lsn)) {}
        assert!(store.room().bytes > 0, "group {group} waits");
    }
    assert!(store.stats().flushes >= 3, "{:?}", store.stats());
}

fn large_table() -> LogStore<TestDisk> {
    let options = Options { table: 12 << 20, journal_file: 64 << 20, ..small() };
    LogStore::open(TestDisk::new(), options, Secret([1; 16])).expect("opens").store
}

/// A flush that writes less than comes in is overtaken, and appends wait until it is done.
#[test]
fn a_flush_keeps_up_with_large_groups() {
    flushes_keep_up(&mut large_table(), 64 << 10, 100);
}

/// The same where a write beside the journal takes longer than the groups it is to keep up with.
#[test]
fn a_flush_on_a_slow_disk_keeps_up_with_small_groups() {
    let mut store = large_table();
    store.disk.content.borrow_mut().beside_takes = 4;
    flushes_keep_up(&mut store, 8 << 10, 800);
}

/// A flush waits for a merge that takes long: what comes in meanwhile is bounded.
#[test]
fn memory_is_bounded_while_a_merge_runs() {
    const GROUP: u64 = 10;
    let options = Options { table: 64 << 10, recovery_bytes: 64 << 20, segment: 1 << 20, ..scaled().0 };
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).expect("opens").store;
    append_all(&mut store, (0..400).map(message).collect());
    append_all(&mut store, (0..400).filter(|sequence| sequence % 4 > 0).map(delete).collect());
    let mut waited_for_a_merge = false;
    for first in (400..2_000).step_by(GROUP as usize) {
        let is_merging = store.job.is_some() && store.frozen.is_none();
        // It is not done with before nothing else is to be written.
        store.disk.content.borrow_mut().beside_takes = if is_merging { u64::MAX / 2 } else { 0 };
        while store.room().bytes == 0 {
            waited_for_a_merge |= is_merging;
            store.poll();
        }
        let records = (first..first + GROUP).map(message).collect();
        let lsn = store.append(Batch { now: 0, records });
        while store.poll() != Some(Event::Durable(lsn)) {}
        let most = 2 * options.table + GROUP as usize * 1_200;
        assert!(store.state.active.bytes() <= most, "{:?}", store.stats());
    }
    assert!(waited_for_a_merge && store.stats().merges > 0, "{:?}", store.stats());
}

/// A checkpoint waits for a merge that takes long: what a recovery would read and replay is bounded all the same.
#[test]
fn a_recovery_is_bounded_while_a_merge_runs() {
    let base = Options { table: 64 << 10, segment: 1 << 20, ..scaled().0 };
    let by_bytes = Options { recovery_bytes: 256 << 10, ..base };
    let by_records = Options { recovery_bytes: 64 << 20, recovery_records: 2_000, ..base };
    for options in [by_bytes, by_records] {
        let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).expect("opens").store;
        for first in (0..1_600).step_by(400) {
            append_all(&mut store, (first..first + 400).map(message).collect());
            append_all(&mut store, (first..first + 400).filter(|at| at % 4 > 0).map(delete).collect());
        }
        let mut waited_for_a_merge = false;
        for second in 0..4_000 {
            let is_merging = store.job.is_some() && store.frozen.is_none();
            store.disk.content.borrow_mut().beside_takes = if is_merging { u64::MAX / 2 } else { 0 };
            while store.room().bytes == 0 {
                waited_for_a_merge |= is_merging;
                store.poll();
            }
            let due = Record::Put(Row::Due(QUEUE, second, 1));
            let lsn = store.append(Batch { now: 0, records: vec![due] });
            while store.poll() != Some(Event::Durable(lsn)) {}
            let stats = store.stats();
            assert!(stats.recovery_bytes <= options.recovery_bytes + 512, "{stats:?}");
            assert!(stats.recovery_records <= options.recovery_records + 1, "{stats:?}");
        }
        assert!(waited_for_a_merge, "{:?}", store.stats());
        let content = store.disk.content.clone();
        drop(store);
        let report = LogStore::open(TestDisk::over(content), options, Secret([1; 16])).expect("opens").report;
        assert!(report.records <= options.recovery_records + 1, "{report:?}");
        assert!(report.journal_bytes <= options.recovery_bytes + 512, "{report:?}");
    }
}

/// What is written beside the journal is counted to the byte: here a bitmap and the manifest that names it.
#[test]
fn what_jobs_write_is_counted() {
    let options = Options { table: 1, ..small() };
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).expect("opens").store;
    append_all(&mut store, (0..40).map(message).collect());
    let before = store.stats();
    assert_eq!((before.flushes, before.segments), (1, 1));
    append_all(&mut store, (0..10).map(delete).collect());
    let after = store.stats();
    assert_eq!((after.flushes, after.segments, after.segment_deleted), (2, 1, 10));
    let content = store.disk.content.borrow();
    let beside = |kind| content.files.iter().filter(move |(name, _)| name.kind == kind);
    let bytes = |kind| beside(kind).map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
    assert!(bytes(FileKind::Bitmap) > 0);
    let written = after.background_bytes - before.background_bytes;
    assert_eq!(written, bytes(FileKind::Bitmap) + bytes(FileKind::Manifest));
}

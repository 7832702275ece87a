//! A queue's messages removed at once, by a purge, by expiry or with the queue: cheap, and the disk is given back.

use std::collections::BTreeMap;

use engine::rows::Cut;

use super::*;
use crate::disk::FileKind;

const OTHER: QueueId = QueueId(6);
/// Of one queue in one segment.
const MESSAGES: u64 = 40;

/// Nothing is flushed before it is asked for, and no segment is small enough to be merged.
fn options() -> Options {
    Options { segment: 8 << 10, ..small() }
}

/// Segments of `QUEUE` between those of `OTHER`, one of them shared.
struct Filled {
    store: LogStore<TestDisk>,
    /// The files that hold messages of `QUEUE` only.
    own: Vec<FileName>,
}

fn body(queue: QueueId, sequence: u64) -> Bytes {
    Bytes::from(format!("{queue:?} {sequence} ").repeat(30))
}

fn message(queue: QueueId, sequence: u64) -> Record {
    let row = MessageRow { sent: 1_000, retained_from: 1_000, ..MessageRow::default() };
    Record::Put(Row::Message(MessageKey { queue, rank: 0, sequence }, row, body(queue, sequence)))
}

fn segment_of(store: &mut LogStore<TestDisk>, messages: impl Iterator<Item = Record>) -> FileName {
    store.append(Batch { now: 1_000, records: messages.collect() });
    store.wants_flush = true;
    settle(store);
    *store.segments.last().expect("it was flushed").file
}

fn filled(segments: u64) -> Filled {
    let mut store = LogStore::open(TestDisk::new(), options(), Secret([1; 16])).expect("opens").store;
    let of = |queue, first| (first..first + MESSAGES).map(move |sequence| message(queue, sequence));
    segment_of(&mut store, of(OTHER, 0));
    let own = (0..segments).map(|at| segment_of(&mut store, of(QUEUE, at * MESSAGES))).collect();
    segment_of(&mut store, of(QUEUE, segments * MESSAGES).chain(of(OTHER, MESSAGES)));
    segment_of(&mut store, of(OTHER, 2 * MESSAGES));
    store.idle();
    settle(&mut store);
    assert_eq!((store.stats().segments, store.stats().table_bytes), (segments + 3, 0));
    Filled { store, own }
}

fn segment_files(store: &LogStore<TestDisk>) -> BTreeMap<FileName, Vec<u8>> {
    let content = store.disk.content.borrow();
    let files = content.files.iter().filter(|(name, _)| name.kind == FileKind::Segment);
    files.map(|(name, bytes)| (*name, bytes.clone())).collect()
}

/// The messages of a queue, each with the body it was sent with.
fn shown_of(store: &mut LogStore<TestDisk>, queue: QueueId) -> Vec<u64> {
    let from = MessageKey { queue, ..key(0) };
    let to = MessageKey { rank: u64::MAX, sequence: u64::MAX, ..from };
    store.load(Ask::Run { from, to, skip: Default::default(), limit: 10_000, past_damage: false });
    let pages = settle(store).into_iter().filter_map(|event| match event {
        Event::Loaded(_, page) => Some(page),
        _ => None,
    });
    let page = pages.last().expect("it is answered");
    assert!(page.ran_out);
    let is_right = |found: &engine::Found| found.blob == Some(body(queue, found.key.sequence));
    assert!(page.rows.iter().all(is_right), "{queue:?}");
    page.rows.iter().map(|found| found.key.sequence).collect()
}

/// What it took to remove messages.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    journal: u64,
    read: u64,
}

/// Removes messages of `QUEUE`: those from `left` on stay.
fn remove(segments: u64, record: Record, left: u64) -> Cost {
    let Filled { mut store, own } = filled(segments);
    let content = store.disk.content.clone();
    let (mut expected, before, done) = (segment_files(&store), store.stats(), content.borrow().done);
    content.borrow_mut().read = (0, 0);
    store.append(Batch { now: 2_000, records: vec![record] });
    settle(&mut store);
    store.idle();
    settle(&mut store);
    let (after, read) = (store.stats(), content.borrow().read.0);
    // One for each file that goes, and few others: the journal's two groups, a file of deletions, the manifest.
    let operations = content.borrow().done - done - segments;
    assert!(operations <= 8, "{operations} operations beside the removal of {segments} files");
    assert!(after.background_bytes - before.background_bytes < 1 << 10, "{before:?} {after:?}");
    expected.retain(|name, _| !own.contains(name));
    assert_eq!(expected.len(), 3);
    assert!(segment_files(&store) == expected, "the files of others are as they were: {own:?}, {after:?}");
    let again = LogStore::open(TestDisk::over(content), options(), Secret([1; 16])).expect("opens").store;
    for mut store in [store, again] {
        assert_eq!(shown_of(&mut store, QUEUE), (left..(segments + 1) * MESSAGES).collect::<Vec<_>>());
        assert_eq!(shown_of(&mut store, OTHER), (0..3 * MESSAGES).collect::<Vec<_>>());
    }
    Cost { journal: after.journal_bytes - before.journal_bytes, read }
}

/// The journal has the decision and a seal; the segments are known to go as wholes without a look into them.
const DECISION: Cost = Cost { journal: 1 << 10, read: 0 };

#[test]
fn a_purge_costs_the_same_for_any_number_of_messages_and_frees_the_disk() {
    for segments in [2, 8] {
        let end = (segments + 1) * MESSAGES;
        let cut = Cut { queue: QUEUE, arrived_below: Some(end), delayed_below: Some(end) };
        assert_eq!(remove(segments, Record::Cut(cut), end), DECISION);
    }
}

#[test]
fn a_deleted_queue_costs_the_same_for_any_number_of_messages_and_frees_the_disk() {
    for segments in [2, 8] {
        let end = (segments + 1) * MESSAGES;
        assert_eq!(remove(segments, Record::Drop(QUEUE), end), DECISION);
    }
}

/// The cut ends within a segment: only there it is looked up how far it goes.
#[test]
fn expiry_looks_into_the_one_segment_in_which_it_ends_and_frees_the_disk() {
    for segments in [2, 8] {
        let end = segments * MESSAGES + MESSAGES / 2;
        let cut = Cut { queue: QUEUE, arrived_below: Some(end), delayed_below: None };
        let Cost { journal, read } = remove(segments, Record::Cut(cut), end);
        assert!(journal == DECISION.journal && read <= 4 << 10, "{read} bytes are read");
    }
}

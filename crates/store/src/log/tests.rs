//! What a restart finds, after a stop, a crash and damage.

mod damage;
mod golden;
mod model;
mod removals;
mod space;
mod tail;
mod tools;

use bytes::Bytes;
use engine::rows::{Head, MessageRow};
use engine::{MessageKey, Page, QueueId, RowKey};

use super::*;
use crate::testing::{Misread, TestDisk};

const QUEUE: QueueId = QueueId(5);

pub fn key(sequence: u64) -> MessageKey {
    MessageKey { queue: QUEUE, rank: 0, sequence }
}

pub fn small() -> Options {
    Options { journal_file: 16 << 10, first_journal_file: 4 << 10, ..Options::default() }
}

pub fn send(sequence: u64) -> Batch {
    let body = format!("body {sequence} ").repeat(1 + sequence as usize % 50);
    let head = Head { next_sequence: sequence + 1, live: sequence + 1, ..Head::default() };
    let row = MessageRow { sent: 1_000 + sequence, retained_from: 1_000 + sequence, ..MessageRow::default() };
    let records = vec![
        Record::Put(Row::Message(key(sequence), row, Bytes::from(body))),
        Record::Put(Row::Head(QUEUE, head)),
    ];
    Batch { now: 1_000 + sequence, records }
}

pub fn open(disk: TestDisk) -> Opened<TestDisk> {
    LogStore::open(disk, small(), Secret([1; 16])).expect("opens")
}

pub fn settle(store: &mut LogStore<TestDisk>) -> Vec<Event> {
    std::iter::from_fn(|| store.poll()).collect()
}

/// Every message's sequence that the store shows.
fn shown(store: &mut LogStore<TestDisk>) -> Vec<u64> {
    let to = MessageKey { rank: u64::MAX, ..key(u64::MAX) };
    store.load(Ask::Run { from: key(0), to, skip: Default::default(), limit: 10_000, past_damage: false });
    let pages: Vec<Page> = settle(store)
        .into_iter()
        .filter_map(|event| match event {
            Event::Loaded(_, page) => Some(page),
            _ => None,
        })
        .collect();
    pages[0].rows.iter().map(|found| found.key.sequence).collect()
}

#[test]
fn what_was_durable_is_there_after_a_stop() {
    let mut opened = open(TestDisk::new());
    assert!(opened.report.created && opened.rows.next().is_none());
    for sequence in 0..100 {
        opened.store.append(send(sequence));
    }
    assert!(settle(&mut opened.store).contains(&Event::Durable(100)));
    opened.store.append(Batch { now: 5_000, records: vec![Record::Delete(RowKey::Message(key(3)))] });
    opened.store.stop();
    settle(&mut opened.store);
    assert!(opened.store.is_quiet());
    let content = opened.store.disk.content.clone();
    let mut again = open(TestDisk::over(content));
    assert_eq!(again.report.batches, 101);
    assert_eq!((again.report.cut, again.now, again.store.next_lsn()), (None, 5_000, 102));
    assert_eq!(again.rows.collect::<Vec<_>>(), opened.store.small_rows());
    let expected: Vec<u64> = (0..100).filter(|sequence| *sequence != 3).collect();
    assert_eq!(shown(&mut again.store), expected);
}

#[test]
fn a_message_shows_once_it_is_durable_and_a_deleted_one_not_from_the_append_on() {
    let mut store = open(TestDisk::new()).store;
    store.append(send(0));
    store.disk.content.borrow_mut().stop_after = Some(0);
    assert_eq!(shown(&mut store), Vec::<u64>::new());
    store.disk.content.borrow_mut().stop_after = None;
    settle(&mut store);
    assert_eq!(shown(&mut store), [0]);
    store.disk.content.borrow_mut().stop_after = Some(0);
    store.append(Batch { now: 0, records: vec![Record::Delete(RowKey::Message(key(0)))] });
    assert_eq!(shown(&mut store), Vec::<u64>::new());
}

/// Crashes after every operation; what was reported durable must be there, and a prefix of the rest.
#[test]
fn a_crash_at_any_operation_loses_nothing_durable() {
    for stop in 0..120 {
        let disk = TestDisk::new();
        let content = disk.content.clone();
        drop(open(disk.clone()));
        let mut store = open(TestDisk::over(content.clone())).store;
        let before = content.borrow().done;
        content.borrow_mut().stop_after = Some(before + stop);
        let mut durable = 0;
        for sequence in 0..60 {
            store.append(send(sequence));
            if sequence % 3 == 0 {
                for event in settle(&mut store) {
                    if let Event::Durable(lsn) = event {
                        durable = lsn;
                    }
                }
            }
        }
        let mut again = open(store.disk.crash(stop));
        let found = shown(&mut again.store);
        assert!(found.len() as u64 >= durable, "stop {stop}: {} of {durable}", found.len());
        assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>(), "stop {stop}");
        assert_eq!(again.store.next_lsn(), found.len() as u64 + 1);
        // And it goes on from there.
        let next = found.len() as u64;
        again.store.append(send(next));
        settle(&mut again.store);
        assert_eq!(shown(&mut again.store).len() as u64, next + 1);
    }
}

/// A message that is deleted while a load looks for it takes nothing of the load's next ones with it.
#[test]
fn a_deletion_during_a_search_hides_no_other_message() {
    let disk = TestDisk::new();
    let content = disk.content.clone();
    let options = Options { table: 6 << 10, ..small() };
    let mut store = LogStore::open(disk, options, Secret([1; 16])).expect("opens").store;
    for sequence in 0..60 {
        store.append(send(sequence));
        settle(&mut store);
    }
    // Opened again, no block is in memory.
    let mut store =
        LogStore::open(TestDisk::over(content.clone()), options, Secret([1; 16])).expect("opens").store;
    settle(&mut store);
    let done = content.borrow().done;
    content.borrow_mut().stop_after = Some(done);
    store.load(Ask::Body(vec![key(1), key(2), key(3)]));
    settle(&mut store);
    store.append(Batch { now: 2_000, records: vec![Record::Delete(RowKey::Message(key(1)))] });
    content.borrow_mut().stop_after = None;
    let events = settle(&mut store);
    let pages = events.iter().filter_map(|event| match event {
        Event::Loaded(_, page) => Some(page),
        _ => None,
    });
    let found: Vec<u64> = pages.flat_map(|page| &page.rows).map(|found| found.key.sequence).collect();
    assert_eq!(found, [2, 3]);
}

fn sealed_disk() -> TestDisk {
    let mut store = open(TestDisk::new()).store;
    for sequence in 0..12 {
        store.append(send(sequence));
        settle(&mut store);
    }
    store.idle();
    settle(&mut store);
    store.disk
}

#[test]
fn no_flipped_byte_of_a_sealed_journal_is_lost_in_silence() {
    let content = sealed_disk().content;
    let names: Vec<_> = content.borrow().files.keys().copied().collect();
    for name in names {
        let length = content.borrow().files[&name].len();
        for at in 0..length {
            let disk = TestDisk::new();
            disk.content.borrow_mut().files = content.borrow().files.clone();
            disk.content.borrow_mut().files.get_mut(&name).unwrap()[at] ^= 0x10;
            match LogStore::open(disk, small(), Secret([1; 16])) {
                Err(OpenError::Damaged { .. } | OpenError::Format(_)) => {}
                Err(other) => panic!("{name} at {at}: {other}"),
                Ok(mut opened) => {
                    let found = shown(&mut opened.store);
                    assert_eq!(found, (0..12).collect::<Vec<_>>(), "{name} at {at}");
                }
            }
        }
    }
}

#[test]
fn a_journal_cut_short_before_its_seal_is_refused() {
    let disk = sealed_disk();
    let files = disk.content.borrow().files.clone();
    for (name, bytes) in &files {
        let is_spare = bytes.iter().all(|byte| *byte == 0);
        for at in 0..bytes.len() {
            let disk = TestDisk::new();
            disk.content.borrow_mut().files = files.clone();
            disk.content.borrow_mut().files.get_mut(name).unwrap().truncate(at);
            match LogStore::open(disk, small(), Secret([1; 16])) {
                Err(error) => {
                    assert!(matches!(error, OpenError::Damaged { .. }), "{name} cut at {at}: {error}")
                }
                Ok(mut opened) => {
                    assert!(is_spare, "{name} cut at {at} is not missed");
                    assert_eq!(shown(&mut opened.store), (0..12).collect::<Vec<_>>(), "{name} cut at {at}");
                }
            }
        }
    }
}

#[test]
fn a_last_group_that_was_read_wrong_once_is_there() {
    let mut store = open(TestDisk::new()).store;
    store.append(send(0));
    settle(&mut store);
    let from = store.journal.position().offset;
    store.append(send(1));
    settle(&mut store);
    let (content, end) = (store.disk.content.clone(), store.journal.position());
    for at in (from..end.offset).step_by(7) {
        let (file, at) = (journal::file_name(end.file), at as usize);
        content.borrow_mut().misread = Some(Misread { file, at, passes: 0 });
        let mut again = open(TestDisk::over(content.clone()));
        assert_eq!(again.report.cut, None, "{at}");
        assert_eq!(shown(&mut again.store), [0, 1], "{at}");
        assert_eq!(content.borrow().misread, None, "it was read wrong");
    }
}

/// One group is damaged for good, and what betrays that is read wrong once, whenever that is.
#[test]
fn a_later_group_that_was_read_wrong_once_is_found() {
    let mut store = open(TestDisk::new()).store;
    let bad = store.journal.position();
    store.append(send(0));
    settle(&mut store);
    let seal = store.journal.position();
    store.idle();
    settle(&mut store);
    let file = journal::file_name(seal.file);
    store.disk.content.borrow_mut().files.get_mut(&file).unwrap()[bad.offset as usize] ^= 1;
    for passes in 0..5 {
        for at in (seal.offset as usize..).take(group::HEADER) {
            let disk = TestDisk::new();
            disk.content.borrow_mut().files = store.disk.content.borrow().files.clone();
            disk.content.borrow_mut().misread = Some(Misread { file, at, passes });
            let opened = LogStore::open(disk, small(), Secret([1; 16]));
            assert!(matches!(opened, Err(OpenError::Damaged { .. })), "byte {at} of read {passes}");
        }
    }
}

#[test]
fn a_torn_last_group_is_cut_and_kept() {
    let mut store = open(TestDisk::new()).store;
    let row = Row::Message(key(0), MessageRow::default(), Bytes::from(vec![7; 1_500]));
    store.append(Batch { now: 0, records: vec![Record::Put(row)] });
    settle(&mut store);
    let content = store.disk.content.clone();
    let position = store.journal.position();
    {
        // The group's last sector never reached the disk.
        let mut content = content.borrow_mut();
        let file = content.files.get_mut(&journal::file_name(position.file)).unwrap();
        let end = position.offset as usize;
        file[end - 512..end].fill(0);
    }
    let mut again = open(TestDisk::over(content.clone()));
    let cut = again.report.cut.expect("cut");
    assert_eq!((cut.offset, cut.bytes), (0, position.offset));
    assert_eq!(content.borrow().files[&cut.kept_as].len() as u64, cut.bytes);
    assert_eq!(shown(&mut again.store), Vec::<u64>::new());
}

/// A journal file of three windows, with groups over their edges: none is in memory whole.
#[test]
fn a_journal_is_read_by_windows_and_one_just_made_not_at_all() {
    const MIB: usize = 1 << 20;
    let options = Options { first_journal_file: 12 << 20, journal_file: 12 << 20, ..Options::default() };
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).unwrap().store;
    assert_eq!(store.disk.content.borrow().read, (0, 0));
    for sequence in 0..13 {
        let body = Bytes::from(vec![sequence as u8; 700 << 10]);
        let row = Row::Message(key(sequence), MessageRow::default(), body);
        store.append(Batch { now: 0, records: vec![Record::Put(row)] });
        settle(&mut store);
    }
    let content = store.disk.content.clone();
    content.borrow_mut().read = (0, 0);
    let mut again = LogStore::open(TestDisk::over(content.clone()), options, Secret([1; 16])).unwrap();
    assert_eq!((again.report.batches, again.report.cut), (13, None));
    let (all, most) = content.borrow().read;
    assert!(most <= 4 * MIB && all as usize <= 40 * MIB, "{all} bytes, {most} at once");
    again.store.load(Ask::Exists((0..13).map(key).collect()));
    let events = settle(&mut again.store);
    assert!(matches!(&events[..], [Event::Loaded(_, page)] if page.rows.len() == 13), "{events:?}");
}

#[test]
fn the_end_of_content_is_the_last_byte_that_is_not_zero() {
    for length in [0, 1, 255, 256, 257, 1_000] {
        assert_eq!(open::end_of_content(&vec![0; length]), 0);
        for at in 0..length {
            let mut bytes = vec![0; length];
            (bytes[at / 2], bytes[at]) = (1, 7);
            assert_eq!(open::end_of_content(&bytes), at + 1, "{at} of {length}");
        }
    }
}

#[test]
fn after_a_failed_write_nothing_is_durable_any_more() {
    let mut store = open(TestDisk::new()).store;
    settle(&mut store);
    let done = store.disk.content.borrow().done;
    store.disk.content.borrow_mut().broken = Some(done + 1);
    store.append(send(0));
    store.append(send(1));
    let events = settle(&mut store);
    assert!(matches!(&events[..], [Event::Stopped(_)]), "{events:?}");
    store.append(send(2));
    assert_eq!(settle(&mut store), []);
}

/// The journal's write hangs: what is taken meanwhile is bounded, and nothing of it is called durable.
#[test]
fn what_is_taken_while_the_journal_hangs_is_bounded() {
    const BODY: usize = 60 << 10;
    /// More than a batch is beside the body.
    const BATCH: usize = 64 << 10;
    let mut store =
        LogStore::open(TestDisk::new(), Options::default(), Secret([1; 16])).expect("opens").store;
    settle(&mut store);
    assert_eq!(store.room().bytes, UNDURABLE_BYTES);
    let done = store.disk.content.borrow().done;
    store.disk.content.borrow_mut().stop_after = Some(done);
    let mut taken = 0;
    while store.room().bytes >= BATCH {
        let row = Row::Message(key(taken), MessageRow::default(), Bytes::from(vec![7; BODY]));
        taken = store.append(Batch { now: 0, records: vec![Record::Put(row)] });
        assert!(taken as usize * BODY <= UNDURABLE_BYTES, "{taken} batches are taken: {:?}", store.room());
        assert_eq!(settle(&mut store), []);
    }
    assert!(
        taken as usize * BATCH > UNDURABLE_BYTES - BATCH,
        "{taken} batches are not all that was to be taken"
    );
    let undurable = store.stats().undurable_bytes as usize;
    assert!(undurable >= taken as usize * BODY && undurable + store.room().bytes == UNDURABLE_BYTES);
    assert!(!store.room().sends_refused && !store.is_quiet());
    // The write that hung lands, and so do those behind it.
    let full = store.room().bytes;
    store.disk.content.borrow_mut().stop_after = None;
    assert!(matches!(store.poll(), Some(Event::Durable(lsn)) if lsn < taken));
    assert!(store.room().bytes > full);
    assert_eq!(settle(&mut store).last(), Some(&Event::Durable(taken)));
    assert_eq!((store.room().bytes, store.stats().undurable_bytes), (UNDURABLE_BYTES, 0));
}

#[test]
fn another_format_and_a_lost_manifest_are_refused_in_words() {
    let content = sealed_disk().content;
    content.borrow_mut().files.get_mut(&manifest::NAME).unwrap()[8] = 9;
    let error = LogStore::open(TestDisk::over(content.clone()), small(), Secret([1; 16])).unwrap_err();
    assert!(error.to_string().contains("format 9"), "{error}");
    content.borrow_mut().files.remove(&manifest::NAME);
    let error = LogStore::open(TestDisk::over(content), small(), Secret([1; 16])).unwrap_err();
    assert!(matches!(error, OpenError::NoManifest(_)), "{error}");
}

#[test]
fn the_secret_stays_and_a_batch_larger_than_a_file_is_taken() {
    let mut opened = open(TestDisk::new());
    let row = Row::Message(key(0), MessageRow::default(), Bytes::from(vec![7; 100 << 10]));
    opened.store.append(Batch { now: 0, records: vec![Record::Put(row)] });
    settle(&mut opened.store);
    let content = opened.store.disk.content.clone();
    let mut again = LogStore::open(TestDisk::over(content), small(), Secret([2; 16])).unwrap();
    assert_eq!(again.secret, Secret([1; 16]));
    assert_eq!(shown(&mut again.store), [0]);
}

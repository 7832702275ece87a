//! `check`, `repair`, `export` and `import`.

use std::collections::BTreeMap;
use std::io;

use super::model::{Work, tiny};
use super::*;
use crate::disk::{FileKind, FileName};
use crate::export::{ImportError, Origin, export, import};

/// Sends 60 messages, 900 bytes each, in a queue that exists; a few segments come of it.
fn filled() -> LogStore<TestDisk> {
    let mut store = LogStore::open(TestDisk::new(), tiny(), Secret([1; 16])).unwrap().store;
    let queue = engine::rows::QueueRow { id: QUEUE, ..Default::default() };
    store.append(Batch { now: 0, records: vec![Record::Put(Row::Queue(QUEUE, queue))] });
    for sequence in 0..60 {
        let mut batch = send(sequence);
        if let Record::Put(Row::Message(_, _, blob)) = &mut batch.records[0] {
            *blob = Bytes::from(vec![sequence as u8; 900]);
        }
        store.append(batch);
        settle(&mut store);
    }
    store.stop();
    settle(&mut store);
    store
}

fn open_again(store: LogStore<TestDisk>) -> Opened<TestDisk> {
    LogStore::open(TestDisk::over(store.disk.content.clone()), tiny(), Secret([1; 16])).unwrap()
}

fn live(rows: impl Iterator<Item = Row>) -> u64 {
    let heads = rows.filter_map(|row| match row {
        Row::Head(QUEUE, head) => Some(head.live),
        _ => None,
    });
    heads.last().expect("the queue has a head")
}

#[test]
fn a_sound_directory_has_no_findings_and_is_left_alone() {
    let store = filled();
    let mut disk = TestDisk::over(store.disk.content.clone());
    let before = disk.content.borrow().files.clone();
    let checked = check(&mut disk).unwrap();
    assert_eq!(checked.findings, []);
    assert!(checked.segments > 2 && checked.messages > 30 && checked.batches > 0, "{checked:?}");
    let repaired = repair(disk, tiny(), || ()).unwrap();
    assert_eq!(repaired, Repaired { checked, ..Repaired::default() });
    assert_eq!(store.disk.content.borrow().files, before);
    assert_eq!(check(&mut TestDisk::new()).unwrap(), Checked::default());
}

#[test]
fn repair_gives_up_one_message_and_says_which() {
    let store = filled();
    let file = *store.segments[1].file;
    let first = store.segments[1].meta.first;
    // The first message's content is at the beginning of the file.
    store.disk.content.borrow_mut().files.get_mut(&file).unwrap()[100] ^= 1;
    let disk = TestDisk::over(store.disk.content.clone());
    let repaired = repair(disk, tiny(), || ()).unwrap();
    assert_eq!(repaired.lost, [Lost { from: first, to: first, count: 1 }]);
    assert_eq!(repaired.checked.findings.len(), 1);
    assert_eq!((repaired.recounted, repaired.aside.len(), repaired.hopeless), (1, 1, None));
    let mut opened = open_again(store);
    assert_eq!(live(opened.rows), 59);
    let expected: Vec<u64> = (0..60).filter(|sequence| *sequence != first.sequence).collect();
    assert_eq!(shown(&mut opened.store), expected);
    let mut disk = TestDisk::over(opened.store.disk.content.clone());
    assert_eq!(check(&mut disk).unwrap().findings, []);
}

#[test]
fn repair_ends_a_damaged_journal_where_it_is_sound() {
    let store = filled();
    let at = store.manifest.journal();
    let file = journal::file_name(at.file);
    store.disk.content.borrow_mut().files.get_mut(&file).unwrap()[at.offset as usize + 100] ^= 1;
    let disk = TestDisk::over(store.disk.content.clone());
    assert!(LogStore::open(disk.clone(), tiny(), Secret([1; 16])).is_err());
    let repaired = repair(disk, tiny(), || ()).unwrap();
    assert_eq!(repaired.lost_from, Some(at.lsn));
    assert!(repaired.lost_groups > 0 && repaired.lost.is_empty() && !repaired.aside.is_empty());
    let mut opened = open_again(store);
    let found = shown(&mut opened.store);
    assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>());
    assert_eq!(live(opened.rows), found.len() as u64);
}

#[test]
fn what_cannot_be_repaired_is_not_touched() {
    for kind in [FileKind::Manifest, FileKind::Checkpoint] {
        let mut work = Work::new(1);
        let mut store = LogStore::open(TestDisk::new(), tiny(), Secret([1; 16])).unwrap().store;
        while store.stats().checkpoints == 0 {
            store.append(work.batch());
            settle(&mut store);
        }
        let content = store.disk.content.clone();
        let name = *content.borrow().files.keys().find(|name| name.kind == kind).unwrap();
        content.borrow_mut().files.get_mut(&name).unwrap()[40] ^= 1;
        let before = content.borrow().files.clone();
        let repaired = repair(TestDisk::over(content.clone()), tiny(), || ()).unwrap();
        assert!(repaired.hopeless.is_some() && !repaired.checked.findings.is_empty(), "{kind:?}");
        assert_eq!(content.borrow().files, before, "{kind:?}");
    }
}

/// A directory with damage in files of these kinds: in a segment, in its deletions, in the journal.
fn damaged(kinds: &[FileKind]) -> BTreeMap<FileName, Vec<u8>> {
    let mut store = open_again(filled()).store;
    let delete = |at| Record::Delete(RowKey::Message(key(at)));
    store.append(Batch { now: 0, records: (0..8).map(delete).collect() });
    store.options.table = 0;
    store.pump();
    store.options.table = tiny().table;
    settle(&mut store);
    for sequence in 60..64 {
        store.append(send(sequence));
        settle(&mut store);
    }
    let mut bitmaps = store.segments.iter().filter_map(|segment| segment.meta.bitmap);
    let bitmap = bitmap::file_name(bitmaps.next().expect("one is deleted in part").number);
    let at = store.manifest.journal();
    let places = [
        (*store.segments[2].file, 100),
        (bitmap, 30),
        (journal::file_name(at.file), at.offset as usize + 100),
    ];
    let mut files = store.disk.content.borrow().files.clone();
    for (file, at) in places.into_iter().filter(|(file, _)| kinds.contains(&file.kind)) {
        files.get_mut(&file).expect("it is there")[at] ^= 1;
    }
    files
}

fn disk_with(files: &BTreeMap<FileName, Vec<u8>>, seed: u64) -> TestDisk {
    let disk = TestDisk::new().crash(seed);
    disk.content.borrow_mut().files = files.clone();
    disk
}

/// What a sound directory shows, whose counts are right.
fn shown_of(disk: &TestDisk) -> Vec<u64> {
    let mut opened = open(TestDisk::over(disk.content.clone()));
    let found = shown(&mut opened.store);
    assert_eq!(live(opened.rows), found.len() as u64);
    found
}

fn cut_files(disk: &TestDisk) -> Vec<Vec<u8>> {
    let content = disk.content.borrow();
    let files = content.files.iter().filter(|(name, _)| name.kind == FileKind::Cut);
    files.map(|(_, bytes)| bytes.clone()).collect()
}

/// Whatever operation of a repair fails, or is the last before a crash, and whether it happened or not: the directory is
/// as damaged as before, or refused, or repaired; and another repair leaves what an undisturbed one leaves.
#[test]
fn an_interrupted_repair_gives_up_nothing_more_and_is_ended_by_the_next() {
    let (segment, bitmap, journal) = (FileKind::Segment, FileKind::Bitmap, FileKind::Journal);
    for kinds in [&[segment][..], &[bitmap], &[journal], &[segment, bitmap, journal]] {
        interrupt_repair_of(&damaged(kinds), kinds.len());
    }
    // And one of the sound files goes on behind its end.
    let mut files = damaged(&[segment, bitmap, journal]);
    let mut segments = files.iter_mut().filter(|(name, _)| name.kind == segment);
    segments.next_back().expect("there are some").1.extend([7; 512]);
    interrupt_repair_of(&files, 4);
}

fn interrupt_repair_of(files: &BTreeMap<FileName, Vec<u8>>, wounds: usize) {
    let undisturbed = disk_with(files, 0);
    let repaired = repair(undisturbed.clone(), tiny(), || ()).unwrap();
    assert!(repaired.aside.len() >= wounds, "{repaired:?}");
    let (expected, kept) = (shown_of(&undisturbed), cut_files(&undisturbed));
    assert!(expected.len() > 20, "{expected:?}");
    let (mut damaged, mut refused, mut ended) = (0, 0, 0);
    let operations = undisturbed.content.borrow().done;
    for (fail, seed) in (1..=operations).flat_map(|fail| (0..4).map(move |seed| (fail, seed))) {
        let disk = disk_with(files, seed);
        disk.content.borrow_mut().broken = Some(fail);
        let first = repair(disk.clone(), tiny(), || ());
        disk.content.borrow_mut().broken = None;
        let again = || TestDisk::over(disk.content.clone());
        let found = check(&mut again()).unwrap().findings;
        assert!(first.is_err() || found.is_empty(), "operation {fail}: {found:?}");
        if found.is_empty() {
            ended += 1;
            assert_eq!(shown_of(&disk), expected, "operation {fail}");
        } else if found == repaired.checked.findings {
            damaged += 1;
        } else {
            refused += 1;
            assert!(LogStore::open(again(), tiny(), Secret([1; 16])).is_err(), "operation {fail}: {found:?}");
        }
        if seed % 2 == 0 {
            // A start in between: where it is refused nothing changes, otherwise what no file names is removed.
            let _ = LogStore::open(again(), tiny(), Secret([1; 16]));
        }
        repair(again(), tiny(), || ()).expect("is repaired");
        assert_eq!(check(&mut again()).unwrap().findings, []);
        assert_eq!(shown_of(&disk), expected, "operation {fail}");
        let cut = cut_files(&disk);
        assert!(kept.iter().all(|bytes| cut.contains(bytes)), "operation {fail}");
    }
    assert!(damaged > 8 && refused > 8 && ended > 0, "{damaged} {refused} {ended}");
}

/// What a full disk interrupts goes on once there is space: it does not wait for that.
#[test]
fn a_repair_on_a_full_disk_ends_and_is_repeated() {
    let files = damaged(&[FileKind::Segment, FileKind::Bitmap, FileKind::Journal]);
    let expected = {
        let disk = disk_with(&files, 0);
        repair(disk.clone(), tiny(), || ()).unwrap();
        shown_of(&disk)
    };
    let used: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    let mut ended = 0;
    for more in (0..128 << 10).step_by(1 << 10) {
        let disk = disk_with(&files, 0);
        disk.content.borrow_mut().capacity = Some(used + more);
        let mut waits = 0;
        let wait = || {
            waits += 1;
            assert!(waits < 1_000, "it waits for ever with {more} bytes");
        };
        ended += u64::from(repair(disk.clone(), tiny(), wait).is_ok());
        disk.content.borrow_mut().capacity = None;
        repair(disk.clone(), tiny(), || ()).expect("is repaired");
        assert_eq!(shown_of(&disk), expected, "{more} bytes");
    }
    assert!((1..120).contains(&ended), "{ended}");
}

/// The count of the queues may need another journal file.
#[test]
fn a_repair_without_space_for_the_journal_to_go_on_ends() {
    let mut store = filled();
    let mut told = 0;
    for sequence in 60..100 {
        store.append(send(sequence));
        settle(&mut store);
        let mut files = store.disk.content.borrow().files.clone();
        let current = store.journal.position().file;
        files.retain(|name, _| name.kind != FileKind::Journal || name.number <= current);
        files.get_mut(&*store.segments[1].file).expect("it is there")[100] ^= 1;
        let disk = disk_with(&files, 0);
        let used: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
        disk.content.borrow_mut().capacity = Some(used + (24 << 10));
        let mut waits = 0;
        let wait = || {
            waits += 1;
            assert!(waits < 1_000, "it waits for ever after message {sequence}");
        };
        let first = repair(disk.clone(), tiny(), wait);
        told += u64::from(matches!(&first, Err(OpenError::Unrepaired(why)) if why.contains("no space")));
        disk.content.borrow_mut().capacity = None;
        repair(disk.clone(), tiny(), || ()).expect("is repaired");
        assert_eq!(check(&mut TestDisk::over(disk.content.clone())).unwrap().findings, []);
        shown_of(&disk);
    }
    assert!(told > 0);
}

/// The disk may tell them another time.
#[test]
fn bytes_that_the_disk_fails_to_read_are_not_given_up() {
    let files = damaged(&[]);
    let operations = {
        let disk = disk_with(&files, 0);
        assert_eq!(check(&mut disk.clone()).unwrap().findings, []);
        disk.content.borrow().done
    };
    for fail in 2..=operations {
        let disk = disk_with(&files, 0);
        disk.content.borrow_mut().broken = Some(fail);
        let checked = check(&mut disk.clone()).unwrap();
        assert!(checked.unreadable.is_some() && !checked.findings.is_empty(), "operation {fail}");
        assert_eq!(checked.lost, [], "operation {fail}");
        disk.content.borrow_mut().done = 0;
        let error = repair(disk.clone(), tiny(), || ()).unwrap_err();
        assert!(matches!(error, OpenError::Disk(..)), "operation {fail}: {error}");
        assert_eq!(disk.content.borrow().files, files, "operation {fail}");
    }
}

#[test]
fn what_a_repair_kept_stays_when_the_same_journal_file_is_damaged_again() {
    let files = damaged(&[FileKind::Journal]);
    let disk = disk_with(&files, 0);
    repair(disk.clone(), tiny(), || ()).unwrap();
    let kept = cut_files(&disk);
    let mut store = open(TestDisk::over(disk.content.clone())).store;
    let at = store.journal.position();
    for sequence in 100..104 {
        store.append(send(sequence));
        settle(&mut store);
    }
    disk.content.borrow_mut().files.get_mut(&journal::file_name(at.file)).unwrap()
        [at.offset as usize + 100] ^= 1;
    let repaired = repair(TestDisk::over(disk.content.clone()), tiny(), || ()).unwrap();
    assert!(repaired.lost_from == Some(at.lsn) && repaired.lost_groups > 0, "{repaired:?}");
    let cut = cut_files(&disk);
    assert!(cut.len() > kept.len() && kept.iter().all(|bytes| cut.contains(bytes)));
}

fn export_of(opened: &Opened<TestDisk>) -> (Origin, Vec<u8>) {
    let origin = Origin { secret: opened.secret, now: opened.now };
    let mut reader = opened.store.snapshot().unwrap().reader(opened.store.disk.clone());
    let mut bytes = Vec::new();
    let load = |ask| reader.load(ask).map_err(io::Error::other);
    let out = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    assert_eq!(export(origin, opened.store.small_rows(), load, out).unwrap(), 60);
    (origin, bytes)
}

fn import_into(disk: TestDisk, bytes: &[u8]) -> Result<u64, ImportError> {
    let open = |origin: Origin| Ok(LogStore::open(disk, tiny(), origin.secret).unwrap().store);
    import(&mut io::Cursor::new(bytes), open, || ())
}

#[test]
fn an_export_is_imported_whole_or_not_at_all() {
    let mut opened = open_again(filled());
    let (origin, bytes) = export_of(&opened);
    let disk = TestDisk::new();
    assert_eq!(import_into(disk.clone(), &bytes), Ok(60));
    assert_eq!(import_into(disk.clone(), &bytes), Err(ImportError::NotEmpty));
    let mut copy = LogStore::open(disk, tiny(), Secret([9; 16])).unwrap();
    assert!(copy.rows.eq(opened.rows));
    assert_eq!((copy.secret, copy.now), (origin.secret, origin.now));
    assert_eq!(shown(&mut copy.store), shown(&mut opened.store));
    for at in (0..bytes.len()).step_by(53) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 4;
        let disk = TestDisk::new();
        let read = import_into(disk.clone(), &wrong);
        // Padding between chunks apart, nothing that was changed is taken.
        assert!(read.is_err() || read == Ok(60), "byte {at}");
        assert!(read.is_ok() || disk.content.borrow().files.is_empty(), "byte {at}");
        assert!(import_into(TestDisk::new(), &bytes[..at]).is_err(), "cut at {at}");
    }
}

/// The store goes on while it is exported, as a server does: flushes, merges and checkpoints remove files.
#[test]
fn an_export_is_of_one_moment_whatever_happens_meanwhile() {
    let mut opened = open_again(filled());
    let store = &mut opened.store;
    let delete = |sequence| Batch { now: 0, records: vec![Record::Delete(RowKey::Message(key(sequence)))] };
    store.append(delete(3));
    let origin = Origin { secret: opened.secret, now: opened.now };
    let (rows, snapshot) = (store.small_rows(), store.snapshot().unwrap());
    let mut reader = snapshot.reader(store.disk.clone());
    let mut bytes = Vec::new();
    let mut next = 60;
    let load = |ask| {
        for _ in 0..100 {
            store.append(delete(next - 60));
            store.append(send(next));
            next += 1;
            settle(store);
        }
        reader.load(ask).map_err(io::Error::other)
    };
    let out = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    assert_eq!(export(origin, rows, load, out).unwrap(), 59);
    let disk = TestDisk::new();
    assert_eq!(import_into(disk.clone(), &bytes), Ok(59));
    let mut copy = open(disk);
    assert_eq!(shown(&mut copy.store), (0..60).filter(|sequence| *sequence != 3).collect::<Vec<_>>());
    assert_eq!(live(copy.rows), 59);
    // What it held is given back.
    drop(reader);
    store.append(send(next));
    settle(store);
    assert!(store.doomed.is_empty());
}

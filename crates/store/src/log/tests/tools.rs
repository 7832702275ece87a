//! `check`, `repair`, `export` and `import`.

use std::io;

use super::model::{Work, tiny};
use super::*;
use crate::disk::FileKind;
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

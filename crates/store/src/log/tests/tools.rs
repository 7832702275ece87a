//! `check`, `repair`, `export` and `import`.

use super::model::{Work, tiny};
use super::*;
use crate::disk::FileKind;
use crate::export::{HEAD, ImportError, export, import, read_head};
use crate::memory::MemoryStore;

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

fn live(rows: &[Row]) -> u64 {
    let heads = rows.iter().filter_map(|row| match row {
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
    assert_eq!(live(&opened.rows), 59);
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
    assert_eq!(live(&opened.rows), found.len() as u64);
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

#[test]
fn an_export_is_imported_whole_or_not_at_all() {
    let mut opened = open_again(filled());
    let secret = (opened.secret, opened.now);
    let mut bytes = Vec::new();
    let out = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    assert_eq!(export(&mut opened.store, secret, &opened.rows, out, || ()).unwrap(), 60);
    assert_eq!(read_head(&bytes[..HEAD]), Ok(secret));
    let mut copy = LogStore::open(TestDisk::new(), tiny(), secret.0).unwrap().store;
    assert_eq!(import(&mut copy, secret.1, &bytes[HEAD..], || ()), Ok(60));
    let mut copy = open_again(copy);
    assert_eq!(copy.rows, opened.rows);
    assert_eq!(shown(&mut copy.store), (0..60).collect::<Vec<_>>());
    assert_eq!(import(&mut copy.store, 0, &bytes[HEAD..], || ()), Err(ImportError::NotEmpty));
    for at in (0..bytes.len()).step_by(53) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 4;
        let mut store = MemoryStore::new();
        let read = read_head(&wrong).and_then(|_| import(&mut store, 0, &wrong[HEAD..], || ()));
        // Padding between chunks apart, nothing that was changed is taken.
        assert!(read.is_err() || read == Ok(60), "byte {at}");
        assert!(read.is_ok() || store.next_lsn() == 1, "byte {at}");
        assert!(import(&mut MemoryStore::new(), 0, &bytes[HEAD..at.max(HEAD)], || ()).is_err());
    }
}

//! Files as they are on disks out there: they must be read for ever, and are still written the same.
//! `STORE_GOLDEN=write` writes them anew; that is a change of format.

use std::path::PathBuf;

use engine::Lane;

use super::model::Model;
use super::*;
use crate::codec::tests::samples;
use crate::disk::FileKind;

fn options() -> Options {
    Options {
        journal_file: 8 << 10,
        first_journal_file: 4 << 10,
        table: 3_400,
        recovery_records: 60,
        ..model::tiny()
    }
}

fn batches() -> Vec<Batch> {
    let now = 28_333_333 * 60_000;
    let mut batches = vec![Batch { now, records: samples().into_iter().map(Record::Put).collect() }];
    for sequence in 0..20 {
        let row = MessageRow {
            sent: now,
            retained_from: now,
            size: 300,
            lane: Lane(u128::from(sequence % 3)),
            ..MessageRow::default()
        };
        let put = Row::Message(key(sequence), row, Bytes::from(vec![sequence as u8; 300]));
        batches.push(Batch { now: now + sequence, records: vec![Record::Put(put)] });
    }
    for sequence in [0, 1, 2, 7, 19] {
        let record = Record::Delete(RowKey::Message(key(sequence)));
        batches.push(Batch { now: now + 1_000, records: vec![record] });
    }
    let due = |second| Record::Put(Row::Due(QUEUE, second, 1));
    batches.extend((0..60).map(|second| Batch { now: now + 2_000, records: vec![due(second)] }));
    batches
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/log/tests/golden")
}

/// The files that the batches make.
fn made() -> TestDisk {
    let mut store = LogStore::open(TestDisk::new(), options(), Secret([9; 16])).unwrap().store;
    for batch in batches() {
        store.append(batch);
        settle(&mut store);
    }
    store.stop();
    settle(&mut store);
    let content = store.disk.content.clone();
    // What a spare holds means nothing.
    let last = journal::file_name(store.journal.position().file);
    content.borrow_mut().files.retain(|name, _| name.kind != FileKind::Journal || *name <= last);
    TestDisk::over(content)
}

#[test]
fn todays_files_are_the_golden_ones() {
    let made = made();
    let files = &made.content.borrow().files;
    for kind in [FileKind::Journal, FileKind::Checkpoint, FileKind::Segment, FileKind::Bitmap] {
        assert!(files.keys().any(|name| name.kind == kind), "there is no {kind:?}");
    }
    if std::env::var("STORE_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::create_dir_all(folder()).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder().join(name.to_string()), bytes).unwrap();
        }
    }
    for (name, bytes) in files {
        let golden = std::fs::read(folder().join(name.to_string()));
        assert!(golden.as_ref().ok() == Some(bytes), "{name} is written otherwise than format 2 says");
    }
    assert_eq!(std::fs::read_dir(folder()).unwrap().count(), files.len());
}

#[test]
fn the_golden_files_are_read() {
    let disk = TestDisk::new();
    for name in made().content.borrow().files.keys() {
        let bytes = std::fs::read(folder().join(name.to_string())).expect("a golden file");
        disk.content.borrow_mut().files.insert(*name, bytes);
    }
    let mut opened = LogStore::open(disk, options(), Secret([0; 16])).unwrap();
    let model = Model::of(&batches());
    assert_eq!(opened.secret, Secret([9; 16]));
    assert_eq!(opened.rows.collect::<Vec<_>>(), model.small.rows().collect::<Vec<_>>());
    assert_eq!(
        shown(&mut opened.store),
        (0..20).filter(|at| ![0, 1, 2, 7, 19].contains(at)).collect::<Vec<_>>()
    );
}

//! Where the journal ends, and what the manifest says of places behind that.

use super::*;
use crate::log::journal::Position;

/// Never due; `due` makes it so.
const LATER: u64 = 1 << 40;

fn options() -> Options {
    Options { recovery_records: LATER, ..small() }
}

fn open_again(store: LogStore<TestDisk>) -> Opened<TestDisk> {
    LogStore::open(TestDisk::over(store.disk.content.clone()), options(), Secret([1; 16])).expect("opens")
}

fn append(store: &mut LogStore<TestDisk>, sequences: std::ops::Range<u64>) {
    for sequence in sequences {
        store.append(send(sequence));
        settle(store);
    }
}

/// Has one flush run, or one checkpoint if nothing is to be flushed.
fn run_job(store: &mut LogStore<TestDisk>) {
    store.options.recovery_records = 4;
    store.pump();
    store.options.recovery_records = LATER;
    settle(store);
}

fn damage(store: &LogStore<TestDisk>, at: Position) {
    let mut content = store.disk.content.borrow_mut();
    let file = content.files.get_mut(&journal::file_name(at.file)).expect("it is there");
    file[at.offset as usize..][..512].fill(0);
}

/// A seal is lost, which costs nothing, but a checkpoint was taken when it was written: the manifest names the place
/// behind it. The next group is written where the seal was, and may be longer.
#[test]
fn a_lost_seal_takes_the_place_behind_it_from_the_manifest() {
    let mut store = LogStore::open(TestDisk::new(), options(), Secret([1; 16])).expect("opens").store;
    append(&mut store, 0..6);
    run_job(&mut store);
    let seal = store.journal.position();
    store.idle();
    run_job(&mut store);
    assert_eq!((store.manifest.messages, store.manifest.small.group), (seal, seal.group + 1));
    damage(&store, seal);
    let mut store = open_again(store).store;
    append(&mut store, 6..10);
    run_job(&mut store);
    let mut opened = open_again(store);
    assert_eq!(shown(&mut opened.store), (0..10).collect::<Vec<_>>());
    assert_eq!(opened.rows.filter(|row| matches!(row, Row::Head(_, head) if head.live == 10)).count(), 1);
}

/// What was flushed before is no reason to pass over the batches that follow a repair, which get the same numbers.
#[test]
fn what_follows_a_repaired_journal_is_kept() {
    let mut store = LogStore::open(TestDisk::new(), options(), Secret([1; 16])).expect("opens").store;
    append(&mut store, 0..2);
    let third = store.journal.position();
    append(&mut store, 2..6);
    run_job(&mut store);
    append(&mut store, 6..7);
    assert_eq!((store.manifest.flushed, store.manifest.small.group), (6, 1));
    damage(&store, third);
    let repaired = repair(TestDisk::over(store.disk.content.clone()), options(), || ()).expect("is repaired");
    assert_eq!(repaired.lost_from, Some(3));
    let mut store = open_again(store).store;
    append(&mut store, 10..13);
    let mut opened = open_again(store);
    assert_eq!(shown(&mut opened.store), [0, 1, 2, 3, 4, 5, 10, 11, 12]);
}

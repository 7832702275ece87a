use bytes::Bytes;
use engine::rows::{
    ArrivedKey, ArrivedRow, AttemptKey, AttemptRow, CatalogueRow, Cut, DedupKey, DedupRow, Head, Leaving,
    MessageRow, Origin, QueueRow, TaskKey, TaskRow, TaskStatus, Touched,
};
use engine::{Lane, MessageId, MessageKey, QueueId, QueueName, Record, Row};

use super::*;

const KEY: MessageKey = MessageKey { queue: QueueId(300), rank: 1_700_000_000_000, sequence: 129 };

fn name() -> QueueName {
    QueueName { account: "000000000000".into(), region: "us-east-1".into(), name: "jobs".into() }
}

fn queue_row() -> QueueRow {
    QueueRow {
        id: QueueId(300),
        name: name(),
        attributes: [("DelaySeconds".into(), "5".into())].into(),
        tags: [("team".into(), "päyments".into())].into(),
        version: 3,
        created: 1_700_000_000_001,
        modified: 1_700_000_000_002,
    }
}

fn moved_message() -> MessageRow {
    MessageRow {
        id: Some(MessageId(7)),
        lane: Lane(u128::MAX),
        origin: Some(Origin { queue: QueueId(2), arn: "arn:aws:sqs:us-east-1:000000000000:src".into() }),
        sent: 1_700_000_000_000,
        retained_from: 1_700_000_000_500,
        size: 262_144,
        receive_count: 4,
        first_received: 1_700_000_000_100,
    }
}

fn task(destination: Option<Origin>) -> TaskRow {
    TaskRow {
        rate: destination.as_ref().map(|_| 500),
        failure: destination.as_ref().map(|_| "gone".into()),
        destination,
        status: TaskStatus::Failed,
        started: 1,
        moved: 2,
        to_move: 3,
        until_sequence: u64::MAX,
    }
}

/// Every kind of row, with each optional field once there and once not.
pub fn samples() -> Vec<Row> {
    let queue = QueueId(300);
    let touched = Touched { receive_count: 2, deadline: 9, nonce: u64::MAX, ..Touched::default() };
    let leaving = |renewed| Touched { leaving: Some(Leaving { target: QueueId(4), renewed }), ..touched };
    let dedup = DedupKey { queue, minute: 28_333_333, hash: (1 << 90).into() };
    let sent = dedup.minute * 60_000 + 2;
    let arrived = ArrivedKey { queue, source: KEY };
    vec![
        Row::Catalogue(name(), CatalogueRow::Named(queue_row())),
        Row::Catalogue(name(), CatalogueRow::Deleted(77)),
        Row::Queue(queue, queue_row()),
        Row::Head(queue, Head { next_sequence: 5, live: 4, has_moved: true, last_purge: 3, free_from: 0 }),
        Row::Message(KEY, MessageRow::default(), Bytes::new()),
        Row::Message(KEY, moved_message(), Bytes::from_static(b"sealed")),
        Row::Touched(KEY, touched),
        Row::Touched(KEY, Touched { first_received: 3, last_received: 4, lane: Lane(7), ..touched }),
        Row::Touched(KEY, Touched { first_received: 5, last_received: 5, deadline: 4, ..touched }),
        Row::Touched(KEY, leaving(false)),
        Row::Touched(KEY, leaving(true)),
        Row::Due(queue, 1_700_000_000, 12),
        Row::Dedup(dedup, DedupRow { sequence: 1, sent, id: None }),
        Row::Dedup(dedup, DedupRow { sequence: 1, sent, id: Some(MessageId(3)) }),
        Row::Attempt(
            AttemptKey { queue, hash: 5 },
            AttemptRow { received: 6, deadline: 7, messages: vec![(KEY, 8)] },
        ),
        Row::Arrived(arrived, ArrivedRow { key: KEY }),
        Row::Task(TaskKey { queue, number: 9 }, task(None)),
        Row::Task(TaskKey { queue, number: 9 }, task(Some(Origin { queue, arn: "arn".into() }))),
        Row::LastQueue(queue),
    ]
}

fn records() -> Vec<Logged> {
    let plain = |record| Logged { record, spared: vec![] };
    let mut records: Vec<Logged> = Vec::new();
    for row in samples() {
        records.push(plain(Record::Delete(row.key())));
        records.push(plain(Record::Put(row)));
    }
    for (arrived_below, delayed_below) in
        [(None, None), (Some(5), None), (None, Some(0)), (Some(1), Some(u64::MAX))]
    {
        let cut = Cut { queue: KEY.queue, arrived_below, delayed_below };
        records.push(plain(Record::Cut(cut)));
        records.push(Logged { record: Record::Cut(cut), spared: vec![KEY] });
    }
    records.push(plain(Record::Drop(QueueId(300))));
    // Heads were once written without this number, as the golden files are.
    let head = |has_moved| Head { next_sequence: 5, live: 4, has_moved, last_purge: 3, free_from: 2 };
    records.extend([true, false].map(|moved| plain(Record::Put(Row::Head(QueueId(300), head(moved))))));
    records
}

fn bytes_of(logged: &Logged) -> Vec<u8> {
    let mut out = Vec::new();
    put_record(&mut out, &logged.record, &logged.spared);
    out
}

#[test]
fn every_record_is_read_back() {
    for logged in records() {
        let bytes = bytes_of(&logged);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.record().as_ref(), Ok(&logged));
        assert!(reader.is_empty(), "{logged:?}");
    }
}

/// Touched rows were once written without flags.
#[test]
fn a_touched_row_without_flags_is_read() {
    let row =
        Touched { receive_count: 1, first_received: 5, last_received: 5, deadline: 9, ..Touched::default() };
    let mut bytes = Vec::new();
    put_key(&mut bytes, &RowKey::Touched(KEY));
    bytes.extend_from_slice(&[0, 1, 0, 5, 5, 9]);
    bytes.extend_from_slice(&[0; 8 + 16 + 1]);
    assert_eq!(Reader::new(&bytes).row(), Ok(Row::Touched(KEY, row)));
    let mut today = Vec::new();
    put_row(&mut today, &Row::Touched(KEY, row));
    assert_eq!(today.len() + 17, bytes.len());
}

#[test]
fn a_record_cut_short_is_refused() {
    for logged in records() {
        let bytes = bytes_of(&logged);
        for length in 0..bytes.len() {
            assert!(Reader::new(&bytes[..length]).record().is_err(), "{logged:?} at {length}");
        }
    }
}

#[test]
fn a_flipped_bit_never_panics_and_never_reads_as_the_same() {
    for logged in records() {
        let bytes = bytes_of(&logged);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let mut reader = Reader::new(&wrong);
            let read = reader.record();
            assert!(read != Ok(logged.clone()) || !reader.is_empty(), "{logged:?} bit {bit}");
        }
    }
}

#[test]
fn numbers_have_one_spelling() {
    for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
        let mut out = Vec::new();
        put_number(&mut out, value);
        assert_eq!(Reader::new(&out).number(), Ok(value));
    }
    for wrong in [&[0x80, 0][..], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]] {
        assert_eq!(Reader::new(wrong).number(), Err(Malformed("number")));
    }
}

#[test]
fn bytes_are_as_long_as_was_told() {
    for length in [0, 1, 127, 128, 16_383, 16_384, 1 << 20] {
        let mut out = Vec::new();
        put_bytes(&mut out, &vec![0; length]);
        assert_eq!(out.len(), bytes_length(length));
    }
}

#[test]
fn a_count_larger_than_the_bytes_is_refused_before_it_allocates() {
    let mut out = Vec::new();
    put_number(&mut out, u64::MAX);
    assert_eq!(Reader::new(&out).bytes(), Err(Malformed("count")));
}

//! Rows and records, and the parts of segments: bytes without a checksum of their own.

use store::codec::{Logged, Malformed, Reader, put_key, put_record, put_row};
use store::log::segment::{
    Index, IndexEntry, LaneIndex, LanePlace, LeafEntry, Meta, Pointer, Span, entry_at, lane_places,
};

use crate::dice::Dice;
use crate::{accepted, draw};

fn bytes_of(logged: &Logged) -> Vec<u8> {
    let mut out = Vec::new();
    put_record(&mut out, &logged.record, &logged.spared);
    out
}

/// Records, one after another.
pub fn records(data: &[u8]) {
    records_by(data, |reader| reader.record());
}

/// Every record that is read is written and read as the same, and is not read from less than its bytes; so is a
/// record drawn with these bytes as the seed. The same bytes are tried as a row and as a key.
pub fn records_by(data: &[u8], record: impl Fn(&mut Reader<'_>) -> Result<Logged, Malformed>) {
    let drawn = draw::record(&mut Dice::of(data));
    assert_eq!(record(&mut Reader::new(&bytes_of(&drawn))), Ok(drawn));
    let mut reader = Reader::new(data);
    loop {
        let rest = &data[data.len() - reader.remaining()..];
        let Ok(logged) = record(&mut reader) else { break };
        accepted();
        let bytes = bytes_of(&logged);
        let mut again = Reader::new(&bytes);
        assert_eq!(record(&mut again).as_ref(), Ok(&logged));
        assert!(again.is_empty(), "{logged:?}");
        let taken = rest.len() - reader.remaining();
        assert!(record(&mut Reader::new(&rest[..taken - 1])).is_err(), "cut short: {logged:?}");
    }
    if let Ok(row) = Reader::new(data).row() {
        let mut bytes = Vec::new();
        put_row(&mut bytes, &row);
        assert_eq!(Reader::new(&bytes).row(), Ok(row));
    }
    if let Ok(key) = Reader::new(data).key() {
        let mut bytes = Vec::new();
        put_key(&mut bytes, &key);
        assert_eq!(bytes, data[..bytes.len()], "a key has one spelling");
        assert_eq!(Reader::new(&bytes).key(), Ok(key));
    }
}

/// Some records; now and then a row or a key alone.
pub fn seed_records(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    match dice.below(8) {
        0 => put_row(&mut out, &draw::row(dice)),
        1 => put_key(&mut out, &draw::row(dice).key()),
        _ => (0..1 + dice.below(4)).for_each(|_| out.extend(bytes_of(&draw::record(dice)))),
    }
    out
}

/// A part of a segment, which by the first byte: leaf, leaf of lanes, index, index of lanes, or what the
/// manifest says of it. What is read is written and read as the same; what it is searched for leads nowhere
/// outside it.
pub fn segment(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    match which % 5 {
        0 => leaf(data),
        1 => leaf_of_lanes(data),
        2 => index(data),
        3 => index_of_lanes(data),
        _ => meta(data),
    }
}

fn leaf(data: &[u8]) {
    let (mut at, mut out) = (0, Vec::new());
    let mut entries = Vec::new();
    while let Ok(Some((entry, next))) = entry_at(data, at) {
        assert!(next > at && next <= data.len(), "an entry takes bytes, and no others than these");
        LeafEntry::put(&entry.key, &entry.row, &entry.blob, &mut out);
        entries.push(entry);
        at = next;
    }
    let mut from = 0;
    for entry in entries {
        accepted();
        let (read, next) = entry_at(&out, from).expect("it was written").expect("it was written");
        assert_eq!(read, entry);
        from = next;
    }
    assert_eq!(from, out.len());
}

fn leaf_of_lanes(data: &[u8]) {
    let Ok(places) = lane_places(data) else { return };
    accepted();
    let mut out = Vec::new();
    places.iter().for_each(|place| place.put(&mut out));
    assert_eq!(out, data);
}

fn index(data: &[u8]) {
    let Ok(index) = Index::read(data) else { return };
    accepted();
    let mut out = Vec::new();
    index.leaves.iter().for_each(|entry| entry.put(&mut out));
    assert_eq!(out, data, "an index has one spelling");
    for entry in &index.leaves {
        assert!(index.find(&entry.first) < index.leaves.len());
    }
}

fn index_of_lanes(data: &[u8]) {
    let Ok(index) = LaneIndex::read(data) else { return };
    accepted();
    let mut out = Vec::new();
    for (place, pointer) in &index.leaves {
        place.put(&mut out);
        pointer.put(&mut out);
        assert!(index.find(place) < index.leaves.len());
    }
    assert_eq!(out, data, "an index has one spelling");
}

fn meta(data: &[u8]) {
    let mut reader = Reader::new(data);
    let Ok(meta) = Meta::read(&mut reader) else { return };
    accepted();
    let mut out = Vec::new();
    meta.put(&mut out);
    assert_eq!(out, data[..data.len() - reader.remaining()], "it has one spelling");
    assert_eq!(Meta::read(&mut Reader::new(&out)), Ok(meta));
}

fn pointer(dice: &mut Dice) -> Pointer {
    Pointer { offset: dice.number(), length: dice.small(), sum: dice.draw() }
}

fn place(dice: &mut Dice) -> LanePlace {
    let lane = engine::Lane(draw::wide(dice));
    LanePlace { queue: engine::QueueId(dice.number()), lane, sequence: dice.number() }
}

/// A part of a segment.
pub fn seed_segment(dice: &mut Dice) -> Vec<u8> {
    let which = dice.below(5) as u8;
    let mut out = vec![which];
    for _ in 0..1 + dice.below(5) {
        match which {
            0 => LeafEntry::put(&draw::message_key(dice), &draw::message_row(dice), &pointer(dice), &mut out),
            1 => place(dice).put(&mut out),
            2 => index_entry(dice).put(&mut out),
            3 => {
                place(dice).put(&mut out);
                pointer(dice).put(&mut out);
            }
            _ => seed_meta(dice).put(&mut out),
        }
    }
    out
}

fn index_entry(dice: &mut Dice) -> IndexEntry {
    IndexEntry {
        first: draw::message_key(dice),
        leaf: pointer(dice),
        ordinal: dice.number(),
        oldest: dice.number(),
        lane: dice.maybe(|dice| engine::Lane(draw::wide(dice))),
    }
}

/// What the manifest may say of a segment.
pub fn seed_meta(dice: &mut Dice) -> Meta {
    let span = |dice: &mut Dice| Span {
        first: draw::message_key(dice),
        last: draw::message_key(dice),
        highest: dice.number(),
        ordinal: dice.number(),
        count: dice.number(),
    };
    let bitmap =
        |dice: &mut Dice| store::log::segment::BitmapRef { number: dice.number(), ones: dice.number() };
    Meta {
        number: dice.number(),
        length: dice.number(),
        count: dice.number(),
        first: draw::message_key(dice),
        last: draw::message_key(dice),
        lsns: (dice.number(), dice.number()),
        index: pointer(dice),
        lanes: dice.maybe(pointer),
        spans: dice.some(3, span).into(),
        bitmap: dice.maybe(bitmap),
    }
}

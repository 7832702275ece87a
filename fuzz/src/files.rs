//! What is on disk with a checksum of its own: manifest, row files, bitmaps, headers of journal groups.
//!
//! Each is tried twice: as it is, where no changed byte may be accepted, and with its checksums made right, so
//! that the reader behind them is reached as well.

use engine::Record;
use store::codec::checksum;
use store::log::bitmap;
use store::log::group::{HEADER, Header, Kind, round_up};
use store::log::manifest::{self, Manifest, Unreadable};
use store::log::rowfile::{self, Writer};
use store::log::segment::Bits;

use crate::dice::Dice;
use crate::{accepted, directory, draw, records};

const BLOCK: usize = 512;

/// Of accepted bytes, none of those that a checksum covers can be another.
fn no_changed_byte_passes(data: &[u8], covered: &[std::ops::Range<usize>], accepts: impl Fn(&[u8]) -> bool) {
    let mut dice = Dice::of(data);
    let mut wrong = data.to_vec();
    for range in covered.iter().filter(|range| !range.is_empty()) {
        for _ in 0..4 {
            let at = range.start + dice.below(range.len());
            wrong[at] ^= 1 << dice.below(8);
            assert!(!accepts(&wrong), "accepted though byte {at} was changed");
            wrong[at] = data[at];
        }
    }
}

fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A manifest.
pub fn manifest(data: &[u8]) {
    manifest_by(data, Manifest::decode);
}

/// As [`manifest`], with another reader.
pub fn manifest_by(data: &[u8], decode: impl Fn(&[u8]) -> Result<Manifest, Unreadable>) {
    if let Ok(read) = decode(data) {
        accepted();
        assert_eq!(decode(&read.encode()).as_ref(), Ok(&read));
        no_changed_byte_passes(data, std::slice::from_ref(&(0..data.len())), |wrong| decode(wrong).is_ok());
    }
    const PREFIX: usize = 24;
    if data.len() < PREFIX {
        return;
    }
    let mut data = data.to_vec();
    put(&mut data, 0, b"SLUICEMF");
    put(&mut data, 8, &manifest::FORMAT.to_le_bytes());
    let length = (data.len() - PREFIX) as u32;
    put(&mut data, 12, &length.to_le_bytes());
    let sum = checksum(&[&data[..16], &data[PREFIX..]].concat());
    put(&mut data, 16, &sum.to_le_bytes());
    if let Ok(read) = decode(&data) {
        accepted();
        assert_eq!(decode(&read.encode()).as_ref(), Ok(&read));
        assert!(read.journal().group <= read.small.group.max(read.messages.group));
        let _ = read.files();
    }
}

/// The manifest of a real directory, now and then with segments and records of other numbers in it.
pub fn seed_manifest(dice: &mut Dice) -> Vec<u8> {
    let whole = directory::file_of_kind(store::disk::FileKind::Manifest, dice);
    if dice.one_in(3) {
        return whole;
    }
    let mut read = Manifest::decode(&whole).expect("a manifest that the store wrote");
    read.generation = dice.number();
    read.segments = dice.some(3, records::seed_meta);
    read.unresolved = dice.some(3, draw::record);
    read.encode()
}

type Chunks = Vec<(Vec<Record>, std::ops::Range<usize>)>;

/// The chunks of a row file that was accepted: their records, and where their bytes are.
fn chunks(data: &[u8], mut records: std::vec::IntoIter<Record>) -> Chunks {
    let mut chunks = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let word =
            |from: usize| data[at + from..][..4].try_into().map(u32::from_le_bytes).unwrap_or(0) as usize;
        let (count, length) = (word(20), word(24));
        chunks.push((records.by_ref().take(count).collect(), at..at + 48 + length));
        at += round_up(48 + length as u64, BLOCK) as usize;
    }
    assert!(records.next().is_none(), "records of no chunk");
    chunks
}

fn row_file_number(data: &[u8]) -> u64 {
    data.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn read_row_file(data: &[u8], number: u64) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    let count = rowfile::read(data, number, BLOCK, |logged| records.push(logged.record)).ok()?;
    assert_eq!(count, records.len() as u64);
    Some(records)
}

/// A row file: small rows of a checkpoint, or deduplication ids.
pub fn row_file(data: &[u8]) {
    let number = row_file_number(data);
    if let Some(records) = read_row_file(data, number) {
        accepted();
        assert!(read_row_file(data, number.wrapping_add(1)).is_none(), "taken for another file");
        let chunks = chunks(data, records.clone().into_iter());
        let covered: Vec<_> = chunks.iter().map(|(_, range)| range.clone()).collect();
        no_changed_byte_passes(data, &covered, |wrong| read_row_file(wrong, number).is_some());
        let mut again = Vec::new();
        let mut writer = Writer::new(number, BLOCK);
        for (at, (records, _)) in chunks.iter().enumerate() {
            records.iter().for_each(|record| writer.add(record));
            again.extend(writer.close(at + 1 == chunks.len()).1);
        }
        assert_eq!(read_row_file(&again, number), Some(records));
    }
    // One chunk whose checksums are right, whatever is in it.
    let mut data = data.to_vec();
    let length = data.len().saturating_sub(48);
    if length > 0 {
        put(&mut data, 0, b"SLRW\x01\0\x01\0");
        put(&mut data, 16, &[0; 4]);
        put(&mut data, 24, &(length as u32).to_le_bytes());
        let sum = checksum(&data[48..]);
        put(&mut data, 32, &sum.to_le_bytes());
        let sum = checksum(&data[..40]);
        put(&mut data, 40, &sum.to_le_bytes());
        data.resize(round_up(data.len() as u64, BLOCK) as usize, 0);
        if read_row_file(&data, number).is_some() {
            accepted();
        }
    }
}

/// A row file: one of a real directory, or random records in some chunks.
pub fn seed_row_file(dice: &mut Dice) -> Vec<u8> {
    if dice.one_in(2) {
        return directory::file_of_kind(store::disk::FileKind::Checkpoint, dice);
    }
    let mut writer = Writer::new(dice.number(), BLOCK);
    let mut file = Vec::new();
    let chunks = 1 + dice.below(3);
    for chunk in 1..=chunks {
        for _ in 0..dice.below(8) {
            // Only a cut has more to it than its record, and there is none in a row file.
            let record = draw::record(dice).record;
            if !matches!(record, Record::Cut(_)) {
                writer.add(&record);
            }
        }
        file.extend(writer.close(chunk == chunks).1);
    }
    file
}

/// A bitmap; the first byte takes part in the number of messages.
pub fn bitmap(data: &[u8]) {
    let Some((spare, data)) = data.split_first() else { return };
    let word = |at: usize| {
        data.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    let words = data.len().saturating_sub(32) / 8;
    let count = (words as u64 * 64).saturating_sub(u64::from(spare % 64));
    let segment = word(8);
    if let Ok(bits) = bitmap::decode(data, segment, count) {
        accepted();
        assert_eq!(bitmap::encode(segment, &bits), data);
        assert!(bitmap::decode(data, segment ^ 1, count).is_err(), "taken for another segment's");
        assert!(bitmap::decode(data, segment, count + 64).is_err(), "taken for a longer one");
        no_changed_byte_passes(data, std::slice::from_ref(&(0..data.len())), |wrong| {
            bitmap::decode(wrong, segment, count).is_ok()
        });
    }
    if data.len() < 32 {
        return;
    }
    let mut data = data[..32 + words * 8].to_vec();
    put(&mut data, 0, b"SLBM\x01\0\0\0");
    let ones: u32 = data[32..].iter().map(|byte| byte.count_ones()).sum();
    put(&mut data, 16, &u64::from(ones).to_le_bytes());
    let sum = checksum(&[&data[..24], &data[32..]].concat());
    put(&mut data, 24, &sum.to_le_bytes());
    if let Ok(bits) = bitmap::decode(&data, segment, count) {
        accepted();
        assert_eq!(bitmap::encode(segment, &bits), data);
        let shown = (0..count).filter(|ordinal| bits.get(*ordinal)).count() as u64;
        assert_eq!((shown, bits.ones()), (u64::from(ones), u64::from(ones)));
    }
}

/// A bitmap of some messages.
pub fn seed_bitmap(dice: &mut Dice) -> Vec<u8> {
    let count = 1 + dice.below(400) as u64;
    let mut bits = Bits::new(count);
    for _ in 0..dice.below(40) {
        bits.set(dice.draw() % count);
    }
    let spare = (count.div_ceil(64) * 64 - count) as u8;
    [vec![spare], bitmap::encode(dice.number(), &bits)].concat()
}

const STAMP: u64 = 0x1122_3344_5566_7788;

/// A header of a journal group.
pub fn group(data: &[u8]) {
    if let Some(header) = Header::read(data, STAMP) {
        accepted();
        assert_eq!(header.stamp, STAMP);
        assert_eq!(Header::read(data, STAMP ^ 1), None, "taken for another directory's");
        no_changed_byte_passes(data, std::slice::from_ref(&(0..HEADER)), |wrong| {
            Header::read(wrong, STAMP).is_some()
        });
    }
    let Some(bytes) = data.get(..HEADER) else { return };
    // Any header with right checksum: what is read is written and read as the same.
    let mut bytes = bytes.to_vec();
    put(&mut bytes, 0, b"SLGR\x01\0");
    put(&mut bytes, 8, &STAMP.to_le_bytes());
    let sum = checksum(&bytes[..HEADER - 8]);
    put(&mut bytes, HEADER - 8, &sum.to_le_bytes());
    if let Some(header) = Header::read(&bytes, STAMP) {
        accepted();
        let mut again = vec![0; HEADER];
        header.seal_into(&mut again);
        assert_eq!(Header::read(&again, STAMP), Some(header));
    }
}

/// A header as a journal writes it.
pub fn seed_group(dice: &mut Dice) -> Vec<u8> {
    let header = Header {
        kind: dice.pick(&[Kind::Batches, Kind::Seal, Kind::Switch]),
        stamp: STAMP,
        generation: dice.number(),
        file: dice.number(),
        offset: dice.number(),
        number: dice.number(),
        first: dice.number(),
        last: dice.number(),
        length: dice.small(),
        checksum: dice.draw(),
    };
    let mut bytes = vec![0; HEADER];
    header.seal_into(&mut bytes);
    bytes
}

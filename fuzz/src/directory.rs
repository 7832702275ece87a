//! Whole data directories, written by the store and then damaged: journal groups, checkpoint, segments, bitmaps
//! and manifest as an opening reads them, together.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use engine::rows::{Cut, DedupKey, DedupRow, Head, MessageRow, QueueRow, Touched};
use engine::{Ask, Batch, Lane, MessageKey, QueueId, Record, Row, RowKey, Secret};
use store::codec::checksum;
use store::disk::{FileKind, FileName, SECTOR};
use store::log::group::{HEADER, round_up};
use store::log::{LogStore, Options};
use store::{Event, Store};

use crate::accepted;
use crate::dice::Dice;
use crate::disk::{Files, MemoryDisk};

/// Batches of a directory.
const BATCHES: u64 = 150;
const QUEUES: [QueueId; 3] = [QueueId(1_001), QueueId(1_002), QueueId(1_003)];
const NOW: u64 = 1_700_000_000_000;

type Messages = BTreeMap<MessageKey, (MessageRow, Bytes)>;

/// What the rows are after a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    small: Vec<Row>,
    messages: Messages,
}

/// A directory, and what it held after each of its batches.
struct Written {
    files: Files,
    states: Vec<State>,
    /// Whether the journal ends with a seal: then nothing may be lost to one damaged sector.
    sealed: bool,
}

/// Small enough that some batches see a flush, a checkpoint and a merge.
fn options() -> Options {
    Options {
        journal_file: 16 << 10,
        first_journal_file: 8 << 10,
        table: 5 << 10,
        recovery_bytes: 24 << 10,
        recovery_records: 300,
        cache: 64 << 10,
        segment: 16 << 10,
        reserve: 0,
        keep_dedup: true,
    }
}

fn directories() -> &'static [Written] {
    static DIRECTORIES: OnceLock<Vec<Written>> = OnceLock::new();
    DIRECTORIES.get_or_init(|| (0..6).map(|seed| write(seed, seed % 3 != 2)).collect())
}

/// A file of this kind out of one of the directories.
pub fn file_of_kind(kind: FileKind, dice: &mut Dice) -> Vec<u8> {
    let files = directories().iter().flat_map(|directory| &directory.files);
    let files: Vec<_> = files.filter(|(name, _)| name.kind == kind).collect();
    files[dice.below(files.len())].1.clone()
}

/// Random work that keeps the engine's side of the contract.
struct Work {
    dice: Dice,
    sequences: [u64; QUEUES.len()],
    messages: Messages,
}

impl Work {
    fn batch(&mut self, at: u64) -> Batch {
        let records = (0..1 + self.dice.below(3)).map(|_| self.record(at)).collect();
        Batch { now: NOW + at * 40, records }
    }

    fn record(&mut self, at: u64) -> Record {
        let live = self.messages.keys().copied().collect::<Vec<_>>();
        let which = self.dice.below(QUEUES.len());
        let (queue, next) = (QUEUES[which], self.sequences[which]);
        match self.dice.below(20) {
            0..10 => self.send(which, at),
            10..14 if !live.is_empty() => {
                let key = live[self.dice.below(live.len() / 3 + 1)];
                self.messages.remove(&key);
                Record::Delete(RowKey::Message(key))
            }
            14..16 if !live.is_empty() => {
                let key = self.dice.pick(&live);
                let row = Touched { receive_count: 1, nonce: self.dice.draw(), ..Touched::default() };
                Record::Put(Row::Touched(key, row))
            }
            16 if self.dice.one_in(4) => {
                let cut =
                    Cut { queue, arrived_below: Some(self.dice.draw() % (next + 1)), delayed_below: None };
                self.messages.retain(|key, _| !cut.takes(key));
                Record::Cut(cut)
            }
            17 => {
                let sent = NOW + at * 40;
                let key =
                    DedupKey { queue, minute: sent / 60_000, hash: u128::from(self.dice.draw()).into() };
                Record::Put(Row::Dedup(key, DedupRow { sequence: next, sent, id: None }))
            }
            18 => Record::Put(Row::Queue(queue, QueueRow { id: queue, version: at, ..QueueRow::default() })),
            _ => Record::Put(Row::Head(queue, Head { next_sequence: next, ..Head::default() })),
        }
    }

    fn send(&mut self, which: usize, at: u64) -> Record {
        let sequence = self.sequences[which];
        self.sequences[which] += 1;
        let rank = if self.dice.one_in(4) { NOW + self.dice.draw() % 100_000 } else { 0 };
        let key = MessageKey { queue: QUEUES[which], rank, sequence };
        let lane = if which == 0 { Lane::NONE } else { Lane(1 + u128::from(self.dice.draw() % 3)) };
        let row =
            MessageRow { lane, sent: NOW + at, retained_from: NOW + at, size: 10, ..MessageRow::default() };
        let blob = Bytes::from(self.dice.bytes(500));
        self.messages.insert(key, (row.clone(), blob.clone()));
        Record::Put(Row::Message(key, row, blob))
    }
}

/// Everything the store has to say for now.
fn settle(store: &mut LogStore<MemoryDisk>) -> Vec<Event> {
    std::iter::from_fn(|| store.poll()).collect()
}

fn write(seed: u64, sealed: bool) -> Written {
    let disk = MemoryDisk::default();
    let opened = LogStore::open(disk.clone(), options(), Secret([1; 16])).expect("a new directory");
    let mut store = opened.store;
    let mut work = Work { dice: Dice::new(seed, 0), sequences: [0; 3], messages: Messages::new() };
    let mut states = vec![State::default()];
    for at in 1..=BATCHES + 7 * seed {
        let batch = work.batch(at);
        store.append(batch);
        settle(&mut store);
        states.push(State { small: store.small_rows(), messages: work.messages.clone() });
    }
    if sealed {
        store.idle();
        settle(&mut store);
    }
    let stats = store.stats();
    assert!(
        stats.flushes > 0 && stats.checkpoints > 0 && stats.segments > 0,
        "a directory of all kinds: {stats:?}"
    );
    let files = disk.files.borrow().clone();
    Written { files, states, sealed }
}

/// A change of a file, eight bytes of the input.
#[derive(Clone, Copy, Debug)]
struct Edit {
    file: u8,
    what: u8,
    at: u32,
    value: u16,
}

impl Edit {
    fn read(bytes: &[u8; 8]) -> Edit {
        let [file, what, a, b, c, d, e, f] = *bytes;
        Edit { file, what, at: u32::from_le_bytes([a, b, c, d]), value: u16::from_le_bytes([e, f]) }
    }

    /// Carries it out; whether no more than one sector of one file can have changed.
    fn apply(self, files: &mut Files) -> bool {
        let names: Vec<FileName> = files.keys().copied().collect();
        if names.is_empty() {
            return true;
        }
        let name = names[usize::from(self.file) % names.len()];
        let other = names[usize::from(self.value) % names.len()];
        match self.what % 16 {
            0..9 => self.damage(files.entry(name).or_default()),
            9 | 10 => self.misdirect(files, name, other),
            11 => {
                let bytes = files.entry(name).or_default();
                bytes.truncate(self.at as usize % (bytes.len() + 1));
                false
            }
            12 => {
                let bytes = files.entry(name).or_default();
                bytes.resize(bytes.len() + 1 + self.at as usize % 2_048, self.value as u8);
                false
            }
            13 => {
                files.remove(&name);
                false
            }
            14 => {
                let bytes = files.get(&other).cloned().unwrap_or_default();
                files.insert(name, bytes);
                false
            }
            _ => {
                let number = u64::from(self.at % 8) + name.number;
                let bytes = files.get(&name).cloned().unwrap_or_default();
                files.insert(FileName { number, ..name }, bytes);
                false
            }
        }
    }

    /// Other bytes within one sector.
    fn damage(self, bytes: &mut [u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let at = self.at as usize % bytes.len();
        let sector = at / SECTOR * SECTOR;
        let end = (sector + SECTOR).min(bytes.len());
        match self.what % 16 {
            0..4 => bytes[at] ^= (self.value as u8).max(1),
            4 => bytes[sector..end].fill(self.value as u8),
            5 => bytes[at..end].fill(0),
            6 => {
                bytes[at..end].iter_mut().take(2).zip(self.value.to_le_bytes()).for_each(|(to, by)| *to = by)
            }
            7 => bytes[at..end].rotate_left(1),
            _ => bytes[sector..end].reverse(),
        }
        true
    }

    /// A sector is where another should be.
    fn misdirect(self, files: &mut Files, name: FileName, other: FileName) -> bool {
        let from = files.get(&other).map_or(&[][..], |bytes| &bytes[..]);
        let at = self.value as usize / 16 * SECTOR % (from.len() + 1) / SECTOR * SECTOR;
        let sector = from[at..(at + SECTOR).min(from.len())].to_vec();
        let to = files.entry(name).or_default();
        let at = self.at as usize % (to.len() + 1) / SECTOR * SECTOR;
        to[at..].iter_mut().zip(sector).for_each(|(to, byte)| *to = byte);
        true
    }
}

/// Makes the checksums of all groups of a journal right again, as far as their headers still tell where they
/// are: the reader behind the checksums is reached.
fn reseal(files: &mut Files) {
    for bytes in files.iter_mut().filter(|(name, _)| name.kind == FileKind::Journal).map(|(_, bytes)| bytes) {
        let mut at = 0;
        while bytes.get(at..at + 4) == Some(b"SLGR") && at + HEADER <= bytes.len() {
            let length = u32::from_le_bytes([bytes[at + 64], bytes[at + 65], bytes[at + 66], bytes[at + 67]]);
            let payload = at + HEADER..(at + HEADER + length as usize).min(bytes.len());
            let sum = checksum(&bytes[payload]);
            bytes[at + 72..at + 80].copy_from_slice(&sum.to_le_bytes());
            let sum = checksum(&bytes[at..at + 80]);
            bytes[at + 80..at + HEADER].copy_from_slice(&sum.to_le_bytes());
            at += round_up(HEADER as u64 + u64::from(length), SECTOR) as usize;
        }
    }
}

/// The directory and the choice of the first byte, and edits of eight bytes each.
///
/// A directory that opens shows a state it once had, and every message of that state or a word that it is
/// damaged, never another row. While at most one sector was damaged and the journal was sealed, it is the last
/// state; unsealed, it may be the last but one. With checksums made right again (one choice in 16) anything may be read, but nothing panics.
pub fn directory(data: &[u8]) {
    let Some((choice, edits)) = data.split_first() else { return };
    let directories = directories();
    let written = &directories[usize::from(choice % 16) % directories.len()];
    let mut files = written.files.clone();
    let edits = edits.as_chunks().0.iter().take(16).map(Edit::read);
    let reaches = edits.map(|edit| edit.apply(&mut files)).collect::<Vec<bool>>();
    let resealed = choice / 16 == 15;
    if resealed {
        reseal(&mut files);
    }
    let is_one_sector = reaches.iter().all(|one_sector| *one_sector) && reaches.len() <= 1;
    match LogStore::open(MemoryDisk::of(files), options(), Secret([1; 16])) {
        Ok(opened) => {
            accepted();
            let mut store = opened.store;
            let last = store.next_lsn() - 1;
            if resealed {
                return drop(messages(&mut store));
            }
            let state = written.states.get(last as usize).expect("no more batches than there were");
            assert!(store.small_rows() == state.small, "other small rows than after batch {last}");
            assert_messages(&mut store, &state.messages, reaches.is_empty());
            let lost = written.states.len() - 1 - last as usize;
            let may_lose = if written.sealed || reaches.is_empty() { 0 } else { 1 };
            assert!(lost <= may_lose || !is_one_sector, "ended with batch {last}");
        }
        Err(error) => assert!(!reaches.is_empty() || resealed, "{error}"),
    }
}

/// The store's messages as far as they can be read, and whether that is all.
fn messages(store: &mut LogStore<MemoryDisk>) -> (Messages, bool) {
    let (mut found, mut whole) = (Messages::new(), true);
    for queue in QUEUES {
        let key = |number| MessageKey { queue, rank: number, sequence: number };
        let (mut from, to) = (key(0), key(u64::MAX));
        loop {
            store.load(Ask::Run { from, to, skip: Arc::default(), limit: 50, past_damage: false });
            let page = settle(store).into_iter().find_map(|event| match event {
                Event::Loaded(_, page) => Some(page),
                _ => None,
            });
            let Some(page) = page else {
                whole = false;
                break;
            };
            let last = page.rows.last().map(|found| found.key);
            for row in page.rows {
                found.insert(row.key, (row.row, row.blob.expect("a run has blobs")));
            }
            match last {
                Some(last) if !page.ran_out => from = MessageKey { sequence: last.sequence + 1, ..last },
                _ => break,
            }
        }
    }
    (found, whole)
}

fn assert_messages(store: &mut LogStore<MemoryDisk>, expected: &Messages, untouched: bool) {
    let (found, whole) = messages(store);
    if whole {
        assert!(found == *expected, "other messages than there were");
        return;
    }
    assert!(!untouched, "damaged, though nothing was changed");
    assert!(
        found.iter().all(|(key, message)| expected.get(key) == Some(message)),
        "a message that was not there"
    );
    // Beyond the damage the others can still be had, one by one.
    for (key, message) in expected {
        store.load(Ask::Body(vec![*key]));
        for event in settle(store) {
            if let Event::Loaded(_, page) = event {
                assert!(!page.rows.is_empty() || !page.damage.is_empty(), "no word of {key:?}");
                for found in page.rows {
                    assert_eq!((found.key, &found.row), (*key, &message.0));
                    match found.blob {
                        Some(blob) => assert!(blob == message.1, "another body than {key:?} had"),
                        None => assert!(
                            page.damage.iter().any(|one| one.from == *key),
                            "no word of {key:?}'s body"
                        ),
                    }
                }
            }
        }
    }
}

/// A few edits of a directory; most often one.
pub fn seed(dice: &mut Dice) -> Vec<u8> {
    let mut data = vec![dice.draw() as u8];
    let edits = if dice.one_in(2) { 1 } else { dice.below(5) };
    for _ in 0..edits {
        // Most bytes of a file are padding or bodies; its beginning is where it is told what the rest is.
        let at = if dice.one_in(2) { dice.below(200) as u32 } else { dice.draw() as u32 };
        let edit = [dice.draw() as u8, if dice.one_in(2) { 0 } else { dice.draw() as u8 }];
        data.extend_from_slice(&edit);
        data.extend_from_slice(&at.to_le_bytes());
        data.extend_from_slice(&(dice.draw() as u16).to_le_bytes());
    }
    data
}

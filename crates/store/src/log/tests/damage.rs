//! Bit flips and cuts in every kind of file: wrong data never, silence never.

use std::cell::RefCell;
use std::rc::Rc;

use engine::rows::{Cut, Leaving, Touched};
use engine::{Damage, Found};

use super::model::{Model, Work, tiny};
use super::*;
use crate::disk::FileKind;
use crate::log::group::Header;
use crate::testing::Content;

/// Small enough that every byte of every file can be changed.
fn options() -> Options {
    Options { journal_file: 4 << 10, first_journal_file: 4 << 10, recovery_bytes: 12 << 10, ..tiny() }
}

/// A stopped directory with every kind of file, and the batches in it.
fn directory() -> (Rc<RefCell<Content>>, Vec<Batch>) {
    directory_after(LogStore::stop)
}

/// The same with another end than a stop.
fn directory_after(end: impl Fn(&mut LogStore<TestDisk>)) -> (Rc<RefCell<Content>>, Vec<Batch>) {
    for seed in 0..200 {
        let mut work = Work::new(seed);
        let mut batches = Vec::new();
        let options = Options { table: 2 << 10, ..options() };
        let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).expect("opens").store;
        for _ in 0..50 {
            let batch = work.batch();
            batches.push(batch.clone());
            store.append(batch);
            settle(&mut store);
        }
        end(&mut store);
        settle(&mut store);
        let content = store.disk.content.clone();
        let there = |kind| content.borrow().files.keys().any(|name| name.kind == kind);
        let all = [FileKind::Segment, FileKind::Bitmap, FileKind::Checkpoint].into_iter().all(there);
        if all && !store.manifest.dedup.is_empty() && store.manifest.checkpoint.is_some() {
            return (content, batches);
        }
    }
    panic!("no seed makes every kind of file");
}

/// A copy with one file changed.
fn changed(content: &Content, name: FileName, change: impl Fn(&mut Vec<u8>)) -> TestDisk {
    let disk = TestDisk::new();
    disk.content.borrow_mut().files = content.files.clone();
    disk.content.borrow_mut().files.get_mut(&name).map(change).expect("the file is there");
    disk
}

/// What is wrong with what the store says, if it says anything wrong. Whether it found damage.
fn found(disk: TestDisk, model: &Model) -> Result<bool, String> {
    let opened = match LogStore::open(disk, options(), Secret([1; 16])) {
        Ok(opened) => opened,
        Err(_) => return Ok(true),
    };
    let mut store = opened.store;
    if !opened.rows.eq(model.small.rows()) {
        return Err("small rows".into());
    }
    let mut damaged = false;
    for queue in 1_000..1_010 {
        let from = MessageKey { queue: QueueId(queue), rank: 0, sequence: 0 };
        let to = MessageKey { rank: u64::MAX, sequence: u64::MAX, ..from };
        let run = Ask::Run { from, to, skip: Default::default(), limit: 10_000, past_damage: false };
        let expected = model.table.answer(&run, store.durable);
        let keys: Vec<MessageKey> = expected.rows.iter().map(|found| found.key).collect();
        let mut asks = vec![Ask::Exists(keys.clone()), Ask::Body(keys)];
        asks.extend((1..6).map(|lane| Ask::Lane {
            queue: from.queue,
            lane: engine::Lane(lane),
            from: 0,
            to: u64::MAX,
            limit: 200,
        }));
        asks.extend([run, Ask::Expired { queue: from.queue, cutoff: u64::MAX, sorted: false, limit: 200 }]);
        for ask in asks {
            damaged |= !is_right(&mut store, model, &ask)?;
        }
        damaged |= passes_over(&mut store, &expected.rows, from, to)?;
    }
    Ok(damaged)
}

/// Whether the answer is whole; an error if it is wrong.
fn is_right(store: &mut LogStore<TestDisk>, model: &Model, ask: &Ask) -> Result<bool, String> {
    let expected = model.table.answer(ask, store.durable);
    store.load(ask.clone());
    for event in settle(store) {
        match event {
            Event::Loaded(_, page) if page == expected => return Ok(true),
            // What lies before the damage: the next ask begins at it.
            Event::Loaded(_, page) if !page.ran_out && expected.rows.starts_with(&page.rows) => {
                return Ok(false);
            }
            // Messages named one by one: all but those that are damaged.
            Event::Loaded(_, page)
                if matches!(ask, Ask::Exists(_) | Ask::Body(_)) && !page.damage.is_empty() =>
            {
                let is_lost = |key| page.damage.iter().any(|one| one.from == key);
                let is_right = |one: &Found| page.rows.contains(one) != is_lost(one.key);
                let wrong = expected.rows.iter().find(|one| !is_right(one));
                return wrong.map_or(Ok(false), |one| Err(format!("{ask:?}: {one:?}")));
            }
            Event::Loaded(_, page) => return Err(format!("{ask:?}: {page:?} is not {expected:?}")),
            Event::Damaged(..) => return Ok(false),
            _ => {}
        }
    }
    Err(format!("{ask:?} was not answered"))
}

/// Reads a queue by pages that go on behind damage. Whether they met any; an error if a message that can be read is
/// missing, or one that cannot is not told of.
fn passes_over(
    store: &mut LogStore<TestDisk>,
    all: &[Found],
    mut from: MessageKey,
    to: MessageKey,
) -> Result<bool, String> {
    let (mut expected, mut damage) = (all.iter().peekable(), Vec::new());
    loop {
        store.load(Ask::Run { from, to, skip: Default::default(), limit: 7, past_damage: true });
        let mut events = settle(store).into_iter();
        let Some(Event::Loaded(_, page)) = events.find(|event| !matches!(event, Event::Durable(_))) else {
            return Err(format!("the page from {from:?} on did not come"));
        };
        damage.extend(page.damage);
        let is_lost = |key: MessageKey| damage.iter().any(|one: &Damage| one.from <= key && key <= one.to);
        for found in &page.rows {
            while let Some(missing) = expected.next_if(|message| message.key < found.key) {
                if !is_lost(missing.key) {
                    return Err(format!("{:?} is missing", missing.key));
                }
            }
            let right = expected.next().is_some_and(|message| message == found);
            if !(right || found.blob.is_none() && is_lost(found.key)) {
                return Err(format!("{found:?} is wrong"));
            }
            from = MessageKey { sequence: found.key.sequence + 1, ..found.key };
        }
        if page.ran_out {
            let missing = expected.find(|message| !is_lost(message.key));
            return missing.map_or(Ok(!damage.is_empty()), |one| Err(format!("{:?} is missing", one.key)));
        }
        if page.rows.is_empty() {
            return Err(format!("the page from {from:?} on leads nowhere"));
        }
    }
}

/// Whether `check` reports damage, in this file and in no other.
fn is_told(disk: &TestDisk, name: FileName) -> bool {
    match check(&mut disk.clone()) {
        Ok(checked) => !checked.findings.is_empty() && checked.findings.iter().all(|one| one.file == name),
        Err(error) => name == manifest::NAME && matches!(error, OpenError::Format(_)),
    }
}

#[test]
fn a_changed_byte_in_any_file_is_found_or_does_not_matter() {
    let (content, batches) = directory();
    let (content, model) = (content.borrow(), Model::of(&batches));
    assert_eq!(found(changed(&content, manifest::NAME, |_| ()), &model), Ok(false));
    // The journal has a test of its own.
    for (name, bytes) in content.files.iter().filter(|(name, _)| name.kind != FileKind::Journal) {
        let mut noticed = 0;
        for at in 0..bytes.len() {
            let bit = 1 << (at % 8);
            let disk = changed(&content, *name, |bytes| bytes[at] ^= bit);
            let is_told = is_told(&disk, *name);
            match found(disk, &model) {
                Ok(damaged) => {
                    assert!(is_told || !damaged, "a check does not tell of {name} at {at}");
                    noticed += usize::from(damaged);
                }
                Err(what) => panic!("{name} at {at}: {what}"),
            }
        }
        // The rest is padding, deleted messages, and the end of a segment, which only `repair` reads.
        assert!(noticed >= 40, "{name}: {noticed} of {}", bytes.len());
    }
}

/// The groups of the journal that a start reads: where they are and what their headers say.
fn journal_groups(content: &Content) -> Vec<(FileName, usize, Header)> {
    let manifest = Manifest::decode(&content.files[&manifest::NAME]).expect("it is sound");
    let (mut file, mut at) = (manifest.journal().file, manifest.journal().offset as usize);
    let mut groups = Vec::new();
    loop {
        let name = journal::file_name(file);
        let bytes = &content.files[&name][at..];
        let number = manifest.journal().group + groups.len() as u64;
        match Header::read(bytes, manifest.stamp).filter(|header| header.number == number) {
            Some(header) => groups.push((name, at, header)),
            None => return groups,
        }
        let header = &groups[groups.len() - 1].2;
        at += group::round_up((group::HEADER as u32 + header.length).into(), crate::disk::SECTOR) as usize;
        if header.kind == group::Kind::Switch {
            let next = bytes[group::HEADER..].first_chunk().expect("it names the next file");
            (file, at) = (u64::from_le_bytes(*next), 0);
        }
    }
}

/// The bytes of a group that say something: padding follows.
fn bytes_of((_, at, header): &(FileName, usize, Header)) -> std::ops::Range<usize> {
    *at..*at + group::HEADER + header.length as usize
}

/// A start reads this journal as if nothing had been changed.
fn is_read_whole(disk: TestDisk, batches: u64, model: &Model) -> bool {
    let opened = LogStore::open(disk, options(), Secret([1; 16])).expect("opens");
    opened.report.batches == batches && opened.rows.eq(model.small.rows())
}

/// What a later group shows to have been complete is refused when it is damaged. The last group is taken for a torn one,
/// and cut: of a sealed journal that is the seal, which says nothing itself.
#[test]
fn a_changed_byte_in_the_journal_is_refused_or_in_its_torn_tail() {
    for end in [LogStore::stop, |_: &mut _| ()] {
        let (content, batches) = directory_after(end);
        let content = content.borrow();
        let groups = journal_groups(&content);
        let (last, complete) = groups.split_last().expect("there are some");
        assert!(complete.iter().any(|group| group.0 != last.0), "more than one file is read");
        for group in complete {
            for at in bytes_of(group) {
                let disk = changed(&content, group.0, |bytes| bytes[at] ^= 1 << (at % 8));
                assert!(is_told(&disk, group.0), "a check does not tell of {} at {at}", group.0);
                let opened = LogStore::open(disk, options(), Secret([1; 16]));
                assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{} at {at}", group.0);
            }
        }
        let model = Model::of(&batches[..last.2.first as usize - 1]);
        for at in bytes_of(last) {
            let disk = || changed(&content, last.0, |bytes| bytes[at] ^= 1 << (at % 8));
            assert_eq!(found(disk(), &model), Ok(false), "{} at {at}", last.0);
            // A crash leaves such a tail: it is no damage.
            assert_eq!(check(&mut disk()).expect("is read").findings, [], "{} at {at}", last.0);
            let cut = LogStore::open(disk(), options(), Secret([1; 16])).expect("opens").report.cut;
            // Without its header it cannot be told from what the file held in a former life, and is not kept.
            assert!(cut.is_some() || at < last.1 + group::HEADER, "{} at {at}", last.0);
            assert!(cut.is_none_or(|cut| (cut.file, cut.offset) == (last.0, last.1 as u64)), "{cut:?}");
        }
    }
}

/// Padding, what was behind the journal's end in its files' former lives, and files that are yet to be used.
#[test]
fn a_changed_byte_between_and_behind_the_groups_of_the_journal_does_not_matter() {
    let (content, batches) = directory();
    let (content, model, groups) = (content.borrow(), Model::of(&batches), journal_groups(&content.borrow()));
    let read = groups.iter().map(|(_, _, header)| header.last + 1 - header.first).sum();
    for (name, bytes) in content.files.iter().filter(|(name, _)| name.kind == FileKind::Journal) {
        let of_groups: Vec<_> = groups.iter().filter(|group| group.0 == *name).map(bytes_of).collect();
        for at in (0..bytes.len()).filter(|at| !of_groups.iter().any(|group| group.contains(at))) {
            let disk = changed(&content, *name, |bytes| bytes[at] ^= 1 << (at % 8));
            assert_eq!(check(&mut disk.clone()).expect("is read").findings, [], "{name} at {at}");
            assert!(is_read_whole(disk, read, &model), "{name} at {at}");
        }
    }
}

#[test]
fn a_file_cut_short_or_lost_is_refused() {
    let (content, batches) = directory();
    let (content, model, groups) = (content.borrow(), Model::of(&batches), journal_groups(&content.borrow()));
    let read = groups.iter().map(|(_, _, header)| header.last + 1 - header.first).sum();
    for (name, bytes) in &content.files {
        // A journal file that is yet to be used is no loss.
        let is_needed = name.kind != FileKind::Journal || groups.iter().any(|group| group.0 == *name);
        for at in 0..bytes.len() {
            let disk = changed(&content, *name, |bytes| bytes.truncate(at));
            assert_eq!(is_told(&disk, *name), is_needed, "a check of {name} cut at {at}");
            if is_needed {
                assert_eq!(found(disk, &model), Ok(true), "{name} cut at {at}");
            } else {
                assert!(is_read_whole(disk, read, &model), "{name} cut at {at}");
            }
        }
        let disk = TestDisk::new();
        disk.content.borrow_mut().files = content.files.clone();
        disk.content.borrow_mut().files.remove(name);
        let checked = check(&mut disk.clone()).expect("is read");
        assert_eq!(checked.findings.is_empty(), !is_needed, "a check without {name}");
        assert_eq!(found(disk, &model), Ok(is_needed), "{name} lost");
    }
}

/// What lies behind a file's end is no part of it, but did not come there by itself: it is refused, told of and cut off.
#[test]
fn a_file_that_goes_on_behind_its_end_is_refused_found_and_repaired() {
    let (content, _) = directory();
    let content = content.borrow();
    let kinds = [FileKind::Segment, FileKind::Bitmap, FileKind::Checkpoint];
    assert!(kinds.iter().all(|kind| content.files.keys().any(|name| name.kind == *kind)));
    for (name, bytes) in content.files.iter().filter(|(name, _)| kinds.contains(&name.kind)) {
        for more in [1, 512, 70_000] {
            let disk = changed(&content, *name, |bytes| bytes.resize(bytes.len() + more, 7));
            let longer = disk.content.borrow().files[name].clone();
            let again = || TestDisk::over(disk.content.clone());
            assert!(LogStore::open(again(), options(), Secret([1; 16])).is_err());
            let checked = check(&mut again()).unwrap();
            let places: Vec<_> = checked.findings.iter().map(|one| (one.file, one.offset)).collect();
            assert_eq!(places, [(*name, bytes.len() as u64)], "{:?}", checked.findings);
            let repaired = repair(again(), options(), || ()).unwrap();
            assert_eq!((&repaired.hopeless, repaired.lost.len(), repaired.aside.len()), (&None, 0, 1));
            assert_eq!(repaired.returned, 0);
            assert_eq!(check(&mut again()).unwrap().findings, []);
            let files = &disk.content.borrow().files;
            assert!(files[name] == *bytes && files[&repaired.aside[0]] == longer, "{name} and {more} bytes");
        }
    }
}

/// A file of deletions that is damaged and goes on behind its end is kept as a whole.
#[test]
fn all_of_a_damaged_file_of_deletions_is_kept() {
    let (content, _) = directory();
    let content = content.borrow();
    let is_bitmap = |name: &&FileName| name.kind == FileKind::Bitmap;
    let name = *content.files.keys().find(is_bitmap).expect("there is one");
    let disk = changed(&content, name, |bytes| {
        bytes[33] ^= 1;
        bytes.resize(bytes.len() + 700, 7);
    });
    let damaged = disk.content.borrow().files[&name].clone();
    let repaired = repair(TestDisk::over(disk.content.clone()), options(), || ()).unwrap();
    assert!(repaired.returned > 0 && repaired.aside.len() == 1, "{repaired:?}");
    assert!(disk.content.borrow().files[&repaired.aside[0]] == damaged);
    assert_eq!(check(&mut TestDisk::over(disk.content.clone())).unwrap().findings, []);
}

/// What a cut takes lies in damaged bytes: the cut is kept, but is no reason to flush again and again.
#[test]
fn a_cut_that_damage_keeps_from_its_messages_is_not_tried_without_end() {
    let mut store = LogStore::open(TestDisk::new(), tiny(), Secret([1; 16])).expect("opens").store;
    for sequence in 0..60 {
        store.append(send(sequence));
        settle(&mut store);
    }
    let content = store.disk.content.clone();
    assert!(!store.segments.is_empty());
    for (_, bytes) in content.borrow_mut().files.iter_mut().filter(|(name, _)| name.kind == FileKind::Segment)
    {
        bytes.fill(0);
    }
    // One message is on its way to another queue and stays.
    let leaving = Some(Leaving { target: QueueId(6), renewed: false });
    let touched = Row::Touched(key(1), Touched { leaving, ..Touched::default() });
    let cut = Cut { queue: QUEUE, arrived_below: Some(60), delayed_below: None };
    let before = content.borrow().done;
    content.borrow_mut().stop_after = Some(before + 500);
    store.append(Batch { now: 2_000, records: vec![Record::Put(touched), Record::Cut(cut)] });
    settle(&mut store);
    assert!(content.borrow().done < before + 100, "{} operations", content.borrow().done - before);
    assert!(store.state.active.hides(&key(2)) && !store.state.active.hides(&key(1)));
}

/// Segments whose keys lie between each other's: one that cannot be searched takes no message of another along.
#[test]
fn a_damaged_index_hides_only_the_messages_of_its_own_segment() {
    let options = Options { table: 6 << 10, ..small() };
    let mut store = LogStore::open(TestDisk::new(), options, Secret([1; 16])).expect("opens").store;
    for sequence in (0..60).step_by(2).chain((1..60).step_by(2)) {
        store.append(send(sequence));
        settle(&mut store);
    }
    let content = store.disk.content.clone();
    let segments: Vec<_> = store.segments.iter().map(|segment| segment.meta.clone()).collect();
    assert!(segments.windows(2).any(|two| two[1].first < two[0].last), "{segments:?}");
    for meta in segments {
        let file = super::segment::file_name(meta.number);
        let damage = |bytes: &mut Vec<u8>| bytes[meta.index.offset as usize] ^= 1;
        let disk = changed(&content.borrow(), file, damage);
        let mut store = LogStore::open(disk, options, Secret([1; 16])).expect("opens").store;
        let keys: Vec<MessageKey> = (0..60).map(key).collect();
        for ask in [Ask::Exists(keys.clone()), Ask::Body(keys)] {
            store.load(ask);
            let pages = settle(&mut store).into_iter().filter_map(|event| match event {
                Event::Loaded(_, page) => Some(page),
                _ => None,
            });
            let page = pages.last().expect("it is answered");
            assert_eq!((page.rows.len() as u64, page.damage.len() as u64), (60 - meta.count, meta.count));
        }
    }
}

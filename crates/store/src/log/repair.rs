//! Making a damaged directory usable, for `sluice store repair`. What cannot be read is given up, and every
//! bit of that is reported; the damaged files are kept aside as `cut` files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::ids::Secret;
use engine::rows::Head;
use engine::{Ask, Batch, Lsn, MessageKey, QueueId, Record, Row, RowKey};

use crate::disk::{Disk, FileKind, FileName, Op};
use crate::rows::{first_of, last_of};
use crate::{Event, Store};

use super::check::{Checked, Lost, Walk, check, is_row_file};
use super::group::Header;
use super::manifest::Manifest;
use super::open::{self, Files, OpenError, Report};
use super::replay::JournalReader;
use super::segment::{self, Builder, Segment};
use super::state::State;
use super::{LogStore, Options, bitmap, journal, write_manifest};

/// Cut files of repairs are numbered from here on; those of torn tails by generation.
const ASIDE: u64 = 1 << 48;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What was wrong.
    pub checked: Checked,
    /// Messages given up.
    pub lost: Vec<Lost>,
    /// Deleted messages that are there again, because the file with their deletion is damaged.
    pub returned: u64,
    /// Batches of the journal given up: from the first one, if any.
    pub lost_from: Option<Lsn>,
    /// Groups behind the damage that were sound, and are given up as well: their order cannot be kept.
    pub lost_groups: u64,
    /// Files kept aside.
    pub aside: Vec<FileName>,
    /// Queues whose count of messages was set right.
    pub recounted: u64,
    /// Receive counts and the like of messages that are gone.
    pub dropped_rows: u64,
    /// Why nothing was done, if nothing could be: the small rows or the manifest are damaged.
    pub hopeless: Option<String>,
}

/// Repairs a directory that no store has open.
pub fn repair<D: Disk>(
    mut disk: D,
    options: Options,
    mut pause: impl FnMut(),
) -> Result<Repaired, OpenError> {
    let mut repaired = Repaired { checked: check(&mut disk)?, ..Repaired::default() };
    if repaired.checked.findings.is_empty() {
        return Ok(repaired);
    }
    let mut files = Files::new(&mut disk);
    let listed = files.list()?;
    let Ok(Some(mut manifest)) = open::read_manifest(&mut files, &listed) else {
        repaired.hopeless = Some("the manifest is damaged: nothing says what the files mean".into());
        return Ok(repaired);
    };
    let mut findings = repaired.checked.findings.iter();
    if let Some(finding) = findings.find(|finding| is_row_file(&manifest, &finding.file)) {
        repaired.hopeless = Some(format!("the small rows are damaged ({finding}): queues would be lost"));
        return Ok(repaired);
    }
    manifest.generation += 1;
    repair_segments(&mut files, &mut manifest, &mut repaired)?;
    repair_journal(&mut files, &mut manifest, &listed, &mut repaired)?;
    write_manifest(&mut files, &manifest)?;
    let opened = LogStore::open(disk, options, Secret(manifest.secret))?;
    let (mut store, rows) = (opened.store, opened.rows);
    recount(&mut store, rows, &mut repaired, &mut pause);
    Ok(repaired)
}

fn set_aside<D: Disk>(
    files: &mut Files<'_, D>,
    from: FileName,
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    // Files of several kinds share numbers: each kind has a range of its own.
    let range = match from.kind {
        FileKind::Segment => 1,
        FileKind::Bitmap => 2,
        _ => 3,
    };
    let to = FileName { kind: FileKind::Cut, number: ASIDE * range + from.number };
    match files.run(from, Op::Rename { from, to }) {
        Err(OpenError::Disk(_, crate::disk::Failure::NotFound)) => return Ok(()),
        result => result?,
    };
    repaired.aside.push(to);
    Ok(())
}

/// Segments with damage are written anew without what cannot be read.
fn repair_segments<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &mut Manifest,
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    let bad: BTreeSet<FileName> = repaired.checked.findings.iter().map(|finding| finding.file).collect();
    let mut segments = Vec::new();
    for mut meta in std::mem::take(&mut manifest.segments) {
        if let Some(reference) = meta.bitmap
            && bad.contains(&bitmap::file_name(reference.number))
        {
            repaired.returned += reference.ones;
            meta.bitmap = None;
            set_aside(files, bitmap::file_name(reference.number), repaired)?;
        }
        if !bad.contains(&segment::file_name(meta.number)) {
            segments.push(meta);
            continue;
        }
        let only = Manifest { segments: vec![meta.clone()], ..manifest.clone() };
        let old: Arc<Segment> = open::read_segments(files, &only)?.remove(0);
        let bytes = files.read(*old.file, meta.length).unwrap_or_default();
        let mut builder = Builder::new(manifest.next_file, files.block());
        let mut walk = Walk::new(&meta, &bytes);
        walk.run(|ordinal, entry, blob| {
            if !old.is_deleted(ordinal) {
                builder.add(entry.key, &entry.row, blob);
            }
        });
        repaired.lost.append(&mut walk.lost);
        if builder.count() > 0 {
            manifest.next_file += 1;
            segments.push(write_segment(files, builder, meta.lsns)?);
        }
        set_aside(files, *old.file, repaired)?;
    }
    manifest.segments = segments;
    Ok(())
}

fn write_segment<D: Disk>(
    files: &mut Files<'_, D>,
    mut builder: Builder,
    lsns: (Lsn, Lsn),
) -> Result<segment::Meta, OpenError> {
    let (offset, data) = builder.take();
    let finished = builder.finish(lsns);
    let file = segment::file_name(finished.meta.number);
    files.run(file, Op::Write { file, offset, data, sync: true })?;
    let (offset, data) = (finished.offset, finished.rest);
    files.run(file, Op::Write { file, offset, data, sync: true })?;
    Ok(finished.meta)
}

/// The journal ends where it is damaged.
fn repair_journal<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &mut Manifest,
    listed: &[(FileName, u64)],
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    if repaired.checked.findings.iter().all(|finding| finding.file.kind != FileKind::Journal) {
        return Ok(());
    }
    let (mut state, mut report) = (State::new(manifest), Report::default());
    let at = match JournalReader::open(files, manifest, listed) {
        Ok(mut reader) => {
            // Where it fails is where the journal is to end.
            let _ = reader.read_groups(&mut state, &mut report);
            reader.position()
        }
        Err(_) => manifest.journal(),
    };
    let (file, offset) = (journal::file_name(at.file), at.offset);
    repaired.lost_from = Some(state.last + 1);
    manifest.needs = manifest.needs.min(state.last);
    let later = |name: &FileName| name.kind == FileKind::Journal && name.number >= file.number;
    let mut kept = Vec::new();
    for (name, size) in listed.iter().filter(|(name, _)| later(name)) {
        let bytes = files.read(*name, *size)?;
        let from = if *name == file { offset as usize } else { 0 };
        let blocks = bytes.chunks(files.block()).skip(from / files.block());
        let groups = blocks.filter_map(|block| Header::read(block, manifest.stamp));
        let groups = groups.filter(|header| header.file == name.number);
        repaired.lost_groups += groups.count() as u64;
        if *name == file {
            kept = bytes[..from.min(bytes.len())].to_vec();
        }
        set_aside(files, *name, repaired)?;
    }
    // The sound part stays; the rest of the file is empty.
    kept.resize(at.size as usize, 0);
    files.run(file, Op::Replace { file, data: kept })?;
    Ok(())
}

/// Sets the queues' counts right and drops what is said of messages that are gone.
fn recount<D: Disk>(
    store: &mut LogStore<D>,
    rows: impl Iterator<Item = Row>,
    repaired: &mut Repaired,
    pause: &mut impl FnMut(),
) {
    let mut heads: BTreeMap<QueueId, Head> = BTreeMap::new();
    let mut touched: BTreeMap<QueueId, BTreeSet<MessageKey>> = BTreeMap::new();
    for row in rows {
        match row {
            Row::Head(queue, head) => drop(heads.insert(queue, head)),
            Row::Touched(key, _) => drop(touched.entry(key.queue).or_default().insert(key)),
            _ => {}
        }
    }
    let mut records = Vec::new();
    for (queue, head) in heads {
        let touched = touched.entry(queue).or_default();
        let Some((live, highest)) = count(store, queue, touched, pause) else { continue };
        for key in std::mem::take(touched) {
            repaired.dropped_rows += 1;
            records.push(Record::Delete(RowKey::Message(key)));
        }
        let right = Head { live, next_sequence: head.next_sequence.max(highest), ..head };
        repaired.recounted += u64::from(right != head);
        // With rows missing it may not hold any more: a start then reads from the beginning.
        let right = Head { free_from: 0, ..right };
        if right != head {
            records.push(Record::Put(Row::Head(queue, right)));
        }
    }
    if !records.is_empty() {
        store.append(Batch { now: store.state.now, records });
    }
    store.stop();
    while !store.is_quiet() && !store.failed {
        if store.poll().is_none() {
            pause();
        }
    }
}

/// Counts a queue's messages, and takes them out of `touched`. Also the number behind the highest sequence.
fn count<D: Disk>(
    store: &mut LogStore<D>,
    queue: QueueId,
    touched: &mut BTreeSet<MessageKey>,
    pause: &mut impl FnMut(),
) -> Option<(u64, u64)> {
    let (mut from, mut live, mut highest) = (first_of(queue), 0, 0);
    loop {
        let token = store.load(Ask::Run {
            from,
            to: last_of(queue),
            skip: Default::default(),
            limit: 1_000,
            past_damage: false,
        });
        let page = loop {
            match store.poll() {
                Some(Event::Loaded(found, page)) if found == token => break page,
                Some(Event::Damaged(..) | Event::Stopped(_)) => return None,
                Some(_) => {}
                None => pause(),
            }
        };
        for found in &page.rows {
            live += 1;
            highest = highest.max(found.key.sequence + 1);
            touched.remove(&found.key);
        }
        match page.rows.last() {
            Some(last) if !page.ran_out => {
                from = MessageKey { sequence: last.key.sequence + 1, ..last.key };
            }
            _ => return Some((live, highest)),
        }
    }
}

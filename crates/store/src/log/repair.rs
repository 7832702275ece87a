//! Making a damaged directory usable, for `sluice store repair`. What cannot be read is given up, and every
//! bit of that is reported; the damaged files are kept aside as `cut` files.

use std::collections::{BTreeMap, BTreeSet};

use engine::ids::Secret;
use engine::rows::Head;
use engine::{Ask, Batch, Lsn, MessageKey, QueueId, Record, Row, RowKey};

use crate::disk::{Disk, FileKind, FileName, Op};
use crate::rows::{first_of, last_of};
use crate::{Event, Store};

use super::check::{Checked, Ignored, Lost, Walk, check};
use super::group::Header;
use super::journal::Position;
use super::manifest::Manifest;
use super::open::{self, Files, OpenError, Report};
use super::replay::JournalReader;
use super::segment::{self, Builder, Meta};
use super::{LogStore, Options, bitmap, journal, write_manifest};

/// Cut files of repairs are numbered from here on; those of torn tails by generation.
const ASIDE: u64 = 1 << 48;
/// So much further is the name of a journal file whose number was set aside before.
const TURN: u64 = 1 << 40;

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

/// Repairs a directory that no store has open. It may be interrupted anywhere, and is then repeated:
///
/// 1. The directory is read. A read that fails, here or later, ends the repair: it may succeed another day.
/// 2. Damaged segments and files of deletions are copied to cut files, and what is left of the segments is written to
///    new ones, which nothing names yet. A sound file that goes on behind its end is copied too, and replaced at once by
///    one that does not.
/// 3. The manifest names the new files. It also wants one more batch of the journal than there is: until that is
///    durable the directory counts as damaged, and is not opened.
/// 4. The journal is cut where it is damaged.
/// 5. That batch, with the queues' right counts, is added.
pub fn repair<D: Disk>(
    mut disk: D,
    options: Options,
    mut pause: impl FnMut(),
) -> Result<Repaired, OpenError> {
    let mut repaired = Repaired { checked: check(&mut disk)?, ..Repaired::default() };
    if let Some(error) = repaired.checked.unreadable.take() {
        return Err(error);
    }
    if repaired.checked.findings.is_empty() {
        return Ok(repaired);
    }
    let mut files = Files::new(&mut disk);
    let listed = files.list()?;
    let mut manifest = match open::read_manifest(&mut files, &listed) {
        Ok(Some(manifest)) => manifest,
        Err(error) if !error.is_damage() => return Err(error),
        _ => {
            repaired.hopeless = Some("the manifest is damaged: nothing says what the files mean".into());
            return Ok(repaired);
        }
    };
    if let Some(damage) = find_damaged_rows(&mut files, &manifest)? {
        repaired.hopeless = Some(format!("the small rows are damaged ({damage}): queues would be lost"));
        return Ok(repaired);
    }
    let (end, is_sound) = find_journal_end(&mut files, &manifest, &listed)?;
    let cut = if is_sound { None } else { Some(JournalCut::plan(&mut files, &manifest, end, &listed)?) };
    shorten_row_files(&mut files, &manifest, &listed, &mut repaired)?;
    repair_segments(&mut files, &mut manifest, &listed, &mut repaired)?;
    manifest.needs = end.lsn;
    write_manifest(&mut files, &manifest)?;
    if let Some(cut) = cut {
        cut.carry_out(&mut files, &listed, &mut repaired)?;
    }
    let opened = LogStore::open_any(disk, options, Secret(manifest.secret), true)?;
    let mut store = opened.store;
    recount(&mut store, opened.rows, &mut repaired, &mut pause)?;
    Ok(repaired)
}

/// What a file is kept as.
fn aside_of(file: FileName) -> FileName {
    // Files of several kinds share numbers: each kind has a range of its own.
    let range = match file.kind {
        FileKind::Segment => 1,
        FileKind::Bitmap => 2,
        FileKind::Checkpoint => 4,
        _ => 3,
    };
    FileName { kind: FileKind::Cut, number: ASIDE * range + file.number }
}

/// Keeps what a file has, if anything, under another name as well.
fn keep_copy<D: Disk>(
    files: &mut Files<'_, D>,
    to: FileName,
    data: Vec<u8>,
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    if !data.is_empty() {
        files.run(to, Op::Replace { file: to, data })?;
        repaired.aside.push(to);
    }
    Ok(())
}

/// What a file has; nothing if it is not there.
fn read_if_there<D: Disk>(
    files: &mut Files<'_, D>,
    file: FileName,
    length: u64,
) -> Result<Vec<u8>, OpenError> {
    match files.read(file, length) {
        Err(error) if error.is_damage() => Ok(Vec::new()),
        read => read,
    }
}

/// What is wrong with the small rows or the deduplication ids, if anything is.
fn find_damaged_rows<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &Manifest,
) -> Result<Option<OpenError>, OpenError> {
    for file in manifest.row_files() {
        match open::read_rows(files, file, &mut Report::default(), |_| ()) {
            Err(error) if error.is_damage() => return Ok(Some(error)),
            read => read?,
        }
    }
    Ok(None)
}

/// Row files, which are sound, end where they should.
fn shorten_row_files<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &Manifest,
    listed: &[(FileName, u64)],
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    for (file, length) in manifest.files().into_iter().filter(|(file, _)| file.kind == FileKind::Checkpoint) {
        let found = open::length_of(file, listed);
        if found > length {
            let bytes = files.read(file, found)?;
            shorten(files, file, bytes, length, repaired)?;
        }
    }
    Ok(())
}

/// Replaces a file by what it has up to `length`, once all of it is kept elsewhere.
fn shorten<D: Disk>(
    files: &mut Files<'_, D>,
    file: FileName,
    mut bytes: Vec<u8>,
    length: u64,
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    keep_copy(files, aside_of(file), bytes.clone(), repaired)?;
    bytes.truncate(length as usize);
    files.run(file, Op::Replace { file, data: bytes }).map(drop)
}

/// Puts what can be read of damaged segments into the manifest in their place.
fn repair_segments<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &mut Manifest,
    listed: &[(FileName, u64)],
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    let bad: BTreeSet<FileName> = repaired.checked.findings.iter().map(|finding| finding.file).collect();
    for mut meta in std::mem::take(&mut manifest.segments) {
        let deletions = meta.bitmap.map(|reference| bitmap::file_name(reference.number));
        if let Some(file) = deletions.filter(|file| bad.contains(file)) {
            repair_bitmap(files, &mut meta, open::length_of(file, listed), repaired)?;
        }
        if bad.contains(&segment::file_name(meta.number)) {
            let found = open::length_of(segment::file_name(meta.number), listed);
            manifest.segments.extend(rewrite(files, meta, found, manifest.next_file, repaired)?);
            manifest.next_file += 1;
        } else {
            manifest.segments.push(meta);
        }
    }
    Ok(())
}

/// The file that says which of a segment's messages are deleted, and has `found` bytes. Without it they are there again.
fn repair_bitmap<D: Disk>(
    files: &mut Files<'_, D>,
    meta: &mut Meta,
    found: u64,
    repaired: &mut Repaired,
) -> Result<(), OpenError> {
    let Some(reference) = meta.bitmap else { return Ok(()) };
    let (file, length) = (bitmap::file_name(reference.number), bitmap::length(meta.count));
    match open::read_segment(files, meta) {
        Ok(_) if found > length => {
            let bytes = files.read(file, found)?;
            return shorten(files, file, bytes, length, repaired);
        }
        Err(error) if error.is_damage() => {}
        read => return read.map(drop),
    }
    meta.bitmap = None;
    let bytes = read_if_there(files, file, found)?;
    repaired.returned += reference.ones;
    keep_copy(files, aside_of(file), bytes, repaired)
}

/// A segment, whose file has `found` bytes, without what cannot be read, in another file; none if nothing is left.
fn rewrite<D: Disk>(
    files: &mut Files<'_, D>,
    meta: Meta,
    found: u64,
    number: u64,
    repaired: &mut Repaired,
) -> Result<Option<Meta>, OpenError> {
    let old = open::read_segment(files, &meta)?;
    let bytes = read_if_there(files, *old.file, found)?;
    let mut builder = Builder::new(number, files.block());
    let length = bytes.len().min(meta.length as usize);
    let mut walk = Walk::new(&meta, &bytes[..length]);
    walk.run(|ordinal, entry, blob| {
        if !old.is_deleted(ordinal) {
            builder.add(entry.key, &entry.row, blob);
        }
    });
    if walk.findings.is_empty() {
        // It may also have been read wrong only once.
        if bytes.len() > length {
            shorten(files, *old.file, bytes, meta.length, repaired)?;
        }
        return Ok(Some(meta));
    }
    repaired.lost.append(&mut walk.lost);
    keep_copy(files, aside_of(*old.file), bytes, repaired)?;
    if builder.count() == 0 {
        return Ok(None);
    }
    let finished = builder.finish(meta.lsns);
    let file = segment::file_name(number);
    files.run(file, Op::Replace { file, data: finished.rest })?;
    Ok(Some(finished.meta))
}

/// Where the journal's sound part ends, and whether it may end there.
fn find_journal_end<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &Manifest,
    listed: &[(FileName, u64)],
) -> Result<(Position, bool), OpenError> {
    let mut end = manifest.journal();
    let read = JournalReader::open(files, manifest, listed).and_then(|mut reader| {
        let read = reader.read_groups(&mut Ignored, &mut Report::default());
        end = reader.position();
        read
    });
    match read {
        Ok(()) => Ok((end, end.lsn > manifest.needs)),
        Err(error) if error.is_damage() => Ok((end, false)),
        Err(error) => Err(error),
    }
}

/// Where a damaged journal is cut, and what it loses by that.
struct JournalCut {
    end: Position,
    /// What the file has in which it is to end.
    content: Vec<u8>,
    /// Files behind that one.
    later: Vec<FileName>,
    /// Sound groups behind the damage.
    groups: u64,
}

impl JournalCut {
    /// Reads what is given up, and changes nothing.
    fn plan<D: Disk>(
        files: &mut Files<'_, D>,
        manifest: &Manifest,
        end: Position,
        listed: &[(FileName, u64)],
    ) -> Result<JournalCut, OpenError> {
        let mut cut = JournalCut { end, content: Vec::new(), later: Vec::new(), groups: 0 };
        let is_behind = |name: &FileName| name.kind == FileKind::Journal && name.number >= end.file;
        for (name, size) in listed.iter().filter(|(name, _)| is_behind(name)) {
            let bytes = files.read(*name, *size)?;
            let from = if name.number == end.file { end.offset as usize } else { 0 };
            let blocks = bytes.chunks(files.block()).skip(from / files.block());
            let groups = blocks.filter_map(|block| Header::read(block, manifest.stamp));
            cut.groups += groups.filter(|header| header.file == name.number).count() as u64;
            if name.number == end.file {
                cut.content = bytes;
            } else {
                cut.later.push(*name);
            }
        }
        Ok(cut)
    }

    /// The sound part stays where it is; the rest of its file becomes empty, once it is kept elsewhere.
    fn carry_out<D: Disk>(
        self,
        files: &mut Files<'_, D>,
        listed: &[(FileName, u64)],
        repaired: &mut Repaired,
    ) -> Result<(), OpenError> {
        repaired.lost_from = Some(self.end.lsn);
        repaired.lost_groups = self.groups;
        // The numbers behind the end are used again, and may be cut again: no name is taken twice.
        let aside_of = |file| {
            let name = |turn| FileName { number: aside_of(file).number + turn * TURN, ..aside_of(file) };
            let is_free = |name: &FileName| listed.iter().all(|(there, _)| there != name);
            (0..).map(name).find(is_free).expect("one is free")
        };
        let file = journal::file_name(self.end.file);
        let mut kept = self.content.clone();
        kept.truncate(self.end.offset as usize);
        kept.resize(self.end.size as usize, 0);
        if kept != self.content {
            keep_copy(files, aside_of(file), self.content, repaired)?;
            files.run(file, Op::Replace { file, data: kept })?;
        }
        for from in self.later {
            let to = aside_of(from);
            files.run(from, Op::Rename { from, to })?;
            repaired.aside.push(to);
        }
        Ok(())
    }
}

/// Sets the queues' counts right and drops what is said of messages that are gone: in one batch, the one that the
/// manifest waits for.
fn recount<D: Disk>(
    store: &mut LogStore<D>,
    rows: impl Iterator<Item = Row>,
    repaired: &mut Repaired,
    pause: &mut impl FnMut(),
) -> Result<(), OpenError> {
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
        let (live, highest) = count(store, queue, touched, pause)?;
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
    // Also if there is nothing to set right.
    let lsn = store.append(Batch { now: store.state.now, records });
    assert!(lsn >= store.manifest.needs, "batch {lsn} is not what the manifest waits for");
    store.stop();
    while !store.is_quiet() {
        match store.poll() {
            Some(Event::Stopped(why)) => return Err(OpenError::Unrepaired(why)),
            Some(_) => {}
            None if store.lacks_journal_space() => {
                return Err(OpenError::Unrepaired("no space left for another journal file".into()));
            }
            None => pause(),
        }
    }
    Ok(())
}

/// Counts a queue's messages, and takes them out of `touched`. Also the number behind the highest sequence.
fn count<D: Disk>(
    store: &mut LogStore<D>,
    queue: QueueId,
    touched: &mut BTreeSet<MessageKey>,
    pause: &mut impl FnMut(),
) -> Result<(u64, u64), OpenError> {
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
                Some(Event::Damaged(_, why) | Event::Stopped(why)) => return Err(OpenError::Unrepaired(why)),
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
            _ => return Ok((live, highest)),
        }
    }
}

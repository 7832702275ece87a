//! Opening a data directory: manifest, then the journal from where it begins, to its tail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engine::ids::Secret;
use engine::{Lsn, Millis};

use crate::codec::{Logged, Malformed, Reader, checksum};
use crate::disk::{Disk, Failure, FileKind, FileName, Op, Output};

use super::bitmap;
use super::group::{HEADER, Header, Kind, round_up};
use super::journal::{File, Position, Resume, file_name};
use super::manifest::{self, Manifest, Unreadable};
use super::rowfile::{self, RowFile};
use super::segment::Segment;

/// Bytes of one read while opening.
const READ: usize = 4 << 20;

/// Why a data directory was not opened. Nothing in it was changed, unless the disk failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It has another format.
    Format(u32),
    /// There are files, but no manifest that says what they mean.
    NoManifest(FileName),
    /// A file that the manifest names is not there.
    Missing(FileName),
    /// Something that was complete is damaged.
    Damaged {
        /// Where.
        file: FileName,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The disk failed.
    Disk(FileName, Failure),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Format(found) => write!(
                f,
                "the data directory has format {found}; this version reads and writes format {} only",
                manifest::FORMAT
            ),
            OpenError::NoManifest(file) => write!(f, "the data directory holds {file} but no manifest"),
            OpenError::Missing(file) => write!(f, "{file} is missing"),
            OpenError::Damaged { file, offset, what } => {
                write!(f, "{file} is damaged at byte {offset}: {what}")
            }
            OpenError::Disk(file, Failure::NotFound) => write!(f, "{file} is missing"),
            OpenError::Disk(file, Failure::Full) => write!(f, "no space left for {file}"),
            OpenError::Disk(file, Failure::Broken(text)) => write!(f, "{file}: {text}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// A torn group at the journal's end, kept aside. It was never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutTail {
    /// The journal file it was in.
    pub file: FileName,
    /// Where.
    pub offset: u64,
    /// Bytes set aside.
    pub bytes: u64,
    /// Where they are now.
    pub kept_as: FileName,
}

/// What an open found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the directory was new.
    pub created: bool,
    /// How often it was opened, this time included.
    pub generation: u64,
    /// Batches read from the journal.
    pub batches: u64,
    /// Records read from the journal.
    pub records: u64,
    /// Bytes of journal read as groups.
    pub journal_bytes: u64,
    /// Records read from row files: the checkpoint and the deduplication ids.
    pub checkpoint_records: u64,
    /// Segments there are.
    pub segments: u64,
    /// Files that nothing named, removed: left by a crash between two steps.
    pub removed: Vec<FileName>,
    /// What was cut from the journal's end.
    pub cut: Option<CutTail>,
}

/// A blocking door to the disk while opening.
pub(super) struct Files<'a, D> {
    disk: &'a mut D,
}

impl<'a, D: Disk> Files<'a, D> {
    pub fn new(disk: &'a mut D) -> Files<'a, D> {
        Files { disk }
    }

    pub fn run(&mut self, file: FileName, op: Op) -> Result<Output, OpenError> {
        let ticket = self.disk.submit(op);
        loop {
            let done = self.disk.wait();
            if done.ticket == ticket {
                return done.result.map_err(|failure| OpenError::Disk(file, failure));
            }
        }
    }

    pub fn list(&mut self) -> Result<Vec<(FileName, u64)>, OpenError> {
        match self.run(manifest::NAME, Op::List)? {
            Output::Files(files) => Ok(files),
            _ => Ok(Vec::new()),
        }
    }

    /// The first `length` bytes of a file, or all there are.
    pub fn read(&mut self, file: FileName, length: u64) -> Result<Vec<u8>, OpenError> {
        let block = self.disk.block();
        let mut bytes = Vec::with_capacity(length as usize);
        while (bytes.len() as u64) < length {
            let offset = bytes.len() as u64;
            let want = round_up((length - offset).min(READ as u64), block) as usize;
            let Output::Bytes(got) = self.run(file, Op::Read { file, offset, length: want })? else { break };
            let end = got.len() < want;
            bytes.extend_from_slice(&got);
            if end {
                break;
            }
        }
        bytes.truncate(length as usize);
        Ok(bytes)
    }

    pub fn block(&self) -> usize {
        self.disk.block()
    }
}

/// The manifest, if the directory has one. Files without a manifest are refused: what they hold may be all
/// that is left of a directory.
pub(super) fn read_manifest<D: Disk>(
    files: &mut Files<'_, D>,
    listed: &[(FileName, u64)],
) -> Result<Option<Manifest>, OpenError> {
    let Some((name, size)) = listed.iter().find(|(name, _)| *name == manifest::NAME) else {
        // A first open that a crash cut short leaves one empty journal file.
        for (name, size) in listed {
            let is_empty = *name == file_name(1) && files.read(*name, *size)?.iter().all(|byte| *byte == 0);
            if !is_empty {
                return Err(OpenError::NoManifest(*name));
            }
        }
        return Ok(None);
    };
    let bytes = files.read(*name, *size)?;
    Manifest::decode(&bytes).map(Some).map_err(|unreadable| match unreadable {
        Unreadable::Format(found) => OpenError::Format(found),
        Unreadable::Damaged(what) => OpenError::Damaged { file: *name, offset: 0, what: what.into() },
    })
}

/// Makes a new directory: a first journal file, then the manifest.
pub(super) fn create<D: Disk>(
    files: &mut Files<'_, D>,
    secret: Secret,
    first_file: u64,
) -> Result<Manifest, OpenError> {
    let file = file_name(1);
    files.run(file, Op::Create { file, size: first_file })?;
    // Any value serves, so long as no client can know it: a keyed hash of the fresh secret under a
    // purpose of its own.
    let stamp = secret.hash(engine::ids::Purpose::Task, &[b"journal stamp"]) as u64;
    let start = Position { file: 1, size: first_file, offset: 0, group: 1, lsn: 1 };
    Ok(Manifest {
        secret: secret.0,
        stamp,
        generation: 0,
        now: 0,
        small: start,
        messages: start,
        flushed: 0,
        needs: 0,
        next_file: 1,
        checkpoint: None,
        dedup: Vec::new(),
        segments: Vec::new(),
        unresolved: Vec::new(),
    })
}

/// Checks that every file is there which the manifest names.
pub(super) fn require_named(manifest: &Manifest, listed: &[(FileName, u64)]) -> Result<(), OpenError> {
    let there: BTreeMap<FileName, u64> = listed.iter().copied().collect();
    for (name, length) in manifest.files() {
        let found = *there.get(&name).ok_or(OpenError::Missing(name))?;
        if let Some(length) = length.filter(|length| *length != found) {
            let what = format!("it has {found} bytes instead of {length}");
            return Err(OpenError::Damaged { file: name, offset: found.min(length), what });
        }
    }
    Ok(())
}

/// Removes the files that the manifest does not name. Before this the manifest must be durable: the one that was read
/// may have been in a cache only, and an older one behind it may name these files.
pub(super) fn remove_unnamed<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &Manifest,
    listed: &[(FileName, u64)],
    report: &mut Report,
) -> Result<(), OpenError> {
    let named: BTreeSet<FileName> = manifest.files().into_iter().map(|(name, _)| name).collect();
    for (name, _) in listed {
        let is_data = matches!(name.kind, FileKind::Checkpoint | FileKind::Segment | FileKind::Bitmap);
        if is_data && !named.contains(name) {
            files.run(*name, Op::Remove { file: *name })?;
            report.removed.push(*name);
        }
    }
    Ok(())
}

/// Reads the records of a row file in order.
pub(super) fn read_rows<D: Disk>(
    files: &mut Files<'_, D>,
    file: &RowFile,
    report: &mut Report,
    each: impl FnMut(Logged),
) -> Result<(), OpenError> {
    let name = rowfile::file_name(file.number);
    let bytes = files.read(name, file.length)?;
    let read = rowfile::read(&bytes, file.number, files.block(), each);
    let records =
        read.map_err(|damage| OpenError::Damaged { file: name, offset: damage.offset, what: damage.what })?;
    report.checkpoint_records += records;
    if records == file.records {
        return Ok(());
    }
    let what = format!("{records} records instead of {}", file.records);
    Err(OpenError::Damaged { file: name, offset: 0, what })
}

/// The segments with their deletions.
pub(super) fn read_segments<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &Manifest,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut segments = Vec::with_capacity(manifest.segments.len());
    for meta in &manifest.segments {
        let mut segment = Segment::new(meta.clone());
        if let Some(reference) = &meta.bitmap {
            let name = bitmap::file_name(reference.number);
            let bytes = files.read(name, 64 + meta.count.div_ceil(64) * 8)?;
            let bits = bitmap::decode(&bytes, meta.number, meta.count)
                .map_err(|what| OpenError::Damaged { file: name, offset: 0, what: what.into() })?;
            segment.deleted = Some(Arc::new(bits));
        }
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// Takes what the journal holds.
pub(super) trait Replay {
    /// A batch, in order.
    fn batch(&mut self, lsn: Lsn, now: Millis, records: Vec<Logged>);
}

/// Reads the journal from where the manifest says, to its tail.
pub(super) struct JournalReader<'a, 'b, D> {
    files: &'b mut Files<'a, D>,
    stamp: u64,
    generation: u64,
    /// Journal files from the manifest's on, in order.
    journal: VecDeque<File>,
    at: Position,
    sealed: bool,
    changes: bool,
    /// The file of the last group that was read.
    last_in: Option<FileName>,
    full: VecDeque<File>,
    bytes: Vec<u8>,
}

impl<'a, 'b, D: Disk> JournalReader<'a, 'b, D> {
    pub fn open(
        files: &'b mut Files<'a, D>,
        manifest: &Manifest,
        listed: &[(FileName, u64)],
    ) -> Result<Self, OpenError> {
        let is_journal =
            |name: &FileName| name.kind == FileKind::Journal && name.number >= manifest.journal().file;
        let journal: VecDeque<File> = listed
            .iter()
            .filter(|(name, _)| is_journal(name))
            .map(|(name, size)| File { number: name.number, size: *size })
            .collect();
        let (stamp, generation, at) = (manifest.stamp, manifest.generation, manifest.journal());
        let (sealed, full, bytes) = (true, VecDeque::new(), Vec::new());
        let (changes, last_in) = (true, None);
        let mut reader =
            JournalReader { files, stamp, generation, journal, at, sealed, changes, last_in, full, bytes };
        reader.enter(at)?;
        Ok(reader)
    }

    /// Goes on in another file: it must be there, whole.
    fn enter(&mut self, at: Position) -> Result<(), OpenError> {
        let name = file_name(at.file);
        let found = self.journal.iter().position(|file| file.number == at.file);
        let index = found.ok_or(OpenError::Missing(name))?;
        let size = self.journal[index].size;
        if size != at.size {
            let what = format!("it has {size} bytes instead of {}", at.size);
            return Err(OpenError::Damaged { file: name, offset: size.min(at.size), what });
        }
        self.bytes = self.files.read(name, size)?;
        self.full.extend(self.journal.drain(..index));
        self.journal.pop_front();
        self.at = at;
        Ok(())
    }

    /// For a check: no torn tail is set aside, nothing is synced.
    pub fn without_changes(mut self) -> Self {
        self.changes = false;
        self
    }

    /// Where the sound part ends so far.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Replays every complete group; then the journal goes on where they end.
    pub fn replay(mut self, into: &mut impl Replay, report: &mut Report) -> Result<Resume, OpenError> {
        self.read_groups(into, report)?;
        self.finish(report)
    }

    /// Replays every complete group.
    pub fn read_groups(&mut self, into: &mut impl Replay, report: &mut Report) -> Result<(), OpenError> {
        while let Some((header, end)) = self.next_group() {
            report.journal_bytes += end - self.at.offset;
            self.sealed = header.kind != Kind::Batches;
            self.last_in = Some(file_name(self.at.file));
            let after = Position { offset: end, group: self.at.group + 1, lsn: header.last + 1, ..self.at };
            match header.kind {
                Kind::Batches => self.hand_over(&header, into, report)?,
                Kind::Seal => {}
                Kind::Switch => {
                    let next = self.switched_to(&header)?;
                    let left = File { number: self.at.file, size: self.at.size };
                    self.full.push_back(left);
                    self.enter(Position { file: next.number, size: next.size, offset: 0, ..after })?;
                    continue;
                }
            }
            self.at = after;
        }
        self.refuse_later_groups()
    }

    fn finish(mut self, report: &mut Report) -> Result<Resume, OpenError> {
        if self.changes {
            self.set_tail_aside(report)?;
            // The last group may have been in a cache only; from here on it counts as durable. If it is a switch,
            // it is in another file than the groups that follow: they would be cut off from it.
            if let Some(file) = self.last_in {
                self.files.run(file, Op::Sync { file })?;
            }
        }
        Ok(Resume {
            stamp: self.stamp,
            generation: self.generation,
            next: self.at,
            full: self.full,
            spares: self.journal,
            sealed: self.sealed,
        })
    }

    /// The header of the group that comes next, if it is here and whole, and where the group ends.
    fn next_group(&self) -> Option<(Header, u64)> {
        let start = self.at.offset as usize;
        let header = Header::read(self.bytes.get(start..)?, self.stamp)?;
        let payload = start + HEADER;
        let bytes = self.bytes.get(payload..payload + header.length as usize)?;
        let follows = self.is_in_place(&header, self.at.file, self.at.offset)
            && header.number == self.at.group
            && header.first == self.at.lsn;
        let end = round_up((HEADER as u64) + u64::from(header.length), self.files.block());
        (follows && checksum(bytes) == header.checksum).then_some((header, self.at.offset + end))
    }

    fn is_in_place(&self, header: &Header, file: u64, offset: u64) -> bool {
        header.file == file && header.offset == offset && header.generation <= self.generation
    }

    fn payload(&self, header: &Header) -> &[u8] {
        let start = self.at.offset as usize + HEADER;
        &self.bytes[start..start + header.length as usize]
    }

    fn switched_to(&self, header: &Header) -> Result<File, OpenError> {
        let mut reader = Reader::new(self.payload(header));
        let mut read = || Ok(File { number: reader.u64()?, size: reader.u64()? });
        read().map_err(|malformed: Malformed| self.damaged(self.at.offset, malformed.to_string()))
    }

    fn hand_over(
        &self,
        header: &Header,
        into: &mut impl Replay,
        report: &mut Report,
    ) -> Result<(), OpenError> {
        let mut reader = Reader::new(self.payload(header));
        let mut batches = || -> Result<(), Malformed> {
            for lsn in header.first..header.last + 1 {
                let now = reader.number()?;
                let count = reader.count()?;
                let records = (0..count).map(|_| reader.record()).collect::<Result<Vec<_>, _>>()?;
                report.batches += 1;
                report.records += records.len() as u64;
                into.batch(lsn, now, records);
            }
            if reader.is_empty() { Ok(()) } else { Err(Malformed("group length")) }
        };
        batches().map_err(|malformed| self.damaged(self.at.offset, malformed.to_string()))
    }

    fn damaged(&self, offset: u64, what: String) -> OpenError {
        OpenError::Damaged { file: file_name(self.at.file), offset, what }
    }

    /// A group is written when the one before it is durable: if a later one exists, the bad one was damaged.
    fn refuse_later_groups(&mut self) -> Result<(), OpenError> {
        let bad = self.at.offset;
        if let Some(header) = self.later_group(&self.bytes, self.at.file, bad) {
            return Err(self.damaged(bad, format!("group {} follows", header.number)));
        }
        for index in 0..self.journal.len() {
            let file = self.journal[index];
            let bytes = self.files.read(file.name(), file.size)?;
            if let Some(header) = self.later_group(&bytes, file.number, 0) {
                let what = format!("group {} follows in {}", header.number, file.name());
                return Err(self.damaged(bad, what));
            }
        }
        Ok(())
    }

    fn later_group(&self, bytes: &[u8], file: u64, from: u64) -> Option<Header> {
        let starts = (from as usize..bytes.len()).step_by(self.files.block());
        let mut headers = starts.filter_map(|at| Some((at, Header::read(&bytes[at..], self.stamp)?)));
        let later = |(at, header): &(usize, Header)| {
            self.is_in_place(header, file, *at as u64) && header.number > self.at.group
        };
        headers.find(later).map(|(_, header)| header)
    }

    fn was_recycled(&self, rest: &[u8]) -> bool {
        let mut blocks = rest.chunks(self.files.block());
        blocks.any(|block| Header::read(block, self.stamp).is_some_and(|header| header.file != self.at.file))
    }

    /// Keeps a torn last group as a file of its own: the next group is written over it.
    fn set_tail_aside(&mut self, report: &mut Report) -> Result<(), OpenError> {
        let rest = &self.bytes[self.at.offset.min(self.bytes.len() as u64) as usize..];
        let length = match Header::read(rest, self.stamp) {
            Some(header) if self.is_in_place(&header, self.at.file, self.at.offset) => {
                round_up(HEADER as u64 + u64::from(header.length), self.files.block()) as usize
            }
            // Where groups of the file's former life follow, bytes without a header are of that life too.
            _ if self.was_recycled(rest) => 0,
            _ => rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1),
        };
        let torn = rest[..length.min(rest.len()).min(super::group::GROUP_BYTES)].to_vec();
        if torn.is_empty() {
            return Ok(());
        }
        let kept_as = FileName { kind: FileKind::Cut, number: self.generation };
        let bytes = torn.len() as u64;
        self.files.run(kept_as, Op::Replace { file: kept_as, data: torn })?;
        report.cut = Some(CutTail { file: file_name(self.at.file), offset: self.at.offset, bytes, kept_as });
        Ok(())
    }
}

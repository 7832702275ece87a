//! Opening a data directory: manifest, then the journal from where it begins, to its tail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::ids::Secret;

use crate::codec::Logged;
use crate::disk::{Disk, Failure, FileKind, FileName, Op, Output};

use super::bitmap;
use super::group::round_up;
use super::journal::{Position, file_name};
use super::manifest::{self, Manifest, Unreadable};
use super::rowfile::{self, RowFile};
use super::segment::{Meta, Segment};

/// Bytes of one read while opening.
pub(super) const READ: usize = 4 << 20;

/// Why a data directory was not opened, or not repaired. Nothing in it was changed, unless the disk failed.
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
    /// A repair was begun and did not end: why.
    Unrepaired(String),
}

impl OpenError {
    /// Whether bytes are wrong or gone, rather than that the disk would not tell them.
    pub(super) fn is_damage(&self) -> bool {
        use OpenError::{Damaged, Disk, Missing, NoManifest};
        matches!(self, Damaged { .. } | Missing(_) | NoManifest(_) | Disk(_, Failure::NotFound))
    }
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
            OpenError::Unrepaired(why) => write!(f, "the repair did not end and must be repeated: {why}"),
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

    /// At most `length` bytes from a block's boundary on; fewer at the end of the file.
    pub fn read_at(&mut self, file: FileName, offset: u64, length: usize) -> Result<Vec<u8>, OpenError> {
        let length = round_up(length as u64, self.disk.block()) as usize;
        match self.run(file, Op::Read { file, offset, length })? {
            Output::Bytes(bytes) => Ok(bytes),
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
            if *name != file_name(1) || !is_empty(files, *name, *size)? {
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

fn is_empty<D: Disk>(files: &mut Files<'_, D>, name: FileName, size: u64) -> Result<bool, OpenError> {
    for offset in (0..size).step_by(READ) {
        if end_of_content(&files.read_at(name, offset, READ)?) > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the zeros at the end of these bytes begin.
pub(super) fn end_of_content(bytes: &[u8]) -> usize {
    // A word's worth of bytes at a time: most of what is looked at is megabytes of zeros.
    let used = |part: &&[u8]| part.iter().fold(0, |all, byte| all | byte) != 0;
    let parts = bytes.chunks(256);
    let Some(last) = parts.clone().rposition(|part| used(&part)) else { return 0 };
    let end = bytes[last * 256..].iter().take(256).rposition(|byte| *byte != 0);
    last * 256 + end.map_or(0, |at| at + 1)
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
        if found != length {
            return Err(wrong_length(name, length, found));
        }
    }
    Ok(())
}

/// A file is not as long as the manifest says.
pub(super) fn wrong_length(file: FileName, length: u64, found: u64) -> OpenError {
    let what = format!("it has {found} bytes instead of {length}");
    OpenError::Damaged { file, offset: found.min(length), what }
}

/// How long a listed file is; 0 if it is not there.
pub(super) fn length_of(file: FileName, listed: &[(FileName, u64)]) -> u64 {
    listed.iter().find(|(name, _)| *name == file).map_or(0, |(_, length)| *length)
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

/// A file as a stream, of which a window is in memory.
struct Source<'a, 'b, D> {
    files: &'b mut Files<'a, D>,
    file: FileName,
    /// Bytes behind the window.
    left: u64,
    offset: u64,
    window: Vec<u8>,
    /// Bytes of the window already handed out.
    at: usize,
    /// Why the disk could not read.
    failed: Option<OpenError>,
}

impl<D: Disk> std::io::Read for Source<'_, '_, D> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.window.len() && self.left > 0 {
            let wanted = self.left.min(READ as u64) as usize;
            let read = self.files.read_at(self.file, self.offset, wanted);
            self.window =
                read.map_err(|error| std::io::Error::other(self.failed.insert(error).to_string()))?;
            self.window.truncate(wanted);
            // A file that ends early is told by its last chunk.
            self.left = if self.window.len() < wanted { 0 } else { self.left - wanted as u64 };
            self.offset += wanted as u64;
            self.at = 0;
        }
        let count = (&self.window[self.at..]).read(out)?;
        self.at += count;
        Ok(count)
    }
}

/// Reads the records of a row file in order.
pub(super) fn read_rows<D: Disk>(
    files: &mut Files<'_, D>,
    file: &RowFile,
    report: &mut Report,
    each: impl FnMut(Logged),
) -> Result<(), OpenError> {
    let name = rowfile::file_name(file.number);
    let block = files.block();
    let mut source =
        Source { files, file: name, left: file.length, offset: 0, window: Vec::new(), at: 0, failed: None };
    let read = rowfile::read_from(&mut source, file.number, block, each);
    let records = read.map_err(|damage| {
        let damaged = OpenError::Damaged { file: name, offset: damage.offset, what: damage.what };
        source.failed.take().unwrap_or(damaged)
    })?;
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
    manifest.segments.iter().map(|meta| read_segment(files, meta).map(Arc::new)).collect()
}

/// A segment with its deletions.
pub(super) fn read_segment<D: Disk>(files: &mut Files<'_, D>, meta: &Meta) -> Result<Segment, OpenError> {
    let mut segment = Segment::new(meta.clone());
    if let Some(reference) = &meta.bitmap {
        let name = bitmap::file_name(reference.number);
        let bytes = files.read(name, bitmap::length(meta.count))?;
        let bits = bitmap::decode(&bytes, meta.number, meta.count).map_err(|what| OpenError::Damaged {
            file: name,
            offset: 0,
            what: what.into(),
        })?;
        segment.deleted = Some(Arc::new(bits));
    }
    Ok(segment)
}

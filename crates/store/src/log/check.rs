//! Reading every byte that counts, for `sluice store check`. Nothing is changed.

use engine::{Lsn, MessageKey, Millis};

use crate::codec::{Logged, Malformed, Reader, checksum};
use crate::disk::{Disk, Failure, FileName};

use super::manifest::Manifest;
use super::open::{self, Files, OpenError, Report};
use super::replay::{JournalReader, Replay};
use super::segment;
use super::segment::{
    BUILD_MAGIC, Index, IndexEntry, LaneIndex, LeafEntry, Meta, Pointer, entry_at, lane_places,
};

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: FileName,
    /// Byte in it.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

/// What a check saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
    /// The first failure of the disk to read what is there: it says nothing about the bytes, and may pass.
    pub unreadable: Option<OpenError>,
    /// Messages whose content or place cannot be read.
    pub lost: Vec<Lost>,
    /// Segments read.
    pub segments: u64,
    /// Messages in them that are sound, deleted ones included.
    pub messages: u64,
    /// Messages in them that are deleted.
    pub deleted: u64,
    /// Records read from row files.
    pub records: u64,
    /// Batches read from the journal.
    pub batches: u64,
}

impl Checked {
    /// Adds what an error found. One that is about no file's content stays an error.
    fn find(&mut self, error: OpenError) -> Result<(), OpenError> {
        let what = error.to_string();
        let finding = match error.clone() {
            OpenError::Damaged { file, offset, what } => Finding { file, offset, what },
            OpenError::Missing(file) | OpenError::NoManifest(file) => Finding { file, offset: 0, what },
            OpenError::Disk(file, Failure::NotFound | Failure::Broken(_)) => {
                Finding { file, offset: 0, what }
            }
            error => return Err(error),
        };
        self.findings.push(finding);
        if !error.is_damage() {
            self.unreadable.get_or_insert(error);
        }
        Ok(())
    }
}

/// Reads a data directory that no store has open. An error is a disk that cannot be read at all.
pub fn check<D: Disk>(disk: &mut D) -> Result<Checked, OpenError> {
    let mut files = Files::new(disk);
    let mut checked = Checked::default();
    let listed = files.list()?;
    let manifest = match open::read_manifest(&mut files, &listed) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(checked),
        Err(error) => {
            checked.find(error)?;
            return Ok(checked);
        }
    };
    check_lengths(&manifest, &listed, &mut checked)?;
    check_row_files(&mut files, &manifest, &mut checked)?;
    check_segments(&mut files, &manifest, &mut checked)?;
    let mut report = Report::default();
    let read = JournalReader::open(&mut files, &manifest, &listed).and_then(|mut reader| {
        reader.read_groups(&mut Ignored, &mut report)?;
        Ok(reader.position())
    });
    match read {
        Ok(end) if end.lsn <= manifest.needs => {
            let file = super::journal::file_name(end.file);
            let lsn = manifest.needs;
            let what = format!("it ends before batch {lsn}: writes were lost, or a repair was interrupted");
            checked.findings.push(Finding { file, offset: end.offset, what });
        }
        Ok(_) => {}
        Err(error) => checked.find(error)?,
    }
    checked.batches = report.batches;
    Ok(checked)
}

/// Takes nothing of what a journal holds.
pub(super) struct Ignored;

impl Replay for Ignored {
    fn batch(&mut self, _: Lsn, _: Millis, _: Vec<Logged>) {}
}

/// No file goes on behind its end. One that ends before it shows that by what it lacks.
fn check_lengths(
    manifest: &Manifest,
    listed: &[(FileName, u64)],
    checked: &mut Checked,
) -> Result<(), OpenError> {
    for (file, length) in manifest.files() {
        let found = open::length_of(file, listed);
        if length < found {
            checked.find(open::wrong_length(file, length, found))?;
        }
    }
    Ok(())
}

fn check_row_files<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &Manifest,
    checked: &mut Checked,
) -> Result<(), OpenError> {
    let mut report = Report::default();
    for file in manifest.row_files() {
        if let Err(error) = open::read_rows(files, file, &mut report, |_| ()) {
            checked.find(error)?;
        }
    }
    checked.records = report.checkpoint_records;
    Ok(())
}

fn check_segments<D: Disk>(
    files: &mut Files<'_, D>,
    manifest: &Manifest,
    checked: &mut Checked,
) -> Result<(), OpenError> {
    for meta in &manifest.segments {
        checked.segments += 1;
        match files.read(segment::file_name(meta.number), meta.length) {
            Ok(bytes) => {
                let mut walk = Walk::new(meta, &bytes);
                walk.run(|_, _, _| ());
                checked.messages += walk.sound;
                checked.findings.extend(walk.findings);
                checked.lost.extend(walk.lost);
            }
            Err(error) => {
                if error.is_damage() {
                    checked.lost.push(Lost::all_of(meta));
                }
                checked.find(error)?;
            }
        }
        if let Some(reference) = &meta.bitmap {
            checked.deleted += reference.ones;
            if let Err(error) = open::read_segment(files, meta) {
                checked.find(error)?;
            }
        }
    }
    Ok(())
}

/// Messages that are not to be had any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first one, or where they began.
    pub from: MessageKey,
    /// The last one, or where they ended at most.
    pub to: MessageKey,
    /// How many there are, deleted ones included.
    pub count: u64,
}

impl Lost {
    fn all_of(meta: &Meta) -> Lost {
        Lost { from: meta.first, to: meta.last, count: meta.count }
    }
}

/// A walk through a whole segment file.
pub(super) struct Walk<'a> {
    meta: &'a Meta,
    bytes: &'a [u8],
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What of it cannot be read.
    pub lost: Vec<Lost>,
    /// Messages that can.
    pub sound: u64,
}

impl<'a> Walk<'a> {
    pub fn new(meta: &'a Meta, bytes: &'a [u8]) -> Walk<'a> {
        Walk { meta, bytes, findings: Vec::new(), lost: Vec::new(), sound: 0 }
    }

    fn find(&mut self, offset: u64, what: impl Into<String>) {
        let file = segment::file_name(self.meta.number);
        self.findings.push(Finding { file, offset, what: what.into() });
    }

    /// The bytes of a block, if they are what its pointer says.
    fn block(&self, pointer: &Pointer) -> Option<&'a [u8]> {
        let start = usize::try_from(pointer.offset).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(pointer.length as usize)?)?;
        (checksum(bytes) == pointer.sum).then_some(bytes)
    }

    /// Hands on each sound message with its ordinal and its blob, in order.
    pub fn run(&mut self, mut each: impl FnMut(u64, LeafEntry, &[u8])) {
        self.check_tail();
        self.check_lanes();
        let index = self.block(&self.meta.index).map(Index::read);
        let Some(Ok(index)) = index else {
            self.find(self.meta.index.offset, "the index is damaged");
            return self.lost.push(Lost::all_of(self.meta));
        };
        for (at, leaf) in index.leaves.iter().enumerate() {
            let next = index.leaves.get(at + 1);
            let count = next.map_or(self.meta.count, |next| next.ordinal) - leaf.ordinal;
            let to = next.map_or(self.meta.last, |next| next.first);
            if self.walk_leaf(leaf, count, &mut each).is_err() {
                self.find(leaf.leaf.offset, "a leaf is damaged");
                self.lost.push(Lost { from: leaf.first, to, count });
            }
        }
    }

    fn walk_leaf(
        &mut self,
        leaf: &IndexEntry,
        count: u64,
        each: &mut impl FnMut(u64, LeafEntry, &[u8]),
    ) -> Result<(), Malformed> {
        let bytes = self.block(&leaf.leaf).ok_or(Malformed("leaf"))?;
        let mut entries = Vec::new();
        let mut at = 0;
        while let Some((entry, after)) = entry_at(bytes, at)? {
            entries.push(entry);
            at = after;
        }
        if entries.len() as u64 != count {
            return Err(Malformed("leaf"));
        }
        for (ordinal, entry) in (leaf.ordinal..).zip(entries) {
            match self.block(&entry.blob) {
                Some(blob) => {
                    self.sound += 1;
                    each(ordinal, entry, blob);
                }
                None => {
                    self.find(
                        entry.blob.offset,
                        format!("the content of message {:?} is damaged", entry.key),
                    );
                    self.lost.push(Lost { from: entry.key, to: entry.key, count: 1 });
                }
            }
        }
        Ok(())
    }

    fn check_lanes(&mut self) {
        let Some(pointer) = &self.meta.lanes else { return };
        let Some(Ok(index)) = self.block(pointer).map(LaneIndex::read) else {
            return self.find(pointer.offset, "the index of lanes is damaged");
        };
        for (_, leaf) in &index.leaves {
            if self.block(leaf).map(lane_places).is_none_or(|places| places.is_err()) {
                self.find(leaf.offset, "a leaf of lanes is damaged");
            }
        }
    }

    /// The file ends with what the manifest says of it.
    fn check_tail(&mut self) {
        let end = self.bytes.len();
        let tail = || -> Option<Meta> {
            let (rest, tail) = self.bytes.split_at_checked(end.checked_sub(20)?)?;
            let mut reader = Reader::new(tail);
            let (length, sum) = (reader.u32().ok()?, reader.u64().ok()?);
            let meta = rest.get(rest.len().checked_sub(length as usize)?..)?;
            let is_sound = tail[12..] == BUILD_MAGIC && checksum(meta) == sum;
            is_sound.then(|| Meta::read(&mut Reader::new(meta)).ok())?
        };
        let same = tail().is_some_and(|meta| Meta { bitmap: self.meta.bitmap, ..meta } == *self.meta);
        if !same {
            self.find(end as u64, "the end of the file is damaged");
        }
    }
}

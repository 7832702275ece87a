//! Reading the journal: every complete group in order, and the proof that what follows is a torn tail at most.

use std::collections::VecDeque;

use engine::{Lsn, Millis};

use crate::codec::{Logged, Malformed, Reader, checksum};
use crate::disk::{Disk, FileKind, FileName, Op};

use super::group::{GROUP_BYTES, HEADER, Header, Kind, round_up};
use super::journal::{File, Position, Resume, file_name};
use super::manifest::Manifest;
use super::open::{CutTail, Files, OpenError, READ, Report, end_of_content};

/// Files behind the current one that are searched for later groups: those that reach into a third fill both.
const FOLLOWING: usize = 2;

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
    /// The file of the last group that was read.
    last_in: Option<FileName>,
    full: VecDeque<File>,
    /// Bytes of the file at hand from `window_at` on.
    window: Vec<u8>,
    window_at: u64,
    /// Behind the last group there are groups of the file's former life.
    recycled: bool,
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
        let at = manifest.journal();
        let mut reader = JournalReader {
            files,
            stamp: manifest.stamp,
            generation: manifest.generation,
            journal,
            at,
            sealed: true,
            last_in: None,
            full: VecDeque::new(),
            window: Vec::new(),
            window_at: 0,
            recycled: false,
        };
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
        (self.window, self.window_at) = (Vec::new(), at.offset);
        self.full.extend(self.journal.drain(..index));
        self.journal.pop_front();
        self.at = at;
        Ok(())
    }

    /// Where the sound part ends so far.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Replays every complete group.
    pub fn read_groups(&mut self, into: &mut impl Replay, report: &mut Report) -> Result<(), OpenError> {
        while let Some((header, end)) = self.next_group_for_sure()? {
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

    /// The journal goes on where the groups end; what stands there is set aside.
    pub fn finish(mut self, report: &mut Report) -> Result<Resume, OpenError> {
        self.set_tail_aside(report)?;
        // The last group may have been in a cache only; from here on it counts as durable. If it is a switch,
        // it is in another file than the groups that follow: they would be cut off from it.
        if let Some(file) = self.last_in {
            self.files.run(file, Op::Sync { file })?;
        }
        Ok(self.resume())
    }

    /// The journal goes on where the groups end.
    pub fn resume(self) -> Resume {
        Resume {
            stamp: self.stamp,
            generation: self.generation,
            next: self.at,
            full: self.full,
            spares: self.journal,
            sealed: self.sealed,
        }
    }

    /// As [`JournalReader::next_group`], but what is not whole is read once more: a read can go wrong on its way from the
    /// disk, and what is taken for a torn tail is cut.
    fn next_group_for_sure(&mut self) -> Result<Option<(Header, u64)>, OpenError> {
        let found = self.next_group()?;
        if found.is_some() {
            return Ok(found);
        }
        self.window = Vec::new();
        self.next_group()
    }

    /// The header of the group that comes next, if it is here and whole, and where the group ends.
    fn next_group(&mut self) -> Result<Option<(Header, u64)>, OpenError> {
        self.look_at(HEADER)?;
        let Some(header) = Header::read(self.rest(), self.stamp) else { return Ok(None) };
        let end = self.at.offset + round_up(HEADER as u64 + u64::from(header.length), self.files.block());
        let follows = self.is_in_place(&header, self.at.file, self.at.offset)
            && header.number == self.at.group
            && header.first == self.at.lsn
            && end <= self.at.size;
        if !follows {
            return Ok(None);
        }
        self.look_at((end - self.at.offset) as usize)?;
        let payload = self.rest().get(HEADER..HEADER + header.length as usize);
        let is_whole = payload.is_some_and(|payload| checksum(payload) == header.checksum);
        Ok(is_whole.then_some((header, end)))
    }

    /// Has the window hold so many bytes from the next group on, or all the file has.
    fn look_at(&mut self, length: usize) -> Result<(), OpenError> {
        let left = self.at.size.saturating_sub(self.at.offset);
        if self.rest().len() as u64 >= left.min(length as u64) {
            return Ok(());
        }
        let wanted = left.min(length.max(READ) as u64) as usize;
        // The old window goes first: no two are in memory.
        self.window = Vec::new();
        self.window = self.files.read_at(file_name(self.at.file), self.at.offset, wanted)?;
        self.window_at = self.at.offset;
        Ok(())
    }

    /// What the window holds from the next group on.
    fn rest(&self) -> &[u8] {
        let start = self.at.offset.saturating_sub(self.window_at) as usize;
        self.window.get(start..).unwrap_or_default()
    }

    fn is_in_place(&self, header: &Header, file: u64, offset: u64) -> bool {
        header.file == file && header.offset == offset && header.generation <= self.generation
    }

    fn payload(&self, header: &Header) -> &[u8] {
        &self.rest()[HEADER..HEADER + header.length as usize]
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
        let (at, current) = (self.at, File { number: self.at.file, size: self.at.size });
        if let Some(header) = self.later_group(current, at.offset)? {
            return Err(self.damaged(at.offset, format!("group {} follows", header.number)));
        }
        for index in 0..self.journal.len().min(FOLLOWING) {
            let file = self.journal[index];
            if let Some(header) = self.later_group(file, 0)? {
                let what = format!("group {} follows in {}", header.number, file.name());
                return Err(self.damaged(at.offset, what));
            }
        }
        Ok(())
    }

    /// A group behind the bad one, in this file from `from` on. Where a header is not whole, it is looked for once more:
    /// it may have been read wrong.
    fn later_group(&mut self, file: File, from: u64) -> Result<Option<Header>, OpenError> {
        for offset in (from..file.size).step_by(READ) {
            for _ in 0..2 {
                let bytes = self.files.read_at(file.name(), offset, READ)?;
                let (later, in_doubt) = self.later_group_in(&bytes, file, offset);
                if later.is_some() {
                    return Ok(later);
                }
                if !in_doubt {
                    break;
                }
            }
        }
        Ok(None)
    }

    /// A group behind the bad one in these bytes, which are at `offset`; and whether there may be another.
    fn later_group_in(&mut self, bytes: &[u8], file: File, offset: u64) -> (Option<Header>, bool) {
        let (block, mut in_doubt) = (self.files.block(), false);
        for (place, bytes) in (offset..).step_by(block).zip(bytes.chunks(block)) {
            let Some(header) = Header::read(bytes, self.stamp) else {
                in_doubt |= Header::resembles(bytes, self.stamp);
                continue;
            };
            if self.is_in_place(&header, file.number, place) && header.number > self.at.group {
                return (Some(header), false);
            }
            self.recycled |= file.number == self.at.file && header.file != file.number;
        }
        (None, in_doubt)
    }

    /// Keeps a torn last group as a file of its own: the next group is written over it.
    fn set_tail_aside(&mut self, report: &mut Report) -> Result<(), OpenError> {
        let file = file_name(self.at.file);
        let mut torn = self.files.read_at(file, self.at.offset, GROUP_BYTES)?;
        let length = match Header::read(&torn, self.stamp) {
            Some(header) if self.is_in_place(&header, self.at.file, self.at.offset) => {
                round_up(HEADER as u64 + u64::from(header.length), self.files.block()) as usize
            }
            // Where groups of the file's former life follow, bytes without a header are of that life too.
            _ if self.recycled => 0,
            _ => end_of_content(&torn),
        };
        torn.truncate(length);
        if torn.is_empty() {
            return Ok(());
        }
        let kept_as = FileName { kind: FileKind::Cut, number: self.generation };
        let bytes = torn.len() as u64;
        self.files.run(kept_as, Op::Replace { file: kept_as, data: torn })?;
        report.cut = Some(CutTail { file, offset: self.at.offset, bytes, kept_as });
        Ok(())
    }
}

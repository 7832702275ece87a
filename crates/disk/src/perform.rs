//! Doing one operation, on a thread of ours.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use store::disk::{Failure, FileKind, FileName, Op, Output, Release};

use crate::aligned::Aligned;
use crate::files::{BLOCK, Files, Way, open_options};
use crate::names;

/// Bytes of zeros written at once.
const ZEROS: usize = 256 << 10;
/// Room for a copy of what is written, at least.
const CHUNK: usize = 1 << 20;
/// Bytes written durably at once: a whole group of the journal, so that it has one barrier.
const DURABLE_CHUNK: usize = 8 << 20;
/// Bytes of other files written at once, about: behind them a write of the journal may have to wait.
const BESIDE_CHUNK: usize = 128 << 10;
/// Memory is given back for so long at a time.
const RELEASED: Duration = Duration::from_micros(50);
/// Bytes of a file that is removed given back at once.
const FREED: u64 = 1 << 20;

/// Does operations, one at a time; each thread has its own.
#[derive(Debug)]
pub struct Performer {
    files: Arc<Files>,
    bounce: Option<Aligned>,
}

impl Performer {
    /// One for these files.
    pub fn new(files: Arc<Files>) -> Performer {
        Performer { files, bounce: None }
    }

    /// Does it.
    pub fn perform(&mut self, op: Op) -> Result<Output, Failure> {
        let result = match op.made() {
            Op::Create { file, size } => self.create(file, size),
            Op::Write { file, offset, data, sync } => self.write(file, offset, &data, sync),
            Op::Sync { file } => self.buffered(file).and_then(|file| file.sync_data()).map(done),
            Op::Read { file, offset, length } => self.read(file, offset, length),
            Op::Replace { file, data } => self.replace(file, &data),
            Op::Rename { from, to } => self.rename(from, to),
            Op::Remove { file } => self.remove(file),
            Op::List => self.list(),
            Op::Free => self.free(),
            Op::WriteFrom { .. } => unreachable!("its bytes are made"),
            Op::Release(memory) => Ok(release(memory)),
        };
        result.map_err(failure)
    }

    fn buffered(&self, file: FileName) -> io::Result<Arc<File>> {
        self.files.handle(file, Way::Buffered)
    }

    fn create(&mut self, file: FileName, size: u64) -> io::Result<Output> {
        self.files.forget(file);
        let path = self.files.path(file);
        let result = self.write_zeros(&path, size).and_then(|()| self.files.sync_directory());
        if result.is_err() {
            // Half a file is of no use to anyone, and on a full disk it is in the way.
            let _ = fs::remove_file(&path);
        }
        result.map(done)
    }

    fn write_zeros(&self, path: &Path, size: u64) -> io::Result<()> {
        let direct = self.files.is_direct() && size.is_multiple_of(BLOCK as u64);
        let way = if direct { Way::Direct } else { Way::Buffered };
        let handle = open_options(way).create(true).truncate(true).open(path)?;
        let zeros = Aligned::new(ZEROS, self.files.alignment());
        let mut offset = 0;
        while offset < size {
            let length = (size - offset).min(ZEROS as u64);
            let began = Instant::now();
            handle.write_all_at(zeros.bytes(length as usize), offset)?;
            offset += length;
            // Once there is a journal, its writes come first for as long: it does not need this file yet.
            if self.files.has_journal() {
                thread::sleep(began.elapsed());
            }
        }
        handle.sync_all()
    }

    fn write(&mut self, file: FileName, offset: u64, data: &[u8], sync: bool) -> io::Result<Output> {
        if file.kind == FileKind::Journal {
            self.files.note_journal();
        }
        let whole_blocks = offset.is_multiple_of(BLOCK as u64) && data.len().is_multiple_of(BLOCK);
        if !self.files.is_direct() || !whole_blocks {
            let handle = self.files.handle_or_new(file, Way::Buffered)?;
            handle.write_all_at(data, offset)?;
            // Unsynced writes gather in the page cache, and their sync would hold up the journal's: each is synced.
            return handle.sync_data().map(|()| Output::Written(data.len() as u64));
        }
        let handle = self.files.handle_or_new(file, if sync { Way::Durable } else { Way::Direct })?;
        let piece = if sync { DURABLE_CHUNK } else { piece_beside(data.len()) };
        let mut at = offset;
        for chunk in data.chunks(piece) {
            // The program's allocator sees to it that nearly all are (decision 9).
            let is_aligned = chunk.as_ptr().addr().is_multiple_of(self.files.alignment());
            let bytes = if is_aligned { chunk } else { self.bounce_for(chunk.len()).copy_of(chunk) };
            handle.write_all_at(bytes, at)?;
            at += chunk.len() as u64;
        }
        Ok(Output::Written(data.len() as u64))
    }

    /// A buffer with room for this many bytes; kept, and replaced by a larger one when it must be.
    fn bounce_for(&mut self, bytes: usize) -> &mut Aligned {
        let kept = self.bounce.take().filter(|bounce| bounce.room() >= bytes);
        let room = bytes.next_power_of_two().max(CHUNK);
        self.bounce.insert(kept.unwrap_or_else(|| Aligned::new(room, self.files.alignment())))
    }

    fn read(&self, file: FileName, offset: u64, length: usize) -> io::Result<Output> {
        let handle = self.buffered(file)?;
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match handle.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(Output::Bytes(bytes))
    }

    fn replace(&self, file: FileName, data: &[u8]) -> io::Result<Output> {
        let (aside, path) = (self.files.aside(file), self.files.path(file));
        let result = write_aside(&aside, data);
        if result.is_err() {
            let _ = fs::remove_file(&aside);
            return result.map(done);
        }
        self.files.forget(file);
        fs::rename(&aside, &path)?;
        self.files.sync_directory().map(|()| Output::Written(data.len() as u64))
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<Output> {
        self.files.forget(from);
        self.files.forget(to);
        fs::rename(self.files.path(from), self.files.path(to))?;
        self.files.sync_directory().map(done)
    }

    fn remove(&self, file: FileName) -> io::Result<Output> {
        self.files.forget(file);
        let path = self.files.path(file);
        // What cannot be shortened, on a full disk perhaps, may still be removed.
        let _ = shorten(&path);
        fs::remove_file(path)?;
        self.files.sync_directory().map(done)
    }

    fn list(&self) -> io::Result<Output> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.files.root())? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(names::parse) {
                found.push((name, entry.metadata()?.len()));
            }
        }
        found.sort_by_key(|(name, _)| name.to_string());
        Ok(Output::Files(found))
    }

    fn free(&self) -> io::Result<Output> {
        let stat = rustix::fs::fstatvfs(self.files.directory())?;
        Ok(Output::Free(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }
}

/// Pieces of one size, whole blocks: a small one at the end would take the device nearly as long as the others.
fn piece_beside(bytes: usize) -> usize {
    let pieces = ((bytes + BESIDE_CHUNK / 2) / BESIDE_CHUNK).max(1);
    bytes.div_ceil(pieces).next_multiple_of(BLOCK).max(BLOCK)
}

/// Gives memory back, and leaves half of the time to whoever wants this processor: nobody waits for all of it.
fn release(memory: Arc<dyn Release>) -> Output {
    let mut began = Instant::now();
    memory.release(&mut || {
        let took = began.elapsed();
        if took >= RELEASED {
            thread::sleep(took);
            began = Instant::now();
        }
    });
    Output::Done
}

fn done(_: ()) -> Output {
    Output::Done
}

/// Gives back a file's space step by step. Where the file system is mounted with `discard`, it tells the device what
/// was freed before it commits, and every durable write waits for that: 10 ms for 64 MiB at once, 0.5 ms for one.
fn shorten(path: &Path) -> io::Result<()> {
    let file = open_options(Way::Buffered).open(path)?;
    let mut length = file.metadata()?.len();
    while length > FREED {
        length = (length - 1) / FREED * FREED;
        file.set_len(length)?;
        file.sync_data()?;
    }
    Ok(())
}

fn write_aside(path: &Path, data: &[u8]) -> io::Result<()> {
    let file = open_options(Way::Buffered).create(true).truncate(true).open(path)?;
    file.write_all_at(data, 0)?;
    file.sync_all()
}

fn failure(error: io::Error) -> Failure {
    let errno = Errno::from_io_error(&error);
    match errno {
        Some(Errno::NOSPC | Errno::DQUOT) => Failure::Full,
        Some(Errno::NOENT) => Failure::NotFound,
        _ => Failure::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_one_size_or_nearly() {
        assert_eq!(piece_beside(0), BLOCK);
        for bytes in (BLOCK..4 << 20).step_by(BLOCK) {
            let piece = piece_beside(bytes);
            assert!(piece.is_multiple_of(BLOCK) && piece <= BESIDE_CHUNK * 3 / 2 + BLOCK, "{bytes}: {piece}");
            let count = bytes.div_ceil(piece);
            assert!(
                count * BESIDE_CHUNK <= bytes + BESIDE_CHUNK && bytes > (count - 1) * piece,
                "{bytes}: {piece}"
            );
        }
    }

    /// Nothing but the speed of a write depends on where its bytes lie.
    #[test]
    fn bytes_are_written_from_any_address() {
        const LENGTH: usize = 3 * BESIDE_CHUNK;
        let directory = tempfile::tempdir().unwrap();
        let mut performer = Performer::new(Arc::new(Files::open(directory.path(), true).unwrap()));
        let mut memory = Aligned::new(LENGTH + BLOCK, BLOCK);
        let bytes: Vec<u8> = (0..LENGTH + BLOCK).map(|at| (at / 7) as u8).collect();
        let bytes = memory.copy_of(&bytes);
        let shifts = [0, 1, 8, 512].into_iter().flat_map(|shift| [(shift, true), (shift, false)]);
        for (number, (shift, sync)) in (1..).zip(shifts) {
            let file = FileName { kind: FileKind::Segment, number };
            let data = &bytes[shift..][..LENGTH];
            let written = performer.write(file, 0, data, sync).unwrap();
            assert_eq!(written, Output::Written(LENGTH as u64));
            assert_eq!(
                performer.read(file, 0, LENGTH).unwrap(),
                Output::Bytes(data.to_vec()),
                "{shift} {sync}"
            );
        }
    }

    #[test]
    fn a_full_disk_and_a_full_quota_are_not_a_broken_one() {
        let of = |errno: Errno| failure(errno.into());
        assert_eq!(of(Errno::NOSPC), Failure::Full);
        assert_eq!(of(Errno::DQUOT), Failure::Full);
        assert_eq!(of(Errno::NOENT), Failure::NotFound);
        assert!(matches!(of(Errno::IO), Failure::Broken(_)));
        assert!(matches!(of(Errno::ROFS), Failure::Broken(_)));
    }
}

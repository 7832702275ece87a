//! The directory's open files: a bounded cache of handles, direct ones and buffered ones.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Advice, AtFlags, OFlags, StatxFlags};
use store::disk::FileName;

use crate::aligned::Aligned;

/// What reads and writes are multiples of. Devices with 4 KiB sectors that pretend to have 512-byte ones
/// rewrite the whole sector, so a smaller block would put bytes already durable at risk of a power cut.
pub const BLOCK: usize = 4096;
/// Handles kept open at most, of each way.
const KEPT: usize = 128;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Through the page cache.
    Buffered,
    /// O_DIRECT and O_DSYNC: a write that returns is durable.
    Durable,
    /// O_DIRECT alone.
    Direct,
}

/// The files of one directory.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    directory: File,
    /// The alignment of memory that O_DIRECT wants; `None` where it is not used.
    direct: Option<usize>,
    cache: Mutex<Cache>,
    has_journal: AtomicBool,
}

#[derive(Debug, Default)]
struct Cache {
    /// With the time of the last use, counted in uses.
    handles: BTreeMap<(FileName, Way), (Arc<File>, u64)>,
    uses: u64,
}

impl Files {
    /// Opens the directory, removes what an interrupted `Replace` left, and finds out whether O_DIRECT works.
    pub fn open(path: &Path, try_direct: bool) -> io::Result<Files> {
        remove_leftovers(path)?;
        let direct = if try_direct { probe(path)? } else { None };
        Ok(Files { direct, ..Files::beside(path)? })
    }

    /// The directory as it is, while somebody else writes to it: nothing is removed, nothing tried.
    pub fn beside(path: &Path) -> io::Result<Files> {
        let directory = File::open(path)?;
        Ok(Files {
            path: path.to_owned(),
            directory,
            direct: None,
            cache: Mutex::default(),
            has_journal: AtomicBool::new(false),
        })
    }

    /// Whether durable writes use O_DIRECT.
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// The alignment of memory for direct writes.
    pub fn alignment(&self) -> usize {
        self.direct.unwrap_or(1)
    }

    /// Where a file is.
    pub fn path(&self, file: FileName) -> PathBuf {
        self.path.join(file.to_string())
    }

    /// Where a file is while it is written to replace another.
    pub fn aside(&self, file: FileName) -> PathBuf {
        self.path.join(format!("{file}{ASIDE}"))
    }

    /// A journal is written to.
    pub fn note_journal(&self) {
        self.has_journal.store(true, Ordering::Relaxed);
    }

    /// Whether a journal was written to.
    pub fn has_journal(&self) -> bool {
        self.has_journal.load(Ordering::Relaxed)
    }

    /// The directory itself.
    pub fn directory(&self) -> &File {
        &self.directory
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.path
    }

    /// Makes all entries of the directory durable.
    pub fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    /// A handle to a file that is there.
    pub fn handle(&self, file: FileName, way: Way) -> io::Result<Arc<File>> {
        if let Some(handle) = self.cache().used(file, way) {
            return Ok(handle);
        }
        self.open_and_keep(file, way, false)
    }

    /// A handle to a file, which is made, with a durable entry, if it is not there.
    pub fn handle_or_new(&self, file: FileName, way: Way) -> io::Result<Arc<File>> {
        match self.handle(file, way) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let handle = self.open_and_keep(file, way, true)?;
                self.sync_directory()?;
                Ok(handle)
            }
            other => other,
        }
    }

    fn open_and_keep(&self, file: FileName, way: Way, make: bool) -> io::Result<Arc<File>> {
        let handle = Arc::new(open_options(way).create(make).open(self.path(file))?);
        if way == Way::Buffered {
            // The store asks for what it needs. What the kernel reads ahead of that, megabytes where it is set to,
            // holds up the journal's writes. It is advice: a file system that does not take it serves as well.
            let _ = rustix::fs::fadvise(&handle, 0, None, Advice::Random);
        }
        self.cache().keep(file, way, handle.clone());
        Ok(handle)
    }

    /// Forgets handles to a file whose name is about to mean something else.
    pub fn forget(&self, file: FileName) {
        self.cache().handles.retain(|(name, _), _| *name != file);
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn used(&mut self, file: FileName, way: Way) -> Option<Arc<File>> {
        self.uses += 1;
        let (handle, used) = self.handles.get_mut(&(file, way))?;
        *used = self.uses;
        Some(handle.clone())
    }

    fn keep(&mut self, file: FileName, way: Way, handle: Arc<File>) {
        if self.handles.len() >= KEPT {
            let oldest = self.handles.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
            oldest.map(|key| self.handles.remove(&key));
        }
        self.handles.insert((file, way), (handle, self.uses));
    }
}

/// Options for opening or making a file in this way.
pub fn open_options(way: Way) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let flags = match way {
        Way::Buffered => OFlags::empty(),
        Way::Durable => OFlags::DIRECT | OFlags::DSYNC,
        Way::Direct => OFlags::DIRECT,
    };
    // The bits of an open flag fit in C's int on every Linux.
    options.custom_flags(flags.bits() as i32);
    options
}

/// What the name of a file ends in while it is written to replace another.
const ASIDE: &str = ".new";

fn remove_leftovers(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_suffix(ASIDE)).and_then(crate::names::parse);
        if ours.is_some() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Tries a direct write of one block in a file of its own. Returns the alignment it wants of memory, or
/// `None` if this file system does not do it.
fn probe(path: &Path) -> io::Result<Option<usize>> {
    let path = path.join("probe");
    let result = probe_at(&path);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(result),
    }
}

fn probe_at(path: &Path) -> Option<usize> {
    let file = open_options(Way::Direct).create(true).truncate(true).open(path).ok()?;
    let (memory, offset) = direct_alignment(&file);
    if offset > BLOCK || !memory.is_power_of_two() {
        return None;
    }
    let block = Aligned::new(BLOCK, memory);
    file.write_all_at(block.bytes(BLOCK), 0).ok().map(|()| memory)
}

/// What statx says O_DIRECT wants of memory and of offsets; a page each where the kernel (before 6.1) or
/// the file system does not say.
fn direct_alignment(file: &File) -> (usize, usize) {
    match rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) {
        Ok(stat) if stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0 && stat.stx_dio_mem_align > 0 => {
            (stat.stx_dio_mem_align as usize, stat.stx_dio_offset_align as usize)
        }
        _ => (BLOCK, BLOCK),
    }
}

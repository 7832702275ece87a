//! A file: what can be read, and which of it is not yet durable.

use store::disk::SECTOR;

use super::wounds::Wound;
use crate::rng::Rng;

/// A file of a [`super::SimDisk`].
#[derive(Debug)]
pub(super) struct File {
    /// What a read sees.
    pub data: Vec<u8>,
    /// Length that survives a power cut.
    synced_length: usize,
    /// Writes so far: numbers them for `sync`.
    writes: u64,
    /// In order of completion. Empty while all is durable.
    unsynced: Vec<Unsynced>,
}

#[derive(Debug)]
struct Unsynced {
    number: u64,
    offset: usize,
    /// What was there before; shorter than `after` where the file grew.
    before: Vec<u8>,
    after: Vec<u8>,
    /// Durable by itself, and here only because something older is not.
    certain: bool,
}

impl File {
    /// A durable file.
    pub fn synced(data: Vec<u8>) -> File {
        File { synced_length: data.len(), data, writes: 0, unsynced: Vec::new() }
    }

    /// Writes so far.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Changes bytes without a trace, growing the file if need be.
    pub fn put(&mut self, offset: u64, bytes: &[u8]) {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[start..end].copy_from_slice(bytes);
    }

    /// Bytes are again what was written: durable, if that was acknowledged, whatever is undone below them later.
    pub fn restore(&mut self, offset: u64, wound: Wound) {
        let end = offset as usize + wound.truth.len();
        if wound.durable {
            self.write(offset, wound.truth, true);
        } else {
            self.put(offset, &wound.truth);
            self.synced_length = self.synced_length.max(end);
        }
    }

    /// A completed write.
    pub fn write(&mut self, offset: u64, after: Vec<u8>, sync: bool) {
        self.writes += 1;
        let start = offset as usize;
        if !sync || !self.unsynced.is_empty() {
            let old = start.min(self.data.len())..(start + after.len()).min(self.data.len());
            let before = self.data[old].to_vec();
            self.unsynced.push(Unsynced {
                number: self.writes,
                offset: start,
                before,
                after: after.clone(),
                certain: sync,
            });
        }
        if sync {
            self.synced_length = self.synced_length.max(start + after.len());
        }
        self.put(offset, &after);
    }

    /// The first `covers` writes are durable.
    pub fn sync(&mut self, covers: u64) {
        let covered = self.unsynced.iter().filter(|write| write.number <= covers);
        let end = covered.map(|write| write.offset + write.after.len()).max();
        self.synced_length = self.synced_length.max(end.unwrap_or(0));
        self.unsynced.retain(|write| write.number > covers);
    }

    /// Offset and length of each write that is not durable.
    pub fn unsynced(&self) -> impl Iterator<Item = (u64, usize)> {
        let uncertain = self.unsynced.iter().filter(|write| !write.certain);
        uncertain.map(|write| (write.offset as u64, write.after.len()))
    }

    /// The power is gone: any subset of the unsynced writes survives, with `torn` any subset of their
    /// sectors. Returns whether a write survived in part.
    pub fn lose_unsynced(&mut self, rng: &mut Rng, torn: bool) -> bool {
        let writes = std::mem::take(&mut self.unsynced);
        for write in writes.iter().rev() {
            self.put(write.offset as u64, &write.before);
        }
        self.data.truncate(self.synced_length.max(durable_end(&writes)));
        // All, none, or any: the first two are what disks mostly do.
        let mood = rng.below(4);
        let mut tore = false;
        for write in &writes {
            let keep_whole = write.certain || mood == 0 || (mood == 1 && rng.one_in(2));
            let by_sector = !write.certain && torn && mood >= 2;
            let mut kept = 0;
            for (at, piece) in write.after.chunks(SECTOR).enumerate() {
                if keep_whole || (by_sector && rng.one_in(2)) {
                    self.put((write.offset + at * SECTOR) as u64, piece);
                    kept += 1;
                }
            }
            tore |= kept > 0 && kept < write.after.len().div_ceil(SECTOR);
        }
        self.synced_length = self.data.len();
        tore
    }
}

fn durable_end(writes: &[Unsynced]) -> usize {
    let certain = writes.iter().filter(|write| write.certain);
    certain.map(|write| write.offset + write.after.len()).max().unwrap_or(0)
}

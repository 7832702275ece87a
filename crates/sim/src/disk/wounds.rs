//! Wounds: sectors that hold other bytes than were written, and the bytes they should hold.

use std::collections::BTreeMap;

use store::disk::{FileName, SECTOR};

/// A sector that holds other bytes.
#[derive(Debug)]
pub(super) struct Wound {
    /// What it should hold.
    pub truth: Vec<u8>,
    /// A write that was acknowledged as durable made it so; otherwise it is what could be read before.
    pub durable: bool,
}

/// All of a disk's, by file and sector.
#[derive(Debug, Default)]
pub(super) struct Wounds(BTreeMap<(FileName, u64), Wound>);

impl Wounds {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of these bytes' sectors is wounded.
    pub fn touch(&self, name: FileName, offset: u64, length: usize) -> bool {
        sectors(offset, length).any(|sector| self.0.contains_key(&(name, sector)))
    }

    /// The bytes from `offset` should be `truth` and are something else.
    pub fn inflict(&mut self, name: FileName, offset: u64, truth: &[u8], durable: bool) {
        for (sector, piece) in sectors(offset, truth.len()).zip(truth.chunks(SECTOR)) {
            self.0.insert((name, sector), Wound { truth: piece.to_vec(), durable });
        }
    }

    /// The bytes from `offset` were `before`; where a sector was wounded already, the older truth stays.
    pub fn spoil(&mut self, name: FileName, offset: u64, before: &[u8]) {
        for (sector, piece) in sectors(offset, before.len()).zip(before.chunks(SECTOR)) {
            let wound = || Wound { truth: piece.to_vec(), durable: false };
            self.0.entry((name, sector)).or_insert_with(wound);
        }
    }

    /// These bytes were written properly.
    pub fn close(&mut self, name: FileName, offset: u64, length: usize) {
        for sector in sectors(offset, length) {
            self.0.remove(&(name, sector));
        }
    }

    /// An unsynced write of these bytes meets a power cut: whether it happened, and so what was true there, is open. What
    /// was acknowledged as durable since stays true.
    pub fn forget_unsynced(&mut self, name: FileName, offset: u64, length: usize) {
        for sector in sectors(offset, length) {
            if self.0.get(&(name, sector)).is_some_and(|wound| !wound.durable) {
                self.0.remove(&(name, sector));
            }
        }
    }

    /// The file is gone, or another.
    pub fn forget(&mut self, name: FileName) {
        for sector in self.of(name) {
            self.0.remove(&(name, sector));
        }
    }

    /// The file has another name.
    pub fn rename(&mut self, from: FileName, to: FileName) {
        self.forget(to);
        for sector in self.of(from) {
            let wound = self.0.remove(&(from, sector)).expect("it was just listed");
            self.0.insert((to, sector), wound);
        }
    }

    /// Takes them all: where each is, and what it is.
    pub fn take(&mut self) -> impl Iterator<Item = (FileName, u64, Wound)> + use<> {
        let all = std::mem::take(&mut self.0);
        all.into_iter().map(|((name, sector), wound)| (name, sector * SECTOR as u64, wound))
    }

    fn of(&self, name: FileName) -> Vec<u64> {
        self.0.range((name, 0)..=(name, u64::MAX)).map(|((_, sector), _)| *sector).collect()
    }
}

fn sectors(offset: u64, length: usize) -> std::ops::Range<u64> {
    let end = offset + length as u64;
    offset / SECTOR as u64..end.div_ceil(SECTOR as u64)
}

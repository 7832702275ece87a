//! The ceiling: how fast this file system makes bytes durable with nothing around it. One thread, one
//! file that was written before (unwritten extents would cost), O_DIRECT and O_DSYNC, one write at a time.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use server::clock;

use crate::alone::Groups;
use crate::measure::Measure;
use crate::own;

const FILE: u64 = 256 << 20;
const CHUNK: usize = 1 << 20;
const BLOCK: usize = 4096;

/// The pre-written file.
#[derive(Debug)]
pub struct Ceiling {
    file: File,
    /// Whether O_DIRECT was accepted; otherwise the writes are O_DSYNC alone.
    pub direct: bool,
    memory: Vec<u8>,
    offset: u64,
}

impl Ceiling {
    /// Writes the file, replacing one that is there.
    pub fn create(path: &Path) -> io::Result<Ceiling> {
        let file = File::create(path)?;
        let zeros = vec![0; CHUNK];
        for at in (0..FILE).step_by(CHUNK) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        let open =
            |flags: OFlags| OpenOptions::new().write(true).custom_flags(flags.bits() as i32).open(path);
        let (file, direct) = match open(OFlags::DIRECT | OFlags::DSYNC) {
            Ok(file) => (file, true),
            Err(_) => (open(OFlags::DSYNC)?, false),
        };
        Ok(Ceiling { file, direct, memory: Vec::new(), offset: 0 })
    }

    /// Writes groups of messages, packed, each group rounded up to whole blocks. The latencies are those of a client
    /// that keeps `out` groups out: it hands one in when the one that many before it is written.
    pub fn run(&mut self, groups: Groups) -> io::Result<Measure> {
        let Groups { group, message, out, duration } = groups;
        let length = (group * message).next_multiple_of(BLOCK);
        self.memory = (0..length + BLOCK).map(|i| i as u8).collect();
        let start = self.memory.as_ptr().addr().wrapping_neg() % BLOCK;
        let mut measure = Measure::default();
        let (cpu, began) = (own::cpu(), clock::instant());
        let mut handed_in = VecDeque::from(vec![began; out]);
        while began.elapsed() < duration {
            if self.offset + length as u64 > FILE {
                self.offset = 0;
            }
            self.file.write_all_at(&self.memory[start..][..length], self.offset)?;
            let written = clock::instant();
            measure.latencies.extend(handed_in.pop_front().map(|at| written - at));
            handed_in.push_back(written);
            self.offset += length as u64;
            measure.messages += group as u64;
        }
        measure.elapsed = began.elapsed();
        measure.cpu = own::cpu() - cpu;
        measure.latencies.sort_unstable();
        Ok(measure)
    }
}

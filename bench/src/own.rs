//! What this process itself uses, finer than `process` tells.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::Advice;
use rustix::time::{ClockId, clock_gettime};

/// CPU time of all threads so far, user and system.
pub fn cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread so far.
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap_or_default()
}

/// Memory, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// In RAM now.
    pub resident: u64,
    /// At most so far.
    pub peak: u64,
}

/// This process's memory.
pub fn memory() -> io::Result<Memory> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let bytes = |name| kib(name).map_or(0, |kib| kib << 10);
    Ok(Memory { resident: bytes("VmRSS:"), peak: bytes("VmHWM:") })
}

/// Bytes this process had written to storage so far, as the kernel counts them.
pub fn written() -> io::Result<u64> {
    let counts = fs::read_to_string("/proc/self/io")?;
    let value = counts.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    value.and_then(|value| value.parse().ok()).ok_or_else(|| io::Error::other("no write_bytes"))
}

/// Asks the kernel to forget what it cached of a directory's files.
pub fn drop_cache(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let file = fs::File::open(entry?.path())?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_show() {
        let (before, thread) = (cpu(), thread_cpu());
        let filled = std::hint::black_box(vec![1u8; 32 << 20]);
        assert!(cpu() > before && thread_cpu() > thread);
        let memory = memory().expect("told");
        assert!(memory.resident >= filled.len() as u64 && memory.peak >= memory.resident, "{memory:?}");
    }
}

//! What a process has used, as /proc tells.

use std::fs;
use std::io;
use std::ops::Sub;
use std::time::Duration;

/// USER_HZ of every Linux that Rust runs on: the unit of CPU times in /proc.
const TICKS_PER_SECOND: u64 = 100;

/// A process's use of the machine so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Times one of its threads slept and was woken (voluntary context switches), over the living threads
    /// but those in `disk_waits`.
    pub wakeups: u64,
    /// The same of the thread that writes the journal: nearly all are waits for the disk itself.
    pub disk_waits: u64,
    /// Times one of its threads was moved off its core.
    pub preemptions: u64,
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            wakeups: self.wakeups.saturating_sub(earlier.wakeups),
            disk_waits: self.disk_waits.saturating_sub(earlier.disk_waits),
            preemptions: self.preemptions.saturating_sub(earlier.preemptions),
        }
    }
}

/// The usage of process `id`.
pub fn usage(id: u32) -> io::Result<Usage> {
    let mut usage = Usage { cpu: cpu(id)?, ..Usage::default() };
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else { continue };
        let slept = field(&status, "voluntary_ctxt_switches:");
        match status.starts_with("Name:\tsluice-journal\n") {
            true => usage.disk_waits += slept,
            false => usage.wakeups += slept,
        }
        usage.preemptions += field(&status, "nonvoluntary_ctxt_switches:");
    }
    Ok(usage)
}

fn cpu(id: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in brackets may hold anything; what follows it does not. Fields 14 and 15 of proc(5).
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let times = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn field(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

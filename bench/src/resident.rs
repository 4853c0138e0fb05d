//! What processes hold: memory, descriptors, tasks.

use anyhow::{Context, Result};
use fs_err as fs;

/// Memory of a process, or of several together, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident: what it has in memory, shared or not.
    pub rss: u64,
    /// Proportional: a page that several processes share is divided among them.
    pub pss: u64,
}

impl Memory {
    /// Of one process, as the kernel sums it up.
    pub fn of(pid: i32) -> Result<Memory> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        parse(&text).with_context(|| format!("process {pid} has no memory to speak of"))
    }

    /// Of several processes, added up.
    pub fn sum(pids: &[i32]) -> Result<Memory> {
        pids.iter().try_fold(Memory::default(), |sum, pid| {
            let one = Memory::of(*pid)?;
            Ok(Memory { rss: sum.rss + one.rss, pss: sum.pss + one.pss })
        })
    }
}

fn parse(text: &str) -> Option<Memory> {
    let bytes = |key| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { rss: bytes("Rss:")?, pss: bytes("Pss:")? })
}

/// Open descriptors of a process.
pub fn descriptors(pid: i32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Threads of a process.
pub fn tasks(pid: i32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task"))?.count())
}

/// Bytes as MB (10⁶).
pub fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_sum_is_read() {
        let text = "00400000-7ffd [rollup]\nRss:                 436 kB\nPss:                 211 kB\nPss_Dirty: 9 kB\n";
        assert_eq!(parse(text), Some(Memory { rss: 436 * 1024, pss: 211 * 1024 }));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn this_process_holds_something() {
        let own = i32::try_from(std::process::id()).unwrap();
        let memory = Memory::of(own).unwrap();
        assert!(memory.rss >= memory.pss && memory.pss > 0);
        assert!(descriptors(own).unwrap() > 0 && tasks(own).unwrap() > 0);
    }
}

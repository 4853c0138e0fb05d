//! Whether this host has the memory to run new instances beside old ones.

use std::path::{Path, PathBuf};

use model::human;

/// Left for everything else: a host that swaps or kills is worse than a slower deployment.
const RESERVE: u64 = 64 << 20;

/// What there is and what would be needed, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What can still be used without swapping.
    pub available: u64,
    /// What the new instances will use, if they are like those that run.
    pub needed: u64,
}

impl Room {
    /// Whether it is enough.
    pub fn is_enough(self) -> bool {
        self.needed == 0 || self.needed.checked_add(RESERVE).is_some_and(|needed| needed <= self.available)
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (available, needed) = (human::bytes(self.available), human::bytes(self.needed));
        write!(f, "{available} of memory are available, and the new instances will need about {needed}")
    }
}

/// Looks whether `new` more instances fit beside those whose processes these are; `None` where nothing can be told.
pub fn room(running: &[u32], new: usize, cgroup: Option<&Path>) -> Option<Room> {
    let resident: Vec<u64> = running.iter().filter_map(|pid| resident(*pid)).collect();
    let needed = needed(&resident, new);
    let host = field(&fs_err::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let available = cgroup.and_then(left_in_cgroup).map_or(host, |left| left.min(host));
    Some(Room { available, needed })
}

/// Memory of this host, bytes: what is in use and cannot be had back at once, and all of it.
pub fn of_host() -> Option<(u64, u64)> {
    let meminfo = fs_err::read_to_string("/proc/meminfo").ok()?;
    let (total, available) = (field(&meminfo, "MemTotal:")?, field(&meminfo, "MemAvailable:")?);
    Some((total.saturating_sub(available), total))
}

/// Resident bytes of a process.
pub fn resident(pid: u32) -> Option<u64> {
    field(&fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// New ones are like the largest that runs: they have not yet grown, but they will.
fn needed(resident: &[u64], new: usize) -> u64 {
    resident.iter().max().copied().unwrap_or(0).saturating_mul(u64::try_from(new).unwrap_or(u64::MAX))
}

/// What the cgroup that instances are in may still use, and those above it.
fn left_in_cgroup(cgroup: &Path) -> Option<u64> {
    let limits = cgroup.ancestors().filter_map(|folder: &Path| {
        let number = |name: &str| -> Option<u64> {
            let path: PathBuf = folder.join(name);
            fs_err::read_to_string(path).ok()?.trim().parse().ok()
        };
        // `max`: no limit
        Some(number("memory.max")?.saturating_sub(number("memory.current")?))
    });
    limits.min()
}

/// A figure in kB of a file of /proc, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_what_they_need_and_a_reserve() {
        let room = |available, needed| Room { available, needed }.is_enough();
        assert!(room(0, 0), "nothing runs: nothing is doubled");
        assert!(room(RESERVE + 10, 10));
        assert!(!room(RESERVE + 9, 10));
        assert!(!room(u64::MAX, u64::MAX));
        let text = Room { available: 1_500_000_000, needed: 2_000_000_000 }.to_string();
        assert_eq!(text, "1.5 GB of memory are available, and the new instances will need about 2.0 GB");
    }

    #[test]
    fn new_ones_are_like_the_largest() {
        assert_eq!((needed(&[], 3), needed(&[5, 9, 7], 3), needed(&[5], 0)), (0, 27, 0));
    }

    #[test]
    fn a_process_and_the_host_are_read() {
        let own = resident(std::process::id()).unwrap();
        let room = room(&[std::process::id()], 2, None).unwrap();
        assert!(own > 0 && room.needed > own && room.available > 0, "{own} {room:?}");
        assert_eq!(field("MemFree: 1 kB\nMemAvailable:    12 kB\n", "MemAvailable:"), Some(12 * 1024));
        assert_eq!(field("VmRSS: many\n", "VmRSS:"), None);
    }

    #[test]
    fn the_tightest_cgroup_counts() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs_err::create_dir(&inner).unwrap();
        let write = |folder: &Path, max: &str, current: &str| {
            fs_err::write(folder.join("memory.max"), max).unwrap();
            fs_err::write(folder.join("memory.current"), current).unwrap();
        };
        write(&inner, "max\n", "5\n");
        assert_eq!(left_in_cgroup(&inner), None);
        write(folder.path(), "100\n", "30\n");
        assert_eq!(left_in_cgroup(&inner), Some(70));
        write(&inner, "90\n", "50\n");
        assert_eq!(left_in_cgroup(&inner), Some(40));
        write(&inner, "40\n", "50\n");
        assert_eq!(left_in_cgroup(&inner), Some(0));
    }
}

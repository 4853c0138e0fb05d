//! What an instance uses, over all its processes: for the autoscaler.
//!
//! Where the instance has a cgroup of its own, the kernel counts its time on cores (`cpu.stat`, which needs no
//! controller) and names its processes. Else they are those below its shim: a shim is the subreaper of all that its
//! instance starts, so whatever detaches itself comes back to it. Memory is the sum of what the processes have
//! resident either way; a cgroup's own figure holds the page cache of its logs too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `USER_HZ`, in which the kernel tells times: 100 on every architecture that we are built for.
const TICKS_PER_SECOND: u64 = 100;

/// Deepest tree of processes that is climbed.
const MOST_GENERATIONS: usize = 64;

/// What an instance uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Time on cores, since its start.
    pub cpu: Duration,
    /// Resident bytes.
    pub memory: u64,
}

/// Every process of the host by its parent, as of one moment: read once for all instances.
#[derive(Debug, Default)]
pub struct Processes {
    children: BTreeMap<u32, Vec<u32>>,
}

/// What proc(5) says of a process in its `stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Time of its own and of the children that it has waited for, in clock ticks.
    ticks: u64,
    /// When it was started, in clock ticks since the boot.
    started: u64,
}

/// How long ago a process was started, whatever was done to the wall's clock since; `None` when it has ended.
pub fn age(pid: u32) -> Option<Duration> {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = Duration::try_from(since_boot).ok()?;
    Some(now.saturating_sub(time(stat(pid)?.started)))
}

/// Who belongs to an instance: all that is below its shim, as everything that it started is. Its shim is found by its
/// main process, once; a later main process, which the shim has started in the same instance, belongs to it as well.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    main: u32,
    shim: Option<u32>,
}

impl Family {
    /// The family of this main process.
    pub fn of(main: u32) -> Self {
        Family { main, shim: stat(main).map(|main| main.parent).filter(|shim| *shim > 1) }
    }

    /// Its main process when it was looked for.
    pub fn main(self) -> u32 {
        self.main
    }

    /// Whether that one lived; without it nobody knows who else belongs to the family.
    pub fn is_known(self) -> bool {
        self.shim.is_some()
    }

    /// Whether a process belongs to it.
    pub fn has(self, pid: u32) -> bool {
        let mut at = pid;
        for _ in 0..MOST_GENERATIONS {
            let Some(parent) = stat(at).map(|it| it.parent) else { return false };
            if at == self.main || Some(parent) == self.shim {
                return true;
            }
            at = parent;
        }
        false
    }
}

impl Processes {
    /// Reads them.
    pub fn read() -> Self {
        let mut children = BTreeMap::<u32, Vec<u32>>::new();
        let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            if let Some(stat) = stat(pid) {
                children.entry(stat.parent).or_default().push(pid);
            }
        }
        Processes { children }
    }

    /// What the instance with this main process uses; `None` when that has ended.
    pub fn usage(&self, pid: u32) -> Option<Usage> {
        let main = stat(pid)?;
        if let Some(usage) = crate::cgroup::of_instance(pid).and_then(|cgroup| in_cgroup(&cgroup)) {
            return Some(usage);
        }
        let tree = self.below(main.parent);
        let ticks: u64 = tree.iter().filter_map(|pid| stat(*pid)).map(|stat| stat.ticks).sum();
        Some(Usage { cpu: time(ticks), memory: memory(&tree) })
    }

    /// The processes of the instance with this main process.
    pub fn of_instance(&self, pid: u32) -> Vec<u32> {
        stat(pid).map(|main| self.below(main.parent)).unwrap_or_default()
    }

    /// All that descend from a process, without itself.
    fn below(&self, pid: u32) -> Vec<u32> {
        let mut found = self.children.get(&pid).cloned().unwrap_or_default();
        let mut next = 0;
        while let Some(pid) = found.get(next) {
            found.extend(self.children.get(pid).into_iter().flatten().copied().collect::<Vec<_>>());
            next += 1;
        }
        found
    }
}

fn memory(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| crate::memory::resident(*pid)).sum()
}

/// What the kernel counts for a cgroup (cgroups(7), `cpu.stat`).
fn in_cgroup(cgroup: &Path) -> Option<Usage> {
    let file = |name: &str| -> Option<String> {
        let path: PathBuf = cgroup.join(name);
        fs_err::read_to_string(path).ok()
    };
    let text = file("cpu.stat")?;
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()?;
    let pids: Vec<u32> = file("cgroup.procs")?.lines().filter_map(|line| line.parse().ok()).collect();
    Some(Usage { cpu: Duration::from_micros(micros), memory: memory(&pids) })
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc(5): `pid (comm) state ppid …`, with the four times as fields 14 to 17 and its start as field 22; `comm` may hold anything.
fn parse(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |nth: usize| -> Option<u64> { fields.get(nth - 3)?.parse().ok() };
    let ticks = (14..=17).map(number).sum::<Option<u64>>()?;
    Some(Stat { parent: u32::try_from(number(4)?).ok()?, ticks, started: number(22)? })
}

fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_program_is_called() {
        let text = "42 (a ) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7";
        assert_eq!(parse(text), Some(Stat { parent: 7, ticks: 127, started: 5 }));
        assert_eq!(parse("42 (cut off"), None);
    }

    #[test]
    fn a_tree_is_all_that_descends_however_deep() {
        let children = [(1, vec![2, 3]), (3, vec![4]), (4, vec![5]), (9, vec![10])].into_iter().collect();
        let processes = Processes { children };
        assert_eq!(processes.below(1), [2, 3, 4, 5]);
        assert_eq!(processes.below(5), [0; 0]);
    }

    #[test]
    fn what_the_main_process_started_is_of_the_instance_and_nobody_else() {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]).stdout(std::process::Stdio::piped());
        let mut main = command.spawn().unwrap();
        let mut line = String::new();
        let output = main.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let child: i32 = line.trim().parse().unwrap();
        let looked = [main.id(), child.unsigned_abs(), std::process::id(), 1];
        let family = Family::of(main.id());
        let found = looked.map(|pid| family.has(pid));
        let child = rustix::process::Pid::from_raw(child).unwrap();
        rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
        main.kill().unwrap();
        main.wait().unwrap();
        assert_eq!(found, [true, true, false, false]);
        assert!(!family.has(main.id()), "it has ended");
        assert!(family.is_known() && !Family::of(main.id()).is_known());
        // this process is in the place of a shim, which starts it again
        let mut next = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let is_of_it = family.has(next.id());
        next.kill().unwrap();
        next.wait().unwrap();
        assert!(is_of_it);
    }

    #[test]
    fn a_cgroup_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs_err::write(folder.path().join(name), text).unwrap();
        assert_eq!(in_cgroup(folder.path()), None);
        write("cpu.stat", "usage_usec 1500000\nuser_usec 1\n");
        write("cgroup.procs", &format!("{}\n", std::process::id()));
        let usage = in_cgroup(folder.path()).unwrap();
        assert_eq!(usage.cpu, Duration::from_millis(1500));
        assert!(usage.memory > 0, "{usage:?}");
    }

    /// This test is the only child that its parent is asked about here: what is found is at least its own.
    #[test]
    fn a_real_process_is_found_with_what_it_uses() {
        let usage = Processes::read().usage(std::process::id()).unwrap();
        assert!(usage.memory >= crate::memory::resident(std::process::id()).unwrap() / 2, "{usage:?}");
        assert_eq!(Processes::read().usage(u32::MAX), None);
    }

    #[test]
    fn a_process_is_as_old_as_it_is() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let young = age(child.id()).unwrap();
        let own = age(std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(young <= own && own < Duration::from_secs(24 * 3600), "{young:?} {own:?}");
        assert_eq!(age(child.id()), None);
    }
}

//! What /proc says about processes: who is whose child.

use rustix::fs::{self, Dir, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

/// One process as /proc/PID/stat shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// The program's name, at most 15 bytes.
    pub(crate) name: Vec<u8>,
    /// Ticks after boot at which it was started: with `pid` it names a process for good.
    pub(crate) started: u64,
}

/// All processes.
pub(crate) fn all() -> Vec<Process> {
    let Ok(folder) = fs::open("/proc", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
        return Vec::new();
    };
    let Ok(entries) = Dir::new(folder) else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok()?.parse().ok());
    pids.filter_map(read).collect()
}

/// One process, if it exists.
pub(crate) fn read(pid: i32) -> Option<Process> {
    parse(pid, &read_file(&format!("/proc/{pid}/stat")).ok()?)
}

/// Those that descend from `ancestor`.
pub(crate) fn descendants(all: &[Process], ancestor: Pid) -> Vec<&Process> {
    let mut known = vec![ancestor.as_raw_nonzero().get()];
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(parent) = known.get(next).copied() {
        let children: Vec<&Process> = all.iter().filter(|process| process.parent == parent).collect();
        known.extend(children.iter().map(|child| child.pid));
        found.extend(children);
        next += 1;
    }
    found
}

/// How often the kernel has killed for want of memory since boot; 0 if it does not say.
pub(crate) fn oom_kills() -> u64 {
    let stat = read_file("/proc/vmstat").unwrap_or_default();
    let text = String::from_utf8_lossy(&stat);
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}

/// A whole small file.
pub(crate) fn read_file(path: &str) -> Result<Vec<u8>, Errno> {
    let file = fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut content = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match rustix::io::read(&file, &mut buffer) {
            Ok(0) => return Ok(content),
            Ok(length) => content.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// `PID (NAME) STATE PPID …`; the name may hold anything, so the last `)` ends it. See proc_pid_stat(5).
fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(open + 1..close)?.to_vec();
    let rest = str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process { pid, parent, name, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_name_with_brackets() {
        let line = b"12 (a) b (c)) S 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 99";
        let process = parse(12, line).unwrap();
        assert_eq!((process.parent, process.started), (7, 4711));
        assert_eq!(process.name, b"a) b (c)");
    }

    #[test]
    fn finds_grandchildren_and_nobody_else() {
        let process = |pid, parent| Process { pid, parent, name: Vec::new(), started: 0 };
        let all = [process(3, 2), process(2, 1), process(9, 8), process(4, 3)];
        let found: Vec<i32> =
            descendants(&all, Pid::from_raw(1).unwrap()).iter().map(|process| process.pid).collect();
        assert_eq!(found, [2, 3, 4]);
    }

    #[test]
    fn sees_itself() {
        let own = std::process::id() as i32;
        assert!(all().iter().any(|process| process.pid == own));
    }
}

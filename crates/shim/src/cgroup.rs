//! The child's own cgroup v2, where one can be made: the kernel then ends the whole tree at once.

use crate::renewal::number;
use crate::sys;
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use wire::shim::{CgroupFile, renewal};

/// One cgroup that we made; removed when dropped, if it is empty.
pub(crate) struct Cgroup {
    path: PathBuf,
    /// Open for the child to write itself into.
    pub(crate) members: OwnedFd,
}

impl Cgroup {
    /// Makes `{parent}/{name}`; `None` if that is not possible here.
    pub(crate) fn make(parent: &Path, name: &str) -> Option<Self> {
        let path = parent.join(name);
        // One that an earlier run left has that run's kills in its counters.
        let _ = fs::unlinkat(CWD, &path, AtFlags::REMOVEDIR);
        match fs::mkdir(&path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(_) => return None,
        }
        let killable = fs::access(path.join("cgroup.kill"), fs::Access::WRITE_OK).is_ok();
        let members = open(&path.join("cgroup.procs"), OFlags::RDWR).ok();
        let group = Self { path, members: members? };
        // Dropped, it is removed again; unless somebody is in it, who is none of ours.
        (killable && !group.is_populated()).then_some(group)
    }

    /// Writes what shall hold for its members: limits. What the kernel refuses holds not, and is no reason not to run.
    pub(crate) fn write(&self, files: &[CgroupFile]) {
        for CgroupFile { name, value } in files.iter().filter(|file| !file.name.contains('/')) {
            if let Ok(file) = open(&self.path.join(name), OFlags::WRONLY) {
                let _ = rustix::io::write(&file, value.as_bytes());
            }
        }
    }

    /// The limit that members were killed at, in bytes: `files`, which were written, say it as it was meant, for the kernel
    /// rounds it to whole pages. `None` where a limit above or the host's own memory was the cause: the kernel counts
    /// kills in the victim's group, and `oom` in the one whose limit was reached (cgroup-v2.rst, `memory.events`).
    pub(crate) fn limit_reached(&self, files: &[CgroupFile]) -> Option<u64> {
        if self.count_in("memory.events", "oom ").unwrap_or(0) == 0 {
            return None;
        }
        let limit = crate::processes::read_file(&self.path.join("memory.max").to_string_lossy()).ok()?;
        let limit = String::from_utf8_lossy(&limit).trim().parse().ok()?;
        let meant = files.iter().find(|file| file.name == "memory.max");
        Some(meant.and_then(|file| file.value.parse().ok()).unwrap_or(limit))
    }

    /// As the program before has handed it over.
    pub(crate) fn handed(cgroup: renewal::Cgroup) -> Self {
        Self { path: cgroup.path, members: sys::own(cgroup.members) }
    }

    /// For the next program.
    pub(crate) fn hand(&self) -> renewal::Cgroup {
        renewal::Cgroup { path: self.path.clone(), members: number(&self.members) }
    }

    /// Whether the process is a direct member: its attempt to join may have been denied.
    pub(crate) fn contains(&self, pid: Pid) -> bool {
        let members = crate::processes::read_file(&self.path.join("cgroup.procs").to_string_lossy());
        let pid = pid.as_raw_nonzero().get().to_string();
        members.is_ok_and(|members| String::from_utf8_lossy(&members).lines().any(|line| line == pid))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// SIGKILL to every member, those forked meanwhile too.
    pub(crate) fn kill(&self) {
        if let Ok(file) = open(&self.path.join("cgroup.kill"), OFlags::WRONLY) {
            let _ = rustix::io::write(&file, b"1");
        }
    }

    /// Whether any process is in it or below.
    pub(crate) fn is_populated(&self) -> bool {
        self.count_in("cgroup.events", "populated ").is_some_and(|count| count > 0)
    }

    /// How often the kernel killed a member for want of memory, wherever that lacked; `None` without a memory controller.
    pub(crate) fn oom_kills(&self) -> Option<u64> {
        self.count_in("memory.events", "oom_kill ")
    }

    fn count_in(&self, file: &str, key: &str) -> Option<u64> {
        let content = crate::processes::read_file(&self.path.join(file).to_string_lossy()).ok()?;
        let text = String::from_utf8_lossy(&content);
        text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::unlinkat(CWD, &self.path, AtFlags::REMOVEDIR);
    }
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of plain files stands for a cgroup whose controllers are there.
    #[test]
    fn limits_are_written_and_what_was_reached_is_read() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("group");
        fs_err::create_dir(&folder).unwrap();
        let write = |name: &str, text: &str| fs_err::write(folder.join(name), text).unwrap();
        write("cgroup.procs", "");
        write("memory.max", "max\n");
        write("memory.events", "low 0\noom 1\noom_kill 0\n");
        let members = open(&folder.join("cgroup.procs"), OFlags::RDWR).unwrap();
        let group = Cgroup { path: folder.clone(), members };
        let file = |name: &str, value: &str| CgroupFile { name: name.into(), value: value.into() };
        assert_eq!(group.oom_kills(), Some(0));
        group.write(&[file("memory.max", "512"), file("../elsewhere", "1"), file("not.there", "1")]);
        // A file of the kernel's takes each write as a whole; a plain one keeps what was longer.
        assert_eq!(fs_err::read_to_string(folder.join("memory.max")).unwrap(), "512\n");
        assert!(!folder.join("not.there").exists() && !folder.with_file_name("elsewhere").exists());
        let files = [file("memory.max", "536871000")];
        let reached = |events: &str, limit: &str, files: &[CgroupFile]| {
            write("memory.events", events);
            write("memory.max", limit);
            group.limit_reached(files)
        };
        assert_eq!(reached("oom 0\noom_kill 0\n", "536870912\n", &files), None, "nobody was killed");
        assert_eq!(reached("oom 1\noom_kill 2\n", "536870912\n", &[]), Some(536_870_912));
        assert_eq!(
            reached("oom 1\noom_kill 2\n", "536870912\n", &files),
            Some(536_871_000),
            "as it was meant"
        );
        assert_eq!(
            reached("oom 0\noom_kill 2\n", "536870912\n", &files),
            None,
            "a limit above, or the host's"
        );
        assert_eq!(reached("oom 1\noom_kill 2\n", "max\n", &files), None, "the kernel did not take it");
    }

    #[test]
    fn without_a_memory_controller_nothing_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("cgroup.procs"), "").unwrap();
        let members = open(&folder.path().join("cgroup.procs"), OFlags::RDWR).unwrap();
        let group = Cgroup { path: folder.path().to_owned(), members };
        assert_eq!((group.oom_kills(), group.is_populated(), group.limit_reached(&[])), (None, false, None));
    }
}

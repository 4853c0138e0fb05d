//! Everything a shim needs to know to run its child.

use crate::field::{message, number_enum};
use std::ffi::OsString;
use std::path::PathBuf;

number_enum! {
    /// What sort of child.
    pub enum Kind {
        /// Runs until stopped; restarted by its policy.
        Service = 0,
        /// Runs exactly once; its outcome is kept until released.
        Task = 1,
    }
}

number_enum! {
    /// Whether an exited service is started again.
    pub enum RestartMode {
        /// After any exit, status 0 too.
        Always = 0,
        /// Never.
        Never = 1,
    }
}

number_enum! {
    /// A resource limit, as setrlimit(2) names them.
    pub enum ResourceLimit {
        /// Open files.
        Nofile = 0,
        /// Size of core files, bytes.
        Core = 1,
        /// Processes and threads of the user.
        Nproc = 2,
        /// Address space, bytes.
        As = 3,
        /// Locked memory, bytes.
        Memlock = 4,
        /// Size of a written file, bytes.
        Fsize = 5,
        /// Main thread's stack, bytes.
        Stack = 6,
        /// CPU time, seconds.
        Cpu = 7,
        /// Data segment, bytes.
        Data = 8,
    }
}

message! {
    /// Run this. Accepted once in a shim's life; repeated with the same id it is answered Done and ignored.
    pub struct Start {
        /// The id the shim was spawned for.
        1 => pub id: String,
        /// Service or task.
        2 => pub kind: Kind,
        /// Arguments; the first is the path of the program, absolute.
        3 => pub argv: Vec<OsString>,
        /// Working folder, absolute.
        4 => pub cwd: PathBuf,
        /// The whole environment; the shim adds `BELLROCK_INSTANCE`, `BELLROCK_MARK` and, with
        /// [`Start::crash_dump`], `ERL_CRASH_DUMP*`; it leaves out `HEART_COMMAND`.
        5 => pub env: Vec<Variable>,
        /// Whom to run as; `None`: as the shim.
        6 => pub owner: Option<Owner>,
        /// File mode creation mask; `None`: 0o022.
        7 => pub umask: Option<u32>,
        /// Soft and hard limits.
        8 => pub limits: Vec<Limit>,
        /// Set-user-id programs give no rights.
        9 => pub no_new_privs: bool,
        /// Where standard output goes.
        10 => pub stdout: LogFile,
        /// Where standard error goes.
        11 => pub stderr: LogFile,
        /// When it is started again.
        12 => pub restart: RestartPolicy,
        /// ms between SIGTERM and SIGKILL when the shim has to stop its child unasked (it got SIGTERM itself).
        13 => pub stop_timeout_ms: u64,
        /// A task's whole tree is killed after this many ms.
        14 => pub time_limit_ms: Option<u64>,
        /// cgroup v2 folder in which to try to make the child's own group.
        15 => pub cgroup_parent: Option<PathBuf>,
        /// Where crash dumps go; `None`: the environment's `ERL_CRASH_DUMP*` stay as given.
        16 => pub crash_dump: Option<CrashDump>,
        /// Sockets that the shim listens on for its whole life, and that every run inherits: connections wait in their
        /// queues while the child is started anew. The child finds them at descriptors 3, 4 … in this order, and
        /// their number in [`super::LISTEN_VARIABLE`].
        17 => pub listen: Vec<Listen>,
        /// What is written into the child's own cgroup before the child is in it, if it gets one.
        18 => pub cgroup_files: Vec<CgroupFile>,
    }
}

message! {
    /// A file of a cgroup (cgroups(7)), such as `memory.max`.
    pub struct CgroupFile {
        /// Its name, without a folder.
        1 => pub name: String,
        /// What is written.
        2 => pub value: String,
    }
}

message! {
    /// A listening socket (SO_REUSEADDR, not SO_REUSEPORT).
    pub struct Listen {
        /// `ip:port`; port 0 takes a free one.
        1 => pub address: String,
        /// Length of its queue, cut by the kernel to net.core.somaxconn; 0: that.
        2 => pub backlog: u32,
    }
}

message! {
    /// One variable of the environment.
    pub struct Variable {
        /// Not empty, without `=`.
        1 => pub name: OsString,
        /// Anything without NUL.
        2 => pub value: OsString,
    }
}

message! {
    /// User and groups by number; the daemon resolves names.
    pub struct Owner {
        /// User.
        1 => pub uid: u32,
        /// Main group.
        2 => pub gid: u32,
        /// Further groups.
        3 => pub groups: Vec<u32>,
    }
}

message! {
    /// One resource limit.
    pub struct Limit {
        /// Which.
        1 => pub resource: ResourceLimit,
        /// Soft limit; `None`: infinity.
        2 => pub soft: Option<u64>,
        /// Hard limit; `None`: infinity.
        3 => pub hard: Option<u64>,
    }
}

message! {
    /// A log file and how it is rotated; old files are `{path}.1` (newest) to `{path}.{keep}`.
    pub struct LogFile {
        /// Absolute; its folder exists. Empty: the output is dropped.
        1 => pub path: PathBuf,
        /// Rotated before it would grow beyond this many bytes; 0: never by size.
        2 => pub max_bytes: u64,
        /// Rotated when its first line is older than this many ms; 0: never by age.
        3 => pub max_age_ms: u64,
        /// Old files kept.
        4 => pub keep: u32,
    }
}

message! {
    /// When an exited service is started again: the first time at once, then after
    /// `min(step × consecutive exits, cap)`; up for `reset_after` it starts counting anew.
    pub struct RestartPolicy {
        /// Whether at all.
        1 => pub mode: RestartMode,
        /// ms per consecutive exit; the rule is 2 s.
        2 => pub step_ms: u64,
        /// Longest wait in ms; the rule is 5 min.
        3 => pub cap_ms: u64,
        /// ms of uptime after which an exit counts as the first; the rule is 60 s.
        4 => pub reset_after_ms: u64,
    }
}

impl RestartPolicy {
    /// Product rule D09: at once, then `min(2·n s, 5 min)`, reset after 60 s up.
    pub fn standard() -> Self {
        Self { mode: RestartMode::Always, step_ms: 2_000, cap_ms: 300_000, reset_after_ms: 60_000 }
    }

    /// ms to wait before the start that follows the `consecutive`th exit (1 is the first).
    pub fn delay_ms(&self, consecutive: u64) -> u64 {
        match consecutive {
            0 | 1 => 0,
            n => self.step_ms.saturating_mul(n).min(self.cap_ms),
        }
    }
}

message! {
    /// Crash dumps: each run writes its own file `{folder}/{id}-{run}.dump`.
    pub struct CrashDump {
        /// Absolute; the daemon makes it writable by the app. All `*.dump` in it are pruned together.
        1 => pub folder: PathBuf,
        /// Newest dumps kept.
        2 => pub keep: u32,
        /// A dump is cut at this many bytes (`ERL_CRASH_DUMP_BYTES`); 0: no limit.
        3 => pub max_bytes: u64,
        /// Seconds that writing a dump may take (`ERL_CRASH_DUMP_SECONDS`).
        4 => pub seconds: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::RestartPolicy;

    #[test]
    fn first_at_once_then_two_seconds_per_exit_up_to_five_minutes() {
        let policy = RestartPolicy::standard();
        let delays: Vec<u64> = [1, 2, 3, 149, 150, 151, u64::MAX].map(|n| policy.delay_ms(n)).to_vec();
        assert_eq!(delays, [0, 4_000, 6_000, 298_000, 300_000, 300_000, 300_000]);
    }
}

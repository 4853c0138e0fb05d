//! What a shim knows about its child right now.

use super::start::Kind;
use crate::field::{message, number_enum};
use std::path::PathBuf;

number_enum! {
    /// What the shim is doing.
    pub enum State {
        /// Waits to be told to start.
        Waiting = 0,
        /// The child runs.
        Running = 1,
        /// The child was asked to stop, or its tree is being ended.
        Stopping = 2,
        /// Waits before the next start.
        BackingOff = 3,
        /// Stopped, by request or because the policy says never; nothing runs and nothing will.
        Stopped = 4,
        /// The task has ended; its outcome waits to be taken.
        Finished = 5,
    }
}

message! {
    /// Answer to [`super::QueryStatus`], and part of every [`super::Welcome`].
    pub struct Status {
        /// What the shim is doing.
        1 => pub state: State,
        /// Service or task; meaningful once started.
        2 => pub kind: Kind,
        /// Number of the last run; 0: never started.
        3 => pub run: u64,
        /// Main process, while there is one.
        4 => pub pid: Option<u32>,
        /// ms since the main process was started, while there is one.
        5 => pub uptime_ms: Option<u64>,
        /// Exits that were not asked for, in the shim's life.
        6 => pub crashes: u64,
        /// Consecutive ones, as the policy counts.
        7 => pub consecutive: u64,
        /// Restarts that were asked for.
        8 => pub forced_restarts: u64,
        /// The child's own cgroup, where one could be made.
        9 => pub cgroup: Option<PathBuf>,
        /// Bytes of output lost in the shim's life.
        10 => pub dropped_bytes: u64,
        /// ms until the next start, while waiting for it.
        11 => pub restarts_in_ms: Option<u64>,
        /// Number of the last event.
        12 => pub last_seq: u64,
    }
}

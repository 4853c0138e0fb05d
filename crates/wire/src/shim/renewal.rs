//! What a shim hands to the program that it executes in its own place: everything that it knows, with the numbers of the
//! descriptors that stay open. It travels in a memory file as one record (see [`crate::record`]).
//!
//! The program that reads it may be newer or older than the one that wrote it; if it cannot go on by it, it executes the
//! program before, whose descriptor it is given, and that one goes on.

use crate::error::DecodeError;
use crate::field::{Blob, Message, message};
use crate::record::{self, Records};
use std::path::PathBuf;

use super::saved::Header;
use super::start::Start;

/// Version of [`Renewal`]: another one where a reader that skips what it does not know would do wrong.
pub const FORMAT: u32 = 1;

/// Argument before the descriptors of the record and of the program before.
pub const TAKE_OVER: &str = "--take-over";
/// Argument that makes a shim's program print the formats it reads, one a line.
pub const TAKES_OVER: &str = "--takes-over";

message! {
    /// A shim that runs a child, or waits before it starts it again. Descriptors are numbers.
    pub struct Renewal {
        /// [`FORMAT`].
        1 => pub format: u32,
        /// Highest epoch of a daemon that spoke.
        2 => pub epoch: u64,
        /// See [`super::Welcome::mark`].
        3 => pub mark: String,
        /// What it was told to run, as changed since.
        4 => pub start: Start,
        /// The child, while there is one.
        5 => pub child: Option<Child>,
        /// While there is none: when it is started again, in ms since boot.
        6 => pub starts_at: Option<u64>,
        /// Number of the last run.
        7 => pub run: u64,
        /// See [`super::Status::crashes`].
        8 => pub crashes: u64,
        /// See [`super::Status::consecutive`].
        9 => pub consecutive: u64,
        /// See [`super::Status::forced_restarts`].
        10 => pub forced_restarts: u64,
        /// See [`super::Status::dropped_bytes`].
        11 => pub dropped_bytes: u64,
        /// The newest output.
        12 => pub tail: Blob,
        /// The event log.
        13 => pub log: Log,
        /// The two folders and what is held of them.
        14 => pub folders: Folders,
        /// The socket that daemons connect to.
        15 => pub listener: u32,
        /// Sockets that the child inherits.
        16 => pub sockets: Vec<u32>,
    }
}

message! {
    /// See [`Renewal::child`].
    pub struct Child {
        /// Its process; ours, and not reaped.
        1 => pub pid: u32,
        /// Its pidfd.
        2 => pub pidfd: u32,
        /// Our end of its standard output.
        3 => pub stdout: u32,
        /// Our end of its standard error.
        4 => pub stderr: u32,
        /// Its own cgroup, where there is one.
        5 => pub cgroup: Option<Cgroup>,
        /// When it was started, in ms since boot.
        6 => pub started: u64,
        /// The host's count of kills for want of memory when it was started.
        7 => pub oom_kills: u64,
        /// Whether `heart` has been looked for.
        8 => pub heart_looked_for: bool,
    }
}

message! {
    /// See [`Child::cgroup`].
    pub struct Cgroup {
        /// The folder.
        1 => pub path: PathBuf,
        /// `cgroup.procs` in it.
        2 => pub members: u32,
    }
}

message! {
    /// See [`Renewal::log`].
    pub struct Log {
        /// The file.
        1 => pub file: u32,
        /// Bytes of whole records in it.
        2 => pub length: u64,
        /// Its first record.
        3 => pub header: Header,
        /// Number of the last event.
        4 => pub last_seq: u64,
        /// Number of the last event that the daemon has.
        5 => pub acknowledged: u64,
    }
}

message! {
    /// See [`Renewal::folders`].
    pub struct Folders {
        /// The run folder, absolute.
        1 => pub path: PathBuf,
        /// The run folder.
        2 => pub run: u32,
        /// The state folder.
        3 => pub state: u32,
        /// The locks in both, held.
        4 => pub locks: Vec<u32>,
    }
}

impl Renewal {
    /// Every descriptor that it names.
    pub fn descriptors(&self) -> Vec<u32> {
        let mut all = vec![self.listener, self.log.file, self.folders.run, self.folders.state];
        all.extend(&self.folders.locks);
        all.extend(&self.sockets);
        if let Some(child) = &self.child {
            all.extend([child.pidfd, child.stdout, child.stderr]);
            all.extend(child.cgroup.iter().map(|cgroup| cgroup.members));
        }
        all
    }

    /// This as a record.
    pub fn to_record(&self) -> Vec<u8> {
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        self.encode(&mut payload);
        record::put(&payload, &mut out);
        out
    }

    /// Reads a record.
    ///
    /// # Errors
    /// If it is torn, or what it holds is no renewal.
    pub fn from_record(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(Records::new(bytes).next().ok_or(DecodeError::Truncated)?)
    }
}

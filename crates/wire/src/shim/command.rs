//! What the daemon says to a shim.

use super::start::{Limit, RestartPolicy, Start, Variable};
use crate::field::{message, message_enum};
use std::ffi::OsString;
use std::path::PathBuf;

message_enum! {
    /// A message to a shim.
    pub enum Command {
        /// First on every connection.
        1 => Hello(Hello),
        /// Begin.
        2 => Start(Start),
        /// End in order.
        3 => Stop(Stop),
        /// End in order and begin again: a forced restart, counted apart.
        4 => Restart(Restart),
        /// Change when an exited service is started again.
        5 => SetPolicy(SetPolicy),
        /// Ask for [`super::Status`].
        6 => Status(QueryStatus),
        /// Rotate both log files now.
        7 => Rotate(Rotate),
        /// Ask for the end of the output.
        8 => Tail(Tail),
        /// Events up to here need not be kept.
        9 => Ack(Ack),
        /// End the shim as soon as it has no child.
        10 => Release(Release),
        /// Asked by another shim, without a Hello: let it listen on the same sockets.
        40 => Lend(Lend),
        /// Go on as another program, with everything that runs.
        41 => Renew(Renew),
        /// End: the host goes down.
        42 => End(End),
        /// Change what later runs are.
        52 => SetRun(SetRun),
    }
}

message! {
    /// Who is speaking.
    pub struct Hello {
        /// Oldest protocol version the daemon speaks.
        1 => pub min_version: u32,
        /// Newest.
        2 => pub max_version: u32,
        /// Rises with each start of a daemon on this root; lower than one seen before is refused.
        3 => pub epoch: u64,
        /// Events above this number are wanted.
        4 => pub after: u64,
    }
}

message! {
    /// SIGTERM to the main process, then SIGKILL to what is left of the tree. Answered at once; the end is an
    /// event.
    pub struct Stop {
        /// ms until SIGKILL; 0: SIGKILL at once.
        1 => pub timeout_ms: u64,
        /// The shim closes its listening sockets now: they were lent, and whoever has them goes on.
        40 => pub let_go: bool,
        /// ms until SIGTERM: the app is asked to end in another way, and may end by itself meanwhile; 0: SIGTERM at once.
        51 => pub asked_ms: u64,
    }
}

message! {
    /// As [`Stop`], then a start without waiting.
    pub struct Restart {
        /// ms until SIGKILL; 0: SIGKILL at once.
        1 => pub timeout_ms: u64,
    }
}

message! {
    /// The new policy; a wait that has begun keeps its length.
    pub struct SetPolicy {
        /// Replaces [`Start::restart`].
        1 => pub restart: RestartPolicy,
    }
}

message! {
    /// What is started from the next run on, in place of the same fields of [`Start`]; the present run stays as it is. Asked
    /// for when a node has become another version while it ran, so that it comes back as that one.
    pub struct SetRun {
        /// See [`Start::argv`].
        1 => pub argv: Vec<OsString>,
        /// See [`Start::cwd`].
        2 => pub cwd: PathBuf,
        /// See [`Start::env`].
        3 => pub env: Vec<Variable>,
        /// See [`Start::limits`].
        4 => pub limits: Vec<Limit>,
        /// See [`Start::stop_timeout_ms`].
        5 => pub stop_timeout_ms: u64,
    }
}

message! {
    /// No fields.
    pub struct QueryStatus {}
}

message! {
    /// No fields.
    pub struct Rotate {}
}

message! {
    /// Ask for the last output (both streams as they came), at most what the shim keeps in memory (16 kB).
    pub struct Tail {
        /// At most this many bytes.
        1 => pub max_bytes: u32,
    }
}

message! {
    /// The daemon has durably taken all events up to `seq`.
    pub struct Ack {
        /// Number of the last event taken.
        1 => pub seq: u64,
    }
}

message! {
    /// The daemon has taken everything: the shim removes its run folder and exits once it has no child.
    pub struct Release {}
}

message! {
    /// Answered with [`super::Lent`], whose first byte carries the listening sockets (SCM_RIGHTS) in their order; then
    /// the connection is closed. Both shims have the same sockets from then on.
    pub struct Lend {}
}

message! {
    /// The shim executes the program in its own place (execve: the same process, so that its child stays its child) and
    /// hands it a [`super::renewal::Renewal`]. It ends all connections; a daemon connects again and sees from the
    /// program which one runs. Refused where that is not possible; then everything is as before.
    pub struct Renew {
        /// The program, absolute.
        1 => pub program: PathBuf,
        /// Formats of the record that it reads: what it prints when it is run with `--takes-over`.
        2 => pub formats: Vec<u32>,
    }
}

message! {
    /// What SIGTERM to the shim means: the child is stopped within the time that its [`Start`] gives, and the shim exits.
    /// Its folders stay, for the next daemon to read.
    pub struct End {}
}

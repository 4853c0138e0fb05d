//! What the daemon ([`Command`]) and a shim ([`Answer`]) say to each other, and what a shim saves ([`saved`]).
//!
//! The daemon connects and says [`Hello`] with the versions it speaks and its epoch; the shim answers
//! [`Welcome`] with the version it was born with, or refuses. Then the daemon asks, each request with its own
//! number, and the shim answers each exactly once; [`Event`]s come unasked, in order, from the number that
//! the Hello named. Nothing is started before [`Start`] says so.
//!
//! ```text
//! daemon → Hello{versions 1..1, epoch 7, after 12}      shim → Welcome{version 1, id, last event 15 …}
//! daemon → #1 Status                                    shim → Event 13, Event 14, Event 15, #1 Status
//! daemon → #2 Ack{15}                                   shim → #2 Done
//! ```
//!
//! One shim also asks another: [`Lend`], for its listening sockets, when the program that they are for is replaced.

mod answer;
mod command;
mod event;
pub mod renewal;
pub mod saved;
mod start;
mod status;

pub use answer::{Answer, Done, Lent, Output, Refusal, Refused, Welcome};
pub use command::{
    Ack, Command, End, Hello, Lend, QueryStatus, Release, Renew, Restart, Rotate, SetPolicy, SetRun, Stop,
    Tail,
};
pub use event::{
    Began, Event, EventsLost, Exited, Happening, HeartNoticed, How, LogDropped, RestartForced, Restarting,
    Started, Stopped, Stream,
};
pub use start::{
    CgroupFile, CrashDump, Kind, Limit, Listen, LogFile, Owner, ResourceLimit, RestartMode, RestartPolicy,
    Start, Variable,
};
pub use status::{State, Status};

/// The protocol version that this code speaks as a shim; as the daemon it speaks all from 1 to this.
pub const PROTOCOL_VERSION: u32 = 1;

/// Name of the lock in a shim's run folder, and of the one in its state folder: both are held (as OFD locks)
/// for the shim's life, so that it is known to live even if somebody empties /run.
pub const LOCK_FILE: &str = "lock";
/// Name of the socket in a shim's run folder.
pub const SOCKET_FILE: &str = "sock";
/// Name of the event log in a shim's state folder.
pub const EVENT_LOG_FILE: &str = "events";
/// Variable that names the instance in its processes' environment; its value is the shim's id.
pub const INSTANCE_VARIABLE: &str = "BELLROCK_INSTANCE";
/// Variable that marks all processes of one shim; its value is random, so that no two roots can mistake
/// each other's processes, and is found in [`Welcome::mark`] and [`saved::Header::mark`].
pub const MARK_VARIABLE: &str = "BELLROCK_MARK";
/// Variable with the number of listening sockets that a child inherits, from descriptor 3 on (see [`Start::listen`]).
pub const LISTEN_VARIABLE: &str = "BELLROCK_LISTEN_FDS";

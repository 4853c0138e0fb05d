//! What happened to a shim's child: numbered, durable before it is sent.

use crate::error::DecodeError;
use crate::field::{Blob, Message, message, message_enum, number_enum};
use std::path::PathBuf;

/// One thing that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// 1, 2, 3 … in the life of a shim; gaps only where [`EventsLost`] says so.
    pub seq: u64,
    /// Wall clock, ms since 1970.
    pub time_ms: u64,
    /// ms since the host's boot, suspended time included: for differences that no clock change falsifies.
    pub since_boot_ms: u64,
    /// What; `None` if a newer shim reports something this version does not know.
    pub what: Option<Happening>,
}

message! {
    /// [`Event`] as it travels.
    struct RawEvent {
        /// See [`Event::seq`].
        1 => pub seq: u64,
        /// See [`Event::time_ms`].
        2 => pub time_ms: u64,
        /// See [`Event::since_boot_ms`].
        3 => pub since_boot_ms: u64,
        /// Number of the happening.
        4 => pub number: u16,
        /// Its fields.
        5 => pub fields: Blob,
    }
}

impl Message for Event {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Blob::default();
        if let Some(what) = &self.what {
            what.put_fields(&mut fields.0);
        }
        let number = self.what.as_ref().map_or(0, Happening::number);
        let &Self { seq, time_ms, since_boot_ms, .. } = self;
        RawEvent { seq, time_ms, since_boot_ms, number, fields }.encode(out);
    }

    fn take_field(&mut self, _: u16, _: &[u8], _: u8) -> Result<(), DecodeError> {
        Ok(()) // decode_nested below reads all fields at once: the happening needs its number first
    }

    fn decode_nested(bytes: &[u8], depth: u8) -> Result<Self, DecodeError> {
        let RawEvent { seq, time_ms, since_boot_ms, number, fields } = RawEvent::decode_nested(bytes, depth)?;
        let what = Happening::from_fields(number, &fields.0, depth + 1)?;
        Ok(Self { seq, time_ms, since_boot_ms, what })
    }
}

message_enum! {
    /// What can happen.
    pub enum Happening {
        /// A task is about to be executed; synced to disk before the fork, so that it can never run twice.
        1 => Began(Began),
        /// The program was executed.
        2 => Started(Started),
        /// The child ended and nothing of its tree is left.
        3 => Exited(Exited),
        /// It will be started again after a wait.
        4 => Restarting(Restarting),
        /// Somebody asked for a restart.
        5 => RestartForced(RestartForced),
        /// It was stopped and stays so.
        6 => Stopped(Stopped),
        /// Output was lost: the writer could not keep up, or the disk is full.
        7 => LogDropped(LogDropped),
        /// The app runs with `-heart`, whose restarts we prevent.
        8 => HeartNoticed(HeartNoticed),
        /// Events before this one were dropped: nobody took them and the log had reached its limit.
        9 => EventsLost(EventsLost),
    }
}

message! {
    /// See [`Happening::Began`].
    pub struct Began {
        /// Number of the run, from 1.
        1 => pub run: u64,
    }
}

message! {
    /// See [`Happening::Started`].
    pub struct Started {
        /// Number of the run, from 1.
        1 => pub run: u64,
        /// Main process.
        2 => pub pid: u32,
        /// Its own cgroup, where one could be made.
        3 => pub cgroup: Option<PathBuf>,
    }
}

number_enum! {
    /// How a run came to its end.
    pub enum How {
        /// By itself (or by a signal from elsewhere).
        ByItself = 0,
        /// Asked to stop, it did within the time.
        StoppedOrderly = 1,
        /// Asked to stop, it did not within the time: SIGKILL to the tree.
        KilledAfterTimeout = 2,
        /// SIGKILL to the tree at once, as asked.
        Killed = 3,
        /// Its time limit passed: SIGKILL to the tree.
        TimeLimit = 4,
        /// It could not be executed; [`Exited::reason`] says why.
        NotStarted = 5,
    }
}

message! {
    /// See [`Happening::Exited`].
    pub struct Exited {
        /// Number of the run.
        1 => pub run: u64,
        /// Exit status, if it exited.
        2 => pub status: Option<i32>,
        /// Signal that ended it, if one did.
        3 => pub signal: Option<i32>,
        /// It left a core file.
        4 => pub core: bool,
        /// A SIGKILL that was not ours, while the kernel killed something for want of memory.
        5 => pub oom: bool,
        /// How long it ran, in ms.
        6 => pub uptime_ms: u64,
        /// How it came to its end.
        7 => pub how: How,
        /// The crash dump it left.
        8 => pub crash_dump: Option<PathBuf>,
        /// Processes of the tree that outlived the main process and were killed.
        9 => pub swept: u32,
        /// Processes that could not be ended within 10 s (in uninterruptible sleep).
        10 => pub survivors: u32,
        /// Why it could not be executed.
        11 => pub reason: Option<String>,
        /// With [`Exited::oom`]: the limit of its own cgroup in bytes (`memory.max`), if that was reached.
        12 => pub memory_limit: Option<u64>,
    }
}

message! {
    /// See [`Happening::Restarting`].
    pub struct Restarting {
        /// ms until the start.
        1 => pub in_ms: u64,
        /// Consecutive exits so far, this one included.
        2 => pub consecutive: u64,
    }
}

message! {
    /// See [`Happening::RestartForced`].
    pub struct RestartForced {}
}

message! {
    /// See [`Happening::Stopped`].
    pub struct Stopped {}
}

number_enum! {
    /// One of the child's outputs.
    pub enum Stream {
        /// Standard output.
        Stdout = 0,
        /// Standard error.
        Stderr = 1,
    }
}

message! {
    /// See [`Happening::LogDropped`].
    pub struct LogDropped {
        /// Of which output.
        1 => pub stream: Stream,
        /// Bytes lost since the last such event.
        2 => pub bytes: u64,
    }
}

message! {
    /// See [`Happening::HeartNoticed`].
    pub struct HeartNoticed {
        /// Number of the run.
        1 => pub run: u64,
    }
}

message! {
    /// See [`Happening::EventsLost`].
    pub struct EventsLost {
        /// How many.
        1 => pub count: u64,
    }
}

impl Exited {
    /// Whether nobody asked for this end: it counts as a crash, whatever the status.
    pub fn is_crash(&self) -> bool {
        matches!(self.how, How::ByItself | How::NotStarted)
    }
}

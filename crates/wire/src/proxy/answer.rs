//! What the proxy says to the daemon.

use super::report::Report;
use crate::field::{message, message_enum, number_enum};

message_enum! {
    /// A message from the proxy.
    pub enum Answer {
        /// To Hello.
        401 => Welcome(Welcome),
        /// To any request that has nothing to say but yes.
        402 => Done(Done),
        /// To any request, with the reason.
        403 => Refused(Refused),
        /// To SetTable.
        404 => Applied(Applied),
        /// To QueryReport.
        405 => Report(Report),
        /// Unasked: nothing of a draining backend is left.
        406 => Drained(Drained),
        /// Unasked: a backend's health changed.
        407 => Health(Health),
    }
}

message! {
    /// Who answers.
    pub struct Welcome {
        /// Protocol version spoken on this connection.
        1 => pub version: u32,
        /// Revision of the table that is served; 0: none yet.
        2 => pub revision: u64,
        /// The proxy's process, for people; never to be signalled.
        3 => pub pid: u32,
        /// Version of the proxy's program.
        4 => pub program_version: String,
        /// Random, one per process: another one means that the proxy was started anew.
        5 => pub incarnation: u64,
    }
}

message! {
    /// Yes; no fields.
    pub struct Done {}
}

number_enum! {
    /// Why a request was refused.
    pub enum Refusal {
        /// The reason is only in the text.
        Other = 0,
        /// No protocol version in common.
        Version = 1,
        /// A daemon with a higher epoch has spoken before.
        Epoch = 2,
        /// Something else than Hello came first.
        NoHello = 3,
        /// The proxy's version does not know the message.
        UnknownMessage = 4,
        /// A higher revision is served.
        Revision = 5,
        /// A field of the request is missing or wrong.
        Invalid = 6,
        /// It could not be saved.
        Disk = 7,
    }
}

message! {
    /// No.
    pub struct Refused {
        /// The sort of reason.
        1 => pub refusal: Refusal,
        /// The reason, for people.
        2 => pub text: String,
    }
}

message! {
    /// The table is saved, and every core serves by it.
    pub struct Applied {
        /// Its revision.
        1 => pub revision: u64,
    }
}

message! {
    /// Every core serves by a table in which the backend drains, and nothing of it is in flight.
    pub struct Drained {
        /// The app.
        1 => pub app: String,
        /// The instance's number.
        2 => pub instance: u64,
        /// What was still in flight at the end of `drain_ms` and was cut: requests, streams and WebSockets. Of this
        /// drain alone; proxies that leave `took_ms` out count from their start.
        3 => pub cut: u64,
        /// WebSockets that were closed in order, with 1001.
        4 => pub websockets_closed: u64,
        /// Endless responses that were ended in order, between two events, lines or chunks.
        5 => pub streams_ended: u64,
        /// ms from the table in which it drains to the last thing in flight; 0: not told.
        6 => pub took_ms: u64,
    }
}

message! {
    /// What the proxy's own checks, and requests that failed, say about a backend.
    pub struct Health {
        /// The app.
        1 => pub app: String,
        /// The instance's number.
        2 => pub instance: u64,
        /// Whether it gets traffic.
        3 => pub up: bool,
        /// Why not.
        4 => pub reason: String,
    }
}

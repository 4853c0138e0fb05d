//! A load generator that accounts for every request.
//!
//! It is an open loop: when which request is due is fixed before the run, and a server that answers slowly gets no
//! fewer requests. Latency is counted from the moment a request was due. A report says how much of the schedule was
//! sent in time; where that is little, the run says nothing about the server.
//!
//! A request is *lost* by the definition of the project: it got no whole answer, a reset, a 5xx made by the proxy, a
//! wrong body, or its WebSocket or stream of events ended otherwise than by 1001 or a proper end. What was in flight
//! inside a process that crashed by itself is counted apart, by whoever knows of the crash ([`Crash`]). Nothing is
//! repeated, except as `request` says, and that is counted.
//!
//! Owner of a run is one thread with a runtime of its own ([`Load`]); it sends turns of the `schedule` to tasks, which
//! enter what came of them in the `tally`; [`Report`] is the tally's picture.

mod client;
mod crash;
mod events;
mod fault;
mod frames;
mod kind;
mod link;
mod loss;
mod noise;
mod page;
mod plan;
mod pool;
mod report;
mod request;
mod run;
mod schedule;
mod socket;
mod sockets;
mod sse;
mod tally;
mod upload;
mod watched;

pub use crash::{Crash, Crashed};
pub use fault::Fault;
pub use kind::Kind;
pub use loss::{Connection, Loss};
pub use plan::{MOST_REQUESTS, Plan, PlanError, Shape, Weights};
pub use report::{KindReport, Latency, Report, VersionReport};
pub use run::{Load, StartError};

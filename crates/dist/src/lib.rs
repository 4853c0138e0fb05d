//! Erlang distribution: Bellrock as a hidden node among the nodes that it runs.
//!
//! A [`Node`] is an actor that keeps one connection and tells its [`Status`]; over it run [calls](Call),
//! [evaluations](Prepared), [mailboxes](Mailbox), which are processes of ours, [traces](Trace), and what an operator types:
//! [texts to evaluate](Evaluation) and [shells](Shell). Nothing is installed in the node.
//!
//! ```text
//! Target ─▶ node: connect ─▶ epmd ─▶ transport (TCP, TLS) ─▶ handshake ─▶ link
//!                                                                        │
//!   frames ─▶ assembly (header, fragments) ─▶ control ─▶ routes ─▶ call | mailbox (inbox)
//!   outbox ─▶ writer ◀─ ticks
//! ```
//!
//! A peer is not trusted: what it sends has limits in length, number and time, is decoded by whom it is for, and what
//! cannot be read costs that message and not the connection. Who has the [`Cookie`] of a node may do anything in
//! it, so that it is never shown.

mod assembly;
mod call;
mod chardata;
mod control;
mod cookie;
pub mod epmd;
mod eval;
mod evaluation;
mod flags;
mod frames;
mod group_leader;
pub mod handshake;
mod header;
mod inbox;
mod link;
mod mailbox;
mod name;
mod node;
mod outbox;
mod pace;
mod payload;
mod reason;
mod routes;
mod shell;
mod tls;
mod tracer;
mod transport;

pub use assembly::{Assembly, FrameError, Limits, Message};
pub use call::{Call, CallError};
pub use cookie::{Cookie, InvalidCookie};
pub use epmd::EpmdError;
pub use eval::{PrepareError, Prepared};
pub use evaluation::{Evaluation, EvaluationEnd, EvaluationError, EvaluationEvent, EvaluationPlan, Language};
pub use flags::Flags;
pub use group_leader::{GroupLeader, Output};
pub use handshake::{HandshakeError, OwnName};
pub use header::HeaderError;
pub use inbox::{Capacity, Dropped};
pub use link::LinkEnd;
pub use mailbox::{Event, Mailbox, SpawnError, Spawned, TellError, Watched};
pub use name::{InvalidNodeName, NodeName};
pub use node::{Admit, ConnectError, Down, Identity, Node, Status, Target, Timing, Up};
pub use payload::{Payload, PayloadError};
pub use reason::shown;
pub use shell::{Completed, Shell, ShellEnd, ShellError, ShellEvent, ShellPlan, TerminalSize};
pub use tls::{TlsIdentity, TlsIdentityError};
pub use tracer::{Trace, TraceEnd, TraceError, TraceEvent, TracePlan, Traced, TracedKind};
pub use transport::{Address, HostPort, TransportError};

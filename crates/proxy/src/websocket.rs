//! Upgraded connections: bytes are relayed both ways as they come; of WebSockets the frames' headers are followed
//! (RFC 6455), so that a connection can be closed in order when its instance drains.
//!
//! Owner of a connection's two streams is [`relay()`], until both are closed. It learns through a future that the
//! instance drains; what it did is its result.
//!
//! ```text
//! relaying ──drain moment──▶ finishing ──both at the end of a message──▶ closing (1001 both ways, ≤ 5 s) ──▶ shut
//!    ▲                          │ a peer closes by itself
//!    └──────────────────────────┘            at the deadline, from anywhere: cut
//! ```

mod close;
mod frame;
mod lane;
mod relay;
mod upgrade;

pub use close::going_away;
pub use frame::{Frames, Opcode, Violation};
pub use relay::{ANSWER_WITHIN, End, Relayed, relay};
pub use upgrade::{Protocol, protocol};

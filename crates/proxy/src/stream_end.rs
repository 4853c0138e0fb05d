//! Responses that never end by themselves (server-sent events, line streams): while their instance drains they are
//! ended in order, between two events, so that a client sees a complete response and connects again.
//!
//! [`Endless`] wraps the body of such a response; everything else is never ended early.

mod body;
mod boundary;
mod draining;
mod which;

pub use body::{Ending, Endless};
pub use boundary::{Boundary, Unit};
pub use draining::Draining;
pub use which::unit;

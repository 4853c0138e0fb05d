//! Plans of real versions, lowered; installed in the nodes that run them.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod applications;
mod generated;
mod hazards;
mod instructions;
mod lab;
mod running;
mod unpacked;

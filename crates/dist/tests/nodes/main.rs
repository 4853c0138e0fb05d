//! Against real nodes of the OTP that is installed, each with an epmd of its own.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod calls;
mod encrypted;
mod evaluations;
mod hostile;
mod lives;
mod processes;
mod shells;
mod terms;
mod traces;

use testkit::nodes as world;

//! Questions to real nodes of the OTP that is installed.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod configs;
mod infos;
mod restarts;
mod samples;
mod shop;
mod tops;
mod traces;
mod trees;

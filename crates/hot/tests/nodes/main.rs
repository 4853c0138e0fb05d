//! Upgrades of real nodes of the OTP that is installed; modules are compiled as the tests run.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod ahead;
mod connections;
mod elixir;
mod kinds;
mod lab;
mod many;
mod plain;
mod preflights;
mod refusals;
mod shop;
mod whole;

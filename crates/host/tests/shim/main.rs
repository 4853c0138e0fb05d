//! Shims and the daemon's driver on real processes.

#![allow(clippy::unwrap_used)] // the whole crate is tests

mod adoption;
mod commands;
mod epmd;
mod limits;
mod listening;
mod logs;
mod protocol;
mod proxy;
mod renewal;
mod scripted_proxy;
mod supervision;
mod support;
mod trees;
mod upgrades;

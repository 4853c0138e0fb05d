//! Shims and the daemon's driver on real processes.

mod adoption;
mod limits;
mod logs;
mod supervision;
mod support;
mod trees;

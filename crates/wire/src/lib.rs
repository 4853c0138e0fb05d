//! What travels between Bellrock's processes, and the files both ends save, as plain data.
//!
//! Purpose: turn bytes into values and back. Never: IO, clocks, async, or a panic on any input.
//!
//! - [`frame`]: `u32 length | u16 type | fields`, the unit on every socket.
//! - [`field`]: `u16 tag | u32 length | value`; unknown tags are skipped, missing ones take their default,
//!   so that either side may be the older one.
//! - [`shim`]: what the daemon and a shim say to each other.
//! - [`proxy`]: what the daemon and the proxy say to each other, and the table of routes.
//! - [`record`]: `u32 length | u32 crc | payload`, the unit of an event log on disk; a torn tail is cut.
//! - [`log_index`]: the sparse side index (time, offset) beside each log file.
//!
//! A number, once given to a message type, tag or enum value, is never used for anything else. Files in
//! `golden/` are recordings of every message as version 1 wrote it; they are read by every later version.

pub mod crc;
pub mod error;
pub mod field;
pub mod frame;
pub mod log_index;
pub mod proxy;
pub mod record;
pub mod shim;

pub use error::DecodeError;

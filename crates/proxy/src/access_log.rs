//! The access log: a line for each request of the apps that want one.
//!
//! ```text
//! exchange ─ Record ─▶ answer's body ─ ended, in whatever way ─▶ Core ─ bounded ─▶ writer (a thread) ─▶ file, rotated
//! ```
//!
//! A core makes no text and waits for nobody: what the writer cannot take is dropped and counted. A line has no query
//! and no headers beside the host: those are where secrets are.

mod file;
mod format;
mod record;
mod writer;

pub(crate) use file::Rotation;
pub(crate) use record::{Line, Record};
pub(crate) use writer::{Lines, Settings, Writer};

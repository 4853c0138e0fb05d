//! A shim's event log: records (see [`crate::record`]) of a [`Header`], then [`Event`]s in order.
//!
//! The daemon reads it from the state folder of a shim that is dead.

use super::event::Event;
use super::start::Kind;
use crate::error::DecodeError;
use crate::field::{message, message_enum};
use crate::frame;
use crate::record::{self, Records};

/// Version of the file's layout.
pub const FORMAT: u32 = 1;

message_enum! {
    /// A record's payload.
    pub enum Saved {
        /// First in every file.
        201 => Header(Header),
        /// Everything behind it.
        202 => Event(Event),
    }
}

message! {
    /// Whose log this is; written when Start is accepted, and again when the log is made shorter.
    pub struct Header {
        /// [`FORMAT`].
        1 => pub format: u32,
        /// The shim's id.
        2 => pub id: String,
        /// Service or task.
        3 => pub kind: Kind,
        /// Boot in which the shim was started.
        4 => pub boot_id: String,
        /// Value of [`super::MARK_VARIABLE`] in the environment of its child.
        5 => pub mark: String,
        /// Last event that was taken away because the daemon had it, 0 if none.
        6 => pub taken: u64,
        /// Exits that were not asked for, before the first event in the file.
        7 => pub crashes: u64,
        /// Restarts that were asked for, before the first event in the file.
        8 => pub forced_restarts: u64,
        /// Last event that was taken away for any reason, 0 if none: numbers go on from here.
        9 => pub before: u64,
    }
}

impl Saved {
    /// Appends this as a record.
    pub fn put_record(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        frame::put_body(self.number(), 0, |out| self.put_fields(out), &mut body);
        record::put(&body, out);
    }

    /// Reads a record's payload; `None` if this version does not know its type.
    pub fn from_record(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let frame = frame::parse(payload)?;
        Self::from_fields(frame.kind, frame.fields, 0)
    }
}

/// What an event log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// `None` if the file is empty or torn before its first record's end: nothing was ever started.
    pub header: Option<Header>,
    /// In order.
    pub events: Vec<Event>,
    /// Bytes up to the end of the last whole record.
    pub good_length: usize,
}

/// Reads a whole event log, without its torn tail.
///
/// # Errors
/// Only if a record is whole (its checksum is right) and yet not one of ours: another program's file.
pub fn read(file: &[u8]) -> Result<Contents, DecodeError> {
    let mut contents = Contents::default();
    let mut records = Records::new(file);
    for payload in records.by_ref() {
        match Saved::from_record(payload)? {
            Some(Saved::Header(header)) => contents.header = Some(header),
            Some(Saved::Event(event)) => contents.events.push(event),
            None => {}
        }
    }
    contents.good_length = records.good_length();
    Ok(contents)
}

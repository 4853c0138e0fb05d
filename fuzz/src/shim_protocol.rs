//! What daemon, shims and proxy say to each other, and the files that both sides read.

use wire::shim::{Answer, Command, Event, Start, Status, saved};
use wire::{field::Message, frame, log_index, proxy};

/// Decodes the bytes as everything that arrives from another process. What is decoded is written and read back as the
/// same: otherwise two sides would see different things in the same bytes.
pub fn shim_protocol(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((frame, used))) = frame::split(rest) {
        assert!((1..=rest.len()).contains(&used), "a frame of {used} of {} bytes", rest.len());
        let _ = Command::from_frame(&frame);
        let _ = Answer::from_frame(&frame);
        let _ = proxy::Command::from_frame(&frame);
        let _ = proxy::Answer::from_frame(&frame);
        rest = &rest[used..];
    }
    again::<Start>(bytes);
    again::<Event>(bytes);
    again::<Status>(bytes);
    again::<proxy::Table>(bytes);
    again::<proxy::Report>(bytes);
    let _ = saved::read(bytes);
    let offset = log_index::offset_since(bytes, 5);
    assert_eq!(log_index::offset_since(bytes, 5), offset);
}

fn again<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else { return };
    let mut written = Vec::new();
    message.encode(&mut written);
    let read = M::decode(&written).unwrap_or_else(|error| panic!("{error}: {message:?}"));
    assert_eq!(read, message);
}

//! No input makes a decoder panic; what is written is read back; what a newer version adds is skipped.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use wire::DecodeError;
use wire::field::{Message, put_bytes};
use wire::shim::saved;
use wire::shim::{Answer, Command, Event, Kind, Start, Status, Variable};
use wire::{frame, log_index};

fn decode_all(bytes: &[u8]) {
    if let Ok(Some((frame, used))) = frame::split(bytes) {
        assert!(used <= bytes.len());
        let _ = Command::from_frame(&frame);
        let _ = Answer::from_frame(&frame);
    }
    let _ = saved::read(bytes);
    let _ = Start::decode(bytes);
    let _ = Event::decode(bytes);
    let _ = log_index::offset_since(bytes, 5);
}

/// A frame with a plausible shape: known types, small tags, nested fields.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let leaf = (0u16..18, proptest::collection::vec(any::<u8>(), 0..12));
    let field = |(tag, value): (u16, Vec<u8>)| {
        let mut bytes = Vec::new();
        put_bytes(tag, &value, &mut bytes);
        bytes
    };
    let leaf = leaf.prop_map(field);
    let nested = leaf.prop_recursive(6, 64, 8, move |inner| {
        (0u16..18, proptest::collection::vec(inner, 0..8).prop_map(|parts| parts.concat())).prop_map(field)
    });
    let kind = prop_oneof![1u16..12, 100u16..108];
    (kind, proptest::collection::vec(nested, 0..6)).prop_map(|(kind, fields)| {
        let mut bytes = Vec::new();
        frame::put(kind, 3, |out| out.extend(fields.concat()), &mut bytes).unwrap();
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn plausible_frames_never_panic(bytes in plausible()) {
        decode_all(&bytes);
    }

    #[test]
    fn flipped_and_cut_recordings_never_panic(at in 0usize..10_000, byte: u8, cut in 0usize..10_000) {
        for recording in [
            &include_bytes!("../golden/command-start.bin")[..],
            include_bytes!("../golden/answer-welcome.bin"),
            include_bytes!("../golden/event-log.bin"),
        ] {
            let mut bytes = recording.to_vec();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut % (length + 1));
            decode_all(&bytes);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        id in ".{0,20}",
        task: bool,
        argv in proptest::collection::vec(any::<Vec<u8>>(), 0..4),
        pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..4),
        numbers: (u64, Option<u64>, Option<u32>),
    ) {
        use std::os::unix::ffi::OsStringExt;
        let text = std::ffi::OsString::from_vec;
        let env = pairs.into_iter().map(|(name, value)| Variable { name: text(name), value: text(value) });
        let start = Start {
            id,
            kind: if task { Kind::Task } else { Kind::Service },
            argv: argv.into_iter().map(text).collect(),
            env: env.collect(),
            stop_timeout_ms: numbers.0,
            time_limit_ms: numbers.1,
            umask: numbers.2,
            ..Start::default()
        };
        let mut bytes = Vec::new();
        start.encode(&mut bytes);
        prop_assert_eq!(Start::decode(&bytes).unwrap(), start);
    }
}

#[test]
fn unknown_fields_are_skipped_and_missing_ones_are_defaults() {
    let mut bytes = Vec::new();
    put_bytes(3, &7u64.to_le_bytes(), &mut bytes);
    put_bytes(999, b"from the future", &mut bytes);
    let status = Status::decode(&bytes).unwrap();
    assert_eq!(status, Status { run: 7, ..Status::default() });
}

#[test]
fn unknown_messages_and_happenings_are_told_from_errors() {
    let mut bytes = Vec::new();
    frame::put(999, 5, |out| put_bytes(1, b"?", out), &mut bytes).unwrap();
    let (frame, _) = frame::split(&bytes).unwrap().unwrap();
    assert_eq!(frame.request, 5, "so that it can be answered");
    assert_eq!(Command::from_frame(&frame), Ok(None));
    assert_eq!(Answer::from_frame(&frame), Ok(None));

    let mut bytes = Vec::new();
    put_bytes(1, &9u64.to_le_bytes(), &mut bytes);
    put_bytes(4, &999u64.to_le_bytes(), &mut bytes);
    put_bytes(5, b"\x01\0\0\0\0\0", &mut bytes);
    assert_eq!(Event::decode(&bytes), Ok(Event { seq: 9, ..Event::default() }));
}

#[test]
fn values_out_of_range_are_errors() {
    let mut bytes = Vec::new();
    put_bytes(2, &77u64.to_le_bytes(), &mut bytes);
    assert_eq!(Status::decode(&bytes), Err(DecodeError::UnknownValue { of: "Kind", value: 77 }));
    let mut bytes = Vec::new();
    put_bytes(4, &u64::MAX.to_le_bytes(), &mut bytes);
    assert_eq!(Status::decode(&bytes), Err(DecodeError::BadValue { tag: 4, expected: "u32" }));
}

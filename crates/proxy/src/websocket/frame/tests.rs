use proptest::prelude::*;

use super::*;

/// A frame as its bytes.
fn frame(first: u8, length: usize, masked: bool) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(mask_bit | length as u8),
        126..65_536 => {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend_from_slice(&[0x88, 0x01, 0x82, 0xff]);
    }
    // payload that looks like frames
    bytes.extend((0..length).map(|at| if at % 2 == 0 { 0x88 } else { 0x00 }));
    bytes
}

fn never(_: Opcode) -> bool {
    false
}

/// `None` where the bytes are followed without objection.
fn violation(bytes: &[u8]) -> Option<Violation> {
    Frames::default().follow(bytes, never).err()
}

#[test]
fn a_message_of_one_frame() {
    let mut frames = Frames::default();
    assert!(frames.at_message_end(), "nothing has begun");
    let text = frame(0x81, 5, true);
    frames.follow(&text[..3], never).unwrap();
    assert!(!frames.at_frame_end());
    frames.follow(&text[3..], never).unwrap();
    assert!(frames.at_frame_end() && frames.at_message_end() && !frames.closing());
}

#[test]
fn a_message_of_fragments_with_a_ping_between() {
    let mut frames = Frames::default();
    for (bytes, at_message_end) in [
        (frame(0x01, 200, false), false),
        (frame(0x89, 4, false), false),
        (frame(0x00, 70_000, false), false),
        (frame(0x8a, 0, false), false),
        (frame(0x80, 0, false), true),
    ] {
        frames.follow(&bytes, never).unwrap();
        assert!(frames.at_frame_end());
        assert_eq!(frames.at_message_end(), at_message_end);
    }
}

#[test]
fn a_close_frame_is_the_last() {
    let mut frames = Frames::default();
    let close = frame(0x88, 2, true);
    frames.follow(&close[..6], never).unwrap();
    assert!(frames.closing() && !frames.closed());
    frames.follow(&close[6..], never).unwrap();
    assert!(frames.closed());
    assert_eq!(frames.follow(&[0x0f; 40], never), Ok(40), "what comes after it is no frame");
}

#[test]
fn an_empty_close_frame_is_one_too() {
    let mut frames = Frames::default();
    frames.follow(&[0x88, 0x00], never).unwrap();
    assert!(frames.closed());
}

#[test]
fn stops_before_a_frame() {
    let mut frames = Frames::default();
    let mut bytes = frame(0x01, 10, false);
    bytes.extend(frame(0x89, 0, false));
    bytes.extend(frame(0x80, 10, false));
    let end = bytes.len();
    bytes.extend(frame(0x82, 10, false));
    assert_eq!(frames.follow(&bytes[..1], never), Ok(1));
    assert_eq!(frames.follow(&bytes[1..], Opcode::begins_message), Ok(end - 1));
    assert!(frames.at_message_end());
    assert_eq!(frames.follow(&bytes[end..], Opcode::begins_message), Ok(0), "it stays there");
    assert_eq!(frames.follow(&bytes[end..], never), Ok(12));
}

#[test]
fn compressed_messages_pass() {
    assert_eq!(violation(&frame(0xc1, 300, true)), None);
    assert_eq!(violation(&frame(0xf2, 0, false)), None);
}

#[test]
fn violations() {
    assert_eq!(violation(&[0x83]), Some(Violation::ReservedOpcode(3)));
    assert_eq!(violation(&[0x8b]), Some(Violation::ReservedOpcode(11)));
    assert_eq!(violation(&[0x80]), Some(Violation::StrayContinuation));
    assert_eq!(violation(&[0x01, 0x00, 0x81]), Some(Violation::NestedMessage));
    assert_eq!(violation(&[0x09, 0x00]), Some(Violation::LongControl));
    assert_eq!(violation(&[0x89, 0x7e, 0x00, 0x01]), Some(Violation::LongControl));
    assert_eq!(violation(&[0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0]), Some(Violation::Length));
    assert_eq!(violation(&[0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
}

/// A valid stream: messages of fragments with control frames between them.
fn stream() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let length = prop_oneof![4 => 0usize..130, 1 => 65_530usize..65_540, 1 => Just(126usize)];
    let control = proptest::option::of((prop_oneof![Just(0x89u8), Just(0x8au8)], 0usize..126));
    let fragment = (length, control);
    let message = (1u8..3, any::<bool>(), proptest::collection::vec(fragment, 1..5));
    proptest::collection::vec(message, 1..4).prop_map(|messages| {
        let mut frames = Vec::new();
        for (opcode, masked, fragments) in messages {
            let last = fragments.len() - 1;
            for (at, (length, control)) in fragments.into_iter().enumerate() {
                let opcode = if at == 0 { opcode } else { 0 };
                let fin = if at == last { 0x80 } else { 0 };
                frames.push((frame(fin | opcode, length, masked), at == last));
                if let Some((opcode, length)) = control {
                    frames.push((frame(opcode, length, masked), at == last));
                }
            }
        }
        frames
    })
}

proptest! {
    /// However the bytes are split, frames and messages end where they end.
    #[test]
    fn any_split_is_followed_alike(frames in stream(), mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.clone()).collect();
        let mut ends = std::collections::HashMap::from([(0, true)]);
        let mut at = 0;
        for (frame, ends_message) in &frames {
            at += frame.len();
            ends.insert(at, *ends_message);
        }
        let mut cuts: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend(ends.keys());
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut tracker = Frames::default();
        let mut from = 0;
        for cut in cuts {
            prop_assert_eq!(tracker.follow(&bytes[from..cut], never), Ok(cut - from));
            from = cut;
            prop_assert_eq!(tracker.at_frame_end(), ends.contains_key(&cut));
            prop_assert_eq!(tracker.at_message_end(), ends.get(&cut) == Some(&true));
        }
    }

    /// Stopping finds the first beginning of a message, byte by byte or at once.
    #[test]
    fn stops_at_the_same_place(frames in stream(), start in any::<prop::sample::Index>()) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.clone()).collect();
        let start = start.index(bytes.len());
        let mut at_once = Frames::default();
        at_once.follow(&bytes[..start], never).unwrap();
        let mut byte_by_byte = at_once.clone();
        let stopped = at_once.follow(&bytes[start..], Opcode::begins_message).unwrap();
        let singly = bytes[start..]
            .iter()
            .take_while(|byte| byte_by_byte.follow(&[**byte], Opcode::begins_message) == Ok(1))
            .count();
        prop_assert_eq!(stopped, singly);
        prop_assert!(at_once.at_message_end());
    }

    /// Hostile bytes are followed or refused, and never overrun the header.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut frames = Frames::default();
        if let Ok(followed) = frames.follow(&bytes, never) {
            prop_assert_eq!(followed, bytes.len());
        }
    }
}

//! What other nodes and epmd send.

use bytes::{Buf, Bytes};
use dist::handshake::message;
use dist::{Assembly, Limits, epmd};

/// Small, so that inputs reach them.
const LIMITS: Limits = Limits { frame_bytes: 4096, message_bytes: 2048, unfinished_bytes: 8192 };
/// What is held of messages that were thrown away, each some hundred bytes.
const MOST_HELD: usize = LIMITS.unfinished_bytes + (1 << 20);

/// Reads the bytes as every answer of epmd.
pub fn dist_epmd(bytes: &[u8]) {
    let _ = epmd::read_registration(bytes);
    if let Ok(names) = epmd::read_names(bytes) {
        assert!(names.len() <= bytes.len());
    }
}

/// Reads the bytes as every message of the handshake.
pub fn dist_handshake(bytes: &[u8]) {
    let _ = message::read_ack(bytes);
    if let Ok(message::Status::Named { name, .. }) = message::read_status(bytes) {
        assert_eq!(name.as_str(), format!("{}@{}", name.name(), name.host()));
    }
    if let Ok(challenge) = message::read_challenge(bytes) {
        let again = message::name(challenge.flags, challenge.creation, challenge.name.as_str());
        assert!(again.len() + 4 <= bytes.len(), "what was read was there");
    }
}

/// Takes the bytes as frames, each after a length of two bytes, and reads all that comes of them.
pub fn dist_frames(bytes: &[u8]) {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut assembly = Assembly::new(LIMITS);
    while let Ok(length) = rest.try_get_u16() {
        let frame = rest.split_to(usize::from(length).min(rest.len()));
        let Ok(message) = assembly.take(frame) else { return };
        if let Some(payload) = message.and_then(|message| message.payload) {
            let _ = payload.decode_here();
        }
        assert!(assembly.held_bytes() <= MOST_HELD, "{} bytes are held", assembly.held_bytes());
    }
}

/// Answers of an epmd.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    vec![
        b"\x77\0\xa0\x28\x4d\0\0\x06\0\x05\0\x04shop\0\0".to_vec(),
        b"\x77\x01".to_vec(),
        b"\0\0\x11\x11name shop at port 41000\nname cart at port 41001\n".to_vec(),
    ]
}

/// Messages of a node.
pub(crate) fn handshakes() -> Vec<Vec<u8>> {
    let challenge = b"N\0\0\0\x04\x03\x07\x0f\x94\x12\x34\x56\x78\0\0\0\x05\0\x06shop@h".to_vec();
    let named = b"snamed:\0\x03a@h\0\0\0\x07".to_vec();
    let mut messages: Vec<_> =
        ["sok", "sok_simultaneous", "snok", "snot_allowed", "salive", "a0123456789abcdef"]
            .map(|text| text.as_bytes().to_vec())
            .into();
    messages.extend([challenge, named]);
    messages
}

/// Frames of a node: a message with new and known atoms, and one in three fragments between them.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let whole: &[u8] = b"\x83\x44\x02\xf9\0\x05\x02ok\xff\x01x\x68\x02\x61\x02\x52\0\x68\x02\x52\0\x52\x01";
    let known: &[u8] = b"\x83\x44\x02\x17\0\xff\x05\x68\x02\x61\x02\x52\0\x52\x01";
    let first: &[u8] = b"\x83\x45\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x03\0\x68\x01\x61\x02\x6d\0\0\0\x06ab";
    let second: &[u8] = b"\x83\x46\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x02cd";
    let third: &[u8] = b"\x83\x46\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x01ef";
    let joined = |frames: &[&[u8]]| {
        let lengths = frames.iter().map(|frame| (frame.len() as u16).to_be_bytes());
        lengths.zip(frames).flat_map(|(length, frame)| [&length[..], frame].concat()).collect()
    };
    vec![joined(&[whole, known]), joined(&[first, whole, second, b"", third]), joined(&[first, second])]
}

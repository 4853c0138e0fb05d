use beam::Term;

use super::*;

fn header() -> Vec<u8> {
    // no atoms, and a control message that nobody knows: {200, 7}
    vec![0, 104, 2, 97, 200, 97, 7]
}

fn fragment(tag: u8, sequence: u64, number: u64, rest: &[u8]) -> Bytes {
    [&[VERSION, tag], &sequence.to_be_bytes()[..], &number.to_be_bytes(), rest].concat().into()
}

fn first(sequence: u64, number: u64, payload: &[u8]) -> Bytes {
    fragment(FIRST_FRAGMENT, sequence, number, &[&header(), payload].concat())
}

fn next(sequence: u64, number: u64, payload: &[u8]) -> Bytes {
    fragment(FRAGMENT, sequence, number, payload)
}

fn whole(payload: &[u8]) -> Bytes {
    [&[VERSION, DIST_HEADER][..], &header(), payload].concat().into()
}

fn term(message: Option<Message>) -> Term {
    message.unwrap().payload.unwrap().decode_here().unwrap()
}

/// A binary of so many bytes.
fn binary(length: usize) -> Vec<u8> {
    let mut bytes = vec![109];
    bytes.extend((length as u32).to_be_bytes());
    bytes.resize(5 + length, 0x61);
    bytes
}

fn assembly(message_bytes: usize, unfinished_bytes: usize) -> Assembly {
    Assembly::new(Limits { message_bytes, unfinished_bytes, ..Limits::default() })
}

#[test]
fn a_frame_is_a_message() {
    let mut assembly = Assembly::new(Limits::default());
    assert!(assembly.take(Bytes::new()).unwrap().is_none(), "a tick");
    let message = assembly.take(whole(&[])).unwrap().unwrap();
    assert_eq!(message.signal, Signal::Other);
    assert!(message.payload.is_none());
    assert_eq!(term(assembly.take(whole(&[97, 9])).unwrap()), Term::Integer(9));
}

#[test]
fn fragments_of_two_messages_may_alternate() {
    let mut assembly = Assembly::new(Limits::default());
    let long = binary(1000);
    assert!(assembly.take(first(1, 3, &long[..400])).unwrap().is_none());
    assert!(assembly.take(first(2, 2, &[104, 1])).unwrap().is_none());
    assert!(assembly.take(next(1, 2, &long[400..900])).unwrap().is_none());
    assert_eq!(term(assembly.take(next(2, 1, &[97, 9])).unwrap()), Term::tuple([Term::Integer(9)]));
    assert_eq!(term(assembly.take(next(1, 1, &long[900..])).unwrap()), Term::binary(vec![0x61; 1000]));
    assert_eq!(assembly.held_bytes(), 0);
}

#[test]
fn one_fragment_may_be_all() {
    let mut assembly = Assembly::new(Limits::default());
    assert_eq!(term(assembly.take(first(5, 1, &[97, 1])).unwrap()), Term::Integer(1));
    assert_eq!(assembly.held_bytes(), 0);
}

#[test]
fn fragments_out_of_order_break_the_protocol() {
    let order = |expected, found| Some(FrameError::Order { sequence: 1, expected, found });
    let run = |frames: &[Bytes]| {
        let mut assembly = Assembly::new(Limits::default());
        frames.iter().find_map(|frame| assembly.take(frame.clone()).err())
    };
    assert_eq!(run(&[next(1, 2, b"x")]), order(0, 2));
    assert_eq!(run(&[first(1, 3, b"x"), next(1, 1, b"x")]), order(2, 1));
    assert_eq!(run(&[first(1, 3, b"x"), first(1, 3, b"x")]), order(0, 3));
    assert_eq!(run(&[first(1, 0, b"x")]), order(0, 0));
}

#[test]
fn a_message_too_long_is_thrown_away_and_told() {
    let mut assembly = assembly(1000, 1 << 20);
    assert!(assembly.take(first(1, 4, &binary(600))).unwrap().is_none());
    let message = assembly.take(next(1, 3, &[0; 600])).unwrap().expect("it is told before the rest is here");
    assert_eq!(message.payload.unwrap().decode_here(), Err(crate::PayloadError::TooLarge(1205)));
    assert_eq!(assembly.held_bytes(), 0);
    for number in [2, 1] {
        assert!(assembly.take(next(1, number, &[0; 600])).unwrap().is_none());
    }
    assert!(assembly.take(next(1, 1, b"x")).is_err(), "it is over");
    assert_eq!(term(assembly.take(whole(&[97, 9])).unwrap()), Term::Integer(9));
}

#[test]
fn endless_fragments_hold_bounded_memory() {
    let mut assembly = assembly(1 << 30, 100_000);
    for sequence in 0..MOST_SEQUENCES as u64 {
        assembly.take(first(sequence, u64::MAX, &[0; 1000])).unwrap();
    }
    // what remains of those thrown away is their place in the table
    assert!(assembly.held_bytes() <= 100_000, "{} are held", assembly.held_bytes());
    let frame = first(MOST_SEQUENCES as u64, 2, b"x");
    assert_eq!(assembly.take(frame).map(|_| ()), Err(FrameError::Sequences));
}

#[test]
fn the_frame_that_a_small_payload_keeps_is_weighed() {
    let mut assembly = Assembly::new(Limits::default());
    // {200, Binary} with a binary of 10 kB that nobody needs, and a payload of two bytes
    let control = [&[0, 104, 2, 97, 200][..], &binary(10_000)].concat();
    let frame = fragment(FIRST_FRAGMENT, 1, 2, &[&control[..], &[104, 1]].concat());
    assembly.take(frame).unwrap();
    assert!(assembly.held_bytes() > 10_000, "{}", assembly.held_bytes());
    assembly.take(next(1, 1, &[97, 1])).unwrap().unwrap();
    assert_eq!(assembly.held_bytes(), 0);
}

#[test]
fn what_is_no_frame_is_refused() {
    let mut assembly = Assembly::new(Limits::default());
    let refused = |frame: &[u8], assembly: &mut Assembly| {
        assembly.take(Bytes::copy_from_slice(frame)).map(|_| ()).unwrap_err()
    };
    assert_eq!(refused(&[112, 131], &mut assembly), FrameError::Kind(112, 131));
    assert_eq!(refused(&[131], &mut assembly), FrameError::Short);
    assert_eq!(refused(&[131, 69, 0], &mut assembly), FrameError::Short);
    assert_eq!(refused(&[131, 68], &mut assembly), FrameError::Header(HeaderError::Short));
    assert!(matches!(refused(&[131, 68, 0, 104, 2], &mut assembly), FrameError::Control(_)));
}

//! External terms: the bytes of each tag, what is refused and where, and that no input breaks the reader.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::io::Write;

use beam::Term;
use beam::etf::{
    self, DecodeError, Decoder, EncodeError, Interner, Limits, MAX_DEPTH, MAX_KEY_DEPTH, Problem,
};
use beam::term::{Atom, Reference};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use num_bigint::BigInt;

fn decode(bytes: &[u8]) -> Result<Term, DecodeError> {
    etf::decode(&Bytes::copy_from_slice(bytes), Limits::default())
}

fn atom(name: &str) -> Term {
    Term::atom(name)
}

/// Reads as that, and is written so.
#[track_caller]
fn is(bytes: &[u8], expected: &Term) {
    reads(bytes, expected);
    assert_eq!(etf::encode(expected).unwrap().escape_ascii().to_string(), bytes.escape_ascii().to_string());
}

#[track_caller]
fn reads(bytes: &[u8], expected: &Term) {
    assert_eq!(decode(bytes).as_ref(), Ok(expected), "{}", bytes.escape_ascii());
}

#[track_caller]
fn refused(bytes: &[u8], at: usize, problem: Problem) {
    assert_eq!(decode(bytes), Err(DecodeError { at, problem }), "{}", bytes.escape_ascii());
}

#[test]
fn numbers() {
    is(b"\x83a\xff", &Term::Integer(255));
    is(b"\x83b\0\0\x01\0", &Term::Integer(256));
    is(b"\x83b\xff\xff\xff\xff", &Term::Integer(-1));
    is(b"\x83n\x04\0\0\0\0\x80", &Term::Integer(1 << 31));
    is(b"\x83n\x08\x01\0\0\0\0\0\0\0\x80", &Term::Integer(i64::MIN));
    is(b"\x83n\x08\0\0\0\0\0\0\0\0\x80", &Term::integer(BigInt::from(1_u64 << 63)));
    is(b"\x83n\x09\x01\0\0\0\0\0\0\0\0\x01", &Term::integer(-BigInt::from(1_u128 << 64)));
    let large = Term::integer(BigInt::from(1) << 2047_u32);
    is(&[&b"\x83o\0\0\x01\0\0"[..], &[0; 255], b"\x80"].concat(), &large);
    reads(b"\x83n\x03\x01\x05\0\0", &Term::Integer(-5));
    reads(b"\x83n\0\0", &Term::Integer(0));
    is(b"\x83F\x3f\xf8\0\0\0\0\0\0", &Term::Float(1.5));
    reads(b"\x83c1.50000000000000000000e+00\0\0\0\0\0", &Term::Float(1.5));
}

#[test]
fn atoms() {
    is(b"\x83w\x02\xc3\xa9", &atom("é"));
    reads(b"\x83s\x01\xe9", &atom("é"));
    reads(b"\x83d\0\x01\xe9", &atom("é"));
    reads(b"\x83v\0\x02ok", &atom("ok"));
    let widest = "é".repeat(255);
    is(&[&b"\x83v\x01\xfe"[..], widest.as_bytes()].concat(), &atom(&widest));
    refused(&[&b"\x83v\x01\0"[..], &[b'a'; 256]].concat(), 4, Problem::AtomName);
    refused(&[&b"\x83d\x01\0"[..], &[0xe9; 256]].concat(), 4, Problem::AtomName);
    refused(b"\x83w\x01\xff", 3, Problem::AtomName);
    let long = EncodeError::AtomTooLong("a".repeat(40));
    assert_eq!(etf::encode(&atom(&"a".repeat(256))), Err(long));
}

#[test]
fn lists() {
    is(b"\x83j", &Term::list([]));
    is(b"\x83k\0\x02ab", &Term::string("ab"));
    is(b"\x83k\0\x02ab", &Term::list([97.into(), 98.into()]));
    is(b"\x83l\0\0\0\x01w\x01aj", &Term::list([atom("a")]));
    let improper = Term::ImproperList(Box::new(([Term::Integer(1)].into(), atom("a"))));
    is(b"\x83l\0\0\0\x01a\x01w\x01a", &improper);
    // A tail that is a list is the rest of the list.
    reads(b"\x83l\0\0\0\x01w\x01al\0\0\0\x01a\x01j", &Term::list([atom("a"), 1.into()]));
    reads(b"\x83l\0\0\0\x01w\x01ak\0\x01b", &Term::list([atom("a"), 98.into()]));
    reads(b"\x83l\0\0\0\0w\x01a", &atom("a"));
    let long = Term::charlist(vec![7; 1 << 16]);
    is(&[&b"\x83l\0\x01\0\0"[..], &b"a\x07".repeat(1 << 16), b"j"].concat(), &long);
}

#[test]
fn containers() {
    is(b"\x83h\x02a\x01a\x02", &Term::tuple([1.into(), 2.into()]));
    is(&[&b"\x83i\0\0\x01\0"[..], &b"j".repeat(256)].concat(), &Term::tuple(vec![Term::list([]); 256]));
    is(b"\x83m\0\0\0\x02ab", &Term::binary("ab"));
    is(
        b"\x83t\0\0\0\x02a\x01aaF\x3f\xf0\0\0\0\0\0\0ab",
        &Term::map([(1.into(), 97.into()), (Term::Float(1.0), 98.into())]),
    );
    reads(b"\x83M\0\0\0\x01\x08a", &Term::binary("a"));
    assert_eq!(decode(b"\x83M\0\0\0\x01\x03\xff"), decode(b"\x83M\0\0\0\x01\x03\xe0"));
    reads(
        b"\x83t\0\0\0\x02ja\x01a\x01j",
        &Term::map([(Term::list([]), 1.into()), (1.into(), Term::list([]))]),
    );
    for bits in [b"\x83M\0\0\0\x01\0a", b"\x83M\0\0\0\x01\x09a"] {
        refused(bits, 8, Problem::Parts("bitstring"));
    }
    refused(b"\x83M\0\0\0\0\x01", 7, Problem::Parts("bitstring"));
}

#[test]
fn a_map_has_each_key_once() {
    // the same in two encodings
    refused(b"\x83t\0\0\0\x02a\x01jb\0\0\0\x01j", 15, Problem::Keys);
    refused(b"\x83h\x01t\0\0\0\x02w\x01ajs\x01aj", 16, Problem::Keys);
    for last in [0, 50, 98] {
        let keys = (0..99).chain([last]).flat_map(|key| [b'a', key, b'j']);
        let map: Vec<u8> = b"\x83t\0\0\0\x64".iter().copied().chain(keys).collect();
        refused(&map, map.len(), Problem::Keys);
    }
    let keys_in_keys = |depth: usize| {
        let nest = b"t\0\0\0\x01".repeat(depth);
        [&b"\x83"[..], &nest, b"j", &b"j".repeat(depth)].concat()
    };
    is(&keys_in_keys(MAX_KEY_DEPTH), &decode(&keys_in_keys(MAX_KEY_DEPTH)).unwrap());
    refused_as(&keys_in_keys(MAX_KEY_DEPTH + 1), Problem::TooDeep);
    // next to each other they are not in each other
    let one = &keys_in_keys(MAX_KEY_DEPTH)[1..];
    reads_back(&[&b"\x83h\x02"[..], one, one].concat());
}

#[track_caller]
fn reads_back(bytes: &[u8]) {
    is(bytes, &decode(bytes).unwrap());
}

#[test]
fn binaries_share_the_memory_of_the_input() {
    let input = Bytes::from_static(b"\x83m\0\0\0\x0ffifteen bytes..");
    let term = etf::decode(&input, Limits::default()).unwrap();
    assert_eq!(term.as_binary().unwrap().as_ptr(), input[6..].as_ptr());
    let few = Bytes::from(b"\x83m\0\0\0\x0efourteen bytes".to_vec());
    let term = etf::decode(&few, Limits::default()).unwrap();
    assert!(few.is_unique(), "few are copied, so that they do not keep all of it");
    assert_eq!(term, Term::binary("fourteen bytes"));
}

#[test]
fn identities() {
    for bytes in [
        &b"\x83Xw\x03a@b\0\0\0\x01\0\0\0\x02\0\0\0\x03"[..],
        b"\x83Yw\x03a@b\0\0\0\x01\0\0\0\x03",
        b"\x83xw\x03a@b\0\0\0\x01\0\0\0\0\0\0\0\x03",
        b"\x83Z\0\x05w\x03a@b\0\0\0\x03\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
        b"\x83qw\x01mw\x01fa\x02",
        b"\x83C\0\0\0\x02\x01w\x01mw\x01rw\x01aw\x01ba\x01k\0\x01x",
    ] {
        is(bytes, &decode(bytes).unwrap());
    }
    // Older forms of them.
    for (old, new) in [
        (&b"\x83gw\x01a\0\0\0\x01\0\0\0\x02\x03"[..], &b"\x83Xw\x01a\0\0\0\x01\0\0\0\x02\0\0\0\x03"[..]),
        (b"\x83fw\x01a\0\0\0\x01\x03", b"\x83Yw\x01a\0\0\0\x01\0\0\0\x03"),
        (b"\x83r\0\x01w\x01a\x03\0\0\0\x01", b"\x83Z\0\x01w\x01a\0\0\0\x03\0\0\0\x01"),
    ] {
        is(new, &decode(old).unwrap());
    }
    refused(b"\x83Z\0\x06w\x01a\0\0\0\0", 11, Problem::Parts("reference"));
    assert_eq!(Reference::new("a".into(), 0, &[0; 6]), None);
}

/// A fun that closes over an atom, with names of its own and with names of a header.
#[test]
fn funs_whose_atoms_are_in_the_header_are_sent_back_with_them() {
    let fun = |module: &[u8], node: &[u8], free: &[u8]| {
        let rest = [
            &[2][..],
            &[7; 16],
            b"\0\0\0\x01\0\0\0\x01",
            module,
            b"a\x01b\0\x01\0\0X",
            node,
            b"\0\0\0\x01\0\0\0\x02\0\0\0\x03",
            free,
        ]
        .concat();
        [b"p", &u32::try_from(rest.len() + 4).unwrap().to_be_bytes()[..], &rest].concat()
    };
    let sent = fun(b"R\0", b"R\x01", b"R\x02");
    let own = fun(b"w\x01m", b"w\x03a@b", b"w\x04free");
    let header: Vec<Atom> = ["m", "a@b", "free"].map(Atom::new).into();
    let mut input = Bytes::from([&sent[..], b"rest"].concat());
    let term = Decoder::new(Limits::default()).term(&mut input, &header).unwrap();
    assert_eq!(&input[..], b"rest");
    is(&[b"\x83", &own[..]].concat(), &term);

    let mut input = Bytes::from(sent.clone());
    let error = Decoder::new(Limits::default()).term(&mut input, &header[..2]).unwrap_err();
    assert_eq!(error.problem, Problem::AtomReference(2));
    assert_eq!(input.len(), sent.len(), "what cannot be read is left");
    let mut lying = own;
    lying[4] += 1;
    refused(&[b"\x83", &lying[..]].concat(), lying.len() + 1, Problem::Parts("fun"));
}

#[test]
fn several_terms_follow_each_other() {
    let mut decoder = Decoder::new(Limits::default());
    let mut input = Bytes::from_static(b"\x83w\x02ok\x83a\x01\x83");
    assert_eq!(decoder.versioned(&mut input), Ok(atom("ok")));
    assert_eq!(decoder.versioned(&mut input), Ok(Term::Integer(1)));
    assert_eq!(decoder.versioned(&mut input).unwrap_err().problem, Problem::Truncated);
    refused(b"\x83a\x01a", 3, Problem::Trailing);
}

#[test]
fn atoms_are_remembered_up_to_a_limit() {
    let mut atoms = Interner::new(2);
    let first = atoms.atom("a");
    assert_eq!(first.as_str().as_ptr(), atoms.atom("a").as_str().as_ptr());
    atoms.atom("b");
    atoms.atom("c");
    assert_ne!(first.as_str().as_ptr(), atoms.atom("a").as_str().as_ptr(), "it began anew");
    assert_eq!(first, atoms.atom("a"));
}

#[test]
fn equality_is_exact() {
    let map = |pairs: [(Term, Term); 2]| Term::map(pairs);
    let (one, float) = (Term::Integer(1), Term::Float(1.0));
    assert_ne!(one, float);
    assert_ne!(Term::Float(0.0), Term::Float(-0.0));
    let there = map([(one.clone(), atom("a")), (float.clone(), atom("b"))]);
    let back = map([(float.clone(), atom("b")), (one.clone(), atom("a"))]);
    assert_eq!(there, back);
    assert_ne!(there, map([(float, atom("a")), (one, atom("b"))]));
    let known = std::collections::HashSet::from([there, Term::string("ab")]);
    assert!(known.contains(&back) && known.contains(&Term::list([97.into(), 98.into()])));
}

#[test]
fn hostile_terms_are_refused() {
    refused(b"", 0, Problem::Truncated);
    refused(b"\x82a\x01", 0, Problem::Version(130));
    refused(b"\x83", 1, Problem::Truncated);
    refused(b"\x83\xfa", 1, Problem::Tag(250));
    refused(b"\x83R\0", 2, Problem::AtomReference(0));
    refused(b"\x83qw\x01mw\x01fb\0\0\0\x01", 8, Problem::Tag(98));
    refused(b"\x83Xa\x01", 2, Problem::Tag(97));
    // A count that cannot be true.
    for tag in [b'l', b'i', b't', b'm', b'o', b'M'] {
        refused_as(&[0x83, tag, 0xff, 0xff, 0xff, 0xff, 0, 0], Problem::Truncated);
    }
    refused_as(b"\x83C\xff\xff\xff\xff\0w\x01mw\x01rjj", Problem::Truncated);
    refused(b"\x83F\x7f\xf0\0\0\0\0\0\0", 10, Problem::Float);
    refused(&[&b"\x83c"[..], &[b'x'; 31]].concat(), 33, Problem::Float);
    refused(b"\x83P\0\0\0\x01x", 1, Problem::Compression);
    refused(b"\x83P\xff\xff\xff\xffx", 1, Problem::TooLarge(u32::MAX));
}

/// A list of 64 MB in 64 KB, with the truth about its size and with lies.
#[test]
fn compressed_terms_take_no_more_than_they_may() {
    let plain = [&b"m\x04\0\0\0"[..], &vec![0; 64 << 20]].concat();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&plain).unwrap();
    let stream = encoder.finish().unwrap();
    let announcing = |size: usize| {
        Bytes::from([b"\x83P", &u32::try_from(size).unwrap().to_be_bytes()[..], &stream].concat())
    };
    let limits = |bytes| Limits { bytes, ..Limits::default() };
    let read = etf::decode(&announcing(plain.len()), limits(plain.len())).unwrap();
    assert_eq!(read.as_binary().map(|bytes| bytes.len()), Some(64 << 20));
    let problem = |size, limit| etf::decode(&announcing(size), limits(limit)).unwrap_err().problem;
    let size = u32::try_from(plain.len()).unwrap();
    assert_eq!(problem(plain.len(), plain.len() - 1), Problem::TooLarge(size));
    for lie in [0, 5, 1000, plain.len() - 1, plain.len() + 1] {
        assert_eq!(problem(lie, 1 << 30), Problem::Compression, "{lie}");
    }
    let cut = announcing(plain.len()).split_to(stream.len());
    assert_eq!(etf::decode(&cut, limits(1 << 30)).unwrap_err().problem, Problem::Compression);
}

#[track_caller]
fn refused_as(bytes: &[u8], expected: Problem) {
    assert_eq!(decode(bytes).unwrap_err().problem, expected, "{}", bytes.escape_ascii());
}

/// Every way to nest, far beyond what the stack bears.
#[test]
fn deep_terms_are_refused() {
    let fun = [&b"p\0\0\0\0\0"[..], &[0; 16], b"\0\0\0\0\0\0\0\0w\x01m"].concat();
    let nests: [&[u8]; 8] = [
        b"l\0\0\0\x01",
        b"l\0\0\0\x01jh\x01",
        b"h\x01",
        b"i\0\0\0\x01",
        b"t\0\0\0\x01a\x01",
        b"t\0\0\0\x01",
        b"C\0\0\0\x01\0w\x01mw\x01rw\x01a",
        &fun,
    ];
    for nest in nests {
        // The rest holds what is announced, so that only the depth is wrong.
        let bytes = [&b"\x83"[..], &nest.repeat(1 << 17), &[b'j'; 1 << 18]].concat();
        refused_as(&bytes, Problem::TooDeep);
    }
    let nested = |depth: usize| [&b"\x83"[..], &b"h\x01".repeat(depth), b"j"].concat();
    let deepest = decode(&nested(MAX_DEPTH)).unwrap();
    is(&nested(MAX_DEPTH), &deepest);
    assert_eq!(deepest, deepest.clone());
    assert_eq!(etf::encode(&Term::tuple([deepest])), Err(EncodeError::TooDeep));
    refused_as(&nested(MAX_DEPTH + 1), Problem::TooDeep);
    let limits = Limits { depth: 3, ..Limits::default() };
    assert!(etf::decode(&nested(3).into(), limits).is_ok());
    assert!(etf::decode(&nested(4).into(), limits).is_err());
}

#[test]
fn terms_are_counted() {
    let limits = Limits { terms: 3, ..Limits::default() };
    assert!(etf::decode(&b"\x83h\x02jj"[..].into(), limits).is_ok());
    let error = etf::decode(&b"\x83h\x03jjj"[..].into(), limits).unwrap_err();
    assert_eq!(error.problem, Problem::TooMany);
}

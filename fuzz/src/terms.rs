//! Erlang terms, as nodes that are not ours send them.

use beam::etf::{self, Decoder, Limits};
use beam::print::{Elixir, Erlang};
use beam::term::Atom;
use bytes::Bytes;

/// Small enough that an input takes no time, large enough for each limit to be met.
const LIMITS: Limits = Limits { depth: etf::MAX_DEPTH, bytes: 1 << 20, terms: 1 << 16, atoms: 64 };

/// Reads the bytes as a term of its own, as one after a distribution header, and as text. A term that was read is
/// written, read again and is the same; and it has a text.
pub fn terms(bytes: &[u8]) {
    let header = ["ok", "shop@10.0.0.1", "Elixir.Shop"].map(Atom::new);
    let mut decoder = Decoder::new(LIMITS);
    let mut input = Bytes::copy_from_slice(bytes);
    let read = [decoder.versioned(&mut input.clone()), decoder.term(&mut input, &header)];
    for term in read.into_iter().flatten() {
        let written = etf::encode(&term).expect("what was read can be written");
        assert_eq!(etf::decode(&written.into(), LIMITS).as_ref(), Ok(&term));
        let text = Erlang::default().print(&term) + ".";
        assert!(!Elixir::default().print(&term).is_empty() && !Elixir::pretty().print(&term).is_empty());
        // Not every term has a text that is read.
        let _ = beam::text::consult(text.as_bytes());
    }
    let _ = beam::text::consult(bytes);
}

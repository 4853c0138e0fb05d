//! Terms as the installed nodes encoded and printed them: recorded by `golden/terms.exs`, which says how.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::collections::HashMap;

use beam::Term;
use beam::etf::{self, Limits, Problem};
use beam::print::erlang::Range;
use beam::print::{Elixir, Erlang};
use beam::text::consult;

// (`golden/encodings.txt`: by `golden/encodings.escript`.)

/// One line of a recording.
struct Recorded {
    bytes: Vec<u8>,
    /// `io_lib:format("~tp", [Term])`, `inspect(term)` and `inspect(term, pretty: true)`.
    texts: [Option<String>; 3],
}

fn recorded(lines: &str) -> Vec<Recorded> {
    let read = |line: &str| {
        let mut columns = line.split('\t');
        let bytes = base64(columns.next().unwrap());
        let texts = [(); 3].map(|()| columns.next().unwrap()).map(|it| (it != "-").then(|| unescaped(it)));
        Recorded { bytes, texts }
    };
    lines.lines().map(read).collect()
}

fn terms() -> Vec<Recorded> {
    recorded(include_str!("golden/terms.txt"))
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = |digit: u8| u32::try_from(DIGITS.iter().position(|&it| it == digit).unwrap()).unwrap();
    let digits = text.trim_end_matches('=').as_bytes();
    let group = |group: &[u8]| {
        let value = (0..4).fold(0, |value, at| value << 6 | group.get(at).map_or(0, |&digit| bits(digit)));
        value.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(next) = characters.next() {
        plain.push(match next {
            '\\' => match characters.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            },
            other => other,
        });
    }
    plain
}

fn decoded(recorded: &Recorded) -> Term {
    etf::decode(&recorded.bytes.clone().into(), Limits::default()).unwrap()
}

#[test]
fn every_recorded_term_is_written_byte_for_byte_as_it_was_read() {
    for each in terms() {
        let written = etf::encode(&decoded(&each)).unwrap();
        assert_eq!(written.escape_ascii().to_string(), each.bytes.escape_ascii().to_string());
    }
}

/// Compares each text of a column; tells some that differ.
#[track_caller]
fn prints(recorded: &[Recorded], column: usize, at_least: usize, print: impl Fn(&Term) -> String) {
    let expected = recorded.iter().filter_map(|each| Some((each, each.texts[column].as_ref()?)));
    let expected: Vec<_> = expected.collect();
    let differing: Vec<_> = expected
        .iter()
        .map(|(each, text)| (print(&decoded(each)), *text))
        .filter(|(printed, text)| printed != *text)
        .collect();
    let shown: Vec<_> =
        differing.iter().take(8).map(|(ours, theirs)| format!("{ours}\n-- not\n{theirs}")).collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), shown.join("\n\n"));
    assert!(expected.len() >= at_least, "only {} are recorded", expected.len());
}

#[test]
fn erlang_text_is_as_the_node_wrote_it() {
    prints(&terms(), 0, 700, |term| Erlang::default().print(term));
}

#[test]
fn erlang_text_is_as_a_node_of_unicode_wrote_it() {
    let recorded = recorded(include_str!("golden/terms.unicode.txt"));
    prints(&recorded, 0, 20, |term| Erlang { range: Range::Unicode, ..Erlang::default() }.print(term));
}

#[test]
fn elixir_text_is_as_the_node_wrote_it() {
    prints(&terms(), 1, 700, |term| Elixir::default().print(term));
}

#[test]
fn elixir_text_in_lines_is_as_the_node_wrote_it() {
    prints(&terms(), 2, 700, |term| Elixir::pretty().print(term));
}

/// The terms that have a text are read back from it.
#[test]
fn recorded_texts_are_read() {
    let mut read = 0;
    for each in terms() {
        let (term, text) = (decoded(&each), &each.texts[0]);
        let Some(Ok(found)) = text.as_ref().map(|text| consult(format!("{text} .").as_bytes())) else {
            continue;
        };
        assert_eq!(found, [term], "{text:?}");
        read += 1;
    }
    assert!(read > 550, "only {read} were");
}

#[test]
fn terms_that_end_too_early_are_refused_wherever_that_is() {
    for each in terms().into_iter().filter(|each| each.bytes.len() < 2000) {
        for length in 0..each.bytes.len() {
            let cut = each.bytes[..length].to_vec();
            let error = etf::decode(&cut.into(), Limits::default()).unwrap_err();
            assert_eq!(error.problem, Problem::Truncated, "{length} of {}", each.bytes.escape_ascii());
        }
    }
}

/// Older encodings of a term, compressed ones among them, are the same term.
#[test]
fn other_encodings_are_the_same_terms() {
    let recorded = include_str!("golden/encodings.txt");
    let mut terms: HashMap<&str, Term> = HashMap::new();
    for line in recorded.lines() {
        let (name, bytes) = line.split_once('\t').unwrap();
        let term = etf::decode(&base64(bytes).into(), Limits::default()).unwrap();
        assert_eq!(terms.entry(name).or_insert_with(|| term.clone()), &term, "{name}");
    }
    assert_eq!(terms.len(), 6);
}

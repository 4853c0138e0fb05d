//! Erlang text terms: what is read, what is refused and where, and that no input breaks the reader.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use beam::print::Erlang;
use beam::term::{Bitstring, Export};
use beam::text::{MAX_BYTES, MAX_DEPTH, Problem, consult};
use beam::{Term, etf};
use num_bigint::BigInt;
use proptest::prelude::*;

fn atom(name: &str) -> Term {
    Term::atom(name)
}

fn text(text: &str) -> Term {
    Term::string(text)
}

fn big(digits: &[u8], radix: u32) -> Term {
    Term::integer(BigInt::parse_bytes(digits, radix).unwrap())
}

#[track_caller]
fn reads(source: &str, expected: Term) {
    assert_eq!(consult(format!("{source}.").as_bytes()).unwrap(), [expected], "{source}");
}

#[track_caller]
fn refused(source: &str, expected: &str) {
    assert_eq!(consult(source.as_bytes()).unwrap_err().to_string(), expected, "{source}");
}

#[test]
fn atoms_and_strings() {
    reads("beacon", atom("beacon"));
    reads("a_B@1", atom("a_B@1"));
    reads("été", atom("été"));
    reads("'Elixir.My App'", atom("Elixir.My App"));
    reads(r"'it\'s'", atom("it's"));
    reads(r#""a\n\t\"\x41\x{1F600}\101\^A\s""#, text("a\n\t\"A😀A\u{1} "));
    reads("\"one \" % with a comment\n \"string\"", text("one string"));
    reads("\"\"", text(""));
    assert_eq!(consult(b"\"\xe9\".").unwrap(), [text("é")], "Latin-1, as before OTP 17");
}

#[test]
fn numbers() {
    reads("42", Term::Integer(42));
    reads("-1_000", Term::Integer(-1000));
    reads("16#Ff", Term::Integer(255));
    reads("-2#101", Term::Integer(-5));
    reads("$a", Term::Integer(97));
    reads(r"$\n", Term::Integer(10));
    reads("-1.5e-3", Term::Float(-0.0015));
    reads("123456789012345678901234567890", big(b"123456789012345678901234567890", 10));
    reads("36#zzzzzzzzzzzzzzzz", big(b"zzzzzzzzzzzzzzzz", 36));
    reads("1", Term::Integer(1));
}

#[test]
fn nested_terms() {
    reads("[]", Term::list([]));
    reads("{ }", Term::tuple([]));
    reads("[a,{b,1}]", Term::list(vec![atom("a"), Term::tuple(vec![atom("b"), Term::Integer(1)])]));
    reads(
        "#{a => 1, \"b\" => #{}}",
        Term::map(vec![(atom("a"), Term::Integer(1)), (text("b"), Term::map([]))]),
    );
    reads("<<>>", Term::binary(vec![]));
    reads("<<1, 16#ff, \"ab\">>", Term::binary(vec![1, 255, b'a', b'b']));
    reads("<<\"é\"/utf8>>", Term::binary("é"));
    reads("<<\"é\">>", Term::binary(vec![0xe9]));
    reads("<<1, 5:3>>", Term::Bitstring(Box::new(Bitstring::new(vec![1, 0xa0].into(), 3).unwrap())));
    reads("[a|[b|\"c\"]]", Term::list([atom("a"), atom("b"), 99.into()]));
    reads("[a | b ]", Term::ImproperList(Box::new(([atom("a")].into(), atom("b")))));
    let export = Export { module: "a".into(), function: "b c".into(), arity: 2 };
    reads("fun a:'b c'/2", Term::Export(Box::new(export)));
}

#[test]
fn several_terms_and_comments() {
    let terms = consult(b"%% coding: utf-8\n{a,1}. % one\n\n[b].\n%% end").unwrap();
    assert_eq!(terms.len(), 2);
    assert_eq!(consult(b"").unwrap(), []);
    assert_eq!(consult(b"% only a comment").unwrap(), []);
}

#[test]
fn mistakes_are_told_with_their_place() {
    refused(
        "{a,\n  b",
        "line 2, column 4: the text ends where a comma or the end of a list or tuple was expected",
    );
    refused("{a,\n  B}.", "line 2, column 3: found 'B' where a term was expected");
    refused("[a b].", "line 1, column 4: found 'b' where a comma or the end of a list or tuple was expected");
    refused("a", "line 1, column 2: the text ends where a full stop was expected");
    refused("\"abc", "line 1, column 5: the text ends where a closing quote was expected");
    refused("[a|b,c].", "line 1, column 5: found ',' where the end of a list after its tail was expected");
    refused("[|b].", "line 1, column 2: found '|' where a term was expected");
    refused("fun() -> 1 end.", "line 1, column 4: found '(' where an atom was expected");
    refused("fun a:b/256.", "line 1, column 12: a function has 0 to 255 arguments");
    refused("1#0.", "line 1, column 2: \"1#\" is not a number");
    refused("1.0e.", "line 1, column 5: \"\" is not a number");
    refused("1.0e999.", "line 1, column 8: \"1.0e999\" is not a number");
    refused("'\\x{110000}'.", "line 1, column 12: the escape sequence names no character");
    refused(
        "<<256>>.",
        "line 1, column 6: only bytes, strings and, at the end, fewer than eight bits are read inside << >>",
    );
    for bits in ["<<1:8>>.", "<<4:2>>.", "<<1:0>>.", "<<1:3,1>>."] {
        let problem = consult(bits.as_bytes()).unwrap_err().problem;
        assert_eq!(problem, Problem::Binary, "{bits}");
    }
    refused("<<\"ab\"/little>>.", "line 1, column 7: found '/' where a comma or >> was expected");
    refused("#{a 1}.", "line 1, column 5: found '1' where => was expected");
    refused("#Ref<0.1>.", "line 1, column 2: found 'R' where a map's opening brace was expected");
}

#[test]
fn depth_and_length_are_limited() {
    let nested = |depth: usize| format!("{}{}.", "[".repeat(depth), "]".repeat(depth));
    assert!(consult(nested(MAX_DEPTH).as_bytes()).is_ok());
    for open in ["[", "{", "#{a=>", "#{"] {
        let error = consult(open.repeat(100_000).as_bytes()).unwrap_err().to_string();
        assert!(error.contains("nested deeper") || open == "#{", "{error}");
    }
    assert!(consult(&vec![b' '; MAX_BYTES + 1]).is_err());
    assert!(consult(&vec![b'9'; 100_000]).is_err());
    let many = format!("[{}].", "a,".repeat(1 << 20));
    assert!(consult(many.as_bytes()).unwrap_err().to_string().contains("more than 1048576 terms"));
}

/// A map of those pairs whose keys differ.
fn map(pairs: Vec<(Term, Term)>) -> Term {
    let mut kept: Vec<(Term, Term)> = Vec::new();
    for (key, value) in pairs {
        if kept.iter().all(|(there, _)| *there != key) {
            kept.push((key, value));
        }
    }
    Term::map(kept)
}

/// Every sort of term that has a text.
fn any_term() -> impl Strategy<Value = Term> {
    let name = prop_oneof!["[a-z]{1,8}", "\\PC{0,8}", ".{0,4}"];
    let bytes = || prop::collection::vec(any::<u8>(), 0..8);
    let leaf = prop_oneof![
        name.prop_map(|name| Term::atom(&name)),
        any::<i64>().prop_map(Term::Integer),
        any::<i128>().prop_map(Term::integer),
        "\\PC{1,8}".prop_map(|text| Term::string(&text)),
        bytes().prop_map(Term::charlist),
        bytes().prop_map(Term::binary),
        "\\PC{0,8}".prop_map(Term::binary),
        (bytes(), any::<u8>(), 1_u8..8).prop_map(|(mut bytes, last, size)| {
            bytes.push(last);
            Term::Bitstring(Box::new(Bitstring::new(bytes.into(), size).unwrap()))
        }),
        prop::num::f64::NORMAL.prop_map(Term::Float),
        any::<i32>().prop_map(|number| Term::Float(f64::from(number) / 4.0)),
        ("[a-z]{1,4}", "\\PC{0,4}", any::<u8>()).prop_map(|(module, function, arity)| {
            let (module, function) = (module.as_str().into(), function.as_str().into());
            Term::Export(Box::new(Export { module, function, arity }))
        }),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Term::list),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Term::tuple),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(map),
            (prop::collection::vec(inner, 1..4), "[a-z]").prop_map(|(items, tail)| {
                Term::ImproperList(Box::new((items.into(), Term::atom(&tail))))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(term in any_term(), width in 1_usize..100) {
        let printer = Erlang { width, ..Erlang::default() };
        for text in [printer.print(&term), printer.print_flat(&term)] {
            prop_assert_eq!(consult(format!("{text}.\n").as_bytes()).unwrap(), [term.clone()], "{}", text);
        }
    }

    #[test]
    fn what_was_encoded_is_decoded(term in any_term()) {
        let bytes = etf::encode(&term).unwrap();
        prop_assert_eq!(etf::decode(&bytes.into(), etf::Limits::default()), Ok(term));
    }

    #[test]
    fn no_text_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = consult(&bytes);
    }

    #[test]
    fn no_text_that_looks_like_terms_breaks_it(source in r#"[\[\]{}()<>#$"'\\,.|=%0-9a-fx_\n -]{0,200}"#) {
        if let Err(error) = consult(source.as_bytes()) {
            prop_assert!(error.line <= source.lines().count() + 1);
        }
    }
}

#[test]
fn a_list_whose_tail_is_a_list_is_one_list_however_long() {
    let many = 100_000;
    let source = format!("{}\"ab\"{}", "[1|".repeat(many), "]".repeat(many));
    let ones = std::iter::repeat_n(Term::Integer(1), many);
    reads(&source, Term::list(ones.chain([Term::Integer(97), Term::Integer(98)])));
    reads("[1| [2 | [] ] ]", Term::list([Term::Integer(1), Term::Integer(2)]));
    reads(
        "[1|[2|a]]",
        Term::ImproperList(Box::new(([Term::Integer(1), Term::Integer(2)].into(), atom("a")))),
    );
    refused("[1|[2].", "line 1, column 7: found '.' where the end of a list after its tail was expected");
}

#[test]
fn maps_in_maps_are_compared_in_one_pass() {
    let nested = |inner| (0..200).fold(Term::Integer(inner), |term, _| Term::map([(atom("a"), term)]));
    assert_eq!(nested(1), nested(1));
    assert_ne!(nested(1), nested(2));
}

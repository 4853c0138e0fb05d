//! Terms as this node's OTP encodes and prints them.

use beam::Term;
use beam::etf::{self, Limits};
use beam::print::Erlang;

use crate::world::{World, eval, eval_with, up};

/// Recorded on OTP 25: each line begins with a term in base64.
const RECORDED: &str = include_str!("../../../beam/tests/golden/terms.txt");

/// Whether it or something in it is such.
fn has(term: &Term, such: fn(&Term) -> bool) -> bool {
    such(term)
        || match term {
            Term::List(items) | Term::Tuple(items) => items.iter().any(|item| has(item, such)),
            Term::ImproperList(list) => list.0.iter().chain([&list.1]).any(|item| has(item, such)),
            Term::Map(pairs) => pairs.iter().any(|(key, value)| has(key, such) || has(value, such)),
            _ => false,
        }
}

/// Its text depends on the node: of processes and the like it shows a number of its own for their node.
fn names_a_node(term: &Term) -> bool {
    matches!(term, Term::Pid(_) | Term::Port(_) | Term::Reference(_) | Term::Fun(_))
}

/// Newer OTPs write all ports with numbers of 64 bits. OTP 25 does so where they need it, as we do.
fn is_port(term: &Term) -> bool {
    matches!(term, Term::Port(_))
}

#[tokio::test]
async fn recorded_terms_are_encoded_and_printed_as_by_this_node() {
    let world = World::new().await;
    let (_running, node) = world.connected("recorded", &[]).await;
    let lines: Vec<&str> = RECORDED.lines().filter_map(|line| line.split('\t').next()).collect();
    let text = "[begin
        T = binary_to_term(base64:decode(L)),
        {term_to_binary(T, [{minor_version, 2}]), unicode:characters_to_binary(io_lib:format(\"~tp\", [T]))}
    end || L <- Lines]";
    let sent = Term::list(lines.iter().map(|line| Term::binary(line.as_bytes().to_vec())));
    let answers = eval_with(&node, text, [("Lines", sent)]).await;
    let answers = answers.as_list().unwrap().into_owned();
    assert_eq!(answers.len(), lines.len());
    let mut printed = 0;
    for (answer, line) in answers.iter().zip(lines) {
        let Some([Term::Binary(bytes), Term::Binary(text)]) = answer.as_tuple() else { panic!("{answer:?}") };
        let term = etf::decode(&bytes.to_bytes(), Limits::default()).unwrap();
        let written = etf::encode(&term).unwrap();
        if has(&term, is_port) {
            assert_eq!(etf::decode(&written.into(), Limits::default()), Ok(term.clone()), "{line}");
        } else {
            assert_eq!(written.escape_ascii().to_string(), bytes.escape_ascii().to_string(), "{line}");
        }
        if !has(&term, names_a_node) {
            assert_eq!(Erlang::default().print(&term), String::from_utf8_lossy(text), "{line}");
            printed += 1;
        }
    }
    assert!(printed > 600, "{printed}");
}

/// OTP 29 sends them to peers, too, that do not say that they know them.
#[tokio::test]
async fn native_records_come_and_go_back() {
    let world = World::new().await;
    let (_running, node) = world.connected("records", &[]).await;
    let otp: u32 = up(&node).await.identity.otp.parse().unwrap();
    if otp < 29 {
        let known = eval(&node, "code:ensure_loaded(records)").await;
        assert_eq!(known.as_tuple().map(|error| error[0].clone()), Some(Term::atom("error")), "OTP {otp}");
        return;
    }
    let make = "records:create(shop, order, [{id, 1 bsl 70}, {what, #{<<\"x\">> => \"text\"}}], #{is_exported => true})";
    let record = eval(&node, make).await;
    let Term::Record(read) = &record else { panic!("{record:?}") };
    assert_eq!((read.module.as_str(), read.name.as_str(), read.fields.len()), ("shop", "order", 2));
    let same = format!("{make} =:= R andalso records:get(id, R) =:= 1 bsl 70");
    assert_eq!(eval_with(&node, &same, [("R", record.clone())]).await, Term::atom("true"));
    let text = eval(&node, &format!("unicode:characters_to_binary(io_lib:format(\"~tp\", [{make}]))")).await;
    let text = String::from_utf8(text.as_binary().unwrap().to_vec()).unwrap();
    assert_eq!(Erlang::default().print(&record), text);
}

#[tokio::test]
async fn a_map_with_a_key_twice_is_refused_as_by_the_node() {
    let twice = b"\x83t\0\0\0\x02w\x01aa\x01w\x01aa\x02";
    let world = World::new().await;
    let (_running, node) = world.connected("twice", &[]).await;
    let refused = eval_with(
        &node,
        "try binary_to_term(B) catch error:badarg -> refused end",
        [("B", Term::binary(&twice[..]))],
    );
    assert_eq!(refused.await, Term::atom("refused"));
    let problem = etf::decode(&bytes::Bytes::from_static(twice), Limits::default()).unwrap_err().problem;
    assert_eq!(problem, etf::Problem::Keys);
}

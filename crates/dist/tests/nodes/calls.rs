//! Calls and evaluations.

use std::time::Duration;

use beam::Term;
use dist::{Call, CallError, PayloadError, PrepareError};

use crate::world::{SOON, World, erlang, eval, eval_with, up};

#[tokio::test]
async fn a_function_is_called() {
    let world = World::new().await;
    let (running, node) = world.connected("calls", &[]).await;
    assert_eq!(erlang(&node, "node").await, Term::atom("calls@localhost"));
    let reversed = Call::new("lists", "reverse", [Term::list([Term::atom("a"), Term::atom("b")])]);
    let expected = Term::list([Term::atom("b"), Term::atom("a")]);
    assert_eq!(node.call(&reversed, SOON).await.unwrap(), expected);
    let up = up(&node).await;
    assert!(up.identity.otp.parse::<u32>().unwrap() >= 24, "{:?}", up.identity);
    let ticktime = eval(&node, "net_kernel:get_net_ticktime()").await;
    assert_eq!(ticktime.as_integer(), Some(up.identity.ticktime_secs as i64));
    let hidden = eval(&node, "{nodes(hidden), nodes()}").await;
    let ours = Term::list([Term::atom(up.own_name.as_str())]);
    assert_eq!(hidden, Term::tuple([ours, Term::list([])]), "we are hidden");
    drop(running);
}

#[tokio::test]
async fn a_call_that_fails_says_why() {
    let world = World::new().await;
    let (_running, node) = world.connected("fails", &[]).await;
    let failed = node.call(&Call::new("erlang", "error", [Term::atom("boom")]), SOON).await.unwrap_err();
    let CallError::Remote { call, reason } = &failed else { panic!("{failed:?}") };
    assert_eq!(call, "erlang:error/1");
    assert!(format!("{reason:?}").contains("boom"), "{reason:?}");
    let undefined = node.call(&Call::new("no_such", "function", []), SOON).await.unwrap_err();
    assert!(undefined.to_string().contains("undef"), "{undefined}");
    let sleep = Call::new("timer", "sleep", [Term::atom("infinity")]);
    let late = node.call(&sleep, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(late, CallError::Timeout { .. }), "{late:?}");
    let long = Call::new("erlang", "byte_size", [Term::binary(vec![0; 40 << 20])]);
    let long = node.call(&long, SOON).await.unwrap_err();
    assert!(matches!(long, CallError::TooLong { .. }), "{long:?}");
    assert_eq!(erlang(&node, "node").await, Term::atom("fails@localhost"), "all the same");
}

#[tokio::test]
async fn many_calls_at_once_get_their_own_answers() {
    let world = World::new().await;
    let (_running, node) = world.connected("many", &[]).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..500_i64 {
        let node = node.clone();
        calls.spawn(async move {
            let abs = Call::new("erlang", "abs", [Term::Integer(-number)]);
            (number, node.call(&abs, SOON).await.unwrap())
        });
    }
    while let Some(answered) = calls.join_next().await {
        let (number, answer) = answered.unwrap();
        assert_eq!(answer, Term::Integer(number));
    }
}

#[tokio::test]
async fn a_cast_is_carried_out() {
    let world = World::new().await;
    let (_running, node) = world.connected("casts", &[]).await;
    let put = Call::new("persistent_term", "put", [Term::atom("cast"), Term::Integer(1)]);
    node.cast(&put, SOON).await.unwrap();
    let got = testkit::wait_for("it was cast", SOON, async || {
        let get = Call::new("persistent_term", "get", [Term::atom("cast"), Term::atom("none")]);
        node.call(&get, SOON).await.ok().filter(|value| *value == Term::Integer(1))
    });
    got.await;
}

#[tokio::test]
async fn text_is_evaluated_with_variables() {
    let world = World::new().await;
    let (_running, node) = world.connected("evals", &[]).await;
    let prepared =
        node.prepare("Sum = fun(A, B) -> A + B end,\n[Sum(X, N) || N <- Ns].", SOON).await.unwrap();
    for base in [1, 10] {
        let numbers = Term::list([Term::Integer(1), Term::Integer(2)]);
        let value = node.eval(&prepared, [("X", Term::Integer(base)), ("Ns", numbers)], SOON).await;
        let expected = Term::list([Term::Integer(base + 1), Term::Integer(base + 2)]);
        assert_eq!(value.unwrap(), expected);
    }
    assert_eq!(eval(&node, "\"\u{4e2d}\" % a comment").await, Term::string("\u{4e2d}"));
    let failed = node.prepare("exit(why)", SOON).await.unwrap();
    let failed = node.eval(&failed, [], SOON).await.unwrap_err();
    assert!(failed.to_string().contains("why"), "{failed}");
}

#[tokio::test]
async fn text_that_is_no_erlang_is_told_with_its_line() {
    let world = World::new().await;
    let (_running, node) = world.connected("syntax", &[]).await;
    for (text, at) in [("A = 1,\nA +* 2", 2), ("\"never ended", 1)] {
        match node.prepare(text, SOON).await.unwrap_err() {
            PrepareError::Syntax { line, message } => {
                assert_eq!(line, at, "{message}");
                assert!(!message.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_kind_of_term_comes_and_goes_back() {
    let world = World::new().await;
    let (_running, node) = world.connected("terms", &[]).await;
    let all = "{1, -5, 255, 256, -2147483649, 9223372036854775807, -9223372036854775808, 1 bsl 100, 1.5, atom, \
               '\u{e5}\u{4e2d}', <<1,2,3>>, <<5:3>>, \"abc\", [1000,2000], [a|b], #{a => 1, 1 => x, 1.0 => y}, self(), \
               make_ref(), fun erlang:node/0, fun(X) -> X + 1 end, hd(erlang:ports()), alias(), [], {}}";
    let terms = eval(&node, all).await;
    assert_eq!(terms.as_tuple().unwrap().len(), 25);
    let same = "binary_to_term(term_to_binary(T)) =:= T andalso (element(21, T))(41) =:= 42";
    assert_eq!(eval_with(&node, same, [("T", terms)]).await, Term::atom("true"));
}

#[tokio::test]
async fn what_called_code_prints_comes_here() {
    let world = World::new().await;
    let (_running, node) = world.connected("prints", &[]).await;
    let mut leader = node.group_leader().unwrap();
    let format = Call::new(
        "io",
        "format",
        [Term::string("~ts and ~p~n"), {
            Term::list([Term::string("\u{4e2d}"), Term::tuple([Term::atom("a")])])
        }],
    );
    assert_eq!(node.call(&format.printing_to(leader.pid()), SOON).await.unwrap(), Term::atom("ok"));
    assert_eq!(leader.next().await.unwrap().text, "\u{4e2d} and {a}\n");
    let read = Call::new("io", "get_line", [Term::string("> ")]).printing_to(leader.pid());
    assert_eq!(node.call(&read, SOON).await.unwrap(), Term::atom("eof"));
    let columns = Call::new("io", "columns", []).printing_to(leader.pid());
    let columns = node.call(&columns, SOON).await.unwrap();
    assert_eq!(columns, Term::tuple([Term::atom("error"), Term::atom("enotsup")]));
    let put = Call::new("io", "put_chars", [Term::binary("bytes")]).printing_to(leader.pid());
    node.call(&put, SOON).await.unwrap();
    assert_eq!(leader.take().text, "bytes");
    // what has no group leader of ours prints in the node, and nobody waits
    assert_eq!(eval(&node, "io:format(\"x\")").await, Term::atom("ok"));
}

#[tokio::test]
async fn nobody_waits_for_ever_who_printed_what_was_lost() {
    let world = World::new().await;
    let (_running, node) = world.connected("lost", &[]).await;
    let mut leader = node.group_leader().unwrap();
    // nested deeper than is read
    let deep =
        "D = lists:foldl(fun(_, T) -> [T] end, $x, lists:seq(1, 2000)), M = erlang:monitor(process, L),
        L ! {io_request, self(), M, {put_chars, unicode, D}},
        receive {'DOWN', M, _, _, R} -> R; {io_reply, M, R} -> {answered, R} end";
    let told = eval_with(&node, deep, [("L", leader.pid().into())]).await;
    assert_eq!(told, Term::atom("normal"));
    eval_with(&node, "io:put_chars(L, <<\"next\">>)", [("L", leader.pid().into())]).await;
    assert_eq!(leader.next().await.unwrap().text, "next");
}

#[tokio::test]
async fn a_large_answer_holds_up_nobody() {
    let world = World::new().await;
    let (_running, node) = world.connected("large", &[]).await;
    let large = node.prepare("[{N, make_ref(), <<N:64>>} || N <- lists:seq(1, 800000)]", SOON).await.unwrap();
    let asks = node.clone();
    let large = tokio::spawn(async move { asks.eval(&large, [], SOON).await });
    let mut small = 0;
    while !large.is_finished() {
        assert_eq!(erlang(&node, "node").await, Term::atom("large@localhost"));
        small += 1;
    }
    let large = large.await.unwrap().unwrap();
    assert_eq!(large.as_list().unwrap().len(), 800_000);
    assert!(small > 1, "{small} small ones beside it");
    let binary = eval(&node, "binary:copy(<<7>>, 60000000)").await;
    assert!(binary.as_binary().is_some_and(|bytes| bytes.len() == 60_000_000 && bytes[59_999_999] == 7));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_costs_only_itself() {
    let world = World::new().await;
    let running = world.start("unread", &[]);
    let mut target = world.target("unread");
    target.limits.message_bytes = 1 << 20;
    let node = world.open(target);
    let before = up(&node).await;
    for text in ["lists:foldl(fun(_, T) -> {T} end, x, lists:seq(1, 2000))", "binary:copy(<<7>>, 5000000)"] {
        let prepared = node.prepare(text, SOON).await.unwrap();
        let lost = node.eval(&prepared, [], SOON).await.unwrap_err();
        assert!(matches!(lost, CallError::Payload(..)), "{lost:?}");
    }
    assert_eq!(erlang(&node, "node").await, Term::atom("unread@localhost"));
    assert!(std::sync::Arc::ptr_eq(&before, &up(&node).await), "it is the same connection");
    drop(running);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_before_it_is_here() {
    let world = World::new().await;
    let (_running, node) = world.connected("endless", &[]).await;
    let prepared = node.prepare("binary:copy(<<7>>, 200 bsl 20)", SOON).await.unwrap();
    match node.eval(&prepared, [], SOON).await.unwrap_err() {
        CallError::Payload(_, PayloadError::TooLarge(came)) => {
            assert!((64 << 20..65 << 20).contains(&came), "{came} bytes came of 200 MiB");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(erlang(&node, "node").await, Term::atom("endless@localhost"), "the rest is thrown away");
}

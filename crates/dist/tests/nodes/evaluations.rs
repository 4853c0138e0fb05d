//! Texts that an operator has evaluated.

use std::time::Duration;

use beam::Term;
use dist::{Evaluation, EvaluationEnd, EvaluationEvent, EvaluationPlan, Language, Node};
use testkit::wait_for;

use crate::world::{SOON, World, elixir, eval, up};

async fn begin(node: &Node, language: Language, text: &str, lasting: Duration) -> Evaluation {
    let plan = EvaluationPlan { language, text: text.to_owned(), lasting };
    node.evaluate(&plan, SOON).await.unwrap()
}

async fn next(evaluation: &mut Evaluation) -> Option<EvaluationEvent> {
    tokio::time::timeout(SOON, evaluation.next()).await.expect("something is due")
}

/// What was printed, and the end.
async fn whole(mut evaluation: Evaluation) -> (String, EvaluationEnd) {
    let mut printed = String::new();
    loop {
        match next(&mut evaluation).await.expect("its end is due") {
            EvaluationEvent::Printed(output) => printed += &output.text,
            EvaluationEvent::Ended(end) => {
                assert_eq!(next(&mut evaluation).await, None);
                return (printed, end);
            }
        }
    }
}

async fn erlang(node: &Node, text: &str) -> (String, EvaluationEnd) {
    whole(begin(node, Language::Erlang, text, SOON).await).await
}

fn value(text: &str) -> (String, EvaluationEnd) {
    (String::new(), EvaluationEnd::Value(text.to_owned()))
}

#[tokio::test]
async fn erlang_is_evaluated_and_printed_as_there() {
    let world = World::new().await;
    let (_running, node) = world.connected("evaluated", &[]).await;
    assert_eq!(erlang(&node, "X = 20, X + 22.").await, value("42"));
    assert_eq!(erlang(&node, "{<<\"å\"/utf8>>, \"å\", 'A b'}").await, value("{<<\"å\"/utf8>>,\"å\",'A b'}"));
    assert_eq!(erlang(&node, "lists:seq(1, 40)").await.1, {
        let printed = eval(&node, "lists:flatten(io_lib:format(\"~tp\", [lists:seq(1, 40)]))").await;
        EvaluationEnd::Value(String::from_utf8(text(&printed)).unwrap())
    });
    let printed = erlang(&node, "io:format(\"a~tsb~n\", [\"å\"]), io:put_chars(\"c\"), self(), done").await;
    assert_eq!(printed, ("aåb\nc".to_owned(), EvaluationEnd::Value("done".to_owned())));
    let EvaluationEnd::Value(large) = erlang(&node, "lists:duplicate(1000000, {a, \"b\"})").await.1 else {
        panic!("it has a value")
    };
    assert!(
        large.ends_with("...]") && large.len() < 1 << 20,
        "{} {}",
        large.len(),
        &large[large.len() - 20..]
    );
}

fn text(term: &Term) -> Vec<u8> {
    match term {
        Term::Charlist(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let world = World::new().await;
    let (_running, node) = world.connected("wrong", &[]).await;
    let (_, end) = erlang(&node, "A = 1,\nA +").await;
    assert!(
        matches!(&end, EvaluationEnd::Syntax { line: 3, message } if message.contains("syntax error")),
        "{end:?}"
    );
    let (_, end) = erlang(&node, "lists:nth(7, [a])").await;
    let EvaluationEnd::Failed { class, reason, stack } = end else { panic!("{end:?}") };
    assert_eq!((&*class, &*reason), ("error", "function_clause"));
    // in a function of its own since OTP 27
    let place = stack[0].strip_prefix("lists:nth/2").or(stack[0].strip_prefix("lists:nth_1/2"));
    assert!(place.is_some_and(|place| place.starts_with(" (lists.erl, line ")), "{stack:?}");
    assert!(stack.iter().all(|line| !line.contains("erl_eval")), "{stack:?}");
    let (_, end) = erlang(&node, "throw({no, \"way\"})").await;
    assert!(
        matches!(&end, EvaluationEnd::Failed { class, reason, .. } if class == "throw" && reason == "{no,\"way\"}")
    );
    assert_eq!(
        erlang(&node, "exit(self(), kill), receive after infinity -> ok end").await.1,
        EvaluationEnd::Died("killed".to_owned())
    );
    let elixir = begin(&node, Language::Elixir, "1", SOON).await;
    assert_eq!(whole(elixir).await.1, EvaluationEnd::NoElixir);
}

/// Whether a process of this name is there.
async fn is_gone(node: &Node, name: &str) -> Option<()> {
    let found = eval(node, &format!("whereis({name})")).await;
    (found.as_atom() == Some("undefined")).then_some(())
}

const ENDLESS: &str = "register(endless, self()), io:put_chars(\"begun\"), receive after infinity -> ok end";

#[tokio::test]
async fn it_is_killed_when_its_time_is_over_when_dropped_and_when_we_vanish() {
    let world = World::new().await;
    let (_running, node) = world.connected("endless", &[]).await;
    let over = begin(&node, Language::Erlang, ENDLESS, Duration::from_millis(300)).await;
    let (printed, ended) = whole(over).await;
    let EvaluationEnd::Over { at: Some(at) } = ended else { panic!("{ended:?}") };
    assert_eq!((&*printed, &*at), ("begun", "prim_eval:receive/2"));
    wait_for("it is killed", SOON, async || is_gone(&node, "endless").await).await;

    let mut dropped = begin(&node, Language::Erlang, ENDLESS, SOON).await;
    assert!(matches!(next(&mut dropped).await, Some(EvaluationEvent::Printed(_))));
    drop(dropped);
    wait_for("it is killed when dropped", SOON, async || is_gone(&node, "endless").await).await;

    let other = world.open(world.target("endless"));
    let name = up(&other).await.own_name.clone();
    let mut lost = begin(&other, Language::Erlang, ENDLESS, SOON).await;
    assert!(matches!(next(&mut lost).await, Some(EvaluationEvent::Printed(_))));
    eval(&node, &format!("erlang:disconnect_node('{name}')")).await;
    assert!(matches!(whole(lost).await.1, EvaluationEnd::Lost(_)));
    wait_for("it is killed when we vanish", SOON, async || is_gone(&node, "endless").await).await;
}

#[tokio::test]
async fn elixir_is_evaluated_and_inspected_as_there() {
    let world = World::new().await;
    let Some(paths) = elixir() else { return };
    let arguments: Vec<&str> = ["-pa"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let (_running, node) = world.connected("elixir", &arguments).await;
    let elixir = async |text| whole(begin(&node, Language::Elixir, text, SOON).await).await;
    assert_eq!(elixir("1").await.1, EvaluationEnd::NoElixir, "it is there, but does not run");
    eval(&node, "{ok, _} = application:ensure_all_started(elixir)").await;
    assert_eq!(
        elixir("x = %{a: ~w(b c)}; IO.puts(\"å\"); x").await,
        ("å\n".to_owned(), EvaluationEnd::Value("%{a: [\"b\", \"c\"]}".to_owned()))
    );
    let (_, end) = elixir("String.to_integer(\"x\")").await;
    let EvaluationEnd::Failed { class, reason, stack } = end else { panic!("{end:?}") };
    assert_eq!(class, "error");
    assert!(reason.starts_with("** (ArgumentError) "), "{reason}");
    assert!(stack[0].contains("binary_to_integer"), "{stack:?}");
    let (_, end) = elixir("1 +").await;
    assert!(
        matches!(&end, EvaluationEnd::Failed { reason, .. } if reason.starts_with("** (TokenMissingError)")),
        "{end:?}"
    );
}

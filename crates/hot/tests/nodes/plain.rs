//! Code loaded and states converted.

use crate::lab::{Lab, converted, hot};

/// A counter: its state is `{counter, N}`.
pub(crate) const COUNTER_1: &str = r#"
    -behaviour(gen_server).
    start(Name) -> gen_server:start({local, Name}, ?MODULE, [], []).
    init([]) -> {ok, {counter, 0}}.
    handle_call(add, _, {counter, N}) -> {reply, {v1, N + 1}, {counter, N + 1}}.
    handle_cast(_, S) -> {noreply, S}.
    code_change({down, _}, {counter, N, _}, _) -> {ok, {counter, N}}.
"#;
/// In this version it is `{counter, N, by}`.
pub(crate) const COUNTER_2: &str = r#"
    -behaviour(gen_server).
    start(Name) -> gen_server:start({local, Name}, ?MODULE, [], []).
    init([]) -> {ok, {counter, 0, 10}}.
    handle_call(add, _, {counter, N, By}) -> {reply, {v2, N + By}, {counter, N + By, By}}.
    handle_cast(_, S) -> {noreply, S}.
    code_change({down, _}, {counter, N, _}, _) -> {ok, {counter, N}};
    code_change(_, {counter, N}, _) -> {ok, {counter, N, 10}}.
"#;

#[tokio::test]
async fn a_state_is_converted_and_back() {
    let lab = Lab::new("converted", &[]).await;
    let one = lab.compile("1", &[("counter", COUNTER_1)]);
    let two = lab.compile("2", &[("counter", COUNTER_2)]);
    lab.load(&one).await;
    lab.eval("{ok, _} = counter:start(it), {v1, 1} = gen_server:call(it, add)").await;
    let pid = lab.text("whereis(it)").await;
    let mut up = lab.up("up", &one, &two).await;
    up.processes.push(converted("counter"));
    let installed = hot(lab.install(&up).await);
    assert_eq!((installed.suspended, installed.converted), (1, 1));
    assert_eq!(lab.text("gen_server:call(it, add)").await, "{v2,11}");
    let mut down = lab.step("down", &two, &one, hot::Direction::Down).await;
    down.processes.push(converted("counter"));
    hot(lab.install(&down).await);
    assert_eq!(lab.text("gen_server:call(it, add)").await, "{v1,12}");
    assert_eq!(lab.text("whereis(it)").await, pid);
}

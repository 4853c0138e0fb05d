//! What goes wrong with OTP's `release_handler` alone: each hazard on two real nodes, one that it upgrades by an equal relup
//! and one that we do. `docs/design/hot-install.md` says which is shown where.

mod code;
mod configuration;
mod elixir;
mod processes;
mod supervisors;

use testkit::made;

/// A release of one application, whose supervisor has children as this Erlang text says.
fn release(version: &str, modules: &[(&str, &str)], children: &str) -> made::Release {
    let supervisor = format!(
        "-behaviour(supervisor).
        start_link() -> supervisor:start_link({{local, ?MODULE}}, ?MODULE, []).
        init([]) -> {{ok, {{#{{}}, [{children}]}}}}."
    );
    let fixed = [("shop", APPLICATION), ("shop_sup", supervisor.as_str())];
    made::Release::new(version, Some("shop"), &[&fixed, modules].concat())
}

const APPLICATION: &str = "-behaviour(application).
    start(_, _) -> shop_sup:start_link().
    stop(_) -> ok.
    config_change(Changed, New, Removed) -> persistent_term:put(told, {Changed, New, Removed}), ok.";

/// A server, whose state is `{till, N}`; it can be kept busy until it is told to go.
const TILL_1: &str = "-behaviour(gen_server).
    start_link(Name) -> gen_server:start_link({local, Name}, ?MODULE, [], []).
    init([]) -> {ok, {till, 1}}.
    handle_call(add, _, {till, N}) -> {reply, N + 1, {till, N + 1}}.
    handle_cast(busy, S) -> receive go -> {noreply, S} end.";

/// In this version it is `{till, N, euro}`.
const TILL_2: &str = "-behaviour(gen_server).
    start_link(Name) -> gen_server:start_link({local, Name}, ?MODULE, [], []).
    init([]) -> {ok, {till, 1, euro}}.
    handle_call(add, _, {till, N, U}) -> {reply, {N + 1, U}, {till, N + 1, U}}.
    handle_cast(busy, S) -> receive go -> {noreply, S} end.
    code_change({down, _}, {till, N, _}, _) -> {ok, {till, N}};
    code_change(_, {till, N}, _) -> {ok, {till, N, euro}}.";

const TILL_A: &str = "#{id => a, start => {till, start_link, [a]}}";

/// A call that is made in the node, and what came of it: the reason for which the server crashed, in short.
fn called(name: &str) -> String {
    format!(
        "try gen_server:call({name}, add) catch exit:{{{{Why, _}}, {{gen_server, call, _}}}} -> {{crashed, Why}} end"
    )
}

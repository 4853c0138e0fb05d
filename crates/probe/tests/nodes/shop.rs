//! An application that is made in a node: a supervisor with children of all kinds.

use dist::Node;
use testkit::nodes::eval;

/// What the node compiles and loads. Its supervisor for a changing number of children is Elixir's, but one of OTP where the
/// node is newer than what loads Debian's Elixir, whose code is of OTP 25 (the loader of OTP 29 refuses it).
const FORMS: &str = r#"
    "-module(shop).", "-compile(export_all).", "-compile(nowarn_export_all).",
    "start(_, plain) -> {ok, worker_pid()}; start(_, Top) ->
        undefined = application:get_env(shop, refuses), supervisor:start_link({local, shop_sup}, shop, Top).",
    "stop(_) -> ok.",
    "init(top) -> {ok, {#{}, [child(worker), child({odd, id}), child(hung_sup), child(many_sup), child(dynamic_sup)]}};
        init(many_sup) -> {ok, {#{strategy => simple_one_for_one}, [child(worker)]}};
        init(_) -> {ok, {#{}, [child(worker)]}}.",
    "child(dynamic_sup) -> #{id => dynamic_sup, type => supervisor, start => case elixir() of
            true -> {'Elixir.DynamicSupervisor', start_link, [[{strategy, one_for_one}, {name, dynamic_sup}]]};
            false -> {supervisor, start_link, [{local, dynamic_sup}, shop, many_sup]} end};
        child(Id) when Id =:= hung_sup; Id =:= many_sup -> #{id => Id, type => supervisor, start =>
            {supervisor, start_link, [{local, Id}, shop, Id]}};
        child(Id) -> #{id => Id, start => {shop, worker, []}}.",
    "start_dynamic() -> case elixir() of
            true -> 'Elixir.DynamicSupervisor':start_child(dynamic_sup, #{id => x, start => {shop, worker, []}});
            false -> supervisor:start_child(dynamic_sup, []) end.",
    "elixir() -> code:ensure_loaded('Elixir.Keyword') =:= {module, 'Elixir.Keyword'} orelse
        list_to_integer(erlang:system_info(otp_release)) < 28.",
    "worker() -> {ok, worker_pid()}.",
    "worker_pid() -> proc_lib:spawn_link(timer, sleep, [infinity]).",
    "config_change([{hang, _} | _], _, _) -> timer:sleep(infinity);
        config_change([{fail, _} | _], _, _) -> {error, \"not this\"};
        config_change(Changed, New, Removed) -> persistent_term:put(told, {Changed, New, Removed}), ok.",
    "hot(N) -> hot(step(N)).",
    "step(N) -> (N + 1) rem 1000."
"#;

/// Where Debian has Elixir.
pub(crate) const ELIXIR: [&str; 2] = ["-pa", "/usr/lib/elixir/lib/elixir/ebin"];

/// Loads module and application `shop` into the node; its environment is these pairs.
pub(crate) async fn load(node: &Node, env: &str) {
    let text = format!(
        "Forms = [begin {{ok, Tokens, _}} = erl_scan:string(Form), {{ok, Parsed}} = erl_parse:parse_form(Tokens),
            Parsed end || Form <- [{FORMS}]],
        {{ok, shop, Code}} = compile:forms(Forms),
        {{module, shop}} = code:load_binary(shop, \"shop.erl\", Code),
        ok = application:load({{application, shop, [{{vsn, \"1\"}}, {{mod, {{shop, top}}}}, {{env, [{env}]}}]}})"
    );
    eval(node, &text).await;
}

/// Starts it, with these workers below its supervisor for many.
pub(crate) async fn start(node: &Node, many: usize) {
    let text = format!(
        "{{ok, _}} = application:ensure_all_started(elixir), ok = application:start(shop),
        [supervisor:start_child(many_sup, []) || _ <- lists:seq(1, {many})],
        {{ok, _}} = shop:start_dynamic()"
    );
    eval(node, &text).await;
}

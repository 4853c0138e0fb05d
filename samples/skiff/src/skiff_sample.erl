%% A whole sample application: the endpoints that buoy, lantern and the fixtures share, their
%% supervision tree, and their orderly stop.
-module(skiff_sample).
-behaviour(supervisor).

-export([start/2, prep_stop/1, handle/2, port/0]).
-export([init/1]).

%% Starts the tree of the application `App`; `Describe` gives more pairs for the answer to `/`.
-spec start(atom(), fun(() -> [{binary(), iodata()}])) -> supervisor:startlink_ret().
start(App, Describe) ->
    Port = port(),
    io:format("~s ~s: listening on port ~b, pid ~s~n", [App, version(App), Port, os:getpid()]),
    io:format(standard_error, "~s ~s: log level info~n", [App, version(App)]),
    supervisor:start_link({local, name(App, "_sup")}, ?MODULE, {App, Describe, Port}).

%% Requests in flight get up to 10 s.
-spec prep_stop(atom()) -> ok.
prep_stop(App) ->
    io:format("~s: stopping, requests in flight may finish~n", [App]),
    {left, Left} = skiff:drain(name(App, "_http"), 10_000),
    io:format("~s: stopped, ~b connections left~n", [App, Left]).

init({App, Describe, Port}) ->
    Started = erlang:monotonic_time(millisecond),
    Handler = fun(Request) -> ?MODULE:handle(Request, {App, Describe, Started}) end,
    Counter = name(App, "_counter"),
    {ok, {#{strategy => one_for_one}, [
        #{id => Counter, start => {skiff_counter, start_link, [Counter]}},
        skiff:child_spec(#{name => name(App, "_http"), port => Port, handler => Handler})
    ]}}.

-spec port() -> inet:port_number().
port() ->
    case string:to_integer(os:getenv("PORT", "")) of
        {Port, []} -> Port;
        _ -> error("the environment variable PORT is missing: set it to the port to listen on, e.g. PORT=4000")
    end.

handle(#{path := Path, method := Method} = Request, {App, Describe, Started} = Sample) ->
    case Path of
        <<"/">> -> json(200, [{<<"app">>, atom_to_binary(App)} | about(App) ++ Describe()]);
        <<"/health">> -> health(Started);
        <<"/slow">> -> slow(skiff:int_param(<<"ms">>, Request, 1000));
        <<"/stream">> -> stream(Request);
        <<"/env">> -> env(skiff:param(<<"name">>, Request, <<>>));
        <<"/exit">> -> exit_with(skiff:int_param(<<"status">>, Request, 0));
        <<"/crash">> -> crash(skiff:param(<<"how">>, Request, <<"vm">>), Sample);
        <<"/state">> -> state(App, Method, Request);
        _ -> {404, [], "no such page\n"}
    end.

about(App) ->
    [
        {<<"version">>, version(App)},
        {<<"place">>, os:getenv("BELLROCK_PLACE", "")},
        {<<"instance">>, os:getenv("BELLROCK_INSTANCE", "")},
        {<<"pid">>, os:getpid()},
        {<<"node">>, atom_to_binary(node())}
    ].

health(Started) ->
    Warmup = list_to_integer(os:getenv("WARMUP_MS", "0")),
    case erlang:monotonic_time(millisecond) - Started >= Warmup of
        true -> {200, [], "ready\n"};
        false -> {503, [], "warming up\n"}
    end.

slow(Ms) ->
    timer:sleep(Ms),
    {200, [], ["slept ", integer_to_list(Ms), " ms\n"]}.

stream(Request) ->
    Chunks = skiff:int_param(<<"chunks">>, Request, 5),
    Ms = skiff:int_param(<<"ms">>, Request, 100),
    {stream, 200, [{"content-type", "text/plain"}], fun(Send) ->
        [
            begin
                Send(["chunk ", integer_to_list(N), "\n"]),
                timer:sleep(Ms)
            end
         || N <- lists:seq(1, Chunks)
        ]
    end}.

env(Name) ->
    case os:getenv(binary_to_list(Name)) of
        false -> {404, [], "not set\n"};
        Value -> {200, [], unicode:characters_to_binary(Value)}
    end.

exit_with(Status) ->
    {200, [], "exiting\n", fun() -> erlang:halt(Status) end}.

%% `process` breaks the counter, which its supervisor restarts; `vm` breaks the tree itself, and
%% with it the permanent application and the VM.
crash(<<"process">>, {App, _, _}) ->
    _ = skiff_counter:add({name(App, "_counter"), not_a_number}),
    {200, [], []};
crash(_, {App, _, _}) ->
    {200, [], "crashing\n", fun() -> exit(whereis(name(App, "_sup")), kill) end}.

state(App, Method, Request) ->
    Default =
        case Method of
            <<"POST">> -> 1;
            _ -> 0
        end,
    Number =
        case skiff:param(<<"incr">>, Request, none) of
            none -> Default;
            _ -> skiff:int_param(<<"incr">>, Request, 1)
        end,
    Count = skiff_counter:add({name(App, "_counter"), Number}),
    {200, [{"content-type", "application/json"}], ["{\"count\":", integer_to_list(Count), "}\n"]}.

version(App) ->
    case application:get_key(App, vsn) of
        {ok, Version} -> Version;
        undefined -> "unknown"
    end.

name(App, Suffix) ->
    list_to_atom(atom_to_list(App) ++ Suffix).

%% All values are texts, but for `pid`, which is a number.
json(Status, Pairs) ->
    Fields = lists:join(",", [[$", Key, "\":", json_value(Key, Value)] || {Key, Value} <- Pairs]),
    {Status, [{"content-type", "application/json"}], ["{", Fields, "}\n"]}.

json_value(<<"pid">>, Value) -> Value;
json_value(_, Value) -> [$", [escape(Char) || Char <- unicode:characters_to_list(Value)], $"].

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(Char) when Char < 32 -> io_lib:format("\\u~4.16.0b", [Char]);
escape(Char) -> <<Char/utf8>>.

%% Very many counters below one supervisor, and how long some of them leave a client without an answer.
-module(crowd).
-export([gather/1, watch/0, told/1]).

%% How many of them are asked, each by a client of its own.
-define(ASKED, 8).

gather(Count) ->
    _ = [{ok, _} = supervisor:start_child(shop_sup, []) || _ <- lists:seq(1, Count)],
    Count.

%% Clients ask every millisecond, before everybody else, as the time is to be that of who is asked.
watch() ->
    All = [Pid || {_, Pid, _, _} <- supervisor:which_children(shop_sup)],
    Each = length(All) div ?ASKED,
    Asked = [lists:nth(1 + N * Each, All) || N <- lists:seq(0, ?ASKED - 1)],
    Clients = [spawn_opt(fun() -> ask(Pid, 0) end, [{priority, max}]) || Pid <- Asked],
    persistent_term:put(clients, Clients),
    erlang:garbage_collect(),
    ok.

ask(Pid, Longest) ->
    Began = erlang:monotonic_time(microsecond),
    _ = gen_server:call(Pid, ping, infinity),
    Most = max(Longest, erlang:monotonic_time(microsecond) - Began),
    receive
        {told, From} -> From ! {self(), Most}
    after 1 -> ask(Pid, Most)
    end.

%% The longest wait of all of them; every process is of that version.
told(Version) ->
    Waits = [begin Client ! {told, self()}, receive {Client, Most} -> Most end end || Client <- persistent_term:get(clients)],
    [Version] = lists:usort([gen_server:call(Pid, ping) || {_, Pid, _, _} <- supervisor:which_children(shop_sup)]),
    lists:max(Waits).

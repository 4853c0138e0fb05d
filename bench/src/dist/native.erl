%% What native nodes do and measure for `bench dist`. It is compiled by the nodes that the bench starts.
-module(native).
-export([sequential/3, in_flight/4, corpus/2, decode/1, crowd/1, pings/1, begin_calls/1, end_calls/0, called/1]).

now_ns() -> erlang:monotonic_time(nanosecond).

call(rpc, Node) -> Node = rpc:call(Node, erlang, node, []);
call(erpc, Node) -> Node = erpc:call(Node, erlang, node, []).

%% How long each of so many calls took, one after the other, ns.
sequential(How, Node, Count) ->
    [begin Begin = now_ns(), call(How, Node), now_ns() - Begin end || _ <- lists:seq(1, Count)].

%% How long so many processes took, each with so many calls, ns.
in_flight(How, Node, Processes, Each) ->
    Begin = now_ns(),
    Calls = fun() -> [call(How, Node) || _ <- lists:seq(1, Each)] end,
    Started = [spawn_monitor(Calls) || _ <- lists:seq(1, Processes)],
    [receive {'DOWN', Monitor, process, _, normal} -> ok end || {_, Monitor} <- Started],
    now_ns() - Begin.

%% What is decoded; it is put aside here, too.
corpus(Name, Count) ->
    Bytes = term_to_binary(rows(Name, Count)),
    persistent_term:put({?MODULE, Name}, Bytes),
    Bytes.

%% Rows of processes, and data of many kinds.
rows(processes, Count) ->
    Items = [registered_name, current_function, initial_call, status, message_queue_len, memory, reductions,
             total_heap_size],
    Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, Count)],
    Rows = [{Pid, process_info(Pid, Items)} || Pid <- Pids],
    [Pid ! stop || Pid <- Pids],
    Rows;
rows(mixed, Count) ->
    [#{id => N,
       name => <<"article ", (integer_to_binary(N))/binary>>,
       price => N * 1.1,
       weights => [N / 7, N / 11, 1.0e-9 * N],
       serial => (1 bsl 80) + N,
       at => {{2026, 11, N rem 30}, {N rem 24, 0, 0}},
       state => element(N rem 3 + 1, {new, paid, sent}),
       <<"parent">> => N div 2} || N <- lists:seq(1, Count)].

%% How long a fresh process takes to decode what is put aside, ns.
decode(Name) ->
    Bytes = persistent_term:get({?MODULE, Name}),
    Decode = fun() ->
        Begin = now_ns(),
        Term = binary_to_term(Bytes),
        Took = now_ns() - Begin,
        exit({took, Took, is_list(Term)})
    end,
    {_, Monitor} = spawn_monitor(Decode),
    receive {'DOWN', Monitor, process, _, {took, Took, true}} -> Took end.

%% Makes processes that wait.
crowd(Count) ->
    _ = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, Count)],
    erlang:system_info(process_count).

%% How long messages there and back between two processes take, one in each of so many ms, ns.
pings(Count) ->
    Echo = spawn_link(fun Loop() -> receive {ping, From} -> From ! pong, Loop(); stop -> ok end end),
    Took = [begin
        timer:sleep(1),
        Begin = now_ns(),
        Echo ! {ping, self()},
        receive pong -> now_ns() - Begin end
    end || _ <- lists:seq(1, Count)],
    Echo ! stop,
    Took.

%% What is traced.
called(Number) -> Number.

%% Has a process call it so many times a ms, until `end_calls`.
begin_calls(PerMs) ->
    Begin = now_ns(),
    true = register(native_calls, spawn(fun() -> calls(PerMs, Begin, 0) end)),
    ok.

calls(PerMs, Begin, Done) ->
    receive
        {stop, From} -> From ! {called, Done * 1000000000 div (now_ns() - Begin)}
    after 1 ->
        Due = (now_ns() - Begin) * PerMs div 1000000,
        _ = [?MODULE:called(Number) || Number <- lists:seq(Done + 1, Due)],
        calls(PerMs, Begin, Due)
    end.

%% How often it was called in a second.
end_calls() ->
    native_calls ! {stop, self()},
    receive {called, PerSecond} -> PerSecond end.

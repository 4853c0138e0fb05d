%% A module with something of each kind that code can hold; compiled by several releases of OTP beside it:
%% erlc +deterministic tour.erl
-module(tour).
-behaviour(gen_server).
-vsn("1").
-on_load(load/0).
-export([init/1, handle_call/3, handle_cast/2, code_change/3, wait/1, bits/2]).

-record(state, {count = 0, limit = 10, extra = #{}}).

load() -> ok.

init(Limit) -> {ok, #state{limit = Limit}}.

handle_call({add, N}, _From, #state{count = C, extra = X} = S) when is_integer(N), N < 5000000000000000000000 ->
    Others = [fun(Y) -> {Y, C, "a literal that is long"} end, fun tour:wait/1, fun other/1],
    {reply, lists:map(fun other/1, Others), S#state{count = C + N, extra = X#{last => N, {a, "key"} => 2.5}}};
handle_call(limit, _From, #state{limit = L, extra = #{last := N}} = S) ->
    {reply, {float(L) * 1.5, N}, S}.

handle_cast(X, S) ->
    try other(X) catch error:badarg:Stack -> {stop, Stack, S} after erlang:garbage_collect() end.

code_change(_OldVsn, {state, C}, Extra) -> {ok, #state{count = C, extra = Extra}};
code_change(_OldVsn, S, _Extra) -> {ok, S}.

other(X) when is_map_key(b, X); is_function(X, 1) -> X;
other(X) -> [E || {E, _} <- X] ++ [atom_to_list('an atom'), -7, 300, 70000].

wait(Ref) ->
    receive {Ref, X} -> X; stop -> wait(Ref) after 10 -> timeout end.

bits(<<"magic", Size:16, Body:Size/binary, Rest/bits>>, X) ->
    {<<"made", Body/binary, X:3, X/float, "end"/utf8>>, << <<B>> || <<B:4>> <= Rest >>}.

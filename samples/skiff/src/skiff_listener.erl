%% Owns the listening socket, counts the connections, and drains them.
-module(skiff_listener).
-behaviour(gen_server).

-export([start_link/1, drain/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(ACCEPTORS, 4).

start_link(#{name := Name} = Options) ->
    gen_server:start_link({local, Name}, ?MODULE, Options, []).

drain(Name, Within) ->
    gen_server:call(Name, {drain, Within}, Within + 5000).

init(#{port := Port} = Options) ->
    process_flag(trap_exit, true),
    Ip = maps:get(ip, Options, {127, 0, 0, 1}),
    Socket = [binary, {ip, Ip}, {active, false}, {reuseaddr, true}, {nodelay, true}, {backlog, 1024}],
    case gen_tcp:listen(Port, Socket) of
        {ok, Listen} ->
            Draining = atomics:new(1, []),
            Config = #{
                handler => maps:get(handler, Options),
                idle_timeout => maps:get(idle_timeout, Options, 60_000),
                draining => fun() -> atomics:get(Draining, 1) =:= 1 end
            },
            Listener = self(),
            [spawn_link(fun() -> accept(Listen, Listener, Config) end) || _ <- lists:seq(1, ?ACCEPTORS)],
            {ok, #{listen => Listen, draining => Draining, connections => #{}, waiting => none}};
        {error, Reason} ->
            {stop, {cannot_listen, Port, Reason}}
    end.

handle_call({drain, Within}, From, #{listen := Listen, connections := Connections} = State) ->
    atomics:put(maps:get(draining, State), 1, 1),
    ok = gen_tcp:close(Listen),
    [Pid ! {skiff, drain} || Pid <- maps:values(Connections)],
    Timer = erlang:send_after(Within, self(), drain_deadline),
    {noreply, drained(State#{waiting := {From, Timer}})};
%% An acceptor asks before it hands the socket over, so that no connection escapes the count.
handle_call({opened, Pid}, _From, #{connections := Connections} = State) ->
    {reply, ok, State#{connections := Connections#{monitor(process, Pid) => Pid}}}.

handle_cast(_, State) ->
    {noreply, State}.

handle_info({'DOWN', Ref, process, _, _}, #{connections := Connections} = State) ->
    {noreply, drained(State#{connections := maps:remove(Ref, Connections)})};
handle_info(drain_deadline, #{waiting := {From, _}} = State) ->
    {noreply, answer(From, State)};
handle_info({'EXIT', _, normal}, State) ->
    {noreply, State};
handle_info({'EXIT', _, Reason}, State) ->
    {stop, Reason, State};
handle_info(_, State) ->
    {noreply, State}.

drained(#{waiting := {From, Timer}, connections := Connections} = State) when map_size(Connections) =:= 0 ->
    _ = erlang:cancel_timer(Timer),
    answer(From, State);
drained(State) ->
    State.

answer(From, #{connections := Connections} = State) ->
    gen_server:reply(From, {left, map_size(Connections)}),
    State#{waiting := none}.

accept(Listen, Listener, Config) ->
    case gen_tcp:accept(Listen) of
        {ok, Socket} ->
            Pid = skiff_connection:spawn(Socket, Config),
            hand_over(Socket, Pid, Listener),
            accept(Listen, Listener, Config);
        {error, closed} ->
            ok;
        %% out of descriptors, or the client left before we came: the next one may do better
        {error, _} ->
            timer:sleep(10),
            accept(Listen, Listener, Config)
    end.

hand_over(Socket, Pid, Listener) ->
    ok = gen_server:call(Listener, {opened, Pid}, infinity),
    _ = gen_tcp:controlling_process(Socket, Pid),
    Pid ! {skiff, go}.

%% Listens, and gives every client a process that sends back what it gets.
-module(echo_server).

-export([start_link/1, init/1]).

start_link(Port) ->
    proc_lib:start_link(?MODULE, init, [Port]).

init(Port) ->
    Options = [binary, {ip, {127, 0, 0, 1}}, {active, false}, {reuseaddr, true}],
    case gen_tcp:listen(Port, Options) of
        {ok, Listen} ->
            proc_lib:init_ack({ok, self()}),
            accept(Listen);
        {error, Reason} ->
            exit({cannot_listen, Port, Reason})
    end.

accept(Listen) ->
    {ok, Socket} = gen_tcp:accept(Listen),
    Pid = spawn(fun() ->
        receive
            go -> echo(Socket)
        end
    end),
    _ = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Listen).

echo(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Data} ->
            _ = gen_tcp:send(Socket, echo_voice:answer(Data)),
            echo(Socket);
        {error, _} ->
            gen_tcp:close(Socket)
    end.

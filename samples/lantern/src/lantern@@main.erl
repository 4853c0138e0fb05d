%% Stands for the launcher that `gleam export erlang-shipment` generates for each package: it
%% starts the package's applications, runs `main`, and turns the outcome into an exit status.
-module('lantern@@main').

-export([run/1]).

run(Module) ->
    process_flag(trap_exit, true),
    {ok, _} = application:ensure_all_started(lantern),
    Main = spawn_link(Module, main, []),
    receive
        {'EXIT', Main, normal} ->
            erlang:halt(0);
        {'EXIT', Main, Reason} ->
            io:format(standard_error, "runtime error: ~tp~n", [Reason]),
            erlang:halt(1)
    end.

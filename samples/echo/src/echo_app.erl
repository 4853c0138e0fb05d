-module(echo_app).
-behaviour(application).

-export([start/2, stop/1]).

start(_Type, _Args) ->
    case string:to_integer(os:getenv("PORT", "")) of
        {Port, []} ->
            io:format("echo: listening on port ~b, pid ~s~n", [Port, os:getpid()]),
            echo_sup:start_link(Port);
        _ ->
            {error, "the environment variable PORT is missing: set it to the port to listen on"}
    end.

stop(_State) ->
    ok.

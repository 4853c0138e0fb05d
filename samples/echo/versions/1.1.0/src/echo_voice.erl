%% Since 1.1.0 a client can ask who answers: the line `version` is not echoed.
-module(echo_voice).

-export([answer/1]).

answer(<<"version\n">>) ->
    {ok, Version} = application:get_key(echo, vsn),
    [Version, "\n"];
answer(Data) ->
    Data.

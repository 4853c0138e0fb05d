-module(echo_voice).

-export([answer/1]).

answer(Data) ->
    Data.

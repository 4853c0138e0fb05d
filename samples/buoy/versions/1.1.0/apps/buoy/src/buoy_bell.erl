-module(buoy_bell).

-export([sound/0]).

sound() ->
    lists:join(" ", [strike(N) || N <- [1, 2]]).

strike(1) -> "ding";
strike(2) -> "dong".

-module(buoy_bell).

-export([sound/0]).

sound() ->
    "ding".

%% What must be right before anything is started.
-module(buoy_mooring).

-export([check/0]).

check() ->
    ok.

%% What must be right before anything is started.
-module(buoy_mooring).

-export([check/0]).

check() ->
    io:format(standard_error, "buoy: reading the chain length~n", []),
    {ok, Length} = application:get_env(buoy, chain_length_m),
    true = is_integer(Length),
    ok.

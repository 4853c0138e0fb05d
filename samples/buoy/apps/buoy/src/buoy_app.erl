-module(buoy_app).
-behaviour(application).

-export([start/2, prep_stop/1, stop/1, config_change/3]).

start(_Type, _Args) ->
    ok = buoy_mooring:check(),
    skiff_sample:start(buoy, fun() -> [{<<"bell">>, buoy_bell:sound()}] end).

prep_stop(State) ->
    ok = skiff_sample:prep_stop(buoy),
    State.

stop(_State) ->
    ok.

config_change(Changed, New, Removed) ->
    io:format("buoy: told of ~b changed, ~b new and ~b removed keys~n", [length(L) || L <- [Changed, New, Removed]]).

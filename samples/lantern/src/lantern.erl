%% What the Gleam compiler would make of `pub fn main()`: starts the server, then sleeps for ever.
-module(lantern).

-export([main/0]).

main() ->
    {ok, _} = skiff_sample:start(lantern, fun() -> [{<<"light">>, <<"oil">>}] end),
    timer:sleep(infinity).

-module(echo_sup).
-behaviour(supervisor).

-export([start_link/1]).
-export([init/1]).

start_link(Port) ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, Port).

init(Port) ->
    {ok, {#{}, [#{id => echo_server, start => {echo_server, start_link, [Port]}}]}}.

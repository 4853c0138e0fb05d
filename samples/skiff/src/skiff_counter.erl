%% The state behind `/state`: a number.
-module(skiff_counter).
-behaviour(gen_server).

-export([start_link/1, add/1]).
-export([init/1, handle_call/3, handle_cast/2]).

start_link(Name) ->
    gen_server:start_link({local, Name}, ?MODULE, 0, []).

-spec add({atom(), integer()}) -> integer().
add({Name, Number}) ->
    gen_server:call(Name, {add, Number}).

init(Count) ->
    {ok, Count}.

handle_call({add, Number}, _From, Count) ->
    {reply, Count + Number, Count + Number}.

handle_cast(_, Count) ->
    {noreply, Count}.

%% A small HTTP/1.1 server: what the samples call.
%%
%% A server is one `skiff_listener` (owner of the listening socket) and one `skiff_connection`
%% process per client. A handler is a fun of one request that answers with a `reply()`.
-module(skiff).

-export([child_spec/1, drain/2, draining/1, param/3, int_param/3]).
-export_type([options/0, request/0, reply/0, handler/0]).

-type options() :: #{
    name := atom(),
    port := inet:port_number(),
    handler := handler(),
    ip => inet:ip_address(),
    idle_timeout => timeout()
}.
-type request() :: #{
    method := binary(),
    path := binary(),
    query := #{binary() => binary()},
    headers := #{binary() => binary()},
    version := {1, 0 | 1},
    draining := fun(() -> boolean())
}.
-type headers() :: [{iodata(), iodata()}].
-type send() :: fun((iodata()) -> ok).
-type reply() ::
    {100..599, headers(), iodata()}
    %% the last answer of the connection: the fun runs once it is written
    | {100..599, headers(), iodata(), fun(() -> term())}
    %% the producer sends as many chunks as it likes; a client that left ends it by a throw
    | {stream, 100..599, headers(), fun((send()) -> term())}
    %% 101, then the socket (passive, raw) and what was read too much belong to the fun
    | {upgrade, headers(), fun((gen_tcp:socket(), binary()) -> term())}.
-type handler() :: fun((request()) -> reply()).

-spec child_spec(options()) -> supervisor:child_spec().
child_spec(#{name := Name} = Options) ->
    #{id => Name, start => {skiff_listener, start_link, [Options]}, shutdown => 5000}.

%% Stops accepting, lets requests in flight finish, and answers how many connections were still
%% open when `Within` milliseconds had passed. Connections that wait get `{skiff, drain}`.
-spec drain(atom(), non_neg_integer()) -> {left, non_neg_integer()}.
drain(Name, Within) ->
    skiff_listener:drain(Name, Within).

-spec draining(request()) -> boolean().
draining(#{draining := Draining}) ->
    Draining().

-spec param(binary(), request(), Default) -> binary() | Default.
param(Name, #{query := Query}, Default) ->
    maps:get(Name, Query, Default).

%% A query parameter that is a number; absent or not a number, it is the default.
-spec int_param(binary(), request(), integer()) -> integer().
int_param(Name, Request, Default) ->
    case string:to_integer(param(Name, Request, <<>>)) of
        {Number, <<>>} -> Number;
        _ -> Default
    end.

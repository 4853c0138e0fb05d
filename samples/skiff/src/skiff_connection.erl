%% One client: reads requests one after another (pipelined ones wait in the buffer), calls the
%% handler, writes its reply. Ends when the client does, after an error, or when draining.
-module(skiff_connection).

-export([spawn/2]).

-define(MAX_HEAD, 16_384).
%% An unread body up to this size is skipped, so that the connection can be kept.
-define(MAX_SKIP, 65_536).
%% How long a new connection may wait with its first request while draining.
-define(FIRST_REQUEST, 250).

spawn(Socket, Config) ->
    proc_lib:spawn(fun() ->
        receive
            {skiff, go} -> serve(Socket, Config#{served => false}, <<>>)
        end
    end).

serve(Socket, Config, Buffer) ->
    case read_head(Socket, Config, Buffer) of
        {ok, Head, Rest} ->
            respond(Socket, Config, Head#{draining => maps:get(draining, Config)}, Rest);
        {error, {Status, Why}} ->
            send(Socket, skiff_response:full(Status, [], Why, close)),
            close(Socket);
        closed ->
            close(Socket)
    end.

read_head(Socket, Config, Buffer) ->
    case skiff_request:parse(Buffer) of
        more when byte_size(Buffer) > ?MAX_HEAD -> {error, {431, "request head too large\n"}};
        more -> read_more(Socket, Config, Buffer);
        Parsed -> Parsed
    end.

read_more(Socket, #{idle_timeout := Idle, draining := Draining} = Config, Buffer) ->
    case Buffer =:= <<>> andalso Draining() of
        true -> last_chance(Socket, Config);
        false ->
            _ = inet:setopts(Socket, [{active, once}]),
            receive
                {tcp, Socket, Data} -> read_head(Socket, Config, <<Buffer/binary, Data/binary>>);
                {tcp_closed, Socket} -> closed;
                {tcp_error, Socket, _} -> closed;
                {skiff, drain} ->
                    _ = inet:setopts(Socket, [{active, false}]),
                    read_head(Socket, Config, <<Buffer/binary, (already_delivered(Socket))/binary>>)
            after Idle -> closed
            end
    end.

%% Draining and idle: a request that reached us just now is still served, the last one. A client
%% that has not asked anything yet is surely about to.
last_chance(Socket, #{served := Served} = Config) ->
    Wait =
        case Served of
            true -> 0;
            false -> ?FIRST_REQUEST
        end,
    case gen_tcp:recv(Socket, 0, Wait) of
        {ok, Data} -> read_head(Socket, Config, Data);
        {error, _} -> closed
    end.

already_delivered(Socket) ->
    receive
        {tcp, Socket, Data} -> Data
    after 0 -> <<>>
    end.

respond(Socket, #{handler := Handler} = Config, Request, Rest) ->
    skiff_body:begin_request(Socket, Request, Rest),
    try Handler(Request) of
        Reply -> write(Socket, Config, Request, Reply)
    catch
        throw:{skiff, closed} ->
            close(Socket);
        Class:Reason:Stack ->
            logger:error("~ts ~ts crashed: ~tp", [
                maps:get(method, Request), maps:get(path, Request), {Class, Reason, Stack}
            ]),
            send(Socket, skiff_response:full(500, [], "internal error\n", close)),
            close(Socket)
    end.

write(Socket, Config, Request, {Status, Headers, Body}) when is_integer(Status) ->
    %% what is left of the body is skipped first: whether that worked decides the header
    Next = next(Config, Request),
    Method = maps:get(method, Request),
    Sent = send(Socket, skiff_response:full(Method, Status, Headers, Body, Next)),
    continue(Socket, Config, Sent, Next);
write(Socket, _Config, Request, {Status, Headers, Body, Then}) when is_integer(Status) ->
    Method = maps:get(method, Request),
    _ = send(Socket, skiff_response:full(Method, Status, Headers, Body, close)),
    _ = gen_tcp:shutdown(Socket, write),
    Then(),
    close(Socket);
write(Socket, Config, Request, {stream, Status, Headers, Producer}) ->
    Next = stream_end(next(Config, Request), Request),
    try
        must_send(Socket, skiff_response:stream_head(Status, Headers, Request, Next)),
        Producer(fun(Data) -> must_send(Socket, skiff_response:chunk(Data, Request)) end),
        must_send(Socket, skiff_response:last_chunk(Request))
    of
        ok -> continue(Socket, Config, ok, Next)
    catch
        throw:{skiff, closed} ->
            close(Socket);
        Class:Reason:Stack ->
            %% too late for a 500: the missing last chunk tells the client
            logger:error("~ts crashed while streaming: ~tp", [
                maps:get(path, Request), {Class, Reason, Stack}
            ]),
            close(Socket)
    end;
write(Socket, _Config, _Request, {upgrade, Headers, Loop}) ->
    _ = send(Socket, skiff_response:upgrade(Headers)),
    Loop(Socket, skiff_body:rest()),
    close(Socket).

next(#{draining := Draining}, Request) ->
    case skiff_request:keep_alive(Request) andalso not Draining() andalso skiff_body:skip(?MAX_SKIP) of
        true -> keep;
        false -> close
    end.

%% HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
stream_end(_, #{version := {1, 0}}) -> close;
stream_end(Next, _) -> Next.

continue(Socket, Config, ok, keep) ->
    serve(Socket, Config#{served := true}, skiff_body:rest());
continue(Socket, _Config, _, _) ->
    close(Socket).

%% Closing with bytes unread would reset the connection and could cost the client our answer:
%% say that we are done, then give it a moment to hang up.
close(Socket) ->
    _ = gen_tcp:shutdown(Socket, write),
    _ = inet:setopts(Socket, [{active, false}]),
    linger(Socket, erlang:monotonic_time(millisecond) + 500),
    gen_tcp:close(Socket).

linger(Socket, Deadline) ->
    Left = max(0, Deadline - erlang:monotonic_time(millisecond)),
    case gen_tcp:recv(Socket, 0, Left) of
        {ok, _} when Left > 0 -> linger(Socket, Deadline);
        _ -> ok
    end.

send(Socket, Data) ->
    gen_tcp:send(Socket, Data).

must_send(Socket, Data) ->
    case send(Socket, Data) of
        ok -> ok;
        {error, _} -> throw({skiff, closed})
    end.

%% Reads the body of the request that this connection process serves now, piece by piece.
%%
%% A connection is one process that serves one request at a time, so the reader's state lives in
%% that process's dictionary: handlers need not thread it through their replies.
-module(skiff_body).

-export([begin_request/3, fold/2, skip/1, rest/0]).

-define(TIMEOUT, 30_000).

-record(reader, {
    socket :: gen_tcp:socket(),
    buffer :: binary(),
    %% what is still to come; `chunk_end` is the line break after a chunk's data
    left :: {length, non_neg_integer()} | chunk_size | {chunk, non_neg_integer()} | chunk_end | trailers | done,
    continue :: boolean()
}).

begin_request(Socket, #{headers := Headers} = Request, Buffer) ->
    Left =
        case skiff_request:framing(Request) of
            {length, 0} -> done;
            {length, Length} -> {length, Length};
            chunked -> chunk_size
        end,
    Expect = string:lowercase(maps:get(<<"expect">>, Headers, <<>>)),
    put(?MODULE, #reader{
        socket = Socket,
        buffer = Buffer,
        left = Left,
        continue = Expect =:= <<"100-continue">> andalso Left =/= done
    }),
    ok.

%% Calls the fun with each piece as it arrives. A client that leaves or breaks the framing ends
%% the request by a throw.
-spec fold(fun((binary(), Acc) -> Acc), Acc) -> Acc.
fold(Fun, Acc) ->
    fold(Fun, Acc, send_continue(get(?MODULE))).

fold(_Fun, Acc, #reader{left = done} = Reader) ->
    put(?MODULE, Reader),
    Acc;
fold(Fun, Acc, Reader) ->
    case piece(Reader) of
        {<<>>, Next} -> fold(Fun, Acc, Next);
        {Data, Next} -> fold(Fun, Fun(Data, Acc), Next)
    end.

%% Throws away a body nobody read. False when it is too large or was never asked for: then the
%% connection cannot be used again.
-spec skip(non_neg_integer()) -> boolean().
skip(Limit) ->
    case get(?MODULE) of
        #reader{left = done} -> true;
        #reader{continue = true} -> false;
        #reader{left = {length, Length}} when Length > Limit -> false;
        Reader -> skip(Limit, Reader)
    end.

skip(_Limit, #reader{left = done} = Reader) ->
    put(?MODULE, Reader),
    true;
skip(Limit, Reader) ->
    {Data, Next} = piece(Reader),
    Limit >= byte_size(Data) andalso skip(Limit - byte_size(Data), Next).

%% What was read beyond this request: the start of the next one.
-spec rest() -> binary().
rest() ->
    (get(?MODULE))#reader.buffer.

send_continue(#reader{continue = true, socket = Socket} = Reader) ->
    _ = gen_tcp:send(Socket, "HTTP/1.1 100 Continue\r\n\r\n"),
    Reader#reader{continue = false};
send_continue(Reader) ->
    Reader.

piece(#reader{left = {Kind, Length}, buffer = Buffer} = Reader) when byte_size(Buffer) >= Length ->
    <<Data:Length/binary, Rest/binary>> = Buffer,
    Left =
        case Kind of
            length -> done;
            chunk -> chunk_end
        end,
    {Data, Reader#reader{buffer = Rest, left = Left}};
piece(#reader{left = {_, _}, buffer = <<>>} = Reader) ->
    piece(receive_more(Reader));
piece(#reader{left = {Kind, Length}, buffer = Buffer} = Reader) ->
    {Buffer, Reader#reader{buffer = <<>>, left = {Kind, Length - byte_size(Buffer)}}};
piece(Reader) ->
    line(Reader).

line(#reader{buffer = Buffer} = Reader) ->
    case binary:split(Buffer, <<"\r\n">>) of
        [Line, Rest] -> {<<>>, Reader#reader{buffer = Rest, left = after_line(Reader#reader.left, Line)}};
        [Partial] when byte_size(Partial) > 4096 -> throw({skiff, closed});
        _ -> line(receive_more(Reader))
    end.

after_line(chunk_end, <<>>) -> chunk_size;
after_line(trailers, <<>>) -> done;
after_line(trailers, _) -> trailers;
after_line(chunk_size, Line) ->
    [Hex | _Extensions] = binary:split(Line, <<";">>),
    try binary_to_integer(string:trim(Hex), 16) of
        0 -> trailers;
        Size when Size > 0 -> {chunk, Size};
        _ -> throw({skiff, closed})
    catch
        error:badarg -> throw({skiff, closed})
    end;
after_line(_, _) ->
    throw({skiff, closed}).

receive_more(#reader{socket = Socket, buffer = Buffer} = Reader) ->
    case gen_tcp:recv(Socket, 0, ?TIMEOUT) of
        {ok, Data} -> Reader#reader{buffer = <<Buffer/binary, Data/binary>>};
        {error, _} -> throw({skiff, closed})
    end.

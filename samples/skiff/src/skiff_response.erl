%% Responses as bytes.
-module(skiff_response).

-export([full/4, full/5, stream_head/4, chunk/2, last_chunk/1, upgrade/1]).

full(Status, Headers, Body, Next) ->
    full(<<"GET">>, Status, Headers, Body, Next).

full(Method, Status, Headers, Body, Next) ->
    Length = {"content-length", integer_to_list(iolist_size(Body))},
    [head(Status, [Length, connection(Next) | Headers]), body(Method, Body)].

body(<<"HEAD">>, _) -> [];
body(_, Body) -> Body.

stream_head(Status, Headers, #{version := {1, 0}}, Next) ->
    head(Status, [connection(Next) | Headers]);
stream_head(Status, Headers, _Request, Next) ->
    head(Status, [{"transfer-encoding", "chunked"}, connection(Next) | Headers]).

%% An empty chunk would end the body.
chunk(Data, #{version := Version}) ->
    case {iolist_size(Data), Version} of
        {0, _} -> [];
        {_, {1, 0}} -> Data;
        {Size, _} -> [integer_to_list(Size, 16), "\r\n", Data, "\r\n"]
    end.

last_chunk(#{version := {1, 0}}) -> [];
last_chunk(_) -> "0\r\n\r\n".

upgrade(Headers) ->
    head(101, Headers).

connection(keep) -> {"connection", "keep-alive"};
connection(close) -> {"connection", "close"}.

head(Status, Headers) ->
    Lines = [[Name, ": ", Value, "\r\n"] || {Name, Value} <- Headers],
    ["HTTP/1.1 ", integer_to_list(Status), " ", reason(Status), "\r\n", Lines, "\r\n"].

reason(101) -> "Switching Protocols";
reason(200) -> "OK";
reason(202) -> "Accepted";
reason(400) -> "Bad Request";
reason(404) -> "Not Found";
reason(405) -> "Method Not Allowed";
reason(426) -> "Upgrade Required";
reason(431) -> "Request Header Fields Too Large";
reason(500) -> "Internal Server Error";
reason(501) -> "Not Implemented";
reason(503) -> "Service Unavailable";
reason(505) -> "HTTP Version Not Supported";
reason(_) -> "Status".

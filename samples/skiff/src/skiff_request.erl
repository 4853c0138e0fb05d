%% The head of a request: request line and headers, parsed from a buffer that may hold less than
%% one request or several.
-module(skiff_request).

-export([parse/1, keep_alive/1, framing/1]).

-spec parse(binary()) ->
    {ok, map(), Rest :: binary()} | more | {error, {Status :: 400..599, iodata()}}.
parse(<<"\r\n", Rest/binary>>) ->
    parse(Rest);
parse(Buffer) ->
    case erlang:decode_packet(http_bin, Buffer, []) of
        {more, _} ->
            more;
        {ok, {http_request, Method, Target, {1, _} = Version}, Rest} ->
            parse_headers(Rest, request(Method, Target, Version));
        {ok, {http_request, _, _, _}, _} ->
            {error, {505, "only HTTP/1.0 and HTTP/1.1\n"}};
        _ ->
            {error, {400, "not an HTTP request\n"}}
    end.

request(Method, Target, Version) ->
    {Path, Query} = split_target(Target),
    #{
        method => to_binary(Method),
        path => Path,
        query => Query,
        headers => #{},
        version => Version
    }.

split_target({abs_path, Target}) -> split_target(Target);
split_target({absoluteURI, _, _, _, Target}) -> split_target(Target);
split_target(Target) when is_binary(Target) ->
    case binary:split(Target, <<"?">>) of
        [Path] -> {Path, #{}};
        [Path, Query] -> {Path, query(Query)}
    end;
split_target(_) ->
    {<<"*">>, #{}}.

query(Text) ->
    case uri_string:dissect_query(Text) of
        {error, _, _} -> #{};
        Pairs -> maps:from_list([{Key, value(Value)} || {Key, Value} <- Pairs])
    end.

value(true) -> <<>>;
value(Value) -> Value.

parse_headers(Buffer, #{headers := Headers} = Request) ->
    case erlang:decode_packet(httph_bin, Buffer, []) of
        {more, _} ->
            more;
        {ok, {http_header, _, Name, _, Value}, Rest} ->
            Key = string:lowercase(to_binary(Name)),
            Join = fun(Earlier) -> <<Earlier/binary, ", ", Value/binary>> end,
            parse_headers(Rest, Request#{headers := maps:update_with(Key, Join, Value, Headers)});
        {ok, http_eoh, Rest} ->
            with_framing(Request, Rest);
        _ ->
            {error, {400, "malformed header\n"}}
    end.

with_framing(Request, Rest) ->
    case framing(Request) of
        {error, Problem} -> {error, Problem};
        _ -> {ok, Request, Rest}
    end.

%% How the body is delimited. Both headers at once is how requests are smuggled: refused.
framing(#{headers := #{<<"transfer-encoding">> := _, <<"content-length">> := _}}) ->
    {error, {400, "both Transfer-Encoding and Content-Length\n"}};
framing(#{headers := #{<<"transfer-encoding">> := Coding}}) ->
    case string:lowercase(Coding) of
        <<"chunked">> -> chunked;
        _ -> {error, {501, "only the chunked transfer coding\n"}}
    end;
framing(#{headers := #{<<"content-length">> := Text}}) ->
    case string:to_integer(Text) of
        {Length, <<>>} when Length >= 0 -> {length, Length};
        _ -> {error, {400, "bad Content-Length\n"}}
    end;
framing(_) ->
    {length, 0}.

-spec keep_alive(skiff:request()) -> boolean().
keep_alive(#{version := Version, headers := Headers}) ->
    case {Version, string:lowercase(maps:get(<<"connection">>, Headers, <<>>))} of
        {_, <<"close">>} -> false;
        {{1, 0}, Connection} -> Connection =:= <<"keep-alive">>;
        _ -> true
    end.

to_binary(Atom) when is_atom(Atom) -> atom_to_binary(Atom);
to_binary(Binary) -> Binary.

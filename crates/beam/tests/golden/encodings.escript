#!/usr/bin/env escript
%% Records terms in every encoding that this node knows, for tests/golden.rs:
%%
%%   escript encodings.escript > encodings.txt
%%
%% One line each: the term's name, and its bytes in base64, separated by a tab.

main([]) ->
    Terms = [
        {atoms, [ok, '', 'é', list_to_atom(lists:duplicate(255, $é)), list_to_atom(lists:duplicate(255, $a))]},
        {floats, [0.0, 1.5, -1.0e-300, 123456.789]},
        {map, #{1 => a, 1.0 => b, "k" => <<"v">>}},
        {long, lists:seq(1, 300)},
        {text, lists:duplicate(70000, $a)},
        {binary, binary:copy(<<"compressible ">>, 50)}
    ],
    Options = [[], [{minor_version, 0}], [{minor_version, 1}], [{minor_version, 2}], [compressed],
               [{compressed, 1}, {minor_version, 2}], [deterministic || erlang:system_info(otp_release) >= "25"]],
    [io:format("~s\t~s~n", [Name, base64:encode(term_to_binary(Term, Option))])
     || {Name, Term} <- Terms, Option <- Options, encodable(Name, Option)].

%% Encodings that are too long for a file in a repository.
encodable(Name, Options) ->
    Name =/= text orelse lists:any(fun(Option) -> Option =:= compressed orelse is_tuple(Option)
                                      andalso element(1, Option) =:= compressed end, Options).

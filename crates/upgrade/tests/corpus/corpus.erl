%% Compiles the whole corpus in one VM: Root/PAIR/{old,new}/APPLICATION/{*.erl,*.ex} to .../ebin, consolidated protocols to
%% Root/PAIR/{old,new}/consolidated.
-module(corpus).
-export([main/1]).

main([Root, ElixirEbins]) ->
    Elixir = filelib:wildcard(filename:join(ElixirEbins, "*/ebin")),
    ok = code:add_pathsa(Elixir),
    {ok, _} = application:ensure_all_started(elixir),
    'Elixir.Code':compiler_options([{ignore_module_conflict, true}, {docs, false}, {debug_info, false}]),
    [side(Side) || Side <- lists:sort(filelib:wildcard(filename:join([Root, "*", "{old,new}"])))],
    halt(0).

side(Side) ->
    Applications = [A || A <- filelib:wildcard(filename:join(Side, "*")), filelib:is_dir(A)],
    Ebins = [application(A) || A <- Applications],
    Loaded = erlang:get(made),
    consolidate(Side, Ebins),
    [begin code:purge(M), code:delete(M), code:purge(M) end || M <- Loaded],
    erlang:put(made, []).

application(Folder) ->
    Ebin = filename:join(Folder, "ebin"),
    ok = filelib:ensure_dir(filename:join(Ebin, "x")),
    [{ok, _} = compile:file(F, [{outdir, Ebin}, {i, Folder}, return_errors, nowarn_undefined_behaviour])
     || F <- filelib:wildcard(filename:join(Folder, "*.erl"))],
    case [unicode:characters_to_binary(F) || F <- filelib:wildcard(filename:join(Folder, "*.ex"))] of
        [] -> made([]);
        Files ->
            {ok, Made, _} = 'Elixir.Kernel.ParallelCompiler':compile_to_path(
                Files, unicode:characters_to_binary(Ebin), [{return_diagnostics, false}]),
            made(Made)
    end,
    Ebin.

made(Modules) ->
    Before = case erlang:get(made) of undefined -> []; List -> List end,
    erlang:put(made, Modules ++ Before).

consolidate(Side, Ebins) ->
    Folder = filename:join(Side, "consolidated"),
    [begin
         {ok, Binary} = 'Elixir.Protocol':consolidate(P, 'Elixir.Protocol':extract_impls(P, Ebins)),
         ok = filelib:ensure_dir(filename:join(Folder, "x")),
         ok = file:write_file(filename:join(Folder, atom_to_list(P) ++ ".beam"), Binary)
     end || P <- 'Elixir.Protocol':extract_protocols(Ebins)].

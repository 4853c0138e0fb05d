%% Two releases of OTP's own making, and a node that its release_handler takes from the first to the second and back.
-module(handler).
-export([build/1, run/1]).

-define(VERSIONS, ["1.0.0", "2.0.0"]).

%% Scripts of both releases; then what systools makes of the appups.
build(Root) ->
    Paths = [filename:dirname(F) || F <- filelib:wildcard(filename:join(Root, "lib/*/ebin/*.app"))],
    [release(Root, V, Paths) || V <- ?VERSIONS],
    [Old, New] = [filename:join([Root, "releases", V, "shop"]) || V <- ?VERSIONS],
    Made = filename:join(Root, "made"),
    ok = filelib:ensure_dir(filename:join(Made, "x")),
    {ok, Relup, systools_relup, []} =
        systools:make_relup(New, [Old], [Old], [{path, Paths}, {outdir, Made}, silent]),
    {"2.0.0", [{"1.0.0", _, [_ | _]}], [{"1.0.0", _, [_ | _]}]} = Relup,
    %% release_handler reads it when it starts
    Releases = filename:join(Root, "releases"),
    ok = release_handler:create_RELEASES(Root, Releases, filename:join(Releases, "1.0.0/shop.rel"), dirs(Root, "1.0.0")),
    halt(0).

release(Root, Version, Paths) ->
    Folder = filename:join([Root, "releases", Version]),
    Own = [{list_to_atom(Name), Version} || Dir <- filelib:wildcard("lib/*-" ++ Version, Root),
                                           [Name, _] <- [string:split(filename:basename(Dir), "-")]],
    Otp = [begin application:load(A), {ok, V} = application:get_key(A, vsn), {A, V} end || A <- [kernel, stdlib, sasl]],
    Rel = {release, {"shop", Version}, {erts, erlang:system_info(version)}, Otp ++ Own},
    ok = file:write_file(filename:join(Folder, "shop.rel"), io_lib:format("~p.~n", [Rel])),
    ok = file:write_file(filename:join(Folder, "sys.config"), "[].\n"),
    {ok, _, []} = systools:make_script(filename:join(Folder, "shop"), [{path, Paths}, local, silent]),
    {ok, _} = file:copy(filename:join(Folder, "shop.boot"), filename:join(Folder, "start.boot")).

%% In the node of the first release: up, down, up again.
run(Root) ->
    {ok, _} = timer:apply_after(60000, erlang, halt, [9]),
    Releases = filename:join(Root, "releases"),
    Counter = whereis(counter),
    [ok = gen_server:call(counter, add) || _ <- [1, 2, 3]],
    first = price:name(),
    {ok, "2.0.0"} = release_handler:set_unpacked(filename:join(Releases, "2.0.0/shop.rel"), dirs(Root, "2.0.0")),
    second(Counter, 3),
    [ok = gen_server:call(counter, add) || _ <- [1, 2]],
    {ok, _, _} = release_handler:install_release("1.0.0"),
    {Counter, {state, 5}, first, legacy, false} =
        {whereis(counter), sys:get_state(counter), price:name(), legacy:name(), lists:keymember(extra, 1, application:which_applications())},
    {error, _} = code:ensure_loaded(fresh),
    second(Counter, 5),
    halt(0).

second(Counter, Count) ->
    {ok, _, _} = release_handler:check_install_release("2.0.0"),
    {ok, _, _} = release_handler:install_release("2.0.0"),
    {Counter, {state, Count, 10}, second, fresh, true} =
        {whereis(counter), sys:get_state(counter), price:name(), fresh:name(), lists:keymember(extra, 1, application:which_applications())},
    false = code:is_loaded(legacy).

dirs(Root, Version) ->
    [{list_to_atom(Name), Version, filename:join(Root, "lib")} || Dir <- filelib:wildcard("lib/*-" ++ Version, Root),
                                                                  [Name, _] <- [string:split(filename:basename(Dir), "-")]].

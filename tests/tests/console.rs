//! What an operator has a node do: `bellrock eval`, `rpc`, `shell`, `top`, `tree`, `info` and `trace`.

use std::process::Stdio;

use api::audit::Asked;
use api::deployment::Phase;
use api::observation::NodeTop;
use beam::Term;
use dist::Call;
use rustix::process::{Pid, Signal, kill_process};
use testkit::terminal::Terminal;
use testkit::wait::{LONG, wait_for};
use testkit::{TempHost, TestApp, programs};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// An app of each kind, in one place.
const KINDS: [(&str, &str); 3] = [("beacon", "beacon-base"), ("buoy", "buoy-base"), ("lantern", "lantern-1")];

/// The same Erlang in the node of an app; waits until the daemon has its link to it.
async fn eval(app: &TestApp<'_>, text: &str) -> String {
    wait_for("the node answers", LONG, async || {
        let ran = app.host.bellrock(&["eval", &app.name, text]).await;
        (ran.code == 0).then_some(ran.stdout)
    })
    .await
}

#[tokio::test]
async fn a_text_is_evaluated_in_the_node_of_every_kind() {
    let host = TempHost::start().await;
    for (base, sample) in KINDS {
        let app = host.app(base, "replicas = 1\nruntime = '/usr/lib/erlang'");
        app.deploy(sample, Phase::Committed).await;
        let node = eval(&app, "node()").await;
        assert!(node.contains(&format!("{}-1", app.name)), "{node}");
        let pid = app.instance(1).await.pid.unwrap();
        let os_pid = host.bellrock(&["rpc", &format!("{}/1", app.name), "os:getpid"]).await;
        assert_eq!((os_pid.code, os_pid.stdout), (0, format!("\"{pid}\"\n")), "it is the very instance");
    }
}

#[tokio::test]
async fn values_errors_and_times_are_told_and_texts_are_not_recorded() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    eval(&app, "ok").await;
    let name = app.name.as_str();
    let ran = async |arguments: &[&str]| host.bellrock(&[&["eval", name], arguments].concat()).await;

    let printed = ran(&["io:format(\"~ts\", [\"aå\"]), {tulip, \"b\"}"]).await;
    assert_eq!((printed.code, &*printed.stdout), (0, "aå{tulip,\"b\"}\n"));
    let elixir = ran(&["--elixir", "IO.puts(Beacon.version()); %{tulip: 1}"]).await;
    assert_eq!((elixir.code, &*elixir.stdout), (0, "1.0.0\n%{tulip: 1}\n"), "{elixir:?}");
    let failed = ran(&["lists:nth(9, [tulip])"]).await;
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("exception error: function_clause\n     lists:nth/2"), "{failed:?}");
    let syntax = ran(&["a b"]).await;
    assert_eq!(syntax.code, 1);
    assert!(syntax.stderr.contains("line 1: syntax error before: b"), "{syntax:?}");
    let over = ran(&["register(tulip, self()), receive after infinity -> ok end", "--for", "300 ms"]).await;
    assert_eq!(over.code, 124, "{over:?}");
    assert_eq!(ran(&["whereis(tulip)"]).await.stdout, "undefined\n", "it was killed");
    let nowhere = host.bellrock(&["eval", &format!("{name}/2"), "1"]).await;
    assert_eq!(nowhere.code, 3, "{nowhere:?}");

    let audit: Vec<Asked> = app.api.get("/v1/audit").await.unwrap();
    let evals: Vec<&str> =
        audit.iter().map(|it| it.what.as_str()).filter(|it| it.starts_with("eval ")).collect();
    assert!(evals.iter().any(|it| it.contains("in place 1: 21 bytes of Erlang, sha256 ")), "{evals:?}");
    assert!(audit.iter().all(|it| !it.what.contains("tulip")), "{audit:?}");
}

/// The processes that are of a shell: they print to themselves, or to one of the node's that has gone.
async fn of_shells(app: &TestApp<'_>) -> String {
    let text = "[P || P <- processes(), {_, L} <- [process_info(P, group_leader)], node(L) =:= node(),
        L =:= P orelse not is_process_alive(L)]";
    eval(app, text).await
}

#[tokio::test]
async fn a_shell_in_a_terminal_harms_nothing() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "replicas = 1");
    app.deploy("buoy-base", Phase::Committed).await;
    let before = app.pids().await;
    let none = of_shells(&app).await;
    let root = host.root().to_str().unwrap();
    let place = format!("{}/1", app.name);
    let open = || Terminal::run("bellrock", &["--root", root, "shell", &place]);

    let mut terminal = open();
    terminal.shows("Ctrl-D leaves").await;
    terminal.shows("1> ").await;
    terminal.type_in("A = 20 +\r22.\r");
    terminal.shows("\n42\n").await;
    terminal.resize(77, 20);
    terminal.shows("2> ").await;
    terminal.type_in("lists:rever\t[tulip, lily]).\r");
    terminal.shows("[lily,tulip]").await;
    terminal.shows("3> ").await;
    terminal.type_in("io:columns().\r");
    terminal.shows("{ok,77}").await;
    terminal.shows("4> ").await;
    terminal.type_in("io:put_chars(\"begun\\n\"), receive after infinity -> ok end.\r");
    terminal.shows("\nbegun").await;
    terminal.type_in("\x03");
    terminal.shows("killed").await;
    terminal.shows("5> ").await;
    terminal.type_in("q().\r");
    terminal.shows("not passed on").await;
    terminal.type_in("A + 1.\r");
    terminal.shows("\n43\n").await;
    terminal.shows("6> ").await;
    terminal.type_in("\x04");
    assert_eq!(terminal.ends().await.code(), Some(0), "{}", terminal.text());
    wait_for("no shell is left", LONG, async || (of_shells(&app).await == none).then_some(())).await;

    let mut killed = open();
    killed.shows("1> ").await;
    killed.type_in("register(tulip, self()), F = fun F() -> F() end, io:put_chars(\"begun\\n\"), F().\r");
    killed.shows("\nbegun").await;
    kill_process(Pid::from_raw(killed.pid().try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    wait_for("no shell is left", LONG, async || (of_shells(&app).await == none).then_some(())).await;

    let closed = open();
    closed.shows("1> ").await;
    drop(closed);
    wait_for("no shell is left", LONG, async || (of_shells(&app).await == none).then_some(())).await;

    let mut idle = Terminal::run("bellrock", &["--root", root, "shell", &place, "--idle", "3 s"]);
    idle.shows("It ends after 3.0 s without a word.").await;
    idle.shows("1> ").await;
    idle.type_in("register(lily, self()), receive after infinity -> ok end.\r");
    idle.shows("ended: nothing was typed and printed for 3.0 s (--idle)").await;
    assert_eq!(idle.ends().await.code(), Some(0), "{}", idle.text());
    wait_for("no shell is left", LONG, async || (of_shells(&app).await == none).then_some(())).await;
    assert_eq!(app.pids().await, before, "the node has run all the time");
}

#[tokio::test]
async fn iex_opens_where_elixir_runs_and_outlives_no_daemon() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    // it runs on after the first shell
    eval(&app, "{ok, _} = application:ensure_all_started(iex), ok").await;
    let none = of_shells(&app).await;
    let root = host.root().to_str().unwrap().to_owned();
    let mut terminal = Terminal::run("bellrock", &["--root", &root, "shell", &app.name]);
    terminal.shows("IEx in").await;
    terminal.shows("1> ").await;
    terminal.type_in("Beacon.vers\t\r");
    terminal.shows("\"1.0.0\"").await;
    terminal.shows("2> ").await;
    terminal.type_in("IO.puts(\"begun\"); Process.sleep(:infinity)\r");
    terminal.shows("\nbegun").await;
    terminal.type_in("\x03");
    terminal.shows("interrupted").await;
    terminal.shows("> ").await;
    host.kill_daemon();
    assert_eq!(terminal.ends().await.code(), Some(6), "{}", terminal.text());
    host.start_daemon().await;
    wait_for("no shell is left", LONG, async || (of_shells(&app).await == none).then_some(())).await;
    assert_eq!(app.pids().await, before);
}

/// What a trace would leave in the node of a place, asked without the daemon.
async fn is_traced(app: &TestApp<'_>, node: &str) -> bool {
    let text = "whereis(bellrock_tracer) =/= undefined orelse
        erlang:trace_info({calendar, is_leap_year, 1}, traced) =/= {traced, false} orelse
        [P || P <- processes(), {flags, [_ | _]} <- [erlang:trace_info(P, flags)]] =/= []";
    let tokens = ask(app, node, "erl_scan", "string", [Term::string(&format!("{text}."))]).await;
    let tokens = tokens.as_tuple().unwrap()[1].clone();
    let expressions = ask(app, node, "erl_parse", "parse_exprs", [tokens]).await;
    let expressions = expressions.as_tuple().unwrap()[1].clone();
    let value = ask(app, node, "erl_eval", "exprs", [expressions, Term::list([])]).await;
    value.as_tuple().unwrap()[1] == Term::atom("true")
}

async fn ask<const N: usize>(
    app: &TestApp<'_>,
    node: &str,
    module: &str,
    function: &str,
    arguments: [Term; N],
) -> Term {
    crate::links::ask(app.host, &app.name, node, Call::new(module, function, arguments)).await
}

/// `bellrock trace`, with its output to be read while it runs.
fn trace(app: &TestApp<'_>, arguments: &[&str]) -> Child {
    let mut command = Command::new(programs::program("bellrock"));
    command.arg("--root").arg(app.host.root()).args(["trace", &app.name]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// Waits until a trace has begun.
async fn begun(trace: &mut Child) {
    let mut lines = BufReader::new(trace.stderr.as_mut().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap_or_default();
    assert!(line.contains("traces calendar:is_leap_year/1 in place 1"), "{line}");
}

#[tokio::test]
async fn processes_are_shown_and_calls_are_traced() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    eval(&app, "ok").await;
    let name = app.name.as_str();

    let top: NodeTop = host.bellrock(&["--json", "top", name, "--by", "memory", "-n", "5"]).await.json();
    assert_eq!((top.place, top.top.len(), top.otp.is_empty()), (1, 5, false), "{top:?}");
    assert!(top.top.is_sorted_by(|a, b| a.number >= b.number) && top.processes.count > 20, "{top:?}");
    let once = host.bellrock(&["top", name, "--once", "--every", "100 ms"]).await;
    assert!(once.stdout.contains("schedulers") && once.stdout.contains("pid"), "{once:?}");
    let tree = host.bellrock(&["tree", name, "kernel"]).await;
    assert!(tree.stdout.contains("kernel (kernel_sup) <"), "{tree:?}");
    assert!(tree.stdout.contains("logger_sup"), "{tree:?}");
    let info = host.bellrock(&["info", name, "kernel_sup"]).await;
    assert!(info.stdout.contains("supervisor:kernel/1"), "{info:?}");
    let unknown = host.bellrock(&["info", name, "no_such_process"]).await;
    assert_eq!(unknown.code, 3, "{unknown:?}");

    let mut limited = trace(&app, &["calendar:is_leap_year/1", "--limit", "3", "--for", "5 min"]);
    begun(&mut limited).await;
    let busy = host.bellrock(&["trace", name, "calendar:is_leap_year/1"]).await;
    assert_eq!(busy.code, 3, "one at a time: {busy:?}");
    eval(&app, "[calendar:is_leap_year(Year) || Year <- lists:seq(2001, 2009)]").await;
    let mut lines = String::new();
    limited.stdout.as_mut().unwrap().read_to_string(&mut lines).await.unwrap();
    assert_eq!(limited.wait().await.unwrap().code(), Some(0));
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.lines().next().unwrap().ends_with("calendar:is_leap_year(2001)"), "{lines}");

    let mut killed = trace(&app, &["calendar:is_leap_year/1", "--for", "5 min"]);
    begun(&mut killed).await;
    killed.kill().await.unwrap();
    let text = "{whereis(bellrock_tracer), erlang:trace_info({calendar, is_leap_year, 1}, traced)}";
    let is_clean = async || eval(&app, text).await == "{undefined,{traced,false}}\n";
    wait_for("nothing is traced", LONG, async || is_clean().await.then_some(())).await;
}

#[tokio::test]
async fn a_trace_is_over_when_the_daemon_is_killed() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    eval(&app, "ok").await;
    let node = app.instance(1).await.node.unwrap().name;
    eval(&app, "spawn(fun F() -> calendar:is_leap_year(2000), timer:sleep(1), F() end), ok").await;
    let mut traces = trace(&app, &["calendar:is_leap_year/1", "--limit", "100000", "--for", "5 min"]);
    begun(&mut traces).await;
    assert!(is_traced(&app, &node).await);
    let before = app.pids().await;
    host.kill_daemon();
    wait_for("nothing is traced", LONG, async || (!is_traced(&app, &node).await).then_some(())).await;
    assert_eq!(traces.wait().await.unwrap().code(), Some(6));
    host.start_daemon().await;
    eval(&app, "ok").await;
    assert_eq!(app.pids().await, before);
}

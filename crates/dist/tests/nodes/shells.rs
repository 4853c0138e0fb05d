//! Shells in a node.

use beam::Term;
use dist::{Language, Node, Shell, ShellEnd, ShellEvent, ShellPlan, TerminalSize};
use testkit::wait_for;

use crate::world::{SOON, World, elixir, eval, up};

fn plan(language: Option<Language>) -> ShellPlan {
    ShellPlan { language, size: TerminalSize { columns: 101, rows: 40 } }
}

async fn next(shell: &mut Shell) -> ShellEvent {
    tokio::time::timeout(SOON, shell.next()).await.expect("something is due").expect("it has not ended")
}

/// What it printed until it waits for a line, and its prompt.
async fn until_it_reads(shell: &mut Shell) -> (String, String) {
    let mut printed = String::new();
    loop {
        match next(shell).await {
            ShellEvent::Printed(text) => printed += &text,
            ShellEvent::Read { prompt } => return (printed, prompt),
            ShellEvent::Started(_) | ShellEvent::Completed(_) => {}
            ShellEvent::Ended(end) => panic!("it ended: {end:?} {printed}"),
        }
    }
}

/// What it prints for a line.
async fn answer(shell: &mut Shell, line: &str) -> String {
    shell.line(line).await.unwrap();
    until_it_reads(shell).await.0
}

/// Reads until a text was printed.
async fn until_printed(shell: &mut Shell, text: &str) {
    let mut printed = String::new();
    while !printed.contains(text) {
        match next(shell).await {
            ShellEvent::Printed(text) => printed += &text,
            ShellEvent::Ended(end) => panic!("{end:?} {printed}"),
            _ => {}
        }
    }
}

/// The processes that are of a shell: they print to themselves, or to one of the node's that has gone.
async fn of_shells(node: &Node) -> Term {
    let text = "[P || P <- processes(), {_, L} <- [process_info(P, group_leader)], node(L) =:= node(),
        L =:= P orelse not is_process_alive(L)]";
    eval(node, text).await
}

async fn nothing_is_left(node: &Node, before: &Term) {
    wait_for("nothing is left", SOON, async || (of_shells(node).await == *before).then_some(())).await;
}

#[tokio::test]
async fn erlangs_shell_evaluates_and_is_interrupted() {
    let world = World::new().await;
    let (_running, node) = world.connected("shell", &[]).await;
    let before = of_shells(&node).await;
    let mut shell = node.shell(plan(None), SOON).await.unwrap();
    assert_eq!(next(&mut shell).await, ShellEvent::Started(Language::Erlang));
    let (banner, prompt) = until_it_reads(&mut shell).await;
    assert!(banner.starts_with("Eshell V"), "{banner}");
    assert_eq!(prompt, "(shell@localhost)1> ");
    assert_eq!(answer(&mut shell, "A = 20 +").await, "", "it goes on");
    assert_eq!(answer(&mut shell, "22. B = 1.").await, "42\n1\n", "the rest is for the next");
    assert_eq!(answer(&mut shell, "io:format(\"~ts~n\", [[229]]), io:columns().").await, "å\n{ok,101}\n");
    assert!(answer(&mut shell, "foo bar.").await.contains("syntax error"));
    assert!(answer(&mut shell, "1 / 0.").await.contains("** exception error: an error occurred"));
    shell.line("io:get_line(\"name? \").").await.unwrap();
    assert_eq!(until_it_reads(&mut shell).await.1, "name? ");
    assert_eq!(answer(&mut shell, "lamp").await, "\"lamp\\n\"\n");
    shell.line("receive after infinity -> ok end.").await.unwrap();
    shell.interrupt().await.unwrap();
    assert!(until_it_reads(&mut shell).await.0.contains("killed"));
    shell.line("(fun F() -> io:format(\"~s~n\", [lists:duplicate(1000, $x)]), F() end)().").await.unwrap();
    until_printed(&mut shell, "xxx").await;
    shell.interrupt().await.unwrap();
    until_it_reads(&mut shell).await;
    assert_eq!(answer(&mut shell, "A.").await, "42\n", "and remembers");
    shell.complete(7, "lists:rever").await.unwrap();
    let ShellEvent::Completed(completed) = next(&mut shell).await else { panic!("it was asked") };
    assert!(completed.number == 7 && completed.insert.starts_with("se"), "{completed:?}");
    shell.leave().await.unwrap();
    assert_eq!(next(&mut shell).await, ShellEvent::Ended(ShellEnd::Left));
    assert_eq!(shell.next().await, None);
    nothing_is_left(&node, &before).await;
}

#[tokio::test]
async fn nothing_of_a_shell_is_left_when_it_is_dropped_or_we_vanish() {
    let world = World::new().await;
    let (_running, node) = world.connected("leaving", &[]).await;
    let before = of_shells(&node).await;
    let mut shell = node.shell(plan(None), SOON).await.unwrap();
    until_it_reads(&mut shell).await;
    shell
        .line("register(busy, self()), F = fun F() -> F() end, io:put_chars(\"begun\"), F().")
        .await
        .unwrap();
    until_printed(&mut shell, "begun").await;
    drop(shell);
    nothing_is_left(&node, &before).await;

    let other = world.open(world.target("leaving"));
    let name = up(&other).await.own_name.clone();
    let mut shell = other.shell(plan(None), SOON).await.unwrap();
    until_it_reads(&mut shell).await;
    eval(&node, &format!("erlang:disconnect_node('{name}')")).await;
    assert!(matches!(next(&mut shell).await, ShellEvent::Ended(ShellEnd::Lost(_))));
    nothing_is_left(&node, &before).await;
}

#[tokio::test]
async fn iex_evaluates_where_elixir_runs() {
    let world = World::new().await;
    let Some(paths) = elixir() else { return };
    let arguments: Vec<&str> = ["-pa"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let (_running, node) = world.connected("iex", &arguments).await;
    let mut none = node.shell(plan(Some(Language::Elixir)), SOON).await.unwrap();
    assert_eq!(next(&mut none).await, ShellEvent::Ended(ShellEnd::NoIex));
    // IEx runs on after the first shell
    eval(&node, "{ok, _} = application:ensure_all_started(iex)").await;
    let before = of_shells(&node).await;
    let mut shell = node.shell(plan(None), SOON).await.unwrap();
    assert_eq!(next(&mut shell).await, ShellEvent::Started(Language::Elixir));
    let (banner, prompt) = until_it_reads(&mut shell).await;
    assert!(banner.contains("Interactive Elixir"), "{banner}");
    assert_eq!(prompt, "iex(iex@localhost)1> ");
    assert_eq!(answer(&mut shell, "x = Enum.map([1, 2],").await, "");
    assert_eq!(answer(&mut shell, "&(&1 * 21)); IO.puts(\"å\"); x").await, "å\n[21, 42]\n");
    shell.line("Process.sleep(:infinity)").await.unwrap();
    shell.interrupt().await.unwrap();
    assert!(until_it_reads(&mut shell).await.0.contains("interrupted"));
    shell.complete(1, "Enum.rever").await.unwrap();
    let ShellEvent::Completed(completed) = next(&mut shell).await else { panic!("it was asked") };
    // Elixir 1.14 asks for it, and it is not there since OTP 26
    let completes = eval(&node, "erlang:function_exported(group, interfaces, 1)").await == Term::atom("true");
    assert_eq!(completed.insert, if completes { "se" } else { "" }, "{completed:?}");
    shell.line("IO.puts(\"begun\"); f = fn f -> f.(f) end; f.(f)").await.unwrap();
    until_printed(&mut shell, "begun").await;
    drop(shell);
    nothing_is_left(&node, &before).await;
}

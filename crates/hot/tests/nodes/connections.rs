//! Connections of clients that stay through several upgrades.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use hot::{Cause, Outcome};
use testkit::nodes::SOON;

use crate::lab::{Lab, converted, hot, whole};

/// A server for each connection, whose loop is that of `gen_server`; what it answers is in another module.
fn server(version: u8) -> String {
    format!(
        "-behaviour(gen_server).
        listen() ->
            {{ok, Listener}} = gen_tcp:listen(0, [binary, {{packet, line}}, {{active, false}}, {{ip, {{127, 0, 0, 1}}}}]),
            {{ok, Port}} = inet:port(Listener),
            {{Listener, Port}}.
        serve(Listener) ->
            {{ok, Pid}} = gen_server:start(?MODULE, [], []),
            {{ok, Socket}} = gen_tcp:accept(Listener),
            ok = gen_tcp:controlling_process(Socket, Pid),
            Pid ! {{take, Socket}}.
        init([]) -> {{ok, {{0, 1}}}}.
        handle_call(_, _, S) -> {{reply, ok, S}}.
        handle_cast(_, S) -> {{noreply, S}}.
        handle_info({{take, Socket}}, S) -> inet:setopts(Socket, [{{active, true}}]), {{noreply, S}};
        handle_info({{tcp, Socket, _}}, {{N, Vsn}}) -> gen_tcp:send(Socket, answer:it({version}, N + 1, Vsn)), {{noreply, {{N + 1, Vsn}}}};
        handle_info({{tcp_closed, _}}, S) -> {{stop, normal, S}}.
        code_change(_, {{N, _}}, _) -> {{ok, {{N, {version}}}}}."
    )
}

fn answer(version: u8) -> String {
    format!("it(Module, N, State) -> io_lib:format(\"~p ~p ~p ~p~n\", [{version}, Module, State, N]).")
}

/// Waits for what comes in itself.
fn looping(version: u8) -> String {
    format!(
        "serve(Listener) -> spawn(fun() -> {{ok, Socket}} = gen_tcp:accept(Listener), loop(Socket) end).
        loop(Socket) -> case gen_tcp:recv(Socket, 0) of {{ok, _}} -> gen_tcp:send(Socket, \"{version}\\n\"), loop(Socket); _ -> ok end."
    )
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(lab: &Lab, module: &str) -> Self {
        let port = lab
            .eval(&format!(
                "{{Listener, Port}} = persistent_term:get(listener), spawn(fun() -> {module}:serve(Listener) end), Port"
            ))
            .await;
        let port = u16::try_from(port.as_integer().unwrap()).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self(BufReader::new(stream))
    }

    async fn ask(&mut self) -> String {
        self.0.write_all(b"?\n").await.unwrap();
        let mut line = String::new();
        tokio::time::timeout(SOON, self.0.read_line(&mut line)).await.expect("an answer").unwrap();
        line.trim_end().to_owned()
    }
}

/// The listener belongs to a process that stays.
const LISTEN: &str =
    "spawn(fun() -> persistent_term:put(listener, server:listen()), receive after infinity -> ok end end),
    (fun Wait() -> case persistent_term:get(listener, none) of none -> Wait(); _ -> ok end end)()";

#[tokio::test]
async fn connections_whose_loop_is_not_in_what_changes_stay_for_ever() {
    let lab = Lab::new("stays", &[]).await;
    let versions: Vec<_> = (1..=5)
        .map(|version| {
            lab.compile(&version.to_string(), &[("server", &server(version)), ("answer", &answer(version))])
        })
        .collect();
    lab.load(&versions[0]).await;
    lab.eval(LISTEN).await;
    let (mut one, mut two) = (Client::connect(&lab, "server").await, Client::connect(&lab, "server").await);
    assert_eq!((&*one.ask().await, &*two.ask().await), ("1 1 1 1", "1 1 1 1"));
    for (pair, version) in versions.windows(2).zip(2..) {
        let mut up = lab.up(&version.to_string(), &pair[0], &pair[1]).await;
        up.processes.push(converted("server"));
        let outcome = lab.install(&up).await;
        assert_eq!(hot(outcome).converted, 2);
        let expected = format!("{version} {version} {version} {version}");
        assert_eq!((one.ask().await, two.ask().await), (expected.clone(), expected));
    }
}

#[tokio::test]
async fn a_connection_whose_loop_is_in_what_changes_refuses_the_third_version() {
    let lab = Lab::new("loops", &[]).await;
    let versions: Vec<_> = (1..=3)
        .map(|version| {
            lab.compile(&version.to_string(), &[("server", &server(1)), ("looping", &looping(version))])
        })
        .collect();
    lab.load(&versions[0]).await;
    lab.eval(LISTEN).await;
    let mut client = Client::connect(&lab, "looping").await;
    assert_eq!(client.ask().await, "1");
    // it waits for what comes in the code before, for as long as it waits
    whole(lab.install(&lab.up("two", &versions[0], &versions[1]).await).await);
    let Outcome::Refused(refusals) = lab.install(&lab.up("three", &versions[1], &versions[2]).await).await
    else {
        panic!("it would be killed")
    };
    assert_eq!((refusals[0].cause, refusals[0].module.as_deref()), (Cause::OldCode, Some("looping")));
    assert!(refusals[0].pid.is_some());
    assert_eq!(client.ask().await, "1");
}

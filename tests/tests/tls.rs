//! Distribution over TLS: nodes meet each other, and nobody else gets in.

use std::path::Path;
use std::process::{Command, Stdio};

use api::deployment::Phase;
use api::tls::Tls;
use rustix::process::Signal;
use testkit::{TempHost, TestApp, processes};

use crate::links::is_meshed;
use crate::nodes::{give_cookie, rpc};

/// What a node that is none of Bellrock's says of an app's first place: `pong` or `pang`.
fn ping(app: &TestApp<'_>, node: &str, cookie: &str, options: Option<&Path>) -> String {
    let (name, host) = node.split_once('@').unwrap();
    let names = if host.contains('.') { "-name" } else { "-sname" };
    let resolver = app.host.path(format!("var/lib/bellrock/service/{}/1/current/tmp/inetrc", app.name));
    let mut command = Command::new("erl");
    command
        .args(["-noinput", "-start_epmd", "false", names, &format!("stranger-{name}@{host}")])
        .args(["-setcookie", cookie, "-eval"])
        .arg(format!("io:format(\"~s\", [net_adm:ping('{node}')]), halt()."))
        .env("ERL_INETRC", resolver)
        .env("HOME", app.host.root())
        .stdin(Stdio::null());
    if let Some(options) = options {
        command.args(["-proto_dist", "inet_tls", "-ssl_dist_optfile"]).arg(options);
    }
    let output = command.output().expect("Debian's erlang is installed");
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().last().unwrap_or_default().to_owned()
}

/// What the first place says of the two others.
async fn pings(app: &TestApp<'_>, host: &str) -> String {
    let names = format!(":\"{0}-2@{host}\", :\"{0}-3@{host}\"", app.name);
    rpc(app, &format!("IO.inspect(Enum.map([{names}], &Node.ping/1))")).await
}

#[tokio::test]
async fn places_meet_and_strangers_do_not_get_in() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "distribution = 'tls'\nreplicas = 3");
    let cookie = give_cookie(&host, &app);
    let made: Tls = host.bellrock(&["tls", "init", "--json"]).await.json();
    app.deploy("beacon-tls", Phase::Committed).await;
    app.wait_for("Bellrock is linked with all, and they with each other", |app| is_meshed(app, 3, 2)).await;
    let node = rpc(&app, "IO.puts(node())").await;
    let of_host = node.split_once('@').unwrap().1;
    assert_eq!(pings(&app, of_host).await, "[:pong, :pong]");

    let options = host.path(format!("var/lib/bellrock/tls/apps/{}/distribution.conf", app.name));
    assert_eq!(ping(&app, &node, &cookie, None), "pang", "the cookie alone is worth nothing");
    assert_eq!(ping(&app, &node, "another", Some(&options)), "pang", "nor is a certificate alone");
    assert_eq!(ping(&app, &node, &cookie, Some(&options)), "pong");

    let killed = app.instance(2).await.pid.unwrap();
    assert!(processes::signal(killed.try_into().unwrap(), host.root(), Signal::KILL));
    app.wait_for("place 2 is back", |app| {
        let back = |it: &api::app::Instance| it.place == 2 && it.pid.is_some_and(|pid| pid != killed);
        app.ready == 3 && app.instances.iter().any(back)
    })
    .await;
    app.wait_for("and meshed again", |app| is_meshed(app, 3, 2)).await;

    let rotated: Tls = host.bellrock(&["tls", "rotate", "--json"]).await.json();
    assert_eq!(rotated.authority, made.authority);
    let [own, of_app] = rotated.certificates.as_slice() else { panic!("{rotated:?}") };
    assert_eq!((own.app.as_deref(), of_app.app.as_deref()), (None, Some(app.name.as_str())));
    assert_ne!(own.certificate, made.certificates[0].certificate);
    assert_eq!(ping(&app, &node, &cookie, Some(&options)), "pong", "what was renewed is believed");
}

#[tokio::test]
async fn a_release_of_rebar3_and_a_shipment_of_gleam_are_reached_by_tls_alone() {
    let host = TempHost::start().await;
    assert_eq!(host.bellrock(&["tls", "init"]).await.code, 0);
    for (base, sample) in [("buoy", "buoy-tls"), ("lantern", "lantern-1")] {
        let settings = "distribution = 'tls'\nreplicas = 1\nruntime = '/usr/lib/erlang'";
        let app = host.app(base, settings);
        let cookie = give_cookie(&host, &app);
        app.deploy(sample, Phase::Committed).await;
        let linked = app.wait_for("Bellrock is linked with it", |app| {
            app.instances.iter().any(|it| it.node.as_ref().is_some_and(|node| node.connected.is_some()))
        });
        let node = linked.await.instances[0].node.clone().unwrap().name;
        let spoken = host.bellrock(&["eval", &app.name, "init:get_argument(proto_dist)"]).await;
        assert_eq!(spoken.stdout, "{ok,[[\"inet_tls\"]]}\n", "{sample}: {spoken:?}");
        let options = host.path(format!("var/lib/bellrock/tls/apps/{}/distribution.conf", app.name));
        assert_eq!(ping(&app, &node, &cookie, None), "pang", "{sample}: the cookie alone is worth nothing");
        assert_eq!(ping(&app, &node, &cookie, Some(&options)), "pong", "{sample}");
    }
}

#[tokio::test]
async fn what_cannot_speak_tls_is_refused_before_anything_is_stopped() {
    let host = TempHost::start().await;
    let settings = "distribution = 'tls'\nreplicas = 1\ntries = 1";
    let app = host.app("beacon", settings);
    let refused = async |package: &str| -> String {
        let deployment = app.deploy(package, Phase::Failed).await.deployment;
        deployment.reason.unwrap_or_default()
    };
    let no_authority = refused("beacon-base").await;
    assert!(no_authority.contains("bellrock tls init"), "{no_authority}");
    assert_eq!(host.bellrock(&["tls", "init"]).await.code, 0);
    let no_ssl = refused("beacon-module-changed").await;
    assert!(no_ssl.contains("no application ssl") && no_ssl.contains("mix.exs"), "{no_ssl}");
    app.write_settings(&format!("{settings}\nvariables = {{ ERL_FLAGS = '-proto_dist inet_tls' }}"));
    let twice = refused("beacon-tls").await;
    assert!(twice.contains("the variable ERL_FLAGS says -proto_dist itself"), "{twice}");
}

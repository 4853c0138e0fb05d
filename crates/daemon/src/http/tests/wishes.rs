use std::sync::Arc;

use api::audit::Asked;
use api::change::{Granted, Scale, SetMode};
use api::event::Event;
use api::variable::{ChangeVariables, VariableSource, Variables};
use api::version::Version;
use cli::Route;
use hyper::Method;
use model::DeploymentId;
use model::app::{App, Command, Event as ModelEvent, Wish};
use serde_json::{Value, json};

use crate::control::Accepted;
use crate::http::view;

use super::world::{Life, World, operator, refused};

#[tokio::test]
async fn every_change_is_recorded_with_its_asker() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0"]).await;
    let pin = Route::new(["apps", "beacon", "versions", "1.0.0", "pin"]);
    let granted: Granted =
        world.client.send(Method::PUT, pin.clone(), &json!({"pinned": true})).await.unwrap();
    assert_eq!((granted.app.as_str(), granted.deployment), ("beacon", None));
    let again = world.client.send::<_, Granted>(Method::PUT, pin, &json!({"pinned": true})).await;
    assert_eq!(refused(again), ("no-change".to_owned(), 409));
    let versions: Vec<Version> = world.client.get(Route::new(["apps", "beacon", "versions"])).await.unwrap();
    assert!(versions.iter().any(|it| it.version == "1.0.0" && it.pinned));
    let asked: Vec<Asked> = world.client.get(Route::new(["audit"])).await.unwrap();
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(asked.len(), 2, "what was refused was asked for too");
    assert!(asked.iter().all(|it| it.uid == uid && it.what == "pin v1.0.0"));
    assert_eq!(asked[0].app.as_deref(), Some("beacon"));
}

#[tokio::test]
async fn refusals_say_what_helps() {
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let scale = async |replicas| {
        let body = Scale { replicas };
        refused(
            world
                .client
                .send::<_, Granted>(Method::PUT, Route::new(["apps", "beacon", "scale"]), &body)
                .await,
        )
    };
    assert_eq!(scale(0).await, ("too-few".to_owned(), 422));
    assert_eq!(scale(9).await, ("too-many".to_owned(), 422));
    assert_eq!(scale(2).await, ("no-change".to_owned(), 409));
    let rollback = Route::new(["apps", "beacon", "rollback"]);
    assert_eq!(
        refused(world.client.call::<Granted>(Method::POST, rollback).await),
        ("no-way-back".to_owned(), 409)
    );
    let start = Route::new(["apps", "beacon", "start"]);
    assert_eq!(
        refused(world.client.call::<Granted>(Method::POST, start).await),
        ("app-running".to_owned(), 409)
    );
    let deploy = Route::new(["apps", "beacon", "deployments"]);
    let unknown =
        world.client.send::<_, Granted>(Method::POST, deploy.clone(), &json!({"version": "9"})).await;
    let cli::Failure::Problem(problem) = unknown.unwrap_err() else { panic!("not a problem") };
    assert_eq!((problem.slug(), problem.remedy.as_deref()), ("no-version", Some("bellrock versions beacon")));
    let typo = world.client.send::<_, Value>(Method::POST, deploy, &json!({"verison": "9"})).await;
    assert_eq!(refused(typo), ("bad-body".to_owned(), 422));
}

#[tokio::test]
async fn following_the_store_again_is_remarked_when_it_ends() {
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let mode = async |mode: SetMode| -> Granted {
        world.client.send(Method::PUT, Route::new(["apps", "beacon", "mode"]), &mode).await.unwrap()
    };
    assert_eq!(mode(SetMode::Automatic).await.remarks, Vec::<String>::new());
    let granted = mode(SetMode::Manual { version: "1.0.0".into() }).await;
    assert_eq!(granted.deployment, None, "it runs already");
    assert_eq!(
        granted.remarks,
        ["pinned to v1.0.0: manual mode from now on; bellrock mode beacon automatic follows the store again"]
    );
}

#[tokio::test]
async fn variables_are_set_for_later() {
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let route = || Route::new(["apps", "beacon", "env"]);
    let change =
        ChangeVariables { set: [("A".into(), "1".into())].into(), later: true, ..Default::default() };
    let granted: Granted = world.client.send(Method::PATCH, route(), &change).await.unwrap();
    assert_eq!(granted.deployment, None);
    let variables: Variables = world.client.get(route()).await.unwrap();
    assert_eq!(variables.version.as_deref(), Some("1.0.0+env1"));
    assert_eq!(variables.variables.len(), 1);
    assert_eq!(variables.variables[0].from, VariableSource::Set);
    for (body, expected) in [
        (json!({"set": {"1A": "x"}}), ("bad-name", 422)),
        (json!({"set": {"A": "secret:nowhere"}}), ("bad-value", 422)),
        (json!({"set": {"PORT": "4000"}}), ("bad-value", 422)),
        (json!({"set": {"RELEASE_COOKIE": "x"}}), ("bad-value", 422)),
        (json!({"set": {"METRICS_PORT": "1"}}), ("bad-value", 422)),
        (json!({"set": {"A": "2"}, "unset": ["A"]}), ("bad-value", 422)),
        (json!({}), ("no-change", 409)),
    ] {
        let answer = world.client.send::<_, Granted>(Method::PATCH, route(), &body).await;
        assert_eq!(refused(answer), (expected.0.to_owned(), expected.1), "{body}");
    }
}

#[tokio::test]
async fn events_are_followed_and_resumed_without_loss() {
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let past: Vec<Event> = world.client.get(Route::new(["events"])).await.unwrap();
    let first = past[0].id;
    let stream = async |last: i64, count: usize| -> Vec<Event> {
        let mut text = String::new();
        let mut answer = follow(&world, last).await;
        while text.matches("data:").count() < count {
            text += &piece(&mut answer).await;
        }
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    };
    assert_eq!(stream(first, past.len() - 1).await, past[1..], "what was missed comes first");
    let newest = past.last().unwrap().id;
    let pin = async |pinned| {
        let route = Route::new(["apps", "beacon", "versions", "1.0.0", "pin"]);
        world.client.send::<_, Granted>(Method::PUT, route, &json!({"pinned": pinned})).await.unwrap();
    };
    pin(true).await;
    let mut answer = follow(&world, newest).await;
    assert!(piece(&mut answer).await.contains("is kept whatever its age"));
    pin(false).await;
    assert!(piece(&mut answer).await.contains("is kept like any other"), "and then those that come");
    world.stop.cancel();
    use http_body_util::BodyExt;
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), answer.frame()).await;
    assert!(ended.expect("a stopping daemon ends its streams").is_none());
}

async fn follow(world: &World, last: i64) -> hyper::body::Incoming {
    let stream = tokio::net::UnixStream::connect(world.control.paths.api_socket()).await.unwrap();
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("/v1/events/stream")
        .header("host", "bellrock")
        .header("last-event-id", last.to_string())
        .body(http_body_util::Empty::<axum::body::Bytes>::new())
        .unwrap();
    sender.send_request(request).await.unwrap().into_body()
}

async fn piece(body: &mut hyper::body::Incoming) -> String {
    use http_body_util::BodyExt;
    let frame = tokio::time::timeout(std::time::Duration::from_secs(10), body.frame()).await;
    let frame = frame.expect("an event comes").expect("the stream goes on").unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn what_waits_and_what_turns_round_is_remarked() {
    let world = World::new().await;
    let granted = |before: &App, life: &Life, deployment| {
        let accepted = Accepted { deployment, app: Arc::new(life.app.clone()) };
        crate::http::api::granted(Some(before), &accepted)
    };
    let turns =
        |id: DeploymentId| format!("deployment {id} turns round and goes back to what was there before");

    let mut life = Life::begin(&world, "beacon").await;
    life.deploy("1.0.0").await;
    let first = life.ask_for("1.1.0").await;
    let before = life.app.clone();
    let second = life.ask_for("1.2.0").await;
    let waits = granted(&before, &life, Some(second));
    assert_eq!(waits.deployment, Some(second.0));
    let begins = format!("it begins when deployment {first} has ended");
    assert_eq!(waits.remarks, [turns(first), begins], "a newer version takes the place of a running one");

    let mut life = Life::begin(&world, "buoy").await;
    life.deploy("1.0.0").await;
    let running = life.ask_for("1.1.0").await;
    let before = life.app.clone();
    let command = Command::Rollback { wish: Wish::default(), deployment: DeploymentId(99) };
    life.step(ModelEvent::Command { command, by: operator() }).await;
    let turned = granted(&before, &life, None);
    assert_eq!(turned.deployment, Some(running.0), "the running deployment is what to wait for");
    assert_eq!(turned.remarks, [turns(running)]);
    let shown = view::app(&life.app, |_| None, |_| None, &Default::default(), None);
    assert_eq!(shown.deployment.and_then(|it| it.reason).as_deref(), Some("rolled back by hand"));
}

#[tokio::test]
async fn a_version_whose_ports_another_app_has_taken_does_not_come_back() {
    let versions = ["1.0.0", "1.1.0"];
    // Every app of these tests has the same ports.
    let world = World::new().await.with_app("beacon", &versions).await.with_app("buoy", &["1.0.0"]).await;
    let wish = async |method: Method, path: &str, body: Value| {
        let route = Route::new(["apps", "beacon", path]);
        let Err(cli::Failure::Problem(problem)) = world.client.send::<_, Granted>(method, route, &body).await
        else {
            panic!("{path} is not refused")
        };
        assert_eq!((problem.slug(), problem.status), ("settings", 422), "{path}: {problem}");
        assert!(problem.detail.contains("overlaps \"buoy\""), "{path}: {problem}");
    };
    wish(Method::POST, "deployments", json!({"version": "1.0.0"})).await;
    wish(Method::POST, "rollback", Value::Null).await;
    wish(Method::PUT, "mode", json!({"mode": "manual", "version": "1.0.0"})).await;
    let alone = World::new().await.with_app("beacon", &versions).await;
    let rollback = Route::new(["apps", "beacon", "rollback"]);
    let granted: Granted = alone.client.call(Method::POST, rollback).await.unwrap();
    assert!(granted.deployment.is_some());
}

#[tokio::test]
async fn a_stopped_app_that_is_deployed_anew_is_not_stopped() {
    let world = World::new().await;
    let mut life = Life::begin(&world, "beacon").await;
    life.deploy("1.0.0").await;
    life.stop().await;
    let state = |life: &Life| view::app(&life.app, |_| None, |_| None, &Default::default(), None).state;
    assert_eq!(state(&life), api::app::AppState::Stopped);
    life.ask_for("1.1.0").await;
    assert_eq!(state(&life), api::app::AppState::Degraded, "none of its places serves yet");
}

use std::os::unix::fs::PermissionsExt;

use api::about::Daemon;
use api::app::{App, AppState, InstanceState, Mode};
use api::deployment::{Deployment, DeploymentDetail, Phase};
use api::event::{Event, Step};
use api::exit::Exit;
use api::log::Line;
use api::version::{Version, VersionDetail, VersionState};
use cli::{Client, Route};
use serde_json::Value;

use super::world::{World, name, newest, refused};

#[tokio::test]
async fn an_app_is_shown_as_it_is() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0"]).await;
    let app: App = world.client.get(Route::new(["apps", "beacon"])).await.unwrap();
    assert_eq!((app.state, app.ready, app.replicas, app.max_replicas), (AppState::Ready, 2, 2, 4));
    assert_eq!(app.version.as_deref(), Some("1.1.0"));
    assert_eq!(app.rollback_target.as_deref(), Some("1.0.0"));
    assert!(matches!(app.mode, Mode::Manual { .. }), "a package was pushed by hand");
    let shown: Vec<_> =
        app.instances.iter().map(|it| (it.place, it.slot.as_str(), it.port, it.version.as_str())).collect();
    assert_eq!(shown, [(1, "b", 4004, "1.1.0"), (2, "b", 4005, "1.1.0")]);
    assert!(app.instances.iter().all(|it| it.state == InstanceState::Ready && it.pid == Some(4000)));
    let all: Vec<App> = world.client.get(Route::new(["apps"])).await.unwrap();
    assert_eq!(all.len(), 1);
    let exits: Vec<Exit> = world.client.get(Route::new(["apps", "beacon", "exits"])).await.unwrap();
    assert_eq!(exits, []);
}

#[tokio::test]
async fn versions_are_told_apart() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0+g3f2a"]).await;
    let versions: Vec<Version> = world.client.get(Route::new(["apps", "beacon", "versions"])).await.unwrap();
    let shown: Vec<_> =
        versions.iter().map(|it| (it.version.as_str(), it.state, it.rollback_target)).collect();
    assert_eq!(
        shown,
        [("1.1.0+g3f2a", VersionState::Active, false), ("1.0.0", VersionState::Archived, true)]
    );
    let route = Route::new(["apps", "beacon", "versions", "1.1.0+g3f2a"]);
    let detail: VersionDetail = world.client.get(route).await.unwrap();
    assert_eq!(detail.settings.0.replicas, 2);
    assert!(!detail.papers.build_log);
}

#[tokio::test]
async fn deployments_have_their_log() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0"]).await;
    let list: Vec<Deployment> = world.client.get(Route::new(["deployments"])).await.unwrap();
    let shown: Vec<_> =
        list.iter().map(|it| (it.id, it.phase, it.from.as_deref(), it.to.as_deref())).collect();
    assert_eq!(
        shown,
        [(2, Phase::Committed, Some("1.0.0"), Some("1.1.0")), (1, Phase::Committed, None, Some("1.0.0"))]
    );
    let detail: DeploymentDetail = world.client.get(Route::new(["deployments", "2"])).await.unwrap();
    let steps: Vec<Step> = detail.log.iter().map(|event| event.step).collect();
    assert_eq!(steps.first(), Some(&Step::Begun));
    assert!(steps.contains(&Step::Ready) && steps.contains(&Step::Committed), "{steps:?}");
    assert!(detail.log.iter().all(|event| event.deployment == Some(2)));
    let events: Vec<Event> = world.client.get(Route::new(["events"])).await.unwrap();
    assert!(events.is_sorted_by_key(|event| event.id) && events.len() > steps.len());
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_a_slug() {
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let get = async |segments: &[&str]| refused(world.client.get::<Value>(Route::new(segments)).await);
    let cases: [(&[&str], (&str, u16)); 8] = [
        (&["apps", "nobody"], ("no-app", 404)),
        (&["apps", "No Body"], ("bad-name", 400)),
        (&["apps", "beacon", "versions", "9"], ("no-version", 404)),
        (&["apps", "beacon", "versions", "1.0.0", "build-log"], ("not-available", 404)),
        (&["apps", "beacon", "logs"], ("no-logs", 404)),
        (&["deployments", "77"], ("no-deployment", 404)),
        (&["deployments", "x"], ("bad-name", 400)),
        (&["nothing", "here"], ("no-route", 404)),
    ];
    for (segments, (slug, status)) in cases {
        assert_eq!(get(segments).await, (slug.to_owned(), status), "{segments:?}");
    }
    let post = world.client.call::<Value>(hyper::Method::POST, Route::new(["apps"])).await;
    assert_eq!(refused(post), ("no-method".to_owned(), 405));
}

#[tokio::test]
async fn the_socket_is_for_its_group_and_found_below_long_roots() {
    let world = World::below(&"long/".repeat(40)).await;
    let socket = world.control.paths.api_socket();
    assert!(socket.as_os_str().len() > 200);
    assert_eq!(socket, world.root.join(api::SOCKET), "the client looks where the daemon listens");
    assert_eq!(fs_err::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let daemon: Daemon = world.client.get(Route::new(["daemon"])).await.unwrap();
    assert_eq!(daemon.pid, std::process::id());
}

#[tokio::test]
async fn a_stopped_daemon_is_gone_and_a_new_one_takes_the_socket() {
    let world = World::new().await;
    let client = Client::new(&world.root);
    world.stop.cancel();
    world.tasks.close();
    world.tasks.wait().await;
    let gone = client.get::<Daemon>(Route::new(["daemon"])).await.unwrap_err();
    assert_eq!(gone.exit(), cli::Exit::Unreachable, "{gone}");
    let again =
        World { stop: tokio_util::sync::CancellationToken::new(), tasks: Default::default(), ..world };
    again.serve();
    client.get::<Daemon>(Route::new(["daemon"])).await.unwrap();
}

#[tokio::test]
async fn logs_of_living_instances_come_in_the_order_of_time() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0"]).await;
    let app = world.control.app(&name("beacon")).unwrap();
    let write = |place: u16, id: u64, text: &str, times: &[(u64, u64)]| {
        let place = model::Place(place);
        let path = world.control.paths.instance_log(&app.name, place, model::InstanceId(id), "stdout");
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        let index: Vec<u8> = times
            .iter()
            .flat_map(|(time_ms, offset)| {
                wire::log_index::Entry { time_ms: *time_ms, offset: *offset }.to_bytes()
            })
            .collect();
        fs_err::write(format!("{}.idx", path.display()), index).unwrap();
    };
    let (one, two) = (newest(&app, 1).0, newest(&app, 2).0);
    write(1, one, "a\nc\n", &[(1_000, 0), (3_000, 2)]);
    write(2, two, "b\nd", &[(2_000, 0), (4_000, 2)]);
    write(1, 1, "an old instance\n", &[]);
    let lines = async |query: &str| -> Vec<(u16, String)> {
        let text = raw(&world, &format!("/v1/apps/beacon/logs{query}")).await;
        let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
        lines.map(|line| (line.place, line.text)).collect()
    };
    let all = [(1, "a".to_owned()), (2, "b".to_owned()), (1, "c".to_owned()), (2, "d".to_owned())];
    assert_eq!(lines("").await, all);
    assert_eq!(lines("?tail=1").await, all[2..]);
    assert_eq!(lines("?place=2").await, [all[1].clone(), all[3].clone()]);
    assert_eq!(lines("?since=1970-01-01T00:00:02.5Z").await, all[1..], "as far back as the second before");
    assert_eq!(lines("?instance=1").await, [(1, "an old instance".to_owned())]);
}

/// An answer as it comes over the socket, as a whole.
pub(super) async fn raw(world: &World, path: &str) -> String {
    use http_body_util::BodyExt;
    let body = open(world, path).await;
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn open(world: &World, path: &str) -> hyper::body::Incoming {
    let stream = tokio::net::UnixStream::connect(world.control.paths.api_socket()).await.unwrap();
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header("host", "bellrock")
        .body(http_body_util::Empty::<axum::body::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

#[tokio::test]
async fn followed_logs_go_on_until_the_daemon_stops() {
    use http_body_util::BodyExt;
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let app = world.control.app(&name("beacon")).unwrap();
    let path = |place| {
        let instance = newest(&app, place);
        world.control.paths.instance_log(&app.name, model::Place(place), instance, "stdout")
    };
    fs_err::create_dir_all(path(1).parent().unwrap()).unwrap();
    fs_err::write(path(1), "one\ntwo\n").unwrap();
    let mut body = open(&world, "/v1/apps/beacon/logs?follow=true&tail=1").await;
    let mut next = async || {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(10), body.frame()).await.unwrap();
        let bytes = frame.map(|frame| frame.unwrap().into_data().unwrap());
        bytes.map(|bytes| serde_json::from_slice::<Line>(&bytes).unwrap().text)
    };
    assert_eq!(next().await.as_deref(), Some("two"));
    fs_err::rename(path(1), format!("{}.1", path(1).display())).unwrap();
    fs_err::write(path(1), "three\n").unwrap();
    assert_eq!(next().await.as_deref(), Some("three"), "in the next file");
    fs_err::write(path(2), "four\n").unwrap();
    assert_eq!(next().await.as_deref(), Some("four"), "of an instance that came later");
    world.stop.cancel();
    assert_eq!(next().await, None);
}

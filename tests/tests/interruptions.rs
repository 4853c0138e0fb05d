//! Requests that an operator keeps from an app: pause and maintenance. And what the drains of a switch came to.

use std::time::Duration;

use api::deployment::Phase;
use testkit::load::{Load, Plan};
use testkit::wait::LONG;
use testkit::{TempHost, wait_for};

/// Requests of every kind, with streams and WebSockets that the switch has to close.
fn load(host: &TempHost) -> Load {
    let plan = Plan::new(host.http(), 20, Duration::from_secs(600));
    // While requests are held each of them has a connection to itself, and waits as long as it takes.
    let plan = Plan {
        kept_connections: 1_000,
        most_under_way: 5_000,
        answer_within: Duration::from_secs(600),
        ..plan
    };
    Load::start(Plan { app: Some("beacon".to_owned()), sse_clients: 4, web_sockets: 4, ..plan }).unwrap()
}

async fn held(host: &TempHost) -> u64 {
    host.client().routes().await.unwrap().routes[0].held
}

#[tokio::test]
async fn paused_requests_wait_through_a_deployment_and_a_restart_and_none_is_lost() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "hold_timeout = '10 min'\ndrain_timeout = '5 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    let load = load(&host);
    let answered = || load.report().kinds.values().map(|kind| kind.answered).sum::<u64>();
    wait_for("answers", LONG, async || (answered() > 40).then_some(())).await;
    let ran = host.bellrock(&["pause", &app.name, "--for", "10 min"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    wait_for("held requests", LONG, async || (held(&host).await > 20).then_some(())).await;
    host.restart_daemon().await;
    assert!(app.state().await.paused_until.is_some());
    let detail = app.deploy("beacon-module-changed", Phase::Committed).await;
    assert!(held(&host).await > 20, "the deployment does not end the pause");
    let status = host.bellrock(&["status", &app.name]).await.stdout;
    assert!(status.contains("paused: requests wait for"), "{status}");
    assert_eq!(host.bellrock(&["resume", &app.name]).await.code, 0);
    wait_for("nobody waits", LONG, async || (held(&host).await == 0).then_some(())).await;
    let before = answered();
    wait_for("answers", LONG, async || (answered() > before + 40).then_some(())).await;
    load.end().await.assert_nothing_lost();

    assert_eq!(detail.deployment.drains.len(), 2, "{:?}", detail.deployment.drains);
    let sum =
        |count: fn(&api::deployment::Drain) -> u64| detail.deployment.drains.iter().map(count).sum::<u64>();
    assert!(sum(|it| it.websockets_closed) >= 4 && sum(|it| it.streams_ended) >= 4, "{detail:?}");
    assert!(sum(|it| it.took_ms) > 0);
    let id = detail.deployment.id.to_string();
    let shown = host.bellrock(&["deployments", "show", &id]).await.stdout;
    assert!(shown.contains("2 instances drained, the slowest in"), "{shown}");
    assert_eq!(host.bellrock(&["resume", &app.name]).await.code, 3, "it is not paused any more");
}

#[tokio::test]
async fn in_maintenance_every_request_gets_the_page_until_it_is_over() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let page = host.path("page.html");
    fs_err::write(&page, "<!doctype html><p>Back at nine.").unwrap();
    let ran = host.bellrock(&["maintenance", &app.name, "on", "--page", page.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let get = async || {
        let answer = reqwest::get(format!("http://{}/health", host.http())).await.ok()?;
        let retry_after = answer.headers().get("retry-after").is_some();
        Some((answer.status().as_u16(), retry_after, answer.text().await.ok()?))
    };
    let closed = Some((503, true, "<!doctype html><p>Back at nine.".to_owned()));
    wait_for("the page", LONG, async || (get().await == closed).then_some(())).await;
    host.restart_daemon().await;
    assert_eq!(get().await, closed, "the daemon's end changes nothing");
    let state = app.state().await;
    assert!(state.maintenance.is_some_and(|it| it.own_page), "{state:?}");
    assert_eq!(state.ready, 2, "the app is as well as before");
    let route = &host.client().routes().await.unwrap().routes[0];
    assert_eq!(route.own_errors, 0, "none of it counts as an error");
    assert!(route.remarks[0].contains("in maintenance"), "{:?}", route.remarks);
    assert_eq!(host.bellrock(&["maintenance", &app.name, "off"]).await.code, 0);
    let open = async || get().await.filter(|(status, ..)| *status == 200).map(drop);
    wait_for("it is served", LONG, open).await;
}

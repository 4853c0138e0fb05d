//! Apps that are killed, exit, or do not want to stop.

use api::app::Instance;
use api::deployment::Phase;
use api::event::{Level, Step};
use api::exit::ExitHow;
use testkit::app::{get, log};
use testkit::{TempHost, processes};

use super::{SOON, back, crashes, exits, gone, kill, left_over, lines, pid, shim, wait_for};

#[tokio::test]
async fn a_killed_app_is_restarted_at_once_and_counted_once() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "");
    app.deploy("buoy-base", Phase::Committed).await;
    let (killed, other) = (app.instance(1).await, app.instance(2).await);
    let its_shim = shim(&app, &killed);
    kill(&host, pid(&killed));
    let again = back(&app, 1, pid(&killed)).await;
    assert_eq!(again.instance, killed.instance, "its own shim restarts it");
    assert_eq!(shim(&app, &again), its_shim);
    assert_eq!(app.instance(2).await.pid, other.pid);
    let exits = exits(&app).await;
    assert_eq!(exits.len(), 1, "{exits:?}");
    assert_eq!((exits[0].place, exits[0].run, exits[0].how), (1, 1, ExitHow::Signal { signal: 9 }));
    let away = again.up_since.unwrap().duration_since(exits[0].at);
    assert!(away.as_secs_f64() < 2.0, "the first restart is at once, not after {away:?}");
    assert_eq!((again.crashes, other.crashes), (1, 0));
    assert_eq!(again.last_exit.unwrap().how, ExitHow::Signal { signal: 9 });
    left_over::settles(&app, "1.0.0", 2).await;
}

#[tokio::test]
async fn an_app_that_exits_with_status_0_is_restarted() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'");
    app.deploy("lantern-1", Phase::Committed).await;
    let before = app.instance(1).await;
    get(before.port, "/exit?status=0").await.unwrap();
    back(&app, 1, pid(&before)).await;
    let exits = exits(&app).await;
    assert_eq!(exits.len(), 1, "{exits:?}");
    assert_eq!(exits[0].how, ExitHow::Status { status: 0 });
    assert_eq!(crashes(&app).await, 1);
}

#[tokio::test]
async fn a_crash_loop_backs_off_and_alarms_and_rolls_nothing_back() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'\nreplicas = 1");
    app.deploy("lantern-1", Phase::Committed).await;
    app.deploy("lantern-2", Phase::Committed).await;
    for (crash, wait) in [(1, 0), (2, 4), (3, 6)] {
        let before = app.instance(1).await;
        get(before.port, "/exit?status=3").await.unwrap();
        if wait > 0 {
            let what = format!("crash {crash} waits");
            let waits =
                |it: &Instance| Some(it.retry_at?.duration_since(it.last_exit.as_ref()?.at).as_millis());
            // The exit is told first, and its wait a moment later.
            let long_enough = |it: &Instance| waits(it).is_some_and(|ms| ms >= wait * 1000);
            let state = app.wait_for(&what, |it| it.instances.iter().any(long_enough)).await;
            let wait_ms = state.instances.iter().filter_map(waits).max().unwrap();
            assert!(wait_ms < wait * 1000 + 2000, "crash {crash}: {wait_ms} ms");
        }
        if crash < 3 {
            let again = back(&app, 1, pid(&before)).await;
            let exits = exits(&app).await;
            let away = again.up_since.unwrap().duration_since(exits[0].at).as_secs_f64();
            let wait = f64::from(i16::try_from(wait).unwrap());
            assert!((wait - 0.1..wait + 2.0).contains(&away), "crash {crash}: restarted after {away} s");
        }
    }
    let events = app.api.events(&app.name).await.unwrap();
    let alarm = events.iter().find(|it| it.level == Level::Alarm).expect("a crash loop is an alarm");
    assert!(alarm.text.contains("crash loop: 3 exits in a row"), "{}", alarm.text);
    let state = app.state().await;
    assert_eq!((state.version.as_deref(), state.stuck), (Some("0.2.0"), None));
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty());
    assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 2);
    let exits = exits(&app).await;
    assert!(exits.iter().all(|exit| exit.how == ExitHow::Status { status: 3 }), "{exits:?}");
    assert_eq!(exits.len(), 3);
}

/// Starts two children of an app that ignore SIGTERM and have left its session, one of them its family too.
pub(super) async fn detached_children(port: u16) -> [i32; 2] {
    let mut children = [0; 2];
    for (child, how) in children.iter_mut().zip(["setsid", "double"]) {
        let (status, body) = get(port, &format!("/fork?how={how}")).await.unwrap();
        assert_eq!(status, 200, "{body}");
        *child = body.trim().parse().unwrap();
        assert!(processes::is_alive(*child), "{how}");
    }
    children
}

#[tokio::test]
async fn an_app_that_ignores_sigterm_is_killed_with_its_tree_and_the_log_says_so() {
    let host = TempHost::start().await;
    let settings = "replicas = 1\nstop_timeout = '1 s'\nvariables = { IGNORE_SIGTERM = '1' }";
    let app = host.app("beacon", settings);
    app.deploy("beacon-base", Phase::Committed).await;
    let instance = app.instance(1).await;
    let children = detached_children(instance.port).await;
    let stop = app.api.stop(&app.name).await.unwrap();
    let ended = app.ends(stop, Phase::Committed).await;
    let log = log(&ended);
    assert!(log.contains("did not stop within 1.0 s and was killed"), "{log}");
    for left in [pid(&instance), children[0], children[1]] {
        assert!(!processes::is_alive(left), "{left} is left");
    }
    left_over::nothing_left(&app).await;
    assert!(exits(&app).await.is_empty(), "an exit that was asked for is no crash");
}

#[tokio::test]
async fn children_that_detach_end_with_an_orderly_stop() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let instance = app.instance(1).await;
    let children = detached_children(instance.port).await;
    let stop = app.api.stop(&app.name).await.unwrap();
    let log = log(&app.ends(stop, Phase::Committed).await);
    assert!(log.contains("processes that it had started were killed"), "{log}");
    assert!(!log.contains("did not stop within"), "{log}");
    for child in children {
        assert!(!processes::is_alive(child), "{child} is left");
    }
    left_over::nothing_left(&app).await;
}

#[tokio::test]
async fn children_that_detach_do_not_survive_a_crash_of_their_app() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let instance = app.instance(1).await;
    let children = detached_children(instance.port).await;
    kill(&host, pid(&instance));
    back(&app, 1, pid(&instance)).await;
    for child in children {
        gone("a detached child", child).await;
    }
    left_over::nothing_left(&app).await;
}

#[tokio::test]
async fn nothing_survives_a_killed_shim_and_its_instance_is_back() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let (instance, other) = (app.instance(1).await, app.instance(2).await);
    let children = detached_children(instance.port).await;
    kill(&host, shim(&app, &instance));
    gone("the app", pid(&instance)).await;
    let again = back(&app, 1, pid(&instance)).await;
    for child in children {
        assert!(!processes::is_alive(child), "{child} is left although another has taken the place");
    }
    let events = app.api.events(&app.name).await.unwrap();
    let noticed = events.iter().rfind(|it| it.step == Step::Exited).unwrap();
    let started = events.iter().rfind(|it| it.step == Step::Started).unwrap();
    assert_eq!(started.instance, Some(again.instance));
    let away = started.at.duration_since(noticed.at);
    assert!(away.as_secs_f64() < 2.0, "back within 2 s, not after {away:?}");
    assert_eq!(app.instance(2).await.pid, other.pid);
    let exits = exits(&app).await;
    assert_eq!((exits.len(), exits[0].how), (1, ExitHow::Unknown), "{exits:?}");
    assert_eq!((again.crashes, crashes(&app).await), (1, 1));
    left_over::settles(&app, "1.0.0", 2).await;
}

#[tokio::test]
async fn a_shim_killed_while_the_daemon_is_away_is_repaired_at_its_start() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let (instance, other) = (app.instance(1).await, app.instance(2).await);
    let children = detached_children(instance.port).await;
    let its_shim = shim(&app, &instance);
    host.kill_daemon();
    kill(&host, its_shim);
    gone("the app", pid(&instance)).await;
    host.start_daemon().await;
    back(&app, 1, pid(&instance)).await;
    for child in children {
        gone("a detached child", child).await;
    }
    assert_eq!(app.instance(2).await.pid, other.pid);
    let exits = exits(&app).await;
    assert_eq!((exits.len(), exits[0].how, crashes(&app).await), (1, ExitHow::Unknown, 1), "{exits:?}");
    left_over::settles(&app, "1.0.0", 2).await;
}

#[tokio::test]
async fn exits_while_the_daemon_is_away_are_in_the_history_afterwards() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'");
    app.deploy("lantern-1", Phase::Committed).await;
    let (crashing, other) = (app.instance(1).await, app.instance(2).await);
    let its_shim = shim(&app, &crashing);
    host.kill_daemon();
    for status in [5, 6, 7] {
        // The shim alone brings it back: at once, then after 4 s.
        wait_for("it answers", SOON, async || get(crashing.port, "/health").await.ok()).await;
        get(crashing.port, &format!("/exit?status={status}")).await.unwrap();
        wait_for("it has ended", SOON, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", crashing.port)).await.is_err().then_some(())
        })
        .await;
    }
    host.start_daemon().await;
    let state = app
        .wait_for("all exits are known", |it| it.instances.iter().any(|it| it.place == 1 && it.crashes == 3))
        .await;
    assert!(state.stuck.is_none());
    let exits = exits(&app).await;
    let statuses: Vec<_> = exits.iter().rev().map(|exit| (exit.run, exit.how)).collect();
    let wanted: Vec<_> = (5..=7).zip(1..).map(|(status, run)| (run, ExitHow::Status { status })).collect();
    assert_eq!(statuses, wanted);
    let crashing = app.state().await.instances.into_iter().find(|it| it.place == 1).unwrap();
    assert_eq!(shim(&app, &crashing), its_shim, "the same shim");
    assert_eq!(app.instance(2).await.pid, other.pid);
    let loops = lines(&app, Step::Exited).await;
    assert!(loops.iter().any(|line| line.contains("crash loop: 3 exits in a row")), "{loops:#?}");
    // A deployment of another version does not wait for the end of a back-off.
    app.deploy("lantern-2", Phase::Committed).await;
    left_over::settles(&app, "0.2.0", 2).await;
    assert_eq!(super::exits(&app).await.len(), 3);
}

//! Every table and text: data in, text out.

mod console;
mod upgrade;

use api::app::App;
use api::deployment::{Deployment, DeploymentDetail};
use api::prepare::PrepareLog;
use api::problem::Problem;
use api::version::VersionDetail;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    config, deployments, doctor, env, events, exits, ghosts, granted, logs, papers, routes, status, tls,
    versions,
};
use crate::failure::Failure;
use crate::output::failed;
use crate::progress::text as progress;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn check(name: &str, text: &str) {
    insta::assert_snapshot!(name, anstream::adapter::strip_str(text).to_string());
}

fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn instance(place: u16, more: Value) -> Value {
    let mut instance = json!({
        "instance": place, "place": place, "slot": "a", "state": "ready", "detail": null, "retry_at": null,
        "version": "1.4.2", "pid": 4120 + place, "port": 4000 + place - 1, "memory_bytes": 118_000_000,
        "up_since": "2026-11-09T11:00:00Z", "ready_at": "2026-11-09T11:00:01Z", "crashes": 0,
        "forced_restarts": 0, "last_exit": null,
    });
    instance.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    instance
}

fn app(name: &str, more: Value) -> Value {
    let mut app = json!({
        "name": name, "state": "ready", "mode": {"mode": "automatic"}, "version": "1.4.2",
        "rollback_target": "1.4.1", "replicas": 3, "max_replicas": 6, "ready": 3,
        "up_since": "2026-11-09T11:00:00Z", "stuck": null, "instances": [], "deployment": null, "queued": null,
    });
    app.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app
}

fn deployment(more: Value) -> Value {
    let mut deployment = json!({
        "id": 42, "app": "beacon", "kind": "deploy", "phase": "committed",
        "by": {"kind": "operator", "uid": 1000, "user": "ulf"}, "from": "1.4.2", "to": "1.5.0",
        "strategy": "rolling", "begun_at": "2026-11-21T11:57:00Z", "serving_at": "2026-11-21T11:57:34Z",
        "watching_until": null, "ended_at": "2026-11-21T11:59:34Z", "reason": null, "log_tail": null,
        "ghosted": false, "pre_commands_ran": false, "places": [],
    });
    deployment.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    deployment
}

fn in_canary() -> Value {
    deployment(json!({
        "phase": "canary", "ended_at": null, "serving_at": null,
        "canary": {
            "step": 2, "steps": 4, "percent": 5, "since": "2026-11-21T11:58:30Z", "ended_at": null,
            "old": {"requests": 2341, "errors": 2, "p95_us": 20_000},
            "new": {"requests": 12, "errors": 0, "p95_us": 1_500},
            "held": {"why": "too_few", "since": "2026-11-21T11:59:00Z"},
        },
    }))
}

#[test]
fn a_canary() {
    let app: App = from(app("beacon", json!({"deployment": in_canary()})));
    let detail: DeploymentDetail = from({
        let mut detail = in_canary();
        detail["log"] = json!([]);
        detail
    });
    let text = [status::one(&app, now()), deployments::show(&detail, now())].join("\n\n");
    check("canary", &text);
}

fn version(more: Value) -> Value {
    let mut version = json!({
        "version": "1.4.2", "number": 3, "state": "archived", "revision": 0, "sha256": "9f2c".repeat(16),
        "size_bytes": 31_450_000, "registered_at": "2026-11-20T12:00:00Z", "by": {"kind": "store"},
        "meta": {}, "pinned": false, "rollback_target": false, "stored": true, "ghost": null,
    });
    version.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    version
}

fn version_detail(more: Value) -> VersionDetail {
    let mut detail = version(json!({
        "settings": {"replicas": 2, "variables": {"GREETING": "hello", "STRIPE_TOKEN": "sk_live"}},
        "pre_commands": [], "deployments": [],
        "revisions": [{"revision": 0, "version": "1.4.2", "current": true, "variables": []}],
        "papers": {"package": true, "package_settings": false, "build_log": false, "prepare_log": false,
            "deployment_log": false},
    }));
    detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    from(detail)
}

fn event(id: i64, at: &str, text: &str, more: Value) -> Value {
    let mut event = json!({
        "id": id, "at": at, "app": "beacon", "deployment": 42, "place": null, "instance": null, "step": "told",
        "level": "info", "text": text, "log_tail": null, "took_ms": null,
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn watching() -> Value {
    deployment(json!({"phase": "watching", "ended_at": null, "watching_until": "2026-11-21T12:01:40Z"}))
}

fn rolled_back() -> Value {
    deployment(json!({
        "phase": "rolled_back", "serving_at": null, "ended_at": "2026-11-21T11:57:34Z", "ghosted": true,
        "pre_commands_ran": true, "to": "1.5.0+env1", "reason": "instance 1 crashed 3 times (exit 1)",
        "log_tail": "** (Mix.Error) could not load runtime.exs:\n   environment variable DATABASE_URL is missing",
    }))
}

fn apps() -> Vec<App> {
    let crashed = json!({"pid": 4199, "crashes": 1, "memory_bytes": 97_400_000,
        "last_exit": {"at": "2026-11-18T10:00:00Z", "how": "status", "status": 137}});
    vec![
        from(app(
            "beacon",
            json!({"instances": [
            instance(1, json!({})), instance(2, json!({})), instance(3, crashed)]}),
        )),
        from(app("buoy", json!({"version": "0.9.0", "replicas": 2, "ready": 2, "deployment": watching()}))),
        from(app(
            "echo",
            json!({"state": "degraded", "ready": 1, "version": "2026-11-21+g3f2a",
            "mode": {"mode": "manual", "because": "v2 was deployed by hand", "since": "2026-11-21T09:00:00Z"},
            "instances": [
                instance(1, json!({"version": "2026-11-21+g3f2a"})),
                instance(2, json!({"state": "backing_off", "pid": null, "memory_bytes": null, "crashes": 4,
                    "retry_at": "2026-11-21T12:00:08Z",
                    "last_exit": {"at": "2026-11-21T11:59:58Z", "how": "signal", "signal": 9}})),
                instance(3, json!({"state": "unhealthy", "detail": "GET /health: 503", "forced_restarts": 2})),
            ]}),
        )),
        from(app("lantern", json!({"state": "stopped", "ready": 0, "up_since": null}))),
        from(app(
            "skiff",
            json!({"state": "stuck", "ready": 0, "up_since": null,
            "stuck": "v1.4.2 could not be started either: no port"}),
        )),
        from(app(
            "new",
            json!({"state": "not_deployed", "version": null, "replicas": 0, "ready": 0,
            "up_since": null}),
        )),
        from(app(
            "first",
            json!({"state": "not_deployed", "version": null, "ready": 1, "up_since": null,
            "deployment": deployment(json!({"phase": "replacing", "from": null, "ended_at": null}))}),
        )),
    ]
}

#[test]
fn status_of_all() {
    check("status_all", &status::all(&apps(), now()));
    check("status_none", &status::all(&[], now()));
}

#[test]
fn status_of_one() {
    check("status_one", &status::one(&apps()[2], now()));
    check("status_deploying", &status::one(&apps()[1], now()));
}

#[test]
fn status_with_nodes() {
    let node = |name: &str, more: Value| {
        let mut node = json!({"name": name, "connected": {"otp": "25", "erts": "13.1.5", "elixir": "1.14.0",
            "schedulers": 2, "started_at": "2026-11-09T11:00:00Z"}, "why_not": null, "mesh": null});
        node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"node": node})
    };
    let missing = json!([{"node": "beacon-4@web1", "why": "it could not connect (its log says more)"},
        {"node": "beacon-5@web1", "why": null}]);
    let fresh =
        json!({"otp": "27", "erts": "15.2.3", "elixir": null, "schedulers": null, "started_at": null});
    let why = "could not connect: epmd at 127.0.0.1:4369 knows no node named \"beacon-3\"";
    let beacon = app(
        "beacon",
        json!({"instances": [
            instance(1, node("beacon-1@web1", json!({"mesh": {"connected": ["beacon-2@web1"], "missing": []}}))),
            instance(2, node("beacon-2b@web1",
                json!({"mesh": {"connected": ["beacon-1@web1"], "missing": missing}}))),
            instance(3, node("beacon-3@web1", json!({"connected": null, "why_not": why}))),
            instance(4, node("beacon-4@web1", json!({"connected": fresh}))),
            instance(5, node("beacon-5@web1", json!({"connected": null}))),
            instance(6, json!({"state": "backing_off", "pid": null, "node": null})),
        ]}),
    );
    check("status_nodes", &status::one(&from(beacon), now()));
}

fn traffic(rate: f64, errors: u64, in_flight: u64) -> Value {
    json!({"over_ms": 5000, "requests_per_s": rate, "server_errors": errors, "p50_us": 700, "p99_us": 1_500,
        "in_flight": in_flight})
}

#[test]
fn status_with_traffic() {
    let quiet = json!({"over_ms": 5000, "requests_per_s": 0.0, "server_errors": 0, "p50_us": null,
        "p99_us": null, "in_flight": 0});
    let beacon = app(
        "beacon",
        json!({"traffic": traffic(1234.5, 3, 12), "instances": [
            instance(1, json!({"traffic": traffic(1200.0, 0, 7)})),
            instance(2, json!({"traffic": traffic(34.5, 3, 5)})),
            instance(3, json!({"state": "starting"})),
        ]}),
    );
    let buoy = app(
        "buoy",
        json!({"traffic": quiet, "replicas": 1, "ready": 1,
        "mode": {"mode": "manual", "because": "v2 was deployed by hand", "since": "2026-11-21T09:00:00Z"},
        "instances": [instance(1, json!({"traffic": quiet}))]}),
    );
    let kept = json!({"paused_until": "2026-11-21T12:00:20Z",
        "maintenance": {"since": "2026-11-21T11:00:00Z", "own_page": true}});
    check("status_interrupted", &status::all(&from::<Vec<_>>(json!([app("beacon", kept)])), now()));
    check("status_traffic", &status::all(&from::<Vec<_>>(json!([beacon, buoy])), now()));
}

fn routed(place: u16, more: Value) -> Value {
    let mut instance = json!({
        "instance": place, "place": place, "version": "1.4.2", "address": format!("127.0.0.1:400{place}"),
        "state": "serving", "why": null, "upgraded": 0, "failed": 0, "broken": 0, "cut": 0,
        "traffic": traffic(34.5, 0, 5),
    });
    instance.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    instance
}

fn proxy(more: Value) -> Value {
    let mut proxy = json!({
        "state": "serving", "why": null, "pid": 4711, "up_ms": 90_000, "revision": 42, "wanted_revision": 42,
        "listeners": [{"address": "127.0.0.1:8080", "tls": false}, {"address": "127.0.0.1:8443", "tls": true}],
        "connections": 12, "unrouted": 0,
    });
    proxy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    proxy
}

fn route(app: &str, more: Value) -> Value {
    let mut route = json!({
        "app": app, "hosts": [], "paths": [], "held": 0, "held_in_vain": 0, "panic": false, "own_errors": 0,
        "remarks": [], "traffic": traffic(69.0, 0, 10), "instances": [],
    });
    route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    route
}

#[test]
fn routes_of_all() {
    let switching = route(
        "beacon",
        json!({"hosts": ["beacon.example", "*.beacon.example"], "instances": [
            routed(1, json!({})),
            routed(2, json!({"state": "down", "why": "connection refused", "traffic": null})),
            routed(3, json!({"state": "draining", "version": "1.4.1", "instance": 112,
                "address": "127.0.0.1:14003"})),
            routed(4, json!({"state": "unrouted", "why": "starting: not ready yet", "traffic": null,
                "address": null})),
        ]}),
    );
    let hidden = route(
        "buoy",
        json!({"paths": ["/buoy"], "held": 1, "panic": true, "traffic": null,
        "remarks": ["beacon takes every host; set hosts"]}),
    );
    let routes = json!({"proxy": proxy(json!({})), "routes": [switching, hidden]});
    check("routes", &routes::text(&from(routes)));
}

#[test]
fn routes_without_a_proxy_that_answers() {
    let silent = json!({"listeners": [], "connections": null, "unrouted": null, "revision": null});
    let mut texts = Vec::new();
    for (state, why) in [
        ("off", json!("no address is set (proxy.http)")),
        ("starting", json!(null)),
        ("failing", json!("could not listen on 127.0.0.1:80: Permission denied")),
    ] {
        let mut proxy = proxy(silent.clone());
        proxy["state"] = json!(state);
        proxy["why"] = why;
        texts.push(routes::text(&from(json!({"proxy": proxy, "routes": []}))));
    }
    check("routes_silent", &texts.join("\n---\n"));
}

#[test]
fn lists() {
    let ghost = json!({"version": "1.5.0", "deployment": 42, "at": "2026-11-21T11:57:34Z",
        "reason": "instance 1 crashed 3 times (exit 1)"});
    let all = json!([
        version(json!({"version": "1.5.0", "state": "ghosted", "stored": false, "ghost": ghost})),
        version(
            json!({"state": "active", "revision": 3, "by": {"kind": "operator", "uid": 1000, "user": "ulf"},
            "meta": {"commit": "3f2a", "ci": "17"}})
        ),
        version(json!({"version": "1.4.1", "rollback_target": true, "pinned": true, "size_bytes": 987})),
    ]);
    check("versions", &versions::text(&from::<Vec<_>>(all), now()));
    check("versions_none", &versions::text(&[], now()));
    check("ghosts", &ghosts::text(&from::<Vec<_>>(json!([ghost])), now()));
    let exit = |more: Value| {
        let mut exit = json!({"at": "2026-11-21T11:00:00Z", "place": 1, "instance": 7, "run": 2, "how": "status",
            "status": 1, "uptime_ms": 18_250, "crash_dump": null});
        exit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        exit
    };
    let all = json!([
        exit(json!({"crash_dump": "/var/log/bellrock/beacon/crash-dumps/1-i7-2.dump"})),
        exit(json!({"place": 12, "how": "signal", "signal": 9, "uptime_ms": 90_000_000})),
        exit(json!({"how": "unknown"}))
    ]);
    check("exits", &exits::text(&from::<Vec<_>>(all), &TimeZone::UTC));
}

#[test]
fn deployments_listed_and_shown() {
    let queued = json!({"id": 43, "phase": "queued", "to": "1.5.1", "begun_at": null, "ended_at": null});
    let stop = json!({"id": 9, "kind": "stop", "to": null, "app": "echo", "by": {"kind": "store"}});
    let all = json!([deployment(queued), rolled_back(), deployment(stop)]);
    check("deployments", &deployments::text(&from::<Vec<_>>(all), now()));
    let log = json!([
        event(1, "2026-11-21T11:57:00Z", "deploy v1.5.0 began", json!({})),
        event(
            2,
            "2026-11-21T11:57:02.5Z",
            "pre-command eval Beacon.Migrator.migrate",
            json!({"took_ms": 1_870})
        ),
        event(
            3,
            "2026-11-21T11:57:34Z",
            "instance 1 exited by itself (exit 1) after 3.1 s",
            json!({"level": "warning", "log_tail": "** (Mix.Error)\n  missing"})
        ),
        event(4, "2026-11-21T11:57:34Z", "the way back failed", json!({"level": "alarm"})),
    ]);
    let with_log = |mut deployment: Value| -> DeploymentDetail {
        deployment["log"] = log.clone();
        from(deployment)
    };
    check("deployment_rolled_back", &deployments::show(&with_log(rolled_back()), now()));
    let mut running = watching();
    running["places"] = json!([
        {"place": 1, "old": {"instance": 4, "state": null}, "new": {"instance": 7, "state": "ready"},
            "back": null, "failures": 1},
        {"place": 2, "old": {"instance": 5, "state": "stopping"}, "new": {"instance": 8, "state": "ready"},
            "back": null, "failures": 0},
    ]);
    check("deployment_watching", &deployments::show(&with_log(running), now()));
    let place = |place: u16, says: &str, noes: u32| {
        let why = (noes > 0).then_some("ended with exit 1 after 0.4 s");
        json!({"place": place, "old": {"instance": place, "state": null}, "new": {"instance": place + 3, "state": "ready"},
            "back": null, "failures": 0, "check": {"instance": place + 3, "says": says, "noes": noes, "why": why}})
    };
    let places = [place(1, "yes", 2), place(2, "nothing", 1), place(3, "nothing", 0)];
    let members =
        deployment(json!({"strategy": "member", "phase": "replacing", "ended_at": null, "places": places}));
    check("deployment_of_members", &deployments::show(&with_log(members), now()));
    let drain = |instance: u64, took_ms: u64, websockets_closed: u64, cut: u64| {
        json!({"instance": instance, "place": instance, "took_ms": took_ms,
            "websockets_closed": websockets_closed, "streams_ended": 1, "cut": cut})
    };
    let drained = deployment(json!({"drains": [drain(1, 15_200, 40, 0), drain(2, 30_000, 2, 1)]}));
    check("deployment_drained", &deployments::show(&with_log(drained), now()));
}

#[test]
fn every_end_of_a_deployment() {
    let mut texts = Vec::new();
    let mut add = |value: Value, turned: bool| {
        let deployment: Deployment = from(value);
        texts.push(format!(
            "--- {}{}\n{}",
            deployment.phase.word(),
            if turned { ", as asked" } else { "" },
            progress::end(&deployment, turned, now())
        ));
    };
    add(watching(), false);
    add(deployment(json!({})), false);
    for kind in ["stop", "start", "restart", "scale", "rollback"] {
        add(deployment(json!({"kind": kind})), false);
    }
    add(rolled_back(), false);
    add(rolled_back(), true);
    add(deployment(json!({"phase": "rolled_back", "from": null, "reason": "not ready in 10 min"})), false);
    add(deployment(json!({"phase": "failed", "reason": "port 4003 is in use by pid 77 (nginx)"})), false);
    add(deployment(json!({"phase": "rollback_failed", "reason": "x; the way back failed too: y"})), false);
    add(deployment(json!({"phase": "cancelled"})), false);
    add(deployment(json!({"phase": "cancelled"})), true);
    add(deployment(json!({"phase": "superseded"})), false);
    check("ends", &texts.join("\n"));
}

#[test]
fn events_in_lines() {
    let list: Vec<api::event::Event> = from(json!([
        event(1, "2026-11-21T11:57:00Z", "instance 1 ready", json!({"took_ms": 1_500})),
        event(2, "2026-11-21T11:57:01Z", "no way back", json!({"level": "alarm", "log_tail": "a\nb"})),
        event(3, "2026-11-21T11:57:02Z", "started", json!({"app": null, "deployment": null})),
    ]));
    let lines: Vec<String> = list.iter().map(|event| events::text(event, &TimeZone::UTC)).collect();
    check("events", &lines.join("\n"));
}

#[test]
fn doctors_findings() {
    let bad = json!({"name": "clock", "ok": false, "detail": "not synchronised", "remedy": "start chrony"});
    let good = json!({"name": "file modes", "ok": true, "detail": "in order", "remedy": null});
    check("doctor_bad", &doctor::text(&from::<Vec<_>>(json!([good, bad]))));
    check("doctor_good", &doctor::text(&from::<Vec<_>>(json!([good]))));
}

#[test]
fn secrets_are_masked_by_name() {
    let mut variables: api::variable::Variables = from(json!({"version": "1.4.2+env3", "variables": [
        {"name": "DATABASE_URL", "value": "ecto://u:p@db", "from": "set"},
        {"name": "GREETING", "value": "hello\n\u{1b}[31m", "from": "settings"},
        {"name": "SECRET_KEY_BASE", "value": "secret:app#key", "from": "settings"},
        {"name": "stripe_token", "value": "sk_live", "from": "set"},
    ]}));
    assert_eq!(env::mask(&mut variables.variables), 2);
    check("env", &env::text(&variables.variables));
}

#[test]
fn small_texts() {
    let verdict = |problems: Value| from(json!({"ok": false, "problems": problems}));
    let line = from(json!({"place": 2, "instance": 7, "text": "hello"}));
    let texts = [
        config::text(&verdict(json!([])), 1),
        config::text(&verdict(json!([])), 3),
        config::text(&verdict(json!(["config.toml:3: env: a", "b"])), 3),
        logs::text(&line, true),
        logs::text(&line, false),
        granted::text(&from(json!({"app": "beacon", "deployment": 42, "version": "1.5.0", "remarks": []}))),
        granted::text(&from(json!({"app": "beacon", "deployment": null, "version": null, "remarks": []}))),
    ];
    check("small", &texts.join("\n"));
}

#[test]
fn failures_end_with_what_to_do() {
    let ghosted = Problem::new("ghosted", 409, "version 1.5.0 is ghosted (it crashed)")
        .remedy("bellrock ghosts beacon clear 1.5.0");
    let texts = [
        failed(&Failure::Problem(ghosted)),
        failed(&Failure::Usage("no terminal to ask on; add --yes".into())),
        failed(&Failure::Lost("connection reset".into())),
        failed(&Failure::Declined),
    ];
    check("failures", &texts.join(""));
}

#[test]
fn a_version_with_all_that_is_known_of_it() {
    let variable = |name: &str, value: &str| json!({"name": name, "value": value, "from": "set"});
    let ghost = json!({"version": "1.4.2", "deployment": 42, "at": "2026-11-21T11:57:34Z",
        "reason": "instance 1 crashed 3 times (exit 1)"});
    let mut detail = version_detail(json!({
        "state": "ghosted", "revision": 3, "ghost": ghost, "pinned": true, "meta": {"ci": "17", "commit": "3f2a"},
        "by": {"kind": "operator", "uid": 1000, "user": "ulf"},
        "pre_commands": ["eval Beacon.Migrator.migrate", "bin/warm-up"],
        "revisions": [
            {"revision": 0, "version": "1.4.2", "current": false, "variables": [variable("GREETING", "hi")]},
            {"revision": 3, "version": "1.4.2+env3", "current": true, "variables": [
                variable("DATABASE_URL", "ecto://u:p@db"), variable("SECRET_KEY_BASE", "secret:app#key")]},
        ],
        "deployments": [rolled_back(), deployment(json!({"id": 40}))],
        "papers": {"package": true, "package_settings": true, "build_log": true, "prepare_log": false,
            "deployment_log": true},
    }));
    assert_eq!(papers::mask(&mut detail), 2, "a variable of settings and one set by hand");
    let text = papers::text("beacon", &detail, now(), &TimeZone::UTC);
    check("version_ghosted", &text);
    let json = serde_json::to_string(&detail).unwrap();
    for secret in ["sk_live", "ecto://u:p@db"] {
        assert!(!text.contains(secret) && !json.contains(secret), "{secret}");
    }
    let plain = papers::text("beacon", &version_detail(json!({})), now(), &TimeZone::UTC);
    assert!(plain.contains("STRIPE_TOKEN = \"sk_live\""), "nothing was masked: {plain}");
    assert!(
        plain.contains("not available  package settings, build log, prepare log, deployment log"),
        "{plain}"
    );
}

#[test]
fn prepare_logs_say_whose_run_it_was() {
    let command = |more: Value| {
        let mut command = json!({"command": "bin/setup --all", "deployment": 42, "at": "2026-11-21T11:57:00Z",
            "outcome": "done", "detail": "12 s", "run_for": null, "stdout": {"text": "", "cut": false},
            "stderr": {"text": "", "cut": false}});
        command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        command
    };
    let run_for = json!({"app": "buoy", "version": "0.9.0", "deployment": 7, "at": "2026-11-01T08:00:00Z"});
    let log: PrepareLog = from(json!({"app": "beacon", "version": "1.5.0", "commands": [
        command(json!({"stdout": {"text": "one\ntwo\n", "cut": false}, "stderr": {"text": "warned\n", "cut": true}})),
        command(json!({"outcome": "run_before", "detail": null, "run_for": run_for,
            "stdout": {"text": "fonts installed", "cut": false}})),
        command(json!({"outcome": "run_before", "detail": null, "run_for": run_for})),
        command(json!({"outcome": "run_before", "detail": null})),
        command(json!({"outcome": "failed", "detail": "ended with exit 100 after 2 s", "deployment": null,
            "stderr": {"text": "E: no such package\n", "cut": false}})),
        command(json!({"outcome": "running", "detail": null})),
        command(json!({"outcome": "unknown", "detail": "its runner died while it ran"})),
    ]}));
    check("prepare_log", &papers::prepare_text(&log, &TimeZone::UTC));
}

#[test]
fn certificates() {
    let certificate = |name: &str, until: &str| json!({"name": name, "from": "2026-11-20T00:00:00Z", "until": until, "fingerprint": "0123456789abcdef".repeat(4)});
    let tls = json!({
        "host": "web1",
        "authority": certificate("Bellrock at web1 1", "2027-06-01T00:00:00Z"),
        "next": certificate("Bellrock at web1 2", "2036-11-18T00:00:00Z"),
        "previous": null,
        "certificates": [
            {"app": null, "path": "/t/bellrock.pem", "problem": null, "renewed_at": "2027-01-19T00:00:00Z",
                "used_by": ["beacon"],
                "certificate": certificate("Bellrock itself", "2027-02-18T00:00:00Z")},
            {"app": "beacon", "path": "/t/apps/beacon/node.pem", "problem": null, "renewed_at": "2026-10-22T00:00:00Z",
                "used_by": ["beacon/1", "beacon/2"],
                "certificate": certificate("beacon", "2026-11-21T00:00:00Z")},
            {"app": "buoy", "path": "/t/apps/buoy/node.pem", "problem": "it is not readable as PEM",
                "renewed_at": null, "certificate": null},
        ],
    });
    check("tls", &tls::text(&from(tls), now()));
}

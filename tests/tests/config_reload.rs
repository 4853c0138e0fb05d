//! `bellrock config reload`: running nodes get the configuration that they would be started with now.

use api::app::InstanceState;
use api::audit::Asked;
use api::deployment::Phase;
use api::reload::{ReloadLine, ReloadedInstance, Told};
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use testkit::app::get;
use testkit::command::Ran;
use testkit::wait::{LONG, wait_for};
use testkit::{TempHost, TestApp};

/// What a node has for a key of its application, as Erlang text.
async fn value(app: &TestApp<'_>, place: u16, application: &str, key: &str) -> String {
    let (target, text) =
        (format!("{}/{place}", app.name), format!("application:get_env({application}, {key})"));
    wait_for("the node answers", LONG, async || {
        let ran = app.host.bellrock(&["eval", &target, &text]).await;
        (ran.code == 0).then(|| ran.stdout.trim_end().to_owned())
    })
    .await
}

async fn reload(app: &TestApp<'_>, more: &[&str]) -> Ran {
    app.host.bellrock(&[&["config", "reload", &app.name], more].concat()).await
}

fn instances(ran: &Ran) -> Vec<ReloadedInstance> {
    let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let told = lines.filter_map(|line| match line {
        ReloadLine::Reloaded(instance) => Some(instance),
        _ => None,
    });
    told.collect()
}

/// What evaluations have left on the host.
fn left_behind(app: &TestApp<'_>) -> Vec<std::path::PathBuf> {
    let folder = app.host.path("var/lib/bellrock/commands").join(&app.name);
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|it| it.path()).collect()
}

#[tokio::test]
async fn a_mix_release_runs_its_providers_again_and_no_process_ends() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let pids = app.pids().await;
    assert_eq!(value(&app, 1, "beacon", "drain_ms").await, "{ok,10000}");
    let unchanged = reload(&app, &["--json"]).await;
    assert_eq!(unchanged.code, 0, "{unchanged:?}");
    assert!(instances(&unchanged).iter().all(|it| it.applications.is_empty()), "{unchanged:?}");

    app.set("DRAIN_MS", "4711", true).await.unwrap();
    let dry = reload(&app, &["--dry-run"]).await;
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(
        dry.stdout.contains("place 2: configuration of v1.0.0+env1 would be set\n  beacon: changed drain_ms"),
        "{dry:?}"
    );
    assert_eq!(value(&app, 1, "beacon", "drain_ms").await, "{ok,10000}", "nothing was changed");

    let done = reload(&app, &["--json"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let told = instances(&done);
    assert_eq!(told.iter().map(|it| it.place).collect::<Vec<_>>(), [1, 2]);
    for instance in &told {
        let [beacon] = &instance.applications[..] else { panic!("{instance:?}") };
        assert_eq!((&*beacon.application, beacon.told), ("beacon", Told::NoCallback));
        assert_eq!(beacon.changed, ["drain_ms"]);
        assert_eq!((beacon.new.len(), beacon.removed.len()), (0, 0), "{beacon:?}");
        assert!(instance.remarks[0].contains("started with the environment of v1.0.0"), "{instance:?}");
    }
    for place in [1, 2] {
        assert_eq!(value(&app, place, "beacon", "drain_ms").await, "{ok,4711}");
    }
    assert_eq!(app.pids().await, pids, "no process has ended");

    let audit: Vec<Asked> = app.api.get("/v1/audit").await.unwrap();
    assert!(audit.iter().any(|it| it.what == "config reload in all places"), "{audit:?}");
    let told = format!("{done:?}{dry:?}{audit:?}{}", host.daemon_log());
    assert!(!told.contains("4711"), "no value is told");
    assert_eq!(left_behind(&app), <[std::path::PathBuf; 0]>::default());
}

#[tokio::test]
async fn what_cannot_be_evaluated_changes_nothing() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let pids = app.pids().await;
    app.set("DRAIN_MS", "soon", true).await.unwrap();
    let failed = reload(&app, &[]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(
        failed.stderr.contains("place 1: the release's configuration could not be evaluated"),
        "{failed:?}"
    );
    // how much of it the VM still prints differs
    assert!(failed.stderr.contains("binary_to_integer"), "{failed:?}");
    assert_eq!(value(&app, 1, "beacon", "drain_ms").await, "{ok,10000}");
    assert_eq!((app.pids().await, left_behind(&app)), (pids, Vec::new()));
}

#[tokio::test]
async fn applications_are_restarted_where_that_harms_no_other() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    value(&app, 1, "beacon", "port").await;
    let (pids, port) = (app.pids().await, app.instance(1).await.port);
    let count = async || get(port, "/state?incr=5").await.unwrap();
    count().await;
    app.set("DRAIN_MS", "4711", true).await.unwrap();

    for (names, why) in [
        ("kernel", "kernel cannot be restarted in a node that runs"),
        ("skiff", "skiff is needed by beacon, which run: restart them too, after it"),
        ("beacon,skiff", "beacon needs skiff: name skiff before it"),
        ("nowhere", "nowhere does not run in the node"),
    ] {
        let refused = reload(&app, &["--restart", names]).await;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    assert_eq!(value(&app, 1, "beacon", "drain_ms").await, "{ok,10000}", "nothing was changed");

    let done = reload(&app, &["--restart", "skiff,beacon"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("place 1: skiff, beacon restarted in "), "{done:?}");
    assert_eq!(app.pids().await, pids, "the same process");
    let (status, state) = count().await;
    assert_eq!((status, state.contains("\"count\":5")), (StatusCode::OK, true), "it began anew: {state}");
    assert_eq!(value(&app, 1, "beacon", "drain_ms").await, "{ok,4711}");
}

#[tokio::test]
async fn an_application_that_does_not_come_up_is_told_and_its_node_comes_back_with_what_it_had() {
    let host = TempHost::start().await;
    let file = host.path("etc/buoy.config");
    let write = |logger: &str| {
        let text = "{kernel, [{logger_sasl_compatible, true}]}, {sasl, [{sasl_error_logger, ";
        fs_err::write(&file, format!("[{text}{logger}}}]}}].")).unwrap();
    };
    write("false");
    let app = host.app("buoy", &format!("sys_config = '{}'", file.display()));
    app.deploy("buoy-base", Phase::Committed).await;
    let logger = async |place| value(&app, place, "sasl", "sasl_error_logger").await;
    assert_eq!((&*logger(1).await, &*logger(2).await), ("{ok,false}", "{ok,false}"));
    let pids = app.pids().await;

    write("no_such_thing");
    let failed = reload(&app, &["--restart", "sasl,skiff,buoy"]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    for told in ["place 1: sasl did not come up: ", "{bad_config,", "its node ends with it"] {
        assert!(failed.stderr.contains(told), "{told}: {failed:?}");
    }
    let state = app.wait_for("its node is back", |app| {
        app.ready == 2 && app.instances.iter().any(|it| it.place == 1 && it.pid != Some(pids[0]))
    });
    let crashes: Vec<u64> = state.await.instances.iter().map(|it| it.crashes).collect();
    assert_eq!((&*logger(1).await, crashes), ("{ok,false}", vec![1, 0]), "with what it ran well with");
    assert_eq!((&*logger(2).await, app.pids().await[1]), ("{ok,false}", pids[1]), "it has nothing of it");
}

#[tokio::test]
async fn a_file_of_the_host_stands_in_the_place_of_the_packages() {
    let host = TempHost::start().await;
    let file = host.path("etc/buoy.config");
    let write = |text: &str| fs_err::write(&file, text).unwrap();
    let settings = format!("replicas = 1\nsys_config = '{}'", file.display());
    let app = host.app("buoy", &settings);

    let missing = app.deploy("buoy-base", Phase::Failed).await.deployment;
    let why = missing.reason.unwrap_or_default();
    assert!(
        why.contains("cannot be read; put the file there, or take sys_config out of the app's settings"),
        "{why}"
    );

    write("[{buoy, [{place, \"${BELLROCK_PLACE:-none}\"}, {depth, 3}]}].");
    app.deploy("buoy-base", Phase::Committed).await;
    assert_eq!(value(&app, 1, "buoy", "depth").await, "{ok,3}");
    assert_eq!(value(&app, 1, "buoy", "place").await, "{ok,\"1\"}", "the environment is put into it");
    let pids = app.pids().await;

    write("[{buoy, [{depth, 5}, {tide, high}]}].");
    let done = reload(&app, &["--json"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let [instance] = &instances(&done)[..] else { panic!("{done:?}") };
    let [buoy] = &instance.applications[..] else { panic!("{instance:?}") };
    assert_eq!((&*buoy.application, buoy.told), ("buoy", Told::Ok));
    assert_eq!((&buoy.changed[..], &buoy.new[..]), (&["depth".to_owned()][..], &["tide".to_owned()][..]));
    assert_eq!(buoy.removed, ["place"]);
    assert_eq!(value(&app, 1, "buoy", "depth").await, "{ok,5}");
    let log = host.bellrock(&["logs", &app.name]).await;
    assert!(log.stdout.contains("buoy: told of 1 changed, 1 new and 1 removed keys"), "{log:?}");

    write("[{buoy,\n  [{depth 6}]}].");
    let refused = reload(&app, &[]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("buoy.config, which no node could be started with"), "{refused:?}");
    assert!(refused.stderr.contains("line 2, column 11"), "{refused:?}");
    let why = app.deploy("buoy-module-changed", Phase::Failed).await.deployment.reason.unwrap_or_default();
    assert!(why.contains("line 2, column 11"), "{why}");
    assert_eq!(
        (value(&app, 1, "buoy", "depth").await, app.pids().await),
        ("{ok,5}".to_owned(), pids.clone())
    );

    kill_process(Pid::from_raw(pids[0].try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    app.wait_for("it is back", |app| {
        app.instances.iter().any(|it| it.state == InstanceState::Ready && it.pid != Some(pids[0]))
    })
    .await;
    assert_eq!(value(&app, 1, "buoy", "depth").await, "{ok,5}", "it comes back with what it was given");
}

#[tokio::test]
async fn a_mix_release_with_the_hosts_file_still_runs_its_providers() {
    let host = TempHost::start().await;
    let file = host.path("etc/beacon.config");
    fs_err::write(&file, "[{beacon, [{harbour, \"north\"}, {drain_ms, 1}]}].").unwrap();
    let app = host.app("beacon", &format!("replicas = 1\nsys_config = '{}'", file.display()));
    app.deploy("beacon-base", Phase::Committed).await;
    assert_eq!(value(&app, 1, "beacon", "harbour").await, "{ok,\"north\"}");
    assert_eq!(value(&app, 1, "beacon", "drain_ms").await, "{ok,10000}", "runtime.exs comes after it");
    fs_err::write(&file, "[{beacon, [{harbour, \"south\"}]}].").unwrap();
    let done = reload(&app, &[]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("beacon: changed harbour\n"), "{done:?}");
    assert_eq!(value(&app, 1, "beacon", "harbour").await, "{ok,\"south\"}");
}

//! Papers of versions.

use api::deployment::DeploymentDetail;
use api::prepare::{PrepareLog, PrepareOutcome};
use api::version::VersionDetail;
use cli::Route;
use hyper::Method;
use jiff::Timestamp;
use model::settings::{AppLayer, Source, merge};
use model::{DeploymentId, EffectId, VersionId};
use serde_json::Value;

use host::journal::{Preparation, PrepareEnd, PrepareRun};

use super::reads::raw;
use super::world::{World, name, refused};

fn route(version: &str, paper: &str) -> Route {
    let paper = Some(paper).filter(|paper| !paper.is_empty());
    Route::new(["apps", "beacon", "versions", version].into_iter().chain(paper))
}

/// What a deployment of a version would have left in the journal and among its papers.
async fn prepared(world: &World, version: (u64, &str), effect: u64, end: Option<PrepareEnd>) -> PrepareRun {
    let run = PrepareRun {
        app: name("beacon"),
        version: version.1.parse().unwrap(),
        deployment: Some(DeploymentId(version.0)),
        effect: EffectId(effect),
        at: Timestamp::from_second(1_790_000_000 + i64::try_from(effect).unwrap()).unwrap(),
    };
    let preparation = Preparation { command: format!("bin/setup {effect}"), run: run.clone(), end };
    let journal = &world.control.journal;
    journal.end_preparation(VersionId(version.0), preparation, None).await.unwrap();
    let log = |stream| {
        let path = world.control.paths.prepare_log(&run.app, &run.version, run.effect, stream);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    fs_err::write(log("stdout"), format!("set up by e{effect}\n")).unwrap();
    fs_err::write(log("stderr"), b"\xff\n").unwrap();
    run
}

async fn version_numbers(world: &World) -> Vec<(u64, String)> {
    let app = world.control.app(&name("beacon")).unwrap();
    app.versions.iter().map(|it| (it.id.0, it.label.to_string())).collect()
}

#[tokio::test]
async fn a_version_is_shown_with_its_deployments_variables_and_papers() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0"]).await;
    let detail: VersionDetail = world.client.get(route("1.0.0", "")).await.unwrap();
    let deployments: Vec<u64> = detail.deployments.iter().map(|it| it.id).collect();
    assert_eq!(deployments, [2, 1], "the one that brought it, and the one that replaced it");
    let revisions: Vec<_> = detail.revisions.iter().map(|it| (it.version.as_str(), it.current)).collect();
    assert_eq!(revisions, [("1.0.0", true)]);
    assert!(detail.papers.package && detail.papers.deployment_log, "{:?}", detail.papers);
    assert!(!detail.papers.build_log && !detail.papers.prepare_log && !detail.papers.package_settings);

    let log: DeploymentDetail = world.client.get(route("1.0.0", "deployment-log")).await.unwrap();
    assert_eq!(log.deployment.id, 1, "not the one that replaced it");
    assert!(!log.log.is_empty());
    for (paper, why) in [
        ("build-log", "no build log came"),
        ("prepare-log", "no prepare command was run"),
        ("package-settings", "brought no bellrock.toml"),
    ] {
        let answer = world.client.get::<Value>(route("1.0.0", paper)).await;
        let told = answer.as_ref().unwrap_err().to_string();
        assert!(told.starts_with("not available: ") && told.contains(why), "{told}");
        assert_eq!(refused(answer), ("not-available".to_owned(), 404), "{paper}");
        let answer = world.client.get::<Value>(route("9", paper)).await;
        assert_eq!(refused(answer), ("no-version".to_owned(), 404), "{paper}");
    }
}

#[tokio::test]
async fn settings_are_toml_that_is_read_again() {
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let text = raw(&world, "/v1/apps/beacon/versions/1.0.0/settings").await;
    let layer = AppLayer::parse(&Source::new("settings.toml", text.as_str())).unwrap();
    let app = world.control.app(&name("beacon")).unwrap();
    assert_eq!(merge(&[layer]).unwrap(), *app.versions[0].current().settings, "{text}");
    let refusal = world.client.get::<Value>(route("9", "settings")).await;
    assert_eq!(refused(refusal), ("no-version".to_owned(), 404));
}

#[tokio::test]
async fn a_prepare_log_says_whose_run_it_was_and_goes_with_its_version() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0", "1.2.0"]).await;
    let versions = version_numbers(&world).await;
    let number = |nth: usize| (versions[nth].0, versions[nth].1.as_str());
    let done = PrepareEnd::Done { detail: Some("2 s".into()) };
    let first = prepared(&world, number(0), 900, Some(done)).await;
    let end = PrepareEnd::RunBefore { by: Some(first.clone()) };
    prepared(&world, number(1), 901, Some(end)).await;
    prepared(&world, number(1), 902, Some(PrepareEnd::Failed { reason: "ended with exit 3".into() })).await;
    prepared(&world, number(1), 903, None).await;

    let log: PrepareLog = world.client.get(route("1.1.0", "prepare-log")).await.unwrap();
    let outcomes: Vec<PrepareOutcome> = log.commands.iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [PrepareOutcome::RunBefore, PrepareOutcome::Failed, PrepareOutcome::Unknown]);
    let before = &log.commands[0];
    let run_for = before.run_for.as_ref().unwrap();
    assert_eq!((run_for.version.as_str(), run_for.deployment), ("1.0.0", first.deployment.map(|id| id.0)));
    assert_eq!(before.stdout.text, "set up by e901\n");
    assert_eq!(before.stderr.text, "\u{fffd}\n", "what is no text is replaced");
    assert_eq!(log.commands[1].detail.as_deref(), Some("ended with exit 3"));

    let detail: VersionDetail = world.client.get(route("1.0.0", "")).await.unwrap();
    assert!(detail.papers.prepare_log);
    let papers = world.control.paths.prepare_logs(&name("beacon"), &"1.0.0".parse().unwrap());
    assert!(papers.exists());
    world.client.call::<Value>(Method::DELETE, route("1.0.0", "")).await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let of_first = VersionId(number(0).0);
    while papers.exists()
        || !world.control.journal.preparations(name("beacon"), of_first).await.unwrap().is_empty()
    {
        assert!(tokio::time::Instant::now() < deadline, "its papers are still there");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let log: PrepareLog = world.client.get(route("1.1.0", "prepare-log")).await.unwrap();
    assert_eq!(log.commands[0].stdout.text, "set up by e901\n", "the other version keeps it");
}

#[tokio::test]
async fn only_the_end_of_a_long_prepare_log_is_shown() {
    let world = World::new().await.with_app("beacon", &["1.0.0"]).await;
    let (id, label) = version_numbers(&world).await.remove(0);
    let run = prepared(&world, (id, &label), 900, None).await;
    let path = world.control.paths.prepare_log(&run.app, &run.version, run.effect, "stdout");
    let rotated = format!("{}.1", path.display());
    fs_err::write(rotated, "x".repeat(2 << 20)).unwrap();
    fs_err::write(&path, "the end\n").unwrap();
    let log: PrepareLog = world.client.get(route("1.0.0", "prepare-log")).await.unwrap();
    let output = &log.commands[0].stdout;
    assert!(output.cut && output.text.ends_with("xthe end\n"));
    assert_eq!(output.text.len(), 1 << 20);
}

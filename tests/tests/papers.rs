//! Papers of versions, read with the operator's command: settings, build, prepare and deployment log.

use api::deployment::{DeploymentDetail, Phase};
use api::prepare::{PrepareLog, PrepareOutcome};
use api::version::VersionDetail;
use testkit::client::Upload;
use testkit::wait::{LONG, wait_for};
use testkit::{TempHost, TestApp, sample};

const LANTERN: &str = "runtime = '/usr/lib/erlang'\nreplicas = 1\nwatch_window = '0 s'\n";

/// Writes to both outputs, and a line to a file each time that it is run.
fn setting_up(host: &TempHost) -> String {
    let file = host.path("prepared");
    let script = format!(
        "echo fonts for $BELLROCK_APP $BELLROCK_VERSION; echo old mirror >&2; echo once >> '{}'",
        file.display()
    );
    format!("{LANTERN}prepare_commands = [[\"/bin/sh\", \"-c\", \"{script}\"]]\n")
}

/// What a paper holds once it holds what is wanted: a log is written behind the command that it is of.
async fn paper(app: &TestApp<'_>, version: &str, which: &str, wanted: &str) -> String {
    let read = async || {
        let ran = app.host.bellrock(&["versions", &app.name, version, which]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout.contains(wanted).then_some(ran.stdout)
    };
    wait_for(format!("{which} of {version} has {wanted:?}"), LONG, read).await
}

async fn not_available(app: &TestApp<'_>, version: &str, which: &str) {
    let ran = app.host.bellrock(&["versions", &app.name, version, which]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (8, ""), "{ran:?}");
    assert!(ran.stderr.contains("not available"), "{ran:?}");
}

#[tokio::test]
async fn every_paper_of_a_version_is_read_and_lives_as_long_as_it() {
    let host = TempHost::start().await;
    let settings = setting_up(&host);
    let app = host.app("lantern", &settings);
    let mut upload = Upload::file(&sample("lantern-1").path);
    upload.build_log = Some("all steps went well\n".into());
    upload.meta = [("commit".to_owned(), "8a2f".to_owned())].into();
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    app.deploy("lantern-2", Phase::Committed).await;

    // The first version's own run.
    assert_eq!(paper(&app, "0.1.0", "--build-log", "").await, "all steps went well\n");
    let wrote = format!("fonts for {} 0.1.0\n", app.name);
    let log = paper(&app, "0.1.0", "--prepare-log", "old mirror").await;
    assert!(log.contains(&wrote) && log.contains(": done: "), "{log}");
    let log = paper(&app, "0.1.0", "--deployment-log", "prepare command").await;
    assert!(log.starts_with("deployment 1 of") && log.contains("committed v0.1.0"), "{log}");

    // The second one did not need a run: the first one's log, and whose it was.
    let log = paper(&app, "0.2.0", "--prepare-log", &wrote).await;
    assert!(log.contains("not run: it was run on this host before"), "{log}");
    assert!(log.contains(&format!("for {} 0.1.0, deployment 1", app.name)), "{log}");
    not_available(&app, "0.2.0", "--build-log").await;
    not_available(&app, "0.2.0", "--package-settings").await;
    let prepared = || fs_err::read_to_string(host.path("prepared")).unwrap();
    assert_eq!(prepared(), "once\n");

    // Settings as they were, ready to be said again.
    let text = paper(&app, "0.1.0", "--settings", "prepare_commands").await;
    let verdict = app.api.check_settings(&app.name, &text).await.unwrap();
    assert!(verdict.ok, "{verdict:?}\n{text}");
    let detail: VersionDetail = host.bellrock(&["--json", "versions", &app.name, "0.1.0"]).await.json();
    assert!(detail.papers.build_log && detail.papers.prepare_log && detail.papers.deployment_log);
    let deployments: Vec<u64> = detail.deployments.iter().map(|it| it.id).collect();
    assert_eq!(deployments, [2, 1]);
    let shown = host.bellrock(&["versions", &app.name, "0.1.0"]).await;
    for part in ["commit=8a2f", &detail.version.sha256, "not available  package settings", "replicas = 1"] {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }

    // The log outlives the version that it was written for, with those that it made a run needless for.
    app.api.delete(&app.name, "0.1.0").await.unwrap_err();
    app.deploy("lantern-3", Phase::Committed).await;
    app.api.delete(&app.name, "0.1.0").await.unwrap();
    let papers = host.path("var/lib/bellrock/papers").join(&app.name);
    app.wait_for("the first version's papers are gone", |_| !papers.join("0.1.0").exists()).await;
    for version in ["0.2.0", "0.3.0"] {
        paper(&app, version, "--prepare-log", &wrote).await;
    }
    app.deploy("lantern-4", Phase::Committed).await;
    paper(&app, "0.4.0", "--prepare-log", &wrote).await;
    assert_eq!(host.bellrock(&["versions", &app.name, "0.1.0", "--prepare-log"]).await.code, 3);
    assert_eq!(prepared(), "once\n", "with all of that");

    // Another app with the same command: that run, by the name of the app that it was for.
    let other = host.app("lantern", &settings);
    other.deploy("lantern-2", Phase::Committed).await;
    let log = paper(&other, "0.2.0", "--prepare-log", &wrote).await;
    assert!(log.contains(&format!("for {} 0.1.0, deployment 1", app.name)), "{log}");
}

#[tokio::test]
async fn a_prepare_command_that_fails_is_read_and_a_later_run_takes_its_place() {
    let host = TempHost::start().await;
    let flag = host.path("mirror");
    let script = format!("echo looking; test -e '{}' || {{ echo no mirror >&2; exit 3; }}", flag.display());
    let app =
        host.app("lantern", &format!("{LANTERN}prepare_commands = [[\"/bin/sh\", \"-c\", \"{script}\"]]\n"));
    app.deploy("lantern-1", Phase::Failed).await;
    let log = paper(&app, "0.1.0", "--prepare-log", "no mirror").await;
    assert!(log.contains("failed: ended with exit 3") && log.contains("looking"), "{log}");
    let log: DeploymentDetail =
        host.bellrock(&["--json", "versions", &app.name, "0.1.0", "--deployment-log"]).await.json();
    assert_eq!((log.deployment.id, log.deployment.phase), (1, Phase::Failed));

    fs_err::write(&flag, "").unwrap();
    app.api.clear_ghost(&app.name, "0.1.0").await.ok();
    app.deploy("lantern-1", Phase::Committed).await;
    let log: PrepareLog =
        host.bellrock(&["--json", "versions", &app.name, "0.1.0", "--prepare-log"]).await.json();
    let outcomes: Vec<PrepareOutcome> = log.commands.iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [PrepareOutcome::Done]);
    let folder = host.path("var/lib/bellrock/papers").join(&app.name).join("0.1.0/prepare");
    let stderr = fs_err::read_dir(folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with("-stderr.log"));
    assert_eq!(stderr.count(), 0, "the log of the run that failed has gone with it");
}

#[tokio::test]
async fn a_version_without_papers_says_so() {
    let host = TempHost::start().await;
    let app = host.app("lantern", LANTERN);
    app.deploy("lantern-1", Phase::Committed).await;
    for which in ["--build-log", "--prepare-log", "--package-settings"] {
        not_available(&app, "0.1.0", which).await;
    }
    let refused = host.bellrock(&["versions", &app.name, "9.9.9", "--build-log"]).await;
    assert_eq!(refused.code, 3, "there is no such version: {refused:?}");
    assert_eq!(host.bellrock(&["versions", &app.name, "--build-log"]).await.code, 2, "of which version?");
}

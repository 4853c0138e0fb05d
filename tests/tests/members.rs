//! Members of a cluster of data: one at a time, in the same node name and the same folder, the next when a check says so.

use std::path::PathBuf;

use api::deployment::{DeploymentDetail, Phase};
use testkit::app::log;
use testkit::client::Upload;
use testkit::steady::Steady;
use testkit::{TempHost, TestApp, sample, wait_for};

const PLACES: [u16; 3] = [1, 2, 3];

/// Longest that a step of a deployment may take.
const LONG: std::time::Duration = std::time::Duration::from_secs(300);

/// The check says yes while this file is there. The app's user may see it.
fn flag(host: &TempHost) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = host.path("shared");
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder.join("whole")
}

/// Every instance leaves the version that it begins with in its folder of data, and fails where `fails` is true.
fn settings(host: &TempHost, fails: &str) -> String {
    let check = format!(r#"rpc true = File.exists?("{}")"#, flag(host).display());
    let init = format!("echo $BELLROCK_VERSION >> $BELLROCK_DATA/versions; ! {fails}");
    format!(
        "replicas = 3\ntries = 1\nstrategy = 'member'\nmember.check = '{check}'\nmember.retry_period = '300 ms'\n\
         init_commands = [['/bin/sh', '-c', '{init}']]"
    )
}

/// Node names and folders of data, by place.
async fn identities(app: &TestApp<'_>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for place in PLACES {
        let node = app.page(place).await["node"].as_str().unwrap().to_owned();
        all.push((node, app.variable(place, "BELLROCK_DATA").await.unwrap()));
    }
    all
}

/// The versions that have begun in a place, as its folder of data has it.
async fn began(app: &TestApp<'_>, place: u16) -> Vec<String> {
    let folder = app.variable(place, "BELLROCK_DATA").await.unwrap();
    let text = fs_err::read_to_string(PathBuf::from(folder).join("versions")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// What happened to places, in order: `stopped 1`, `ready 1`, `yes 1`.
fn steps(detail: &DeploymentDetail) -> Vec<String> {
    let step = |text: &str| {
        let words: Vec<&str> = text.split([' ', ';', ':']).collect();
        match words.as_slice() {
            ["instance", place, what @ ("ready" | "stopped"), ..] => Some(format!("{what} {place}")),
            ["member", "check", ..] => {
                let (place, answer) = text.rsplit_once("of place ")?.1.split_once(": ")?;
                answer.starts_with("yes").then(|| format!("yes {place}"))
            }
            _ => None,
        }
    };
    detail.log.iter().filter_map(|event| step(&event.text)).collect()
}

/// The daemon is killed as soon as a deployment is seen in a phase, and started again.
async fn killed_in(app: &TestApp<'_>, id: u64, phase: Phase) {
    let seen = wait_for(format!("it is {}", phase.word()), LONG, async || {
        let now = app.api.deployment(id).await.ok()?.deployment.phase;
        (now == phase || now.is_over()).then_some(now)
    });
    assert_eq!(seen.await, phase);
    app.host.restart_daemon().await;
}

#[tokio::test]
async fn members_are_replaced_one_by_one_as_the_check_says_and_go_back_the_same_way() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &settings(&host, "false"));
    fs_err::write(flag(&host), "").unwrap();
    app.deploy("beacon-base", Phase::Committed).await;
    let (before, pids) = (identities(&app).await, app.pids().await);
    let steady = Steady::begin(&app, 3, 3);

    // There, with a check that says no at first and a daemon that is killed meanwhile.
    fs_err::remove_file(flag(&host)).unwrap();
    let id = app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap();
    for noes in [1, 3] {
        let asked = async || {
            let places = app.api.deployment(id).await.ok()?.deployment.places;
            let check = places[0].check.clone().filter(|check| check.noes >= noes)?;
            check.why.filter(|why| why.contains("exit 1"))
        };
        wait_for(format!("the check has said no {noes} times"), LONG, asked).await;
        host.restart_daemon().await;
    }
    assert_eq!(app.pids().await[1..], pids[1..], "nobody else is touched before it says yes");
    assert_eq!(app.page(1).await["version"], "1.1.0");
    fs_err::write(flag(&host), "").unwrap();
    let there = wait_for("it is over", LONG, async || {
        app.api.deployment(id).await.ok().filter(|detail| detail.deployment.phase.is_over())
    })
    .await;
    assert_eq!(there.deployment.phase, Phase::Committed, "{}", log(&there));
    assert_eq!(there.deployment.strategy, "member");
    let one_by_one = PLACES.map(|place| ["stopped", "ready", "yes"].map(|word| format!("{word} {place}")));
    assert_eq!(steps(&there), one_by_one.concat(), "{}", log(&there));
    assert_eq!(identities(&app).await, before);

    // A version that fails in the second place goes back, and the daemon is killed on the way.
    let upload = Upload::file(&sample("beacon-module-added").path)
        .settings(&settings(&host, "test $BELLROCK_PLACE$BELLROCK_VERSION = 21.2.0"));
    let id = app.api.deploy(&app.name, upload).await.unwrap().deployment.unwrap();
    killed_in(&app, id, Phase::RollingBack).await;
    let back = wait_for("it is over", LONG, async || {
        app.api.deployment(id).await.ok().filter(|detail| detail.deployment.phase.is_over())
    })
    .await;
    assert_eq!(back.deployment.phase, Phase::RolledBack, "{}", log(&back));
    let one_by_one = ["stopped 1", "ready 1", "yes 1", "stopped 2"];
    let and_back = ["ready 2", "yes 2", "stopped 1", "ready 1", "yes 1"];
    assert_eq!(steps(&back), [one_by_one.as_slice(), &and_back].concat(), "{}", log(&back));

    let seen = steady.end().await;
    assert_eq!(seen.fewest_places, 2, "{seen:?}");
    assert_eq!(seen.answers.keys().map(String::as_str).collect::<Vec<_>>(), ["1.0.0", "1.1.0", "1.2.0"]);
    assert_eq!(identities(&app).await, before);
    assert_eq!(began(&app, 1).await, ["1.0.0", "1.1.0", "1.2.0", "1.1.0"]);
    assert_eq!(began(&app, 2).await, ["1.0.0", "1.1.0", "1.2.0", "1.1.0"]);
    assert_eq!(began(&app, 3).await, ["1.0.0", "1.1.0"]);
}

//! A new version gets a share of the clients first: promoted, aborted, held, through real daemon, proxy and releases.
//!
//! The tests choose the version by the header, so that they decide how each version answers: `/slow` with a time that
//! does not exist ends in 500.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use api::app::App;
use api::deployment::{Canary, Phase};
use testkit::app::log;
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, TestApp, wait_for};
use tokio::task::JoinSet;

/// Requests to each version, one after another, of which so many of 1000 fail.
struct Traffic {
    per_mille: Arc<[AtomicU64; 2]>,
    answered: Arc<AtomicU64>,
    senders: JoinSet<()>,
}

const OLD: usize = 0;
const NEW: usize = 1;
const BOTH: [usize; 4] = [OLD, OLD, NEW, NEW];

impl Traffic {
    /// One sender for each of the sides.
    fn start(at: SocketAddr, sides: &[usize], per_mille: [u64; 2]) -> Self {
        let per_mille = Arc::new(per_mille.map(AtomicU64::new));
        let answered = Arc::new(AtomicU64::new(0));
        let mut senders = JoinSet::new();
        for side in sides {
            senders.spawn(send(at, *side, per_mille.clone(), answered.clone()));
        }
        Traffic { per_mille, answered, senders }
    }

    fn fail(&self, per_mille: [u64; 2]) {
        self.per_mille.iter().zip(per_mille).for_each(|(rate, new)| rate.store(new, Ordering::Relaxed));
    }

    /// Ends it; how many requests were answered, each as it was meant to be.
    async fn end(mut self) -> u64 {
        if let Some(ended) = self.senders.try_join_next() {
            ended.unwrap();
        }
        self.senders.shutdown().await;
        self.answered.load(Ordering::Relaxed)
    }
}

async fn send(at: SocketAddr, side: usize, per_mille: Arc<[AtomicU64; 2]>, answered: Arc<AtomicU64>) {
    let client = reqwest::Client::new();
    let version = ["never", "always"][side];
    for number in 0u64.. {
        let rate = per_mille[side].load(Ordering::Relaxed);
        // As evenly as they can be.
        let fails = number * rate % 1000 < rate;
        let path = if fails { "slow?ms=-5" } else { "" };
        let request = client.get(format!("http://{at}/{path}")).header("x-canary", version);
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status, if fails { 500 } else { 200 }, "no request is lost");
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

async fn host() -> TempHost {
    HostPlan { config: "[proxy]\ntrusted = ['127.0.0.0/8']".into(), ..HostPlan::default() }.start().await
}

/// Version 1.0.0 serves; what comes next has a canary.
async fn app<'a>(host: &'a TempHost, canary: &str) -> TestApp<'a> {
    let settings =
        format!("strategy = 'parallel'\nwatch_window = '1 s'\n[canary]\nheader = 'x-canary'\n{canary}");
    let app = host.app("beacon", &settings);
    app.deploy("beacon-base", Phase::Committed).await;
    app
}

fn canary(app: &App) -> Option<&Canary> {
    app.deployment.as_ref().filter(|it| it.phase == Phase::Canary)?.canary.as_ref()
}

fn held(app: &App) -> Option<&str> {
    Some(canary(app)?.held.as_ref()?.why.as_str())
}

/// The version that answers a client of this address.
async fn version_for(at: SocketAddr, address: &str) -> String {
    ask_as(&reqwest::Client::new(), at, address).await
}

async fn ask_as(client: &reqwest::Client, at: SocketAddr, address: &str) -> String {
    let request = client.get(format!("http://{at}/")).header("x-forwarded-for", address);
    let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    answer["version"].as_str().unwrap().to_owned()
}

/// Which of 200 clients get the new version.
async fn who_gets_new(at: SocketAddr) -> BTreeSet<u8> {
    let client = reqwest::Client::new();
    let mut chosen = BTreeSet::new();
    for number in 0..200 {
        if ask_as(&client, at, &format!("203.0.113.{number}")).await == "1.1.0" {
            chosen.insert(number);
        }
    }
    chosen
}

#[tokio::test]
async fn two_percent_of_errors_against_a_tenth_are_aborted_in_the_step() {
    let host = host().await;
    let app = app(&host, "steps = [25]\nstep_time = '1 h'").await;
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    app.wait_for("the canary", |app| canary(app).is_some()).await;
    let (traffic, began) = (Traffic::start(host.http(), &BOTH, [1, 20]), Instant::now());
    let detail = app.ends(granted, Phase::RolledBack).await;
    println!("aborted after {:.1} s", began.elapsed().as_secs_f64());
    assert!(traffic.end().await > 0);
    let reason = detail.deployment.reason.unwrap();
    assert!(reason.starts_with("canary: v1.1.0: it answers ") && reason.contains("5xx"), "{reason}");
    assert!(detail.deployment.ghosted);
    let counted = detail.deployment.canary.unwrap();
    assert_eq!((counted.step, counted.ended_at), (1, None));
    assert!(counted.new.errors >= 5 && counted.old.requests >= 100, "{counted:?}");
    assert_eq!(version_for(host.http(), "203.0.113.1").await, "1.0.0");
}

#[tokio::test]
async fn a_slow_version_is_aborted() {
    let host = host().await;
    let app = app(&host, "steps = [25]\nstep_time = '1 h'\nminimum_requests = 20").await;
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    app.wait_for("the canary", |app| canary(app).is_some()).await;
    let at = host.http();
    let quick = Traffic::start(at, &[OLD, OLD], [0, 0]);
    let mut slow = JoinSet::new();
    for _ in 0..10 {
        slow.spawn(async move {
            let client = reqwest::Client::new();
            loop {
                // So slow that no machine makes the others so.
                let request = client.get(format!("http://{at}/slow?ms=2500")).header("x-canary", "always");
                assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
            }
        });
    }
    let detail = app.ends(granted, Phase::RolledBack).await;
    slow.shutdown().await;
    assert!(quick.end().await > 0);
    let reason = detail.deployment.reason.unwrap();
    assert!(reason.contains("95 of 100 of its responses come within 5 s"), "{reason}");
}

#[tokio::test]
async fn an_equal_version_is_promoted_and_each_step_outlives_the_daemon() {
    let host = host().await;
    let app = app(&host, "steps = [10, 50]\nstep_time = '5 s'\nminimum_requests = 50").await;
    let traffic = Traffic::start(host.http(), &BOTH, [1, 1]);
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    let mut chosen = BTreeSet::new();
    for (step, fewest, most) in [(1, 6, 40), (2, 65, 135)] {
        app.wait_for("the step", |app| canary(app).is_some_and(|it| it.step == step)).await;
        host.kill_daemon();
        // Nobody moves on meanwhile.
        let now = who_gets_new(host.http()).await;
        assert!((fewest..=most).contains(&now.len()), "{} of 200 in step {step}", now.len());
        assert_eq!(who_gets_new(host.http()).await, now, "each client keeps its version");
        assert!(now.is_superset(&chosen), "who has it keeps it");
        chosen = now;
        host.start_daemon().await;
    }
    let detail = app.ends(granted, Phase::Committed).await;
    assert!(traffic.end().await > 0);
    let log: Vec<&str> = detail.log.iter().map(|it| it.text.as_str()).collect();
    assert!(log.iter().any(|line| line.starts_with("canary: step 2 was no worse")), "{log:#?}");
    assert_eq!(version_for(host.http(), "203.0.113.1").await, "1.1.0");
}

#[tokio::test]
async fn too_few_requests_are_held_and_then_a_person_decides() {
    let host = host().await;
    let app = app(&host, "steps = [50]\nstep_time = '1 s'\nhold_limit = '1 s'\nwhen_unsure = 'hold'").await;
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    for client in 0..5 {
        version_for(host.http(), &format!("203.0.113.{client}")).await;
    }
    app.wait_for("it is held", |app| held(app) == Some("too_few")).await;
    let id = granted.deployment.unwrap();
    wait_for("the limit passes and a person is called", LONG, async || {
        let detail = app.api.deployment(id).await.ok()?;
        detail.log.iter().any(|it| it.text.contains("bellrock promote")).then_some(())
    })
    .await;
    assert_eq!(held(&app.state().await), Some("too_few"), "it goes on being held");
    let ran = host.bellrock(&["promote", &app.name, "--wait=committed"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    app.ends(granted, Phase::Committed).await;
}

#[tokio::test]
async fn too_few_requests_are_promoted_after_the_limit_where_that_is_said() {
    let host = host().await;
    let app = app(&host, "steps = [50]\nstep_time = '1 s'\nhold_limit = '2 s'").await;
    let detail = app.deploy("beacon-module-changed", Phase::Committed).await;
    let log: Vec<&str> = detail.log.iter().map(|it| it.text.as_str()).collect();
    assert!(log.iter().any(|line| line.contains("promoted: undecided for 2.0 s")), "{log:#?}");
}

#[tokio::test]
async fn while_the_database_is_away_for_both_it_is_held_and_goes_on_when_it_is_back() {
    let host = host().await;
    let settings = "steps = [25]\nstep_time = '2 s'\nhold_limit = '4 s'\nminimum_requests = 50";
    let app = app(&host, settings).await;
    let traffic = Traffic::start(host.http(), &BOTH, [500, 500]);
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    app.wait_for("it is held", |app| held(app) == Some("both_bad")).await;
    // Longer than the limit, over several windows.
    let until = Instant::now() + Duration::from_secs(6);
    wait_for("some time passes", LONG, async || (Instant::now() > until).then_some(())).await;
    let state = app.state().await;
    let log = log(&app.api.deployment(granted.deployment.unwrap()).await.unwrap());
    assert!(held(&state).is_some(), "never promoted into an outage: {log}");
    traffic.fail([1, 1]);
    app.ends(granted, Phase::Committed).await;
    assert!(traffic.end().await > 0);
}

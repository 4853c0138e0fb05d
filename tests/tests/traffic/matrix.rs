//! No request is lost by any change, whatever the kind of app and the strategy, and whether or not the daemon is killed
//! in the middle of it.
//!
//! With `BELLROCK_TEST_ALL=1` each app is deployed twenty times back and forth instead of two, and makes its journey
//! twice: with a daemon that lives, and with one that is killed in every change.

use testkit::load::{Plan, Weights};
use testkit::{HostPlan, TempHost};

use super::journey::{Daemon, Journey};
use super::kinds::{AppKind, GLEAM, MIX, REBAR3};
use super::plan;

/// Whether all of it was asked for.
fn all() -> bool {
    std::env::var_os("BELLROCK_TEST_ALL").is_some_and(|value| value == "1")
}

/// Deployments back and forth.
fn rounds() -> u32 {
    if all() { 20 } else { 2 }
}

async fn journey(kind: &'static AppKind, strategy: &str, daemon: Daemon) {
    let host = TempHost::start().await;
    let mut journey = Journey::begin(&host, kind, strategy, daemon).await;
    for round in 0..rounds() {
        journey.deploys(round).await;
    }
    journey.activates().await;
    journey.rolls_back().await;
    journey.rolls_back_while_it_is_watched().await;
    journey.never_gets_ready().await;
    journey.misses_the_deadline().await;
    journey.fails_its_health_check().await;
    journey.crashes_while_it_is_watched().await;
    journey.scales_up_and_down().await;
    journey.restarts().await;
    let report = journey.end().await;
    println!("{} {strategy}, the daemon {daemon:?}\n{report}", kind.app);
}

/// The journey with the daemon in this state; the other one too, when all is asked for.
async fn journeys(kind: &'static AppKind, strategy: &str, daemon: Daemon) {
    journey(kind, strategy, daemon).await;
    if all() {
        let other = if daemon == Daemon::Stays { Daemon::IsKilled } else { Daemon::Stays };
        journey(kind, strategy, other).await;
    }
}

#[tokio::test]
async fn mix_parallel() {
    journeys(&MIX, "parallel", Daemon::IsKilled).await;
}

#[tokio::test]
async fn mix_rolling() {
    journeys(&MIX, "rolling", Daemon::Stays).await;
}

#[tokio::test]
async fn rebar3_parallel() {
    journeys(&REBAR3, "parallel", Daemon::Stays).await;
}

#[tokio::test]
async fn rebar3_rolling() {
    journeys(&REBAR3, "rolling", Daemon::IsKilled).await;
}

#[tokio::test]
async fn gleam_parallel() {
    journeys(&GLEAM, "parallel", Daemon::IsKilled).await;
}

#[tokio::test]
async fn gleam_rolling() {
    journeys(&GLEAM, "rolling", Daemon::Stays).await;
}

#[tokio::test]
async fn five_hundred_requests_a_second() {
    let host = HostPlan { alone: true, ..HostPlan::default() }.start().await;
    // unoptimised programs bear one message of 1 MB a second beside them
    let weights = Weights { keep_alive: 390, new_connection: 50, upload: 9, stream: 50, web_socket: 1 };
    let plan = Plan { rate: 500, weights, ..plan(&host, &MIX) };
    let mut journey = Journey::under(plan, &host, &MIX, "parallel", Daemon::Stays).await;
    for round in 0..rounds() {
        journey.deploys(round).await;
    }
    println!("{}", journey.end().await);
}

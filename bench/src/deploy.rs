//! A full deployment of three places, from staged to serving, beside three bare boots of the release at once; all the
//! time under a load through the proxy, of which every request is accounted for.

use std::time::Duration;

use anyhow::{Context, Result};
use api::deployment::{DeploymentDetail, Phase};
use api::event::Step;
use clap::Args;
use jiff::Timestamp;
use testkit::load::{Load, Plan, Report};
use testkit::{TempHost, sample};

use crate::figures::{Figures, tell};
use crate::release::{Bare, Release};

/// Places, and bare boots at once.
const PLACES: u16 = 3;

/// Two versions by turns.
const VERSIONS: [&str; 2] = ["beacon-module-changed", "beacon-base"];

/// Longest that the load may last.
const LOAD: Duration = Duration::from_secs(3_600);

#[derive(Args)]
pub struct Options {
    /// Rounds; each deploys once and boots three bare releases at once
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// How the instances are replaced
    #[arg(long, default_value = "parallel")]
    strategy: String,
    /// Requests a second through the proxy, of every kind
    #[arg(long, default_value_t = 100)]
    rate: u32,
}

#[derive(Default)]
struct Measured {
    boots: Figures,
    staging: Figures,
    serving: Figures,
    rest: Figures,
}

pub async fn run(options: &Options) -> Result<()> {
    let host = TempHost::start().await;
    let settings = format!("replicas = {PLACES}\nmax = 3\nstrategy = '{}'", options.strategy);
    let app = host.app("beacon", &settings);
    app.deploy("beacon-base", Phase::Committed).await;
    let first = host.ports(PLACES);
    let bare = (first..first + PLACES).map(|port| Release::unpack(sample("beacon-base"), port));
    let bare = bare.collect::<Result<Vec<_>>>()?;
    let plan = Plan { app: Some("beacon".to_owned()), ..Plan::new(host.http(), options.rate, LOAD) };
    let load = Load::start(plan)?;
    let mut measured = Measured::default();
    for round in 0..options.rounds {
        measured.boots.push(tokio::task::block_in_place(|| ms_to_boot_all(&bare))?);
        let version = VERSIONS[round as usize % VERSIONS.len()];
        let deployment = app.deploy(version, Phase::Committed).await;
        measured.enter(&deployment)?;
    }
    print(&measured, &load.end().await);
    Ok(())
}

/// Milliseconds from the first one's start until the last one serves.
fn ms_to_boot_all(releases: &[Release]) -> Result<f64> {
    let running = releases.iter().map(Release::start).collect::<Result<Vec<_>>>()?;
    let (first, others) = running.split_first().context("there are releases")?;
    others.iter().try_for_each(|bare| Bare::ms_until_serving(bare).map(drop))?;
    first.ms_until_serving()
}

impl Measured {
    fn enter(&mut self, deployment: &DeploymentDetail) -> Result<()> {
        let at = |step: Step| {
            let event = deployment.log.iter().find(|event| event.step == step);
            event.map(|event| event.at).with_context(|| format!("the deployment has no step {step:?}"))
        };
        let (begun, staged, serving) = (at(Step::Begun)?, at(Step::Staged)?, at(Step::Serving)?);
        let ended = deployment.log.last().map_or(serving, |event| event.at);
        let ms = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64() * 1000.0;
        self.staging.push(ms(begun, staged));
        self.serving.push(ms(staged, serving));
        self.rest.push(ms(serving, ended));
        Ok(())
    }
}

fn print(measured: &Measured, load: &Report) {
    let ratio = measured.serving.paired(&measured.boots, |one, other| one / other);
    tell("three bare boots at once, ms", &measured.boots);
    tell("staging, ms", &measured.staging);
    tell("staged to serving, ms", &measured.serving);
    tell("serving to the end, ms", &measured.rest);
    println!("{load}");
    println!("deploy: vs_boot={:.2} lost={}", ratio.median(), load.lost);
}

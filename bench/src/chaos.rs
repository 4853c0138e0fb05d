//! Deployments in a row under load, while daemon, proxy and app are killed at random moments: every request is
//! accounted for. Lost is what was not in flight inside a process that was killed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use api::app::{App, AppState};
use api::deployment::Phase;
use clap::Args;
use fastrand::Rng;
use rustix::process::Signal;
use testkit::load::{Crash, Crashed, Load, Plan, Report};
use testkit::{TempHost, TestApp, processes};
use tokio::time::sleep;

/// Places of the app.
const PLACES: u16 = 3;

/// Two versions by turns.
const VERSIONS: [&str; 2] = ["beacon-module-changed", "beacon-base"];

/// How the instances are replaced, by turns.
const STRATEGIES: [&str; 2] = ["parallel", "rolling"];

/// Longest that the load may last.
const LOAD: Duration = Duration::from_secs(3_600);

/// A deployment takes some seconds: the blows fall into them.
const LONGEST_PAUSE: Duration = Duration::from_millis(1_500);

/// What a killed process took along is seen within that.
const AFTERMATH: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct Options {
    /// Deployments
    #[arg(long, default_value_t = 100)]
    deployments: u32,
    /// Requests a second through the proxy, of every kind
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Who is killed and when follows from it; what it meets there does not
    #[arg(long)]
    seed: Option<u64>,
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Daemon,
    Proxy,
    App,
}

/// Kills, and remembers whom and when.
struct Killer<'a> {
    host: &'a TempHost,
    app: &'a TestApp<'a>,
    random: Rng,
    killed: BTreeMap<Victim, u32>,
    crashes: Vec<Crash>,
}

pub async fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let host = TempHost::start().await;
    let app = host.app("beacon", &settings(STRATEGIES[0]));
    app.deploy("beacon-base", Phase::Committed).await;
    let plan = Plan::new(host.http(), options.rate, LOAD);
    // While requests are held each of them has a connection to itself.
    let plan = Plan { kept_connections: 1_000, most_under_way: 2_000, ..plan };
    let load = Load::start(Plan { app: Some("beacon".to_owned()), sse_clients: 2, web_sockets: 2, ..plan })?;
    let mut killer = Killer {
        host: &host,
        app: &app,
        random: Rng::with_seed(seed),
        killed: BTreeMap::new(),
        crashes: Vec::new(),
    };
    for round in 0..options.deployments as usize {
        let strategy = STRATEGIES[round / VERSIONS.len() % STRATEGIES.len()];
        app.write_settings(&settings(strategy));
        let (granted, begun) = (app.try_deploy(VERSIONS[round % VERSIONS.len()]).await?, Instant::now());
        let victims = killer.strike_some().await?;
        app.ends(granted, Phase::Committed).await;
        app.wait_for("every place is ready, and nothing else is there", is_whole).await;
        println!(
            "{:>4} {strategy:<9} {:6.1} s  killed: {victims:?}",
            round + 1,
            begun.elapsed().as_secs_f64()
        );
    }
    tell(options.deployments, &killer.killed, &load.end().await.with_crashes(&killer.crashes))
}

fn settings(strategy: &str) -> String {
    format!("replicas = {PLACES}\nmax = 3\nstrategy = '{strategy}'")
}

fn is_whole(app: &App) -> bool {
    app.state == AppState::Ready && app.ready == PLACES && app.instances.len() == usize::from(PLACES)
}

impl Killer<'_> {
    /// Three blows at the most, and an app's process once: three exits of one would be a reason to roll back.
    async fn strike_some(&mut self) -> Result<Vec<Victim>> {
        let mut victims = vec![Victim::Daemon, Victim::Proxy, Victim::App];
        self.random.shuffle(&mut victims);
        victims.truncate(self.random.usize(1..=victims.len()));
        let mut struck = Vec::new();
        for victim in victims {
            sleep(LONGEST_PAUSE.mul_f64(self.random.f64())).await;
            if self.strike(victim).await? {
                *self.killed.entry(victim).or_default() += 1;
                struck.push(victim);
            }
        }
        Ok(struck)
    }

    /// Whether anybody was there to be killed.
    async fn strike(&mut self, victim: Victim) -> Result<bool> {
        match victim {
            Victim::Daemon => {
                self.host.restart_daemon().await;
                Ok(true)
            }
            Victim::Proxy => {
                let pid = self.host.client().routes().await?.proxy.pid;
                self.kill(pid, Crashed::Server)
            }
            Victim::App => {
                let instances = self.app.state().await.instances;
                let pids: Vec<u32> = instances.iter().filter_map(|instance| instance.pid).collect();
                let pid = self.random.choice(pids);
                self.kill(pid, Crashed::Instance)
            }
        }
    }

    fn kill(&mut self, pid: Option<u32>, who: Crashed) -> Result<bool> {
        let Some(pid) = pid else { return Ok(false) };
        let pid = i32::try_from(pid).context("a pid is positive")?;
        let at = SystemTime::now();
        let was_there = processes::signal(pid, self.host.root(), Signal::KILL);
        if was_there {
            self.crashes.push(Crash::about(who, at, AFTERMATH));
        }
        Ok(was_there)
    }
}

fn tell(deployments: u32, killed: &BTreeMap<Victim, u32>, load: &Report) -> Result<()> {
    println!("{load}");
    let count = |victim| killed.get(&victim).copied().unwrap_or(0);
    println!(
        "chaos: deployments={deployments} daemon_kills={} proxy_kills={} app_kills={} sent={} in_killed={} lost={}",
        count(Victim::Daemon),
        count(Victim::Proxy),
        count(Victim::App),
        load.sent,
        load.in_crashes,
        load.lost,
    );
    if load.lost > 0 {
        bail!("{} requests were lost", load.lost);
    }
    Ok(())
}

//! Memory at rest: daemon, proxy and shims of one app in one place and in three, before and after a flood of output,
//! and what runit and s6 hold for as many services.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api::deployment::Phase;
use clap::Args;
use testkit::{TempHost, TestApp, processes, sample};

use crate::figures::Figures;
use crate::release::Release;
use crate::resident::{Memory, mb};
use crate::rival::{Kind, Rival};
use crate::serving::{get, ms_until_serving};

/// Places of the app, and services of each rival.
const PLACES: u16 = 3;

/// Nothing happens for so long before memory at rest is read: longer than a round of health checks.
const REST: Duration = Duration::from_secs(6);

#[derive(Args)]
pub struct Options {
    /// MB of output that each instance writes in the flood
    #[arg(long, default_value_t = 100)]
    flood_mb: u32,
}

pub async fn run(options: &Options) -> Result<()> {
    let host = TempHost::start().await;
    rest().await;
    tell("daemon, no app", daemon(&host)?);
    let app = host.app("beacon", "replicas = 1\nmax = 3\nwatch_window = '0 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    rest().await;
    tell_each("shim, alone", &shims(&app)?);
    let granted = app.api.scale(&app.name, PLACES).await?;
    app.ends(granted, Phase::Committed).await;
    rest().await;
    let at_rest = shims(&app)?;
    tell_each("shim, each of three", &at_rest);
    let daemon_at_rest = daemon(&host)?;
    tell("daemon, three instances", daemon_at_rest);
    let proxy_at_rest = proxy(&host)?;
    tell_proxy("proxy, idle", proxy_at_rest);
    flood(&app, options.flood_mb).await?;
    rest().await;
    let flooded = shims(&app)?;
    tell_each("shim, each of three, after a flood", &flooded);
    tell("daemon, after the flood", daemon(&host)?);
    tell_proxy("proxy, after the flood", proxy(&host)?);
    rivals(&host)?;
    println!(
        "memory: daemon_mb={:.1} proxy_mb={} shim_pss_mb={:.3}",
        mb(daemon_at_rest.rss),
        proxy_at_rest.map_or_else(|| "none".to_owned(), |memory| format!("{:.1}", mb(memory.rss))),
        median_pss_mb(&at_rest).max(median_pss_mb(&flooded)),
    );
    Ok(())
}

async fn rest() {
    tokio::time::sleep(REST).await;
}

fn daemon(host: &TempHost) -> Result<Memory> {
    Memory::of(i32::try_from(host.daemon_pid())?)
}

/// The proxy of a host that has one.
fn proxy(host: &TempHost) -> Result<Option<Memory>> {
    let all = processes::below(host.root());
    let found = all.iter().find(|process| program(process) == Some("bellrock-proxy"));
    found.map(|process| Memory::of(process.pid)).transpose()
}

/// The shims of an app's instances.
fn shims(app: &TestApp<'_>) -> Result<Vec<Memory>> {
    let all = processes::below(app.host.root());
    let shims = all.iter().filter(|process| {
        program(process) == Some("bellrock-shim") && process.command_line.contains(&app.name)
    });
    let memories: Vec<Memory> = shims.map(|process| Memory::of(process.pid)).collect::<Result<_>>()?;
    memories.first().context("the app has no shim")?;
    Ok(memories)
}

/// The last part of a process's program.
fn program(process: &processes::Process) -> Option<&str> {
    process.command_line.split(' ').next()?.rsplit('/').next()
}

/// Every instance writes at once; returns when all is written and taken.
async fn flood(app: &TestApp<'_>, megabytes: u32) -> Result<()> {
    let ports: Vec<u16> = app.ready().await.iter().map(|instance| instance.port).collect();
    let floods = ports
        .into_iter()
        .map(|port| tokio::task::spawn_blocking(move || get(port, &format!("/flood?mb={megabytes}"))));
    let began = Instant::now();
    for flood in floods.collect::<Vec<_>>() {
        flood.await??;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("the flood: {PLACES} x {megabytes} MB in {seconds:.1} s");
    Ok(())
}

/// As many services under each rival, each with its logger.
fn rivals(host: &TempHost) -> Result<()> {
    for (name, kind) in
        [("runsv + svlogd, each of three", Kind::Runit), ("s6-supervise x 2 + s6-log, each", Kind::S6)]
    {
        let first = host.ports(PLACES);
        let started = (first..first + PLACES)
            .map(|port| Rival::start(kind, Release::unpack(sample("beacon-base"), port)?))
            .collect::<Result<Vec<_>>>()?;
        for rival in &started {
            ms_until_serving(rival.port(), Instant::now())?;
        }
        let memories: Vec<Memory> =
            started.iter().map(|rival| Memory::sum(&rival.own_processes())).collect::<Result<_>>()?;
        tell_each(name, &memories);
    }
    Ok(())
}

fn median_pss_mb(memories: &[Memory]) -> f64 {
    median(memories, |memory| memory.pss)
}

fn median(memories: &[Memory], part: impl Fn(&Memory) -> u64) -> f64 {
    let mut figures = Figures::default();
    memories.iter().for_each(|memory| figures.push(mb(part(memory))));
    figures.median()
}

fn tell(what: &str, memory: Memory) {
    println!("{what:<38} rss {:7.3} MB   pss {:7.3} MB", mb(memory.rss), mb(memory.pss));
}

fn tell_each(what: &str, memories: &[Memory]) {
    let rss = median(memories, |memory| memory.rss);
    println!(
        "{what:<38} rss {rss:7.3} MB   pss {:7.3} MB   (median of {})",
        median_pss_mb(memories),
        memories.len()
    );
}

fn tell_proxy(what: &str, memory: Option<Memory>) {
    match memory {
        Some(memory) => tell(what, memory),
        None => println!("{what:<38} this host has none"),
    }
}

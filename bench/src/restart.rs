//! Crash to serving again: Bellrock, runit and s6 restart the same release, beside its bare boot. Asked at the
//! instance's own port, so that no proxy has a part in it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api::deployment::Phase;
use clap::Args;
use testkit::{TempHost, TestApp, sample};

use crate::figures::{Figures, tell};
use crate::release::Release;
use crate::rival::{Kind, Rival};
use crate::serving::{Restart, ms_from_crash, ms_until_serving};

/// runsv and s6-supervise wait for a second before they restart what ran for less.
const RIVALS_WAIT: Duration = Duration::from_millis(1_200);

/// Between two measurements: what the one before began goes on a little after it serves.
const REST: Duration = Duration::from_millis(300);

#[derive(Args)]
pub struct Options {
    /// Rounds; each crashes the release once under every supervisor, and boots it once by itself
    #[arg(long, default_value_t = 24)]
    rounds: u32,
    /// The release, by its name in samples.json
    #[arg(long, default_value = "beacon-base")]
    sample: String,
}

/// What is measured in a round.
struct Scene<'h> {
    app: TestApp<'h>,
    bare: Release,
    runit: Rival,
    s6: Rival,
}

#[derive(Default)]
struct Measured {
    boot: Figures,
    bellrock: Restarts,
    runit: Restarts,
    s6: Restarts,
}

/// One supervisor's restarts.
#[derive(Default)]
struct Restarts {
    /// From the crash until the old process has ended, ms.
    ended: Figures,
    /// From the crash until the next run's process is there, ms.
    started: Figures,
    /// From the crash until it serves, ms.
    serving: Figures,
}

impl Restarts {
    fn push(&mut self, restart: Restart) {
        self.ended.push(restart.ended_ms);
        self.started.push(restart.started_ms);
        self.serving.push(restart.serving_ms);
    }
}

pub async fn run(options: &Options) -> Result<()> {
    let host = TempHost::start().await;
    let scene = set_up(&host, &options.sample).await?;
    let mut measured = Measured::default();
    for round in 0..options.rounds {
        let port = scene.freshen().await?;
        for turn in order(round) {
            tokio::task::block_in_place(|| scene.measure(turn, port, &mut measured))?;
            tokio::time::sleep(REST).await;
        }
    }
    print(&measured);
    Ok(())
}

/// Four turns in another order each round, all 24 orders before one comes again: what was measured before has an
/// influence, and none shall have always the same one.
fn order(round: u32) -> [u32; 4] {
    // 7 shares no divisor with 24, so that neighbouring rounds are not alike.
    let mut number = round * 7 % 24;
    let mut left = vec![0, 1, 2, 3];
    [6, 2, 1, 1].map(|orders| {
        let next = left.remove((number / orders) as usize % left.len());
        number %= orders;
        next
    })
}

async fn set_up<'h>(host: &'h TempHost, name: &str) -> Result<Scene<'h>> {
    let release = sample(name);
    let app = host.app(&release.app, "replicas = 1\nwatch_window = '0 s'");
    app.deploy(name, Phase::Committed).await;
    let ports = host.ports(3);
    let unpack = |port| Release::unpack(release, port);
    let runit = Rival::start(Kind::Runit, unpack(ports)?)?;
    let s6 = Rival::start(Kind::S6, unpack(ports + 1)?)?;
    for rival in [&runit, &s6] {
        ms_until_serving(rival.port(), Instant::now())?;
    }
    Ok(Scene { app, bare: unpack(ports + 2)?, runit, s6 })
}

impl Scene<'_> {
    /// A restart that was asked for: the next crash is a first one again and not backed off. It also gives the
    /// rivals' services the second of uptime below which they would wait. Returns the instance's port.
    async fn freshen(&self) -> Result<u16> {
        let granted = self.app.api.restart(&self.app.name, Some(1)).await?;
        self.app.ends(granted, Phase::Committed).await;
        tokio::time::sleep(RIVALS_WAIT).await;
        Ok(self.app.instance(1).await.port)
    }

    fn measure(&self, turn: u32, port: u16, measured: &mut Measured) -> Result<()> {
        match turn {
            0 => measured.boot.push(self.bare.ms_to_boot().context("bare boot")?),
            1 => measured.bellrock.push(ms_from_crash(port).context("bellrock")?),
            2 => measured.runit.push(ms_from_crash(self.runit.port()).context("runit")?),
            _ => measured.s6.push(ms_from_crash(self.s6.port()).context("s6")?),
        }
        Ok(())
    }
}

fn print(measured: &Measured) {
    let Measured { boot, bellrock, runit, s6 } = measured;
    let over = |restarts: &Restarts| restarts.serving.paired(boot, |one, other| one - other);
    let ratio = bellrock.serving.paired(&runit.serving, |one, other| one / other);
    tell("bare boot, ms", boot);
    for (name, restarts) in [("bellrock", bellrock), ("runit", runit), ("s6", s6)] {
        tell(&format!("{name}: crash to its end, ms"), &restarts.ended);
        tell(&format!("{name}: crash to new process, ms"), &restarts.started);
        tell(&format!("{name}: crash to serving, ms"), &restarts.serving);
        tell(&format!("{name}: over the bare boot, ms"), &over(restarts));
    }
    println!("restart: over_boot_ms={:.1} vs_runit={:.3}", over(bellrock).median(), ratio.median());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_once_in_24_rounds() {
        let orders: std::collections::BTreeSet<[u32; 4]> = (0..24).map(order).collect();
        assert_eq!(orders.len(), 24);
        assert!(orders.iter().all(|order| (0..4).all(|turn| order.contains(&turn))));
    }
}

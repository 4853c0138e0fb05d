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
use crate::serving::{ms_from_crash, ms_until_serving};

/// runsv and s6-supervise wait for a second before they restart what ran for less.
const RIVALS_WAIT: Duration = Duration::from_millis(1_200);

#[derive(Args)]
pub struct Options {
    /// Rounds; each crashes the release once under every supervisor, and boots it once by itself
    #[arg(long, default_value_t = 20)]
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
    bellrock: Figures,
    runit: Figures,
    s6: Figures,
}

pub async fn run(options: &Options) -> Result<()> {
    let host = TempHost::start().await;
    let scene = set_up(&host, &options.sample).await?;
    let mut measured = Measured::default();
    for round in 0..options.rounds {
        let port = scene.freshen().await?;
        // Each comes first as often as last, for the one before leaves a warmer machine.
        for turn in 0..4 {
            tokio::task::block_in_place(|| scene.measure((round + turn) % 4, port, &mut measured))?;
        }
    }
    print(&measured);
    Ok(())
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
    let over = bellrock.paired(boot, |one, other| one - other);
    let ratio = bellrock.paired(runit, |one, other| one / other);
    tell("bare boot, ms", boot);
    tell("bellrock, crash to serving, ms", bellrock);
    tell("runit, crash to serving, ms", runit);
    tell("s6, crash to serving, ms", s6);
    tell("bellrock over the bare boot, ms", &over);
    tell("runit over the bare boot, ms", &runit.paired(boot, |one, other| one - other));
    tell("s6 over the bare boot, ms", &s6.paired(boot, |one, other| one - other));
    println!("restart: over_boot_ms={:.1} vs_runit={:.3}", over.median(), ratio.median());
}

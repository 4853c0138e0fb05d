//! A module of a real release changes: hot, and as a full deployment by a real daemon.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use api::deployment::{DeploymentDetail, Phase};
use api::event::Step;
use host::lowering::{Told, Version, lower};
use hot::{Installer, Outcome};
use package::tree::{Unpacked, remove_tree};
use probe::Probe;
use testkit::nodes::{SOON, World, up};
use testkit::{TempHost, sample};
use upgrade::plan::{Direction, Verdict};
use upgrade::policy::Policy;

use super::planning::installed;
use crate::figures::{Figures, tell};
use crate::serving::ms;

/// Two versions by turns.
const VERSIONS: [&str; 2] = ["beacon-module-changed", "beacon-base"];

/// Hot beside full, as the median ratio.
pub(super) async fn run(rounds: u32) -> Result<f64> {
    let hot = Hot::start().await?;
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy(VERSIONS[1], Phase::Committed).await;
    let (mut upgrades, mut deployments) = (Figures::default(), Figures::default());
    for (round, version) in (0..rounds).zip(VERSIONS.into_iter().cycle()) {
        deployments.push(ms_until_serving(&app.deploy(version, Phase::Committed).await)?);
        upgrades.push(hot.becomes(round).await?);
    }
    tell("a full deployment until it serves, ms", &deployments);
    tell("the same hot, plan and install, ms", &upgrades);
    Ok(upgrades.paired(&deployments, |hot, full| hot / full).median())
}

/// From its begin until the new version serves.
fn ms_until_serving(deployment: &DeploymentDetail) -> Result<f64> {
    let at = |step: Step| {
        let event = deployment.log.iter().find(|event| event.step == step);
        event.map(|event| event.at).with_context(|| format!("the deployment has no step {step:?}"))
    };
    Ok(at(Step::Serving)?.duration_since(at(Step::Begun)?).as_secs_f64() * 1000.0)
}

/// The release without a daemon, and who installs in it.
struct Hot {
    installer: Installer,
    /// Those of [`VERSIONS`].
    versions: [Unpacked; 2],
    _running: testkit::nodes::Running,
    _world: World,
}

impl Hot {
    async fn start() -> Result<Self> {
        let world = World::new().await;
        let unpacked = |name: &str| installed(&sample(name).path, &world.folder().join(name));
        let versions = [unpacked(VERSIONS[0])?, unpacked(VERSIONS[1])?];
        let port = testkit::nodes::free_port().to_string();
        let tmp = world.folder().to_str().context("a name that is no text")?;
        let variables = [("PORT", port.as_str()), ("RELEASE_TMP", tmp)];
        let running = world.release(&versions[1].tree().join("bin/beacon"), "start", "beacon", &variables);
        let node = world.open(world.target("beacon"));
        up(&node).await;
        crate::serving::ms_until_serving(port.parse()?, Instant::now())?;
        Ok(Self { installer: Installer::new(Probe::new(node)), versions, _running: running, _world: world })
    }

    /// All of it: inventories, plan, what the node is told, a look at the node, the install.
    async fn becomes(&self, round: u32) -> Result<f64> {
        let way = if round.is_multiple_of(2) { Direction::Up } else { Direction::Down };
        let [changed, base] = &self.versions;
        let (old, new) = if way == Direction::Up { (base, changed) } else { (changed, base) };
        let began = Instant::now();
        let (from, to) = (package::inventory::open(old)?, package::inventory::open(new)?);
        let plan = upgrade::plan(&from, &to, &Policy { way, ..Policy::default() });
        if plan.verdict == Verdict::Full {
            bail!("the plan is not hot: {:?}", plan.findings);
        }
        let id = format!("round {round}");
        let (root, next) = (old.tree(), new.tree());
        let (old, new) = (Version { release: &from, root: &root }, Version { release: &to, root: &next });
        let instructions = lower(&id, &plan, old, new, &Told::default())?;
        let preflight = self.installer.preflight(&instructions, SOON).await?;
        self.installer.begin(&instructions, SOON).await?;
        let outcome = self.installer.wait(&id, SOON).await?.outcome;
        let took = ms(began.elapsed());
        self.installer.acknowledge(&id, SOON).await?;
        match outcome {
            Some(Outcome::Installed(done)) if done.failure.is_none() && preflight.in_the_way.is_empty() => {
                Ok(took)
            }
            other => bail!("our install: {other:?}"),
        }
    }
}

impl Drop for Hot {
    fn drop(&mut self) {
        // they are read-only, which the folder's own end would trip over
        for error in self.versions.iter().filter_map(|version| remove_tree(&version.path).err()) {
            eprintln!("{error}");
        }
    }
}

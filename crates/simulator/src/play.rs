//! Plays a scenario from its beginning to rest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use engine::fault_points::FaultPoint;
use model::app::App;
use model::{DeploymentId, InstanceId};

use crate::journal::Disk;
use crate::life::{End, live};
use crate::scenario::Scenario;
use crate::shared::Shared;
use crate::world::{World, after};

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was seen that must never be.
    pub broken: Option<String>,
    /// Turns of the engine.
    pub turns: u64,
    /// Those at which clients were promised that instances are ready.
    pub promised: u64,
    /// Restarts by a watchdog of what stayed unhealthy.
    pub restarts: u64,
    /// Lives of the daemon.
    pub lives: u64,
    /// Time that passed in the simulation.
    pub passed: Duration,
    /// How deployments ended, by word.
    pub ended: BTreeMap<DeploymentId, &'static str>,
    /// The fault points that were reached, in order.
    pub reached: Vec<FaultPoint>,
    /// The app at the end.
    pub app: Arc<App>,
    /// What happened, where it was asked for.
    pub trace: Vec<String>,
}

/// Plays a scenario; with a trace of what happens, or quickly.
pub fn run(scenario: &Scenario, traced: bool) -> Report {
    let mut world = World::new(scenario.versions);
    world.trace = traced.then(Vec::new);
    let shared = Arc::new(Shared::new(world));
    shared.plan().at = scenario.at.clone();
    let disk = Disk::new(scenario.storage).expect("a folder in memory or for temporary files can be made");
    let mut disturbances: VecDeque<_> = scenario.disturbances.iter().cloned().collect();
    let mut play = || loop {
        let end = live(&shared, &disk, scenario.mistake, &mut disturbances);
        match end {
            End::Died(away) => {
                let mut world = shared.world();
                let until = after(world.now, away);
                world.note(|_| "== the daemon is dead".into());
                world.go_on(until);
            }
            End::Rests | End::Broken => return end,
        }
    };
    let knows_all = |app: &App| app.places.values().all(|state| state.unknown.is_none());
    if play() == End::Rests && knows_all(&shared.world().durable) {
        let before = running(&shared.world());
        play();
        if running(&shared.world()) != before {
            shared.world().breaks("a daemon that is started again when all is well changes something");
        }
    }
    report(&shared)
}

/// What runs: each instance with the number of its run.
fn running(world: &World) -> Vec<(InstanceId, u32)> {
    world.shims.iter().filter(|(_, shim)| shim.runs()).map(|(id, shim)| (*id, shim.run)).collect()
}

fn report(shared: &Shared) -> Report {
    let (mut world, witness) = (shared.world(), shared.witness());
    Report {
        broken: world.broken.take(),
        turns: witness.turns,
        promised: witness.promised,
        restarts: witness.restarts,
        lives: world.life,
        passed: world.age(),
        ended: witness.ended.iter().copied().collect(),
        reached: std::mem::take(&mut shared.plan().reached),
        app: world.durable.clone(),
        trace: world.trace.take().unwrap_or_default(),
    }
}

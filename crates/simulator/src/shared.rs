//! What the parts of a simulation share: the host, and how they wake each other.

use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::gremlin::Plan;
use crate::witness::Witness;
use crate::world::World;

/// The host and those who watch it.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) plan: Mutex<Plan>,
    pub(crate) witness: Mutex<Witness>,
    /// Something of the host has changed.
    pub(crate) changed: Notify,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Shared {
            world: Mutex::new(world),
            plan: Mutex::default(),
            witness: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The host as it is.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nobody panics while holding it")
    }

    /// The host at a time.
    pub(crate) fn world_at(&self, now: Timestamp) -> MutexGuard<'_, World> {
        let mut world = self.world();
        world.go_on(now);
        // Whoever asks will change it.
        self.changed.notify_one();
        world
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().expect("nobody panics while holding it")
    }
}

//! Hot upgrades of instances that run: planned, done in their nodes, undone, and settled.
//!
//! ```text
//! packages ─▶ upgrade::plan ─┐
//! Evaluator: VMs of both ────┼─▶ weighed ─▶ Plan, hot::Instructions ─▶ look: preflight of the node
//! settings of both ──────────┘                                   └──▶ install: begin, follow ─▶ Upgraded ─▶ settle
//! ```
//!
//! A plan is weighed with everything that would be in the way of doing it: what no node can be told is a finding, so that
//! nobody is promised a hot upgrade that is refused later. Each function may be called again with the same id: what was
//! begun is followed, what is over is told. Until an instance is settled nothing on disk says that it is another version:
//! the next start of its shim is one of the old one.

mod allowed;
mod effects;
mod installation;
mod look;
mod roots;
mod settings;
mod settlement;
mod side;
mod told;
mod upgraded;
mod weighed;

use std::sync::Arc;
use std::time::Duration;

use model::app::Target;
use package::inventory::InventoryError;
use package::tree::InstanceError;
use tokio::task::JoinError;
use upgrade::policy::Policy;

use crate::configuration::Evaluator;
use crate::instances::{Instances, LaunchError};
use crate::nodes::Nodes;
use crate::shim::ShimError;
use crate::site::{Site, SiteError};

pub use allowed::allowed;
pub(crate) use allowed::{direction, policy};
pub use look::{Looked, look_at};
pub use upgraded::{Undo, Upgraded};

/// Plans hot upgrades. It needs no shims of instances, and changes nothing. A cheap copy leads to the same one.
#[derive(Clone)]
pub struct HotPlans {
    site: Arc<Site>,
    nodes: Nodes,
    evaluator: Evaluator,
}

/// Does hot upgrades.
pub struct HotUpgrades<T> {
    plans: HotPlans,
    instances: Arc<Instances<T>>,
}

/// A hot upgrade that is wanted.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Names it, in the node too: whoever comes again with the same is told of the same upgrade. At most 255 bytes.
    pub id: String,
    /// What the instance shall become; for an undo, what it was made to become.
    pub to: Target,
    /// What is allowed.
    pub policy: Policy,
    /// How long all of it may take. What is under way in the node then goes on by itself, and can be asked for again.
    pub within: Duration,
}

/// Why a hot upgrade could not be planned or settled.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// A version is not there as it should be.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// It cannot be read.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A tree of it could not be made.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A tree to evaluate its configuration in could not be made.
    #[error("could not lay out a tree to evaluate its configuration in")]
    Tree(#[from] InstanceError),
    /// Its process ended meanwhile.
    #[error("its process ended meanwhile, and was started as the version before")]
    StartedAnew,
    /// The instance's shim could not be told.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// A worker panicked.
    #[error("a worker ended unexpectedly")]
    Worker(#[from] JoinError),
}

impl HotPlans {
    /// Plans for the instances of this host.
    pub fn new(site: Arc<Site>, nodes: Nodes, evaluator: Evaluator) -> Self {
        HotPlans { site, nodes, evaluator }
    }
}

impl<T> HotUpgrades<T> {
    /// For these instances.
    pub fn new(instances: Arc<Instances<T>>, evaluator: Evaluator) -> Self {
        let plans = HotPlans::new(instances.site.clone(), instances.nodes.clone(), evaluator);
        HotUpgrades { plans, instances }
    }

    /// Plans them.
    pub fn plans(&self) -> &HotPlans {
        &self.plans
    }
}

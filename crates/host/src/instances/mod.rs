//! Instances under their shims: launched, followed, stopped, and found again after a start of the daemon.
//!
//! Each living shim has one pump: a task that turns what the shim tells into events, waits until they are durable
//! and acknowledges them. A fact is therefore told at least once and, by its number, counted once.

mod adopt;
mod facts;
mod launch;
mod pump;
mod renewal;
mod stop;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::settings::Resources;
use model::{AppName, InstanceId, Place};
use tokio::sync::watch;
use wire::shim::Exited;

use crate::nodes::Nodes;
use crate::shim::{Handle, ShimHost, ShimId};
use crate::site::Site;
use crate::tell::Tell;

pub use adopt::Adopted;
pub(crate) use facts::exit_how;
pub use launch::LaunchError;
pub(crate) use launch::MOST_DUMP_BYTES;
pub(crate) use launch::{log_file, process};

/// How long a shim may take to answer when it is looked for.
const ANSWER: Duration = Duration::from_secs(10);

/// How long the clean-up after a dead shim may take.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// All instances of this host.
pub struct Instances<T> {
    pub(crate) shims: ShimHost,
    pub(crate) site: Arc<Site>,
    pub(crate) cgroups: Option<PathBuf>,
    tell: Arc<T>,
    pub(crate) nodes: Nodes,
    living: Mutex<HashMap<ShimId, Living>>,
}

/// A shim that lives, as far as we know.
#[derive(Clone)]
struct Living {
    handle: Handle,
    /// The orderly end of its app, once it was told.
    ended: watch::Receiver<Option<Exited>>,
}

/// Which instance of which app.
#[derive(Debug, Clone)]
pub(crate) struct Which {
    pub(crate) app: AppName,
    pub(crate) place: Place,
    pub(crate) instance: InstanceId,
}

impl Which {
    /// The id of its shim, e.g. `beacon-1-i42`.
    pub(crate) fn shim_id(&self) -> ShimId {
        ShimId::new(format!("{}-{}-{}", self.app, self.place, self.instance))
            .expect("an app's name is short and plain")
    }

    /// Reads a shim's id; `None` for a shim that runs something else.
    pub(crate) fn of_shim(id: &ShimId) -> Option<Which> {
        let mut parts = id.as_str().rsplitn(3, '-');
        let instance = InstanceId(parts.next()?.strip_prefix('i')?.parse().ok()?);
        let place = Place(parts.next()?.parse().ok()?);
        let app = parts.next()?.parse().ok()?;
        Some(Which { app, place, instance })
    }
}

impl<T: Tell> Instances<T> {
    /// None yet; [`Instances::adopt`] finds those of an earlier daemon.
    pub fn new(shims: ShimHost, site: Arc<Site>, tell: Arc<T>, nodes: Nodes) -> Self {
        let cgroups = crate::cgroup::parent(site.paths.root());
        Instances { shims, site, cgroups, tell, nodes, living: Mutex::default() }
    }

    /// Why the limits that settings name do not hold for new instances, if they do not; it sees to it that they do.
    pub(crate) fn limits_lack(&self, resources: &Resources) -> Option<String> {
        if !resources.is_limited() {
            return None;
        }
        let Some(parent) = &self.cgroups else {
            return Some("instances get no cgroup here (see bellrock doctor)".to_owned());
        };
        crate::cgroup::enable_limits(parent).err().map(|error| crate::chain(&error))
    }

    fn living(&self, id: &ShimId) -> Option<Living> {
        self.living.lock().expect("nobody panics while holding it").get(id).cloned()
    }

    /// What comes from the shim after this is no news; false when that was said before.
    fn forget_living(&self, id: &ShimId) -> bool {
        self.living.lock().expect("nobody panics while holding it").remove(id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shims_id_names_its_instance() {
        let which = Which { app: "my-app-2".parse().unwrap(), place: Place(3), instance: InstanceId(42) };
        assert_eq!(which.shim_id().as_str(), "my-app-2-3-i42");
        let read = Which::of_shim(&which.shim_id()).unwrap();
        assert_eq!((read.app.as_str(), read.place, read.instance), ("my-app-2", Place(3), InstanceId(42)));
        assert!(Which::of_shim(&ShimId::new("run-beacon-e7".to_owned()).unwrap()).is_none());
    }
}

//! What the nodes of an app have, asked of all of them at once, for whoever judges by it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use host::nodes::Nodes;
use model::AppName;
use model::app::Instance;
use model::watchdog::Run;
use probe::{Probe, Sample, SamplePlan};
use tracing::debug;

/// How long a node may take to say what it has.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks the nodes of one app; what is prepared for that is kept from one time to the next.
pub struct NodeSamples {
    nodes: Nodes,
    probes: BTreeMap<Run, Probe>,
}

impl NodeSamples {
    /// Of an app whose nodes are reached by these links.
    pub fn new(nodes: Nodes) -> Self {
        NodeSamples { nodes, probes: BTreeMap::new() }
    }

    /// Samples of the nodes of these instances, without those that do not answer in time. Of no processes but those with the
    /// longest mailboxes, where these are wanted.
    pub async fn take(
        &mut self,
        app: &AppName,
        instances: &[&Instance],
        mailboxes: u16,
    ) -> BTreeMap<Run, Sample> {
        self.probes.retain(|run, _| instances.iter().any(|it| (it.id, it.run) == *run));
        for it in instances {
            if let Some(node) = self.nodes.get(app, it.id) {
                self.probes.entry((it.id, it.run)).or_insert_with(|| Probe::new(node));
            }
        }
        let plan = SamplePlan { mailboxes, nodes: 0, window: Duration::ZERO, looking: ANSWER / 2 };
        let asked = self.probes.iter().map(async |(run, probe)| match probe.sample(&plan, ANSWER).await {
            Ok(sample) => Some((*run, sample)),
            Err(error) => {
                debug!(%app, instance = %run.0, %error, "its node does not say what it has");
                None
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Nobody asks for a while.
    pub fn rest(&mut self) {
        self.probes.clear();
    }
}

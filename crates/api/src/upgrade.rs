//! Hot upgrades of what runs, planned.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use upgrade::finding::Code;
use upgrade::plan::Plan;
use upgrade::policy::{Accepted, Mode, Override, Policy};

/// What is asked about an upgrade to a registered version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanUpgrade {
    /// Only of the instance in this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// When an upgrade may be hot: `never`, `package` or `auto`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub upgrade: Mode,
    /// Findings of care that are accepted, by code; all when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub accept: Option<BTreeSet<Code>>,
    /// Findings in spite of which it goes on, by code.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub force: BTreeSet<Code>,
    /// What is done about modules: `load`, `convert` or `restart`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub modules: BTreeMap<String, Override>,
    /// Applications that may be stopped and started within the running instance.
    #[serde(default)]
    pub restart: BTreeSet<String>,
    /// Applications whose appups are ignored.
    #[serde(default)]
    pub ignore_appups: BTreeSet<String>,
}

impl PlanUpgrade {
    /// What is allowed, beside what the settings allow.
    pub fn over(&self, settings: Policy) -> Policy {
        let mut policy = Policy { mode: self.upgrade, forced: self.force.clone(), ..settings };
        if let Some(codes) = &self.accept {
            policy.accepted = Accepted::Only(codes.clone());
        }
        policy.overrides.extend(self.modules.clone());
        policy.restarted.extend(self.restart.clone());
        policy.ignored_appups.extend(self.ignore_appups.clone());
        policy
    }
}

/// What a hot upgrade to a version would be, for every instance that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpgradePlans {
    /// The app.
    pub app: String,
    /// The version that would be installed.
    pub version: String,
    /// The instances that run, by place.
    pub instances: Vec<InstancePlan>,
}

/// What a hot upgrade of an instance would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstancePlan {
    /// Its number.
    pub instance: u64,
    /// Its place.
    pub place: u16,
    /// The version that it runs.
    pub version: String,
    /// What was seen in its node; none when that was not asked.
    pub seen: Option<NodeSeen>,
    /// Why its node was not asked, or gave no answer.
    pub why_not: Option<String>,
    /// The plan, with what was found in its node: as `bellrock upgrade check --json` prints it.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub plan: Plan,
}

/// What an upgrade would touch in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeSeen {
    /// The node's name.
    pub node: String,
    /// How many processes would stand still.
    pub suspended: u64,
    /// How many of them would convert their states.
    pub converted: u64,
    /// The memory of those, bytes.
    pub converted_bytes: u64,
    /// About how long processes would stand still, µs.
    pub estimated_pause_us: u64,
}

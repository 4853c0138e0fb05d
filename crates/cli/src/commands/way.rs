//! By which way instances shall get another version: options that several commands share.

use std::collections::BTreeSet;

use api::way::Way;
use upgrade::finding::Code;

/// Hot or full.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Ways {
    /// Upgrade the running instances hot, or do nothing.
    #[arg(long, conflicts_with_all = ["full", "auto"])]
    hot: bool,

    /// Start fresh instances, whatever the settings say about hot upgrades.
    #[arg(long, conflicts_with = "auto")]
    full: bool,

    /// Upgrade the running instances hot where that is safe, else start fresh ones, whatever the settings say.
    #[arg(long)]
    auto: bool,

    /// Go on in spite of a finding that speaks against a hot upgrade, by its code; may be given several times.
    #[arg(long, value_name = "CODE", conflicts_with = "full")]
    force: Vec<Code>,
}

impl Ways {
    /// What was chosen; `None`: as the settings say.
    pub(super) fn way(&self) -> Option<Way> {
        match self {
            Ways { hot: true, .. } => Some(Way::Hot),
            Ways { full: true, .. } => Some(Way::Full),
            Ways { auto: true, .. } => Some(Way::Auto),
            _ => None,
        }
    }

    /// Findings that shall not matter.
    pub(super) fn force(&self) -> BTreeSet<Code> {
        self.force.iter().copied().collect()
    }
}

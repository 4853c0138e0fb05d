//! Versions whose files stand in for one another's: a page of the version before asks the new one for a script that
//! only the old one has, and while both serve, the other way round.
//!
//! A version counts from its first instance that the proxy knows on, and for `assets.keep` after the last one.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::turn::Turn;
use crate::names::{VersionId, VersionLabel};

/// Versions whose files are kept at a time: who deploys more often within `assets.keep` loses the oldest ones.
const MOST: usize = 8;

/// A version whose files are given where another one says 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetsOf {
    /// The version; it may have been removed since.
    pub version: VersionId,
    /// What its package calls itself.
    pub label: VersionLabel,
    /// SHA-256 of its package, in hex.
    pub digest: String,
    /// When that ends; `None` while it serves itself.
    pub until: Option<Timestamp>,
}

/// What the proxy gives where an instance says 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetsRoute {
    /// Path prefixes below which it does.
    pub prefixes: Vec<String>,
    /// The folder of each package that stands for `/`.
    pub folder: String,
    /// The versions, the newest first.
    pub versions: Vec<AssetsOf>,
}

impl App {
    /// Nothing where one version alone has files: what that one does not give, nobody shall.
    pub(super) fn assets_route(&self) -> Option<AssetsRoute> {
        let settings = &self.revision(self.routed_by()?)?.settings.assets;
        if settings.prefixes.is_empty() || self.assets.len() < 2 {
            return None;
        }
        let mut versions = self.assets.clone();
        versions.sort_by_key(|it| std::cmp::Reverse(it.version));
        Some(AssetsRoute { prefixes: settings.prefixes.clone(), folder: settings.folder.clone(), versions })
    }

    /// When the next version's files are no longer given.
    pub(super) fn assets_end_at(&self) -> Option<Timestamp> {
        self.assets.iter().filter_map(|it| it.until).min()
    }
}

impl Turn {
    /// Keeps in mind whose files stand in, by who serves now.
    pub(super) fn keep_assets(&mut self) {
        let revision = self.app.routed_by().and_then(|target| self.app.revision(target));
        let settings = revision.map(|revision| &revision.settings.assets);
        let Some(keep) = settings.filter(|it| !it.prefixes.is_empty()).map(|it| it.keep) else {
            self.app.assets.clear();
            return;
        };
        let serving: BTreeSet<VersionId> =
            self.app.backends().into_iter().map(|(it, _)| it.runs().version).collect();
        let (at, ends) = (self.at, self.after(keep));
        for kept in &mut self.app.assets {
            kept.until = match serving.contains(&kept.version) {
                true => None,
                // Never for longer than it may be, wherever the clock was set meanwhile.
                false => Some(kept.until.map_or(ends, |until| until.min(ends))),
            };
        }
        let is_new = |id: &&VersionId| self.app.assets.iter().all(|it| it.version != **id);
        let new = serving.iter().filter(is_new).filter_map(|id| self.app.version(*id));
        let new: Vec<AssetsOf> = new
            .map(|it| AssetsOf {
                version: it.id,
                label: it.label.clone(),
                digest: it.digest.clone(),
                until: None,
            })
            .collect();
        let kept = &mut self.app.assets;
        kept.extend(new);
        kept.retain(|it| it.until.is_none_or(|until| until > at));
        // Those that serve last, before them those that ended last.
        kept.sort_by_key(|it| (it.until.is_none(), it.until, it.version));
        kept.drain(..kept.len().saturating_sub(MOST));
    }
}
